"""Review queue: the undecided findings in the order in which a person should judge them.

Used by `patrol queue`, the review page and the overview. The order is domain/ranking.py; the facts
that it needs beside the findings (how many earlier findings of the camera were real, when a person
last decided one) are read here, in one query.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from patrol.domain.camera import Camera, Priority
from patrol.domain.finding import Finding, FindingState
from patrol.domain.ids import CameraId
from patrol.domain.observation import Subject
from patrol.domain.ranking import (
    TRACK_RECORD_WINDOW,
    CameraTrackRecord,
    RankedFinding,
    RankingInput,
    rank_findings,
)
from patrol.store import UnitOfWork

NO_LIMIT: Final = 100_000  # more than any queue holds, or than cases are open
CamerasById = Mapping[CameraId, Camera]
TrackRecords = Mapping[tuple[CameraId, Subject], CameraTrackRecord]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLine:
    """One finding of the queue, with what an operator sees beside it."""

    finding: Finding
    waiting: timedelta
    second_look: bool  # a person was unsure: another one has to decide
    position: int  # from 1, of both subjects together
    why: str  # reasons of its position; Chinese first


def review_queue(
    uow: UnitOfWork,
    now: datetime,
    *,
    subject: Subject | None = None,
    cameras: CamerasById | None = None,
    limit: int = 1000,
) -> Sequence[QueueLine]:
    """The undecided findings in the order in which they should be judged.

    `cameras`: the registry's, for key sites; without it every camera is an ordinary one.
    """
    lines = (
        QueueLine(
            finding=one.finding,
            waiting=now - one.finding.found_at,
            second_look=one.finding.state is FindingState.UNSURE,
            position=one.position,
            why=one.why,
        )
        for one in ranked_findings(uow, uow.findings.queue(limit=limit), now, cameras=cameras)
    )
    return [line for line in lines if subject in (None, line.finding.subject)]


def ranked_findings(
    uow: UnitOfWork,
    findings: Iterable[Finding],
    now: datetime,
    *,
    cameras: CamerasById | None = None,
) -> Sequence[RankedFinding]:
    """These findings in queue order, each with the reasons of its position."""
    waiting = list(findings)
    records = uow.findings.track_records(now - TRACK_RECORD_WINDOW) if waiting else {}
    last_decided: dict[CameraId, datetime] = {}
    for (camera, _), record in records.items():
        last_decided[camera] = max(record.last_at, last_decided.get(camera, record.last_at))
    pairs = [
        (one, _ranking_input(one, records, last_decided, cameras or {}, now)) for one in waiting
    ]
    return rank_findings(pairs, now)


def _ranking_input(
    finding: Finding,
    records: TrackRecords,
    last_decided: Mapping[CameraId, datetime],
    cameras: CamerasById,
    now: datetime,
) -> RankingInput:
    record = records.get((finding.camera, finding.subject))
    camera, last = cameras.get(finding.camera), last_decided.get(finding.camera)
    return RankingInput(
        priority=camera.priority if camera else Priority.NORMAL,
        confirmed=record.confirmed if record else 0,
        decided=record.decided if record else 0,
        unseen=now - last if last else None,
    )
