"""The rows of the edited registry files as last known, and the history of their changes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, select

from patrol.domain.registry_change import (
    CellChange,
    RegistryChange,
    RegistryTable,
    RowChange,
    Rows,
)
from patrol.store.schema_town import registry_changes, registry_rows
from patrol.store.transaction import Transaction

MAX_LISTED: Final = 1000


class RegistryChangeRepository:
    """Reads and writes both; a change is never deleted."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def known_rows(self, table: RegistryTable) -> Rows | None:
        """The rows of a table as last known, by key; None: it was never looked at."""
        of_table = select(registry_rows).where(registry_rows.c.table == table)
        rows = self._db.all(of_table)
        return {row.row: dict(row.cells) for row in rows if row.row} if rows else None

    def know_rows(self, table: RegistryTable, rows: Rows) -> None:
        """Make these the known rows; an empty key marks a table that was looked at."""
        self._db.run(registry_rows.delete().where(registry_rows.c.table == table))
        known: Mapping[str, Mapping[str, str]] = {"": {}, **rows}
        self._db.add(
            registry_rows,
            [{"table": table, "row": key, "cells": dict(cells)} for key, cells in known.items()],
        )

    def add(self, changes: Iterable[RegistryChange], *, at: datetime, by: str, why: str) -> None:
        """Write the changes of one action."""
        for change in changes:
            dated = replace(change, at=at, by=by, why=why)
            self._db.add(registry_changes, [_change_row(dated)])

    def list(
        self, table: RegistryTable | None = None, row: str = "", *, limit: int = 200
    ) -> Sequence[RegistryChange]:
        """The newest first; of all tables or of one, of all its rows or of one."""
        newest = select(registry_changes).order_by(registry_changes.c.number.desc())
        if table is not None:
            newest = newest.where(registry_changes.c.table == table)
        if row:
            newest = newest.where(registry_changes.c.row == row)
        return [_change(found) for found in self._db.all(newest.limit(min(limit, MAX_LISTED)))]


def _change_row(change: RegistryChange) -> dict[str, object]:
    return {
        "at": change.at,
        "by": change.by,
        "table": change.table,
        "row": change.row,
        "name": change.name,
        "what": change.what,
        "cells": [[one.column, one.before, one.after] for one in change.cells],
        "why": change.why,
    }


def _change(row: Row[Any]) -> RegistryChange:
    return RegistryChange(
        number=row.number,
        at=row.at,
        by=row.by,
        table=RegistryTable(row.table),
        row=row.row,
        name=row.name,
        what=RowChange(row.what),
        cells=tuple(
            CellChange(column=column, before=before, after=after)
            for column, before, after in row.cells
        ),
        why=row.why,
    )
