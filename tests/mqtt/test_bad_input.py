"""What a telephone, a script or an enemy may send, through a real broker into the books."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from patrol.cases.reply_handler import ReplyHandler
from patrol.clock import SystemClock
from patrol.domain.case import Case, CaseState
from patrol.messaging import PayloadBuilder, inbox_filters
from patrol.messaging.reply_parser import LARGEST_BYTES
from patrol.mqtt import BrokerAddress, ReplySubscriber
from patrol.mqtt.subscriber import ensure_persistent_session
from patrol.review import confirm
from patrol.store import open_store
from patrol.store.fsck import check_store
from simulators import small_site
from simulators.mosquitto import Mosquitto

WAIT_S = 20.0
P = "patrol/v1/shangba/grid"
TEN_MB = 10 * 1000 * 1000


class CentreService:
    """A store, an inbox, and the service's ear at a real broker."""

    def __init__(self, store: Any, address: BrokerAddress) -> None:
        registry = small_site.registry()
        zone = small_site.NOON.tzinfo
        assert zone is not None
        self.store, self.clock = store, SystemClock()
        self.payload_builder = PayloadBuilder(site="shangba", zone=zone, registry=registry)
        self.inbox = ReplyHandler(store, self.payload_builder, registry, "shangba", zone)
        self.outcomes: list[str] = []
        self.subscriber = ReplySubscriber(
            address,
            client_id="patrol-shangba",
            filters=inbox_filters("shangba"),
            handler=self.handle,
        )

    def handle(self, topic: str, payload: bytes) -> None:
        handled = self.inbox.handle(topic, payload, self.clock.now())
        self.outcomes.append(handled.reason or str(handled.outcome))

    def opened(self) -> Case:
        finding = small_site.finding()
        with self.store.begin() as uow:
            uow.findings.add(finding)
            case = confirm(
                uow,
                finding.id,
                by="op",
                now=self.clock.now(),
                registry=self.payload_builder.registry,
                payloads=self.payload_builder,
            )
            uow.commit()
        return case

    def case(self, ident: Any) -> Case:
        with self.store.begin_read() as uow:
            found: Case = uow.cases.get(ident)
        return found

    def until(self, count: int) -> None:
        for _ in range(int(WAIT_S / 0.05)):
            if len(self.outcomes) >= count:
                return
            self.clock.sleep(0.05)
        pytest.fail(f"{count} were sent, {len(self.outcomes)} came: {Counter(self.outcomes)}")


@pytest.fixture
def centre(sqlite_database: str, mosquitto: Mosquitto) -> Iterator[CentreService]:
    with open_store(sqlite_database) as store:
        yield CentreService(store, BrokerAddress.parse(mosquitto.url))


@pytest.fixture
def phone(mosquitto: Mosquitto) -> Iterator[Client]:
    client = Client(CallbackAPIVersion.VERSION2, client_id=f"phone-{token_hex(4)}")
    address = BrokerAddress.parse(mosquitto.url)
    client.connect(address.host, address.port)
    client.loop_start()
    yield client
    client.disconnect()
    client.loop_stop()


def bad(case: str) -> list[tuple[str, bytes, str]]:
    """(topic, payload, what becomes of it)."""

    def payload(**fields: Any) -> bytes:
        return json.dumps({"v": 1, "key": "k", "type": "acknowledge", **fields}).encode()

    here = f"{P}/{small_site.GROUP}/reply/{case}"
    return [
        (f"{P}/{small_site.OTHER_GROUP}/reply/{case}", payload(), "another_grid"),
        (f"{P}/620902104999999/reply/{case}", payload(), "another_grid"),
        (f"{P}/{small_site.GROUP}/reply/C20200101-0001", payload(), "unknown_case"),
        (f"{P}/{small_site.GROUP}/reply/{'x' * 300}", payload(), "unknown_topic"),
        (f"{P}/620902104999999/report", payload(text="火"), "unknown_grid"),
        (here, b"\xff\xfe{", "not_utf8"),
        (here, b"{'v': 1}", "not_json"),
        (here, b"[" * 30_000, "not_json"),
        (here, b"[]", "not_an_object"),
        (here, b"", "empty"),
        (here, payload(v=2), "bad_version"),
        (here, payload(v="1"), "bad_version"),
        (here, payload(v=True), "bad_version"),
        (here, payload(key=""), "no_key"),
        (here, payload(key=["k"]), "no_key"),
        (here, payload(client_at="1970-01-01T00:00:00Z"), "odd_clock"),
        (here, payload(client_at="2999-12-31T23:59:59Z"), "odd_clock"),
        (here, payload(type="close"), "unknown_type"),
        (here, payload(type="feedback", result="paid"), "unknown_result"),
        (here, b" " * (LARGEST_BYTES + 1), "too_large"),
        (here, b"\x00" * TEN_MB, "too_large"),
    ]


