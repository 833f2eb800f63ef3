"""`patrol report`: ledgers and rates of a round, a day or a month, as a file."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from enum import StrEnum, auto
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from patrol.cli.output import (
    BAD_INPUT,
    AsJson,
    Failure,
    bad_input,
    print_err,
    print_json,
    site_of,
    store_of,
)
from patrol.files import write_atomically

if TYPE_CHECKING:
    from patrol.reports.queries import ReportHeading, ReportPeriod
    from patrol.reports.report import Report
    from patrol.settings import Site
    from patrol.store import Store


class ReportFormat(StrEnum):
    """What `--format` takes."""

    HTML = auto()
    XLSX = auto()
    CSV = auto()
    JSON = auto()


class ReportPart(StrEnum):
    """What `--part` takes: a csv file is one table."""

    LEDGER = auto()
    FIGURES = auto()
    GRIDS = auto()
    CAMERAS = auto()


def register(cli: typer.Typer) -> None:
    """Add the verb."""
    cli.command("report")(report)


def report(
    context: typer.Context,
    *,
    a_round: Annotated[
        str, typer.Option("--round", metavar="ID", help="一轮,如 20261122-morning-1。 One round.")
    ] = "",
    day: Annotated[str, typer.Option("--day", metavar="YYYY-MM-DD", help="一天。 One day.")] = "",
    month: Annotated[str, typer.Option("--month", metavar="YYYY-MM", help="一月。 A month.")] = "",
    public: Annotated[
        bool, typer.Option("--public", help="公开月报:无画面无姓名。 For the notice board.")
    ] = False,
    part: Annotated[
        ReportPart, typer.Option("--part", help="csv 的哪张表。 Which table, of a csv file.")
    ] = ReportPart.LEDGER,
    as_format: Annotated[
        ReportFormat, typer.Option("--format", help="格式。 Format.")
    ] = ReportFormat.HTML,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="写到。 Where to write.")],
    as_json: AsJson = False,
) -> None:
    """导出视频巡查台账与指标。 The patrol ledger and its figures, as a file."""
    from patrol.reports.queries import period_of  # noqa: PLC0415  with the rooms

    if sum(map(bool, (a_round, day, month))) != 1:
        bad_input("report: give one of --round ID, --day YYYY-MM-DD, --month YYYY-MM")
    if public and not month:
        bad_input("report: --public is of a month, give --month YYYY-MM")
    if part is not ReportPart.LEDGER and as_format is not ReportFormat.CSV:
        bad_input(f"report: --part is for --format csv, {as_format} holds every table")
    _check_out(out)
    site = site_of(context)
    period = period_of(a_round=a_round, day=_parse_day(day), month=_parse_month(month))
    with store_of(site) as store:
        make = _make_public_digest if public else _make_ledger
        title, rows, data = make(site, store, period, as_format, part)
    write_atomically(out, data)
    if as_json:
        print_json({"out": str(out), "format": str(as_format), "rows": rows})
    else:
        print_err(f"{out}: {title} · {rows} 行 rows")


MadeReport = tuple[str, int, bytes]  # its title, how many rows, the file


def _make_ledger(
    site: "Site", store: "Store", period: "ReportPeriod", as_format: ReportFormat, part: ReportPart
) -> MadeReport:
    from patrol.reports.writers import FORMATS, to_csv  # noqa: PLC0415  with the rooms

    document = _report_of(site, store, period)
    with _spreadsheets():
        csv = as_format is ReportFormat.CSV
        data = to_csv(document, part) if csv else FORMATS[as_format](document)
    return document.title, len(document.rows), data


def _make_public_digest(
    site: "Site", store: "Store", period: "ReportPeriod", as_format: ReportFormat, _part: ReportPart
) -> MadeReport:
    from patrol.reports.public_digest import FORMATS, public_digest  # noqa: PLC0415  with the rooms
    from patrol.reports.queries import load_material  # noqa: PLC0415  with the rooms

    heading = _heading(site, period)
    with store.begin_read() as uow:
        material = load_material(uow, site.settings.calendar.all_plans, heading.zone, period)
    made = public_digest(heading, material)
    with _spreadsheets():
        return made.title, len(made.chapters), FORMATS[as_format](made)


@contextmanager
def _spreadsheets() -> Iterator[None]:
    try:
        yield
    except ImportError as exc:
        raise Failure("xlsx: xlsxwriter is missing, pip install 'patrol[reports]'") from exc


def _check_out(out: Path) -> None:
    if out.is_dir():
        raise Failure(f"--out: {out}: is a directory, give a file's name", code=BAD_INPUT)
    if not out.parent.is_dir():
        raise Failure(f"--out: {out.parent}: no such directory, make it first", code=BAD_INPUT)


def _heading(site: "Site", period: "ReportPeriod") -> "ReportHeading":
    from patrol.clock import SystemClock  # noqa: PLC0415  with the rooms
    from patrol.reports.queries import ReportHeading  # noqa: PLC0415  with the rooms

    return ReportHeading(
        kind=period.kind,
        period=period.name,
        site=site.settings.site.name,
        zone=site.settings.site.tz,
        made_at=SystemClock().now(),
        registry=site.registry,
    )


def _report_of(site: "Site", store: "Store", period: "ReportPeriod") -> "Report":
    from patrol.reports.queries import load_material  # noqa: PLC0415  with the rooms
    from patrol.reports.report import compose_report  # noqa: PLC0415  with the rooms

    heading = _heading(site, period)
    plans, zone = site.settings.calendar.all_plans, heading.zone
    with store.begin_read() as uow:
        try:
            material = load_material(uow, plans, zone, period)
        except KeyError:
            bad_input(f"--round: there is no round {period.name!r}")
        last, year_ago = (
            load_material(uow, plans, zone, p) if p else None for p in period.earlier()
        )
    return compose_report(heading, material, last=last, year_ago=year_ago)


def _parse_day(text: str) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        bad_input(f"--day: {text!r} is not a day, write 2026-11-22")


def _parse_month(text: str) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(f"{text}-01")
    except ValueError:
        bad_input(f"--month: {text!r} is not a month, write 2026-11")
