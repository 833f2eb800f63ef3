"""Human patrols in the store: a row a task, and a row a camera of it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import Row, select

from patrol.domain.human_patrol import (
    ENDED_PATROLS,
    CameraCheck,
    CheckOutcome,
    HumanPatrol,
    PlannedStop,
)
from patrol.domain.ids import CameraId
from patrol.store.report_changes import DAY_CHANGE
from patrol.store.rows import RowMapper
from patrol.store.schema_town import human_checks, human_patrols
from patrol.store.transaction import Transaction, in_batches

_PATROLS: Final = RowMapper(HumanPatrol, without=("stops",))
_CHECKS: Final = RowMapper(CameraCheck)


class HumanPatrolRepository:
    """Reads and writes tasks and their checks."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def add(self, patrol: HumanPatrol, checks: Iterable[CameraCheck]) -> bool:
        """Write a task with its cameras; False when its id exists."""
        if not self._db.add_if_new(human_patrols, _patrol_row(patrol), "id"):
            return False
        self._db.add(human_checks, [_CHECKS.to_row(check) for check in checks])
        self._db.touch_report(DAY_CHANGE, patrol.day.isoformat())
        return True

    def get(self, patrol_id: str) -> HumanPatrol:
        """Locked for this unit of work where the database can. Raises KeyError."""
        mine = select(human_patrols).where(human_patrols.c.id == patrol_id)
        row = self._db.first(self._db.locked(mine))
        if row is None:
            raise KeyError(patrol_id)
        return _patrol_from_row(row)

    def put(self, patrol: HumanPatrol) -> None:
        """Write its changed fields."""
        self._db.put(human_patrols, _patrol_row(patrol), "id")
        self._db.touch_report(DAY_CHANGE, patrol.day.isoformat())

    def open(self) -> Sequence[HumanPatrol]:
        """Tasks that have not ended, the earliest first."""
        not_ended = human_patrols.c.state.not_in(ENDED_PATROLS)
        rows = self._db.all(
            select(human_patrols).where(not_ended).order_by(human_patrols.c.planned_at)
        )
        return [_patrol_from_row(row) for row in rows]

    def list(self, *, limit: int = 100) -> Sequence[HumanPatrol]:
        """All, the newest first."""
        newest = human_patrols.c.planned_at.desc(), human_patrols.c.id
        rows = self._db.all(select(human_patrols).order_by(*newest).limit(limit))
        return [_patrol_from_row(row) for row in rows]

    def of_days(self, start: date, end: date) -> Sequence[HumanPatrol]:
        """Of the local days from `start` until before `end`, oldest first."""
        then = human_patrols.c.day >= start, human_patrols.c.day < end
        rows = self._db.all(select(human_patrols).where(*then).order_by(human_patrols.c.planned_at))
        return [_patrol_from_row(row) for row in rows]

    def checks(self, patrol_id: str) -> Sequence[CameraCheck]:
        """The cameras of a task, in the order of its route."""
        return self.checks_of([patrol_id]).get(patrol_id, [])

    def checks_of(self, patrols: Iterable[str]) -> Mapping[str, Sequence[CameraCheck]]:
        """The cameras of several tasks, by task."""
        found: dict[str, list[CameraCheck]] = defaultdict(list)
        for batch in in_batches(patrols):
            mine = select(human_checks).where(human_checks.c.patrol.in_(batch))
            ordered = mine.order_by(human_checks.c.patrol, human_checks.c.place)
            for row in self._db.all(ordered):
                found[row.patrol].append(_CHECKS.from_row(row))
        return found

    def check_of(self, patrol_id: str, camera: CameraId) -> CameraCheck:
        """The check of one camera, locked. Raises KeyError: the task has no such camera."""
        mine = human_checks.c.patrol == patrol_id, human_checks.c.camera == camera
        row = self._db.first(self._db.locked(select(human_checks).where(*mine)))
        if row is None:
            raise KeyError((patrol_id, camera))
        return _CHECKS.from_row(row)

    def put_check(self, check: CameraCheck) -> None:
        """Write what was said of a camera."""
        self._db.put(human_checks, _CHECKS.to_row(check), "patrol", "camera")

    def miss_pending(self, patrol_id: str, now: datetime) -> int:
        """Mark every camera of which nothing was said as missed; how many there were."""
        c = human_checks.c
        pending = c.patrol == patrol_id, c.outcome == CheckOutcome.PENDING
        values = {"outcome": CheckOutcome.MISSED, "at": now}
        return self._db.changed(human_checks.update().where(*pending).values(values))


def _patrol_row(patrol: HumanPatrol) -> Mapping[str, Any]:
    return {**_PATROLS.to_row(patrol), "stops": [asdict(stop) for stop in patrol.stops]}


def _patrol_from_row(row: Row[Any]) -> HumanPatrol:
    return _PATROLS.from_row(row, stops=tuple(PlannedStop(**stop) for stop in row.stops))
