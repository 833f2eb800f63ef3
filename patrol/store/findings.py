"""Observations and findings in the store: what was measured, what is proposed to a person."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, Select, and_, bindparam, case, func, or_, select, text

from patrol.domain.finding import (
    EXPIRY_ACTOR,
    REAL_STATES,
    Decision,
    Finding,
    FindingRecheck,
    FindingState,
    Origin,
    WaitingTotal,
)
from patrol.domain.ids import CameraId, FindingId, GridCode, RoundId
from patrol.domain.observation import Observation, Subject
from patrol.domain.priority import Level
from patrol.domain.ranking import MACHINE_ACTORS, CameraTrackRecord
from patrol.domain.round import Round, VisitOutcome
from patrol.store.report_changes import touch_finding
from patrol.store.rows import RowMapper
from patrol.store.schema import WAITING_FINDING, findings, observations, visits
from patrol.store.transaction import FindingChanged, Transaction, in_batches

# Text, not bound and not a Boolean column (that becomes `(…) = 1`): the partial index answers it.
FINDING_WAITING = text(f"({WAITING_FINDING})")
Kinds = frozenset[tuple[str, str]]
# Our own clock may have been set back between visit and picture.
_CLOCK_STEP: Final = timedelta(hours=6)
LONGEST_WAIT: Final = timedelta(days=14)  # of a finding whose earlier rounds still look for it
_LAST_VISITS: Final = (
    select(visits.c.round, visits.c.started_at)
    .where(
        visits.c.camera == bindparam("of_camera"),
        visits.c.outcome.not_in((VisitOutcome.PENDING, VisitOutcome.MISSED)),
    )
    .order_by(visits.c.finished_at.desc(), visits.c.number.desc())
    .limit(bindparam("how_many"))
)
_SEEN_SINCE: Final = select(
    observations.c.kind, observations.c.zone, observations.c.at, observations.c.round
).where(observations.c.camera == bindparam("of_camera"), observations.c.at >= bindparam("since"))

_OBSERVATIONS: Final = RowMapper(Observation)
_FINDINGS: Final = RowMapper(Finding, columns={"count": "times"}, without=("recheck",))
_WRITE: Final = findings.update().where(findings.c.id == bindparam("this"))
_ONE: Final = select(findings).where(findings.c.id == bindparam("this"))
_OPEN_LIKE: Final = (
    select(findings)
    .where(
        findings.c.camera == bindparam("on"),
        findings.c.category == bindparam("like"),
        findings.c.origin == Origin.MACHINE,
        FINDING_WAITING,
    )
    .order_by(findings.c.found_at, findings.c.id)
    .limit(1)
)


_STANDS_ON_CAMERA: Final = and_(
    FINDING_WAITING,
    or_(findings.c.origin != Origin.OPERATOR, findings.c.picture.is_not(None)),
)
DECIDED_STATES: Final = (*REAL_STATES, FindingState.DISMISSED, FindingState.UNSURE)


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionCount:
    """How many findings of one grid, kind and origin were decided so."""

    grid: GridCode
    kind: str
    origin: Origin
    state: FindingState
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidedFilter:
    """Which decided findings are wanted; an empty field asks for nothing.

    `text` is looked for in ids, reasons and words; `cameras` and `categories` are those whose names
    contain it, which the registry and the category table know and the store does not.
    """

    by: str = ""
    since: datetime | None = None
    until: datetime | None = None
    text: str = ""
    cameras: Collection[CameraId] = ()
    categories: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class WaitingFinding:
    """What ranks a finding that waits (domain/ranking.py), without the rest of its row."""

    id: FindingId
    camera: CameraId
    level: Level
    subject: Subject
    score: float
    count: int
    state: FindingState
    recheck: datetime | None  # when its camera was visited again
    found_at: datetime


class FindingRepository:
    """Reads and writes observations and the findings made of them."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def add_observations(self, new_observations: Iterable[Observation]) -> None:
        """Append."""
        self._db.add(observations, [_OBSERVATIONS.to_row(one) for one in new_observations])

    def recent_kinds(self, camera: CameraId, *, visits: int) -> Sequence[Kinds]:
        """The (kind, zone) pairs of each of the camera's last `visits` visits, newest first."""
        last_visits = self._db.run(_LAST_VISITS, {"of_camera": camera, "how_many": visits}).all()
        if not last_visits:
            return []
        since = min(visit.started_at for visit in last_visits) - _CLOCK_STEP
        seen = self._db.run(_SEEN_SINCE, {"of_camera": camera, "since": since})
        kinds: list[set[tuple[str, str]]] = [set() for _ in last_visits]
        for one in seen:
            index = _visit_index(one, last_visits)
            if index is not None:
                kinds[index].add((one.kind, one.zone))
        return [frozenset(kind) for kind in kinds]

    def cameras_measured(self, round_id: RoundId, reading: str) -> frozenset[CameraId]:
        """The cameras whose visit has a reading of this name."""
        found = select(visits.c.camera, visits.c.readings).where(visits.c.round == round_id)
        return frozenset(
            CameraId(camera)
            for camera, readings in map(tuple, self._db.run(found))
            if reading in (readings or {})
        )

    def observed(self, round_id: RoundId, *, gauge: str = "") -> Sequence[Observation]:
        """A round's observations, of one gauge where it is named, in the order of writing."""
        o = observations.c
        mine = select(observations).where(
            o.round == round_id, *([o.gauge == gauge] if gauge else [])
        )
        return [_OBSERVATIONS.from_row(row) for row in self._db.all(mine.order_by(o.number))]

    def observed_since(self, camera: CameraId, kind: str, since: datetime) -> Sequence[Observation]:
        """A camera's observations of one kind from `since` on, oldest first."""
        o = observations.c
        mine = select(observations).where(o.camera == camera, o.at >= since, o.kind == kind)
        return [_OBSERVATIONS.from_row(row) for row in self._db.all(mine.order_by(o.at, o.number))]

    def track_records(
        self, since: datetime
    ) -> Mapping[tuple[CameraId, Subject], CameraTrackRecord]:
        """How people decided each camera's findings from `since` on; machines' do not count.

        Findings that the machine did not propose (Origin) say nothing about it: they count for
        `last_at`, and neither as confirmed nor as decided.
        """
        f = findings.c
        machines = f.origin == Origin.MACHINE
        real_count = func.sum(case((machines & f.state.in_(REAL_STATES), 1), else_=0))
        machine_count = func.sum(case((machines, 1), else_=0))
        decided = f.found_at >= since, f.state.in_((*REAL_STATES, FindingState.DISMISSED))
        grouped = (
            select(
                f.camera,
                f.subject,
                real_count.label("confirmed"),
                machine_count.label("decided"),
                func.max(f.decided_at).label("last_at"),
            )
            .where(*decided, f.decided_by.not_in(sorted(MACHINE_ACTORS)))
            .group_by(f.camera, f.subject)
        )
        return {
            (row.camera, Subject(row.subject)): CameraTrackRecord(
                confirmed=int(row.confirmed), decided=int(row.decided), last_at=row.last_at
            )
            for row in self._db.all(grouped)
        }

    def last_decided(self, since: datetime, before: datetime) -> Mapping[CameraId, datetime]:
        """When a person last decided, before then, a finding of each camera found since `since`."""
        f = findings.c
        newest = select(f.camera, func.max(f.decided_at).label("last_at")).where(
            f.found_at >= since,
            f.found_at < before,
            f.decided_at < before,
            f.state.in_((*REAL_STATES, FindingState.DISMISSED)),
            f.decided_by.not_in(sorted(MACHINE_ACTORS)),
        )
        return {row.camera: row.last_at for row in self._db.all(newest.group_by(f.camera))}

    def add(self, finding: Finding) -> None:
        """Append. Raises ValueError when the id exists."""
        if not self._db.add_if_new(findings, _finding_row(finding), "id"):
            raise ValueError(f"finding {finding.id} exists")
        touch_finding(self._db, finding)
        self._db.notify(FindingChanged(None, finding))

    def get(self, finding_id: FindingId) -> Finding:
        """Locked for this unit of work where the database can. Raises KeyError."""
        row = self._db.first(self._db.locked(_ONE), {"this": finding_id})
        if row is None:
            raise KeyError(finding_id)
        return finding_from_row(row)

    def gauge_of(self, finding_id: FindingId | None) -> str:
        """What saw it, with its version; "" where a person did, or there is no such finding."""
        found = self.with_ids(() if finding_id is None else (finding_id,))
        return next((one.gauge for one in found.values()), "")

    def put(self, finding: Finding) -> None:
        """Write its changed fields. Raises KeyError."""
        before = self.get(finding.id) if self._db.on_event else None
        if self._db.changed(_WRITE, {**_finding_row(finding), "this": finding.id}) == 0:
            raise KeyError(finding.id)
        touch_finding(self._db, finding)
        self._db.notify(FindingChanged(before, finding))

    def open_like(self, camera: CameraId, category: str) -> Finding | None:
        """A finding of the machine's, of this camera and category, that still waits."""
        row = self._db.first(self._db.locked(_OPEN_LIKE), {"on": camera, "like": category})
        return None if row is None else finding_from_row(row)

    def queue(self, *, limit: int = 1000, offset: int = 0) -> Sequence[Finding]:
        """Those that wait for a person, worst first: level, score, oldest; see `waiting_totals`."""
        worst_first = (
            findings.c.level,
            findings.c.score.desc(),
            findings.c.found_at,
            findings.c.id,
        )
        waiting = select(findings).where(FINDING_WAITING).order_by(*worst_first)
        waiting = waiting.limit(limit).offset(offset)
        return [finding_from_row(row) for row in self._db.all(waiting)]

    def close_waiting(self, camera: CameraId, *, reason: str, now: datetime) -> int:
        """Let a camera's findings leave the queue undecided; how many those were.

        One that a person filed without a picture stays: it stands on what was said.
        """
        mine = select(findings).where(_STANDS_ON_CAMERA, findings.c.camera == camera)
        waiting = [finding_from_row(row) for row in self._db.all(self._db.locked(mine))]
        for finding in waiting:
            self.put(finding.decide(Decision.AGE, by=EXPIRY_ACTOR, now=now, reason=reason))
        return len(waiting)

    def cameras_waiting(self, which: Select[Any]) -> Collection[CameraId]:
        """Those of the selected cameras of which `close_waiting` would close something."""
        wanted = select(findings.c.camera).where(_STANDS_ON_CAMERA, findings.c.camera.in_(which))
        return sorted(CameraId(row.camera) for row in self._db.all(wanted.distinct()))

    def waiting(self, level: Level, subject: Subject) -> Sequence[WaitingFinding]:
        """Those of a level and subject that wait for a person, with what ranks them; unordered."""
        f = findings.c
        columns = f.id, f.camera, f.score, f.times, f.state, f.again_at, f.found_at
        of_group = FINDING_WAITING, f.level == level, f.subject == subject
        return [
            WaitingFinding(
                id=FindingId(row.id), camera=CameraId(row.camera), level=level, subject=subject,
                score=row.score, count=row.times, state=FindingState(row.state),
                recheck=row.again_at, found_at=row.found_at,
            )
            for row in self._db.all(select(*columns).where(*of_group))
        ]  # fmt: skip

    def waiting_unsure_count(self) -> int:
        """How many wait for a second person's judgement."""
        unsure = FINDING_WAITING, findings.c.state == FindingState.UNSURE
        row = self._db.first(select(func.count()).select_from(findings).where(*unsure))
        return int(row[0]) if row is not None else 0

    def with_ids(self, ids: Iterable[FindingId]) -> Mapping[FindingId, Finding]:
        """Those of these findings that exist; not locked."""
        rows = (
            row
            for batch in in_batches(ids)
            for row in self._db.all(select(findings).where(findings.c.id.in_(batch)))
        )
        return {one.id: one for one in map(finding_from_row, rows)}

    def waiting_totals(self) -> Sequence[WaitingTotal]:
        """How many wait for a person, by level and subject; all of them are counted."""
        f = findings.c
        columns = f.level, f.subject, func.count().label("number"), func.min(f.found_at).label("at")
        counted = select(*columns).where(FINDING_WAITING).group_by(f.level, f.subject)
        return [
            WaitingTotal(
                level=Level(row.level), subject=Subject(row.subject), count=row.number,
                oldest=row.at,
            )
            for row in self._db.all(counted.order_by(f.level, f.subject))
        ]  # fmt: skip

    def of_round(self, round_id: RoundId) -> Sequence[Finding]:
        """All, decided or not."""
        mine = select(findings).where(findings.c.round == round_id)
        rows = self._db.all(mine.order_by(findings.c.found_at, findings.c.id))
        return [finding_from_row(row) for row in rows]

    def counted_in(self, a_round: Round, now: datetime) -> Sequence[Finding]:
        """Found before the round, and not decided when it began: what it showed counts for them."""
        f, until = findings.c, a_round.finished_at or now
        waited = or_(f.decided_at.is_(None), f.decided_at >= a_round.planned_at)
        recent = f.found_at >= a_round.planned_at - LONGEST_WAIT, f.found_at < until
        earlier = select(findings).where(f.round != a_round.id, *recent, waited)
        rows = self._db.all(earlier.order_by(f.found_at, f.id))
        return [finding_from_row(row) for row in rows]

    def unsure_without_recheck(self, *, limit: int = 100) -> Sequence[Finding]:
        """Those marked unsure whose camera was not visited again yet; oldest decision first."""
        f = findings.c
        unseen = f.state == FindingState.UNSURE, f.again_at.is_(None), FINDING_WAITING
        called = f.camera == ""  # a call named no camera: there is nothing to visit
        oldest = select(findings).where(*unseen, ~called).order_by(f.decided_at, f.id).limit(limit)
        return [finding_from_row(row) for row in self._db.all(oldest)]

    def confirmed_since(self, since: datetime, *, limit: int = 1000) -> Sequence[Finding]:
        """The machine's, confirmed by a person from `since` on; newest first."""
        f = findings.c
        real = f.state == FindingState.CONFIRMED, f.origin == Origin.MACHINE
        people = f.found_at >= since, f.decided_by.not_in(sorted(MACHINE_ACTORS))
        newest = select(findings).where(*real, *people).order_by(f.found_at.desc(), f.id)
        return [finding_from_row(row) for row in self._db.all(newest.limit(limit))]

    def filed_between(self, start: datetime, end: datetime) -> Sequence[Finding]:
        """Own findings (人工发现) filed from `start` until before `end`, oldest first."""
        f = findings.c
        mine = text("origin = 'operator'"), f.found_at >= start, f.found_at < end
        rows = self._db.all(select(findings).where(*mine).order_by(f.found_at, f.id))
        return [finding_from_row(row) for row in rows]

    def decision_counts(self, start: datetime, end: datetime) -> Sequence[DecisionCount]:
        """How people decided the findings found in that time, by grid, kind and origin."""
        f = findings.c
        columns = f.grid, f.kind, f.origin, f.state
        found = f.found_at >= start, f.found_at < end, f.state.in_(DECIDED_STATES)
        counted = (
            select(*columns, func.count().label("number"))
            .where(*found, f.decided_by.not_in(sorted(MACHINE_ACTORS)))
            .group_by(*columns)
        )
        return [
            DecisionCount(
                grid=row.grid, kind=row.kind, origin=Origin(row.origin),
                state=FindingState(row.state), count=int(row.number),
            )
            for row in self._db.all(counted)
        ]  # fmt: skip

    def decided(self, wanted: DecidedFilter, *, limit: int = 100, offset: int = 0) -> list[Finding]:
        """Decided findings that fit, the latest decision first; see `count_decided`."""
        f = findings.c
        chosen = select(findings).where(*_decided_as_wanted(wanted))
        newest = chosen.order_by(f.decided_at.desc(), f.id.desc()).limit(limit).offset(offset)
        return [finding_from_row(row) for row in self._db.all(newest)]

    def count_decided(self, wanted: DecidedFilter) -> int:
        """How many decided findings fit."""
        counted = select(func.count()).select_from(findings).where(*_decided_as_wanted(wanted))
        return int(self._db.scalar(counted))


