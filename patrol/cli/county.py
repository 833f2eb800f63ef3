"""`patrol county …`: the county's service, one turn by hand, the towns side by side, the month.

Its configuration is county.yaml of the directory that `-c` names.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date
from enum import StrEnum, auto
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from patrol.cli.options import DEFAULT_CONFIG, AsJson, GlobalOptions
from patrol.cli.output import (
    FAILED,
    bad_input,
    colon,
    console,
    folding_table,
    logs_to_stderr,
    print_err,
    print_json,
)
from patrol.cli.site import until_signalled
from patrol.clock import SystemClock
from patrol.county.figures import total_text
from patrol.county.month import month_document
from patrol.county.overview import overview_document
from patrol.county.pull import PullResult
from patrol.county.service import CountyService, make_service, run_county
from patrol.county.settings import COUNTY_FILE, County, load_county
from patrol.county.store import open_county_store
from patrol.domain.county_labels import TOWN_CONTACT, TOWN_PROBLEMS
from patrol.domain.errors import Failed
from patrol.domain.labels import label_of, label_text
from patrol.domain.reader_language import translate
from patrol.domain.timestamps import parse_month
from patrol.files import PRIVATE_MODE, write_atomically
from patrol.logs import set_log_zone

DIRECTORY_MODE: Final = 0o750
STATUS_FIGURES: Final = ("coverage", "online", "closure_on_time")


class MonthFormat(StrEnum):
    """What `--format` takes."""

    HTML = auto()
    XLSX = auto()
    JSON = auto()


class Language(StrEnum):
    """What `--language` takes."""

    ZH = auto()
    EN = auto()


def county_directory(context: typer.Context) -> Path:
    """The directory that `-c` names, itself or by the county.yaml in it."""
    found = context.find_object(GlobalOptions)
    named = DEFAULT_CONFIG if found is None else found.config
    return named.parent if named.name == COUNTY_FILE else named


@contextmanager
def _service(county: County, *, create: bool = False) -> Iterator[CountyService]:
    settings = county.settings
    with open_county_store(settings.database, create=create) as store:
        yield make_service(settings, store, SystemClock())


def run_service(context: typer.Context) -> None:
    """县级汇总常驻：定时读各镇，供页面、接口、指标。 The service: reads towns, serves the page."""
    logs_to_stderr(logging.INFO, as_lines_of_json=True)
    county = load_county(county_directory(context))
    set_log_zone(county.settings.county.tz)
    for notice in county.notices:
        print_err(str(notice))
    with (
        until_signalled() as stop,
        _service(county, create=True) as service,
        ExitStack() as stack,
    ):
        if county.settings.serve.enabled:
            stack.enter_context(_page(service))
        run_county(
            service,
            stop,
            lambda: print_err(translate("已就绪，Ctrl-C 停止", "ready, Ctrl-C stops")),
        )
    print_err(translate("已停止", "stopped"))


@contextmanager
def _page(service: CountyService) -> Iterator[None]:
    """Page and API, where their extra is installed."""
    try:
        from patrol.county.web import serve_county  # noqa: PLC0415  an optional extra
    except ModuleNotFoundError as exc:
        print_err(
            translate(
                f"不开页面：缺 {exc.name}，请 pip install 'patrol[console]'",
                f"no page: {exc.name} is not installed, pip install 'patrol[console]'",
            )
        )
        yield
        return
    with serve_county(service.settings, service.reader) as address:
        print_err(translate(f"页面：{address.url}", f"page: {address.url}"))
        yield


def pull(
    context: typer.Context,
    *,
    town: Annotated[str, typer.Option("--town", metavar="ID", help="只读一镇。 Only this.")] = "",
    as_json: AsJson = False,
) -> None:
    """立即读一次各镇。 Read the towns once, now; ends with 1 where one could not be read."""
    logs_to_stderr(logging.WARNING)
    county = load_county(county_directory(context))
    towns = [one for one in county.settings.towns if town in ("", one.id)]
    if not towns:
        known = ", ".join(one.id for one in county.settings.towns)
        bad_input(f"--town: {town!r} is not in {COUNTY_FILE}, give one of: {known}")
    with until_signalled() as stop, _service(county, create=True) as service:
        results = service.puller.pull_all(towns, stop)
    if as_json:
        print_json([_pull_document(one) for one in results])
    else:
        _print_results(results, {one.id: one.name for one in towns})
    if any(one.problem for one in results):
        raise typer.Exit(FAILED)


def _pull_document(one: PullResult) -> dict[str, Any]:
    return {
        "town": one.town,
        "read": one.problem is None,
        "pages": one.pages,
        "rounds": one.rounds,
        "days": one.days,
        "restarted": one.restarted,
        "problem": None if one.problem is None else str(one.problem),
        "problem_text": one.text or None,
    }


def _print_results(results: Sequence[PullResult], names: Mapping[str, str]) -> None:
    table = folding_table(
        translate("乡镇", "town"),
        translate("结果", "result"),
        translate("轮次", "rounds"),
        translate("日", "days"),
    )
    for one in results:
        current = label_text(TOWN_CONTACT["current"])
        outcome = current if one.problem is None else _problem_text(one.problem, one.text)
        table.add_row(f"{names[one.town]} {one.town}", outcome, str(one.rounds), str(one.days))
    console().print(table)


def _problem_text(problem: str, text: str) -> str:
    return f"{label_text(label_of(TOWN_PROBLEMS, problem))}: {text}"


def status(context: typer.Context, *, as_json: AsJson = False) -> None:
    """各镇并列：联系、轮次、超时、健康、指标；不排名。 The towns side by side, in no ranking."""
    county = load_county(county_directory(context))
    with _service(county) as service:
        document = overview_document(service.reader())
    if as_json:
        print_json(document)
        return
    table = folding_table(
        translate("乡镇", "town"),
        translate("联系", "contact"),
        translate("轮次", "rounds"),
        translate("超时", "overdue"),
        translate("点位", "cameras"),
        translate("覆盖", "coverage"),
        translate("在线", "online"),
        translate("按时办结", "closed in time"),
    )
    for town in document["towns"]:
        table.add_row(*_status_line(town))
    console().print(table)


def _status_line(town: Mapping[str, Any]) -> list[str]:
    now = town["now"]
    contact = label_text(TOWN_CONTACT[town["contact"]])
    if town["contacted_at"]:
        contact += f" · {town['contacted_at']}"
    if town["problem"]:
        contact += f" · {_problem_text(town['problem'], town['problem_text'] or '')}"
    rounds = ", ".join(
        f"{one['round']} {one['state']} {one['seen']}/{one['planned']}"
        for one in town["last_rounds"]
    )
    health = now and now["health"]
    return [
        f"{town['name']} {town['id']}",
        contact,
        rounds or "—",
        str(now["overdue"]["count"]) if now else "—",
        f"{health['online']}/{health['faulty']}/{health['offline']}" if health else "—",
        *(_figure_text(town["figures"].get(name), name) for name in STATUS_FIGURES),
    ]


def _figure_text(reported: Mapping[str, Any] | None, name: str) -> str:
    from patrol.county.figures import CountyTotal  # noqa: PLC0415

    total = reported and CountyTotal(id=name, part=reported["part"], n=reported["n"])
    return total_text(total or None, minutes="min")


def month(
    context: typer.Context,
    wanted: Annotated[str, typer.Argument(metavar="YYYY-MM", help="一月。 A month.")],
    *,
    as_format: Annotated[
        MonthFormat, typer.Option("--format", help="格式。 Format.")
    ] = MonthFormat.HTML,
    language: Annotated[
        Language | None, typer.Option("--language", help="语言，默认按配置。 Of html and xlsx.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="写到。 Where to write.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """全县月报：各镇并列，写明缺哪几日。 The county's month, and which days are missing."""
    day = _month(wanted)
    if out is None and not as_json:
        bad_input("county month: give --out FILE, or --json for the document on stdout")
    if out is not None and (out.is_dir() or not out.parent.is_dir()):
        bad_input(f"--out: {out}: give a file's name in a directory that is there")
    county = load_county(county_directory(context))
    with _service(county) as service:
        document = month_document(service.reader(), day)
    if out is not None:
        _write_month(document, county, as_format, language, out)
    if as_json:
        print_json(document)


