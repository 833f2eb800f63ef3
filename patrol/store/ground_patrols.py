"""Patrols on the ground in the store: a row a patrol, a row a point of it, a row a check-in.

And reports of helpers and patrols (随手拍) among the findings.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, func, select, text

from patrol.domain.finding import FilingSource, Finding
from patrol.domain.ground_patrol import (
    ENDED,
    CheckIn,
    CheckInProblem,
    CheckInState,
    GroundCounts,
    GroundPatrol,
    GroundStop,
    StopState,
)
from patrol.domain.ids import PersonId
from patrol.store.findings import finding_from_row
from patrol.store.rows import RowMapper
from patrol.store.schema import findings
from patrol.store.schema_ground import check_ins, ground_patrols, ground_stops
from patrol.store.transaction import Transaction, in_batches

_PATROLS: Final = RowMapper(GroundPatrol)
_STOPS: Final = RowMapper(GroundStop)
_CHECK_INS: Final = RowMapper(CheckIn, without=("problems",))
_NEWEST: Final = (ground_patrols.c.planned_at.desc(), ground_patrols.c.id)


class GroundPatrolRepository:
    """Reads and writes patrols, their points and their check-ins."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def add(self, patrol: GroundPatrol, stops: Iterable[GroundStop]) -> bool:
        """Write a patrol with its points; False when its id exists."""
        if not self._db.add_if_new(ground_patrols, _PATROLS.to_row(patrol), "id"):
            return False
        self._db.add(ground_stops, [_STOPS.to_row(stop) for stop in stops])
        return True

    def get(self, patrol_id: str) -> GroundPatrol:
        """Locked for this unit of work where the database can. Raises KeyError."""
        mine = select(ground_patrols).where(ground_patrols.c.id == patrol_id)
        row = self._db.first(self._db.locked(mine))
        if row is None:
            raise KeyError(patrol_id)
        return _PATROLS.from_row(row)

    def put(self, patrol: GroundPatrol) -> None:
        """Write its changed fields."""
        self._db.put(ground_patrols, _PATROLS.to_row(patrol), "id")

    def known(self, day: date) -> set[str]:
        """The ids of the patrols of a local day."""
        rows = self._db.all(select(ground_patrols.c.id).where(ground_patrols.c.day == day))
        return {row.id for row in rows}

    def open(self) -> Sequence[GroundPatrol]:
        """Patrols whose time is not over, or not yet ended by the worker; the earliest first."""
        return self._patrols(ground_patrols.c.state.not_in(ENDED), limit=10_000)[::-1]

    def list(self, *, limit: int = 100) -> Sequence[GroundPatrol]:
        """All, the newest first."""
        return self._patrols(limit=limit)

    def of_days(self, start: date, end: date) -> Sequence[GroundPatrol]:
        """Of the local days from `start` until before `end`, oldest first."""
        then = ground_patrols.c.day >= start, ground_patrols.c.day < end
        return self._patrols(*then, limit=None)[::-1]

    def of_person(self, person: PersonId, start: date, end: date) -> Sequence[GroundPatrol]:
        """Those of these local days that the person walks, oldest first."""
        return [one for one in self.of_days(start, end) if person in one.people]

    def counts_of_day(self, day: date) -> GroundCounts:
        """The points of a local day's patrols by state."""
        states = select(ground_stops.c.state, func.count().label("points"))
        rows = self._db.all(self._of_day(states, day).group_by(ground_stops.c.state))
        counted = {str(row.state): row.points for row in rows}
        return GroundCounts(
            planned=sum(counted.values()),
            **{str(state): counted.get(str(state), 0) for state in StopState},
        )

    def late_on(self, day: date, now: datetime) -> int:
        """How many points of a local day are past their time and not walked yet."""
        waiting = (ground_stops.c.state == StopState.PENDING) & (ground_stops.c.due_at <= now)
        count = select(func.count().label("points"))
        (row,) = self._db.all(self._of_day(count, day).where(waiting))
        return int(row.points)

    @staticmethod
    def _of_day(wanted: Select[Any], day: date) -> Select[Any]:
        joined = ground_stops.join(ground_patrols, ground_stops.c.patrol == ground_patrols.c.id)
        return wanted.select_from(joined).where(ground_patrols.c.day == day)

    def _patrols(
        self, *conditions: ColumnElement[bool], limit: int | None
    ) -> Sequence[GroundPatrol]:
        wanted = select(ground_patrols).where(*conditions).order_by(*_NEWEST).limit(limit)
        return [_PATROLS.from_row(row) for row in self._db.all(wanted)]

    def stops(self, patrol_id: str) -> Sequence[GroundStop]:
        """The points of a patrol, in their order."""
        return self.stops_of([patrol_id]).get(patrol_id, [])

    def stops_of(self, patrols: Iterable[str]) -> Mapping[str, Sequence[GroundStop]]:
        """The points of several patrols, by patrol."""
        found: dict[str, list[GroundStop]] = defaultdict(list)
        for batch in in_batches(patrols):
            mine = select(ground_stops).where(ground_stops.c.patrol.in_(batch))
            ordered = mine.order_by(ground_stops.c.patrol, ground_stops.c.place)
            for row in self._db.all(ordered):
                found[row.patrol].append(_STOPS.from_row(row))
        return found

    def put_stop(self, stop: GroundStop) -> None:
        """Write what became of a point."""
        self._db.put(ground_stops, _STOPS.to_row(stop), "patrol", "place")

    def add_check_in(self, check_in: CheckIn) -> bool:
        """Write a check-in; False for a repeat of its id."""
        return self._db.add_if_new(check_ins, _check_in_row(check_in), "id")

    def put_check_in(self, check_in: CheckIn) -> None:
        """Write its changed fields."""
        self._db.put(check_ins, _check_in_row(check_in), "id")

    def check_in(self, ident: str) -> CheckIn:
        """Locked where the database can. Raises KeyError."""
        row = self._db.first(self._db.locked(select(check_ins).where(check_ins.c.id == ident)))
        if row is None:
            raise KeyError(ident)
        return _check_in(row)

    def check_ins_of(self, patrols: Iterable[str]) -> Mapping[str, Sequence[CheckIn]]:
        """The check-ins of several patrols, by patrol, as they came."""
        found: dict[str, list[CheckIn]] = defaultdict(list)
        for batch in in_batches(patrols):
            mine = select(check_ins).where(check_ins.c.patrol.in_(batch))
            for row in self._db.all(mine.order_by(check_ins.c.received_at, check_ins.c.id)):
                found[row.patrol].append(_check_in(row))
        return found

    def to_review(self, *, limit: int = 500) -> Sequence[CheckIn]:
        """Check-ins that wait for a person, the oldest first."""
        waiting = select(check_ins).where(check_ins.c.state == CheckInState.REVIEW)
        ordered = waiting.order_by(check_ins.c.received_at, check_ins.c.id).limit(limit)
        return [_check_in(row) for row in self._db.all(ordered)]


def _check_in_row(check_in: CheckIn) -> Mapping[str, Any]:
    return {**_CHECK_INS.to_row(check_in), "problems": [str(one) for one in check_in.problems]}


def _check_in(row: Any) -> CheckIn:
    return _CHECK_INS.from_row(row, problems=tuple(CheckInProblem(one) for one in row.problems))


GROUND_SOURCES = (FilingSource.HELPER, FilingSource.GROUND)


class HelperReportRepository:
    """Reads what was reported from the ground."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def list(self, filed_by: str = "", *, limit: int) -> Sequence[Finding]:
        """Of one account, or (`filed_by` empty) of everybody; the newest first."""
        f = findings.c
        wanted = select(findings).where(text("origin = 'operator'"))
        wanted = wanted.where(f.filed_from.in_(GROUND_SOURCES))
        if filed_by:
            wanted = wanted.where(f.filed_by == filed_by)
        newest = wanted.order_by(f.found_at.desc(), f.id.desc()).limit(limit)
        return [finding_from_row(row) for row in self._db.all(newest)]
