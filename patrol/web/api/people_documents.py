"""Documents of the API about people, grids and leave; forms that change them."""

from typing import Annotated, Any

from pydantic import Field, RootModel, StringConstraints

from patrol.web.api.documents import Document
from patrol.web.request_limits import MAX_CSV_BYTES

CellText = Annotated[str, StringConstraints(max_length=200)]


class RegistryRow(RootModel[dict[str, Any]]):
    """A row of people.csv, grids.csv or leave.csv by its columns."""


class RowForm(Document):
    """Cells of one row by column; the key's columns say which row it is."""

    cells: dict[str, CellText] = Field(max_length=20)
    why: str = Field("", max_length=200)


class CellChangeDocument(Document):
    """A cell before and after; of a telephone number the last four digits."""

    column: str
    before: str
    after: str


class RegistryChangeDocument(Document):
    """A row that was added, changed or removed; in the history by whom, when and why."""

    table: str = Field(description="people, grids, leave")
    row: str = Field(description="person_id, grid_code, or `person_id from` of a leave")
    name: str
    what: str = Field(description="added, changed, removed")
    cells: list[CellChangeDocument]
    at: str | None = None
    by: str = Field("", description="`file`: somebody changed the file itself")
    why: str = ""


class UnstaffedGridDocument(Document):
    """A grid in which nobody is told of a finding."""

    grid: str
    name: str
    since: str | None = Field(description="null: it is so now")
    until: str | None = Field(description="null: no end is known")
    on_leave: list[str]


class TableChangeDocument(Document):
    """What an edit or an import changes; `version` is what taking an import over must name."""

    version: str
    unchanged: int
    changes: list[RegistryChangeDocument]
    unstaffed: list[UnstaffedGridDocument]
    logins_ended: list[str]


class ImportForm(Document):
    """A whole table as CSV text; without `version` it is only compared."""

    csv: str = Field(max_length=MAX_CSV_BYTES, description="UTF-8, at most 8 MiB.")
    version: str = Field("", max_length=64)
    why: str = Field("", max_length=200)
