"""ports.Publisher, on the broker in memory and over real brokers: one suite."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from patrol.domain.ids import MessageKey
from patrol.domain.message import OutboxMessage
from patrol.mqtt import BrokerAddress, MqttPublisher
from patrol.mqtt.embedded import EmbeddedBroker
from patrol.ports import NotConnected, Publisher
from simulators.broker import MemoryBroker
from simulators.mosquitto import Mosquitto, find

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
WAIT_S = 10.0


@dataclass
class Ear:
    """Hears one topic filter and keeps what came, in order."""

    heard: list[tuple[str, bytes]] = field(default_factory=list)
    news: threading.Condition = field(default_factory=threading.Condition)

    def hear(self, topic: str, payload: bytes) -> None:
        with self.news:
            self.heard.append((topic, payload))
            self.news.notify_all()

    def until(self, count: int) -> list[tuple[str, bytes]]:
        with self.news:
            assert self.news.wait_for(lambda: len(self.heard) >= count, WAIT_S), len(self.heard)
            return list(self.heard)


@dataclass
class Door:
    """A publisher, a way to hear what it published, and a way to take its broker away."""

    publisher: Publisher
    listen: Callable[[str, Callable[[str, bytes], None]], None]
    break_it: Callable[[], None]


def in_memory(_tmp: Path, _stack: ExitStack) -> Door:
    broker = MemoryBroker()
    return Door(broker, broker.subscribe, lambda: setattr(broker, "is_up", False))


def on_mosquitto(tmp: Path, stack: ExitStack) -> Door:
    if find() is None:
        words = "mosquitto is not installed (Debian: mosquitto)"
        pytest.fail(words) if os.environ.get("CI") == "true" else pytest.skip(words)
    server = Mosquitto(tmp)
    server.start()
    stack.callback(server.kill)
    return over_mqtt(BrokerAddress.parse(server.url), server.kill, stack)


def on_embedded(_tmp: Path, stack: ExitStack) -> Door:
    server = stack.enter_context(EmbeddedBroker())
    return over_mqtt(server.address, server.stop, stack)


def over_mqtt(address: BrokerAddress, kill: Callable[[], None], stack: ExitStack) -> Door:
    publisher = stack.enter_context(MqttPublisher(address))
    assert publisher.wait_up(WAIT_S), publisher.problem

    def listen(pattern: str, hear: Callable[[str, bytes], None]) -> None:
        ready = threading.Event()
        client = Client(CallbackAPIVersion.VERSION2, client_id=f"ear-{token_hex(4)}")
        client.on_message = lambda _c, _u, m: hear(m.topic, bytes(m.payload))
        client.on_subscribe = lambda *_: ready.set()
        client.connect(address.host, address.port)
        client.subscribe(pattern, qos=1)
        client.loop_start()
        stack.callback(client.loop_stop)
        stack.callback(client.disconnect)
        assert ready.wait(WAIT_S)

    return Door(publisher, listen, kill)


@pytest.fixture(params=[in_memory, on_mosquitto, on_embedded], ids=lambda f: f.__name__)
def door(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Door]:
    with ExitStack() as stack:
        make: Callable[[Path, ExitStack], Door] = request.param
        yield make(tmp_path, stack)


def messages(count: int, *, retain: bool = False, prefix: str = "t") -> list[OutboxMessage]:
    return [
        OutboxMessage(
            key=MessageKey(f"k{number}"),
            topic=f"{prefix}/{number}",
            payload=f"线索 {number}".encode(),
            queued_at=NOW,
            retain=retain,
        )
        for number in range(count)
    ]


def test_what_the_broker_took_is_said_by_key_and_arrives_in_order(door: Door) -> None:
    ear = Ear()
    door.listen("t/+", ear.hear)
    batch = messages(250)
    taken: Sequence[MessageKey] = door.publisher.publish(batch, WAIT_S)
    assert list(taken) == [message.key for message in batch]
    assert ear.until(250) == [(m.topic, m.payload) for m in batch]


def test_nothing_to_send_is_nothing_taken(door: Door) -> None:
    assert list(door.publisher.publish([], WAIT_S)) == []


def test_retained_messages_wait_for_whoever_comes_later_and_empty_ones_clear(door: Door) -> None:
    kept = messages(2, retain=True, prefix="r")
    door.publisher.publish(kept, WAIT_S)
    cleared = OutboxMessage(
        key=MessageKey("clear"), topic="r/0", payload=b"", queued_at=NOW, retain=True
    )
    door.publisher.publish([cleared], WAIT_S)
    ear = Ear()
    door.listen("r/+", ear.hear)
    door.publisher.publish(messages(1, prefix="r/after"), WAIT_S)  # not for this filter
    assert ear.until(1) == [("r/1", kept[1].payload)]


def test_what_is_not_retained_is_gone(door: Door) -> None:
    door.publisher.publish(messages(1, prefix="n"), WAIT_S)
    ear = Ear()
    door.listen("n/+", ear.hear)
    door.publisher.publish(messages(2, prefix="n")[1:], WAIT_S)
    assert [topic for topic, _ in ear.until(1)] == ["n/1"]


def test_without_a_broker_it_says_so_and_why(door: Door) -> None:
    door.break_it()

    def publish_until_it_is_noticed() -> None:
        nap = threading.Event()
        for _ in range(100):  # a connection's death is noticed by its own thread
            assert list(door.publisher.publish(messages(1), 0.2)) == [], "nobody took it"
            nap.wait(0.05)

    with pytest.raises(NotConnected, match=r"."):
        publish_until_it_is_noticed()
