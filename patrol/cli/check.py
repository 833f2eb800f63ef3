"""`patrol check`: the files, the chain of people behind each camera, and what must be reachable.

Problems of the files and gaps in a chain that a camera depends on end with exit code 2; a database
or broker that cannot be reached, or a full disk, with 1. What is legal and may be a mistake is a
notice and changes no exit code. Six parts, in this order:

- the verb, its report and its printing;
- the broker's account files against people.csv (`mqtt.broker_files` of site.yaml names the
  directory that the broker reads; without it only the files beside the configuration are compared,
  and a difference is a notice, because perhaps no broker reads them);
- the chain camera → grid → leader → substitute → village → town, and the rows of people.csv;
- consents that ran out or soon will;
- windows of plans that the sun closes, cameras at one address or outside every group;
- dependencies: database, broker, disk, weight files, and a cluster's role and exchange.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import typer

from patrol.administration.people_tables import BROKER_FOLDER
from patrol.app.detectors import model_states, open_detectors
from patrol.cli.check_cameras import check_addresses, check_camera_grids
from patrol.cli.check_secrets import check_secrets
from patrol.cli.check_start import check_start
from patrol.cli.options import AsJson, config_directory
from patrol.cli.output import BAD_INPUT, FAILED, colon, console, print_err, print_json
from patrol.cli.site import site_of
from patrol.clock import SiteSun, SystemClock
from patrol.domain.camera import ConsentState
from patrol.domain.labels import Label, bilingual, label_text
from patrol.domain.problem_texts import problem_text
from patrol.domain.reader_language import reader_language, translate
from patrol.domain.registry import Role
from patrol.domain.routing import (
    LEAVE_AHEAD,
    RoutingGap,
    routing_gaps,
    staffing_problems,
    unstaffed_within,
)
from patrol.inference.manifest import list_models
from patrol.mqtt import BrokerAddress, MqttPublisher
from patrol.mqtt.mosquitto_files import ACL, AccountsProblem, file_differences
from patrol.rounds.planner import days_without_window
from patrol.settings import ConfigProblem, ConfigProblems, Settings, Site
from patrol.settings.csv_file import lines_by_first_cell
from patrol.settings.site_paths import (
    SQLITE,
    DataElsewhere,
    check_old_places,
    describe_old_place,
    old_places,
)
from patrol.store import StoreOutdated, StoreUnavailable, current_revision, open_store

MAX_BROKER_LINES: Final = 20  # differences listed one by one; beyond that `mosquitto write` is due
BROKER_REMEDY: Final = "`patrol mosquitto write` makes them"
LONGEST_CONSENT: Final = timedelta(days=366)  # twelve months, a leap day among them
YEAR_DAYS: Final = 366  # each date of the sun's year
CONSENT_ENDS_SOON: Final = timedelta(days=14)
BROKER_WITHIN_S: Final = 3.0
DAY_OF_PICTURES_MB: Final = 400  # 624 cameras, two rounds, two pictures of about 150 kB


class FileProblems(NamedTuple):
    """What one comparison of the files found."""

    problems: list[ConfigProblem]
    notices: list[ConfigProblem]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """One dependency: whether it is usable, and one line about it."""

    name: Label  # in a document both languages, for the screen the reader's
    ok: bool
    text: str
    needed: bool = True  # False: rounds go on without it

    def as_json(self) -> dict[str, object]:
        """For `--json`."""
        return {
            "name": bilingual(self.name),
            "ok": self.ok,
            "needed": self.needed,
            "text": self.text,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """All that `patrol check` found."""

    problems: tuple[ConfigProblem, ...] = ()
    problem_count: int = 0  # more than are listed, where a file has very many
    notices: tuple[ConfigProblem, ...] = ()
    results: tuple[CheckResult, ...] = ()
    counts: dict[str, int] | None = None

    @property
    def code(self) -> int:
        """The exit code."""
        if self.problems:
            return BAD_INPUT
        return FAILED if any(not r.ok and r.needed for r in self.results) else 0

    def document(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "ok": self.code == 0,
            "problems": [problem.as_json() for problem in self.problems],
            "problem_count": max(self.problem_count, len(self.problems)),
            "notices": [notice.as_json() for notice in self.notices],
            "checks": [r.as_json() for r in self.results],
            "counts": self.counts or {},
        }


def check(context: typer.Context, *, as_json: AsJson = False) -> None:
    """检查全部配置、责任链、数据库与消息代理。 Every file, every chain, database and broker."""
    try:
        site = site_of(context)
    except ConfigProblems as exc:
        report = CheckReport(problems=exc.problems, problem_count=exc.count)
    else:
        report = _run_checks(context, site)
    _print_problems(report)
    if as_json:
        print_json(report.document())
    else:
        _print_results(report)
    if report.code:
        raise typer.Exit(report.code)


def _run_checks(context: typer.Context, site: Site) -> CheckReport:
    is_worker, cluster = _check_cluster(site)
    if is_worker:  # it has no people, no broker, and a login that reads little
        return CheckReport(notices=site.notices, results=(*cluster, _check_models(site)))
    now = SystemClock().now()
    today = now.astimezone(site.settings.site.tz).date()
    config = config_directory(context)
    site = replace(site, registry=site.registry.at(now))  # who is on leave is told of nothing
    found = [
        checker(site, config) for checker in (check_chains, check_staffing, check_broker_files)
    ]
    gaps = [gap for one in found for gap in one.problems]
    notes = [note for one in found for note in one.notices]
    notes.extend(check_leave(site, now, config))
    notes.extend(check_consents(site, today, config))
    notes.extend(check_old_paths(site, config))
    notes.extend(check_camera_grids(site, config))
    gaps.extend((*check_windows(site, today, config), *check_start(site, config)))
    notes.extend(check_addresses(site, config))
    notes.extend(check_secrets(site, config))
    cameras = site.registry.cameras.values()
    return CheckReport(
        problems=tuple(sorted(gaps)),
        notices=(*site.notices, *sorted(notes)),
        results=(*check_dependencies(site), *cluster),
        counts={
            "cameras": len(cameras),
            "patrolled": sum(camera.refusal_on(today) is None for camera in cameras),
            "grids": len(site.registry.tree.grids),
            "people": len(site.registry.people),
        },
    )


def _print_problems(report: CheckReport) -> None:
    for problem in report.problems:
        print_err(str(problem))
    for notice in report.notices:
        text = problem_text(str(notice), reader_language())
        print_err(translate(f"{text}（提示）", f"{text} (notice)"))
    for result in report.results:
        if not result.ok:
            print_err(f"{label_text(result.name)}{colon()}{result.text}")


def _print_results(report: CheckReport) -> None:
    out = console()
    for result in report.results:
        if result.ok:
            line = f"{label_text(result.name)}{colon()}{result.text}"
            out.print(f"[green]✓[/] {problem_text(line, reader_language())}", soft_wrap=True)
    if counts := report.counts:
        out.print(
            translate(
                f"摄像头 {counts['cameras']}（可巡 {counts['patrolled']}） "
                f"· 网格 {counts['grids']} · 人员 {counts['people']}",
                f"cameras {counts['cameras']} (may be patrolled {counts['patrolled']}) "
                f"· grids {counts['grids']} · people {counts['people']}",
            )
        )
    if count := max(report.problem_count, len(report.problems)):
        print_err(translate(f"{count} 个问题待改", f"{count} problems to put right"))
    elif report.code == 0:
        out.print(translate("[green]配置可用[/]", "[green]ready[/]"))


def check_broker_files(site: Site, config: Path) -> FileProblems:
    """Accounts and permissions of the broker's own files that differ from people.csv."""
    named = site.settings.mqtt.broker_files
    folder = named or config / BROKER_FOLDER
    if named is None and not (folder / ACL).is_file():
        return FileProblems([], [])
    try:
        found = file_differences(folder, site.settings.site.id, site.registry)
    except AccountsProblem:
        return FileProblems([], [])  # a row of people.csv, which `check_staffing` reports
    problems = [ConfigProblem(str(one.file), one.line, "accounts", one.text) for one in found]
    if named is not None:
        return FileProblems(_shortened(problems, folder), [])
    problems = [one for one in problems if one.file.endswith(ACL)]  # passwords lie at the broker
    if not problems:
        return FileProblems([], [])
    text = (
        f"does not agree with people.csv ({len(problems)}, the first: {problems[0].text});"
        f" {BROKER_REMEDY}"
    )
    return FileProblems([], [ConfigProblem(str(folder / ACL), problems[0].line, "accounts", text)])


