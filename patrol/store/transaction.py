"""One open transaction, used by all repositories, and the events that it collects.

The only place where SQL is executed. It hides how the two dialects write INSERT … ON CONFLICT and
adds FOR UPDATE where the database has it. Errors come out as ours (engine.py translates them).

Building a statement costs three times what running it does. So repositories build theirs once, with
`bindparam`s, and pass the values; what is built here is cached as well.

What the town's figures depend on is noted as touched (`touch_report`), whatever process writes it,
and the notes are appended to the log of report changes as the last thing before the commit: on
PostgreSQL under a lock, so that numbers become visible in their order and a reader who goes on from
a number misses none. Nothing is waited for under that lock.

An event tells a row as it was and as it is now. Observers are called with them inside the
transaction (store.py), so that a webhook is queued together with the change that it reports.
"""

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, Executable, Row, Select, Table, text
from sqlalchemy.engine import CursorResult

from patrol.encryption import SiteKey
from patrol.store.schema_people import sequences
from patrol.store.schema_town import report_changes

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite

    from patrol.domain.case import Case
    from patrol.domain.finding import Finding
    from patrol.domain.round import Round, Visit


@dataclass(frozen=True, slots=True)
class CaseChanged:
    """A new case (`before` is None), or one that changed."""

    before: "Case | None"
    after: "Case"


@dataclass(frozen=True, slots=True)
class FindingChanged:
    """A new finding, or one that changed."""

    before: "Finding | None"
    after: "Finding"


@dataclass(frozen=True, slots=True)
class RoundChanged:
    """A new round, or one that changed."""

    before: "Round | None"
    after: "Round"


@dataclass(frozen=True, slots=True)
class VisitRecorded:
    """A visit that was recorded."""

    visit: "Visit"


StoreEvent = CaseChanged | FindingChanged | RoundChanged | VisitRecorded


Insert = Callable[[Table], "sqlite.Insert | postgresql.Insert"]  # these know ON CONFLICT
IN_LIMIT = 1000  # values in one IN (…): far below both databases' limits on parameters
_APPEND_LOCK: Final = 0x7061_7472_636F  # of PostgreSQL's advisory locks
_CHECK_NOW: Final = text("SET CONSTRAINTS ALL IMMEDIATE")  # may wait for rows: before the lock
_LOCK_LOG: Final = text(f"SELECT pg_advisory_xact_lock({_APPEND_LOCK})")
_APPEND: Final = report_changes.insert()


