"""Anchors: the heads of the chained logs at the end of each day, kept and compared.

An anchor that left the centre (retained on the broker, printed on the day's report, in the file
beside the key) proves what the logs were: a cut tail lacks its line, and a log that was re-hashed
as a whole, by whatever key, has another hash at its number.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Final

from sqlalchemy import Table, func, select

from patrol.domain.audit_anchor import EMPTY_HEAD, Anchor, AnchorProblem, ChainHead
from patrol.store.access_log import ACCESS_CHAIN, HashChain
from patrol.store.deletion_ledger import DELETION_CHAIN
from patrol.store.schema import deletions
from patrol.store.schema_people import access_log, anchors, handovers
from patrol.store.shift import HANDOVER_CHAIN
from patrol.store.transaction import Transaction

CHAINED_TABLES: Final[Mapping[str, tuple[Table, str]]] = {  # and the column of a line's time
    ACCESS_CHAIN: (access_log, "at"),
    DELETION_CHAIN: (deletions, "deleted_at"),
    HANDOVER_CHAIN: (handovers, "at"),
}


class AnchorRepository:
    """Reads and writes anchors, and compares them with the logs as they are now."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def heads(self) -> Mapping[str, ChainHead]:
        """The head of each log now."""
        found = {name: HashChain(self._db, name).read_head() for name in CHAINED_TABLES}
        return {name: ChainHead(number, hash_) for name, (number, hash_) in found.items()}

    def heads_before(self, end: datetime) -> Mapping[str, ChainHead]:
        """The last line of each log that was written before `end`."""
        return {name: self._head_before(name, end) for name in CHAINED_TABLES}

    def add(self, anchor: Anchor) -> bool:
        """Keep the day's anchor; False when the day has one already."""
        heads = {name: [head.number, head.hash] for name, head in anchor.heads.items()}
        row = {"day": anchor.day, "at": anchor.at, "heads": heads}
        return self._db.add_if_new(anchors, row, "day")

    def get(self, day: date) -> Anchor | None:
        """The anchor of a day."""
        row = self._db.first(select(anchors).where(anchors.c.day == day))
        return None if row is None else _anchor_of(row.day, row.at, row.heads)

    def newest(self, limit: int) -> Sequence[Anchor]:
        """The newest anchors, the newest first."""
        rows = self._db.all(select(anchors).order_by(anchors.c.day.desc()).limit(limit))
        return [_anchor_of(row.day, row.at, row.heads) for row in rows]

    def problems_of(self, name: str, head: ChainHead) -> AnchorProblem | None:
        """How the log differs from what a published head says of it; None: it does not."""
        if head.number == 0:
            return None
        table, _ = CHAINED_TABLES[name]
        stored = self._db.scalar(select(table.c.hash).where(table.c.number == head.number))
        if stored is None:
            return AnchorProblem(name, head.number, "cut")
        return None if stored == head.hash else AnchorProblem(name, head.number, "rewritten")

    def _head_before(self, name: str, end: datetime) -> ChainHead:
        table, column = CHAINED_TABLES[name]
        last = select(func.max(table.c.number)).where(table.c[column] < end)
        row = self._db.first(
            select(table.c.number, table.c.hash).where(table.c.number == last.scalar_subquery())
        )
        return EMPTY_HEAD if row is None else ChainHead(row.number, row.hash)


def _anchor_of(day: date, at: datetime, heads: Mapping[str, Sequence[object]]) -> Anchor:
    read = {
        name: ChainHead(int(str(number)), str(hash_)) for name, (number, hash_) in heads.items()
    }
    return Anchor(day=day, at=at, heads=read)
