"""`python -m tests.long.day.run_day DIR`: a day of the whole service, on a clock moved by hand.

The real service on real sockets: cameras over RTSP, the embedded broker with leaders who reply, a
webhook's receiver, the console with a browser's requests, the metrics port; rounds, rechecks,
escalation, relay, inbox, canary, the night's upkeep and the day's anchor. Its jobs run one after
the other, and between two turns the clock jumps by five minutes: a day takes minutes. An audit
hook notes every address that any thread connects or sends to, and every name it resolves. Prints
one JSON line at the end.
"""

import argparse
import json
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import yaml
from typing_extensions import override

from patrol.administration.accounts import add_account
from patrol.app import Application, build
from patrol.app.finding_service import FindingService
from patrol.app.scheduler import DailyJob, JobScheduler, ScheduledJob
from patrol.app.service import run_service
from patrol.clock import SystemClock
from patrol.domain.account import AccountRole
from patrol.domain.finding import FilingSource
from patrol.domain.round import RoundState
from patrol.review.own_findings import FilingForm, FilingTarget
from patrol.settings import load_site
from patrol.web.server import serve
from simulators.people.leaders import ReplySimulator, ReplySimulatorOptions
from simulators.rtsp_farm.process import RunningFarm, running_farm
from tests.support.http_receiver import running_receiver

STEP: Final = timedelta(minutes=5)
CAMERAS: Final = 6
PASSWORD: Final = "correct-horse-9-battery"
DIALS: Final = {"socket.connect", "socket.sendto", "socket.sendmsg"}
ASKS: Final = {"socket.getaddrinfo", "socket.gethostbyname", "socket.getnameinfo"}
PAGES: Final = {
    "chief": (
        "/", "/review", "/verify", "/cases", "/overdue", "/cameras", "/rounds", "/reports",
        "/meetings", "/rosters", "/patrols", "/shift", "/hand-offs", "/suppressions",
    ),
    "admin": ("/accounts", "/keys", "/people", "/system", "/sessions", "/cameras.csv"),
}  # fmt: skip
ROLES: Final = {"chief": AccountRole.SHIFT_SUPERVISOR, "admin": AccountRole.ADMIN}


class JumpingClock:
    """The machine's clocks, ahead by what they jumped; rounds and waits take their real time."""

    def __init__(self, begins: datetime) -> None:
        """`begins`: the present moment, aware UTC."""
        self._machine = SystemClock()
        self._ahead = begins - self._machine.now()
        self._jumped_s = 0.0

    def now(self) -> datetime:
        """The present moment, aware UTC."""
        return self._machine.now() + self._ahead

    def monotonic_s(self) -> float:
        """Seconds of the machine, and those that were jumped over."""
        return self._machine.monotonic_s() + self._jumped_s

    def sleep(self, seconds: float) -> None:
        """Block this thread."""
        self._machine.sleep(seconds)

    def jump(self, span: timedelta) -> None:
        """Put both forward."""
        self._jumped_s += span.total_seconds()
        self._ahead += span


class ContactLog:
    """Every address that Python code of this process dials, and every name that it asks for."""

    def __init__(self) -> None:
        self.dialled: set[str] = set()
        self.asked: set[str] = set()
        sys.addaudithook(self._note)

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in DIALS and isinstance(arguments[-1], tuple):
            self.dialled.add(f"{arguments[-1][0]}:{arguments[-1][1]}")
        elif event in ASKS:
            self.asked.add(str(arguments[0]))


class DayScheduler(JobScheduler):
    """Runs all jobs in turns, the clock moved between two; ends the service after the day."""

    def __init__(
        self,
        zone: Any,
        on_failure: Callable[[str, BaseException], None],
        clock: JumpingClock,
        *,
        until: datetime,
        on_turn: Callable[[datetime], None],
        stop: threading.Event,
    ) -> None:
        self._turns: list[tuple[str, Callable[[], object]]] = []
        self._day_clock, self._until, self._stop_day = clock, until, stop
        self._on_turn, self._of_zone, self._on_failure_of = on_turn, zone, on_failure
        super().__init__(zone, on_failure, clock)
        self._thread = threading.Thread(target=self._pass_day, name="day")

    @override
    def add(self, job: ScheduledJob) -> None:
        run = job.run
        if job.daily_at is not None:
            daily = DailyJob(run, job.daily_at, self._of_zone, self._day_clock, job.may_run)
            run = daily.run_if_due
        self._turns.append((job.name, run))

    @override
    def start(self) -> None:
        self._thread.start()

    @override
    def stop(self, *, wait: bool = True) -> None:
        if wait:
            self._thread.join()

    @override
    def frozen(self) -> str:
        return ""

    def _pass_day(self) -> None:
        name = ""
        try:
            while self._day_clock.now() < self._until and not self._stop_day.is_set():
                for name, run in self._turns:  # noqa: B007  the failed one is named
                    run()
                name = "visitor"
                self._on_turn(self._day_clock.now())
                self._day_clock.jump(STEP)
        except BaseException as exc:  # noqa: BLE001  the service ends with its reason
            self._on_failure_of(name, exc)
        self._stop_day.set()


