"""Seeded chaos over a cluster of processes: whatever dies, freezes or is cut, the books are equal.

Each seed chooses its faults and their moments and can be repeated. Heartbeats and time limits run
at a fifth of their length (tests/support/cluster.py, HURRIED). Cameras sleep; database, queue,
executor and recorder are the real ones. The time from the last fault to the end is printed.
"""

import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from patrol.clock import SystemClock
from patrol.domain.round import RoundState
from patrol.store import StoreUnavailable, open_store
from patrol.store.cluster import ResultOutcome
from tests.conftest import missing_part
from tests.support.cluster import (
    ClusterPlace,
    prepare_database,
    prepare_place,
    round_problems,
    start_command,
)
from tests.support.postgres import PostgresServer, find_postgres, running_postgres
from tests.support.tcp_proxy import TcpProxy

CAMERAS, LINKS = 48, 6
SEEDS = range(100)
FREEZE_S = 8.0  # longer than a hurried worker may be silent
CUT_S = 4.0
WITHIN_S = 120.0


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A server of this module's own: it is restarted."""
    if find_postgres() is None:
        missing_part("PostgreSQL is not installed (Debian: postgresql)")
    with running_postgres() as one:
        yield one


@dataclass
class Cluster:
    """Two services, three workers, each a process; workers reach the database through a proxy."""

    place: ClusterPlace
    server: PostgresServer
    proxy: TcpProxy
    children: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    logs: Path = Path()

    def start(self, kind: str, called: str, place: ClusterPlace, **more: object) -> None:
        with (self.logs / f"{called}.log").open("ab") as log:
            command = start_command(kind, place, **more)
            self.children[called] = subprocess.Popen(command, stdout=log, stderr=log)

    def start_service(self, name: str) -> None:
        self.start("service", name, self.place, within_s=WITHIN_S)

    def start_worker(self, name: str, first: int, **more: object) -> None:
        """Each link has two workers that reach it."""
        links = [str(one) for one in self.place.link_names]
        mine = [links[(first + step) % len(links)] for step in range(len(links) * 2 // 3)]
        url = make_url(self.place.worker_database).set(port=self.proxy.port)
        there = replace(self.place, worker_database=url.render_as_string(hide_password=False))
        self.start("worker", name, there, links=mine, name=name, slots=4, at_once=2, **more)

    def keep_alive(self) -> None:
        """Start again what ended by itself, as systemd does; a service that is done stays so."""
        for name, child in list(self.children.items()):
            if child.poll() not in (None, 0):
                if name.startswith("service"):
                    self.start_service(name)
                else:
                    self.start_worker(name, int(name[-1]) * 2)

    def finished(self) -> bool:
        try:
            with open_store(self.place.database) as store, store.begin_read() as uow:
                rounds = uow.rounds.of_plan("morning", limit=2)
        except StoreUnavailable:
            return False
        return bool(rounds) and rounds[0].state is RoundState.FINISHED

    def end(self) -> None:
        for child in self.children.values():
            if child.poll() is None:
                child.send_signal(signal.SIGCONT)
                child.kill()
            child.wait(10)
        self.proxy.stop()


def kill_worker(cluster: Cluster, rng: random.Random) -> None:
    cluster.children[f"worker{rng.randrange(3)}"].kill()


def freeze_worker(cluster: Cluster, rng: random.Random) -> None:
    child = cluster.children[f"worker{rng.randrange(3)}"]
    child.send_signal(signal.SIGSTOP)
    SystemClock().sleep(FREEZE_S)
    child.send_signal(signal.SIGCONT)


def kill_leader(cluster: Cluster, _rng: random.Random) -> None:
    """The first service led; whoever leads now, killing the first one is a fault, too."""
    cluster.children["service0"].kill()


def freeze_leader(cluster: Cluster, _rng: random.Random) -> None:
    child = cluster.children["service0"]
    child.send_signal(signal.SIGSTOP)
    SystemClock().sleep(FREEZE_S)
    child.send_signal(signal.SIGCONT)


def restart_database(cluster: Cluster, _rng: random.Random) -> None:
    cluster.server.restart()


def cut_database(cluster: Cluster, _rng: random.Random) -> None:
    cluster.proxy.cut()
    SystemClock().sleep(CUT_S)
    cluster.proxy.heal()


def cut_exchange(cluster: Cluster, _rng: random.Random) -> None:
    cut = Path(cluster.place.exchange) / "cut"
    cut.parent.mkdir(parents=True, exist_ok=True)
    cut.touch()
    SystemClock().sleep(CUT_S)
    cut.unlink()


Fault = Callable[[Cluster, random.Random], None]
FAULTS: tuple[Fault, ...] = (
    kill_worker, freeze_worker, kill_leader, freeze_leader, restart_database, cut_database,
    cut_exchange,
)  # fmt: skip
QUICK: tuple[Fault, ...] = (kill_leader, cut_exchange)


def play(server: PostgresServer, folder: Path, seed: int, faults: tuple[Fault, ...]) -> None:
    rng, clock = random.Random(seed), SystemClock()
    url = server.url_of(server.new_database())
    prepare_database(url)
    place = prepare_place(
        url, folder, cameras=CAMERAS, links=LINKS, delay_s=0.8, hurried=True, key_every=8
    )
    proxy = TcpProxy(target=int(make_url(url).port or 0))
    proxy.start()
    cluster = Cluster(place, server, proxy, logs=folder)
    try:
        cluster.start_service("service0")
        cluster.start_service("service1")
        cluster.start_worker("worker0", 0, is_old=rng.random() < 0.3)
        cluster.start_worker("worker1", 2, skew_s=rng.choice((0.0, 90.0, -3600.0)))
        cluster.start_worker("worker2", 4)
        wait_until_under_way(cluster)
        for fault in faults:
            clock.sleep(rng.uniform(0.1, 1.5))
            fault(cluster, rng)
            cluster.keep_alive()
        since_s = clock.monotonic_s()
        while not cluster.finished():
            assert clock.monotonic_s() < since_s + WITHIN_S, logs_of(folder)
            cluster.keep_alive()
            clock.sleep(0.3)
        recovery_s = clock.monotonic_s() - since_s
    finally:
        cluster.end()
    names = " ".join(getattr(fault, "__name__", "") for fault in faults)
    with open_store(place.database) as store:
        with store.begin_read() as uow:
            (a_round,) = uow.rounds.of_plan("morning", limit=5)
            counts = {str(outcome): count for outcome, count in uow.cluster.counts().items()}
        sys.stdout.write(f"seed {seed}: {names}: {recovery_s:.1f} s, {counts}\n")
        assert round_problems(place, store, [a_round.id]) == [], logs_of(folder)
        assert counts.get(ResultOutcome.RECORDED) == CAMERAS
    server.drop(make_url(url).database or "")


def wait_until_under_way(cluster: Cluster) -> None:
    """Faults come in mid-round, however slow the machine is to start five processes."""
    clock = SystemClock()
    until_s = clock.monotonic_s() + WITHIN_S
    with open_store(cluster.place.database) as store:
        while clock.monotonic_s() < until_s:
            with store.begin_read() as uow:
                if uow.cluster.counts():
                    return
            clock.sleep(0.1)
    raise AssertionError(logs_of(cluster.logs))


def logs_of(folder: Path) -> str:
    return "\n".join(f"{log.name}: {log.read_text()[-2000:]}" for log in folder.glob("*.log"))


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_killed_leader_and_a_cut_exchange(server: PostgresServer, tmp_path: Path) -> None:
    play(server, tmp_path, 1, QUICK)


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", SEEDS)
def test_chaos(server: PostgresServer, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    play(server, tmp_path, seed, tuple(rng.sample(FAULTS, k=rng.choice((1, 2, 3)))))
