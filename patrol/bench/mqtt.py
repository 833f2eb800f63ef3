"""`patrol bench mqtt`: 10,000 queued messages drained to a subscriber, rows marked, QoS 1.

Beside it, in the same run and on the same broker: bare paho publishing the same bytes and waiting
for each PUBACK, with no store behind it. The subscriber is a process of its own in both cases; the
time runs until it has been called back for the last message.
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from patrol.bench.brokers import EMBEDDED, MOSQUITTO, available_brokers, running_broker
from patrol.bench.child_process import ReportProgress
from patrol.bench.subscriber import running_subscriber
from patrol.clock import SystemClock
from patrol.domain.ids import MessageKey
from patrol.domain.outbox import OutboxMessage
from patrol.messaging import OutboxRelay
from patrol.mqtt import BrokerAddress, MqttPublisher
from patrol.store import open_store, upgrade

COUNT: Final = 10_000
BYTES: Final = 800
MIN_PER_S: Final = {MOSQUITTO: 3000, EMBEDDED: 2000}  # a morning after an outage; a demo
WAIT_TIMEOUT_S: Final = 120.0
BARE_PAHO: Final = "paho alone: publish all, wait for each PUBACK"
FULL_PATH: Final = "patrol: leased from SQLite, published, marked"


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainRate:
    """How fast one way drained its messages on one broker."""

    broker: str
    how: str
    messages: int
    wall_s: float
    repeated: int

    @property
    def per_s(self) -> float:
        """From the first lease to the last callback."""
        return self.messages / self.wall_s

    def row(self) -> dict[str, object]:
        """Plain data for JSON and tables."""
        return {
            "broker": self.broker,
            "how": self.how,
            "messages": self.messages,
            "wall_s": round(self.wall_s, 2),
            "per_s": round(self.per_s),
            "repeated": self.repeated,
        }


def run(*, count: int = COUNT, report: ReportProgress = lambda _: None) -> dict[str, Any]:
    """Measure on every broker that can be had. Raises RuntimeError when a way fails."""
    rates: list[DrainRate] = []
    for name in available_brokers(report):
        with running_broker(name) as address:
            report(f"{name}: {BARE_PAHO}")
            rates.append(_measure(name, BARE_PAHO, address, _messages(count, "bare"), _bare))
            report(f"{name}: {FULL_PATH}")
            rates.append(_measure(name, FULL_PATH, address, _messages(count, "ours"), _ours))
    ours = [rate for rate in rates if rate.how == FULL_PATH]
    return {
        "ways": [rate.row() for rate in rates],
        "promise_per_s": MIN_PER_S,
        "within": all(rate.per_s >= MIN_PER_S[rate.broker] for rate in ours),
    }


Way = Callable[[BrokerAddress, Sequence[OutboxMessage]], float]


def _measure(
    name: str, how: str, address: BrokerAddress, messages: Sequence[OutboxMessage], way: Way
) -> DrainRate:
    pattern = messages[0].topic.rpartition("/")[0] + "/+"
    with running_subscriber(address, pattern, len(messages)) as subscriber:
        started_s = way(address, messages)
        received = subscriber.wait_for_report()
    return DrainRate(
        broker=name,
        how=how,
        messages=len(messages),
        wall_s=received.last_s - started_s,
        repeated=received.messages - len(received.at_s),
    )


def _bare(address: BrokerAddress, messages: Sequence[OutboxMessage]) -> float:
    client = Client(CallbackAPIVersion.VERSION2, client_id="bare")
    client.connect(address.host, address.port)
    client.loop_start()
    started_s = time.monotonic()
    sent = [client.publish(m.topic, m.payload, qos=1) for m in messages]
    for info in sent:
        info.wait_for_publish(WAIT_TIMEOUT_S)
    client.disconnect()
    client.loop_stop()
    return started_s


def _ours(address: BrokerAddress, messages: Sequence[OutboxMessage]) -> float:
    with tempfile.TemporaryDirectory(prefix="patrol-bench-") as folder:
        url = f"sqlite:///{Path(folder) / 'patrol.db'}"
        upgrade(url)
        with open_store(url) as store, MqttPublisher(address) as publisher:
            with store.begin() as uow:
                for message in messages:
                    uow.outbox.add(message)
                uow.commit()
            if not publisher.wait_up(10.0):
                raise RuntimeError(f"broker {address}: {publisher.problem}")
            started_s = time.monotonic()
            relay = OutboxRelay(store, publisher, SystemClock(), holder="bench")
            if left := relay.run_until_empty(WAIT_TIMEOUT_S):
                raise RuntimeError(f"{left} messages were left in the outbox")
            return started_s


def _messages(count: int, name: str) -> list[OutboxMessage]:
    now: datetime = SystemClock().now()
    return [
        OutboxMessage(
            key=MessageKey(f"{name}-{number}"),
            topic=f"patrol/v1/bench/{name}/{number}",
            payload=f"{number:06d}".encode().ljust(BYTES, b"."),
            queued_at=now,
        )
        for number in range(count)
    ]
