"""Killed in the middle: the broker, the relay's process. Nothing lost, nothing doubled by key."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from patrol.clock import SystemClock
from patrol.domain.ids import MessageKey
from patrol.domain.outbox import OutboxMessage
from patrol.messaging import OutboxRelay, RelayOptions
from patrol.mqtt import BrokerAddress, MqttPublisher
from patrol.store import Store, open_store
from simulators.mosquitto import Mosquitto

WAIT_S = 30.0


class Leader:
    """A third party's client: persistent session, its own reconnecting, drops repeats by key."""

    def __init__(self, port: int, name: str = "leader") -> None:
        self.keys: Counter[str] = Counter()
        self.shown: dict[str, str] = {}
        self._arrived = threading.Condition()
        self._ready = threading.Event()
        self._port, self._name = port, name

    def start(self) -> None:
        self._ready.clear()
        self.client = Client(CallbackAPIVersion.VERSION2, self._name, clean_session=False)
        self.client.reconnect_delay_set(1, 1)
        self.client.on_connect = lambda c, *_: c.subscribe("case/+", qos=1)
        self.client.on_subscribe = lambda *_: self._ready.set()
        self.client.on_message = self._on_message
        self.client.connect("127.0.0.1", self._port)
        self.client.loop_start()
        assert self._ready.wait(WAIT_S)

    def stop(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        body = json.loads(message.payload)
        with self._arrived:
            self.keys[body["key"]] += 1
            if self.keys[body["key"]] == 1:
                self.shown[message.topic] = body["word"]
            self._arrived.notify_all()

    def until(self, count: int) -> None:
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self.keys) >= count, WAIT_S), len(self.keys)


@contextmanager
def listening(port: int) -> Iterator[Leader]:
    leader = Leader(port)
    leader.start()
    try:
        yield leader
    finally:
        leader.stop()


def queue(store: Store, count: int, label: str = "first") -> None:
    with store.begin() as uow:
        for number in range(count):
            key = MessageKey(f"{label}-{number}")
            body = json.dumps({"key": key, "word": label}).encode()
            uow.outbox.add(
                OutboxMessage(
                    key=key,
                    topic=f"case/{number}",
                    payload=body,
                    queued_at=SystemClock().now(),
                    retain=True,
                )
            )
        uow.commit()


def unsent(store: Store) -> int:
    with store.begin_read() as uow:
        return uow.outbox.unsent()


@contextmanager
def relaying(store: Store, address: BrokerAddress) -> Iterator[OutboxRelay]:
    """The service's relay, on its thread."""
    stop = threading.Event()
    with MqttPublisher(address) as publisher:
        options = RelayOptions(batch=50, lease_s=2.0, publish_timeout_s=1.0, poll_s=0.3)
        relay = OutboxRelay(
            store, publisher, SystemClock(), holder=f"r{os.getpid()}", options=options
        )
        thread = threading.Thread(target=relay.run, args=(stop,), daemon=True)
        thread.start()
        try:
            yield relay
        finally:
            stop.set()
            thread.join(5.0)


@pytest.mark.slow
def test_the_broker_is_killed_in_mid_drain_and_forgets(
    mosquitto: Mosquitto, sqlite_database: str
) -> None:
    count = 1500
    address = BrokerAddress.parse(mosquitto.url)
    with open_store(sqlite_database) as store, listening(mosquitto.port) as leader:
        queue(store, count)
        with relaying(store, address) as relay:
            leader.until(count // 4)
            mosquitto.kill()
            heard_before = len(leader.keys)
            mosquitto.start()
            leader.until(count)
            assert _until(lambda: unsent(store) == 0 and relay.counters["reminded"] > 0)
        assert heard_before < count, "it was killed in the middle"
        assert set(leader.keys) == {f"first-{n}" for n in range(count)}
        newcomer = Leader(mosquitto.port, "newcomer")
        newcomer.start()
        newcomer.until(count)
        newcomer.stop()
        assert set(newcomer.shown.values()) == {"first"}


@pytest.mark.slow
def test_a_retained_word_that_the_broker_took_and_forgot_is_told_again(
    mosquitto: Mosquitto, sqlite_database: str
) -> None:
    address = BrokerAddress.parse(mosquitto.url)
    with open_store(sqlite_database) as store, listening(mosquitto.port) as leader:
        with relaying(store, address) as relay:
            queue(store, 10)
            leader.until(10)
            queue(store, 10, "second")
            relay.wake()
            leader.until(20)
            assert _until(lambda: unsent(store) == 0)
            mosquitto.kill()
            for file in mosquitto.folder.glob("mosquitto.db*"):
                file.unlink()  # its disk is gone as well
            mosquitto.start()
            newcomer = Leader(mosquitto.port, "newcomer")
            newcomer.start()
            newcomer.until(10)
            newcomer.stop()
        assert set(newcomer.shown.values()) == {"second"}, "only what stands now"
        assert max(leader.keys.values()) >= 1
        assert set(leader.shown.values()) == {"second"}


@pytest.mark.slow
def test_the_relays_process_is_killed_in_mid_drain(
    mosquitto: Mosquitto, sqlite_database: str
) -> None:
    count = 1500
    with open_store(sqlite_database) as store, listening(mosquitto.port) as leader:
        queue(store, count)
        for enough in (count // 5, count // 2):
            process = _relay_process(sqlite_database, mosquitto.url)
            leader.until(enough)
            process.send_signal(signal.SIGKILL)
            process.wait(10)
        assert unsent(store) > 0, "killed before the end"
        last = _relay_process(sqlite_database, mosquitto.url)
        assert last.wait(WAIT_S) == 0
        leader.until(count)
        assert unsent(store) == 0
        assert set(leader.keys) == {f"first-{n}" for n in range(count)}


@pytest.mark.slow
def test_a_leader_who_was_offline_finds_everything_after_a_restart_of_the_broker(
    mosquitto: Mosquitto, sqlite_database: str
) -> None:
    leader = Leader(mosquitto.port)
    leader.start()
    leader.stop()  # the telephone is off; the broker keeps its session
    with open_store(sqlite_database) as store:
        queue(store, 20)
        with relaying(store, BrokerAddress.parse(mosquitto.url)):
            assert _until(lambda: unsent(store) == 0)
    mosquitto.stop()
    mosquitto.start()
    leader.start()
    leader.until(20)
    leader.stop()
    assert len(leader.shown) == 20


def _relay_process(database: str, url: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", _RELAY, database, url])


def _until(ready: Any) -> bool:
    nap = threading.Event()
    return any(ready() or nap.wait(0.05) for _ in range(400))


_RELAY = """
import os, sys
from patrol.clock import SystemClock
from patrol.messaging import OutboxRelay, RelayOptions
from patrol.mqtt import BrokerAddress, MqttPublisher
from patrol.store import open_store
with open_store(sys.argv[1]) as store, MqttPublisher(BrokerAddress.parse(sys.argv[2])) as publisher:
    assert publisher.wait_up(10)
    options = RelayOptions(batch=40, lease_s=1.5, publish_timeout_s=1.0)
    relay = OutboxRelay(store, publisher, SystemClock(), holder=f"r{os.getpid()}", options=options)
    sys.exit(1 if relay.run_until_empty(25.0) else 0)
"""
