"""A change of a row of people.csv, grids.csv or leave.csv, as the history keeps it. Pure.

The files are the source of truth. The store has a copy of their rows as last known: what differs
from it was changed by somebody, in the console, by a program, or in the file itself. Telephone
numbers are masked in the history, which is kept when a person has left. A row of people.csv whose
name changed is a successor's: who had it before had its logins.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, auto
from typing import Final
from unicodedata import normalize

FILE_ITSELF: Final = "file"  # who changed a row that no form and no command has written
MASKED_COLUMNS: Final = ("phone",)
_HIDDEN: Final = re.compile(r"\d(?=(?:\D*\d){4})")  # all digits but the last four

Cells = Mapping[str, str]  # by column
Rows = Mapping[str, Cells]  # by the row's key


class RegistryTable(StrEnum):
    """The tables that are edited; the value stands in addresses, commands and the history."""

    PEOPLE = auto()
    GRIDS = auto()
    LEAVE = auto()


class RowChange(StrEnum):
    """What happened to a row."""

    ADDED = auto()
    CHANGED = auto()
    REMOVED = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class CellChange:
    """A cell before and after."""

    column: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryChange:
    """One row that was added, changed or removed; `number` is given by the store."""

    table: RegistryTable
    row: str  # person_id, grid_code, or person_id and from of a leave
    name: str
    what: RowChange
    cells: tuple[CellChange, ...]
    number: int = 0
    at: datetime | None = None
    by: str = ""
    why: str = ""

    @property
    def ends_logins(self) -> bool:
        """Whether who had this row of people.csv has it no more: it is gone, or names another."""
        if self.table is not RegistryTable.PEOPLE:
            return False
        names = [one for one in self.cells if one.column == "name"]
        return self.what is RowChange.REMOVED or any(
            self.what is RowChange.CHANGED and not is_same_name(one.before, one.after)
            for one in names
        )


def is_same_name(one: str, other: str) -> bool:
    """Whether two spellings name one person: width, case and spaces say nothing."""
    first, second = ("".join(normalize("NFKC", text).casefold().split()) for text in (one, other))
    return first == second


def row_changes(table: RegistryTable, before: Rows, after: Rows) -> Iterator[RegistryChange]:
    """What made `after` of `before`, row by row: the removed ones first."""
    for key in [*(key for key in before if key not in after), *after]:
        old, new = before.get(key, {}), after.get(key, {})
        cells = tuple(_moved_cells(old, new))
        if not cells:
            continue
        what = RowChange.CHANGED if old and new else RowChange.ADDED if new else RowChange.REMOVED
        name = new.get("name") or old.get("name") or ""
        yield RegistryChange(table=table, row=key, name=name, what=what, cells=cells)


def _moved_cells(old: Cells, new: Cells) -> Iterator[CellChange]:
    for column in dict.fromkeys((*old, *new)):
        before, after = old.get(column, ""), new.get(column, "")
        if before != after:
            masked = column in MASKED_COLUMNS
            yield CellChange(
                column=column,
                before=mask_digits(before) if masked else before,
                after=mask_digits(after) if masked else after,
            )


def mask_digits(text: str) -> str:
    """`*******1234`: of a telephone number only the last four digits."""
    return _HIDDEN.sub("*", text)
