"""Blind sample: a tenth of what the machine found normal is judged by a person all the same.

Only it can tell what the machine misses. Which cameras are drawn is chosen when a round begins —
those that no person has looked at for longest — and a finding is entered at the moment at which
such a camera is found normal, so that its number, time and place lie among the machine's. Until it
is decided, nothing shown tells it from a change that the machine could not name:

* both ask the same question of the same two pictures (`labels.COMPARE_PROMPT`), and claim nothing;
* the box is where the picture differs most from its reference — over the limit or just below it;
* the score, which orders the queue, is drawn among those that such findings had lately.

It counts in no round's findings, no precision and no camera's track record, and its dismissal
suppresses nothing. The round runner calls it: at the beginning, at each visit and at the end.

Known positives: earlier findings that were real, put into the queue again to measure attention.

Off unless the site sets `review.known_positives`. The blind sample draws them at the beginning of a
round (`choose_known_positives`) and enters them when the camera was visited. One that is confirmed
is counted to its old case, and the operator learns what it was; one that is dismissed was missed.
They are in no statistics.
"""

import random
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from patrol.domain.camera import Camera
from patrol.domain.finding import Decision, Finding, FindingState, Origin
from patrol.domain.ids import CameraId, FindingId, RoundId
from patrol.domain.labels import COMPARE_PROMPT, UNNAMED_CHANGE
from patrol.domain.observation import Box, Light, Subject
from patrol.domain.priority import Level
from patrol.domain.ranking import TRACK_RECORD_WINDOW, last_viewed_by_person
from patrol.domain.round import StoredPicture, Visit, VisitOutcome
from patrol.pixels import decode_jpeg
from patrol.ports import PictureStore
from patrol.review.claims import end_claim
from patrol.review.queue import NO_LIMIT
from patrol.store import Store, UnitOfWork
from patrol.vision.camera_memory import reference_in
from patrol.vision.change import CHANGE_GAUGE
from patrol.vision.change.compare import most_changed_box

KNOWN_POSITIVE_WINDOW: Final = timedelta(days=90)  # an older picture shows another season


def choose_known_positives(
    uow: UnitOfWork,
    cameras: Collection[CameraId],
    share: float,
    now: datetime,
    rng: random.Random,
) -> dict[CameraId, Finding]:
    """Draw a share of the cameras; each with its latest finding that was real, by camera."""
    count = int(len(cameras) * share + 1e-9)
    if count == 0:
        return {}
    real = {
        finding.camera: finding
        for finding in uow.findings.confirmed_since(now - KNOWN_POSITIVE_WINDOW)
        if finding.camera in cameras
        and finding.subject is Subject.SCENE
        and _has_picture(uow, finding)
    }
    return {camera: real[camera] for camera in rng.sample(sorted(real), min(len(real), count))}


def as_known_positive(real: Finding, visit: Visit, ident: FindingId) -> Finding:
    """The same finding, as if this visit had shown it."""
    return replace(
        real,
        id=ident,
        round=visit.round,
        found_at=visit.pictures[-1].taken_at,
        origin=Origin.PROBE,
        state=FindingState.CANDIDATE,
        count=1,
        unreviewed_ok=False,
        decided_by="",
        decided_at=None,
        reason="",
        case=None,
        recheck=None,
    )


def merge_known_positive(
    uow: UnitOfWork, finding_id: FindingId, *, by: str, now: datetime, holder: str = ""
) -> Finding:
    """Count a confirmed known positive to the case that it was; the caller commits.

    Raises KeyError, AlreadyDecided, FindingClaimed.
    """
    finding = uow.findings.get(finding_id)
    earlier = uow.findings.confirmed_since(
        finding.found_at - 2 * KNOWN_POSITIVE_WINDOW, limit=NO_LIMIT
    )
    mine = (one for one in earlier if _is_same(one, finding))
    case = next((one.case for one in mine), None)
    moved = finding.decide(Decision.MERGE, by=by, now=now, reason=f"known positive, {case}")
    decided = replace(moved, case=case)
    end_claim(uow, finding_id, by=by, holder=holder, now=now)
    uow.findings.put(decided)
    return decided


