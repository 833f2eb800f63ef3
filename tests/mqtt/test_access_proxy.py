"""One matrix of rights against a real Mosquitto with the generated files and the embedded broker.

What each account may write, and what reaches it.
"""

import inspect
import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from patrol.domain.registry import Registry
from patrol.messaging import topics as all_topics
from patrol.mqtt.embedded_broker import EmbeddedBroker
from patrol.mqtt.mosquitto_files import MqttAccount, handed_out_accounts, write_mosquitto_files
from patrol.mqtt.packets import (
    MalformedPacket,
    Packet,
    PacketKind,
    parse_connect,
    parse_publish,
    topic_matches,
)
from simulators import small_site
from simulators.mosquitto import Mosquitto

SITE = "shangba"
P = f"patrol/v1/{SITE}"
WAIT_S = 10.0
KINDS = ("centre", "canary", "u-leader", "u-cadre", "u-duty", "u-fixer", "u-party")
V5, V311 = MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311


@pytest.fixture(scope="module")
def registry() -> Registry:
    plain = small_site.registry()
    people = {key: replace(who, mqtt_user=f"u-{key}") for key, who in plain.people.items()}
    return replace(plain, people=people)


@dataclass(frozen=True)
class GuardedBroker:
    """A broker with accounts, and the port for each version of MQTT."""

    ports: dict[MQTTProtocolVersion, int]
    accounts: dict[str, MqttAccount]


@pytest.fixture(scope="module", params=["mosquitto", "embedded"])
def guarded(
    request: pytest.FixtureRequest, registry: Registry, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GuardedBroker]:
    folder: Path = tmp_path_factory.mktemp("accounts")
    write_mosquitto_files(folder, SITE, registry)
    accounts = handed_out_accounts(folder, SITE, registry)
    by_user = {account.user: account for account in accounts if account.user in KINDS}
    with ExitStack() as stack:
        if request.param == "embedded":
            inside = stack.enter_context(EmbeddedBroker(accounts=accounts))
            yield GuardedBroker({V311: inside.port, V5: inside.port_v5}, by_user)
        else:
            server = Mosquitto(
                tmp_path_factory.mktemp("mosquitto"),
                extra_config=f"allow_anonymous false\npassword_file {folder}/patrol.passwd\n"
                f"acl_file {folder}/patrol.acl",
            )
            server.start()
            stack.callback(server.kill)
            yield GuardedBroker({V311: server.port, V5: server.port}, by_user)


VALUES: dict[str, list[str]] = {  # of every parameter that a topic of ours has
    "site": [SITE],
    "grid": [small_site.GROUP, small_site.OTHER_GROUP, small_site.VILLAGE, small_site.TOWN],
    "case": ["C1"],
    "camera": [small_site.CAMERA],
    "link": ["v203"],
    "plan": ["morning"],
    "person": ["", "leader", "fixer"],  # "": the grid's common topic
    "recipient": ["fire-brigade"],
    "ident": ["H1"],
    "speaker": ["square"],
    "patrol": ["20261122-village"],
}
# Each topic costs Mosquitto a connection of every account: own topics in two grids are enough.
GRIDS_WITH_PERSONS = {small_site.GROUP, small_site.OTHER_GROUP}
# Parts, and filters.
NOT_TOPICS = {
    "prefix",
    "inbox_filters",
    "case_filter",
    "recipient_rights",
    "team_filter",
    "walker_rights",
}


def topic_makers() -> dict[str, Callable[..., Any]]:
    """Everything public of messaging/topics.py that makes topics: a new kind is in the matrix."""
    return {
        name: maker
        for name, maker in vars(all_topics).items()
        if getattr(maker, "__module__", "") == all_topics.__name__
        and callable(maker)
        and not name.startswith("_")
        and name not in NOT_TOPICS
    }


