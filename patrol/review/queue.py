"""The review queue: what waits for a person, the worst first, and why each stands where it stands.

The order is the domain's (ranking.py). What it needs to know beside the leads — what this camera's
earlier leads were worth, when a person last decided one — is read here, in one query.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from patrol.domain.camera import Camera, Priority
from patrol.domain.finding import Finding, FindingState
from patrol.domain.ids import CameraId
from patrol.domain.observation import Subject
from patrol.domain.ranking import Ranked, Standing, TrackRecord, rank
from patrol.store import UnitOfWork

REMEMBERED: Final = timedelta(days=365)  # a camera is judged by its last year
Cameras = Mapping[CameraId, Camera]
Records = Mapping[tuple[CameraId, Subject], TrackRecord]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLine:
    """One line of the queue as an operator needs it."""

    finding: Finding
    waiting: timedelta
    second_look: bool  # somebody was unsure: another pair of eyes
    place: int  # from 1, of both subjects together
    why: str  # it stands there; Chinese first


def queue(
    uow: UnitOfWork,
    now: datetime,
    *,
    subject: Subject | None = None,
    cameras: Cameras | None = None,
    limit: int = 1000,
) -> Sequence[QueueLine]:
    """All leads that wait, in the order in which they should be judged.

    `cameras`: the registry's, for the key sites; without it every camera is an ordinary one.
    """
    lines = (
        QueueLine(
            finding=one.finding,
            waiting=now - one.finding.found_at,
            second_look=one.finding.state is FindingState.UNSURE,
            place=one.place,
            why=one.why,
        )
        for one in ranked(uow, uow.findings.queue(limit=limit), now, cameras=cameras)
    )
    return [line for line in lines if subject in (None, line.finding.subject)]


def ranked(
    uow: UnitOfWork, leads: Iterable[Finding], now: datetime, *, cameras: Cameras | None = None
) -> Sequence[Ranked]:
    """These leads in their order, each with what is known beside it."""
    waiting = list(leads)
    records = uow.findings.track_records(now - REMEMBERED) if waiting else {}
    looked: dict[CameraId, datetime] = {}
    for (camera, _), record in records.items():
        looked[camera] = max(record.last_at, looked.get(camera, record.last_at))
    pairs = [(one, _standing(one, records, looked, cameras or {}, now)) for one in waiting]
    return rank(pairs, now)


def _standing(
    finding: Finding,
    records: Records,
    looked: Mapping[CameraId, datetime],
    cameras: Cameras,
    now: datetime,
) -> Standing:
    record = records.get((finding.camera, finding.subject))
    camera, last = cameras.get(finding.camera), looked.get(finding.camera)
    return Standing(
        priority=camera.priority if camera else Priority.NORMAL,
        confirmed=record.confirmed if record else 0,
        decided=record.decided if record else 0,
        unseen=now - last if last else None,
    )
