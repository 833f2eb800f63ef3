"""Real brokers that refuse a message: the others pass at once, the refused one is named."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from patrol.clock import SystemClock
from patrol.domain.ids import MessageKey
from patrol.domain.outbox import OutboxMessage
from patrol.messaging.outbox_relay import OutboxRelay, RelayOptions
from patrol.mqtt import BrokerAddress, MqttPublisher
from patrol.mqtt.connection import Protocol
from patrol.mqtt.embedded_broker import LARGEST_BYTES, EmbeddedBroker
from patrol.mqtt.mosquitto_files import CENTRE, password_line
from patrol.store import Store
from simulators.mosquitto import Mosquitto
from tests.support.store import new_store

WITHIN_S = 60.0
LIMIT_BYTES = 4096
FINE = tuple(range(30))
BAD = 13
BrokerMaker = Callable[[Mosquitto, Path], BrokerAddress]


def with_config(
    server: Mosquitto, config: str, protocol: Protocol = Protocol.AUTO
) -> BrokerAddress:
    server.kill()
    server.extra_config = config
    server.start()
    return BrokerAddress.parse(server.url, protocol=protocol)


def with_size_limit(server: Mosquitto, _folder: Path) -> BrokerAddress:
    """The broker has a limit that it does not announce."""
    return with_config(server, f"message_size_limit {LIMIT_BYTES}")


def with_packet_limit(server: Mosquitto, _folder: Path) -> BrokerAddress:
    """CONNACK says Maximum Packet Size."""
    return with_config(server, f"max_packet_size {LIMIT_BYTES}")


def with_packet_limit_unsaid(server: Mosquitto, _folder: Path) -> BrokerAddress:
    """MQTT 3.1.1 has no way to say it: the connection ends at the message."""
    return with_config(server, f"max_packet_size {LIMIT_BYTES}", Protocol.V311)


def with_acl(server: Mosquitto, folder: Path) -> BrokerAddress:
    """PUBACK 0x87 under MQTT 5."""
    (folder / "passwd").write_text(password_line(CENTRE, "secret", b"0" * 12) + "\n", "utf-8")
    lines = [f"topic readwrite fine/{n}" for n in FINE]
    (folder / "acl").write_text("\n".join([f"user {CENTRE}", *lines]) + "\n", "utf-8")
    for name in ("passwd", "acl"):
        (folder / name).chmod(0o600)
    address = with_config(
        server,
        f"allow_anonymous false\npassword_file {folder}/passwd\nacl_file {folder}/acl",
    )
    return BrokerAddress(host=address.host, port=address.port, username=CENTRE, password="secret")


@pytest.fixture
def embedded_v5() -> Iterator[BrokerAddress]:
    with EmbeddedBroker() as broker:
        yield BrokerAddress.parse(f"mqtt://127.0.0.1:{broker.port_v5}", protocol=Protocol.V5)


@pytest.fixture
def embedded_v311() -> Iterator[BrokerAddress]:
    with EmbeddedBroker() as broker:
        yield broker.address


def messages(start: int = 0) -> list[OutboxMessage]:
    now = SystemClock().now()
    return [
        OutboxMessage(
            key=MessageKey(f"k{start + n}"),
            topic="bad/1" if n == BAD else f"fine/{n}",
            payload=b"x" * (2 * LARGEST_BYTES if n == BAD else 100),
            queued_at=now,
            retain=True,
        )
        for n in FINE
    ]


def queue(store: Store, queued: list[OutboxMessage]) -> None:
    with store.begin() as uow:
        for message in queued:
            uow.outbox.add(message)
        uow.commit()


def run_relay(store: Store, address: BrokerAddress, until: Callable[[], bool]) -> OutboxRelay:
    """Run a relay as the service does, until that holds."""
    stop, nap = threading.Event(), threading.Event()
    with ExitStack() as stack:
        publisher = stack.enter_context(MqttPublisher(address))
        relay = OutboxRelay(
            store, publisher, SystemClock(), holder="r",
            options=RelayOptions(poll_s=0.2, publish_timeout_s=2.0),
        )  # fmt: skip
        thread = threading.Thread(target=relay.run, args=(stop,))
        thread.start()
        stack.callback(thread.join, 10.0)
        stack.callback(stop.set)
        assert any(until() or nap.wait(0.1) for _ in range(int(WITHIN_S / 0.1)))
    return relay


def published(store: Store) -> set[str]:
    with store.begin_read() as uow:
        found = [uow.outbox.find(MessageKey(f"k{n}")) for n in FINE]
    return {m.key for m in found if m is not None and m.published_at is not None}


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (with_size_limit, "the broker"),  # Mosquitto 2.0: hangs up; 2.1: 0x95
        (with_packet_limit, f"takes {LIMIT_BYTES} at most"),
        (with_packet_limit_unsaid, "ends the connection at it"),
        (with_acl, "0x87"),
    ],
)
def test_mosquitto_refuses_one_of_thirty(
    mosquitto: Mosquitto, tmp_path: Path, make: BrokerMaker, reason: str
) -> None:
    check_one_of_thirty(make(mosquitto, tmp_path), reason)


@pytest.mark.parametrize("version", ["embedded_v311", "embedded_v5"])
def test_the_embedded_broker_hangs_up_at_one_of_thirty(
    request: pytest.FixtureRequest, version: str
) -> None:
    check_one_of_thirty(request.getfixturevalue(version), "ends the connection at it")


def check_one_of_thirty(address: BrokerAddress, reason: str) -> None:
    store = new_store()
    queue(store, messages())
    expected = {f"k{n}" for n in FINE if n != BAD}

    def others_are_out_and_it_is_named() -> bool:
        with store.begin_read() as uow:
            bad = uow.outbox.find(MessageKey(f"k{BAD}"))
        return published(store) == expected and bad is not None and reason in bad.problem

    relay = run_relay(store, address, others_are_out_and_it_is_named)
    assert relay.counters["published"] == len(expected), "each of the others once"


def test_after_a_restart_the_retained_cases_are_there_again(mosquitto: Mosquitto) -> None:
    """The broker was killed, forgot everything, and now has a limit that one message exceeds."""
    store = new_store()
    queue(store, messages())
    run_relay(store, BrokerAddress.parse(mosquitto.url), lambda: len(published(store)) == len(FINE))
    mosquitto.kill()
    (mosquitto.folder / "mosquitto.db").unlink(missing_ok=True)
    address = with_packet_limit_unsaid(mosquitto, mosquitto.folder)
    stop, nap = threading.Event(), threading.Event()
    with MqttPublisher(address) as publisher:
        relay = OutboxRelay(store, publisher, SystemClock(), holder="r")
        thread = threading.Thread(target=relay.run, args=(stop,))
        thread.start()
        try:
            assert any(
                relay.counters["reminded"] >= len(FINE) - 1 or nap.wait(0.1) for _ in range(200)
            )
        finally:
            stop.set()
            thread.join(10.0)
    assert f"k{BAD} on bad/1" in relay.republish_problem
