"""One run of chaos: everything that goes wrong in it, and what must hold in the end.

A real service, store and Mosquitto; between service and broker a cable that can be pulled. Service
and broker are killed with SIGKILL, the database hangs up, its disk fills up, the wall clock steps
by an hour, people say things twice, late and out of order. In the end everything is healed, and:
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

from patrol.clock import SystemClock
from patrol.dispatch.wire import Wire
from patrol.domain.registry import Registry
from patrol.settings import load_site
from patrol.store import Store, open_store
from simulators.chaos_books import problems_of
from simulators.chaos_child import LOG
from simulators.chaos_house import Books, Ground
from simulators.chaos_plan import Deed, Step, plan
from simulators.chaos_service import Service, cpu_s
from simulators.chaos_town import Crowd, Operator
from simulators.mosquitto import Mosquitto
from simulators.proxy import Proxy
from simulators.town.build import build_town
from simulators.town.config import Place, write_config

HEALED_WITHIN_S: Final = 90.0  # after everything works again, or since something moved
QUIET: Final = 2  # looks in a row that found nothing wrong
LONGEST_S: Final = 900.0
SITE: Final = "shangba"
CONNECTED_WITHIN_S: Final = 3.0  # to cut a cable that nobody uses is no disturbance
NO_ROOM: Final = "no space left"  # patrol.store.errors says so, whatever the database
EVERYTHING: Final = 100_000
HAPPENS: Final = (  # in every run, or the run was no test
    "service killed at work", "broker killed", "connections cut", "clock set", "words said twice",
    "words out of order", "words late", "confirmed",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run prints; `problems` is empty when every promise held."""

    seed: int
    database: str
    problems: list[str]
    happened: Mapping[str, int] = field(default_factory=dict)
    wall_s: float = 0.0
    cpu_s: float = 0.0  # of service and broker

    @property
    def lacking(self) -> list[str]:
        """Disturbances that this run should have had and had not."""
        return [what for what in HAPPENS if not self.happened.get(what)]


@dataclass(kw_only=True)
class Run:
    """One seed's play: `wreak`, then `heal`."""

    service: Service
    broker: Mosquitto
    proxy: Proxy
    crowd: Crowd
    operator: Operator
    store: Store
    books: Books
    toll: Counter[str]
    broker_cpu_s: float = 0.0
    _clock: SystemClock = field(default_factory=SystemClock)

    def wreak(self, steps: tuple[Step, ...]) -> None:
        """Everything that the seed planned."""
        deeds: dict[Deed, Callable[[Step], None]] = {
            Deed.CONFIRM: lambda _: self.operator.confirm_one(),
            Deed.SPEAK: lambda step: self.crowd.speak(step.number),
            Deed.VERIFY: lambda _: self.operator.verify_all(),
            Deed.KILL: lambda _: self._kill(),
            Deed.KILL_BROKER: lambda _: self._kill_broker(),
            Deed.CUT: lambda _: self._cut(),
            Deed.PLUG_IN: lambda _: self.proxy.heal(),
            Deed.SET_CLOCK: lambda step: self.service.set_clock(step.number),
            Deed.FILL: lambda _: self.books.fill(self.service),
            Deed.FREE: lambda _: self.books.free(self.service),
            Deed.DATABASE_HANGS_UP: lambda _: self._hang_up(),
        }
        for step in steps:
            self.service.tend()
            if step.waits:
                self.service.wait_ready()
            deeds[step.deed](step)
            self._clock.sleep(step.pause_s)

    def heal(self) -> list[str]:
        """Everything works again; answers what is wrong once it is quiet, or still is not."""
        self.proxy.heal()
        self.books.free(self.service)
        begun_s = moved_s = self._clock.monotonic_s()
        quiet, wrong = 0, ["nothing was looked at"]
        while quiet < QUIET and self._clock.monotonic_s() < moved_s + HEALED_WITHIN_S:
            self.service.tend()
            self.operator.catch_up()
            self.operator.verify_all()
            self.crowd.speak(EVERYTHING, late=True)
            self._clock.sleep(0.5)
            before, wrong = wrong, problems_of(self.store, self.crowd, self.toll["confirmed"])
            quiet = 0 if wrong else quiet + 1
            if wrong != before and self._clock.monotonic_s() < begun_s + LONGEST_S:
                moved_s = self._clock.monotonic_s()  # on a crowded machine it takes its time
        return wrong

    def _kill(self) -> None:
        self.service.kill()
        with self.store.begin_read() as uow:
            self.toll["messages in hand of a killed service"] += uow.outbox.unsent()

    def _kill_broker(self) -> None:
        self.broker_cpu_s += cpu_s(self.broker.pid)
        self.broker.kill()
        self.toll["broker killed"] += 1
        self._clock.sleep(0.1)
        self.broker.start()

    def _cut(self) -> None:
        until_s = self._clock.monotonic_s() + CONNECTED_WITHIN_S
        while not self.proxy.connections and self._clock.monotonic_s() < until_s:
            self._clock.sleep(0.02)
        self.toll["connections cut"] += self.proxy.cut()

    def _hang_up(self) -> None:
        self.toll["database hung up"] += self.books.hang_up()