def _is_same(real: Finding, shown: Finding) -> bool:
    return (real.camera, real.picture) == (shown.camera, shown.picture)


def _has_picture(uow: UnitOfWork, real: Finding) -> bool:
    return real.picture is not None and uow.pictures.get(real.picture) is not None


log = structlog.get_logger(__name__)

SHARE: Final = 0.10
MIN_SCORE: Final = 0.5  # below it the machine proposes nothing
NEVER: Final = datetime.min.replace(tzinfo=UTC)
SEEN_BY_PERSON: Final = "值班员人工发现 (seen by the operator)"
ChangeHintFinder = Callable[[Visit, Camera], Box | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeHint:
    """Finds where a stored picture differs most from its reference; call outside a transaction."""

    store: Store
    evidence: PictureStore

    def __call__(self, visit: Visit, camera: Camera) -> Box | None:
        """None where there is no picture, or no reference yet."""
        if not visit.pictures or visit.light not in set(Light):
            return None
        light = Light(visit.light)
        with self.store.begin_read() as uow:
            blob = uow.memories.get(camera.id, light)
        scene = reference_in(blob, light, camera.areas)
        if scene is None:
            return None
        try:
            jpeg = self.evidence.get(visit.pictures[0].sha256)
        except KeyError:
            return None
        picture = decode_jpeg(jpeg)
        if picture is None:
            log.warning("a stored picture cannot be read", camera=camera.id)
            return None
        return most_changed_box(scene, picture, camera.areas)


@dataclass(slots=True, kw_only=True)
class BlindSample:
    """Draws among the cameras found normal; one object a site, used by one round at a time."""

    rng: random.Random
    share: float = SHARE
    known_positive_share: float = (
        0.0  # known positives, as a share of what a round plans; none by default
    )
    level: Level = Level.ORDINARY  # as the site's rules have it for a change without a name
    category: str = UNNAMED_CHANGE
    find_hint: ChangeHintFinder = lambda _visit, _camera: None
    _drawn: set[CameraId] = field(default_factory=set)
    _known_positives: dict[CameraId, Finding] = field(default_factory=dict)
    _scores: list[float] = field(default_factory=list)

    def begin_round(self, uow: UnitOfWork, planned: Iterable[CameraId], now: datetime) -> None:
        """Choose among the cameras that this round has still to visit; again after a restart."""
        busy, self._scores = _busy_cameras(uow)
        unhealthy, last = uow.health.unhealthy(), last_person_views(uow, now)
        last_views = {  # a camera never visited may be seen well
            camera: last.get(camera, NEVER)
            for camera in planned
            if camera not in busy and camera not in unhealthy
        }
        self._drawn = set(draw(last_views, self.share, self.rng))
        self._known_positives = choose_known_positives(
            uow, last_views, self.known_positive_share, now, self.rng
        )

    def hint_box(self, visit: Visit, camera: Camera) -> Box | None:
        """Where a person should look first; slow, so call it outside a transaction."""
        drawn = camera.id in self._drawn and visit.outcome is VisitOutcome.NORMAL
        return self.find_hint(visit, camera) if drawn else None

    def record_visit(self, uow: UnitOfWork, visit: Visit, camera: Camera, box: Box | None) -> None:
        """Enter the finding of a drawn camera, in the transaction that records the visit."""
        if visit.outcome is not VisitOutcome.NORMAL or not visit.pictures:
            return
        known_positive = self._known_positives.pop(camera.id, None)
        if known_positive is not None:
            uow.findings.add(as_known_positive(known_positive, visit, next_finding_id(uow)))
        elif camera.id in self._drawn:
            self._drawn.discard(camera.id)
            uow.findings.add(self._finding(uow, visit, camera, box))

    def end_round(
        self, uow: UnitOfWork, round_id: RoundId, cameras: Mapping[CameraId, Camera], now: datetime
    ) -> None:
        """Draw what is missing to the share of what was normal, in the round's last transaction."""
        normal = {c for c, how, _ in uow.rounds.outcomes(round_id) if how is VisitOutcome.NORMAL}
        known = uow.findings.of_round(round_id)
        drawn = sum(finding.origin is Origin.SAMPLE for finding in known)
        missing = share_of(len(normal), self.share) - drawn
        if missing <= 0:
            return
        busy, _ = _busy_cameras(uow)
        free = (normal & cameras.keys()) - busy - {finding.camera for finding in known}
        outlines = uow.rounds.visit_outlines(round_id)
        pictured = [v.camera for v in outlines if v.camera in free and v.first_taken_at is not None]
        last = last_person_views(uow, now)
        last_views = {camera: last.get(camera, NEVER) for camera in pictured}
        chosen = longest_unseen_first(last_views, self.rng)[:missing]
        visits = {visit.camera: visit for visit in uow.rounds.visits(round_id, chosen)}
        for camera in chosen:
            visit, registered = visits[camera], cameras[camera]
            uow.findings.add(
                self._finding(uow, visit, registered, self.find_hint(visit, registered))
            )

    def _finding(self, uow: UnitOfWork, visit: Visit, camera: Camera, box: Box | None) -> Finding:
        if self._scores:
            score = self.rng.choice(self._scores)
        else:
            score = round(self.rng.uniform(MIN_SCORE, 1.0), 3)
        return Finding(
            id=next_finding_id(uow),
            camera=visit.camera,
            grid=camera.grid,
            round=visit.round,
            subject=Subject.SCENE,
            kind=UNNAMED_CHANGE,
            score=score,
            found_at=visit.pictures[-1].taken_at,
            why=COMPARE_PROMPT,
            level=self.level,
            category=self.category,
            picture=_judged_picture(visit).id,
            box=box,
            origin=Origin.SAMPLE,
            gauge=CHANGE_GAUGE,  # as of a change without a name
        )


def last_person_views(uow: UnitOfWork, now: datetime) -> dict[CameraId, datetime]:
    """When a person last looked at each camera."""
    records = uow.findings.track_records(now - TRACK_RECORD_WINDOW)
    return last_viewed_by_person(uow.access.last_viewed(now), records, now)


def longest_unseen_first(
    last_views: Mapping[CameraId, datetime], rng: random.Random
) -> list[CameraId]:
    """Cameras in the order of their last view by a person, the oldest first; ties by lot."""
    lots = {camera: rng.random() for camera in sorted(last_views)}
    return sorted(lots, key=lambda camera: (last_views[camera], lots[camera]))


def draw(
    last_views: Mapping[CameraId, datetime], share: float, rng: random.Random
) -> list[CameraId]:
    """The share of the cameras, rounded down, those longest unseen first."""
    return longest_unseen_first(last_views, rng)[: share_of(len(last_views), share)]


def share_of(count: int, share: float) -> int:
    """`share` of `count`, rounded down (with a margin: 0.29 of 100 is 28.999… in floats)."""
    return int(count * share + 1e-9)


def next_finding_id(uow: UnitOfWork) -> FindingId:
    """The next finding number of the site, e.g. F000042."""
    return FindingId(f"F{uow.next_number('finding'):06d}")


def without_machine_claim(finding: Finding) -> Finding:
    """A confirmed sample without the machine's reason: the machine saw nothing there."""
    return replace(finding, why=SEEN_BY_PERSON) if finding.origin is Origin.SAMPLE else finding


def _judged_picture(visit: Visit) -> StoredPicture:
    """The picture that was judged: the first one that was usable."""
    return visit.pictures[-min(visit.usable_pictures, len(visit.pictures))]


def _busy_cameras(uow: UnitOfWork) -> tuple[set[CameraId | None], list[float]]:
    """Cameras where something waits or is open, and the scores of changes without a name."""
    waiting = uow.findings.queue(limit=NO_LIMIT)
    open_cases = uow.cases.list(open_only=True, limit=NO_LIMIT)
    scores = [finding.score for finding in waiting if finding.kind == UNNAMED_CHANGE]
    return {one.camera for one in waiting} | {case.camera for case in open_cases}, scores
