"""Plan a round: who is visited, who is not and why, in which order. Pure.

Order: key sites first; within a priority the cameras of every network link are spread evenly over
the round, so that no village uplink and no recorder is asked for all its cameras at once.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from patrol.domain.camera import Camera, Priority, Refusal
from patrol.domain.ids import CameraId, RoundId
from patrol.domain.round import PlannedVisit, Round


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRound:
    """A round before its first step, with its visits and its refusals."""

    round: Round
    visits: tuple[PlannedVisit, ...]
    refused: Mapping[CameraId, Refusal]


def why_refused(camera: Camera, today: date, withdrawn: frozenset[CameraId]) -> Refusal | None:
    """The reason not to connect: asked when planning, and again just before each visit."""
    if camera.id in withdrawn:
        return Refusal.CONSENT_WITHDRAWN
    return camera.why_not(today)


def round_id(plan: str, day: date, number: int) -> RoundId:
    """`20261122-morning-1`."""
    return RoundId(f"{day:%Y%m%d}-{plan}-{number}")


def plan_round(
    cameras: Iterable[Camera],
    *,
    ident: RoundId,
    plan: str,
    day: date,
    now: datetime,
    finish_by: datetime,
    withdrawn: frozenset[CameraId],
    rng: random.Random,
) -> PlannedRound:
    """Apply the consent gate and put the rest in order."""
    allowed: list[Camera] = []
    refused: dict[CameraId, Refusal] = {}
    for camera in cameras:
        reason = why_refused(camera, day, withdrawn)
        if reason is None:
            allowed.append(camera)
        else:
            refused[camera.id] = reason
    visits = tuple(
        PlannedVisit(round=ident, camera=camera.id, order=order)
        for order, camera in enumerate(in_order(allowed, rng))
    )
    planned = Round(
        id=ident,
        plan=plan,
        day=day,
        planned_at=now,
        finish_by=finish_by,
        planned=len(visits),
        refused=dict(Counter(str(reason) for reason in refused.values())),
    )
    return PlannedRound(round=planned, visits=visits, refused=refused)


def in_order(cameras: Sequence[Camera], rng: random.Random) -> list[Camera]:
    """Key sites first, then the rest; each part interleaved by link."""
    key = [camera for camera in cameras if camera.priority is Priority.KEY]
    normal = [camera for camera in cameras if camera.priority is not Priority.KEY]
    return [*_interleaved(key, rng), *_interleaved(normal, rng)]


def _interleaved(cameras: Sequence[Camera], rng: random.Random) -> list[Camera]:
    """Camera i of a link with k cameras stands at (i + jitter) / k of the way."""
    by_link: dict[str, list[Camera]] = defaultdict(list)
    for camera in cameras:
        by_link[camera.link].append(camera)
    placed: list[tuple[float, Camera]] = []
    for members in by_link.values():
        rng.shuffle(members)
        step = 1.0 / len(members)
        placed += [((i + rng.random()) * step, camera) for i, camera in enumerate(members)]
    return [camera for _, camera in sorted(placed, key=lambda pair: pair[0])]
