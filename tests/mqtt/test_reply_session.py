"""The centre's session at a real broker: an id that nobody guesses, kept, migrated, missed."""

import re
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from secrets import token_hex

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from patrol.app.reply_session import ReplySession
from patrol.mqtt import BrokerAddress
from patrol.mqtt.client import LOSS_SHOWN_S, SESSION_LOST, ReconnectingClient
from patrol.mqtt.connection import ConnectOptions, Protocol
from patrol.mqtt.embedded_broker import free_port
from patrol.mqtt.subscriber import ensure_persistent_session
from patrol.store import Store, open_store, upgrade
from simulators.mosquitto import Mosquitto
from tests.support.logs import captured_logs

WAIT_S = 10.0


@pytest.fixture
def store(sqlite_database: str) -> Iterator[Store]:
    with open_store(sqlite_database) as store:
        yield store


def publish(address: BrokerAddress, topic: str, payload: str) -> None:
    client = Client(CallbackAPIVersion.VERSION2, client_id=f"phone-{token_hex(4)}")
    if address.username:
        client.username_pw_set(address.username, address.password)
    connected = threading.Event()

    def on_connect(
        _client: object, _data: object, _flags: object, reason: ReasonCode, *_: object
    ) -> None:
        if not reason.is_failure:
            connected.set()

    client.on_connect = on_connect
    client.connect(address.host, address.port)
    client.loop_start()
    assert connected.wait(WAIT_S)
    client.publish(topic, payload, qos=1).wait_for_publish(WAIT_S)
    client.disconnect()
    client.loop_stop()


def test_the_id_is_made_once_and_cannot_be_guessed(store: Store, tmp_path: Path) -> None:
    made = ReplySession(store, "shangba").client_id()
    assert re.fullmatch(r"patrol-shangba-[0-9a-f]{16}", made)
    assert ReplySession(store, "shangba").client_id() == made
    other_database = f"sqlite:///{tmp_path}/other.db"
    upgrade(other_database)
    with open_store(other_database) as other:
        assert ReplySession(other, "shangba").client_id() != made


def test_two_processes_that_begin_at_once_get_one_id(store: Store) -> None:
    begin, made = threading.Barrier(4), []

    def make() -> None:
        begin.wait(WAIT_S)
        made.append(ReplySession(store, "shangba").client_id())

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert len(made) == 4
    assert len(set(made)) == 1


def test_no_log_line_and_no_check_shows_the_id(store: Store, mosquitto: Mosquitto) -> None:
    session, address = ReplySession(store, "shangba"), BrokerAddress.parse(mosquitto.url)
    options = ConnectOptions(
        client_id=session.client_id(), persistent=True, filters=("a/+",), name=session.name
    )
    with captured_logs() as lines, ReconnectingClient(address, options) as client:
        assert client.wait_up(WAIT_S)
        names = [thread.name for thread in threading.enumerate() if "paho" not in thread.name]
    secret = session.client_id().rpartition("-")[2]
    assert any(line.get("client") == "patrol-shangba" for line in lines)
    assert secret not in f"{lines}{names}{client.session_problem}"


@pytest.mark.parametrize("protocol", [Protocol.AUTO, Protocol.V311])
def test_what_waits_under_the_former_id_is_handled_once_and_its_session_ends(
    store: Store, mosquitto: Mosquitto, protocol: Protocol
) -> None:
    site = f"site{token_hex(4)}"
    session, address = (
        ReplySession(store, site),
        BrokerAddress.parse(mosquitto.url, protocol=protocol),
    )
    topic = f"former/{site}"
    assert ensure_persistent_session(
        address, client_id=f"patrol-{site}", filters=[topic], timeout_s=WAIT_S
    )
    for number in range(3):
        publish(address, topic, str(number))
    got: list[str] = []
    stop = threading.Event()
    session.end_former(address, lambda _topic, payload: got.append(payload.decode()), stop)
    assert got == ["0", "1", "2"]
    publish(address, topic, "behind its end")
    session.end_former(address, lambda _topic, payload: got.append(payload.decode()), stop)
    with ReconnectingClient(
        address, ConnectOptions(client_id=f"patrol-{site}", persistent=True)
    ) as client:
        assert client.wait_up(WAIT_S)
        connection = client.current()
        assert connection is not None
        assert not connection.session_present
    assert got == ["0", "1", "2"]


@pytest.mark.parametrize("protocol", [Protocol.AUTO, Protocol.V311])
def test_the_loss_of_the_session_is_noticed_and_said(
    mosquitto: Mosquitto, protocol: Protocol
) -> None:
    address = BrokerAddress.parse(mosquitto.url, protocol=protocol)
    ident = f"centre-{token_hex(4)}"

    def connected(*, had_session: bool) -> ReconnectingClient:
        client = ReconnectingClient(
            address,
            ConnectOptions(
                client_id=ident, persistent=True, filters=("a/+",), had_session=had_session
            ),
        )
        with client:
            assert client.wait_up(WAIT_S)
        return client

    assert connected(had_session=False).session_loss == ""  # the first time there is none
    assert connected(had_session=True).session_loss == ""
    with ReconnectingClient(address, ConnectOptions(client_id=ident)) as thief:
        assert thief.wait_up(WAIT_S)  # without persistence: the broker deletes the session
    with captured_logs() as lines:
        lost = connected(had_session=True)
    assert lost.session_loss == SESSION_LOST
    assert [line["reason"] for line in lines if line["event"] == "session lost"] == [SESSION_LOST]
    lost._monotonic_s = lambda: (lost._lost_at_s or 0.0) + LOSS_SHOWN_S + 1.0
    assert lost.session_loss == ""


def test_the_shipped_listener_for_telephones_binds_ids_to_accounts(tmp_path: Path) -> None:
    """The commented listener of patrol-tls.conf, without its TLS: no account takes another's id."""
    shipped = (Path(__file__).parents[2] / "config/mosquitto/patrol-tls.conf").read_text("utf-8")
    block = shipped.partition("#listener 8884\n")[2].partition("\n\n")[0]
    options = [line.lstrip("#") for line in block.splitlines()]
    elsewhere = ("cafile", "cert", "key", "tls_", "password_file", "acl_file")
    options = [line for line in options if not line.startswith(elsewhere)]
    passwords, port = tmp_path / "passwords", free_port()
    passwords.write_text("")
    for user in ("centre", "leader"):
        subprocess.run(["mosquitto_passwd", "-b", passwords, user, "word"], check=True)
    lines = [f"password_file {passwords}", f"listener {port} 127.0.0.1", *options]
    broker = Mosquitto(tmp_path, extra_config="\n".join(lines))
    broker.start()
    try:
        base = BrokerAddress.parse(broker.url)
        centre = replace(base, username="centre", password="word")
        leader = replace(base, port=port, username="leader", password="word")
        options_of_both = ConnectOptions(client_id="centre-id", persistent=True)
        with ReconnectingClient(centre, options_of_both) as first:
            assert first.wait_up(WAIT_S)
            with ReconnectingClient(leader, options_of_both) as second:
                assert second.wait_up(WAIT_S)
                publish(centre, "a", "behind the leader's connection")
                assert first.current() is not None
            assert first.connection_count == 1
    finally:
        broker.stop()
