"""fsck of the desk's books: messages, chained logs, and that no secret slipped into a column."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Table, Text, cast, func, or_, select

from patrol.domain.message import DeliveryState
from patrol.store.chain import Chain, first_broken
from patrol.store.db import Db
from patrol.store.desk import ACCESS, SqlAccessLog
from patrol.store.desk_tables import chains, outbox
from patrol.store.duty import HANDOVERS
from patrol.store.pictures import DELETIONS, deletion_fields
from patrol.store.problem import AUDITOR, Problem
from patrol.store.tables import Plain, cases, deletions
from patrol.store.types import UtcTime, Words, has_credentials

_STUCK: Final = timedelta(hours=1)  # the relay has sent later messages all that time
_PER_TABLE: Final = 20  # lines of one kind: enough to see what it is


def check_messages(db: Db) -> Iterator[Problem]:
    """States are legal, leases end, every message's case is there."""
    states = select(outbox.c.key, outbox.c.state).where(outbox.c.state.not_in(list(DeliveryState)))
    for row in db.all(states.limit(_PER_TABLE)):
        yield Problem(where=f"message {row.key}", what=f"{row.state!r} is no state of a message")
    half = outbox.c.lease_holder.is_(None) != outbox.c.lease_until.is_(None)
    sent = outbox.c.state != DeliveryState.QUEUED
    leased = outbox.c.lease_until.is_not(None)
    yield from _messages(db, half, "its lease has a holder without an end, or the reverse")
    yield from _messages(db, sent & leased, "sent, and still leased")
    unmarked = outbox.c.state == DeliveryState.PUBLISHED
    yield from _messages(
        db, unmarked & outbox.c.published_at.is_(None), "published, and nobody knows when"
    )
    of_a_case = outbox.c.case.is_not(None) & outbox.c.topic.not_like("%/canary/%")
    orphan = of_a_case & outbox.c.case.not_in(select(cases.c.id))
    yield from _messages(db, orphan, "its case is not there")
    newest = db.scalar(select(func.max(outbox.c.published_at)))
    if newest is not None:
        stuck = (outbox.c.state == DeliveryState.QUEUED) & (outbox.c.lease_until < newest - _STUCK)
        yield from _messages(db, stuck, "its lease ran out long ago and the relay passes it by")


def _messages(db: Db, condition: Any, what: str) -> Iterator[Problem]:
    found = select(outbox.c.key).where(condition).order_by(outbox.c.number).limit(_PER_TABLE)
    return (Problem(where=f"message {row.key}", what=what) for row in db.all(found))


def check_logs(db: Db) -> Iterator[Problem]:
    """The access log and the deletion ledger: every line in its place, none cut off."""
    broken = SqlAccessLog(db).first_broken()
    if broken is not None:
        yield Problem(
            where=f"{ACCESS} line {broken}", what="the chain does not hold", whose=AUDITOR
        )
    in_order = db.run(select(deletions).order_by(deletions.c.number)).yield_per(1000)
    lines = (
        (row.number, row.previous, row.hash, deletion_fields(row._asdict())) for row in in_order
    )
    broken = first_broken(lines, Chain(db, DELETIONS).seen_head())
    if broken is not None:
        yield Problem(
            where=f"{DELETIONS} line {broken}", what="the chain does not hold", whose=AUDITOR
        )
    for row in db.all(
        select(chains.c.name).where(chains.c.name.not_in((ACCESS, DELETIONS, HANDOVERS)))
    ):
        yield Problem(where=f"chain {row.name}", what="belongs to no log", whose=AUDITOR)


def check_secrets(db: Db, tables: Sequence[Table]) -> Iterator[Problem]:
    """No column holds a URL with a user or a password in it."""
    for table in tables:
        columns = [c for c in table.columns if _could_hold_words(c.type)]
        if not columns:
            continue
        suspicious = [cast(column, Text).like("%://%@%") for column in columns]
        for row in db.run(select(*columns).where(or_(*suspicious))).yield_per(1000):
            for column, value in zip(columns, row, strict=True):
                if has_credentials(str(value)):
                    yield Problem(
                        where=f"{table.name}.{column.name}",
                        what="a URL with credentials in it",
                        whose="the maintainer: remove it and change that password",
                    )


def _could_hold_words(kind: Any) -> bool:
    return isinstance(kind, Text | Words) or (kind is Plain and not isinstance(kind, UtcTime))
