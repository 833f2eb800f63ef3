"""`patrol demo` and `patrol simulate`: the product against a simulated town, cameras and people.

The only module that may import `simulators`. The cameras serve real RTSP from a process of their
own, the broker is a real one, the store is a fresh SQLite file; the simulated operator and grid
leaders know only what real ones would.
"""

import asyncio
import secrets
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from patrol.administration.accounts import add_account
from patrol.app import Application, build
from patrol.app.finding_service import FindingService
from patrol.app.service import run_service
from patrol.app.town_service import TownService
from patrol.cases import actions
from patrol.clock import SystemClock
from patrol.domain.broadcast import BroadcastEvent
from patrol.domain.case import Case, CaseEvent, CaseState
from patrol.domain.errors import BadInput
from patrol.domain.finding import FilingSource, Finding
from patrol.domain.hand_off import HandOffEvent
from patrol.domain.ids import GridCode
from patrol.domain.labels import DUTIES, label_text
from patrol.domain.observation import Subject
from patrol.domain.priority import Level
from patrol.domain.reader_language import translate
from patrol.domain.registry import GridLevel, Role
from patrol.domain.registry_change import RegistryTable
from patrol.domain.routing import person_with_role
from patrol.domain.teams import owner_of
from patrol.domain.verification import Verifier
from patrol.files import process_lock
from patrol.mqtt.embedded_broker import EmbeddedBroker
from patrol.mqtt.mosquitto_files import MqttAccount, handed_out_accounts, write_mosquitto_files
from patrol.reports.demo_terminal import demo_outcome, render_demo
from patrol.reports.terminal import (
    progress_display,
    render_round,
    save_svg,
)
from patrol.review.own_findings import FilingForm, FilingTarget
from patrol.settings import Site, load_site
from patrol.settings.site_ground import GroundPatrolSettings
from patrol.settings.site_town import BroadcastSection, HandOffSection, SpeakerSection
from patrol.store import check
from patrol.web.server import serve
from simulators.faults import mixture_problem
from simulators.people.leaders import ReplySimulator, SceneClearer, load_options
from simulators.people.operator import SimulatedOperator, is_still_there
from simulators.people.patrollers import (
    ground_outcome,
    ground_settings,
    patrol_todays_roster,
    points_table,
    report_from_the_ground,
)
from simulators.people.reply_profile import ReplyProfile
from simulators.people.visitor import CASES_LEFT, FINDINGS_LEFT, LeftToVisitor, visitor_accounts
from simulators.rtsp_farm.control import FarmControl
from simulators.rtsp_farm.process import RunningFarm, running_farm
from simulators.rtsp_farm.server import FarmInfo, FarmOptions
from simulators.rtsp_farm.server import serve as serve_farm

SOURCES: Final = {
    "": ("真实 RTSP", "real RTSP"),
    "gb": ("GB/T 28181", "GB/T 28181"),
}  # of the cameras, for `--sources`
DEMO_DIR: Final = Path("var/demo")
SPEED: Final = 900.0  # the leaders' hours pass in seconds; the patrol's own clocks stay real
ALWAYS_ANSWERS: Final = ReplyProfile(never=0.0)  # escalation takes hours: too long for a demo
OPERATOR: Final = "值班员"
SUPERVISOR: Final = "值班长"
EVERYBODY: Final = "simulated-people"  # their account at the broker
POLL_S: Final = 0.3
MAX_CASES: Final = 10_000  # of a demonstration: far more than its rounds make
CASES_WITHIN_S: Final = 180.0
NEXT_ROUND_AFTER_S: Final = 600.0


def run_demo(
    *,
    cameras: int = 624,
    once: bool = False,
    port: int = 8080,
    quiet: bool = False,
    stop: threading.Event,
    seed: int = 7,
    faults: str = "town",
    picture: Path | None = None,
    sources: str = "",
) -> dict[str, Any]:
    """Run a round, decide its findings, close its cases; once, or again and again until `stop`.

    Where it goes on, findings and cases of the first round are left to the visitor
    (`FINDINGS_LEFT`, `CASES_LEFT`); the simulated staff touches them in no later round either.
    """
    out = Console(stderr=quiet, highlight=False)
    err = Console(stderr=True, highlight=False)
    over = translate(*SOURCES[sources])
    err.print(
        translate(
            f"[bold]模拟全镇 {cameras} 路摄像头，{over}[/] …",
            f"[bold]A town of {cameras} cameras[/] over {over} …",
        )
    )
    with _embedded_town(cameras, seed, faults, port, sources) as (app, farm, leaders, control):
        left = (
            LeftToVisitor()
            if once
            else LeftToVisitor(finding_count=FINDINGS_LEFT, cases=CASES_LEFT)
        )
        staff, zone = _SimulatedStaff(app, control, left), app.site.settings.site.tz
        with _running_service(app, stop), _running_console(app, err):
            models = app.detectors.model_names or app.detectors.without[0]
            err.print(f"[dim]RTSP {farm.port} · MQTT {app.broker} · {models}[/]")
            summary = staff.run_day(err, stop)
            result = {**summary, **staff.outcome(leaders)}
            renderables = (render_round(summary, zone=zone), render_demo(result))
            out.print(*renderables, sep="\n")
            if picture is not None:
                save_svg(renderables, picture, title="patrol demo --once")
            while not once and not stop.wait(NEXT_ROUND_AFTER_S):
                out.print(render_round(staff.run_day(err, stop), zone=zone))
    return result


