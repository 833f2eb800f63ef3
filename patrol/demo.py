"""The demonstration: a whole town embedded, one real round, and everybody answers.

The one module that may import `simulators`. The cameras serve real RTSP from a process of their
own, the broker is a real one, the store is a fresh SQLite file; operator and grid leaders are
simulated people who know only what real ones would.
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

from patrol.app import App, build
from patrol.app.console import serve_console
from patrol.app.service import serve
from patrol.bench.farm import RunningFarm, running_farm
from patrol.clock import SystemClock
from patrol.console.accounts import add_account
from patrol.dispatch import desk
from patrol.domain.account import Duty
from patrol.domain.case import Case, CaseEvent, CaseState
from patrol.domain.finding import Finding
from patrol.domain.observation import Subject
from patrol.domain.verdict import Verifier
from patrol.lock import exclusive
from patrol.mqtt.embedded import EmbeddedBroker
from patrol.report.demo import outcome_of, render_demo
from patrol.report.live import watch
from patrol.report.picture import save_svg
from patrol.report.terminal import render_round
from patrol.settings import Site, load_site
from patrol.store import check
from simulators.farm.control import FarmControl
from simulators.farm.options import FarmInfo, FarmOptions
from simulators.farm.serve import serve as serve_farm
from simulators.faults import mixture_problem as mixture_problem  # noqa: PLC0414  re-exported
from simulators.habits import Habits
from simulators.leaders import Crowd, SceneClearer, options_from
from simulators.operator import SimulatedOperator

PLACE: Final = Path("var/demo")
SPEED: Final = 900.0  # the leaders' hours pass in seconds; the patrol's own clocks stay real
PATIENT: Final = Habits(never=0.0)  # a ladder of real hours is not waited for in a demonstration
OPERATOR: Final = "值班员"
POLL_S: Final = 0.3
CASES_WITHIN_S: Final = 180.0
NEXT_ROUND_AFTER_S: Final = 600.0


def run(
    *,
    cameras: int = 624,
    once: bool = False,
    port: int = 8080,
    quiet: bool = False,
    stop: threading.Event,
    seed: int = 7,
    faults: str = "town",
    picture: Path | None = None,
) -> dict[str, Any]:
    """A round, its decisions, its cases; with `once` to the last case closed, else until `stop`."""
    out = Console(stderr=quiet, highlight=False)
    err = Console(stderr=True, highlight=False)
    err.print(f"[bold]模拟全镇 {cameras} 路摄像头[/]  a town of {cameras} cameras over real RTSP …")
    with _town(cameras, seed, faults, port) as (app, farm, crowd, control):
        work, zone = _Work(app, control), app.site.settings.site.tz
        with _service(app, stop), _pages(app, err):
            models = app.eyes.gauges or app.eyes.without[0]
            err.print(f"[dim]RTSP {farm.port} · MQTT {app.broker} · {models}[/]")
            summary = work.day(err, stop)
            result = {**summary, **work.outcome(crowd)}
            told = (render_round(summary, zone=zone), render_demo(result))
            out.print(*told, sep="\n")
            if picture is not None:
                save_svg(told, picture, title="patrol demo --once")
            while not once and not stop.wait(NEXT_ROUND_AFTER_S):
                out.print(render_round(work.day(err, stop), zone=zone))
    return result


@dataclass
class _Work:
    """What people do beside the machine, until nothing of the round is left open."""

    app: App
    control: FarmControl

    def day(self, err: Console, stop: threading.Event) -> dict[str, Any]:
        """One round, the operator's decisions, and the cases to their end."""
        with watch(err, self.app.site.settings.site.tz) as show:
            summary = self.app.run_round("morning", on_progress=show, stop=stop)
        with err.status("值班员审核、网格长处置中 … operator and leaders at work"):
            self._until_closed(stop)
        return summary

    def outcome(self, crowd: Crowd) -> dict[str, Any]:
        """What came of it, counted in the store."""
        with self.app.store.begin_read() as uow:
            found = outcome_of(uow)
        problems = check(self.app.site.settings.database)
        return {
            **found,
            "leaders_said": dict(crowd.said),
            "store_problems": [str(problem) for problem in problems],
        }

    def _until_closed(self, stop: threading.Event) -> None:
        deadline_s = self.app.clock.monotonic_s() + CASES_WITHIN_S
        while not stop.is_set() and self.app.clock.monotonic_s() < deadline_s:
            self._decide()
            self._verify()
            with self.app.store.begin_read() as uow:
                open_cases = uow.cases.list(open_only=True)
                idle = not open_cases and not uow.findings.queue() and not uow.outbox.unsent()
            if idle:
                return
            for case in open_cases:
                if case.state is CaseState.RETURNED:
                    self._settle_returned(case)
            stop.wait(POLL_S)

    def _decide(self) -> None:
        operator = SimulatedOperator(
            truth_of=self.control.truth, confirm=self._confirm, dismiss=self._dismiss
        )
        with self.app.store.begin_read() as uow:
            queue: Sequence[Finding] = uow.findings.queue()
        operator.work(queue)

    def _confirm(self, finding: Finding, category: str) -> None:
        self.app.confirm(finding.id, by=OPERATOR, category=category)

    def _dismiss(self, finding: Finding, reason: str) -> None:
        self.app.dismiss(finding.id, by=OPERATOR, reason=reason)

    def _verify(self) -> None:
        """Before and after lie side by side; the operator knows what stands in the yard."""
        for waits in self.app.to_verify():
            with self.app.store.begin_read() as uow:
                case = uow.cases.get(waits.case)
            self.app.verify(case.id, gone=not self._is_real(case), by=OPERATOR)

    def _is_real(self, case: Case) -> bool:
        truth = self.control.truth(case.camera) if case.camera else {}
        return bool(truth.get("visible_problem")) or truth.get("fault", "none") != "none"

    def _settle_returned(self, case: Case) -> None:
        """The operator looks at the truth: sent to the village, or put away with its reason."""
        real = self._is_real(case)
        parent = self.app.site.registry.tree.grids[case.grid].parent
        with self.app.store.begin() as uow:
            if real and parent is not None and case.subject is Subject.SCENE:
                desk.reassign(
                    uow,
                    case.id,
                    parent,
                    by=OPERATOR,
                    now=self.app.clock.now(),
                    registry=self.app.site.registry,
                    wire=self.app.wire,
                    note="转村处理",
                )
            else:
                desk.end(
                    uow,
                    case.id,
                    CaseEvent.CLOSE,
                    by=OPERATOR,
                    now=self.app.clock.now(),
                    wire=self.app.wire,
                    note="现场核实为误报",
                )
            uow.commit()
        self.app.wake()


