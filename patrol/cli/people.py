"""People, grids and leave at the command line: `patrol people …` and `patrol leave …`.

Each change writes the file that holds it, whole and checked; a service that runs uses it within a
second. The broker's generated files follow at once (administration/people_tables.py).
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from patrol.administration.people_documents import (
    change_document,
    row_document,
    table_change_document,
)
from patrol.cli.options import AsJson, By, config_directory, operator
from patrol.cli.output import bad_input, console, print_json, print_none
from patrol.cli.site import (
    people_names,
    site_names,
    site_of,
    store_of,
    trusted_clock,
    trusted_now_of,
)
from patrol.domain.labels import ROLES, label_of, label_text
from patrol.domain.reader_language import translate
from patrol.domain.registry_change import RegistryTable, RowChange
from patrol.domain.timestamps import rfc3339_or_none
from patrol.domain.town_labels import ROW_CHANGES
from patrol.files import write_atomically

if TYPE_CHECKING:
    from patrol.administration.people_tables import PeopleTables, TableChange
    from patrol.domain.registry import Registry

Table = Annotated[
    RegistryTable,
    typer.Option("--table", help="people（人员）、grids（网格）、leave（请假）。 Which table."),
]
Why = Annotated[str, typer.Option("--why", help="原因，写入历史。 The reason, for the history.")]
Cell = Annotated[
    list[str],
    typer.Argument(
        metavar="COLUMN=VALUE…", help="要改的列；空值写 COLUMN=。 The cells that are given."
    ),
]
Key = Annotated[
    str,
    typer.Argument(metavar="ID", help="编号；请假为 人员编号 起日。 As `people list` shows it."),
]
Person = Annotated[str, typer.Argument(metavar="PERSON", help="人员编号。 Their person_id.")]
MAX_FILE_BYTES = 8 * 1024 * 1024


def list_rows(
    context: typer.Context, *, table: Table = RegistryTable.PEOPLE, as_json: AsJson = False
) -> None:
    """人员、网格或请假一览。 The rows of people.csv, grids.csv or leave.csv, as they are."""
    from patrol.administration.table_files import table_rows  # noqa: PLC0415  as site_of does

    site, registry = people_names(context)
    with store_of(site) as store:
        now = trusted_now_of(store)
    cells_of_rows = table_rows(config_directory(context), table)
    rows = [row_document(cells, registry.at(now)) for cells in cells_of_rows]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        away = translate(" · 请假", " · on leave") if row.get("on_leave") else ""
        cells = [
            label_text(label_of(ROLES, row[column])) if column == "role" else row[column]
            for column in row
            if column not in {"on_leave", "acting"}
        ]
        console().print("  ".join(str(cell) for cell in cells if cell) + away, markup=False)
    if not rows:
        print_none()


def set_row(
    context: typer.Context, cells: Cell, *, table: Table = RegistryTable.PEOPLE, why: Why = "",
    by: By = "", as_json: AsJson = False,
) -> None:  # fmt: skip
    """新增或修改一行。 Add a row, or change the given cells of the row with its key."""
    given: dict[str, str] = {}
    for cell in cells:
        column, equals, text = cell.partition("=")
        if not equals:
            bad_input(f"{cell!r}: write COLUMN=VALUE")
        given[column.strip()] = text
    with _tables(context) as (tables, registry):
        change = tables.put_row(table, given, by=operator(by), why=why)
    _print_change(change, registry, as_json=as_json)


def remove_row(
    context: typer.Context, key: Key, *, table: Table = RegistryTable.PEOPLE, why: Why = "",
    by: By = "", as_json: AsJson = False,
) -> None:  # fmt: skip
    """删除一行；人员离任则停用其登录。 Remove a row; who leaves can no longer log in."""
    with _tables(context) as (tables, registry):
        change = tables.remove_row(table, key, by=operator(by), why=why)
    _print_change(change, registry, as_json=as_json)


def import_rows(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV 或 Excel 文件。 The table.")],
    *,
    table: Table = RegistryTable.PEOPLE,
    apply: Annotated[
        bool, typer.Option("--apply", help="确认导入；否则只比对。 Do it; else only compare.")
    ] = False,
    why: Why = "",
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """导入整表：先逐行比对，再以 --apply 写入。 Compare a whole table; --apply takes it over."""
    data = _file_bytes(file)
    with _tables(context) as (tables, registry):
        change = tables.plan_import(table, data)
        if apply:
            change = tables.apply_import(
                table, data, version=change.version, by=operator(by), why=why
            )
    _print_change(change, registry, as_json=as_json)


def export_rows(
    context: typer.Context,
    *,
    table: Table = RegistryTable.PEOPLE,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="写到文件。 Where to write.")
    ] = None,
    by: By = "",
) -> None:
    """导出整表（CSV）。 The table as CSV, to a file or to standard output."""
    with _tables(context) as (tables, _registry):
        data = tables.export_csv(table, by=operator(by))
    if out is None:
        sys.stdout.buffer.write(data)
    else:
        write_atomically(out, data)


def show_history(
    context: typer.Context,
    key: Annotated[str, typer.Argument(metavar="[ID]", help="只看一行。 Of one row.")] = "",
    *,
    table: Annotated[
        RegistryTable | None, typer.Option("--table", help="只看一个表。 Of one table.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000)] = 50,
    as_json: AsJson = False,
) -> None:
    """人员、网格、请假的修改历史，新的在前。 Who changed what and when, the newest first."""
    with store_of(site_names(context)) as store, store.begin_read() as uow:
        found = uow.registry_changes.list(table, key, limit=limit)
    if as_json:
        print_json([change_document(one) for one in found])
        return
    for one in found:
        at = rfc3339_or_none(one.at)
        what = label_text(label_of(ROW_CHANGES, one.what))
        cells = "; ".join(f"{c.column}: {c.before or '—'} → {c.after or '—'}" for c in one.cells)
        line = f"{at}  {one.by}  {one.table}  {one.row}  {what}  {cells}  {one.why}"
        console().print(line.rstrip(), markup=False)
    if not found:
        print_none()


def add_leave(
    context: typer.Context,
    person: Person,
    *,
    first: Annotated[
        str, typer.Option("--from", metavar="DAY", help="起，如 2026-12-01。 The first day.")
    ],
    until: Annotated[
        str, typer.Option("--until", metavar="DAY", help="止（含当日）。 The last day, included.")
    ],
    substitute: Annotated[
        str, typer.Option("--substitute", metavar="PERSON", help="代班人。 Who stands in.")
    ] = "",
    note: Annotated[str, typer.Option("--note", help="说明。 A note.")] = "",
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """登记请假与代班；无人代班的网格会提示。 Enter a leave; a grid left with nobody is said."""
    cells = {
        "person_id": person, "from": first, "until": until, "substitute": substitute, "note": note,
    }  # fmt: skip
    with _tables(context) as (tables, registry):
        change = tables.put_row(RegistryTable.LEAVE, cells, by=operator(by), why=note)
    _print_change(change, registry, as_json=as_json)


def end_leave(
    context: typer.Context, person: Person,
    first: Annotated[str, typer.Argument(metavar="FROM", help="起日。 Its first day.")],
    *, why: Why = "", by: By = "", as_json: AsJson = False,
) -> None:  # fmt: skip
    """撤销请假。 Take a leave back."""
    with _tables(context) as (tables, registry):
        change = tables.remove_row(
            RegistryTable.LEAVE, f"{person} {first}", by=operator(by), why=why
        )
    _print_change(change, registry, as_json=as_json)


def list_leave(context: typer.Context, *, as_json: AsJson = False) -> None:
    """请假一览。 Every leave of leave.csv."""
    list_rows(context, table=RegistryTable.LEAVE, as_json=as_json)


@contextmanager
def _tables(context: typer.Context) -> Iterator["tuple[PeopleTables, Registry]"]:
    """The tables of the site, and its registry as of now."""
    from patrol.administration.people_tables import (  # noqa: PLC0415  a history needs none of it
        PeopleTables,
        broker_files_of,
    )
    from patrol.administration.registry_files import (  # noqa: PLC0415  as above
        RegistryEditRefused,
        RegistryWatcher,
        RegistryWriteContext,
    )
    from patrol.settings import load_site  # noqa: PLC0415  as above

    site, folder = site_of(context), config_directory(context)
    files = broker_files_of(site)
    with store_of(site) as store:
        clock = trusted_clock(store)
        watcher = RegistryWatcher(site, folder, load_site, clock.now)
        write = RegistryWriteContext(store=store, clock=clock, watcher=watcher)
        try:
            yield PeopleTables(write, files.follow), watcher.registry()
        except RegistryEditRefused as exc:
            bad_input(str(exc))


def _file_bytes(file: Path) -> bytes:
    try:
        size = file.stat().st_size
        if size > MAX_FILE_BYTES:
            bad_input(f"{file}: {size} bytes, {MAX_FILE_BYTES} at most")
        return file.read_bytes()
    except OSError as exc:
        bad_input(f"{file}: {exc.strerror}")


def _print_change(change: "TableChange", registry: "Registry", *, as_json: bool) -> None:
    document: dict[str, Any] = table_change_document(change, registry)
    if as_json:
        print_json(document)
        return
    out = console()
    counts = {what: len(change.of_kind(what)) for what in RowChange}
    out.print(
        " · ".join(f"{label_text(ROW_CHANGES[what])} {count}" for what, count in counts.items())
        + translate(f" · 不变 {change.unchanged}", f" · unchanged {change.unchanged}"),
        markup=False,
    )
    for one in change.changes:
        cells = "; ".join(f"{c.column}: {c.before or '—'} → {c.after or '—'}" for c in one.cells)
        out.print(
            f"{label_text(ROW_CHANGES[one.what])}  {one.row}  {cells}", markup=False, soft_wrap=True
        )
    for grid in document["unstaffed"]:
        since = grid["since"] or translate("现在", "now")
        out.print(
            translate(
                f"网格无人 {grid['name']} {grid['grid']}：{since}",
                f"nobody for grid {grid['name']} {grid['grid']}: {since}",
            ),
            markup=False,
        )
    for name in change.logins_ended:
        out.print(translate(f"已停用登录：{name}", f"login ended: {name}"), markup=False)
