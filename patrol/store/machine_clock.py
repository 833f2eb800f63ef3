"""The machine's clock in the store: what is believed of it, and moving timers when it was set.

A timer is a moment until which somebody waits for a length of time: a silence, a lease, a pause
before the next try. When the clock is set, they all move with it. What is due by the calendar
(office hours, a round's window, a deadline, a suppression's end, retention) stays where it is.
"""

from datetime import datetime
from typing import Final

from sqlalchemy import (
    Column,
    Float,
    Integer,
    Table,
    Text,
    select,
)

from patrol.domain.wall_clock import ClockRecord, ClockTrust, SeenTime
from patrol.store.column_types import CleanText, UtcTime
from patrol.store.schema import metadata
from patrol.store.transaction import Transaction

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
