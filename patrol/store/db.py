"""One open transaction, spoken to in a few verbs; the only place where SQL is executed.

Every book gets this object. It hides the two dialects' ways of INSERT … ON CONFLICT and adds FOR
UPDATE where the database has it. Errors come out as ours (engine.py listens, errors.py says which).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Executable, Row, Select, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import CursorResult

Insert = Callable[[Table], "sqlite.Insert | postgresql.Insert"]  # these know ON CONFLICT
_COUNTED = {"preserve_rowcount": True}  # of inserts, too: whether ON CONFLICT inserted
IN_LIMIT = 1000  # values in one IN (…): far below both databases' limits on parameters


class Db:
    """A connection inside its transaction."""

    def __init__(self, connection: Connection, *, writes: bool) -> None:
        self._connection = connection
        self._writes = writes
        self._over = False
        self.is_postgres = connection.dialect.name == "postgresql"
        self.insert: Insert = postgresql.insert if self.is_postgres else sqlite.insert

    def run(
        self,
        statement: Executable,
        rows: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    ) -> CursorResult[Any]:
        """Execute; with several rows, once for each."""
        if self._over:
            raise RuntimeError("this unit of work is committed; begin another")
        return self._connection.execute(statement, rows, execution_options=_COUNTED)

    def all(self, statement: Executable) -> Sequence[Row[Any]]:
        """Every row."""
        return self.run(statement).all()

    def pairs(self, statement: Executable) -> list[tuple[Any, Any]]:
        """Every row of two columns."""
        return [(key, value) for key, value in map(tuple, self.run(statement))]

    def first(self, statement: Executable) -> Row[Any] | None:
        """The first row, if any."""
        return self.run(statement).first()

    def scalar(self, statement: Executable) -> Any:
        """The first column of the first row, or None."""
        return self.run(statement).scalar()

    def changed(self, statement: Executable, row: Mapping[str, Any] | None = None) -> int:
        """Execute; how many rows it touched."""
        return self.run(statement, row).rowcount

    def add(self, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert them all."""
        if rows:
            self.run(table.insert(), rows)

    def add_if_new(self, table: Table, row: Mapping[str, Any], *key: str) -> bool:
        """Insert, unless a row with the same key is there."""
        statement = self.insert(table).on_conflict_do_nothing(index_elements=key)
        return self.changed(statement, row) == 1

    def put(self, table: Table, row: Mapping[str, Any], *key: str) -> None:
        """Insert or replace by key."""
        statement = self.insert(table)
        rest = {name: statement.excluded[name] for name in row if name not in key}
        self.run(statement.on_conflict_do_update(index_elements=key, set_=rest), row)

    def locked(
        self, statement: Select[Any], *, skip_locked: bool = False, of: Table | None = None
    ) -> Select[Any]:
        """FOR UPDATE where there is such a thing and this unit writes at all."""
        if not (self.is_postgres and self._writes):
            return statement
        return statement.with_for_update(skip_locked=skip_locked, of=of)

    def commit(self) -> None:
        """End it durably; nothing can be executed after."""
        if self._over:
            raise RuntimeError("this unit of work is committed; begin another")
        self._over = True
        try:
            self._connection.commit()
        except BaseException:
            self._connection.invalidate()  # SQLite keeps the transaction open; closing ends it
            raise


def in_parts(values: Iterable[Any], size: int = IN_LIMIT) -> Iterable[list[Any]]:
    """The values in lists short enough for one IN (…)."""
    everything = list(values)
    return (everything[start : start + size] for start in range(0, len(everything), size))
