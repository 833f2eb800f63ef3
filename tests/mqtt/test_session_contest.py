"""Two clients with one client id: one works steadily, the other stands back and says so."""

import heapq
import itertools
import random
import socket
import threading
from dataclasses import dataclass, field
from typing import Final

import pytest

from patrol.mqtt import BrokerAddress
from patrol.mqtt.client import ReconnectingClient, reconnect_wait_s
from patrol.mqtt.connection import Connection, ConnectOptions, Protocol
from patrol.mqtt.session_contest import LONGEST_PAUSE_S, TAKEOVERS, SessionContest
from patrol.mqtt.session_watch import FREE_AFTER_S
from simulators.mosquitto import Mosquitto
from tests.support.logs import captured_logs

DAY_S: Final = 86_400.0
ID: Final = "patrol-shangba"


@dataclass
class Centre:
    """One of the centres, in a world where everything takes no time but pauses."""

    name: str
    contest: SessionContest = field(default_factory=lambda: SessionContest(ID))
    up_since_s: float | None = None
    up_s: float = 0.0
    connections: int = 0


@dataclass
class Rivalry:
    """A broker with one session, and centres that come back after their pauses."""

    tells: bool  # MQTT 5
    dice: random.Random
    now_s: float = 0.0
    owner: Centre | None = None
    _coming: list[tuple[float, int, Centre]] = field(default_factory=list)
    _number: "itertools.count[int]" = field(default_factory=itertools.count)

    def come(self, centre: Centre, after_s: float) -> None:
        heapq.heappush(self._coming, (self.now_s + after_s, next(self._number), centre))

    def run(self, until_s: float) -> None:
        while self._coming and self._coming[0][0] <= until_s:
            self.now_s, _, centre = heapq.heappop(self._coming)
            if self.owner is not None:
                self._throw_off(self.owner)
            self.owner, centre.up_since_s = centre, self.now_s
            centre.connections += 1
        self.now_s = until_s

    def _throw_off(self, centre: Centre) -> None:
        assert centre.up_since_s is not None
        life_s = self.now_s - centre.up_since_s
        centre.up_s += life_s
        centre.contest.ended(taken_over=self.tells, life_s=life_s, now_s=self.now_s)
        pause_s = centre.contest.pause_s(self.dice.uniform)
        self.come(centre, pause_s or self.dice.uniform(0.05, 0.1))


@pytest.mark.parametrize("tells", [True, False], ids=["MQTT 5", "MQTT 3.1.1"])
@pytest.mark.parametrize("seed", range(20))
def test_over_a_day_one_works_and_the_other_stands_back(seed: int, *, tells: bool) -> None:
    one, other = Centre("one"), Centre("other")
    rivalry = Rivalry(tells, random.Random(seed))
    rivalry.come(one, 0.0)
    rivalry.come(other, 3600.0)
    rivalry.run(DAY_S)
    assert rivalry.owner is not None
    rivalry.owner.up_s += DAY_S - (rivalry.owner.up_since_s or 0.0)
    worked, stood_back = sorted((one, other), key=lambda centre: -centre.up_s)
    assert one.connections + other.connections < 200, "not 770 a minute"
    assert worked.up_s > 0.95 * (DAY_S - 3600.0)
    assert "stands back" in stood_back.contest.problem(rivalry.now_s)
    if tells:
        assert "again and again" in worked.contest.problem(rivalry.now_s)


def test_when_the_rival_is_stopped_the_other_comes_back_and_health_clears() -> None:
    contest = SessionContest(ID)
    for turn in range(TAKEOVERS):
        contest.ended(taken_over=True, life_s=0.1, now_s=float(turn))
    assert contest.pause_s(max) == 60.0
    contest.ended(taken_over=False, life_s=7200.0, now_s=2 * LONGEST_PAUSE_S)
    assert contest.pause_s(max) == 0.0
    assert contest.problem(2 * LONGEST_PAUSE_S) == ""


def test_a_broker_that_restarts_again_and_again_is_no_rival() -> None:
    contest = SessionContest(ID)
    for turn in range(50):
        contest.ended(taken_over=False, life_s=1.0, now_s=float(turn))
        contest.not_reached()
        assert contest.pause_s(max) == 0.0


