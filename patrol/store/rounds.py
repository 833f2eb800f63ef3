"""Rounds and visits in the store: planned visits become rows, each pending one is recorded once.

The pictures of visits are fetched for many visits at once.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from math import nan
from sys import intern
from typing import Any, Final

from sqlalchemy import BindParameter, Row, Select, and_, bindparam, func, literal_column, select

from patrol.domain.finding import Origin
from patrol.domain.ids import CameraId, RoundId, ServerId, Sha256
from patrol.domain.round import (
    PlannedVisit,
    Round,
    RoundState,
    RoundTotals,
    StoredPicture,
    Visit,
    VisitOutcome,
    VisitOutline,
)
from patrol.store.column_types import UtcTime
from patrol.store.pictures import STORED_PICTURES, index_pictures
from patrol.store.report_changes import DAY_CHANGE, ROUND_CHANGE
from patrol.store.rows import RowMapper
from patrol.store.schema import findings, observations, rounds, visit_pictures, visits
from patrol.store.schema import stream_limits as stream_limits_table
from patrol.store.transaction import RoundChanged, Transaction, VisitRecorded, in_batches

_ROUNDS: Final = RowMapper(Round)
_VISITS: Final = RowMapper(Visit, without=("pictures",))  # the place in the plan stays as it was
_PICTURES: Final = (
    select(visit_pictures, visits.c.camera)
    .join(visits)
    .where(visit_pictures.c.visit.in_(bindparam("these", expanding=True)))
    .order_by(visit_pictures.c.visit, visit_pictures.c.place)
)
_CONTENTS_SEEN: Final = (
    select(visit_pictures.c.sha256)
    .join(visits)
    .where(
        visit_pictures.c.sha256.in_(bindparam("these", expanding=True)),
        visits.c.camera == bindparam("of_camera"),
        visits.c.finished_at <= bindparam("before", type_=UtcTime),
    )
    .distinct()
)
# Written out, not bound: only so can SQLite see that the partial index serves the query.
PENDING = visits.c.outcome == literal_column("'pending'")
AT_ANY_TIME: Final = datetime.max.replace(tzinfo=UTC)
UNFINISHED = (RoundState.PLANNED, RoundState.RUNNING, RoundState.INTERRUPTED)
_MINE = visits.c.round == bindparam("of_round"), visits.c.camera == bindparam("of_camera")
_FILL_IN = visits.update().where(*_MINE, PENDING).returning(visits.c.number)
# A pending visit has no tries yet: its row counts there how often judging it was begun.
_COUNT_JUDGING = visits.update().where(*_MINE, PENDING).values(tries=visits.c.tries + 1)
_FORGET_JUDGINGS = (
    visits.update()
    .where(visits.c.round == bindparam("of_round"), PENDING, visits.c.tries > 0)
    .values(tries=0)
)
_FORGET_JUDGINGS_OF = _FORGET_JUDGINGS.where(
    visits.c.camera.in_(bindparam("these", expanding=True))
)
_VISIT_NUMBER = select(visits.c.number).where(*_MINE)
_ONE = select(rounds).where(rounds.c.id == bindparam("of_round"))
_OF_PLAN = (
    select(rounds)
    .where(
        rounds.c.plan == bindparam("of_plan"),
        rounds.c.planned_at <= bindparam("before", type_=UtcTime),
    )
    .order_by(rounds.c.planned_at.desc(), rounds.c.id.desc())
    .limit(bindparam("most"))
)
_NEVER_BEGUN = rounds.c.state == RoundState.MISSED, rounds.c.started_at.is_(None)
_THIS_ROUND: BindParameter[Any] = bindparam("of_round")
_PLANNED = select(rounds.c.planned).where(rounds.c.id == _THIS_ROUND)
_OUTCOMES = (
    select(visits.c.outcome, visits.c.failure, func.count())
    .where(visits.c.round == _THIS_ROUND)
    .group_by(visits.c.outcome, visits.c.failure)
)
_COUNTS = (  # pictures, observations, what the machine proposed
    select(func.count())
    .select_from(visit_pictures.join(visits))
    .where(visits.c.round == _THIS_ROUND),
    select(func.count()).where(observations.c.round == _THIS_ROUND),
    select(func.count()).where(
        findings.c.round == _THIS_ROUND, findings.c.origin == Origin.MACHINE
    ),
)
_PENDING_VISIT = {
    "outcome": VisitOutcome.PENDING,
    "tries": 0,
    "failure": "",
    "seen": "",
    "usable_pictures": 0,
    "faults": [],
    "freshness": "",
    "light": "",
}
_OUTCOME_OF: Final = {str(outcome): outcome for outcome in VisitOutcome}
_FACTS: Final = select(visits.c.facts).where(visits.c.round == _THIS_ROUND)
_BYTES: Final = ("bytes_received", "key_frame_bytes")
_OUTLINES: Final = (
    select(
        visits.c.camera,
        visits.c.outcome,
        visits.c.failure,
        visits.c.seen,
        visits.c.usable_pictures,
        visits.c.faults,
        select(visit_pictures.c.taken_at)
        .where(visit_pictures.c.visit == visits.c.number)
        .order_by(visit_pictures.c.place)
        .limit(1)
        .scalar_subquery(),
    )
    .where(visits.c.round == _THIS_ROUND, visits.c.outcome != VisitOutcome.PENDING)
    .order_by(visits.c.place)
)
_planned_cameras = (
    select(visits.c.camera)
    .where(visits.c.round.in_(bindparam("these", expanding=True)))
    .distinct()
    .subquery("planned_cameras")
)
_seen = visits.alias("seen")
# The newest visit of each camera by the index, so that the number of old visits does not matter.
_LAST_SEEN: Final = select(
    _planned_cameras.c.camera,
    select(_seen.c.finished_at)
    .where(
        _seen.c.camera == _planned_cameras.c.camera,
        _seen.c.outcome.in_((VisitOutcome.NORMAL, VisitOutcome.PROBLEM)),
        _seen.c.finished_at < bindparam("before", type_=UtcTime),
    )
    .order_by(_seen.c.finished_at.desc())
    .limit(1)
    .scalar_subquery()
    .label("at"),
)


class RoundRepository:
    """Reads and writes rounds and their visits."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def add(self, a_round: Round, planned: Iterable[PlannedVisit]) -> None:
        """Write a round and its pending visits. Raises ValueError when the id exists."""
        if not self._db.add_if_new(rounds, _ROUNDS.to_row(a_round), "id"):
            raise ValueError(f"round {a_round.id} exists")
        rows = (
            {"round": a_round.id, "camera": visit.camera, "place": visit.order, **_PENDING_VISIT}
            for visit in planned
        )
        self._db.add(visits, rows)
        self._db.touch_report(ROUND_CHANGE, a_round.id)
        self._db.notify(RoundChanged(None, a_round))

    def get(self, round_id: RoundId) -> Round:
        """Raises KeyError."""
        row = self._db.first(_ONE, {"of_round": round_id})
        if row is None:
            raise KeyError(round_id)
        return _ROUNDS.from_row(row)

    def put(self, a_round: Round) -> None:
        """Write its changed fields. Raises KeyError."""
        before = self.get(a_round.id) if self._db.on_event else None
        statement = rounds.update().where(rounds.c.id == a_round.id).values(_ROUNDS.to_row(a_round))
        if self._db.changed(statement) == 0:
            raise KeyError(a_round.id)
        self._db.touch_report(ROUND_CHANGE, a_round.id)
        self._db.notify(RoundChanged(before, a_round))

    def of_plan(
        self, plan: str, *, limit: int = 10, before: datetime = AT_ANY_TIME
    ) -> Sequence[Round]:
        """Newest first; `before`: without those that a clock which was ahead has planned later."""
        rows = self._db.all(_OF_PLAN, {"of_plan": plan, "most": limit, "before": before})
        return [_ROUNDS.from_row(row) for row in rows]

    def of_days(self, start: date, end: date) -> Sequence[Round]:
        """All plans' rounds of the local days from `start` until before `end`, oldest first."""
        found = select(rounds).where(rounds.c.day >= start, rounds.c.day < end)
        rows = self._db.all(found.order_by(rounds.c.planned_at, rounds.c.id))
        return [_ROUNDS.from_row(row) for row in rows]

    def unfinished(self, plan: str, *, before: datetime = AT_ANY_TIME) -> Round | None:
        """The newest round of the plan that is PLANNED, RUNNING or INTERRUPTED."""
        row = self._db.first(
            select(rounds)
            .where(
                rounds.c.plan == plan,
                rounds.c.state.in_(UNFINISHED),
                rounds.c.planned_at <= before,
            )
            .order_by(rounds.c.planned_at.desc(), rounds.c.id.desc())
            .limit(1)
        )
        return None if row is None else _ROUNDS.from_row(row)

    def missed_too_early(self, now: datetime) -> Sequence[Round]:
        """Rounds that are recorded as missed, whose time is not over at `now`; oldest first."""
        found = select(rounds).where(*_NEVER_BEGUN, rounds.c.finish_by > now)
        rows = self._db.all(found.order_by(rounds.c.planned_at, rounds.c.id))
        return [_ROUNDS.from_row(row) for row in rows]

    def begun_after(self, at: datetime) -> Sequence[Round]:
        """Rounds planned after that moment, but those never begun and those marked as misdated."""
        found = select(rounds).where(
            rounds.c.planned_at > at,
            rounds.c.misdated.is_(False),
            ~and_(*_NEVER_BEGUN),
        )
        rows = self._db.all(found.order_by(rounds.c.planned_at, rounds.c.id))
        return [_ROUNDS.from_row(row) for row in rows]

    def retract_missed(self, round_id: RoundId) -> bool:
        """Delete a round that is recorded as missed and never began; False when it is no such."""
        mine = select(rounds.c.day).where(rounds.c.id == round_id, *_NEVER_BEGUN)
        row = self._db.first(mine)
        if row is None:
            return False
        self._db.touch_report(ROUND_CHANGE, round_id)
        self._db.touch_report(DAY_CHANGE, row.day.isoformat())
        self._db.run(visits.delete().where(visits.c.round == round_id))
        self._db.run(rounds.delete().where(rounds.c.id == round_id))
        return True

    def pending(self, round_id: RoundId) -> Sequence[PlannedVisit]:
        """Planned and not yet visited, in order."""
        columns = visits.c.camera, visits.c.place, visits.c.tries
        found = select(*columns).where(visits.c.round == round_id, PENDING)
        return [
            PlannedVisit(round=round_id, camera=CameraId(intern(camera)), order=at, judgings=n)
            for camera, at, n in map(tuple, self._db.run(found.order_by(visits.c.place)))
        ]

    def begin_judging(self, round_id: RoundId, camera: CameraId) -> None:
        """Count, in a pending visit's row, that its picture is about to be judged."""
        self._db.run(_COUNT_JUDGING, {"of_round": round_id, "of_camera": camera})

    def forget_judgings(
        self, round_id: RoundId, cameras: Collection[CameraId] | None = None
    ) -> None:
        """Set these counts to 0: the run ended by itself, no picture was the reason.

        `cameras`: of a worker's shard; None: of the whole round.
        """
        mine = _FORGET_JUDGINGS if cameras is None else _FORGET_JUDGINGS_OF
        more = {} if cameras is None else {"these": list(cameras)}
        self._db.run(mine, {"of_round": round_id, **more})

    def record_visit(self, visit: Visit) -> bool:
        """Write a visit and its pictures; of a round, only if it is still pending.

        False: this camera's visit in this round was recorded before; nothing was written.
        Raises KeyError when the round never planned this camera.
        """
        if visit.outcome is VisitOutcome.PENDING:
            raise ValueError(f"a recorded visit is not pending: {visit!r}")
        number = self._add_unplanned(visit) if visit.round is None else self._record_planned(visit)
        if number is None:
            return False
        rows = [
            {"visit": number, "place": place, "picture": picture.id, **_without_camera(picture)}
            for place, picture in enumerate(visit.pictures)
        ]
        self._db.add(visit_pictures, rows)
        index_pictures(self._db, visit.pictures)
        self._db.notify(VisitRecorded(visit))
        return True

    def _add_unplanned(self, visit: Visit) -> int:
        result = self._db.run(visits.insert(), _VISITS.to_row(visit))
        (number,) = result.inserted_primary_key or (None,)
        assert isinstance(number, int)  # noqa: S101  the table counts up by itself  # nosec B101
        return number

    def _record_planned(self, visit: Visit) -> int | None:
        key = {"of_round": visit.round, "of_camera": visit.camera}
        number = self._db.run(_FILL_IN, {**key, **_VISITS.to_row(visit)}).scalar()
        if number is not None:
            return int(number)
        if self._db.run(_VISIT_NUMBER, key).first() is None:
            raise KeyError((visit.round, visit.camera))
        return None

    def miss_pending(self, round_id: RoundId, reason: str, now: datetime) -> int:
        """Mark every pending visit missed (`seen` says why, no tries); how many there were."""
        missed = (
            visits.update()
            .where(visits.c.round == round_id, PENDING)
            .values(outcome=VisitOutcome.MISSED, seen=reason, started_at=now, finished_at=now)
        )
        return self._db.changed(missed)

    def totals(self, round_id: RoundId) -> RoundTotals:
        """The round's totals, counted from its rows. Raises KeyError."""
        mine = {"of_round": round_id}
        planned = self._db.scalar(_PLANNED, mine)
        if planned is None:
            raise KeyError(round_id)
        counted: Counter[str] = Counter()
        failures: Counter[str] = Counter()
        for outcome, failure, count in map(tuple, self._db.all(_OUTCOMES, mine)):
            counted[outcome] += count
            failures[failure] += count
        failures.pop("", None)
        pictures, seen, found = (int(self._db.scalar(one, mine)) for one in _COUNTS)
        return RoundTotals(
            planned=planned,
            pending=counted["pending"],
            normal=counted["normal"],
            problem=counted["problem"],
            not_viewable=counted["not_viewable"],
            missed=counted["missed"],
            pictures=pictures,
            observations=seen,
            findings=found,
            failures=failures,
        )

    def bytes_received(self, round_id: RoundId) -> tuple[int, int]:
        """Bytes that the round's visits received, and those of the key frames that they kept."""
        sums = Counter[str]()
        for row in self._db.run(_FACTS, {"of_round": round_id}):
            sums.update({name: int((row.facts or {}).get(name) or 0) for name in _BYTES})
        return sums[_BYTES[0]], sums[_BYTES[1]]

    def outcomes(self, round_id: RoundId) -> Sequence[tuple[CameraId, VisitOutcome, str]]:
        """(camera, outcome, failure) of every visit, pending ones too, in the order of the plan."""
        brief = select(visits.c.camera, visits.c.outcome, visits.c.failure)
        rows = self._db.run(brief.where(visits.c.round == round_id).order_by(visits.c.place))
        return [(CameraId(one), _OUTCOME_OF[how], why) for one, how, why in map(tuple, rows)]

    def outcome_counts(
        self, start: date, end: date, plans: Iterable[str]
    ) -> Mapping[tuple[CameraId, str], int]:
        """How many visits of each camera ended how, in rounds of these plans and local days."""
        mine = select(rounds.c.id).where(
            rounds.c.day >= start, rounds.c.day < end, rounds.c.plan.in_(list(plans))
        )
        counted = (
            select(visits.c.camera, visits.c.outcome, func.count().label("number"))
            .where(visits.c.round.in_(mine))
            .group_by(visits.c.camera, visits.c.outcome)
        )
        return {(row.camera, row.outcome): int(row.number) for row in self._db.all(counted)}

    def visits(
        self, round_id: RoundId, cameras: Collection[CameraId] | None = None
    ) -> Sequence[Visit]:
        """All that are no longer pending, in the order of the plan; or those of some cameras.

        Pictures are listed as they were taken; `PictureRepository.get` says which still exist.
        """
        of_round = visits.c.round == round_id, visits.c.outcome != VisitOutcome.PENDING
        found = select(visits).where(*of_round).order_by(visits.c.place)
        if cameras is None:
            return _read_visits(self._db, found)
        parts = (found.where(visits.c.camera.in_(some)) for some in in_batches(cameras))
        return [visit for part in parts for visit in _read_visits(self._db, part)]

    def visit_outlines(self, round_id: RoundId) -> Sequence[VisitOutline]:
        """The same visits, each with what a ledger says of it; a tenth of the cost."""
        return [
            VisitOutline(CameraId(intern(camera)), _OUTCOME_OF[outcome], failure, seen, usable,
                         tuple(faults), taken_at)
            for camera, outcome, failure, seen, usable, faults, taken_at in map(
                tuple, self._db.all(_OUTLINES, {"of_round": round_id})
            )
        ]  # fmt: skip

    def last_seen(
        self, planned_in: Iterable[RoundId], before: datetime
    ) -> Mapping[CameraId, datetime]:
        """When each camera that these rounds planned last gave a usable picture, before then."""
        newest: dict[CameraId, datetime] = {}
        for batch in in_batches(planned_in):
            rows = self._db.all(_LAST_SEEN, {"these": batch, "before": before})
            newest.update((row.camera, row.at) for row in rows if row.at is not None)
        return newest

    def contents_seen_before(self, visit: Visit) -> frozenset[Sha256]:
        """Contents of its pictures that earlier visits of the camera took, deleted ones too.

        Earlier: they had ended when this one, which is not recorded yet, started.
        """
        mine = {"of_camera": visit.camera, "before": visit.started_at}
        seen: set[Sha256] = set()
        for batch in in_batches({one.sha256 for one in visit.pictures}):
            rows = self._db.all(_CONTENTS_SEEN, {**mine, "these": batch})
            seen.update(row.sha256 for row in rows)
        return frozenset(seen)

    def latest_visits(self, camera: CameraId, *, limit: int = 10) -> Sequence[Visit]:
        """Of rounds, rechecks and live views, newest first; without missed ones."""
        newest = visits.c.finished_at.desc(), visits.c.number.desc()
        visited = visits.c.outcome.not_in((VisitOutcome.PENDING, VisitOutcome.MISSED))
        found = select(visits).where(visits.c.camera == camera, visited)
        return _read_visits(self._db, found.order_by(*newest).limit(limit))

    def stream_limits(self) -> Mapping[ServerId, int]:
        """Streams that each recorder is known to serve at once."""
        return {row.server: row.streams for row in self._db.all(select(stream_limits_table))}

    def save_stream_limits(self, limits: Mapping[ServerId, int], now: datetime) -> None:
        """Keep what a round learned; rows of other recorders stay."""
        known = self.stream_limits()
        for server, streams in limits.items():
            if known.get(server) != streams:
                row = {"server": server, "streams": streams, "learned_at": now}
                self._db.put(stream_limits_table, row, "server")


def _without_camera(picture: StoredPicture) -> Mapping[str, Any]:
    row = STORED_PICTURES.to_row(picture)
    del row["camera"]  # the visit's own
    return row


def _read_visits(db: Transaction, statement: Select[Any]) -> list[Visit]:
    """The visits that `statement` selects, in its order, with the pictures they took."""
    rows = db.all(statement)
    taken: defaultdict[int, list[StoredPicture]] = defaultdict(list)
    for batch in in_batches(row.number for row in rows):
        for picture in db.all(_PICTURES, {"these": batch}):
            taken[picture.visit].append(STORED_PICTURES.from_row(picture))
    return [_visit_from_row(row, tuple(taken[row.number])) for row in rows]


def _visit_from_row(row: Row[Any], pictures: tuple[StoredPicture, ...]) -> Visit:
    visit = _VISITS.from_row(row, pictures=pictures)
    return visit if visit.readings is None else replace(visit, readings=_numbers(visit.readings))


def _numbers(readings: Mapping[str, float | None]) -> Mapping[str, float]:
    """Measurements from JSON, where a NaN is stored as null."""
    return {name: nan if value is None else value for name, value in readings.items()}
