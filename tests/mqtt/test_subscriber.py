"""The service's own connection: its session, its will, its acknowledgement after the commit."""

import json
import subprocess
import threading
from collections.abc import Callable
from secrets import token_hex
from typing import Any

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from patrol.domain.ids import MessageKey
from patrol.domain.outbox import OutboxMessage
from patrol.mqtt import BrokerAddress, MqttPublisher, ReplySubscriber
from patrol.mqtt.connection import Protocol
from patrol.mqtt.embedded_broker import EmbeddedBroker
from patrol.store import StoreUnavailable
from simulators import small_site
from simulators.mosquitto import Mosquitto

WAIT_S = 10.0
STATUS = "patrol/v1/x/centre/status"


class Handler:
    """Takes notes; may be told to fail first."""

    def __init__(self, *failures: Exception) -> None:
        self.got: list[tuple[str, bytes]] = []
        self.failures = list(failures)
        self.tries = 0
        self._arrived = threading.Condition()

    def __call__(self, topic: str, payload: bytes) -> None:
        with self._arrived:
            self.tries += 1
            self._arrived.notify_all()
            if self.failures:
                raise self.failures.pop(0)
            self.got.append((topic, payload))
            self._arrived.notify_all()

    def until(self, ready: Callable[["Handler"], bool]) -> None:
        with self._arrived:
            assert self._arrived.wait_for(lambda: ready(self), WAIT_S), (self.tries, self.got)


def service(address: BrokerAddress, handler: Any, client_id: str, **more: Any) -> ReplySubscriber:
    return ReplySubscriber(address, client_id=client_id, filters=["in/#"], handler=handler, **more)


def _publish(publisher: MqttPublisher, *topics: str) -> None:
    batch = [
        OutboxMessage(key=MessageKey(topic), topic=topic, payload=b"x", queued_at=small_site.NOON)
        for topic in topics
    ]
    assert len(publisher.publish(batch, WAIT_S).taken) == len(batch)


def leader(address: BrokerAddress) -> Client:
    """Any client that a third party may use."""
    client = Client(CallbackAPIVersion.VERSION2, client_id=f"leader-{token_hex(4)}")
    client.connect(address.host, address.port)
    client.loop_start()
    return client


def publish_as_leader(client: Client, topic: str, *payloads: bytes, retain: bool = False) -> None:
    for payload in payloads:
        client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(WAIT_S)


def test_a_reply_sent_while_the_centre_was_away_is_waiting_for_it(broker: BrokerAddress) -> None:
    client_id, first, second = f"centre-{token_hex(4)}", Handler(), Handler()
    with service(broker, first, client_id) as centre:
        assert centre.wait_up(WAIT_S), centre.problem
        with MqttPublisher(broker) as phone:
            assert phone.wait_up(WAIT_S)
            _publish(phone, "in/1")
            first.until(lambda h: len(h.got) == 1)
    with MqttPublisher(broker) as phone:
        assert phone.wait_up(WAIT_S)
        _publish(phone, "in/2", "in/3")
    with service(broker, second, client_id) as centre:
        assert centre.wait_up(WAIT_S)
        second.until(lambda h: len(h.got) == 2)
    assert [topic for topic, _ in second.got] == ["in/2", "in/3"]


def test_what_the_store_could_not_take_is_tried_again_and_only_then_acknowledged(
    broker: BrokerAddress,
) -> None:
    handler = Handler(StoreUnavailable("away"), StoreUnavailable("away"))
    with service(broker, handler, f"c-{token_hex(4)}") as centre, MqttPublisher(broker) as phone:
        assert centre.wait_up(WAIT_S)
        assert phone.wait_up(WAIT_S)
        _publish(phone, "in/1", "in/2")
        handler.until(lambda h: len(h.got) == 2)
    assert handler.tries == 4
    assert [topic for topic, _ in handler.got] == ["in/1", "in/2"], "in order, each once"


def test_stopped_before_the_commit_the_broker_brings_it_again(mosquitto: Mosquitto) -> None:
    address, client_id = BrokerAddress.parse(mosquitto.url), f"c-{token_hex(4)}"
    never = Handler(*(StoreUnavailable("away") for _ in range(999)))
    with service(address, never, client_id) as centre, MqttPublisher(address) as phone:
        assert centre.wait_up(WAIT_S)
        assert phone.wait_up(WAIT_S)
        _publish(phone, "in/1")
        never.until(lambda h: h.tries >= 1)
    heir = Handler()
    with service(address, heir, client_id):
        heir.until(lambda h: len(h.got) == 1)


def test_an_error_of_our_own_does_not_stop_the_inbox(mosquitto: Mosquitto) -> None:
    address, client_id = BrokerAddress.parse(mosquitto.url), f"c-{token_hex(4)}"
    handler = Handler(RuntimeError("a mistake of ours"))
    with service(address, handler, client_id) as centre, MqttPublisher(address) as phone:
        assert centre.wait_up(WAIT_S)
        assert phone.wait_up(WAIT_S)
        _publish(phone, "in/1", "in/2")
        handler.until(lambda h: len(h.got) == 1)
    assert [topic for topic, _ in handler.got] == ["in/2"]
    heir = Handler()
    with service(address, heir, client_id):
        heir.until(lambda h: len(h.got) == 1)
    assert [topic for topic, _ in heir.got] == ["in/1"], "unacknowledged, so it came again"


