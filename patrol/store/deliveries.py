"""Deliveries (webhooks, notifications) in the store.

Two leasers never get the same row: SQLite has one writer, PostgreSQL skips locked rows.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Column, Index, Integer, LargeBinary, Table, Text, func, or_, select
from sqlalchemy import text as sql_text

from patrol.domain.outbox import Delivery, DeliveryOutcome
from patrol.store.column_types import CleanText, UtcTime
from patrol.store.rows import RowMapper
from patrol.store.schema import metadata, numbered, where
from patrol.store.transaction import Transaction

_WAITING: Final = "fate = 'waiting'"
deliveries = Table(
    "deliveries",
    metadata,
    numbered(),
    Column("target", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("queued_at", UtcTime, nullable=False),
    Column("due_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime),
    Column("case", Text),
    Column("tries", Integer, nullable=False),
    Column("fate", Text, nullable=False),
    Column("problem", CleanText, nullable=False),
    Column("ended_at", UtcTime),
    Column("lease_holder", Text),
    Column("lease_until", UtcTime),
    Index("uq_deliveries_target_key", "target", "key", unique=True),
    Index("ix_deliveries_waiting", "target", "due_at", **where(_WAITING)),
    Index(None, "ended_at"),
    sqlite_autoincrement=True,
)
_DELIVERIES: Final = RowMapper(Delivery, columns={"outcome": "fate"})
IS_WAITING = sql_text(f"(deliveries.{_WAITING})")
_FREE: Final = {"lease_holder": None, "lease_until": None}


class DeliveryRepository:
    """Reads and writes deliveries; a worker leases them, tries, and saves the result."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def add(self, delivery: Delivery) -> bool:
        """Queue a delivery; False when this target has its key already."""
        return self._db.add_if_new(deliveries, _DELIVERIES.to_row(delivery), "target", "key")

    def lease(
        self, target: str, *, holder: str, now: datetime, lease_s: float, limit: int
    ) -> Sequence[Delivery]:
        """Lease what is due for the target, oldest first; no other holder gets it meanwhile."""
        c = deliveries.c
        free = or_(c.lease_until.is_(None), c.lease_until <= now, c.lease_holder == holder)
        due = select(deliveries).where(IS_WAITING, c.target == target, c.due_at <= now, free)
        in_order = due.order_by(c.due_at, c.number).limit(limit)
        rows = self._db.all(self._db.locked(in_order, skip_locked=True, of=deliveries))
        mine = deliveries.update().where(c.number.in_([row.number for row in rows]))
        until = now + timedelta(seconds=lease_s)
        self._db.run(mine.values(lease_holder=holder, lease_until=until))
        return [_DELIVERIES.from_row(row) for row in rows]

    def save_result(self, delivery: Delivery) -> None:
        """Write the outcome of a try, and end the lease."""
        one = deliveries.update().where(
            deliveries.c.target == delivery.target, deliveries.c.key == delivery.key
        )
        self._db.run(
            one.values(
                tries=delivery.tries,
                fate=delivery.outcome,
                problem=delivery.problem,
                due_at=delivery.due_at,
                ended_at=delivery.ended_at,
                **_FREE,
            )
        )

    def waiting(self) -> Mapping[str, tuple[int, datetime]]:
        """Of each target with something to send: (how many, since when the oldest)."""
        oldest = func.min(deliveries.c.queued_at)
        counted = select(deliveries.c.target, func.count(), oldest).where(IS_WAITING)
        rows = self._db.all(counted.group_by(deliveries.c.target))
        return {target: (int(count), since) for target, count, since in map(tuple, rows)}

    def dead(self, *, limit: int = 100) -> Sequence[Delivery]:
        """Deliveries that were given up, newest first."""
        given_up = select(deliveries).where(deliveries.c.fate == DeliveryOutcome.DEAD)
        newest = given_up.order_by(deliveries.c.ended_at.desc(), deliveries.c.number.desc())
        return [_DELIVERIES.from_row(row) for row in self._db.all(newest.limit(limit))]

    def revive(self, target: str, key: str, now: datetime) -> bool:
        """Queue a dead delivery again, with no tries counted; False when there is none."""
        one = deliveries.update().where(
            deliveries.c.target == target,
            deliveries.c.key == key,
            deliveries.c.fate == DeliveryOutcome.DEAD,
        )
        again = one.values(
            fate=DeliveryOutcome.WAITING,
            tries=0,
            due_at=now,
            ended_at=None,
            expires_at=None,
            **_FREE,
        )
        return self._db.changed(again) == 1

    def prune(self, before: datetime) -> int:
        """Delete deliveries that ended before then; returns how many."""
        return self._db.changed(deliveries.delete().where(deliveries.c.ended_at < before))
