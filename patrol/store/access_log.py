"""Chained logs: each line carries the hash of the one before, and the head is kept apart.

The head says how many lines there must be, so that a cut-off tail is noticed as well; its row is
locked while a line is added, so that two writers never continue from the same line.

The smaller books: messages that came in, withdrawals, who looked, memories, numbers.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Final

from sqlalchemy import Executable, bindparam, func, select, text

from patrol.domain.access_log import (
    EMPTY_CHAIN_HASH,
    AccessEntry,
    chain_hash,
)
from patrol.domain.ids import CameraId, MessageKey
from patrol.domain.observation import Light
from patrol.domain.outbox import DeadLetter
from patrol.store.column_types import clean_text
from patrol.store.rows import RowMapper
from patrol.store.schema_people import (
    BY_A_PERSON,
    access_log,
    chains,
    dead_letters,
    inbox,
    memories,
    sequences,
    withdrawals,
)
from patrol.store.transaction import Insert, Transaction

ACCESS_CHAIN = "access_log"
VIEWED_BY_PERSON = text(f"({BY_A_PERSON})")  # written out: the partial index answers it
_MEMORY = select(memories.c.blob).where(
    memories.c.camera == bindparam("of_camera"), memories.c.light == bindparam("in_light")
)
DEAD_LETTER_BYTES = 4096  # of a refused message
_ENTRIES: Final = RowMapper(AccessEntry)
_DEAD_LETTERS: Final = RowMapper(DeadLetter)
_EMPTY: Final = (0, EMPTY_CHAIN_HASH)
_HEAD: Final = select(chains).where(chains.c.name == bindparam("this"))
Fields = tuple[str | int | None, ...]


class HashChain:
    """One chained log's head."""

    def __init__(self, db: Transaction, name: str) -> None:
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
            empty = {"name": self._name, "number": 0, "hash": EMPTY_CHAIN_HASH}
            self._db.add_if_new(chains, empty, "name")  # waits for whoever adds it just now
            row = self._db.first(mine, this)
        return _EMPTY if row is None else (row.number, row.hash)

    def extend(self, number: int, previous: str, *fields: str | int | None) -> str:
        """Move the head to line `number`; answers that line's hash."""
        link = chain_hash(previous, *fields)
        row = {"name": self._name, "number": number, "hash": link}
        self._db.put(chains, row, "name")
        self._db.heads[self._name] = number, link
        return link

    def read_head(self) -> tuple[int, str]:
        """As `head`, for a reader: locks and adds nothing."""
        row = self._db.first(_HEAD, {"this": self._name})
        return _EMPTY if row is None else (row.number, row.hash)


def first_broken_line(
    lines: Iterable[tuple[int, str, str, Fields]], head: tuple[int, str]
) -> int | None:
    """The first line that does not hold, of (number, previous, hash, fields) in order."""
    number, last = _EMPTY
    for number_there, previous, stored, fields in lines:
        number += 1
        holds = number_there == number and previous == last
        if not holds or stored != chain_hash(previous, *fields):
            return number
        last = stored
    return None if (number, last) == head else number + 1


