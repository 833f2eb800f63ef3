"""`patrol report`: ledgers and rates of a round, a day or a month, as a file."""

from datetime import date, datetime
from enum import StrEnum, auto
from pathlib import Path
from typing import Annotated

import typer

from patrol.cli.options import AsJson
from patrol.cli.output import bad_input, print_err, print_json
from patrol.cli.site import site_of, store_of, trusted_now
from patrol.domain.reader_language import translate
from patrol.domain.timestamps import parse_day, parse_month
from patrol.files import PRIVATE_MODE, write_atomically
from patrol.reports import public_digest, writers
from patrol.reports.queries import ReportHeading, ReportPeriod, load_material, period_of
from patrol.reports.report import Report, load_report
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


def report(
    context: typer.Context,
    *,
    a_round: Annotated[
        str, typer.Option("--round", metavar="ID", help="一轮，如 20261122-morning-1。 One round.")
    ] = "",
    day: Annotated[str, typer.Option("--day", metavar="YYYY-MM-DD", help="一天。 One day.")] = "",
    month: Annotated[str, typer.Option("--month", metavar="YYYY-MM", help="一月。 A month.")] = "",
    public: Annotated[
        bool, typer.Option("--public", help="公开月报：无画面无姓名。 For the notice board.")
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
    write_atomically(out, data, mode=PRIVATE_MODE)
    if as_json:
        print_json({"out": str(out), "format": str(as_format), "rows": rows})
    else:
        print_err(translate(f"{out}：{title} · {rows} 行", f"{out}: {title} · {rows} rows"))


MadeReport = tuple[str, int, bytes]  # its title, how many rows, the file


def _make_ledger(
    site: Site, store: Store, period: ReportPeriod, as_format: ReportFormat, part: ReportPart
) -> MadeReport:
    document = _report_of(site, store, period)
    csv = as_format is ReportFormat.CSV
    data = writers.to_csv(document, part) if csv else writers.FORMATS[as_format](document)
    return document.title, len(document.rows), data


def _make_public_digest(
    site: Site, store: Store, period: ReportPeriod, as_format: ReportFormat, _part: ReportPart
) -> MadeReport:
    with store.begin_read() as uow:
        heading = _heading(site, period, trusted_now(uow))
        material = load_material(uow, site.settings.calendar.all_plans, heading.zone, period)
    made = public_digest.public_digest(heading, material)
    return made.title, len(made.chapters), public_digest.FORMATS[as_format](made)


def _check_out(out: Path) -> None:
    if out.is_dir():
        bad_input(f"--out: {out}: is a directory, give a file's name")
    if not out.parent.is_dir():
        bad_input(f"--out: {out.parent}: no such directory, make it first")


def _heading(site: Site, period: ReportPeriod, now: datetime) -> ReportHeading:
    return ReportHeading(
        kind=period.kind,
        period=period.name,
        site=site.settings.site.name,
        zone=site.settings.site.tz,
        made_at=now,
        registry=site.registry,
    )


def _report_of(site: Site, store: Store, period: ReportPeriod) -> Report:
    plans = site.settings.calendar.all_plans
    with store.begin_read() as uow:
        try:
            heading = _heading(site, period, trusted_now(uow))
            return load_report(uow, heading, plans, period)
        except KeyError:
            bad_input(f"--round: there is no round {period.name!r}")


def _parse_day(text: str) -> date | None:
    if not text:
        return None
    try:
        return parse_day(text)
    except ValueError:
        bad_input(f"--day: {text!r} is not a day, write 2026-11-22")


def _parse_month(text: str) -> date | None:
    if not text:
        return None
    try:
        return parse_month(text)
    except ValueError:
        bad_input(f"--month: {text!r} is not a month, write 2026-11")
