"""`patrol demo`: the product against a simulated town, its cameras and its people.

The cameras serve real RTSP from a process of their own, the broker is a real one, the store is a
fresh SQLite file.
"""

import secrets
import shutil
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from patrol.administration.accounts import add_account
from patrol.app import Application, build
from patrol.app.service import run_service
from patrol.clock import SystemClock
from patrol.demo.staff import SimulatedStaff
from patrol.domain.labels import DUTIES, label_text
from patrol.domain.reader_language import translate
from patrol.domain.registry import GridLevel
from patrol.domain.verification import Verifier
from patrol.files import process_lock
from patrol.mqtt.embedded_broker import EmbeddedBroker
from patrol.mqtt.mosquitto_files import MqttAccount, handed_out_accounts, write_mosquitto_files
from patrol.reports.demo_terminal import render_demo
from patrol.reports.terminal import (
    render_round,
    save_svg,
)
from patrol.settings import Site, load_site
from patrol.settings.site_ground import GroundPatrolSettings
from patrol.settings.site_patrols import HumanPatrolSection
from patrol.settings.site_town import BroadcastSection, HandOffSection, SpeakerSection
from patrol.web.server import ConsoleAddress, ConsoleFailed, serve
from simulators.people.leaders import ReplySimulator, SceneClearer, load_options
from simulators.people.patrollers import (
    ground_settings,
    points_table,
)
from simulators.people.reply_profile import ReplyProfile
from simulators.people.visitor import CASES_LEFT, FINDINGS_LEFT, LeftToVisitor, visitor_accounts
from simulators.rtsp_farm.control import FarmControl
from simulators.rtsp_farm.process import RunningFarm, running_farm

SOURCES: Final = {
    "": ("真实 RTSP", "real RTSP"),
    "gb": ("GB/T 28181", "GB/T 28181"),
}  # of the cameras, for `--sources`
HUMAN_PATROL: Final = {
    "title": "人工巡查", "start": "00:00", "finish_by": "23:59", "early_min": 0,
    "checkpoints": [
        {"title": "重点部位", "key_sites": True, "size": 4},
        {"title": "久未看过", "longest_unseen": 9, "size": 9},
    ],
    "checklist": ["门窗是否关好", "渠边有无儿童"],
}  # fmt: skip
DEMO_DIR: Final = Path("var/demo")
CONSOLE_PORT: Final = 8080
SPEED: Final = 900.0  # the leaders' hours pass in seconds; the patrol's own clocks stay real
ALWAYS_ANSWERS: Final = ReplyProfile(never=0.0)  # escalation takes hours: too long for a demo
OPERATOR: Final = "值班员"
EVERYBODY: Final = "simulated-people"  # their account at the broker
NEXT_ROUND_AFTER_S: Final = 600.0


def run_demo(
    *,
    cameras: int = 624,
    once: bool = False,
    port: int | None = None,
    quiet: bool = False,
    stop: threading.Event,
    seed: int = 7,
    faults: str = "town",
    picture: Path | None = None,
    sources: str = "",
) -> dict[str, Any] | None:
    """Run a round, decide its findings, close its cases; once, or again and again until `stop`.

    None: stopped before the round began. `port`: the console's; None is CONSOLE_PORT, or a free one
    where another program has it. Raises ConsoleFailed, ProcessBusy (a demonstration runs here).

    Where it goes on, findings and cases of the first round are left to the visitor
    (`FINDINGS_LEFT`, `CASES_LEFT`); the simulated staff touches them in no later round either.
    """
    out = Console(stderr=quiet, highlight=False)
    err = Console(stderr=True, highlight=False)
    over = translate(*SOURCES[sources])
    zh, en = f"模拟全镇 {cameras} 路摄像头，{over} …", f"A town of {cameras} cameras over {over} …"
    err.print(translate(zh, en), style="bold")
    with _embedded_town(cameras, seed, faults, sources) as (app, farm, leaders, control):
        left = LeftToVisitor(*((0, 0) if once else (FINDINGS_LEFT, CASES_LEFT)))
        leaders.unanswered = left.unanswered
        staff, zone = SimulatedStaff(app, control, left), app.site.settings.site.tz
        with _running_service(app, stop), _running_console(app, port, err):
            models = app.detectors.model_names or app.detectors.without[0]
            err.print(f"RTSP {farm.port} · MQTT {app.broker} · {models}", style="dim")
            staff.visit_first(farm, err, stop)
            if stop.is_set():
                err.print(translate("已停止，巡查尚未开始", "stopped before the round began"))
                return None
            summary = staff.run_day(err, stop)
            result = {**summary, **staff.outcome(leaders)}
            renderables = (render_round(summary, zone=zone), render_demo(result))
            out.print(*renderables, sep="\n")
            if picture is not None:
                save_svg(renderables, picture, title="patrol demo --once")
            while not once and not stop.wait(NEXT_ROUND_AFTER_S):
                out.print(render_round(staff.run_day(err, stop), zone=zone))
    return result


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
    cameras: int, seed: int, faults: str, sources: str
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
                first_stream=True,
            )
        )
        grids = load_site(DEMO_DIR).registry.tree.grids.values()
        points = points_table(one for one in grids if one.level is GridLevel.GROUP)
        (DEMO_DIR / "points.csv").write_text(points, "utf-8")
        site = _as_demonstrated(load_site(DEMO_DIR))
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


def _as_demonstrated(site: Site) -> Site:
    """The site with a person who verifies handled cases, metrics at a free port, and the town.

    The town: a police station that cases are handed to on paper, a loudspeaker, patrols on the
    ground, and a human patrol that a visitor may work at any hour.
    """
    metrics = site.settings.metrics.model_copy(update={"port": 0})
    grids = site.registry.tree.grids.values()
    town = next(grid.code for grid in grids if grid.level is GridLevel.TOWN)
    changes = {
        "verification": Verifier.OPERATOR,
        "metrics": metrics,
        "hand_off": {"police": HandOffSection(title="派出所", channel="print")},
        "ground_patrols": GroundPatrolSettings.model_validate(ground_settings("00:00", "23:59")),
        "patrol_sections": {"all_day": HumanPatrolSection.model_validate(HUMAN_PATROL)},
        "broadcast": BroadcastSection(
            speakers={"town": SpeakerSection(title="全镇大喇叭", grid=town, driver="mqtt")}
        ),
    }
    changed = site.settings.model_copy(update=changes)
    return replace(site, settings=changed)


@contextmanager
def _running_console(app: Application, port: int | None, err: Console) -> Iterator[None]:
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
    with _console_at(app, port) as address:
        err.print(translate(f"控制台 {address.url}", f"console {address.url}"))
        err.print("\n".join(rows), markup=False)
        yield


@contextmanager
def _console_at(app: Application, port: int | None) -> Iterator[ConsoleAddress]:
    """The console at this port. Raises ConsoleFailed: it was asked for, and another has it."""
    settings = app.site.settings.console
    with ExitStack() as stack:
        try:
            wanted = settings.model_copy(update={"port": CONSOLE_PORT if port is None else port})
            address = stack.enter_context(serve(app, wanted))
        except ConsoleFailed:
            if port is not None:
                raise
            address = stack.enter_context(serve(app, settings.model_copy(update={"port": 0})))
        yield address


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