class InboxRepository:
    """What came in."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def remember_key(self, key: MessageKey, now: datetime) -> bool:
        """Remember the key; False when it was seen before."""
        return self._db.add_if_new(inbox, {"key": key, "at": now}, "key")

    def add_dead_letter(self, letter: DeadLetter) -> None:
        """Keep a refused message."""
        row = {**_DEAD_LETTERS.to_row(letter), "payload": letter.payload[:DEAD_LETTER_BYTES]}
        self._db.add(dead_letters, [row])

    def dead_letters(self, *, limit: int = 100) -> Sequence[DeadLetter]:
        """Newest first."""
        newest = select(dead_letters).order_by(dead_letters.c.number.desc()).limit(limit)
        return [_DEAD_LETTERS.from_row(row) for row in self._db.all(newest)]

    def prune(self, before: datetime, *, limit: int) -> int:
        """Forget at most `limit` keys and as many dead letters of before then; how many."""
        keys = select(inbox.c.key).where(inbox.c.at < before).limit(limit)
        known = self._db.changed(inbox.delete().where(inbox.c.key.in_(keys)))
        of_old = select(dead_letters.c.number).where(dead_letters.c.at < before)
        numbers = of_old.order_by(dead_letters.c.number).limit(limit)
        dead = dead_letters.delete().where(dead_letters.c.number.in_(numbers))
        return known + self._db.changed(dead)


class ConsentRepository:
    """Withdrawals said after the registry was read; each has effect within a second.

    Every withdrawal and every return stays in the table.
    """

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def withdraw(self, camera: CameraId, *, by: str, now: datetime) -> None:
        """Write it; twice is once."""
        insert = self._db.insert(withdrawals).on_conflict_do_nothing(
            index_elements=["camera"], index_where=withdrawals.c.restored_at.is_(None)
        )
        self._db.run(insert, {"camera": camera, "withdrawn_at": now, "withdrawn_by": by})

    def restore(self, camera: CameraId, *, by: str, now: datetime) -> None:
        """Take a withdrawal back (the registry's own consent counts again)."""
        not_restored = withdrawals.c.camera == camera, withdrawals.c.restored_at.is_(None)
        restored = withdrawals.update().where(*not_restored)
        self._db.run(restored.values(restored_at=now, restored_by=by))

    def withdrawn(self) -> frozenset[CameraId]:
        """All that are withdrawn just now."""
        not_restored = select(withdrawals.c.camera).where(withdrawals.c.restored_at.is_(None))
        return frozenset(row.camera for row in self._db.all(not_restored))


class AccessLogRepository:
    """Everything that was looked at (调用登记); each row carries the hash of the one before."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def append(
        self, *, at: datetime, who: str, what: str, camera: CameraId | None, why: str
    ) -> None:
        """One line, chained."""
        chain = HashChain(self._db, ACCESS_CHAIN)
        number, previous = chain.head()
        entry = AccessEntry(
            number=number + 1,
            at=at,
            who=clean_text(who),
            what=clean_text(what),
            camera=camera,
            why=clean_text(why),
            previous=previous,
        )
        link = chain.extend(entry.number, previous, *entry.signed_fields)
        self._db.add(access_log, [{**_ENTRIES.to_row(entry), "hash": link}])

    def last_viewed(self, before: datetime) -> Mapping[CameraId, datetime]:
        """When a person (not the patrol itself) last looked at each camera, before then."""
        line = access_log.c
        newest = select(line.camera, func.max(line.at).label("last_at")).where(
            VIEWED_BY_PERSON, line.camera.is_not(None), line.at < before
        )
        return {row.camera: row.last_at for row in self._db.all(newest.group_by(line.camera))}

    def first_broken(self) -> int | None:
        """The number of the first row whose chain does not hold, or None."""
        in_order = self._db.run(select(access_log).order_by(access_log.c.number))
        lines = (
            (entry.number, entry.previous, entry.hash, entry.signed_fields)
            for entry in map(_ENTRIES.from_row, in_order.yield_per(1000))
        )
        return first_broken_line(lines, HashChain(self._db, ACCESS_CHAIN).read_head())

    def entries(
        self,
        *,
        camera: CameraId | None = None,
        who: str = "",
        what: str = "",
        before: int | None = None,
        limit: int = 100,
    ) -> Sequence[AccessEntry]:
        """Newest first; of one camera: what its household may see of who looked.

        `before`: only lines with a smaller number, which is how one leafs through it.
        """
        wanted = select(access_log)
        named = (
            (access_log.c.camera, camera), (access_log.c.who, who), (access_log.c.what, what)
        )  # fmt: skip
        for column, name in named:
            wanted = wanted.where(column == name) if name else wanted
        if before is not None:
            wanted = wanted.where(access_log.c.number < before)
        newest = wanted.order_by(access_log.c.number.desc()).limit(limit)
        return [_ENTRIES.from_row(row) for row in self._db.all(newest)]


class CameraMemoryRepository:
    """What the machine's eye remembers of a camera: opaque bytes, written by patrol.vision."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def get(self, camera: CameraId, light: Light) -> bytes | None:
        """None before the first accepted sample."""
        blob = self._db.scalar(_MEMORY, {"of_camera": camera, "in_light": light})
        return None if blob is None else bytes(blob)

    def put(self, camera: CameraId, light: Light, blob: bytes, now: datetime) -> None:
        """Replace."""
        row = {"camera": camera, "light": light, "blob": blob, "updated_at": now}
        self._db.put(memories, row, "camera", "light")

    def delete(self, camera: CameraId) -> None:
        """Drop all of it: the camera moved, the household withdrew."""
        self._db.run(memories.delete().where(memories.c.camera == camera))


def next_number(db: Transaction, sequence: str) -> int:
    """1, 2, 3 …; the sequence's row stays locked until the unit of work ends."""
    counted = db.run(_counting(db.insert), {"name": sequence, "value": 1})
    return int(counted.scalar_one())


@cache  # one for each dialect
def _counting(insert: Insert) -> Executable:
    one_more = {"value": sequences.c.value + 1}
    counted = insert(sequences).on_conflict_do_update(index_elements=["name"], set_=one_more)
    return counted.returning(sequences.c.value)