def play(seed: int, folder: Path, ground: Ground, *, on_postgres: bool) -> Outcome:
    """One run, in an empty folder."""
    started_s = SystemClock().monotonic_s()
    with (
        ground.books(folder, on_postgres=on_postgres) as place,
        _set_up(seed, folder, place) as run,
    ):
        run.wreak(plan(seed))
        problems = run.heal()
        run.service.kill()
        log = (folder / LOG).read_text("utf-8", "replace")
        run.toll["refused for want of room"] = log.count(NO_ROOM) + run.toll["operator: StoreFull"]
        return Outcome(
            seed=seed,
            database="postgresql" if on_postgres else "sqlite",
            problems=problems,
            happened={what: count for what, count in sorted(run.toll.items()) if count},
            wall_s=round(SystemClock().monotonic_s() - started_s, 1),
            cpu_s=round(run.service.cpu_s + run.broker_cpu_s + cpu_s(run.broker.pid), 2),
        )


@contextmanager
def _set_up(seed: int, folder: Path, place: Books) -> Iterator[Run]:
    with ExitStack() as stack:
        (folder / "broker").mkdir()
        broker = Mosquitto(folder / "broker")
        broker.start()
        stack.callback(broker.kill)
        proxy = Proxy(broker.port)
        proxy.start()
        stack.callback(proxy.stop)
        registry = _site(folder, place.url, proxy.port, seed)
        store = stack.enter_context(open_store(place.url))
        toll: Counter[str] = Counter()
        crowd = Crowd(broker.port, SITE, seed, toll)
        stack.callback(crowd.hang_up)
        service = Service(folder, toll)
        stack.callback(service.kill)
        service.set_clock(0)
        wire = Wire(site=SITE, zone=ZoneInfo("Asia/Shanghai"), registry=registry)
        yield Run(
            service=service,
            broker=broker,
            proxy=proxy,
            crowd=crowd,
            operator=Operator(store, registry, wire, seed, toll),
            store=store,
            books=place,
            toll=toll,
        )


def _site(folder: Path, database: str, port: int, seed: int) -> Registry:
    """A small town whose broker is behind the cable."""
    place = Place(
        url=lambda _camera, _sub: "rtsp://127.0.0.1:9/none",
        mqtt_url=f"mqtt://127.0.0.1:{port}",
        profile="bench",
    )
    today = SystemClock().now().date()
    write_config(folder, build_town(count=12, seed=seed, today=today, profile="bench"), place)
    file = folder / "site.yaml"
    plain = yaml.safe_load(file.read_text("utf-8"))
    plain |= {"database": database, "objects": False, "office": {"always": True}}
    plain |= {"console": {"enabled": False}, "metrics": {"enabled": False}}
    file.write_text(yaml.safe_dump(plain, allow_unicode=True), "utf-8")
    return load_site(folder).registry


def document(outcome: Outcome) -> dict[str, object]:
    """For JSON."""
    return {**asdict(outcome), "lacking": outcome.lacking}


@contextmanager
def folder_for(given: Path | None) -> Iterator[Path]:
    """The folder to look into afterwards, or one that is gone then."""
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="patrol-chaos-") as folder:
        yield Path(folder)
