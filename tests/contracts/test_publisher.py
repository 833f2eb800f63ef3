"""ports.Publisher, on the broker in memory and over real brokers: one suite."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from patrol.domain.ids import MessageKey
from patrol.domain.outbox import OutboxMessage, RefusalKind
from patrol.mqtt import BrokerAddress, MqttPublisher
from patrol.mqtt.embedded_broker import EmbeddedBroker
from patrol.ports import NotConnected, Publisher
from simulators.mosquitto import Mosquitto, find_mosquitto
from tests.support.memory_broker import MemoryBroker

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
WAIT_S = 10.0


@dataclass
class RecordingSubscriber:
    """Hears one topic filter and keeps what came, in order."""

    received: list[tuple[str, bytes]] = field(default_factory=list)
    arrived: threading.Condition = field(default_factory=threading.Condition)

    def receive(self, topic: str, payload: bytes) -> None:
        with self.arrived:
            self.received.append((topic, payload))
            self.arrived.notify_all()

    def until(self, count: int) -> list[tuple[str, bytes]]:
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.received) >= count, WAIT_S), len(
                self.received
            )
            return list(self.received)


@dataclass
class PublisherUnderTest:
    """A publisher, a way to hear what it published, and a way to take its broker away."""

    publisher: Publisher
    listen: Callable[[str, Callable[[str, bytes], None]], None]
    break_it: Callable[[], None]


def in_memory(_tmp: Path, _stack: ExitStack) -> PublisherUnderTest:
    broker = MemoryBroker()
    return PublisherUnderTest(broker, broker.subscribe, lambda: setattr(broker, "is_up", False))


def on_mosquitto(tmp: Path, stack: ExitStack) -> PublisherUnderTest:
    if find_mosquitto() is None:
        problem = "mosquitto is not installed (Debian: mosquitto)"
        pytest.fail(problem) if os.environ.get("CI") == "true" else pytest.skip(problem)
    server = Mosquitto(tmp)
    server.start()
    stack.callback(server.kill)
    return over_mqtt(BrokerAddress.parse(server.url), server.kill, stack)


def on_embedded(_tmp: Path, stack: ExitStack) -> PublisherUnderTest:
    server = stack.enter_context(EmbeddedBroker())
    return over_mqtt(server.address, server.stop, stack)


def over_mqtt(
    address: BrokerAddress, kill: Callable[[], None], stack: ExitStack
) -> PublisherUnderTest:
    publisher = stack.enter_context(MqttPublisher(address))
    assert publisher.wait_up(WAIT_S), publisher.problem

    def listen(pattern: str, receive: Callable[[str, bytes], None]) -> None:
        ready = threading.Event()
        client = Client(CallbackAPIVersion.VERSION2, client_id=f"ear-{token_hex(4)}")
        client.on_message = lambda _c, _u, m: receive(m.topic, bytes(m.payload))
        client.on_subscribe = lambda *_: ready.set()
        client.connect(address.host, address.port)
        client.subscribe(pattern, qos=1)
        client.loop_start()
        stack.callback(client.loop_stop)
        stack.callback(client.disconnect)
        assert ready.wait(WAIT_S)

    return PublisherUnderTest(publisher, listen, kill)


@pytest.fixture(params=[in_memory, on_mosquitto, on_embedded], ids=lambda f: f.__name__)
def publisher_under_test(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[PublisherUnderTest]:
    with ExitStack() as stack:
        make: Callable[[Path, ExitStack], PublisherUnderTest] = request.param
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


def test_what_the_broker_took_is_said_by_key_and_arrives_in_order(
    publisher_under_test: PublisherUnderTest,
) -> None:
    subscriber = RecordingSubscriber()
    publisher_under_test.listen("t/+", subscriber.receive)
    batch = messages(250)
    published = publisher_under_test.publisher.publish(batch, WAIT_S)
    assert list(published.taken) == [message.key for message in batch]
    assert (published.refused, list(published.unanswered), published.ended) == ({}, [], "")
    assert subscriber.until(250) == [(m.topic, m.payload) for m in batch]


def test_nothing_to_send_is_nothing_taken(publisher_under_test: PublisherUnderTest) -> None:
    assert publisher_under_test.publisher.publish([], WAIT_S).taken == []


def test_retained_messages_wait_for_whoever_comes_later_and_empty_ones_clear(
    publisher_under_test: PublisherUnderTest,
) -> None:
    kept = messages(2, retain=True, prefix="r")
    publisher_under_test.publisher.publish(kept, WAIT_S)
    cleared = OutboxMessage(
        key=MessageKey("clear"), topic="r/0", payload=b"", queued_at=NOW, retain=True
    )
    publisher_under_test.publisher.publish([cleared], WAIT_S)
    subscriber = RecordingSubscriber()
    publisher_under_test.listen("r/+", subscriber.receive)
    publisher_under_test.publisher.publish(
        messages(1, prefix="r/after"), WAIT_S
    )  # not for this filter
    assert subscriber.until(1) == [("r/1", kept[1].payload)]


def test_what_is_not_retained_is_gone(publisher_under_test: PublisherUnderTest) -> None:
    publisher_under_test.publisher.publish(messages(1, prefix="n"), WAIT_S)
    subscriber = RecordingSubscriber()
    publisher_under_test.listen("n/+", subscriber.receive)
    publisher_under_test.publisher.publish(messages(2, prefix="n")[1:], WAIT_S)
    assert [topic for topic, _ in subscriber.until(1)] == ["n/1"]


def test_without_a_broker_it_says_so_and_why(publisher_under_test: PublisherUnderTest) -> None:
    publisher_under_test.break_it()

    def publish_until_it_is_noticed() -> None:
        nap = threading.Event()
        for _ in range(100):  # a connection's death is noticed by its own thread
            taken = publisher_under_test.publisher.publish(messages(1), 0.2).taken
            assert list(taken) == [], "nobody took it"
            nap.wait(0.05)

    with pytest.raises(NotConnected, match=r"."):
        publish_until_it_is_noticed()


@pytest.mark.parametrize("topic", ["", "t/+", "t/#", "t/\0", "t/\ud800", "t/" + "x" * 70_000])
def test_a_topic_that_no_broker_takes_is_refused_and_holds_nothing(
    publisher_under_test: PublisherUnderTest, topic: str
) -> None:
    subscriber = RecordingSubscriber()
    publisher_under_test.listen("t/+", subscriber.receive)
    first, bad, last = messages(3)
    published = publisher_under_test.publisher.publish(
        [first, replace(bad, topic=topic), last], WAIT_S
    )
    assert list(published.taken) == [first.key, last.key]
    assert [(key, why.kind) for key, why in published.refused.items()] == [
        (bad.key, RefusalKind.IMPOSSIBLE)
    ]
    assert [name for name, _ in subscriber.until(2)] == [first.topic, last.topic]