@contextmanager
def _town(
    cameras: int, seed: int, faults: str, port: int
) -> Iterator[tuple[App, RunningFarm, Crowd, FarmControl]]:
    """Everything embedded, in a fresh directory; put away in reverse order."""
    clock = SystemClock()
    with ExitStack() as stack:
        stack.enter_context(exclusive(PLACE.with_suffix(".lock")))  # one demonstration at a time
        shutil.rmtree(PLACE, ignore_errors=True)
        broker = stack.enter_context(EmbeddedBroker())
        farm = stack.enter_context(
            running_farm(PLACE, cameras=cameras, faults=faults, seed=seed, mqtt_url=broker.url)
        )
        site = _with_an_operator(load_site(PLACE), port)
        app = stack.enter_context(build(site, clock=clock, config_dir=PLACE))
        app = replace(app, broker=broker.address)
        clearing = stack.enter_context(FarmControl(farm.control_port))
        control = stack.enter_context(FarmControl(farm.control_port))
        people = options_from(PLACE, habits=PATIENT, speed=SPEED, seed=seed)
        clear = SceneClearer(clearing, PLACE / "cameras.csv")
        crowd = stack.enter_context(Crowd(people, clock.now, clock.monotonic_s, clear))
        yield app, farm, crowd, control


def _with_an_operator(site: Site, port: int) -> Site:
    """As a real site has it: a person says whether a handled case is done, at this console."""
    console = replace(site.settings.console, port=port)
    changed = replace(site.settings, verification=Verifier.OPERATOR, console=console)
    return replace(site, settings=changed)


@contextmanager
def _pages(app: App, err: Console) -> Iterator[None]:
    """The console, with one account a person can try it with."""
    password = secrets.token_urlsafe(9)
    add_account(
        app.store,
        name="demo",
        duty=Duty.DUTY_LEAD,
        password=password,
        registry=app.site.registry,
        now=app.clock.now(),
        shown_as="演示值班长",
    )
    with serve_console(app) as address:
        err.print(f"控制台 console {address.url}   demo / {password}")
        yield


@contextmanager
def _service(app: App, stop: threading.Event) -> Iterator[None]:
    """The service without its bell for rounds: the demonstration walks them itself."""
    over, ready = threading.Event(), threading.Event()
    failures: list[BaseException] = []

    def child() -> None:
        try:
            serve(app, over, ready=ready.set, with_rounds=False)
        except Exception as exc:  # noqa: BLE001  said below, in the demonstration's own thread
            failures.append(exc)
            ready.set()
            stop.set()

    thread = threading.Thread(target=child, name="service")
    thread.start()
    ready.wait()
    try:
        yield
    finally:
        over.set()
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
    """`patrol simulate cameras`: write a ready configuration, serve until `stop`."""
    err = Console(stderr=True, highlight=False)

    def ready(info: FarmInfo) -> None:
        err.print(
            f"{info.cameras} 路摄像头已就绪,RTSP 端口 {info.port},配置目录 {info.config}\n"
            f"{info.cameras} cameras ready on port {info.port}; `patrol -c {info.config} check`"
        )

    def progress(done: int, whole: int) -> None:
        err.print(f"[dim]编码视频流(仅首次) encoding streams, once: {done}/{whole}[/]")

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
    people = options_from(config_dir, habits=Habits(), speed=SPEED, seed=seed)
    with Crowd(people, clock.now, clock.monotonic_s):
        stop.wait()