def topics() -> list[str]:
    """Every kind of topic, in every grid, and two that are none of ours."""
    found = ["patrol/v1/elsewhere/centre/status", "other"]
    for maker in topic_makers().values():
        names = list(inspect.signature(maker).parameters)
        for values in itertools.product(*(VALUES[name] for name in names)):
            given = dict(zip(names, values, strict=True))
            of_grid = "grid" in given
            if of_grid and given.get("person") and given["grid"] not in GRIDS_WITH_PERSONS:
                continue
            if not of_grid and given.get("person") == "":
                continue
            made = maker(*values)
            is_several = type(made) is tuple
            found += [str(topic) for topic in (made if is_several else (made,))]
    return sorted(found, key=lambda topic: (not topic.startswith(f"{P}/grid"), topic))


def test_the_matrix_has_every_kind_of_topic() -> None:
    assert len(topic_makers()) >= 10
    assert {"CaseTopic", "EquipmentReplyTopic", "ReportTopic", "status_topic"} <= {*topic_makers()}
    kinds = (
        "/case/C1", "/reply/C1", "/equipment/case/C1", "/report", "/health", "/centre/status",
        "/person/leader/reply/C1", "/equipment/person/fixer/reply/C1", "/person/leader/report",
    )  # fmt: skip
    assert all(any(topic.endswith(kind) for topic in topics()) for kind in kinds)
    assert len(topics()) == len(set(topics())) > 28


@dataclass
class Phone:
    """A client of one account; everything that it got."""

    client: Client
    got: list[str] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)
    answers: list[Any] = field(default_factory=list)

    def note(self, kept: list[Any], value: Any) -> None:
        with self.changed:
            kept.append(value)
            self.changed.notify_all()

    def until(self, kept: list[Any], count: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(kept) >= count, WAIT_S), kept


def connect(
    stack: ExitStack, broker: GuardedBroker, user: str, version: MQTTProtocolVersion, **more: Any
) -> Phone:
    client = Client(CallbackAPIVersion.VERSION2, protocol=version)
    client.username_pw_set(user, more.get("password", broker.accounts[user].password))
    if will := more.get("will"):
        client.will_set(will, b"gone", qos=1)
    phone = Phone(client)
    client.on_connect = lambda _c, _d, _f, reason, _p: phone.note(phone.answers, reason)
    client.on_subscribe = lambda _c, _d, _m, reasons, _p: phone.note(phone.answers, reasons[0])
    client.on_publish = lambda _c, _d, _m, reason, _p: phone.note(phone.answers, reason)
    client.on_message = lambda _c, _d, m: phone.note(phone.got, m.topic)
    client.connect("127.0.0.1", broker.ports[version])
    client.loop_start()
    stack.callback(client.loop_stop)
    stack.callback(client.disconnect)
    phone.until(phone.answers, 1)
    return phone


@pytest.mark.parametrize("version", [V311, V5], ids=["3.1.1", "5"])
@pytest.mark.parametrize("qos", [0, 1])
def test_everybody_reads_what_the_acl_says_and_no_more(
    guarded: GuardedBroker, version: MQTTProtocolVersion, qos: int
) -> None:
    everything = [topic for topic in topics() if topic.startswith(f"{P}/")]
    for user, account in guarded.accounts.items():
        with ExitStack() as stack:
            centre = connect(stack, guarded, "centre", V5)
            reader = connect(stack, guarded, user, version)
            reader.client.subscribe("#", qos=qos)
            reader.until(reader.answers, 2)
            last = next(t for t in everything if may(account.reads, t))
            for topic in (*everything, last):
                centre.client.publish(topic, topic, qos=1).wait_for_publish(WAIT_S)
            readable = [topic for topic in (*everything, last) if may(account.reads, topic)]
            reader.until(reader.got, len(readable))
            assert reader.got == readable, user