def _status(state: str) -> Callable[[], tuple[str, bytes]]:
    return lambda: (STATUS, json.dumps({"state": state}).encode())


def _watch(address: BrokerAddress) -> tuple[Client, Handler]:
    handler, ready = Handler(), threading.Event()
    client = Client(CallbackAPIVersion.VERSION2, client_id=f"watch-{token_hex(4)}")
    client.on_message = lambda _c, _u, m: handler(m.topic, bytes(m.payload))
    client.on_subscribe = lambda *_: ready.set()
    client.connect(address.host, address.port)
    client.subscribe(STATUS, qos=1)
    client.loop_start()
    assert ready.wait(WAIT_S)
    return client, handler


def test_online_offline_and_the_last_will(mosquitto: Mosquitto) -> None:
    address = BrokerAddress.parse(mosquitto.url)
    observer, seen = _watch(address)
    states = lambda h: [json.loads(payload)["state"] for _, payload in h.got]  # noqa: E731  a view
    options = {
        "will": _status("died")(),
        "online": _status("online"),
        "offline": _status("offline"),
    }
    try:
        with service(address, Handler(), "centre", **options) as centre:
            assert centre.wait_up(WAIT_S)
            seen.until(lambda h: states(h) == ["online"])
        seen.until(lambda h: states(h) == ["online", "offline"])
        cut = service(address, Handler(), "centre", **options)
        cut.start()
        assert cut.wait_up(WAIT_S)
        seen.until(lambda h: states(h)[-1] == "online")
        connection = cut._client.current()
        assert connection is not None
        sock = connection.client.socket()
        assert sock is not None
        cut._client._stopping.set()
        sock.shutdown(2)  # as a power cut does: no goodbye
        seen.until(lambda h: states(h)[-1] == "died")
        cut.stop()
    finally:
        observer.disconnect()
        observer.loop_stop()


def test_the_broker_comes_back_and_so_do_we(mosquitto: Mosquitto) -> None:
    address, handler = BrokerAddress.parse(mosquitto.url), Handler()
    with service(address, handler, "centre") as centre, MqttPublisher(address) as phone:
        assert centre.wait_up(WAIT_S)
        assert phone.wait_up(WAIT_S)
        mosquitto.kill()
        assert _until(lambda: centre._client.current() is None)
        assert _until(lambda: phone._client.current() is None)
        assert centre.problem
        mosquitto.start()
        assert centre.wait_up(WAIT_S)
        assert phone.wait_up(WAIT_S)
        _publish(phone, "in/after")
        handler.until(lambda h: len(h.got) == 1)


def _until(ready: Callable[[], bool]) -> bool:
    nap = threading.Event()
    return any(ready() or nap.wait(0.02) for _ in range(500))


def test_stopping_while_the_broker_is_away_is_quick(embedded: EmbeddedBroker) -> None:
    nobody = BrokerAddress.parse("mqtt://127.0.0.1:9")
    centre = service(nobody, Handler(), "centre")
    centre.start()
    assert not centre.wait_up(0.3)
    assert "refused" in centre.problem.lower()
    stopped = threading.Event()
    threading.Thread(target=lambda: (centre.stop(), stopped.set())).start()
    assert stopped.wait(4.0)


@pytest.mark.parametrize("protocol", [Protocol.V311, Protocol.V5])
def test_one_version_may_be_asked_for(mosquitto: Mosquitto, protocol: Protocol) -> None:
    address = BrokerAddress.parse(mosquitto.url, protocol=protocol)
    with MqttPublisher(address) as publisher:
        assert publisher.wait_up(WAIT_S), publisher.problem
        _publish(publisher, "t")


def test_passwords_come_from_a_file_and_a_wrong_one_is_said(
    mosquitto: Mosquitto, tmp_path: Any
) -> None:
    passwords = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-c", "-b", str(passwords), "centre", "s3cret"], check=True)
    mosquitto.kill()
    mosquitto.extra_config = f"password_file {passwords}\nallow_anonymous false"
    mosquitto.start()
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n", "utf-8")
    right = BrokerAddress.parse(mosquitto.url, username="centre", password_file=secret)
    assert "s3cret" not in f"{right!r} {right}"
    with MqttPublisher(right) as publisher:
        assert publisher.wait_up(WAIT_S), publisher.problem
    with MqttPublisher(BrokerAddress.parse(mosquitto.url)) as publisher:
        assert not publisher.wait_up(1.0)
        assert "uthoriz" in publisher.problem or "redentials" in publisher.problem


# paho leaves a socket whose handshake failed to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_tls_checks_the_broker_against_the_ca_file(mosquitto: Mosquitto, tmp_path: Any) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-keyout", str(key), "-out", str(certificate), "-subj", "/CN=127.0.0.1"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
    )
    mosquitto.kill()
    mosquitto.extra_config = f"certfile {certificate}\nkeyfile {key}"
    mosquitto.start()
    url = mosquitto.url.replace("mqtt://", "mqtts://")
    with MqttPublisher(BrokerAddress.parse(url, ca_file=certificate)) as publisher:
        assert publisher.wait_up(WAIT_S), publisher.problem
        _publish(publisher, "t")
    with MqttPublisher(BrokerAddress.parse(url)) as publisher:
        assert not publisher.wait_up(1.0)
        assert "certificate" in publisher.problem.lower()
