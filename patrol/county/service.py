"""The county's service: a turn over all towns every few minutes, metrics, page and API beside it.

One process, a thread a town while it is read. What fails at a town, at its network or at the
county's own database is said and tried again at the next turn; only a configuration that cannot be
used ends the service.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog

from patrol.county.metrics import county_registry
from patrol.county.overview import CountyReader
from patrol.county.pull import ClientMaker, Puller, PullResult, town_access
from patrol.county.settings import CountySettings, TownSection
from patrol.county.store import CountyStore
from patrol.county.town_client import TownClient
from patrol.operations.health_server import Heartbeats, serve_metrics
from patrol.ports import Clock

log = structlog.get_logger(__name__)

TURN_PARTS: Final = 2  # a page and the state of now: answers that a hanging town may keep waiting
Ready = Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class CountyService:
    """The parts of one county's process."""

    settings: CountySettings
    store: CountyStore
    clock: Clock
    puller: Puller

    def reader(self) -> CountyReader:
        """What documents are made of, now."""
        now_s = self.clock.monotonic_s()
        return CountyReader(
            settings=self.settings,
            store=self.store,
            now=self.clock.now(),
            contacted_ago={
                town: timedelta(seconds=now_s - at_s)
                for town, at_s in dict(self.puller.contacted_s).items()
            },
        )

    def turn(self, stop: threading.Event | None = None) -> list[PullResult]:
        """Ask every town once."""
        return self.puller.pull_all(self.settings.towns, stop)


def make_service(
    settings: CountySettings,
    store: CountyStore,
    clock: Clock,
    make_client: ClientMaker | None = None,
) -> CountyService:
    """Compose the service; `make_client`: another way to the towns than HTTPS."""
    pull = settings.pull

    def client_of(town: TownSection) -> TownClient:
        access = town_access(town)
        return TownClient(access, timeout_s=pull.timeout_s, monotonic_s=clock.monotonic_s)

    puller = Puller(
        store,
        clock,
        make_client or client_of,
        changes_at_once=pull.changes_at_once,
        at_once=pull.at_once,
    )
    return CountyService(settings=settings, store=store, clock=clock, puller=puller)


def run_county(service: CountyService, stop: threading.Event, ready: Ready) -> None:
    """Ask the towns turn by turn until `stop` is set. Raises MetricsFailed."""
    every_s = service.settings.pull.every_min * 60
    heartbeats = Heartbeats(service.clock.monotonic_s)
    beat = heartbeats.expect("pull", every_s + longest_turn_s(service.settings))
    with ExitStack() as stack:
        stack.enter_context(_metrics(service, heartbeats))
        ready()
        while not stop.is_set():
            began_s = service.clock.monotonic_s()
            _turn(service, stop)
            beat()
            stop.wait(max(0.0, every_s - (service.clock.monotonic_s() - began_s)))


def longest_turn_s(settings: CountySettings) -> float:
    """How long a turn takes at most while every town lets us wait for each answer."""
    waves = -(-len(settings.towns) // settings.pull.at_once)
    return waves * TURN_PARTS * settings.pull.timeout_s + 60


def _turn(service: CountyService, stop: threading.Event) -> None:
    results = service.turn(stop)
    read = [result for result in results if result.problem is None]
    log.info(
        "towns read",
        read=len(read),
        of=len(service.settings.towns),
        rounds=sum(result.rounds for result in results),
        days=sum(result.days for result in results),
    )


@contextmanager
def _metrics(service: CountyService, heartbeats: Heartbeats) -> Iterator[None]:
    """Raises MetricsFailed: the port is taken."""
    metrics = service.settings.metrics
    if not metrics.enabled:
        yield
        return
    registry = county_registry(service.reader, lambda: service.puller.counts)
    with serve_metrics(metrics.host, metrics.port, registry, heartbeats.checks) as port:
        log.info("metrics", host=metrics.host, port=port)
        yield
