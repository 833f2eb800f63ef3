"""The blind sample: a tenth of what the machine found normal is judged by a person all the same.

Only it can tell what the machine misses. Which cameras are drawn is chosen when a round begins —
those that no person has looked at for longest — and a lead is made in the moment in which such a
camera is found normal, so that its number, its time and its place lie among the machine's. Until
somebody decided, nothing shown tells it from a change that the machine could not name:

* both ask the same question of the same two pictures (`domain.words.COMPARE`), and claim nothing;
* the box is where the picture differs most from its reference — over the limit or just below it;
* the score, which orders the queue, is one that such a lead had lately, by lot.

It is no candidate of the machine's: it counts in no round's findings, in no precision, in no
camera's track record, and its dismissal teaches nothing.
"""

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from patrol.domain.camera import Camera
from patrol.domain.finding import Finding, Origin
from patrol.domain.health import Condition
from patrol.domain.ids import CameraId, FindingId, RoundId
from patrol.domain.levels import Level
from patrol.domain.observation import Box, Subject
from patrol.domain.ranking import newest_looks
from patrol.domain.round import StoredPicture, Visit, VisitOutcome
from patrol.domain.words import COMPARE
from patrol.review.probes import choose_probes, shown_again
from patrol.store import UnitOfWork

SHARE: Final = 0.10
KIND: Final = "scene_change"  # a change that has no name yet
LEAST_SCORE: Final = 0.5  # below it the machine proposes nothing
ALL: Final = 100_000  # more than any queue holds
LOOKED_BACK: Final = timedelta(days=365)
NEVER: Final = datetime.min.replace(tzinfo=UTC)
UNKNOWN: Final = (Condition.ONLINE, NEVER, "")  # never visited: it may be seen well
BY_EYE: Final = "值班员人工发现 (seen by the operator)"
Cameras = Mapping[CameraId, Camera]
PointAt = Callable[[Visit, Camera], Box | None]


@dataclass(slots=True, kw_only=True)
class BlindSample:
    """Draws among what the machine finds normal; one of a site, used by one round at a time."""

    rng: random.Random
    share: float = SHARE
    probes: float = 0.0  # known positives, as a share of what a round plans; none by default
    level: Level = Level.ORDINARY  # as the site's rules have it for a change without a name
    category: str = KIND
    point_at: PointAt = lambda _visit, _camera: None
    _drawn: set[CameraId] = field(default_factory=set)
    _probes: dict[CameraId, Finding] = field(default_factory=dict)
    _scores: list[float] = field(default_factory=list)

    def begin(self, uow: UnitOfWork, planned: Iterable[CameraId], now: datetime) -> None:
        """Choose among the cameras that this round is still to visit; again after a restart."""
        taken, self._scores = _taken(uow)
        health, last = uow.health.all(), last_looks(uow, now)
        looks = {
            camera: last.get(camera, NEVER)
            for camera in planned
            if camera not in taken and health.get(camera, UNKNOWN)[0] == Condition.ONLINE
        }
        self._drawn = set(choose(looks, self.share, self.rng))
        self._probes = choose_probes(uow, looks, self.probes, now, self.rng)

    def point(self, visit: Visit, camera: Camera) -> Box | None:
        """Where somebody should look first; asked outside of any transaction, for it takes time."""
        drawn = camera.id in self._drawn and visit.outcome is VisitOutcome.NORMAL
        return self.point_at(visit, camera) if drawn else None

    def record(self, uow: UnitOfWork, visit: Visit, camera: Camera, box: Box | None) -> None:
        """Enter what was drawn, in the transaction that records the visit."""
        if visit.outcome is not VisitOutcome.NORMAL or not visit.pictures:
            return
        probe = self._probes.pop(camera.id, None)
        if probe is not None:
            uow.findings.add(shown_again(probe, visit, next_id(uow)))
        elif camera.id in self._drawn:
            self._drawn.discard(camera.id)
            uow.findings.add(self._lead(uow, visit, camera, box))

    def end(self, uow: UnitOfWork, round_id: RoundId, cameras: Cameras, now: datetime) -> None:
        """Draw what is missing to the share of what was normal, when the round's books close."""
        normal = {c for c, how, _ in uow.rounds.outcomes(round_id) if how is VisitOutcome.NORMAL}
        known = uow.findings.of_round(round_id)
        drawn = sum(finding.origin is Origin.SAMPLE for finding in known)
        missing = share_of(len(normal), self.share) - drawn
        if missing <= 0:
            return
        taken, _ = _taken(uow)
        free = (normal & cameras.keys()) - taken - {finding.camera for finding in known}
        visits = {v.camera: v for v in uow.rounds.visits(round_id) if v.camera in free}
        last = last_looks(uow, now)
        looks = {camera: last.get(camera, NEVER) for camera, v in visits.items() if v.pictures}
        for camera in in_order(looks, self.rng)[:missing]:
            visit, place = visits[camera], cameras[camera]
            uow.findings.add(self._lead(uow, visit, place, self.point_at(visit, place)))

    def _lead(self, uow: UnitOfWork, visit: Visit, camera: Camera, box: Box | None) -> Finding:
        if self._scores:
            score = self.rng.choice(self._scores)
        else:
            score = round(self.rng.uniform(LEAST_SCORE, 1.0), 3)
        return Finding(
            id=next_id(uow),
            camera=visit.camera,
            grid=camera.grid,
            round=visit.round,
            subject=Subject.SCENE,
            kind=KIND,
            score=score,
            found_at=visit.pictures[-1].taken_at,
            why=COMPARE,
            level=self.level,
            category=self.category,
            picture=_shown(visit).sha256,
            box=box,
            origin=Origin.SAMPLE,
        )


