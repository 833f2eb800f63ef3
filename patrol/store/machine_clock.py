"""The machine's clock in the store: what is believed of it, and moving timers when it was set.

A timer is a moment until which somebody waits for a length of time: a silence, a lease, a pause
before the next try. When the clock is set, they all move with it. What is due by the calendar
(office hours, a round's window, a deadline, a suppression's end, retention) stays where it is.
"""

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import (
    Column,
    ColumnElement,
    Float,
    Integer,
    Table,
    Text,
    TextClause,
    or_,
    select,
    true,
    update,
)

from patrol.domain.wall_clock import ClockRecord, ClockTrust, SeenTime
from patrol.store.cases import CASE_OPEN
from patrol.store.column_types import CleanText, UtcTime
from patrol.store.deliveries import IS_WAITING, deliveries
from patrol.store.messages import QUEUED
from patrol.store.schema import cases, metadata
from patrol.store.schema_people import accounts, claims, outbox, sessions
from patrol.store.transaction import Transaction, in_batches

ONLY_ROW: Final = 1
machine_clock = Table(
    "machine_clock",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("trust", Text, nullable=False),
    Column("since", UtcTime, nullable=False),
    Column("jump_s", Float, nullable=False),
    Column("seen_at", UtcTime),
    Column("running_s", Float, nullable=False),
    Column("boot", Text, nullable=False),
    Column("step_s", Float, nullable=False),
    Column("step_at", UtcTime),
    Column("accepted_at", UtcTime),
    Column("accepted_by", CleanText, nullable=False),
)
_MINE: Final = machine_clock.c.number == ONLY_ROW


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


class ClockRepository:
    """Reads and writes what is believed of the clock; one row."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def get(self) -> ClockRecord | None:
        """None while no service has kept one."""
        row = self._db.first(select(machine_clock).where(_MINE))
        if row is None:
            return None
        seen = row.seen_at and SeenTime(at=row.seen_at, running_s=row.running_s, boot=row.boot)
        return ClockRecord(
            trust=ClockTrust(row.trust),
            since=row.since,
            jump_s=row.jump_s,
            seen=seen,
            step_s=row.step_s,
            step_at=row.step_at,
            accepted_at=row.accepted_at,
            accepted_by=row.accepted_by,
        )

    def put(self, record: ClockRecord) -> None:
        """Write the record in the place of the one before."""
        seen = record.seen
        row = {
            "number": ONLY_ROW,
            "trust": record.trust,
            "since": record.since,
            "jump_s": record.jump_s,
            "seen_at": seen and seen.at,
            "running_s": seen.running_s if seen else 0.0,
            "boot": seen.boot if seen else "",
            "step_s": record.step_s,
            "step_at": record.step_at,
            "accepted_at": record.accepted_at,
            "accepted_by": record.accepted_by,
        }
        self._db.put(machine_clock, row, "number")

    def accept(self, wall: datetime, *, by: str) -> None:
        """Keep a person's confirmation that the wall clock shows the right time."""
        confirmed = {"accepted_at": wall, "accepted_by": by}
        if self._db.changed(machine_clock.update().where(_MINE).values(confirmed)) == 0:
            self.put(
                ClockRecord(trust=ClockTrust.SETTLING, since=wall, accepted_at=wall, accepted_by=by)
            )

    def move_timers(self, now: datetime, by: timedelta) -> int:
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
