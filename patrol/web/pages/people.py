"""People, grids and leave (/people): a row edited in a form, a table imported after a comparison.

Who sees the page enters leave; people and grids are the administrator's. Files stay the source of
truth (administration/people_tables.py); the history says who changed what.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Form
from pydantic import StringConstraints
from starlette.responses import JSONResponse, Response

from patrol.administration.people_documents import table_change_document
from patrol.administration.people_tables import NoSuchRow, TableChange
from patrol.administration.registry_files import RegistryEditRefused
from patrol.administration.table_files import TABLE_FILES
from patrol.administration.work_queue import TABLE_IMPORTS
from patrol.domain import labels, town_labels
from patrol.domain.account import Permission
from patrol.domain.ids import GridCode, PersonId
from patrol.domain.leave import Leave
from patrol.domain.registry import GROUND_KINDS, Grid, Registry, Role
from patrol.domain.registry_change import RegistryChange, RegistryTable, RowChange
from patrol.domain.routing import LEAVE_AHEAD, unstaffed_within
from patrol.settings import ConfigProblems
from patrol.web.auth import CurrentUser, Forbidden
from patrol.web.context import ContextDep, MayChangeRegistry, MayViewPeople, WebContext
from patrol.web.errors import InvalidRequest, ResourceNotFound, error_document
from patrol.web.i18n import grid_name, paginate, person_name
from patrol.web.pages.cameras import Upload, json_or_reason, listed_problems
from patrol.web.request_limits import read_upload

PEOPLE_PER_PAGE: Final = 50
CHANGES_SHOWN: Final = 30
PAST_LEAVE_SHOWN: Final = timedelta(days=30)
MAX_CHANGES_LISTED: Final = 500
CellText = Annotated[str, StringConstraints(max_length=200)]
RowCells = Annotated[dict[str, CellText], Body(max_length=20)]
KINDS_ON_PAGE: Final = {  # the words of static/registry.js
    RowChange.ADDED: "added",
    RowChange.CHANGED: "changed",
    RowChange.REMOVED: "retired",
}
router = APIRouter()


@router.get("/people")
def people_page(
    context: ContextDep, user: MayViewPeople, page: int = 1, text: str = "", village: str = ""
) -> Response:
    """People by grid, who is away, which grids have nobody, and the latest changes."""
    registry, t = context.app.registry, user.t
    people = [
        who
        for who in registry.people.values()
        if (not text or text.strip().lower() in f"{who.id} {who.name} {who.phone}".lower())
        and (not village or registry.tree.is_within(who.grid, village))
    ]
    shown, pager = paginate(people, page, PEOPLE_PER_PAGE)
    villages = [g for g in registry.tree.grids.values() if g.level != "group"]
    with context.app.store.begin_read() as uow:
        names = {account.name: account.shown_as for account in uow.accounts.all()}
        history = uow.registry_changes.list(limit=CHANGES_SHOWN)
    return context.renderer.render_page(
        "people.html", user, text=text, village=village, count=len(people),
        lines=[_person_row(one.id, registry, user) for one in shown],
        leaves=[_leave_row(leave, registry, user) for leave in _shown_leaves(registry, user)],
        unstaffed=_unstaffed_rows(registry, user),
        history=[_history_row(one, registry, user, names) for one in history],
        villages=sorted((one.code, one.name) for one in villages),
        grids=sorted((one.code, one.name) for one in registry.tree.grids.values()),
        grid_rows=[_grid_row(one) for _, one in sorted(registry.tree.grids.items())],
        people=[(who.id, f"{who.name} · {grid_name(registry, who.grid)}")
                for who in registry.people.values()],
        roles=[(role.value, t.pair(labels.ROLES[role])) for role in Role],
        kinds=[(kind.value, t.pair(labels.ROLES[kind])) for kind in GROUND_KINDS],
        levels=[(level, t.pair(label)) for level, label in town_labels.GRID_LEVELS.items()],
        may_change=user.has_permission(Permission.REGISTRY),
        writable=context.app.registry_watcher.folder is not None,
        tables=[(table.value, t.pair(label)) for table, label in _tables()],
        **pager,
    )  # fmt: skip


def _tables() -> list[tuple[RegistryTable, tuple[str, str]]]:
    return [(table, town_labels.REGISTRY_TABLES[table]) for table in RegistryTable]


@router.get("/people-import/{table}")
def people_import_page(
    context: ContextDep, user: MayChangeRegistry, table: RegistryTable
) -> Response:
    """The page on which a table's file is chosen."""
    return context.renderer.render_page(
        "people_import.html", user, table=table.value, file=TABLE_FILES[table].name,
        columns=TABLE_FILES[table].columns,
        writable=context.app.registry_watcher.folder is not None,
    )  # fmt: skip


