"""The blind sample: a tenth of what the machine found normal is judged by a person all the same.

Drawn after a round, the cameras that no person has looked through for longest first. A drawn lead
stands in the queue among the machine's, under the same words, and nothing shown before the decision
tells them apart; it counts as no candidate of the machine's. Only it can tell what the machine
misses: the share of confirmed among the decided, with Wilson's interval.
"""

import math
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from patrol.domain.finding import Finding, FindingState, Origin
from patrol.domain.ids import CameraId, FindingId, GridCode, RoundId
from patrol.domain.levels import Level
from patrol.domain.observation import Subject
from patrol.domain.round import Visit, VisitOutcome
from patrol.ports import UnitOfWork

SHARE: Final = 0.10
KIND: Final = "scene_change"
MACHINES: Final = frozenset({"patrol", "rules"})
LOOKED_BACK: Final = 20  # lines of a camera's access log: one a round, so ten days
NEVER: Final = datetime.min.replace(tzinfo=UTC)
BY_EYE: Final = "值班员人工发现 (seen by the operator)"
Z95: Final = 1.959964


@dataclass(frozen=True, slots=True, kw_only=True)
class MissRate:
    """Of pictures that the machine called normal: how many were not, by a person's eye."""

    missed: int
    judged: int

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's, 95 %; everything is possible while nothing was judged."""
        return wilson(self.missed, self.judged)


def wilson(part: int, whole: int, z: float = Z95) -> tuple[float, float]:
    """The interval of a share that stays within 0..1 and is honest about small numbers."""
    if whole == 0:
        return 0.0, 1.0
    share, z2 = part / whole, z * z
    middle = share + z2 / (2 * whole)
    reach = z * math.sqrt(share * (1 - share) / whole + z2 / (4 * whole * whole))
    scale = 1 + z2 / whole
    low, high = (middle - reach) / scale, (middle + reach) / scale
    return (0.0 if part == 0 else max(0.0, low)), (1.0 if part == whole else min(1.0, high))


def miss_rate(findings: Iterable[Finding]) -> MissRate:
    """From the verdicts on drawn leads; what was doubted or aged is no verdict."""
    drawn = [finding for finding in findings if finding.origin is Origin.SAMPLE]
    missed = sum(f.state in (FindingState.CONFIRMED, FindingState.MERGED) for f in drawn)
    right = sum(f.state is FindingState.DISMISSED for f in drawn)
    return MissRate(missed=missed, judged=missed + right)


def draw(
    uow: UnitOfWork,
    round_id: RoundId,
    *,
    grid_of: Callable[[CameraId], GridCode],
    words: Callable[[float], str],
    rng: random.Random,
    share: float = SHARE,
) -> Sequence[Finding]:
    """Draw once a round, inside the caller's unit of work; a second time draws nothing.

    `words`: what the machine says of a change with this score.
    """
    known = uow.findings.of_round(round_id)
    if any(finding.origin is Origin.SAMPLE for finding in known):
        return []
    normal = [v for v in uow.rounds.visits(round_id) if v.outcome is VisitOutcome.NORMAL]
    taken = {finding.camera for finding in known}
    visits = {v.camera: v for v in normal if v.camera not in taken and v.pictures}
    last = {camera: _last_look(uow, camera) for camera in visits}
    scores = [f.score for f in known if f.kind == KIND] or [f.score for f in known]
    drawn: list[Finding] = []
    for camera in choose(last, share, rng):
        if uow.findings.open_like(camera, KIND) or uow.cases.open_like(camera, KIND):
            continue  # it would be counted there, and give itself away
        score = rng.choice(scores) if scores else round(rng.uniform(0.3, 0.9), 3)
        ident = FindingId(f"F{uow.next_number('finding'):06d}")
        lead = _lead(ident, visits[camera], grid_of(camera), score, words(score))
        uow.findings.add(lead)
        drawn.append(lead)
    return drawn


def choose(
    last_looks: dict[CameraId, datetime], share: float, rng: random.Random
) -> list[CameraId]:
    """The share of them, rounded up, that a person looked through longest ago; ties by lot."""
    count = math.ceil(len(last_looks) * share)
    lots = {camera: rng.random() for camera in sorted(last_looks)}
    return sorted(lots, key=lambda camera: (last_looks[camera], lots[camera]))[:count]


def revealed(finding: Finding) -> Finding:
    """Once it is confirmed: the machine saw nothing, so nothing may be said in its name."""
    return replace(finding, why=BY_EYE) if finding.origin is Origin.SAMPLE else finding


def _last_look(uow: UnitOfWork, camera: CameraId) -> datetime:
    entries = uow.access.entries(camera=camera, limit=LOOKED_BACK)
    return next((entry.at for entry in entries if entry.who not in MACHINES), NEVER)


def _lead(ident: FindingId, visit: Visit, grid: GridCode, score: float, why: str) -> Finding:
    return Finding(
        id=ident,
        camera=visit.camera,
        grid=grid,
        round=visit.round,
        subject=Subject.SCENE,
        kind=KIND,
        score=score,
        found_at=visit.pictures[-1].taken_at,
        why=why,
        level=Level.ORDINARY,
        category=KIND,
        picture=visit.pictures[-1].sha256,
        origin=Origin.SAMPLE,
    )