def test_each_is_a_dead_letter_with_its_reason_and_moves_nothing(
    centre: CentreService, phone: Client
) -> None:
    case = centre.opened()
    sent = bad(case.id)
    with centre.subscriber:
        assert centre.subscriber.wait_up(WAIT_S), centre.subscriber.problem
        for topic, payload, _ in sent:
            phone.publish(topic, payload, qos=1).wait_for_publish(WAIT_S)
        centre.until(len(sent))
        assert centre.outcomes == [reason for _, _, reason in sent]
        assert centre.case(case.id) == case
        with centre.store.begin_read() as uow:
            letters = list(uow.inbox.dead_letters())[::-1]
            assert len(uow.outbox.of_case(case.id)) == 1
        expected = Counter(f"refused:{reason}" for _, _, reason in sent)
        assert centre.inbox.counters == expected + Counter(refused=len(sent))
        for letter, (topic, payload, reason) in zip(letters, sent, strict=True):
            assert letter.reason.startswith(reason)
            assert letter.topic == topic
            assert letter.size_bytes == len(payload)
            assert letter.payload == payload[:4096], "ten megabytes are not kept"
        # The way is open all the same: the inbox never stopped.
        answer = {"v": 1, "key": "good", "type": "acknowledge", "person": "leader"}
        good = f"{P}/{small_site.GROUP}/reply/{case.id}"
        phone.publish(good, json.dumps(answer), qos=1).wait_for_publish(WAIT_S)
        centre.until(len(sent) + 1)
    assert centre.case(case.id).state is CaseState.ACKNOWLEDGED
    assert check_store(centre.store) == []


def test_a_key_said_twice_is_one_reply_also_after_a_restart(
    centre: CentreService, phone: Client, mosquitto: Mosquitto
) -> None:
    case = centre.opened()
    topic = f"{P}/{small_site.GROUP}/reply/{case.id}"
    answer = json.dumps({"v": 1, "key": "k1", "type": "acknowledge", "person": "leader"})
    with centre.subscriber:
        assert centre.subscriber.wait_up(WAIT_S)
        for _ in range(2):
            phone.publish(topic, answer, qos=1).wait_for_publish(WAIT_S)
        centre.until(2)
    heir = CentreService(centre.store, BrokerAddress.parse(mosquitto.url))
    with heir.subscriber:
        assert heir.subscriber.wait_up(WAIT_S)
        phone.publish(topic, answer, qos=1).wait_for_publish(WAIT_S)
        heir.until(1)
    assert (centre.outcomes, heir.outcomes) == (["moved", "repeated"], ["repeated"])
    assert [entry.what for entry in centre.case(case.id).entries] == ["dispatch", "acknowledge"]


def test_an_answer_before_the_service_ever_ran_waits_for_it(
    centre: CentreService, phone: Client, mosquitto: Mosquitto
) -> None:
    """`patrol confirm` tells a leader, who answers at once; `patrol run` starts a day later."""
    case, address = centre.opened(), BrokerAddress.parse(mosquitto.url)
    filters = inbox_filters("shangba")
    for _ in range(2):  # each command does; what waits there stays
        assert ensure_persistent_session(
            address, client_id="patrol-shangba", filters=filters, timeout_s=WAIT_S
        )
        body = json.dumps({"v": 1, "key": token_hex(4), "type": "acknowledge"})
        topic = f"{P}/{small_site.GROUP}/reply/{case.id}"
        phone.publish(topic, body, qos=1).wait_for_publish(WAIT_S)
    with centre.subscriber:
        centre.until(2)
    assert centre.case(case.id).state is CaseState.ACKNOWLEDGED


def test_a_broker_that_is_away_makes_no_session(tmp_path: Path) -> None:
    nobody = BrokerAddress.parse("mqtt://127.0.0.1:9")
    assert not ensure_persistent_session(nobody, client_id="x", filters=["a"], timeout_s=0.2)