@dataclass
class _SimulatedStaff:
    """The simulated operator: decides findings and cases until only the visitor's are open."""

    app: Application
    control: FarmControl
    left: LeftToVisitor

    def run_day(self, err: Console, stop: threading.Event) -> dict[str, Any]:
        """One round, the operator's decisions, and the cases to their end."""
        with progress_display(err, self.app.site.settings.site.tz) as show:
            summary = self.app.run_round("morning", on_progress=show, stop=stop)
        self._enter_leave()
        self._answer_a_call()
        patrol_todays_roster(self.app)
        report_from_the_ground(self.app, operator=OPERATOR)
        with err.status(translate("值班员审核、网格长处置中 …", "operator and leaders at work …")):
            self._until_closed(stop)
        return summary

    @property
    def _group(self) -> GridCode:
        """The group in which the leave and the call of the demonstration are."""
        grids = self.app.registry.tree.grids.values()
        return min(grid.code for grid in grids if grid.level is GridLevel.GROUP)

    def _enter_leave(self) -> None:
        """The group's leader is on leave today; a grid worker stands in and gets its cases."""
        registry, today = self.app.registry, self.app.clock.now()
        leader = person_with_role(registry, self._group, Role.GRID_LEADER)
        worker = person_with_role(registry, self._group, Role.GRID_WORKER)
        if leader is None or worker is None:
            return
        day = today.astimezone(self.app.site.settings.site.tz).date().isoformat()
        cells = {"person_id": leader.id, "from": day, "until": day, "substitute": worker.id}
        self.app.people_tables.put_row(RegistryTable.LEAVE, cells, by=SUPERVISOR, why="病假")

    def _answer_a_call(self) -> None:
        """A caller reports a fire: own finding, case, loudspeaker, police; all of them answer."""
        town, group = TownService(self.app), self._group
        call = FilingForm(
            category="open_flame", source=FilingSource.PHONE, grid=group, level=Level.URGENT,
            text="村民来电：打麦场边冒烟", place="打麦场",
        )  # fmt: skip
        filed = FindingService(self.app).file(
            call, by=OPERATOR, target=FilingTarget.CASE, phoned="网格长接的，马上去"
        )
        if filed.case is None:
            return
        asked = town.ask_broadcast(filed.case.id, by=OPERATOR, template="warn")
        town.decide_broadcast(asked.id, BroadcastEvent.APPROVE, by=SUPERVISOR)
        town.played(asked.id, BroadcastEvent.PLAYED, speaker=asked.speaker)
        given = town.hand_off(filed.case.id, "police", by=OPERATOR, why="请派出所到场警戒")
        town.answer(given.id, HandOffEvent.ANSWER, by="department:police", text="已到场警戒")

    def outcome(self, leaders: ReplySimulator) -> dict[str, Any]:
        """The results, counted in the store."""
        registry = self.app.registry
        with self.app.store.begin_read() as uow:
            found = demo_outcome(uow)
            handed = [one for one in uow.hand_offs.list() if one.answered_at]
            played = [one for one in uow.broadcasts.list() if one.played_at]
            cases = uow.cases.list(limit=MAX_CASES)
        problems = check(self.app.site.settings.database)
        return {
            **found,
            "leaders_said": dict(leaders.sent),
            "hand_offs_answered": len(handed),
            "broadcasts_played": len(played),
            "on_leave": len(registry.leaves),
            "answered_by_substitutes": sum(
                owner_of(case) in registry.absent.values() for case in cases
            ),
            **ground_outcome(self.app),
            "store_problems": [str(problem) for problem in problems],
        }

    def _until_closed(self, stop: threading.Event) -> None:
        deadline_s = self.app.clock.monotonic_s() + CASES_WITHIN_S
        while not stop.is_set() and self.app.clock.monotonic_s() < deadline_s:
            self._decide()
            self._verify()
            with self.app.store.begin_read() as uow:
                ours = [
                    case
                    for case in uow.cases.list(open_only=True)
                    if case.id not in self.left.open_cases
                ]
                waiting = [one for one in uow.findings.queue() if one.id not in self.left.findings]
                idle = not ours and not waiting and not uow.outbox.unsent()
            if idle:
                return
            for case in ours:
                if case.state is CaseState.RETURNED and not self.left.keeps(case):
                    self._handle_returned(case)
            stop.wait(POLL_S)

    def _decide(self) -> None:
        operator = SimulatedOperator(
            truth_of=self.control.truth, confirm=self._confirm, dismiss=self._dismiss
        )
        with self.app.store.begin_read() as uow:
            queue: Sequence[Finding] = uow.findings.queue()
        self.left.choose_findings(queue)
        operator.decide_all(one for one in queue if one.id not in self.left.findings)

    def _confirm(self, finding: Finding, category: str) -> None:
        self.app.confirm(finding.id, by=OPERATOR, category=category)

    def _dismiss(self, finding: Finding, reason: str) -> None:
        self.app.dismiss(finding.id, by=OPERATOR, reason=reason)

    def _verify(self) -> None:
        """Verify handled cases; the operator knows whether the problem is gone."""
        for pending in self.app.to_verify():
            with self.app.store.begin_read() as uow:
                case = uow.cases.get(pending.case)
            if not self.left.keeps(case):
                self.app.verify(case.id, gone=not self._is_real(case), by=OPERATOR)

    def _is_real(self, case: Case) -> bool:
        """Whether the case's own subject is still there, whatever else its camera shows."""
        truth = self.control.truth(case.camera) if case.camera else {}
        return is_still_there(case.subject, case.category, truth)

    def _handle_returned(self, case: Case) -> None:
        """Send a returned case one grid up when its problem is real, else close it."""
        real = self._is_real(case)
        parent = self.app.registry.tree.grids[case.grid].parent
        with self.app.store.begin() as uow:
            if real and parent is not None and case.subject is Subject.SCENE:
                actions.reassign_case(
                    uow,
                    case.id,
                    parent,
                    by=OPERATOR,
                    now=self.app.clock.now(),
                    registry=self.app.registry,
                    payloads=self.app.payloads,
                    note="转上级处理",
                )
            else:
                actions.end_case(
                    uow,
                    case.id,
                    CaseEvent.CLOSE,
                    by=OPERATOR,
                    now=self.app.clock.now(),
                    payloads=self.app.payloads,
                    note="现场核实为误报",
                )
            uow.commit()
        self.app.wake_relays()