def _decided_as_wanted(wanted: DecidedFilter) -> list[ColumnElement[bool]]:
    f = findings.c
    found = [f.decided_at.is_not(None), f.decided_by != "", f.state.in_(DECIDED_STATES)]
    if wanted.by:
        found.append(f.decided_by == wanted.by)
    if wanted.since is not None:
        found.append(f.decided_at >= wanted.since)
    if wanted.until is not None:
        found.append(f.decided_at < wanted.until)
    if wanted.text:
        columns = (f.id, f.why, f.reason, f.category, f.camera, f.case)
        parts = [column.icontains(wanted.text, autoescape=True) for column in columns]
        parts += [f.camera.in_(wanted.cameras), f.category.in_(wanted.categories)]
        found.append(or_(*parts))
    return found


def _visit_index(observation: Row[Any], last_visits: Sequence[Row[Any]]) -> int | None:
    """Which visit (newest first) made the observation: by its round, outside rounds by its time."""
    for index, visit in enumerate(last_visits):
        if observation.round != visit.round:
            continue
        if observation.round is not None or visit.started_at <= observation.at:
            return index
    return None


def _finding_row(finding: Finding) -> Mapping[str, Any]:
    recheck = finding.recheck
    return {
        **_FINDINGS.to_row(finding),
        "again_at": recheck and recheck.at,
        "again_why": recheck.why if recheck else "",
        "again_picture": recheck and recheck.picture,
    }


def finding_from_row(row: Row[Any]) -> Finding:
    """The finding of a row."""
    recheck = None
    if row.again_at is not None:
        recheck = FindingRecheck(at=row.again_at, why=row.again_why, picture=row.again_picture)
    return _FINDINGS.from_row(row, recheck=recheck)