def _write_month(
    document: dict[str, Any],
    county: County,
    as_format: MonthFormat,
    language: Language | None,
    out: Path,
) -> None:
    from patrol.county.month_files import FORMATS, missing_text  # noqa: PLC0415  a second
    from patrol.web.i18n import Translator  # noqa: PLC0415  the same

    info = county.settings.county
    t = Translator(str(language or info.language), info.tz)
    write_atomically(out, FORMATS[as_format](document, t), mode=PRIVATE_MODE)
    print_err(f"{out}: {document['name']} {document['month']}")
    missing = " ".join(missing_text(document, Translator(one, info.tz)) for one in ("zh", "en"))
    if missing.strip():
        print_err(missing)


def _month(text: str) -> date:
    try:
        return parse_month(text)
    except ValueError:
        bad_input(f"YYYY-MM: {text!r} is not a month, write 2026-11")


def check(context: typer.Context, *, as_json: AsJson = False) -> None:
    """检查 county.yaml，并逐镇试读。 Check county.yaml, and ask every town without storing."""
    county = load_county(county_directory(context))
    notices = [notice.as_json() for notice in county.notices]
    answers = _ask_towns(county)
    if as_json:
        print_json({"notices": notices, "towns": answers})
    else:
        for notice in county.notices:
            print_err(str(notice))
        for one in answers:
            problem = one["problem"]
            current = label_text(TOWN_CONTACT["current"])
            text = _problem_text(problem, one["problem_text"]) if problem else current
            console().print(f"{one['town']}{colon()}{text}", markup=False)
    if any(one["problem"] for one in answers):
        raise typer.Exit(FAILED)