def _shortened(problems: list[ConfigProblem], folder: Path) -> list[ConfigProblem]:
    left_out = len(problems) - MAX_BROKER_LINES
    if left_out <= 0:
        return problems
    more = ConfigProblem(str(folder), 1, "accounts", f"and {left_out} more; {BROKER_REMEDY}")
    return [*problems[:MAX_BROKER_LINES], more]


def check_chains(site: Site, config: Path) -> FileProblems:
    """Gaps in the chain of people: problems where a camera depends on it, else notices."""
    grids, cameras = (
        lines_by_first_cell(config / "grids.csv"),
        lines_by_first_cell(config / "cameras.csv"),
    )
    depended_on = _grids_with_cameras(site)
    problems: list[ConfigProblem] = []
    notices: list[ConfigProblem] = []
    for gap in routing_gaps(site.registry):
        if gap.camera is not None:
            problem = _chain_problem(config / "cameras.csv", cameras.get(gap.camera, 1), gap)
        else:
            problem = _chain_problem(config / "grids.csv", grids.get(gap.grid, 1), gap)
        needed = gap.camera is not None or gap.grid in depended_on
        (problems if needed and not _is_maintainer(gap) else notices).append(problem)
    return FileProblems(problems, notices)


def _grids_with_cameras(site: Site) -> set[str]:
    tree = site.registry.tree
    codes = {camera.grid for camera in site.registry.cameras.values()}
    return {str(grid.code) for code in codes for grid in tree.path_up(code)}


