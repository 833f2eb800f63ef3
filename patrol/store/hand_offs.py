"""Hand-offs, broadcasts and tags of grids in the store."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import select

from patrol.domain.broadcast import Broadcast, BroadcastState
from patrol.domain.hand_off import HandOff, HandOffState
from patrol.domain.ids import CaseId, GridCode
from patrol.store.rows import RowMapper
from patrol.store.schema_town import broadcasts, grid_tags, hand_offs
from patrol.store.transaction import Transaction

_HAND_OFFS: Final = RowMapper(HandOff)
_BROADCASTS: Final = RowMapper(Broadcast)


class HandOffRepository:
    """Reads and writes hand-offs."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def get(self, ident: str) -> HandOff:
        """Locked where the database can. Raises KeyError."""
        row = self._db.first(self._db.locked(select(hand_offs).where(hand_offs.c.id == ident)))
        if row is None:
            raise KeyError(ident)
        return _HAND_OFFS.from_row(row)

    def put(self, hand_off: HandOff) -> None:
        """Write it, new or changed."""
        self._db.put(hand_offs, _HAND_OFFS.to_row(hand_off), "id")

    def of_case(self, case_id: CaseId) -> Sequence[HandOff]:
        """Oldest first."""
        mine = select(hand_offs).where(hand_offs.c.case == case_id).order_by(hand_offs.c.id)
        return [_HAND_OFFS.from_row(row) for row in self._db.all(mine)]

    def list(self, *, open_only: bool = False, limit: int = 200) -> Sequence[HandOff]:
        """Newest first."""
        newest = select(hand_offs).order_by(hand_offs.c.at.desc(), hand_offs.c.id.desc())
        if open_only:
            newest = newest.where(hand_offs.c.state != HandOffState.ANSWERED)
        return [_HAND_OFFS.from_row(row) for row in self._db.all(newest.limit(limit))]


class BroadcastRepository:
    """Reads and writes broadcasts."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def get(self, ident: str) -> Broadcast:
        """Locked where the database can. Raises KeyError."""
        row = self._db.first(self._db.locked(select(broadcasts).where(broadcasts.c.id == ident)))
        if row is None:
            raise KeyError(ident)
        return _BROADCASTS.from_row(row)

    def put(self, broadcast: Broadcast) -> None:
        """Write it, new or changed."""
        self._db.put(broadcasts, _BROADCASTS.to_row(broadcast), "id")

    def of_case(self, case_id: CaseId) -> Sequence[Broadcast]:
        """Oldest first."""
        mine = select(broadcasts).where(broadcasts.c.case == case_id).order_by(broadcasts.c.id)
        return [_BROADCASTS.from_row(row) for row in self._db.all(mine)]

    def list(self, *, asked_only: bool = False, limit: int = 200) -> Sequence[Broadcast]:
        """Newest first; `asked_only`: those that wait for approval."""
        newest = select(broadcasts).order_by(broadcasts.c.at.desc(), broadcasts.c.id.desc())
        if asked_only:
            newest = newest.where(broadcasts.c.state == BroadcastState.ASKED)
        return [_BROADCASTS.from_row(row) for row in self._db.all(newest.limit(limit))]


class GridTagRepository:
    """Free tags of grids."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def put(self, grid: GridCode, tags: Sequence[str], *, by: str, at: datetime) -> None:
        """Give the grid exactly these tags."""
        row = {"grid": grid, "tags": list(tags), "by": by, "at": at}
        self._db.put(grid_tags, row, "grid")

    def all(self) -> Mapping[GridCode, tuple[str, ...]]:
        """The tags of every grid that has some."""
        rows = self._db.all(select(grid_tags.c.grid, grid_tags.c.tags))
        return {GridCode(row.grid): tuple(row.tags) for row in rows if row.tags}