class Visitor:
    """What people do in a day: pages opened each hour, findings confirmed as they come."""

    def __init__(self, app: Application, url: str) -> None:
        self._app = app
        self._clients = {name: httpx.Client(base_url=url, timeout=60) for name in PAGES}
        self._hour = -1
        self.statuses: Counter[int] = Counter()
        self.filed = 0

    def _file(self) -> None:
        camera = next(iter(self._app.registry.cameras.values()))
        form = FilingForm(
            category="dumping", source=FilingSource.PHONE, grid=camera.grid, place="村东",
            text=f"第 {self.filed + 1} 次电话报告",
        )  # fmt: skip
        FindingService(self._app).file(form, by="chief", target=FilingTarget.CASE)
        self.filed += 1

    def _log_in(self, name: str) -> None:
        form = {"name": name, "password": PASSWORD}
        answer = self._clients[name].post("/login", data=form)
        assert answer.status_code == httpx.codes.SEE_OTHER, answer.text

    def turn(self, now: datetime) -> None:
        """Confirm what waits; once an hour, open a case and look at every page."""
        with self._app.store.begin_read() as uow:
            waiting = [one.id for one in uow.findings.queue(limit=3)]
        for ident in waiting:
            self._app.confirm(ident, by="chief", phoned="13900000000")
        if now.hour == self._hour:
            return
        self._hour = now.hour
        self._file()
        for name, pages in PAGES.items():
            if self._clients[name].get("/account").status_code != httpx.codes.OK:
                self._log_in(name)  # sessions end
            for page in pages:
                self.statuses[self._clients[name].get(page).status_code] += 1


def write_site(folder: Path, webhook_port: int) -> None:
    """Change the farm's configuration: everything that listens or sends is switched on."""
    path = folder / "site.yaml"
    site = yaml.safe_load(path.read_text("utf-8"))
    (folder / "hook-secret").write_text("s" * 40)
    site |= {
        "mqtt": {"url": "embedded"},
        "console": {"port": 0, "assets": site["console"]["assets"]},
        "metrics": {"port": 0},
        "sampling": {"pictures": 2, "spacing_s": 0.0, "stream": "main"},
        "webhooks": {
            "town": {
                "url": f"http://127.0.0.1:{webhook_port}/hook",
                "secret_file": str(folder / "hook-secret"),
            }
        },
    }
    path.write_text(yaml.safe_dump(site, allow_unicode=True), "utf-8")


@contextmanager
def _parts(folder: Path) -> Iterator[tuple[RunningFarm, int]]:
    with ExitStack() as stack:
        farm = stack.enter_context(
            running_farm(folder, cameras=CAMERAS, profile="tiny", faults="none")
        )
        receiver = stack.enter_context(running_receiver())
        yield farm, int(receiver.server_address[1])


def pass_day(folder: Path, *, begins: time, hours: float, contacts: ContactLog) -> dict[str, Any]:
    """Simulate so many hours from the local time `begins` of tomorrow; what came of them."""
    stop = threading.Event()
    with _parts(folder) as (farm, webhook_port), ExitStack() as stack:
        write_site(folder, webhook_port)
        site = load_site(folder)
        zone = site.settings.site.tz
        tomorrow = SystemClock().now().astimezone(zone).date() + timedelta(days=1)
        clock = JumpingClock(datetime.combine(tomorrow, begins, zone).astimezone(UTC))
        until = clock.now() + timedelta(hours=hours)
        app = stack.enter_context(build(site, clock=clock, config_dir=folder, create_store=True))
        for name, role in ROLES.items():
            add_account(
                app.store, name=name, duty=role, password=PASSWORD,
                registry=site.registry, now=clock.now(), by="test",
            )  # fmt: skip
        console = stack.enter_context(serve(app, site.settings.console))
        visitor = Visitor(app, console.url)
        leaders = ReplySimulator(
            ReplySimulatorOptions(host=app.broker.host, port=app.broker.port, site="shangba"),
            clock.now, clock.monotonic_s,
        )  # fmt: skip
        stack.enter_context(leaders)
        run_service(
            app, stop,
            new_scheduler=lambda zone, failed, _clock: DayScheduler(
                zone, failed, clock, until=until, on_turn=visitor.turn, stop=stop
            ),
        )  # fmt: skip
        with app.store.begin_read() as uow:
            rounds = [
                one for plan in site.settings.plans for one in uow.rounds.of_plan(plan, limit=9)
            ]
            cases = uow.cases.count(open_only=False)
        return {
            "finished": sum(one.state is RoundState.FINISHED for one in rounds),
            "cases": cases,
            "replies": leaders.sent.total(),
            "pages": dict(visitor.statuses),
            "configured": {
                "cameras": farm.port,
                "farm's control": farm.control_port,
                "webhook": webhook_port,
                "broker": app.broker.port,
                "console": urlsplit(console.url).port,
            },
            "dialled": sorted(contacts.dialled),
            "asked": sorted(contacts.asked),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--begins", type=time.fromisoformat, default=time(0, 0))
    parser.add_argument("--hours", type=float, default=24.5)
    asked = parser.parse_args()
    contacts = ContactLog()
    found = pass_day(asked.folder, begins=asked.begins, hours=asked.hours, contacts=contacts)
    sys.stdout.write("DAY " + json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