def _is_maintainer(gap: RoutingGap) -> bool:
    return str(Role.MAINTAINER) in gap.what


def _chain_problem(path: Path, line: int, gap: RoutingGap) -> ConfigProblem:
    who = f"grid {gap.grid}" if gap.camera is None else f"camera {gap.camera}"
    return ConfigProblem(str(path), line, "chain", f"{who}: {gap.what}, add them to people.csv")


def check_staffing(site: Site, config: Path) -> FileProblems:
    """Rows of people.csv: problems where a case would not reach its person, else notices."""
    path = config / "people.csv"
    lines = lines_by_first_cell(path)
    problems: list[ConfigProblem] = []
    notices: list[ConfigProblem] = []
    for one in staffing_problems(site.registry):
        text = f"person {one.person}: {one.what}"
        problem = ConfigProblem(str(path), lines.get(one.person, 1), one.column, text)
        (problems if one.grave else notices).append(problem)
    return FileProblems(problems, notices)


def check_leave(site: Site, now: datetime, config: Path) -> Iterator[ConfigProblem]:
    """Grids that will have nobody when a leave begins; said before it does."""
    path, zone = config / "leave.csv", site.settings.site.tz
    lines = lines_by_first_cell(path) if path.exists() else {}
    for one in unstaffed_within(site.registry, now, LEAVE_AHEAD):
        if one.since is None:
            continue  # a gap of the chain, which `check_chains` reports
        text = (
            f"grid {one.grid}: nobody from {one.since.astimezone(zone):%Y-%m-%d %H:%M} on"
            f" ({', '.join(one.away)} on leave), name who stands in"
        )
        line = min((lines[who] for who in one.away if who in lines), default=1)
        yield ConfigProblem(str(path), line, "substitute", text)


def check_consents(site: Site, today: date, config: Path) -> Iterator[ConfigProblem]:
    """Consents that hold longer than they may, ran out, or soon will."""
    path = config / "cameras.csv"
    lines = lines_by_first_cell(path)
    for camera in site.registry.cameras.values():
        until = camera.consent.until
        if camera.consent.state is not ConsentState.GRANTED or until is None:
            continue
        if until < today:
            text = f"ran out on {until}, ask the household again"
        elif until > today + LONGEST_CONSENT:
            text = f"{until} is over twelve months away, a consent holds for twelve at most"
        elif until <= today + CONSENT_ENDS_SOON:
            text = f"runs out on {until}, ask the household again"
        else:
            continue
        yield ConfigProblem(str(path), lines.get(camera.id, 1), "consent_until", text)


def check_windows(site: Site, today: date, config: Path) -> Iterator[ConfigProblem]:
    """Plans without any time on a day of the coming year: sunrise comes after `finish_by`."""
    where = site.settings.site
    sun = SiteSun(where.latitude, where.longitude, where.tz)
    days = [today + timedelta(days=ahead) for ahead in range(YEAR_DAYS)]
    empty = days_without_window(site.settings.calendar, where.tz, sun, days)
    for plan, without in empty.items():
        text = (
            f"has no time on {len(without)} days of the coming year, the first {without[0]}: the"
            " sun leaves nothing between start and finish_by; move them, or after_sunrise_min and"
            " before_sunset_min"
        )
        yield ConfigProblem(str(config / "site.yaml"), 1, f"plans.{plan}", text)


def check_old_paths(site: Site, config: Path) -> Iterator[ConfigProblem]:
    """What lies where relative paths counted from once, the working directory."""
    for old in old_places(site, Path.cwd()):
        yield ConfigProblem(str(config / "site.yaml"), 1, old.setting, describe_old_place(old))


