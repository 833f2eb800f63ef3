"""Seeded chaos over a cluster of processes: whatever dies, freezes or is cut, the books are equal.

Each seed chooses its faults and their moments and can be repeated. Heartbeats and time limits run
at a fifth of their length (tests/support/cluster.py, HURRIED). Cameras sleep; database, queue,
executor, recorder, relay, inbox and the MQTT broker are the real ones: cases go out to leaders, who
answer twice, late and out of order. Every (round, camera) is recorded once, no reference is lost,
no message and no reply is lost or has effect twice. Printed: the time from the last fault to the
round's end, and how long a site was without a leader.
"""

import json
import os
import random
import resource
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from paho.mqtt.client import MQTTMessage
from sqlalchemy.engine import make_url
from typing_extensions import override

from patrol.clock import SystemClock
from patrol.domain.round import RoundState
from patrol.store import StoreUnavailable, open_store
from patrol.store.cluster import ResultOutcome
from simulators.mosquitto import Mosquitto, find_mosquitto
from tests.conftest import missing_part
from tests.long.chaos.audit import find_problems
from tests.long.chaos.people import ChaosLeaders
from tests.support.cluster import (
    LEADING,
    ClusterPlace,
    logged_at_s,
    prepare_database,
    prepare_place,
    round_problems,
    start_part,
)
from tests.support.cluster_messages import SITE, shows_a_vehicle
from tests.support.loopback_only import NO_NAMESPACE
from tests.support.postgres import PostgresServer, find_postgres, running_postgres
from tests.support.tcp_proxy import TcpProxy

ROOT = Path(__file__).parents[2]
CAMERAS, LINKS = 48, 6
SEEDS = range(100)
FREEZE_S = 8.0  # longer than a hurried worker may be silent
CUT_S = 4.0
WITHIN_S = 120.0
TAKEN_OVER_WITHIN_S = 30.0
ALL_REPLIES = 100_000
QUIET_LOOKS = 2  # in a row that found nothing wrong
UNLIMITED = resource.RLIM_INFINITY


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A server of this module's own: it is restarted."""
    if find_postgres() is None:
        missing_part("PostgreSQL is not installed (Debian: postgresql)")
    if find_mosquitto() is None:
        missing_part("Mosquitto is not installed (Debian: mosquitto)")
    with running_postgres() as one:
        yield one


class ClusterLeaders(ChaosLeaders):
    """Leaders who also notice when the same is said to them under two keys."""

    def __init__(self, port: int, seed: int) -> None:
        self._key_of: dict[tuple[str, str], str] = {}
        super().__init__(port, SITE, seed, Counter())

    @override
    def _on_message(self, message: MQTTMessage) -> None:
        super()._on_message(message)
        if "/case/" in message.topic and message.payload:
            case = json.loads(message.payload)
            key, _sent_at = case.pop("key"), case.pop("at")
            said = message.topic, json.dumps(case, sort_keys=True)
            if self._key_of.setdefault(said, key) != key:
                self.conflicting_messages.append(f"{message.topic}: the same under two keys, {key}")


