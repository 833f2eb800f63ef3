"""The rounds book: planned visits become rows, pending ones become recorded ones, exactly once."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import BindParameter, Row, bindparam, func, literal_column, select

from patrol.domain.finding import Origin
from patrol.domain.ids import CameraId, RoundId
from patrol.domain.round import (
    PlannedVisit,
    Round,
    RoundBooks,
    RoundState,
    StoredPicture,
    Visit,
    VisitOutcome,
)
from patrol.store.db import Db
from patrol.store.pictures import index_pictures, picture_row
from patrol.store.tables import findings, observations, rounds, visit_pictures, visits
from patrol.store.visits import read_visits, visit_row

# Written out, not bound: only so can SQLite see that the partial index serves the query.
PENDING = visits.c.outcome == literal_column("'pending'")
UNFINISHED = (RoundState.PLANNED, RoundState.RUNNING, RoundState.INTERRUPTED)
_MINE = visits.c.round == bindparam("of_round"), visits.c.camera == bindparam("of_camera")
_FILL_IN = visits.update().where(*_MINE, PENDING).returning(visits.c.number)
_PLACE = select(visits.c.number).where(*_MINE)
_ONE = select(rounds).where(rounds.c.id == bindparam("of_round"))
_OF_PLAN = (
    select(rounds)
    .where(rounds.c.plan == bindparam("of_plan"))
    .order_by(rounds.c.planned_at.desc(), rounds.c.id.desc())
    .limit(bindparam("most"))
)
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
_NOT_YET = {
    "outcome": VisitOutcome.PENDING,
    "tries": 0,
    "failure": "",
    "seen": "",
    "usable_pictures": 0,
    "faults": [],
    "freshness": "",
    "light": "",
}


class SqlRounds:
    """Fulfils ports.RoundsBook."""

    def __init__(self, db: Db) -> None:
        self._db = db

    def add(self, a_round: Round, planned: Iterable[PlannedVisit]) -> None:
        """See the port."""
        if not self._db.add_if_new(rounds, _row(a_round), "id"):
            raise ValueError(f"round {a_round.id} exists")
        rows = [
            {"round": a_round.id, "camera": visit.camera, "place": visit.order, **_NOT_YET}
            for visit in planned
        ]
        self._db.add(visits, rows)

    def get(self, round_id: RoundId) -> Round:
        """See the port."""
        row = self._db.first(_ONE, {"of_round": round_id})
        if row is None:
            raise KeyError(round_id)
        return _round(row)

    def put(self, a_round: Round) -> None:
        """See the port."""
        statement = rounds.update().where(rounds.c.id == a_round.id).values(_row(a_round))
        if self._db.changed(statement) == 0:
            raise KeyError(a_round.id)

    def of_plan(self, plan: str, *, limit: int = 10) -> Sequence[Round]:
        """See the port."""
        rows = self._db.all(_OF_PLAN, {"of_plan": plan, "most": limit})
        return [_round(row) for row in rows]

    def of_days(self, start: date, end: date) -> Sequence[Round]:
        """See the port."""
        found = select(rounds).where(rounds.c.day >= start, rounds.c.day < end)
        rows = self._db.all(found.order_by(rounds.c.planned_at, rounds.c.id))
        return [_round(row) for row in rows]

    def unfinished(self, plan: str) -> Round | None:
        """See the port."""
        row = self._db.first(
            select(rounds)
            .where(rounds.c.plan == plan, rounds.c.state.in_(UNFINISHED))
            .order_by(rounds.c.planned_at.desc(), rounds.c.id.desc())
            .limit(1)
        )
        return None if row is None else _round(row)

    def pending(self, round_id: RoundId) -> Sequence[PlannedVisit]:
        """See the port."""
        found = select(visits.c.camera, visits.c.place).where(visits.c.round == round_id, PENDING)
        return [
            PlannedVisit(round=round_id, camera=row.camera, order=row.place)
            for row in self._db.all(found.order_by(visits.c.place))
        ]

    def record(self, visit: Visit) -> bool:
        """See the port."""
        if visit.outcome is VisitOutcome.PENDING:
            raise ValueError(f"a recorded visit is not pending: {visit!r}")
        number = self._add(visit) if visit.round is None else self._fill_in(visit)
        if number is None:
            return False
        rows = [
            {"visit": number, "place": place, **_without_camera(picture)}
            for place, picture in enumerate(visit.pictures)
        ]
        self._db.add(visit_pictures, rows)
        index_pictures(self._db, visit.pictures)
        return True

    def _add(self, visit: Visit) -> int:
        result = self._db.run(visits.insert(), visit_row(visit))
        (number,) = result.inserted_primary_key or (None,)
        assert isinstance(number, int)  # noqa: S101  the table counts up by itself
        return number

    def _fill_in(self, visit: Visit) -> int | None:
        place = {"of_round": visit.round, "of_camera": visit.camera}
        number = self._db.run(_FILL_IN, {**place, **visit_row(visit)}).scalar()
        if number is not None:
            return int(number)
        if self._db.run(_PLACE, place).first() is None:
            raise KeyError((visit.round, visit.camera))
        return None

    def miss_pending(self, round_id: RoundId, reason: str, now: datetime) -> int:
        """See the port."""
        missed = (
            visits.update()
            .where(visits.c.round == round_id, PENDING)
            .values(outcome=VisitOutcome.MISSED, seen=reason, started_at=now, finished_at=now)
        )
        return self._db.changed(missed)

    def books(self, round_id: RoundId) -> RoundBooks:
        """See the port."""
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
        return RoundBooks(
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

    def outcomes(self, round_id: RoundId) -> Sequence[tuple[CameraId, VisitOutcome, str]]:
        """See the port."""
        brief = select(visits.c.camera, visits.c.outcome, visits.c.failure)
        rows = self._db.all(brief.where(visits.c.round == round_id).order_by(visits.c.place))
        return [(row.camera, VisitOutcome(row.outcome), row.failure) for row in rows]

    def visits(self, round_id: RoundId) -> Sequence[Visit]:
        """See the port."""
        return read_visits(
            self._db,
            select(visits)
            .where(visits.c.round == round_id, visits.c.outcome != VisitOutcome.PENDING)
            .order_by(visits.c.place),
        )

    def last_seen(self, before: datetime) -> Mapping[CameraId, datetime]:
        """See the port."""
        v, seen = visits.c, (VisitOutcome.NORMAL, VisitOutcome.PROBLEM)
        newest = select(v.camera, func.max(v.finished_at).label("at")).where(
            v.outcome.in_(seen), v.finished_at < before
        )
        return {row.camera: row.at for row in self._db.all(newest.group_by(v.camera))}

    def latest_visits(self, camera: CameraId, *, limit: int = 10) -> Sequence[Visit]:
        """See the port."""
        newest = visits.c.finished_at.desc(), visits.c.number.desc()
        looked = visits.c.outcome.not_in((VisitOutcome.PENDING, VisitOutcome.MISSED))
        found = select(visits).where(visits.c.camera == camera, looked)
        return read_visits(self._db, found.order_by(*newest).limit(limit))


def _without_camera(picture: StoredPicture) -> Mapping[str, Any]:
    row = picture_row(picture)
    del row["camera"]  # the visit's own
    return row


def _row(a_round: Round) -> Mapping[str, Any]:
    return {
        "id": a_round.id,
        "plan": a_round.plan,
        "day": a_round.day,
        "planned_at": a_round.planned_at,
        "finish_by": a_round.finish_by,
        "planned": a_round.planned,
        "refused": dict(a_round.refused),
        "state": a_round.state,
        "started_at": a_round.started_at,
        "finished_at": a_round.finished_at,
        "reason": a_round.reason,
        "scope": a_round.scope,
        "wall_s": a_round.wall_s,
        "cpu_s": a_round.cpu_s,
        "peak_rss_mb": a_round.peak_rss_mb,
    }


def _round(row: Row[Any]) -> Round:
    return Round(
        id=row.id,
        plan=row.plan,
        day=row.day,
        planned_at=row.planned_at,
        finish_by=row.finish_by,
        planned=row.planned,
        refused=row.refused,
        state=RoundState(row.state),
        started_at=row.started_at,
        finished_at=row.finished_at,
        reason=row.reason,
        scope=row.scope,
        wall_s=row.wall_s,
        cpu_s=row.cpu_s,
        peak_rss_mb=row.peak_rss_mb,
    )