def check_dependencies(site: Site) -> Iterator[CheckResult]:
    """Try database, broker, disk and weight files, one after the other."""
    settings = site.settings
    yield _check_database(site)
    yield _check_broker(settings)
    yield _check_disk(settings)
    yield _check_models(site)


def _check_cluster(site: Site) -> tuple[bool, list[CheckResult]]:
    """Whether this is a worker's directory, and what is found of role and exchange."""
    if site.settings.cluster is None:
        return False, []
    from patrol.cli.check_cluster import check_cluster, is_worker  # noqa: PLC0415  of a cluster

    found = check_cluster(site, site.config_dir)
    results = [CheckResult(name=("集群", "cluster"), ok=one.ok, text=one.text) for one in found]
    return is_worker(site.settings), results


def _check_database(site: Site) -> CheckResult:
    name, url = ("数据库", "database"), site.settings.database
    try:
        check_old_places(site, Path.cwd())
        if current_revision(url) is None and _can_be_made(url):
            text = translate("空库，首次使用时建表", "new, made at first use")
            return CheckResult(name=name, ok=True, text=text)
        with open_store(url):
            text = translate("可用，表结构为本版本", "reachable, its tables are of this version")
            return CheckResult(name=name, ok=True, text=text)
    except (StoreOutdated, DataElsewhere) as exc:
        return CheckResult(name=name, ok=False, text=str(exc))
    except StoreUnavailable as exc:
        return CheckResult(
            name=name, ok=False, text=translate(f"连不上：{exc}", f"cannot be reached: {exc}")
        )


def _can_be_made(url: str) -> bool:
    """Whether the database can be made at its place; a check does not make one."""
    path = url.removeprefix(SQLITE)
    return path == url or _nearest_existing(Path(path).parent).is_dir()


def _check_broker(settings: Settings) -> CheckResult:
    name, mqtt = ("消息代理", "broker"), settings.mqtt
    if mqtt.embedded:
        return CheckResult(name=name, ok=True, text=translate("内置", "embedded"))
    try:
        address = BrokerAddress.parse(
            mqtt.url,
            username=mqtt.username,
            password_file=mqtt.password_file,
            ca_file=mqtt.ca_file,
            certificate=mqtt.certificate,
            certificate_key=mqtt.key,
        )
        with MqttPublisher(address, name=f"patrol-{settings.site.id}-check") as publisher:
            if publisher.wait_up(BROKER_WITHIN_S):
                return CheckResult(
                    name=name, ok=True, text=translate(f"{mqtt.url} 可用", f"{mqtt.url} reachable")
                )
            why = publisher.problem
    except (ValueError, OSError) as exc:
        why = str(exc)
    return CheckResult(
        name=name,
        ok=False,
        text=translate(f"连不上：{mqtt.url}：{why}", f"cannot be reached: {mqtt.url}: {why}"),
    )


def _check_disk(settings: Settings) -> CheckResult:
    free_mb = shutil.disk_usage(_nearest_existing(settings.evidence)).free // 1_000_000
    name, free = ("磁盘", "disk"), f"{free_mb / 1000:.1f} GB · {settings.evidence}"
    text = translate(f"空闲 {free}", f"free {free}")
    if free_mb < DAY_OF_PICTURES_MB:
        text = translate(f"{text}：不足一天", f"{text}: less than a day of pictures")
        return CheckResult(name=name, ok=False, text=text)
    return CheckResult(name=name, ok=True, text=text)


def _nearest_existing(path: Path) -> Path:
    """The path, or the nearest directory above it that exists."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def _check_models(site: Site) -> CheckResult:
    name, settings = ("模型", "models"), site.settings
    if not settings.objects:
        return CheckResult(
            name=name, ok=True, text=translate("目标检测已关闭", "objects are switched off")
        )

    detectors = open_detectors(site)
    wrong = model_states(list_models(settings.models))
    command = translate(
        f"{wrong}：请执行 `patrol models install`", f"{wrong}: `patrol models install`"
    )
    lacks = [*detectors.without, *([command] if wrong else [])]
    if lacks:
        text = translate(
            f"{'；'.join(lacks)}；轮巡照常", f"{'; '.join(lacks)}; rounds go on without"
        )
        return CheckResult(name=name, ok=False, needed=False, text=text)
    ready = f"{detectors.model_names} · {settings.models}"
    return CheckResult(name=name, ok=True, text=translate(f"就绪 · {ready}", f"ready · {ready}"))
