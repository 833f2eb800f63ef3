"""Review queue: what is undecided, in which order, who judges what, and what leaves it unjudged.

Used by `patrol queue`, the review page and the overview. The order is domain/ranking.py; the facts
that it needs beside the findings (how many earlier findings of the camera were real, when a person
last decided one) are read here, in one query. All that waits is counted; read and weighed are the
levels that are shown, and whole rows and reasons have the lines that are.

Expiry: a finding that nobody decided within three days leaves the queue in the state `aged`. Its
picture is old by then; what is still there is found anew by the next round, with a fresh one.
Urgent and pressing findings never expire. An expired finding counts neither as confirmed nor as
dismissed. The service calls it when it sweeps old pictures.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from patrol.domain.camera import Priority
from patrol.domain.finding import EXPIRY_ACTOR, Decision, Finding, FindingState
from patrol.domain.ids import CameraId, FindingId
from patrol.domain.observation import Subject
from patrol.domain.priority import Level
from patrol.domain.ranking import (
    TRACK_RECORD_WINDOW,
    RankingInput,
    queue_group,
    rank_findings,
    weigh_findings,
)
from patrol.store import Store, UnitOfWork
from patrol.store.findings import WaitingFinding

NO_LIMIT: Final = 100_000  # more than any queue holds, or than cases are open


class HasPriority(Protocol):
    """A camera as far as the queue's order needs it."""

    @property
    def priority(self) -> Priority:
        """Whether it is a key site."""


CamerasById = Mapping[CameraId, HasPriority]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLine:
    """One finding of the queue, with what an operator sees beside it."""

    finding: Finding
    waiting: timedelta
    second_look: bool  # a person was unsure: another one has to decide
    position: int  # from 1, of both subjects together
    why: str  # reasons of its position; Chinese first


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuePage:
    """Some lines of the queue, and how many it has."""

    lines: Sequence[QueueLine]
    count: int  # of all that wait, shown or not


def review_queue(
    uow: UnitOfWork,
    now: datetime,
    *,
    subject: Subject | None = None,
    cameras: CamerasById | None = None,
    limit: int = NO_LIMIT,
    offset: int = 0,
) -> QueuePage:
    """The undecided findings in the order in which they should be judged; all are counted.

    `cameras`: the registry's, for key sites; without it every camera is an ordinary one.
    """
    groups = _waiting_groups(uow)
    count = sum(size for _, of, size in groups if subject in (None, of))
    ranking = QueueRanking(uow, now, cameras=cameras)
    lines: list[QueueLine] = []
    to_skip, before = offset, 0
    for level, of, size in groups:
        if len(lines) >= limit:
            break
        if subject in (None, of):
            if to_skip < size:
                wanted = slice(to_skip, to_skip + limit - len(lines))
                lines += ranking.lines(ranking.group(level, of)[wanted], before + to_skip + 1)
            to_skip = max(0, to_skip - size)
        before += size
    return QueuePage(lines=lines, count=count)


def waiting_in_order(
    uow: UnitOfWork, now: datetime, *, cameras: CamerasById | None = None
) -> Iterator[WaitingFinding]:
    """What waits, in queue order; a group is read and weighed when its first one is asked for."""
    ranking = QueueRanking(uow, now, cameras=cameras)
    for level, subject, _ in _waiting_groups(uow):
        for finding, _context in ranking.group(level, subject):
            yield finding


def _waiting_groups(uow: UnitOfWork) -> list[tuple[Level, Subject, int]]:
    """(level, subject, how many wait), in queue order."""
    totals = [(one.level, one.subject, one.count) for one in uow.findings.waiting_totals()]
    return sorted(totals, key=lambda total: queue_group(total[0], total[1]))


class QueueRanking:
    """Weighs the waiting findings of one moment, a level and subject at a time."""

    def __init__(
        self, uow: UnitOfWork, now: datetime, *, cameras: CamerasById | None = None
    ) -> None:
        self._uow, self._now, self._cameras = uow, now, cameras or {}
        self._records = uow.findings.track_records(now - TRACK_RECORD_WINDOW)
        self._last_decided: dict[CameraId, datetime] = {}
        for (camera, _), record in self._records.items():
            last_at = max(record.last_at, self._last_decided.get(camera, record.last_at))
            self._last_decided[camera] = last_at

    def group(
        self, level: Level, subject: Subject
    ) -> Sequence[tuple[WaitingFinding, RankingInput]]:
        """The group's findings in queue order."""
        inputs: dict[CameraId, RankingInput] = {}  # a camera's is the same for all of a subject
        pairs = []
        for finding in self._uow.findings.waiting(level, subject):
            context = inputs.get(finding.camera)
            if context is None:
                context = inputs[finding.camera] = self._input(finding.camera, subject)
            pairs.append((finding, context))
        return weigh_findings(pairs, self._now)

    def lines(
        self, shown: Sequence[tuple[WaitingFinding, RankingInput]], first: int
    ) -> list[QueueLine]:
        """Whole lines of a part of a group whose first one has position `first`."""
        whole = self._uow.findings.with_ids(finding.id for finding, _ in shown)
        pairs = [(whole[finding.id], context) for finding, context in shown]
        return [
            QueueLine(
                finding=one.finding,
                waiting=self._now - one.finding.found_at,
                second_look=one.finding.state is FindingState.UNSURE,
                position=one.position,
                why=one.why,
            )
            for one in rank_findings(pairs, self._now, first=first)
        ]

    def _input(self, camera: CameraId, subject: Subject) -> RankingInput:
        record, known = self._records.get((camera, subject)), self._cameras.get(camera)
        last = self._last_decided.get(camera)
        return RankingInput(
            priority=known.priority if known else Priority.NORMAL,
            confirmed=record.confirmed if record else 0,
            decided=record.decided if record else 0,
            unseen=self._now - last if last else None,
        )


EXPIRES_AFTER: Final = timedelta(days=3)  # six rounds: whatever is still there was seen again
EXPIRING_LEVELS: Final = frozenset({Level.ORDINARY, Level.NOTE})


def expire_undecided(
    store: Store, now: datetime, *, after: timedelta = EXPIRES_AFTER
) -> Sequence[Finding]:
    """Expire what has waited for `after`, one transaction a finding; those that expired."""
    with store.begin_read() as uow:
        old = [
            finding.id
            for finding in uow.findings.queue(limit=NO_LIMIT)
            if is_expired(finding, now, after)
        ]
    expired = (_expire(store, finding_id, now, after) for finding_id in old)
    return [finding for finding in expired if finding is not None]


def is_expired(finding: Finding, now: datetime, after: timedelta = EXPIRES_AFTER) -> bool:
    """Whether it expires at `now`; an "unsure" starts its time anew."""
    since = finding.decided_at or finding.found_at
    return finding.is_open and finding.level in EXPIRING_LEVELS and now - since >= after


def _expire(store: Store, finding_id: FindingId, now: datetime, after: timedelta) -> Finding | None:
    with store.begin() as uow:
        finding = uow.findings.get(finding_id)
        if not is_expired(finding, now, after):
            return None  # a person was faster
        reason = f"nobody decided within {after / timedelta(days=1):g} d"
        expired = finding.decide(Decision.AGE, by=EXPIRY_ACTOR, now=now, reason=reason)
        uow.findings.put(expired)
        uow.commit()
    return expired