def test_pauses_grow_to_an_hour_and_no_further() -> None:
    contest, pauses = SessionContest(ID), []
    for turn in range(TAKEOVERS + 6):
        contest.ended(taken_over=True, life_s=0.1, now_s=float(turn))
        pauses.append(contest.pause_s(max))
    assert pauses[TAKEOVERS - 1 :] == [60.0, 240.0, 960.0, 3600.0, 3600.0, 3600.0, 3600.0]


@pytest.mark.parametrize("protocol", [Protocol.AUTO, Protocol.V311])
def test_two_clients_at_a_real_broker_come_to_rest(
    mosquitto: Mosquitto, protocol: Protocol
) -> None:
    address = BrokerAddress.parse(mosquitto.url, protocol=protocol)
    options = ConnectOptions(client_id=ID, persistent=True, filters=("a/+",))
    nap = threading.Event()
    with (
        captured_logs() as lines,
        ReconnectingClient(address, options) as one,
        ReconnectingClient(address, options) as other,
    ):
        assert any(
            one.session_problem or other.session_problem or nap.wait(0.05) for _ in range(400)
        )
        assert any(
            (one.current() is None) is not (other.current() is None) or nap.wait(0.05)
            for _ in range(100)
        )
        counted = one.connection_count + other.connection_count
        nap.wait(3.0)  # nothing moves any more: that is what is tested
        assert one.connection_count + other.connection_count <= counted + 1
    assert counted <= 40
    contested = [line for line in lines if "a second centre" in str(line.get("reason"))]
    assert 1 <= len(contested) <= 2
    assert len(lines) <= 2 * counted


def test_it_speaks_mqtt_5_again_after_the_broker_was_away(mosquitto: Mosquitto) -> None:
    """MQTT 3.1.1 acknowledges what the broker refuses: it must not be the lasting choice."""
    address = BrokerAddress.parse(mosquitto.url)
    nap = threading.Event()
    with ReconnectingClient(address, ConnectOptions(client_id="p")) as client:
        assert client.wait_up(5.0)
        for _ in range(3):
            mosquitto.kill()
            assert any(client.current() is None or nap.wait(0.02) for _ in range(200))
            nap.wait(reconnect_wait_s(3))  # some tries in vain
            mosquitto.start()
            assert client.wait_up(15.0)
            connection = client.current()
            assert connection is not None
            assert connection.is_v5


def status(state: str) -> tuple[str, bytes]:
    return "site/status", f'{{"state": "{state}", "key": "{random.random()}"}}'.encode()


def announce(connection: Connection) -> None:
    topic, payload = status("online")
    connection.client.publish(topic, payload, 1, retain=True)


@pytest.mark.parametrize("is_killed", [False, True], ids=["stopped", "killed"])
def test_who_stands_back_returns_when_the_rival_has_gone(
    mosquitto: Mosquitto, *, is_killed: bool
) -> None:
    """Within seconds and not after the pause, which is a minute at least."""
    address = BrokerAddress.parse(mosquitto.url)
    options = ConnectOptions(
        client_id=ID, persistent=True, filters=("a/+",), will=status("offline")
    )
    clients = [ReconnectingClient(address, options, on_up=announce) for _ in range(2)]
    nap = threading.Event()
    for client in clients:
        client.start()
    try:
        standing = next(
            client
            for _ in range(400)
            for client in clients
            if client._watch is not None or nap.wait(0.025)
        )
        [rival] = [client for client in clients if client is not standing]
        assert rival.wait_up(10.0)
        before = standing.connection_count
        nap.wait(FREE_AFTER_S + 2.0)  # as long as the rival is there nothing moves
        assert standing.connection_count == before
        connection = rival.current()
        assert connection is not None
        if is_killed:
            rival._stopping.set()
            connection.client.socket().shutdown(socket.SHUT_RDWR)  # no DISCONNECT: its last will
        else:
            topic, payload = status("offline")
            connection.client.publish(topic, payload, 1, retain=True).wait_for_publish(5.0)
            rival.stop()
        assert standing.wait_up(FREE_AFTER_S + 15.0)
    finally:
        for client in clients:
            client.stop()