@router.get("/people/{table}.csv")
def export_table(context: ContextDep, user: MayChangeRegistry, table: RegistryTable) -> Response:
    """The table as a file, to be changed and imported again."""
    try:
        data = context.app.people_tables.export_csv(table, by=user.account.name)
    except (ConfigProblems, RegistryEditRefused) as exc:
        raise InvalidRequest(str(exc)) from exc
    name = f"{context.site.id}-{TABLE_FILES[table].name}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(data, media_type="text/csv; charset=utf-8", headers=headers)


@router.post("/api/people/{table}/import/check")
def check_people_import(
    context: ContextDep, user: MayChangeRegistry, table: RegistryTable, file: Upload
) -> JSONResponse:
    """Compare the uploaded table: its changes, or every problem in it."""
    tables = context.app.people_tables

    def compare() -> dict[str, Any]:
        return _plan_document(tables.plan_import(table, read_upload(file)))

    with TABLE_IMPORTS:
        return json_or_reason(compare, user.t)


@router.post("/api/people/{table}/import")
def apply_people_import(  # noqa: PLR0917  a form's fields
    context: ContextDep, user: MayChangeRegistry, table: RegistryTable, file: Upload,
    mark: Annotated[str, Form(max_length=64)],
    why: Annotated[str, Form(min_length=2, max_length=200)],
) -> JSONResponse:  # fmt: skip
    """Import the table whose comparison has the version `mark`."""
    by = user.account.name

    def apply() -> dict[str, Any]:
        data = read_upload(file)
        plan = context.app.people_tables.apply_import(table, data, version=mark, by=by, why=why)
        return _plan_document(plan)

    with TABLE_IMPORTS:
        answer = json_or_reason(apply, user.t)
    context.auth.clear_cache()  # who left is logged out
    return answer


@router.post("/api/people/{table}")
def put_people_row(
    context: ContextDep, user: MayViewPeople, table: RegistryTable, cells: RowCells
) -> JSONResponse:
    """Add a row, or change the given cells of the row with its key; in force at once."""
    _check_table(user, table)
    why = cells.pop("why", "")
    tables, by = context.app.people_tables, user.account.name
    return _changed(context, user, lambda: tables.put_row(table, cells, by=by, why=why))


@router.post("/api/people/{table}/remove")
def remove_people_row(
    context: ContextDep, user: MayViewPeople, table: RegistryTable, cells: RowCells
) -> JSONResponse:
    """Remove the row whose key is `row`; who leaves can no longer log in."""
    _check_table(user, table)
    key, why = cells.get("row", ""), cells.get("why", "")
    tables, by = context.app.people_tables, user.account.name
    return _changed(context, user, lambda: tables.remove_row(table, key, by=by, why=why))


def _check_table(user: CurrentUser, table: RegistryTable) -> None:
    """Leave is entered by every user of the page; the other tables are the administrator's."""
    if table is not RegistryTable.LEAVE and not user.has_permission(Permission.REGISTRY):
        raise Forbidden(f"{user.account.name} may enter leave, not change {table}")


def _changed(
    context: WebContext, user: CurrentUser, change: Callable[[], TableChange]
) -> JSONResponse:
    try:
        changed = change()
    except NoSuchRow as exc:
        raise ResourceNotFound(str(exc)) from exc
    except ConfigProblems as exc:
        first = exc.problems[0]
        message = user.t("没有保存", "not saved")
        listed = listed_problems(exc, user.t)
        detail = f"{first.file} {first.field}{user.t.colon}{user.t.problem(first.text)}"
        return error_document(422, message, detail=detail, problems=listed)
    except (RegistryEditRefused, ValueError) as exc:
        return error_document(409, user.t("没有保存", "not saved"), detail=user.t.problem(str(exc)))
    context.auth.clear_cache()
    return JSONResponse(table_change_document(changed, context.app.registry))