def _town_accounts(site: Site) -> list[MqttAccount]:
    """The broker's accounts, as a site would have them; the last has the rights of all people.

    One connection speaks for all simulated people, and may no more than they may.
    """
    site_id, folder = site.settings.site.id, DEMO_DIR / "mosquitto"
    write_mosquitto_files(folder, site_id, site.registry)
    accounts = handed_out_accounts(folder, site_id, site.registry)
    people = [account for account in accounts if account.person]
    everybody = MqttAccount(
        user=EVERYBODY,
        password=secrets.token_hex(16),
        reads=tuple({topic: None for account in people for topic in account.reads}),
        writes=tuple({topic: None for account in people for topic in account.writes}),
    )
    return [*accounts, everybody]


@contextmanager
def _embedded_town(
    cameras: int, seed: int, faults: str, port: int, sources: str
) -> Iterator[tuple[Application, RunningFarm, ReplySimulator, FarmControl]]:
    """Broker, cameras, application and simulated leaders in a fresh directory."""
    clock = SystemClock()
    with ExitStack() as stack:
        stack.enter_context(process_lock(DEMO_DIR.with_suffix(".lock")))  # one at a time
        shutil.rmtree(DEMO_DIR, ignore_errors=True)
        broker = EmbeddedBroker()
        farm = stack.enter_context(
            running_farm(
                DEMO_DIR,
                cameras=cameras,
                faults=faults,
                seed=seed,
                mqtt_url=broker.url,
                sources=sources,
            )
        )
        grids = load_site(DEMO_DIR).registry.tree.grids.values()
        points = points_table(one for one in grids if one.level is GridLevel.GROUP)
        (DEMO_DIR / "points.csv").write_text(points, "utf-8")
        site = _verified_by_operator(load_site(DEMO_DIR), port)
        town = _town_accounts(site)
        broker.accounts = town
        stack.enter_context(broker)
        app = stack.enter_context(build(site, clock=clock, config_dir=DEMO_DIR))
        app = replace(app, broker=broker.address)
        clearing = stack.enter_context(FarmControl(farm.control_port))
        control = stack.enter_context(FarmControl(farm.control_port))
        people = replace(
            load_options(DEMO_DIR, profile=ALWAYS_ANSWERS, speed=SPEED, seed=seed),
            username=town[-1].user, password=town[-1].password,
        )  # fmt: skip
        clear = SceneClearer(clearing, DEMO_DIR / "cameras.csv")
        leaders = stack.enter_context(ReplySimulator(people, clock.now, clock.monotonic_s, clear))
        yield app, farm, leaders, control


