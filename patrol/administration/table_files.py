"""people.csv, grids.csv and leave.csv as tables of cells: their columns, their keys, their rows.

Nothing is judged here but the structure: what the cells mean, the settings' own readers say.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from patrol.domain.registry_change import RegistryTable
from patrol.settings.config_file import ConfigProblems, FileProblemLog, ProblemLog
from patrol.settings.csv_file import read_table
from patrol.settings.grids_people import GRID_REQUIRED, PERSON_OPTIONAL, PERSON_REQUIRED
from patrol.settings.leave_csv import LEAVE_OPTIONAL, LEAVE_REQUIRED


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFile:
    """The file of a table: its columns, and those that tell one row from another."""

    name: str
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    key: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns in the order in which they are written."""
        return (*self.required, *self.optional)

    def key_of(self, cells: Mapping[str, str]) -> str:
        """The key of a row."""
        return " ".join(cells.get(column, "") for column in self.key)


TABLE_FILES: Final[Mapping[RegistryTable, TableFile]] = {
    RegistryTable.PEOPLE: TableFile(
        name="people.csv", required=PERSON_REQUIRED, optional=PERSON_OPTIONAL, key=("person_id",)
    ),
    RegistryTable.GRIDS: TableFile(name="grids.csv", required=GRID_REQUIRED, key=("grid_code",)),
    RegistryTable.LEAVE: TableFile(
        name="leave.csv", required=LEAVE_REQUIRED, optional=LEAVE_OPTIONAL,
        key=("person_id", "from"),
    ),
}  # fmt: skip


def read_rows(file: TableFile, data: bytes) -> dict[str, dict[str, str]]:
    """The rows of a table by key; one without a byte has none. Raises ConfigProblems."""
    if not data:
        return {}
    notes = ProblemLog()
    with tempfile.TemporaryDirectory(prefix="patrol-table-") as folder:
        path = Path(folder) / file.name
        path.write_bytes(data)
        rows = read_table(
            path, required=file.required, optional=file.optional,
            notes=FileProblemLog(file.name, notes), may_be_empty=True,
        )  # fmt: skip
    if rows is None:
        raise ConfigProblems(notes.problems, count=notes.problem_count)
    cells = ({column: row.cells[column] for column in file.columns} for row in rows)
    return {file.key_of(row): row for row in cells}


def table_rows(folder: Path, table: RegistryTable) -> list[dict[str, str]]:
    """The rows of a table of this directory as they are. Raises ConfigProblems, OSError."""
    file = TABLE_FILES[table]
    path = folder / file.name
    return list(read_rows(file, path.read_bytes() if path.exists() else b"").values())
