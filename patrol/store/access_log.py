"""The access log in the store, and the hash chain that it shares with the other chained logs.

Each line carries the hash of the one before, and the head of the chain has a row of its own. It
says how many lines there must be, so that a cut-off tail is noticed, too; that row is locked while
a line is added, so that two writers never continue from the same line.

Where the store was opened with the site's key, a line's hash is an HMAC under it, from the line on
that `chain_keys` names; the lines before it are plain. That mark is signed with the key, so that
nobody without it moves it. An owner who changes rows cannot re-hash what follows. A tail that is
cut together with its head, and a mark that is removed together with every HMAC, show by the heads
that were published (store/anchors.py).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, func, select, text

from patrol.domain.access_log import (
    EMPTY_CHAIN_HASH,
    REPLAY,
    AccessEntry,
    chain_hash,
    chain_text,
)
from patrol.domain.ids import CameraId
from patrol.encryption import KeyProblem, SiteKey
from patrol.store.column_types import clean_text
from patrol.store.rows import RowMapper
from patrol.store.schema_people import BY_A_PERSON, access_log, chain_keys, chains
from patrol.store.transaction import Transaction

ACCESS_CHAIN = "access_log"
VIEWED_BY_PERSON = text(f"({BY_A_PERSON})")  # written out: the partial index answers it
BY_THE_MACHINE = text(f"NOT ({BY_A_PERSON})")
_ENTRIES: Final = RowMapper(AccessEntry)
_EMPTY: Final = (0, EMPTY_CHAIN_HASH)
_HEAD: Final = select(chains).where(chains.c.name == bindparam("this"))
_KEYED: Final = select(chain_keys).where(chain_keys.c.name == bindparam("this"))
Fields = tuple[str | int | None, ...]
ChainLine = tuple[int, str, str, Fields]  # number, previous, hash, fields
_CHAIN_PURPOSE: Final = "chained logs"


class HashChain:
    """Reads and extends the head (length and last hash) of one chained log."""

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
        """Move the head to line `number`; answers that line's hash. Raises KeyProblem."""
        link = self._link(self._is_keyed(number, previous), previous, *fields)
        row = {"name": self._name, "number": number, "hash": link}
        self._db.put(chains, row, "name")
        self._db.heads[self._name] = number, link
        return link

    def read_head(self) -> tuple[int, str]:
        """As `head`, for a reader: locks and adds nothing."""
        row = self._db.first(_HEAD, {"this": self._name})
        return _EMPTY if row is None else (row.number, row.hash)

    def first_broken(self, lines: Iterable[ChainLine], *, must_prove: bool = True) -> int | None:
        """The first line that does not hold, of all in order; None when the chain does.

        Lines under the site's key cannot be proven by a store that was opened without it: raises
        KeyProblem, or without `must_prove` only checks that they follow one another.
        """
        mark = self._db.first(_KEYED, {"this": self._name})
        keyed_from = None if mark is None else mark.keyed_from
        number, last = _EMPTY
        for number_there, previous, stored, fields in lines:
            number += 1
            holds = number_there == number and previous == last
            is_keyed = keyed_from is not None and number >= keyed_from
            if self._can_prove(is_keyed=is_keyed, must=must_prove):
                if mark is not None and number == keyed_from:
                    holds = holds and self._mark(number, previous) == mark.mark
                holds = holds and stored == self._link(is_keyed, previous, *fields)
            if not holds:
                return number
            last = stored
        return None if (number, last) == self.read_head() else number + 1

    def _can_prove(self, *, is_keyed: bool, must: bool) -> bool:
        return must or not is_keyed or self._db.site_key is not None

    def _is_keyed(self, number: int, previous: str) -> bool:
        """Whether line `number` is under the key: from the first on that is written with one."""
        if self._name not in self._db.keyed:
            mark = self._db.first(_KEYED, {"this": self._name})
            if mark is None and self._db.site_key is not None:
                signed = self._mark(number, previous)
                row = {"name": self._name, "keyed_from": number, "mark": signed}
                self._db.add(chain_keys, [row])
            self._db.keyed[self._name] = mark is not None or self._db.site_key is not None
        return self._db.keyed[self._name]

    def _mark(self, number: int, previous: str) -> str:
        """The signature of where the lines under the key begin."""
        return self._key().mac(_CHAIN_PURPOSE, chain_text(previous, "keyed", self._name, number))

    def _link(self, is_keyed: bool, previous: str, *fields: str | int | None) -> str:  # noqa: FBT001
        if not is_keyed:
            return chain_hash(previous, *fields)
        return self._key().mac(_CHAIN_PURPOSE, chain_text(previous, self._name, *fields))

    def _key(self) -> SiteKey:
        if self._db.site_key is None:
            raise KeyProblem(
                f"{self._name}: its lines are signed with the site's key, which is not there;"
                " put the key file back"
            )
        return self._db.site_key


