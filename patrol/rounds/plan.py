"""Plan a round: who is visited, who is not and why, in which order. Pure.

Order: cameras with an open case first, then key sites, then the rest; within a part the cameras of
every network link are spread evenly over it, so that no village uplink and no recorder is asked for
all its cameras at once.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from patrol.domain.camera import Camera, Priority, Refusal
from patrol.domain.ids import CameraId, RoundId
from patrol.domain.round import PlannedVisit, Round
from patrol.domain.stoppage import IN_MAINTENANCE


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRound:
    """A round before its first step, with its visits and its refusals."""

    round: Round
    visits: tuple[PlannedVisit, ...]
    refused: Mapping[CameraId, str]  # a Refusal, or IN_MAINTENANCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which cameras a round is about, beside consent, and which it visits first."""

    wants: Callable[[Camera], bool] = lambda _: True  # others are not the plan's business
    in_maintenance: Callable[[Camera], bool] = lambda _: False
    first: frozenset[CameraId] = frozenset()  # something is open there


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
    selection: Selection | None = None,
) -> PlannedRound:
    """Apply the consent gate, leave out what is in maintenance, put the rest in order."""
    chosen = selection or Selection()
    allowed: list[Camera] = []
    refused: dict[CameraId, str] = {}
    for camera in filter(chosen.wants, cameras):
        reason: str | None = why_refused(camera, day, withdrawn)
        if reason is None and chosen.in_maintenance(camera):
            reason = IN_MAINTENANCE
        if reason is None:
            allowed.append(camera)
        else:
            refused[camera.id] = reason
    visits = tuple(
        PlannedVisit(round=ident, camera=camera.id, order=order)
        for order, camera in enumerate(in_order(allowed, rng, chosen.first))
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


def in_order(
    cameras: Sequence[Camera], rng: random.Random, first: frozenset[CameraId] = frozenset()
) -> list[Camera]:
    """Open cases first, then key sites, then the rest; each part interleaved by link."""
    parts: tuple[list[Camera], list[Camera], list[Camera]] = ([], [], [])
    for camera in cameras:
        is_key = camera.priority is Priority.KEY
        parts[0 if camera.id in first else 1 if is_key else 2].append(camera)
    return [camera for part in parts for camera in _interleaved(part, rng)]


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