def _verified_by_operator(site: Site, port: int) -> Site:
    """The site with a person who verifies handled cases, the console at this port, and the town.

    The town: a police station that cases are handed to on paper, and a loudspeaker.
    """
    console = site.settings.console.model_copy(update={"port": port})
    grids = site.registry.tree.grids.values()
    town = next(grid.code for grid in grids if grid.level is GridLevel.TOWN)
    changes = {
        "verification": Verifier.OPERATOR,
        "console": console,
        "hand_off": {"police": HandOffSection(title="派出所", channel="print")},
        "ground_patrols": GroundPatrolSettings.model_validate(ground_settings("00:00", "23:59")),
        "broadcast": BroadcastSection(
            speakers={"town": SpeakerSection(title="全镇大喇叭", grid=town, driver="mqtt")}
        ),
    }
    changed = site.settings.model_copy(update=changes)
    return replace(site, settings=changed)


@contextmanager
def _running_console(app: Application, err: Console) -> Iterator[None]:
    """The console, with an account of every duty to try it with, each with its own password."""
    rows = []
    for account in visitor_accounts(app.registry):
        password = secrets.token_urlsafe(9)
        add_account(
            app.store, name=account.name, duty=account.duty, password=password,
            registry=app.registry, now=app.clock.now(), shown_as=account.shown_as,
            person=account.person,
        )  # fmt: skip
        rows.append(f"  {account.name:<11}{password}  {label_text(DUTIES[account.duty])}")
    with serve(app) as address:
        err.print(translate(f"控制台 {address.url}", f"console {address.url}"))
        err.print("\n".join(rows), markup=False)
        yield


@contextmanager
def _running_service(app: Application, stop: threading.Event) -> Iterator[None]:
    """The service without scheduled rounds: the demonstration starts them itself."""
    stop_service, ready = threading.Event(), threading.Event()
    failures: list[BaseException] = []

    def child() -> None:
        try:
            run_service(app, stop_service, ready=ready.set, with_rounds=False)
        except Exception as exc:  # noqa: BLE001  raised below, in the caller's thread
            failures.append(exc)
            ready.set()
            stop.set()

    thread = threading.Thread(target=child, name="service")
    thread.start()
    ready.wait()
    try:
        yield
    finally:
        stop_service.set()
        thread.join()
    if failures:
        raise failures[0]


def simulate_cameras(
    *,
    count: int,
    port: int,
    out: Path,
    seed: int,
    faults: str,
    stop: threading.Event,
) -> None:
    """`patrol simulate cameras`: write a ready configuration, serve until `stop`.

    Raises BadInput when `faults` is neither a mixture nor a fault.
    """
    if (problem := mixture_problem(faults)) is not None:
        raise BadInput(f"--faults: {problem}")
    err = Console(stderr=True, highlight=False)

    def ready(info: FarmInfo) -> None:
        err.print(
            translate(
                f"{info.cameras} 路摄像头已就绪，RTSP 端口 {info.port}，配置目录 {info.config}；"
                f"可执行 `patrol -c {info.config} check`",
                f"{info.cameras} cameras ready on port {info.port}; "
                f"`patrol -c {info.config} check`",
            )
        )

    def progress(done: int, whole: int) -> None:
        err.print(
            translate(
                f"[dim]编码视频流（仅首次）：{done}/{whole}[/]",
                f"[dim]encoding streams, once: {done}/{whole}[/]",
            )
        )

    options = FarmOptions(
        count=count, port=port, out=out, seed=seed, faults=faults, progress=progress
    )
    asyncio.run(_serve_farm(options, ready, stop))


async def _serve_farm(options: FarmOptions, ready: Any, stop: threading.Event) -> None:
    ended = asyncio.Event()
    serving = asyncio.create_task(serve_farm(options, ready, ended))
    while not stop.is_set() and not serving.done():
        await asyncio.wait({serving}, timeout=POLL_S)
    ended.set()
    await serving


def simulate_leaders(config_dir: Path, *, seed: int, stop: threading.Event) -> None:
    """`patrol simulate leaders`: answer cases on the configured broker until `stop`."""
    clock = SystemClock()
    people = load_options(config_dir, profile=ReplyProfile(), speed=SPEED, seed=seed)
    with ReplySimulator(people, clock.now, clock.monotonic_s):
        stop.wait()