class AccessLogRepository:
    """Reads and appends the access log (调阅登记): who viewed which camera, hash-chained."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def append(
        self, *, at: datetime, who: str, what: str, camera: CameraId | None, why: str
    ) -> None:
        """Append one line, chained to the one before."""
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
        """When a person (not the patrol itself) last looked at each camera, before then.

        Who has a round judged again by the machine has looked at none of its pictures.
        """
        line = access_log.c
        looked = VIEWED_BY_PERSON, line.camera.is_not(None), line.what != REPLAY
        newest = select(line.camera, func.max(line.at).label("last_at")).where(
            *looked, line.at < before
        )
        return {row.camera: row.last_at for row in self._db.all(newest.group_by(line.camera))}

    def first_broken(self, *, must_prove: bool = True) -> int | None:
        """The number of the first row whose chain does not hold, or None; as HashChain's."""
        in_order = self._db.run(select(access_log).order_by(access_log.c.number))
        lines = (
            (entry.number, entry.previous, entry.hash, entry.signed_fields)
            for entry in map(_ENTRIES.from_row, in_order.yield_per(1000))
        )
        return HashChain(self._db, ACCESS_CHAIN).first_broken(lines, must_prove=must_prove)

    def entries(
        self,
        *,
        camera: CameraId | None = None,
        who: str = "",
        what: str = "",
        by_people: bool | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> Sequence[AccessEntry]:
        """Log lines, newest first; with `camera` the lines of that camera alone.

        `by_people`: those of people alone, or of rounds and rules alone. `before`: only lines with
        a smaller number, for the next page.
        """
        wanted = select(access_log)
        named = (
            (access_log.c.camera, camera), (access_log.c.who, who), (access_log.c.what, what)
        )  # fmt: skip
        for column, name in named:
            wanted = wanted.where(column == name) if name else wanted
        if by_people is not None:
            wanted = wanted.where(VIEWED_BY_PERSON if by_people else BY_THE_MACHINE)
        if before is not None:
            wanted = wanted.where(access_log.c.number < before)
        newest = wanted.order_by(access_log.c.number.desc()).limit(limit)
        return [_ENTRIES.from_row(row) for row in self._db.all(newest)]

    def count(self, camera: CameraId, *, by_people: bool) -> int:
        """How many lines of a camera are by people, or by rounds and rules."""
        mine = access_log.c.camera == camera, VIEWED_BY_PERSON if by_people else BY_THE_MACHINE
        return int(self._db.scalar(select(func.count()).select_from(access_log).where(*mine)))

    def of_no_camera(self, what: str, *, limit: int) -> Sequence[AccessEntry]:
        """Lines of this action that name no camera, newest first: those of visits are not read."""
        mine = access_log.c.camera.is_(None), access_log.c.what == what
        newest = select(access_log).where(*mine).order_by(access_log.c.number.desc()).limit(limit)
        return [_ENTRIES.from_row(row) for row in self._db.all(newest)]
