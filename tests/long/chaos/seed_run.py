"""One chaos run: a real service, store and Mosquitto, disturbed by plan, then audited.

Between service and broker is a proxy that can be cut. Service and broker are killed with SIGKILL,
the broker refuses messages over a limit for a while and a person retries them afterwards, the
database drops its connections, its disk fills up, the wall clock is set by minutes to more than a
year, people send replies twice, late and out of order. In the end everything is healed, and:
nothing was lost, nothing had effect twice, no state is illegal. What really happened is counted: a
kill that came after the end is no test.
"""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import yaml

from patrol.clock import SystemClock, machine_boot
from patrol.domain.registry import Registry
from patrol.domain.wall_clock import ClockRecord, ClockTrust, SeenTime
from patrol.messaging.payloads import PayloadBuilder
from patrol.settings import load_site
from patrol.store import Store, open_store
from simulators.mosquitto import Mosquitto
from simulators.town.build import build_town
from simulators.town.config_files import SiteAddresses, write_config
from tests.long.chaos.audit import find_problems
from tests.long.chaos.databases import ChaosDatabase, ChaosEnvironment
from tests.long.chaos.people import ChaosLeaders, ChaosOperator
from tests.long.chaos.plan import ChaosAction, ChaosStep, plan_steps
from tests.long.chaos.service_process import LOG, ServiceProcess, cpu_s
from tests.support.tcp_proxy import TcpProxy