@pytest.mark.parametrize("version", [V311, V5], ids=["3.1.1", "5"])
def test_everybody_writes_what_the_acl_says_and_no_more(
    guarded: GuardedBroker, version: MQTTProtocolVersion
) -> None:
    with ExitStack() as stack:
        centre = connect(stack, guarded, "centre", V5)
        centre.client.subscribe(f"{P}/#", qos=1)
        centre.until(centre.answers, 2)
        expected: list[str] = []
        for user, account in guarded.accounts.items():
            for topic in topics():
                allowed = may(account.writes, topic)
                answer = written(guarded, user, version, topic)
                # Mosquitto 2.0 ends the connection after it; MQTT 3.1.1 cannot say it.
                assert version == V311 or answer.is_failure is not allowed, (user, topic)
                expected += [topic] if allowed else []
        centre.until(centre.got, len(expected))
        assert sorted(centre.got) == sorted(expected)


def written(
    guarded: GuardedBroker, user: str, version: MQTTProtocolVersion, topic: str
) -> ReasonCode:
    """The answer to one message on a connection of its own."""
    with ExitStack() as stack:
        writer = connect(stack, guarded, user, version)
        writer.client.publish(topic, topic, qos=1)
        writer.until(writer.answers, 2)
        answer: ReasonCode = writer.answers[1]
        return answer


def may(filters: tuple[str, ...], topic: str) -> bool:
    return any(topic_matches(pattern, topic) for pattern in filters)


@pytest.mark.parametrize("version", [V311, V5], ids=["3.1.1", "5"])
@pytest.mark.parametrize(("user", "password"), [("u-leader", "wrong"), ("centre", "")])
def test_without_the_password_nobody_comes_in(
    guarded: GuardedBroker, version: MQTTProtocolVersion, user: str, password: str
) -> None:
    with ExitStack() as stack:
        phone = connect(stack, guarded, user, version, password=password)
        assert phone.answers[0].is_failure


def test_a_session_waits_for_its_owner_as_before(guarded: GuardedBroker) -> None:
    """Retained messages come through, empty ones clear."""
    topic = f"{P}/grid/{small_site.GROUP}/case/C77"
    with ExitStack() as stack:
        centre = connect(stack, guarded, "centre", V311)
        centre.client.publish(topic, b"x" * 100_000, qos=1, retain=True)
        centre.until(centre.answers, 2)
        leader = connect(stack, guarded, "u-leader", V311)
        leader.client.subscribe(f"{P}/grid/+/case/+", qos=1)
        leader.until(leader.got, 1)
        centre.client.publish(topic, b"", qos=1, retain=True)
        leader.until(leader.got, 2)
        assert leader.got == [topic, topic]


@pytest.mark.parametrize(
    "body", [b"", b"\0\4MQTT", b"\0\4MQTT\5\xc2\0\x1e\xff\xff\xff\xff\xff", b"\0\2\xff\xff"]
)
def test_a_malformed_connect_is_only_that(body: bytes) -> None:
    with pytest.raises(MalformedPacket):
        parse_connect(Packet(PacketKind.CONNECT, 0, body))


@pytest.mark.parametrize("body", [b"", b"\0\5ab", b"\0\1a\0\1\3\x7f\0\0", b"\0\1a\0\1\2\x23\0"])
def test_a_malformed_publish_is_only_that(body: bytes) -> None:
    with pytest.raises(MalformedPacket):
        parse_publish(Packet(PacketKind.PUBLISH, 2, body), is_v5=True)


def test_an_alias_is_found_behind_other_properties() -> None:
    properties = b"\x01\x01" + b"\x26\0\1a\0\1b" + b"\x0b\x81\x01" + b"\x03\0\1t" + b"\x23\0\7"
    body = b"\0\0" + b"\0\x09" + bytes([len(properties)]) + properties + b"payload"
    fields = parse_publish(Packet(PacketKind.PUBLISH, 2, body), is_v5=True)
    assert (fields.topic, fields.qos, fields.packet_id, fields.alias) == ("", 1, 9, 7)