@dataclass
class Cluster:
    """Two services, three workers, each a process; workers reach the database through a proxy."""

    place: ClusterPlace
    server: PostgresServer
    proxy: TcpProxy
    broker: Mosquitto
    leaders: ChaosLeaders
    logs: Path
    children: dict[str, BaseProcess] = field(default_factory=dict)
    leaderless_since_s: list[float] = field(default_factory=list)  # monotonic
    ended_by_themselves: int = 0

    def start_service(self, name: str) -> None:
        log = self.logs / f"{name}.log"
        more = {"within_s": WITHIN_S, "broker_port": self.broker.port}
        self.children[name] = start_part("service", self.place, log, **more)

    def start_worker(self, name: str, first: int, **more: object) -> None:
        """Each link has two workers that reach it."""
        links = [str(one) for one in self.place.link_names]
        mine = [links[(first + step) % len(links)] for step in range(len(links) * 2 // 3)]
        url = make_url(self.place.worker_database).set(port=self.proxy.port)
        there = replace(self.place, worker_database=url.render_as_string(hide_password=False))
        self.children[name] = start_part(
            "worker", there, self.logs / f"{name}.log", links=mine, name=name, slots=4, at_once=2,
            **more,
        )  # fmt: skip

    def keep_alive(self) -> None:
        """Start again what ended, as systemd does."""
        for name, child in list(self.children.items()):
            if not child.is_alive():
                self.ended_by_themselves += child.exitcode != -signal.SIGKILL
                if name.startswith("service"):
                    self.start_service(name)
                else:
                    self.start_worker(name, int(name[-1]) * 2)

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal, unless the process has ended by itself."""
        child = self.children[name]
        if child.is_alive() and child.pid is not None:
            os.kill(child.pid, number)

    def some_worker(self, rng: random.Random) -> str:
        return f"worker{rng.randrange(3)}"

    def leader(self) -> str:
        """The service that leads: it said so last."""
        return max(("service0", "service1"), key=lambda name: max(self.led_at(name), default=0.0))

    def led_at(self, name: str) -> list[float]:
        """When it began to lead, monotonic seconds."""
        return logged_at_s(self.logs / f"{name}.log", LEADING)

    def leaderless_s(self) -> list[float]:
        """For each leader that was taken away: seconds until the next led."""
        led = sorted(at for name in ("service0", "service1") for at in self.led_at(name))
        return [
            next((at - since for at in led if at > since), float("inf"))
            for since in self.leaderless_since_s
        ]

    def finished(self) -> bool:
        try:
            with open_store(self.place.database) as store, store.begin_read() as uow:
                rounds = uow.rounds.of_plan("morning", limit=2)
        except StoreUnavailable:
            return False
        return bool(rounds) and rounds[0].state is RoundState.FINISHED

    def end(self) -> None:
        for name, child in self.children.items():
            self.signal(name, signal.SIGCONT)
            child.kill()
            child.join(10)


def kill_worker(cluster: Cluster, rng: random.Random) -> None:
    cluster.children[cluster.some_worker(rng)].kill()


def freeze_worker(cluster: Cluster, rng: random.Random) -> None:
    _freeze(cluster, cluster.some_worker(rng))


def kill_leader(cluster: Cluster, _rng: random.Random) -> None:
    cluster.leaderless_since_s.append(SystemClock().monotonic_s())
    cluster.children[cluster.leader()].kill()


def freeze_leader(cluster: Cluster, _rng: random.Random) -> None:
    cluster.leaderless_since_s.append(SystemClock().monotonic_s())
    _freeze(cluster, cluster.leader())


def _freeze(cluster: Cluster, name: str) -> None:
    cluster.signal(name, signal.SIGSTOP)
    SystemClock().sleep(FREEZE_S)
    cluster.signal(name, signal.SIGCONT)


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


def fill_disk(cluster: Cluster, rng: random.Random) -> None:
    """A full disk for one worker: neither its log nor a directory of pictures takes a byte."""
    child = cluster.children[cluster.some_worker(rng)]
    if child.pid is None or not child.is_alive():
        return
    resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (0, UNLIMITED))
    SystemClock().sleep(CUT_S)
    if child.is_alive():
        resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (UNLIMITED, UNLIMITED))


Fault = Callable[[Cluster, random.Random], None]
FAULTS: tuple[Fault, ...] = (
    kill_worker, freeze_worker, kill_leader, freeze_leader, restart_database, cut_database,
    cut_exchange, fill_disk,
)  # fmt: skip
QUICK: tuple[Fault, ...] = (kill_leader, cut_exchange)


def play(server: PostgresServer, folder: Path, seed: int, faults: tuple[Fault, ...]) -> None:
    rng, clock = random.Random(seed), SystemClock()
    url = server.url_of(server.new_database())
    with running_cluster(server, url, folder, seed, rng) as cluster:
        wait_until(lambda: is_under_way(cluster), cluster)  # faults come in mid-round
        for fault in faults:
            clock.sleep(rng.uniform(0.1, 1.5))
            fault(cluster, rng)
            cluster.keep_alive()
        since_s = clock.monotonic_s()
        wait_until(cluster.finished, cluster)
        round_s = clock.monotonic_s() - since_s
        wait_until(quiet_messages(cluster), cluster)
        quiet_s = clock.monotonic_s() - since_s
        report(seed, faults, cluster, f"round {round_s:.1f} s, messages {quiet_s:.1f} s")
        assert all(one < TAKEN_OVER_WITHIN_S for one in cluster.leaderless_s()), logs_of(folder)
    with open_store(url) as store:
        with store.begin_read() as uow:
            (a_round,) = uow.rounds.of_plan("morning", limit=5)
            counts = uow.cluster.counts()
        assert round_problems(cluster.place, store, [a_round.id]) == [], logs_of(folder)
        assert counts[ResultOutcome.RECORDED] == CAMERAS
    server.drop(make_url(url).database or "")


@contextmanager
def running_cluster(
    server: PostgresServer, url: str, folder: Path, seed: int, rng: random.Random
) -> Iterator[Cluster]:
    """Everything up, the round about to begin; one worker may be a version behind, one's clock off.

    That clock is wrong by so many seconds and steps by twice as much after two.
    """
    prepare_database(url)
    place = prepare_place(
        url, folder, cameras=CAMERAS, links=LINKS, delay_s=0.8, hurried=True, key_every=8
    )
    with ExitStack() as stack:
        proxy = TcpProxy(target=int(make_url(url).port or 0))
        proxy.start()
        stack.callback(proxy.stop)
        (folder / "broker").mkdir()
        broker = Mosquitto(folder / "broker")
        broker.start()
        stack.callback(broker.kill)
        leaders = ClusterLeaders(broker.port, seed)
        stack.callback(leaders.disconnect)
        cluster = Cluster(place, server, proxy, broker, leaders, folder)
        stack.callback(cluster.end)
        cluster.start_service("service0")
        cluster.start_service("service1")
        cluster.start_worker("worker0", 0, is_old=rng.random() < 0.3)
        cluster.start_worker("worker1", 2, skew_s=rng.choice((0.0, 90.0, -3600.0)))
        cluster.start_worker("worker2", 4)
        yield cluster


def is_under_way(cluster: Cluster) -> bool:
    with open_store(cluster.place.database) as store, store.begin_read() as uow:
        return bool(uow.cluster.counts())


def quiet_messages(cluster: Cluster) -> Callable[[], bool]:
    """Whether leaders said all they had to, and everything is where it belongs, twice in a row."""
    looks = 0
    wanted = sum(map(shows_a_vehicle, cluster.place.town))

    def is_quiet() -> bool:
        nonlocal looks
        cluster.leaders.send_replies(ALL_REPLIES, late=looks > 0 or cluster.finished())
        with open_store(cluster.place.database) as store:
            problems = find_problems(store, cluster.leaders, wanted)
        (cluster.logs / "problems.log").write_text("\n".join(problems))
        looks = 0 if problems else looks + 1
        return looks >= QUIET_LOOKS and bool(cluster.leaders.topic_by_token)

    return is_quiet


def wait_until(is_so: Callable[[], bool], cluster: Cluster) -> None:
    """Wait, keeping the processes alive and the leaders answering."""
    clock = SystemClock()
    until_s = clock.monotonic_s() + WITHIN_S
    while not is_so():
        assert clock.monotonic_s() < until_s, logs_of(cluster.logs)
        cluster.keep_alive()
        cluster.leaders.send_replies(4)
        clock.sleep(0.2)


def report(seed: int, faults: tuple[Fault, ...], cluster: Cluster, times: str) -> None:
    names = " ".join(getattr(fault, "__name__", "") for fault in faults)
    leaderless = ", ".join(f"{one:.1f} s" for one in cluster.leaderless_s()) or "never"
    with open_store(cluster.place.database) as store, store.begin_read() as uow:
        counts = {str(outcome): count for outcome, count in uow.cluster.counts().items()}
    sys.stdout.write(
        f"seed {seed}: {names}: after it {times}; without a leader {leaderless}; ended by"
        f" themselves {cluster.ended_by_themselves}; replies"
        f" {cluster.leaders.counts['replies sent']}; {counts}\n"
    )


def logs_of(folder: Path) -> str:
    return "\n".join(f"{log.name}: {log.read_text()[-2000:]}" for log in folder.glob("*.log"))


def loopback_only(*tests: str) -> None:
    """Run tests where loopback is the only network; nothing may listen or dial elsewhere."""
    options = ("-q", "-m", "soak", "-p", "no:cacheprovider", "-p", "no:randomly")
    command = [sys.executable, "-m", "pytest", *options, *tests]
    watching = [sys.executable, "-m", "tests.support.loopback_only", *command]
    done = subprocess.run(watching, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == NO_NAMESPACE:  # a container without rights: the chaos itself counts
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_killed_leader_and_a_cut_exchange_on_loopback_alone() -> None:
    loopback_only(f"{Path(__file__)}::test_quick_chaos")


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_the_whole_program_on_loopback_alone() -> None:
    loopback_only(str(ROOT / "tests/e2e/test_cluster.py"))


@pytest.mark.soak  # in the slow part by way of the test above
@pytest.mark.timeout(400)
def test_quick_chaos(server: PostgresServer, tmp_path: Path) -> None:
    play(server, tmp_path, 1, QUICK)


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", SEEDS)
def test_chaos(server: PostgresServer, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    play(server, tmp_path, seed, tuple(rng.sample(FAULTS, k=rng.choice((1, 2, 3)))))
