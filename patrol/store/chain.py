"""Chained logs: each line carries the hash of the one before, and the head is kept apart.

The head says how many lines there must be, so that a cut-off tail is noticed as well; its row is
locked while a line is added, so that two writers never continue from the same line.
"""

from collections.abc import Iterable
from typing import Final

from sqlalchemy import bindparam, select

from patrol.domain.access import FIRST_LINK, link_hash
from patrol.store.db import Db
from patrol.store.desk_tables import chains

_EMPTY: Final = (0, FIRST_LINK)
_HEAD: Final = select(chains).where(chains.c.name == bindparam("this"))
Fields = tuple[str | int | None, ...]


class Chain:
    """One chained log's head."""

    def __init__(self, db: Db, name: str) -> None:
        self._db = db
        self._name = name

    def head(self) -> tuple[int, str]:
        """(number, hash) of the last line, locked; (0, zeros) of an empty log."""
        known = self._db.heads.get(self._name)
        if known is not None:
            return known  # ours since we locked it
        mine, this = self._db.locked(_HEAD), {"this": self._name}
        row = self._db.first(mine, this)
        if row is None and self._db.is_postgres:
            empty = {"name": self._name, "number": 0, "hash": FIRST_LINK}
            self._db.add_if_new(chains, empty, "name")  # waits for whoever adds it just now
            row = self._db.first(mine, this)
        return _EMPTY if row is None else (row.number, row.hash)

    def extend(self, number: int, previous: str, *fields: str | int | None) -> str:
        """Move the head to line `number`; answers that line's hash."""
        link = link_hash(previous, *fields)
        row = {"name": self._name, "number": number, "hash": link}
        self._db.put(chains, row, "name")
        self._db.heads[self._name] = number, link
        return link

    def seen_head(self) -> tuple[int, str]:
        """As `head`, for a reader: locks and adds nothing."""
        row = self._db.first(_HEAD, {"this": self._name})
        return _EMPTY if row is None else (row.number, row.hash)


def first_broken(
    lines: Iterable[tuple[int, str, str, Fields]], head: tuple[int, str]
) -> int | None:
    """The first line that does not hold, of (number, previous, hash, fields) in order."""
    number, last = _EMPTY
    for number_there, previous, stored, fields in lines:
        number += 1
        holds = number_there == number and previous == last
        if not holds or stored != link_hash(previous, *fields):
            return number
        last = stored
    return None if (number, last) == head else number + 1