def _plan_document(plan: TableChange) -> dict[str, Any]:
    return {
        "mark": plan.version,
        "unchanged": plan.unchanged,
        "notices": [
            {"line": "", "field": one.grid, "text": f"nobody {one.since or ''}".strip()}
            for one in plan.unstaffed
        ],
        "counts": {kind: len(plan.of_kind(what)) for what, kind in KINDS_ON_PAGE.items()},
        "changes": [
            {
                "kind": KINDS_ON_PAGE[change.what],
                "camera": change.row,
                "name": change.name,
                "cells": [
                    {"column": one.column, "before": one.before, "after": one.after}
                    for one in change.cells
                ],
            }
            for change in plan.changes[:MAX_CHANGES_LISTED]
        ],
    }


def _person_row(ident: PersonId, registry: Registry, user: CurrentUser) -> dict[str, Any]:
    who, t = registry.people[ident], user.t
    acting = registry.acting(who)
    kind = who.ground_kind
    return {
        "id": who.id,
        "name": who.name,
        "role": t.pair(labels.ROLES[who.role]),
        "kind": t.pair(labels.ROLES[kind]) if kind is not None else "",
        "grid": grid_name(registry, who.grid),
        "phone": who.phone,
        "user": who.mqtt_user,
        "substitute_for": person_name(registry, who.substitute_for, {})
        if who.substitute_for
        else "",
        "away": who.id in registry.absent,
        "acting": acting.name if acting and acting.id != who.id else "",
        "cells": {
            "person_id": who.id, "name": who.name, "role": who.role.value, "grid_code": who.grid,
            "mqtt_user": who.mqtt_user, "phone": who.phone,
            "substitute_for": who.substitute_for or "",
            "kind": who.kind.value if who.kind is not None else "",
        }
        if user.has_permission(Permission.REGISTRY)
        else {},
    }  # fmt: skip


def _grid_row(grid: Grid) -> dict[str, str]:
    """A row of grids.csv, as its form has it."""
    return {
        "grid_code": grid.code, "name": grid.name, "level": str(grid.level),
        "parent": grid.parent or "",
    }  # fmt: skip


def _shown_leaves(registry: Registry, user: CurrentUser) -> list[Leave]:
    """Those that hold or will, and of the last month; the next to change first."""
    recent = (one for one in registry.leaves if one.ends > user.now - PAST_LEAVE_SHOWN)
    return sorted(recent, key=lambda one: (one.ends <= user.now, one.begins))


def _leave_row(leave: Leave, registry: Registry, user: CurrentUser) -> dict[str, Any]:
    t = user.t
    who = registry.people.get(leave.person)
    state = "over" if leave.ends <= user.now else "now" if leave.holds_at(user.now) else "to_come"
    return {
        "row": f"{leave.person} {leave.written_from}",
        "name": person_name(registry, leave.person, {}),
        "grid": grid_name(registry, who.grid) if who else "",
        "begins": t.short_datetime(leave.begins),
        "ends": t.short_datetime(leave.ends),
        "substitute": person_name(registry, leave.substitute, {}) if leave.substitute else "",
        "note": leave.note,
        "state": state,
        "state_label": t.pair(town_labels.LEAVE_STATES[state]),
    }


def _unstaffed_rows(registry: Registry, user: CurrentUser) -> list[dict[str, str]]:
    t = user.t
    return [
        {
            "grid": grid_name(registry, GridCode(one.grid)),
            "since": t.short_datetime(one.since) if one.since else t("现在", "now"),
            "until": t.short_datetime(one.until) if one.until else "",
            "away": t("、", ", ").join(person_name(registry, who, {}) for who in one.away),
        }
        for one in unstaffed_within(registry, user.now, LEAVE_AHEAD)
    ]


def _history_row(
    change: RegistryChange, registry: Registry, user: CurrentUser, names: Mapping[str, str]
) -> dict[str, Any]:
    t = user.t
    return {
        "at": t.short_datetime(change.at),
        "by": names.get(change.by, change.by),
        "table": t.pair(town_labels.REGISTRY_TABLES[change.table]),
        "what": t.pair(town_labels.ROW_CHANGES[change.what]),
        "row": person_name(registry, change.row, {}) if not change.name else change.name,
        "cells": "; ".join(f"{c.column}: {c.before or '—'} → {c.after or '—'}"
                           for c in change.cells),
        "why": change.why,
    }  # fmt: skip
