"""Timers in the store that move when the believed time does: leases, limits, ladders, locks."""

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import Column, ColumnElement, TextClause, or_, select, true, update

from patrol.store.cases import CASE_OPEN
from patrol.store.deliveries import IS_WAITING, deliveries
from patrol.store.messages import QUEUED
from patrol.store.schema import cases
from patrol.store.schema_people import accounts, claims, outbox, sessions
from patrol.store.transaction import Transaction, in_batches


class _Timers(NamedTuple):
    """Columns of a table whose moments move with the clock, and the rows that still wait."""

    columns: tuple[Column[datetime], ...]
    waiting: TextClause | ColumnElement[bool] = true()


# A ladder's silence in office hours is the calendar's; without them it is a length of time.
_OFFICE_POLICY: Final = "office"
_TIMERS: Final = (
    _Timers((cases.c.look_due_at,), CASE_OPEN),
    _Timers((outbox.c.expires_at, outbox.c.lease_until), QUEUED),
    _Timers((deliveries.c.due_at, deliveries.c.expires_at, deliveries.c.lease_until), IS_WAITING),
    _Timers((claims.c.until,)),
    _Timers((sessions.c.ends_at,)),
    _Timers((accounts.c.locked_until,)),
)


class ClockTimers:
    """Moves timers; called before the clock moves, in the same transaction."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def move(self, now: datetime, by: timedelta) -> int:
        """Move every timer that still runs at `now`, before the clock moves; how many rows."""
        moved = sum(self._move(timers, now, by) for timers in _TIMERS)
        running = select(cases.c.id, cases.c.policy).where(cases.c.ladder_due_at > now)
        always = [row.id for row in self._db.all(running) if not row.policy.get(_OFFICE_POLICY)]
        for batch in in_batches(always):
            ladders = _Timers((cases.c.ladder_due_at,), cases.c.id.in_(batch))
            moved += self._move(ladders, now, by)
        return moved

    def _move(self, timers: _Timers, now: datetime, by: timedelta) -> int:
        table = timers.columns[0].table
        key = next(iter(table.primary_key.columns))
        running = or_(*(column > now for column in timers.columns))
        rows = self._db.all(select(key, *timers.columns).where(timers.waiting, running))
        for row in rows:
            values = {
                column.name: _moved(getattr(row, column.name), now, by) for column in timers.columns
            }
            self._db.run(update(table).where(key == row[0]).values(values))
        return len(rows)


def _moved(at: datetime | None, now: datetime, by: timedelta) -> datetime | None:
    if at is None or at <= now:
        return at
    try:
        return at + by
    except OverflowError:  # the ends of the calendar
        return at
