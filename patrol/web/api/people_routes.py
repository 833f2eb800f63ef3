"""API routes of people, grids and leave: read, change a row, import a table, read the history."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from starlette.exceptions import HTTPException

from patrol.administration.people_documents import (
    change_document,
    row_document,
    table_change_document,
    unstaffed_document,
)
from patrol.administration.people_tables import NoSuchRow, TableChange
from patrol.administration.registry_files import ChangedMeanwhile, RegistryEditRefused
from patrol.administration.work_queue import TABLE_IMPORTS
from patrol.app import Application
from patrol.domain.account import ApiKey
from patrol.domain.registry_change import RegistryTable
from patrol.domain.routing import LEAVE_AHEAD, unstaffed_within
from patrol.reports.documents import JsonObject
from patrol.settings import ConfigProblems
from patrol.web.api import people_documents
from patrol.web.api.routes import BEARER, App, DocumentRoute, Limit, RequireScope, decided_by
from patrol.web.errors import InvalidRequest, ResourceNotFound
from patrol.web.request_limits import CONTENT_TOO_LARGE, MAX_CSV_BYTES

router = APIRouter(dependencies=[Depends(BEARER)], route_class=DocumentRoute)
READ = [Depends(RequireScope("people:read"))]
Write = Annotated[ApiKey, Depends(RequireScope("people:write"))]
RowKey = Annotated[str, Path(max_length=128, description="As `row` of a change.")]


@router.get(
    "/registry/{table}", response_model=list[people_documents.RegistryRow], dependencies=READ
)
def registry_rows(app: App, table: RegistryTable) -> list[JsonObject]:
    """The rows of people.csv, grids.csv or leave.csv as they are."""
    with refusals_as_failures():
        return [row_document(cells, app.registry) for cells in app.people_tables.rows(table)]


@router.put("/registry/{table}", response_model=people_documents.TableChangeDocument)
def put_row(
    app: App, table: RegistryTable, form: people_documents.RowForm, key: Write
) -> JsonObject:
    """Add a row, or change the given cells of the row with its key; in force at once."""
    with refusals_as_failures():
        changed = app.people_tables.put_row(table, form.cells, by=decided_by(key), why=form.why)
    return _document(app, changed)


@router.delete("/registry/{table}/{row}", response_model=people_documents.TableChangeDocument)
def remove_row(
    app: App, table: RegistryTable, row: RowKey, key: Write,
    why: Annotated[str, Query(max_length=200)] = "",
) -> JsonObject:  # fmt: skip
    """Remove a row; who leaves takes the own leave along and can no longer log in."""
    with refusals_as_failures():
        changed = app.people_tables.remove_row(table, row, by=decided_by(key), why=why)
    return _document(app, changed)


@router.post("/registry/{table}/import", response_model=people_documents.TableChangeDocument)
def import_rows(
    app: App, table: RegistryTable, form: people_documents.ImportForm, key: Write
) -> JsonObject:
    """Compare a whole table, or take over the one that was compared as `version`."""
    data = form.csv.encode("utf-8", "replace")
    if len(data) > MAX_CSV_BYTES:
        raise HTTPException(CONTENT_TOO_LARGE, "too large")
    with TABLE_IMPORTS, refusals_as_failures():
        tables = app.people_tables
        if not form.version:
            return _document(app, tables.plan_import(table, data))
        return _document(
            app,
            tables.apply_import(
                table, data, version=form.version, by=decided_by(key), why=form.why
            ),
        )


@router.get(
    "/registry/{table}/history", dependencies=READ,
    response_model=list[people_documents.RegistryChangeDocument],
)  # fmt: skip
def registry_history(
    app: App, table: RegistryTable, limit: Limit = 100,
    row: Annotated[str, Query(max_length=128)] = "",
) -> list[JsonObject]:  # fmt: skip
    """The changes of a table, or of one row, the newest first."""
    return [change_document(one) for one in app.people_tables.history(table, row, limit=limit)]


@router.get(
    "/unstaffed", dependencies=READ, response_model=list[people_documents.UnstaffedGridDocument]
)
def unstaffed(app: App) -> list[JsonObject]:
    """Grids in which nobody is told, now or within two weeks, by the calendar of leave."""
    registry = app.registry
    found = unstaffed_within(registry, app.clock.now(), LEAVE_AHEAD)
    return [unstaffed_document(one, registry) for one in found]


def _document(app: Application, change: TableChange) -> JsonObject:
    return table_change_document(change, app.registry)


@contextmanager
def refusals_as_failures() -> Iterator[None]:
    """Raise what a table refuses as the API's own failures, with the file's line and field."""
    try:
        yield
    except NoSuchRow as exc:
        raise ResourceNotFound(str(exc)) from exc
    except ConfigProblems as exc:
        first = exc.problems[0] if exc.problems else None
        raise InvalidRequest(f"{exc.count} problems, the first: {first}") from None
    except ChangedMeanwhile:
        raise
    except (RegistryEditRefused, ValueError) as exc:
        raise InvalidRequest(str(exc)) from exc