HEALED_WITHIN_S: Final = 90.0  # after everything works again, or since something moved
QUIET_CHECKS: Final = 2  # looks in a row that found nothing wrong
LONGEST_S: Final = 900.0
SITE: Final = "shangba"
LIMIT_BYTES: Final = 16_384  # of a packet, where the broker has a limit; cases are far smaller
CONNECTED_WITHIN_S: Final = 3.0  # to cut a cable that nobody uses is no disturbance
DISK_FULL_TEXT: Final = "no space left"  # patrol.store.engine says so, whatever the database
ALL_REPLIES: Final = 100_000
REQUIRED_DISTURBANCES: Final = (  # in every run, or the run was no test
    "service killed at work", "broker killed", "connections cut", "clock set", "replies sent twice",
    "replies out of order", "replies late", "confirmed", "clock set by more than an hour",
    "clock set at a start", "large messages queued",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedOutcome:
    """The result of a run; `problems` is empty when every promise held."""

    seed: int
    database: str
    problems: list[str]
    happened: Mapping[str, int] = field(default_factory=dict)
    wall_s: float = 0.0
    cpu_s: float = 0.0  # of service and broker

    @property
    def lacking(self) -> list[str]:
        """Required disturbances that did not happen."""
        return [what for what in REQUIRED_DISTURBANCES if not self.happened.get(what)]


@dataclass(kw_only=True)
class ChaosRun:
    """Carries out one seed's plan: `run_steps`, then `heal`."""

    service: ServiceProcess
    broker: Mosquitto
    proxy: TcpProxy
    leaders: ChaosLeaders
    operator: ChaosOperator
    store: Store
    database: ChaosDatabase
    counts: Counter[str]
    broker_cpu_s: float = 0.0
    _clock: SystemClock = field(default_factory=SystemClock)

    def run_steps(self, steps: tuple[ChaosStep, ...]) -> None:
        """Carry out the steps in order."""
        handlers: dict[ChaosAction, Callable[[ChaosStep], None]] = {
            ChaosAction.CONFIRM: lambda _: self.operator.confirm_one(),
            ChaosAction.SPEAK: lambda step: self.leaders.send_replies(step.number),
            ChaosAction.VERIFY: lambda _: self.operator.verify_all(),
            ChaosAction.KILL: lambda _: self._kill(),
            ChaosAction.KILL_BROKER: lambda _: self._kill_broker(),
            ChaosAction.CUT: lambda _: self._cut_cable(),
            ChaosAction.PLUG_IN: lambda _: self.proxy.heal(),
            ChaosAction.SET_CLOCK: lambda step: self.service.set_clock(step.number),
            ChaosAction.BOOT_WITH_CLOCK: lambda step: self.service.boot_with_clock(step.number),
            ChaosAction.FILL: lambda _: self.database.fill_disk(self.service),
            ChaosAction.FREE: lambda _: self.database.free_disk(self.service),
            ChaosAction.DATABASE_HANGS_UP: lambda _: self._drop_database_connections(),
            ChaosAction.QUEUE_LARGE: lambda _: self.operator.queue_large(2 * LIMIT_BYTES),
            ChaosAction.LIMIT: lambda _: self._limit_broker(f"max_packet_size {LIMIT_BYTES}"),
            ChaosAction.UNLIMIT: lambda _: self._limit_broker(""),
        }
        for step in steps:
            self.service.ensure_running()
            if step.waits:
                self.service.wait_ready()
            handlers[step.action](step)
            self._clock.sleep(step.pause_s)

    def heal(self) -> list[str]:
        """Mend everything and wait until it is quiet; return what is still wrong."""
        self.proxy.heal()
        self.database.free_disk(self.service)
        self._count_refused()
        self.service.set_clock(0)
        begun_s = moved_s = self._clock.monotonic_s()
        quiet, wrong = 0, ["nothing was looked at"]
        while quiet < QUIET_CHECKS and self._clock.monotonic_s() < moved_s + HEALED_WITHIN_S:
            self.service.ensure_running()
            self.operator.confirm_postponed()
            self.operator.verify_all()
            self.operator.retry_refused()
            self.leaders.send_replies(ALL_REPLIES, late=True)
            self._clock.sleep(0.5)
            before, wrong = wrong, find_problems(self.store, self.leaders, self.counts["confirmed"])
            quiet = 0 if wrong else quiet + 1
            if wrong != before and self._clock.monotonic_s() < begun_s + LONGEST_S:
                moved_s = self._clock.monotonic_s()  # on a crowded machine it takes its time
        return wrong

    def _kill(self) -> None:
        self.service.kill()
        with self.store.begin_read() as uow:
            self.counts["messages in hand of a killed service"] += uow.outbox.unsent()

    def _kill_broker(self) -> None:
        self.broker_cpu_s += cpu_s(self.broker.pid)
        self.broker.kill()
        self.counts["broker killed"] += 1
        self._clock.sleep(0.1)
        self.broker.start()

    def _limit_broker(self, config: str) -> None:
        if not config:
            self._count_refused()
        self.broker.extra_config = config
        self._kill_broker()

    def _count_refused(self) -> None:
        with self.store.begin_read() as uow:
            self.counts["messages refused by the broker"] += sum(uow.outbox.count_refused())

    def _cut_cable(self) -> None:
        until_s = self._clock.monotonic_s() + CONNECTED_WITHIN_S
        while not self.proxy.connections and self._clock.monotonic_s() < until_s:
            self._clock.sleep(0.02)
        self.counts["connections cut"] += self.proxy.cut()

    def _drop_database_connections(self) -> None:
        self.counts["database hung up"] += self.database.drop_connections()


def run_seed(
    seed: int, folder: Path, environment: ChaosEnvironment, *, on_postgres: bool
) -> SeedOutcome:
    """One run, in an empty folder."""
    started_s = SystemClock().monotonic_s()
    with (
        environment.open_database(folder, on_postgres=on_postgres) as database,
        _set_up(seed, folder, database) as run,
    ):
        run.run_steps(plan_steps(seed))
        problems = run.heal()
        run.service.kill()
        log = (folder / LOG).read_text("utf-8", "replace")
        run.counts["refused for want of room"] = (
            log.count(DISK_FULL_TEXT) + run.counts["operator: StoreFull"]
        )
        return SeedOutcome(
            seed=seed,
            database="postgresql" if on_postgres else "sqlite",
            problems=problems,
            happened={what: count for what, count in sorted(run.counts.items()) if count},
            wall_s=round(SystemClock().monotonic_s() - started_s, 1),
            cpu_s=round(run.service.cpu_s + run.broker_cpu_s + cpu_s(run.broker.pid), 2),
        )


@contextmanager
def _set_up(seed: int, folder: Path, database: ChaosDatabase) -> Iterator[ChaosRun]:
    with ExitStack() as stack:
        (folder / "broker").mkdir()
        broker = Mosquitto(folder / "broker")
        broker.start()
        stack.callback(broker.kill)
        proxy = TcpProxy(broker.port)
        proxy.start()
        stack.callback(proxy.stop)
        registry = _site(folder, database.url, proxy.port, seed)
        store = stack.enter_context(open_store(database.url))
        counts: Counter[str] = Counter()
        leaders = ChaosLeaders(broker.port, SITE, seed, counts)
        stack.callback(leaders.disconnect)
        service = ServiceProcess(folder, counts)
        stack.callback(service.kill)
        service.set_clock(0)
        _believe_clock(store)
        payload_builder = PayloadBuilder(
            site=SITE, zone=ZoneInfo("Asia/Shanghai"), registry=registry
        )
        yield ChaosRun(
            service=service,
            broker=broker,
            proxy=proxy,
            leaders=leaders,
            operator=ChaosOperator(store, registry, payload_builder, seed, counts),
            store=store,
            database=database,
            counts=counts,
        )


def _believe_clock(store: Store) -> None:
    """Let the service start as one that has been running: the present time is believed."""
    clock = SystemClock()
    at = clock.now()
    seen = SeenTime(at=at, running_s=clock.monotonic_s(), boot=machine_boot())
    with store.begin() as uow:
        uow.clock.put(ClockRecord(trust=ClockTrust.TRUSTED, since=at, seen=seen))
        uow.commit()


def _site(folder: Path, database: str, port: int, seed: int) -> Registry:
    """Write the configuration of a small town whose broker is behind the proxy."""
    addresses = SiteAddresses(
        url=lambda _camera, _sub: "rtsp://127.0.0.1:9/none",
        mqtt_url=f"mqtt://127.0.0.1:{port}",
        profile="bench",
    )
    today = SystemClock().now().date()
    write_config(folder, build_town(count=12, seed=seed, today=today, profile="bench"), addresses)
    file = folder / "site.yaml"
    plain = yaml.safe_load(file.read_text("utf-8"))
    plain |= {"database": database, "objects": False, "office": {"always": True}}
    plain |= {"console": {"enabled": False}, "metrics": {"enabled": False}}
    file.write_text(yaml.safe_dump(plain, allow_unicode=True), "utf-8")
    return load_site(folder).registry


def outcome_document(outcome: SeedOutcome) -> dict[str, object]:
    """The outcome as a JSON object."""
    return {**asdict(outcome), "lacking": outcome.lacking}


@contextmanager
def folder_for(given: Path | None) -> Iterator[Path]:
    """The given folder, or a temporary one that is deleted at the end."""
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="patrol-chaos-") as folder:
        yield Path(folder)