def last_looks(uow: UnitOfWork, now: datetime) -> dict[CameraId, datetime]:
    """When a person last looked at each camera."""
    records = uow.findings.track_records(now - LOOKED_BACK)
    return newest_looks(uow.access.last_looks(now), records, now)


def in_order(last_looks: Mapping[CameraId, datetime], rng: random.Random) -> list[CameraId]:
    """Whoever was looked at longest ago comes first; ties by lot."""
    lots = {camera: rng.random() for camera in sorted(last_looks)}
    return sorted(lots, key=lambda camera: (last_looks[camera], lots[camera]))


def choose(
    last_looks: Mapping[CameraId, datetime], share: float, rng: random.Random
) -> list[CameraId]:
    """The share of them, rounded down: a town of nine cameras has no tenth to spare."""
    return in_order(last_looks, rng)[: share_of(len(last_looks), share)]


def share_of(count: int, share: float) -> int:
    """Rounded down; a hair is added, for 0.29 of 100 is 28.999… to a computer."""
    return int(count * share + 1e-9)


def next_id(uow: UnitOfWork) -> FindingId:
    """The next lead's number, whoever proposes it."""
    return FindingId(f"F{uow.next_number('finding'):06d}")


def revealed(finding: Finding) -> Finding:
    """Once it is confirmed: the machine saw nothing, so nothing may be said in its name."""
    return replace(finding, why=BY_EYE) if finding.origin is Origin.SAMPLE else finding


def _shown(visit: Visit) -> StoredPicture:
    """The picture that the eye judged: the first one that was usable."""
    return visit.pictures[-min(visit.usable_pictures, len(visit.pictures))]


def _taken(uow: UnitOfWork) -> tuple[set[CameraId | None], list[float]]:
    """Cameras where something waits or is open, and the scores of changes without a name."""
    waiting = uow.findings.queue(limit=ALL)
    open_cases = uow.cases.list(open_only=True, limit=ALL)
    scores = [lead.score for lead in waiting if lead.kind == KIND]
    return {lead.camera for lead in waiting} | {case.camera for case in open_cases}, scores