class Transaction:
    """A connection inside its transaction."""

    def __init__(
        self, connection: Connection, *, writes: bool, site_key: SiteKey | None = None
    ) -> None:
        self._connection = connection
        self._writes = writes
        self._over = False
        self._touched: dict[tuple[str, str], None] = {}  # in the order of the notes
        self.site_key = site_key  # signs the chained logs, seals what is secret in a row
        self.heads: dict[str, tuple[int, str]] = {}  # of the chained logs that this unit holds
        self.keyed: dict[str, bool] = {}  # whether their new lines are under the key
        self.on_event: Callable[[StoreEvent], None] | None = None  # set where there are observers
        self.is_postgres = connection.dialect.name == "postgresql"
        self.insert = _insert_of(connection.dialect.name)

    def run(
        self,
        statement: Executable,
        rows: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    ) -> CursorResult[Any]:
        """Execute; with several rows, once for each."""
        if self._over:
            raise RuntimeError("this unit of work is committed; begin another")
        return self._connection.execute(statement, rows)

    def all(
        self, statement: Executable, values: Mapping[str, Any] | None = None
    ) -> Sequence[Row[Any]]:
        """Every row."""
        return self.run(statement, values).all()

    def pairs(self, statement: Executable) -> list[tuple[Any, Any]]:
        """Every row of two columns."""
        return [(key, value) for key, value in map(tuple, self.run(statement))]

    def first(
        self, statement: Executable, values: Mapping[str, Any] | None = None
    ) -> Row[Any] | None:
        """The first row, if any."""
        return self.run(statement, values).first()

    def scalar(self, statement: Executable, values: Mapping[str, Any] | None = None) -> Any:
        """The first column of the first row, or None."""
        return self.run(statement, values).scalar()

    def changed(self, statement: Executable, row: Mapping[str, Any] | None = None) -> int:
        """Execute; how many rows it touched."""
        return self.run(statement, row).rowcount

    def add(self, table: Table, rows: Iterable[Mapping[str, Any]]) -> None:
        """Insert them all, some at a time: the driver holds what it sends."""
        for some in in_batches(rows):
            self.run(_insert(table), some)

    def add_if_new(self, table: Table, row: Mapping[str, Any], *key: str) -> bool:
        """Insert, unless a row with the same key is there."""
        return self.changed(_insert_if_new(self.insert, table, key), row) == 1

    def put(self, table: Table, row: Mapping[str, Any], *key: str) -> None:
        """Insert or replace by key."""
        self.run(_upsert(self.insert, table, tuple(row), key), row)

    def notify(self, event: StoreEvent) -> None:
        """Pass the event to the observers, if there are any."""
        if self.on_event is not None:
            self.on_event(event)

    def touch_report(self, kind: str, subject: str) -> None:
        """Note that what the reports say of a round, a day or a moment changes with this commit."""
        self._touched[kind, subject] = None

    def _append_touched(self) -> None:
        if not self._touched:
            return
        if self.is_postgres:
            self._connection.execute(_CHECK_NOW)
            self._connection.execute(_LOCK_LOG)
        rows = [
            {"token": secrets.token_hex(4), "kind": kind, "subject": subject}
            for kind, subject in self._touched
        ]
        self._connection.execute(_APPEND, rows)

    def locked(
        self, statement: Select[Any], *, skip_locked: bool = False, of: Table | None = None
    ) -> Select[Any]:
        """With FOR UPDATE where the database has it and this transaction writes."""
        if not (self.is_postgres and self._writes):
            return statement
        return _for_update(statement, skip_locked, of)

    def commit(self) -> None:
        """Commit. Raises RuntimeError at the second time; nothing can be executed after it."""
        if self._over:
            raise RuntimeError("this unit of work is committed; begin another")
        self._over = True
        try:
            self._append_touched()
            self._connection.commit()
        except BaseException:
            self._connection.invalidate()  # SQLite keeps the transaction open; closing ends it
            raise


@cache
def _insert_of(dialect: str) -> Insert:
    """The INSERT of the dialect that is used; the other's module is not imported."""
    if dialect == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as of_postgres  # noqa: PLC0415

        return of_postgres
    from sqlalchemy.dialects.sqlite import insert as of_sqlite  # noqa: PLC0415

    return of_sqlite


@cache
def _insert(table: Table) -> Executable:
    return table.insert()


@cache
def _insert_if_new(insert: Insert, table: Table, key: tuple[str, ...]) -> Executable:
    return insert(table).on_conflict_do_nothing(index_elements=key)


@cache
def _upsert(
    insert: Insert, table: Table, columns: tuple[str, ...], key: tuple[str, ...]
) -> Executable:
    statement = insert(table)
    rest = {name: statement.excluded[name] for name in columns if name not in key}
    return statement.on_conflict_do_update(index_elements=key, set_=rest)


@lru_cache(maxsize=256)  # by the statement itself: of those that are built once there are fewer
def _for_update(statement: Select[Any], skip_locked: bool, of: Table | None) -> Select[Any]:  # noqa: FBT001
    return statement.with_for_update(skip_locked=skip_locked, of=of)


def in_batches(values: Iterable[Any], size: int = IN_LIMIT) -> Iterable[list[Any]]:
    """The values in lists short enough for one IN (…)."""
    left = iter(values)
    while some := list(islice(left, size)):
        yield some


def next_number(db: Transaction, sequence: str) -> int:
    """The next number of the sequence (1, 2, 3 …), locked until the transaction ends."""
    counted = db.run(_counting(db.insert), {"name": sequence, "value": 1})
    return int(counted.scalar_one())


@cache  # one for each dialect
def _counting(insert: Insert) -> Executable:
    one_more = {"value": sequences.c.value + 1}
    counted = insert(sequences).on_conflict_do_update(index_elements=["name"], set_=one_more)
    return counted.returning(sequences.c.value)