def _ask_towns(county: County) -> list[dict[str, Any]]:
    from patrol.county.pull import town_access  # noqa: PLC0415
    from patrol.county.town_client import TownClient, TownFailed  # noqa: PLC0415

    clock, answers = SystemClock(), []
    for town in county.settings.towns:
        problem, text = None, ""
        try:
            client = TownClient(
                town_access(town),
                timeout_s=county.settings.pull.timeout_s,
                monotonic_s=clock.monotonic_s,
            )
            try:
                client.now()
            finally:
                client.close()
        except TownFailed as exc:
            problem, text = str(exc.problem), str(exc)
        answers.append({"town": town.id, "problem": problem, "problem_text": text})
    return answers


class CountyNotWritten(Failed):
    """The directory of a new county cannot be written."""


def init(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="新目录。 A new directory.")],
) -> None:
    """新建县级配置 county.yaml，带注释。 Write a commented county.yaml to start from."""
    path = directory / COUNTY_FILE
    if path.exists() or (directory.exists() and not directory.is_dir()):
        bad_input(f"{path}: is there already and is not overwritten, name another directory")
    text = resources.files("patrol.county").joinpath("example.yaml").read_bytes()
    try:
        (directory / "secrets").mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(DIRECTORY_MODE)
        write_atomically(path, text)
    except OSError as exc:
        raise CountyNotWritten(f"{exc.filename or path}: {exc.strerror}") from exc
    print_err(
        translate(
            f"{path}：请填各镇地址与密钥，再执行 `patrol -c {directory} county check`",
            f"{path}: fill in the towns, then `patrol -c {directory} county check`",
        )
    )
