"""Second channels through Apprise, against a real HTTP server."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from patrol.dispatch import Relay, Wire
from patrol.dispatch.courier import Answer, Courier
from patrol.dispatch.notices import Target, Unheard
from patrol.domain.delivery import Delivery
from patrol.domain.ids import PersonId
from patrol.domain.levels import Level
from patrol.notify import Channel, ChannelUnusable, Messenger, read_addresses
from patrol.review import confirm
from simulators import hamlet
from simulators.broker import MemoryBroker
from simulators.clock import ManualClock
from simulators.receiver import Receiver, receiving
from tests.support.store import new_store

pytest.importorskip("apprise")
# One of Apprise's plugins imports it where it still exists.
pytestmark = pytest.mark.filterwarnings("ignore:.imghdr. is deprecated:DeprecationWarning")
NOW = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)


@pytest.fixture
def gateway() -> Iterator[Receiver]:
    """A gateway for text messages."""
    with receiving(status=200) as server:
        yield server


def notice(**more: str) -> Delivery:
    body = {"title": "【未送达】", "body": "请电话联系", "person": "leader", "phone": "", **more}
    return Delivery(
        key="k", target="notify:duty-1", event="unheard", queued_at=NOW, due_at=NOW,
        payload=json.dumps(body).encode(),
    )  # fmt: skip


def messenger(gateway: Receiver, path: str = "duty") -> Messenger:
    address = f"json://user:s3cret@127.0.0.1:{gateway.server_port}/{path}"
    return Messenger(Channel(name="duty-1", address=address, events=frozenset({"unheard"})))


def test_the_words_arrive(gateway: Receiver) -> None:
    assert messenger(gateway).carry(notice()).answer is Answer.TAKEN
    ((path, _, sent),) = gateway.got
    body = json.loads(sent)
    assert (path, body["title"], body["message"]) == ("/duty", "【未送达】", "请电话联系")


def test_a_gateway_is_told_the_silent_one_s_number(gateway: Receiver) -> None:
    carried = messenger(gateway, "sms/{phone}").carry(notice(phone="+86 139"))
    assert carried.answer is Answer.TAKEN
    assert gateway.got[0].path in ("/sms/%2B86%20139", "/sms/+86 139", "/sms/+86%20139")


def test_without_a_number_there_is_nobody_to_tell(gateway: Receiver) -> None:
    carried = messenger(gateway, "sms/{phone}").carry(notice())
    assert (carried.answer, carried.problem) == (Answer.NEVER, "people.csv: no phone for leader")
    assert gateway.got == []


def test_a_gateway_that_fails_is_tried_later_and_no_secret_is_said(
    gateway: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.status = 500
    carrier = messenger(gateway)
    carried = carrier.carry(notice())
    assert carried.answer is Answer.LATER
    assert "s3cret" not in carried.problem + caplog.text + repr(carrier._channel)


@pytest.mark.parametrize("address", ["nonsense", "unknown://s3cret", ""])
def test_what_apprise_does_not_know_is_found_at_start(address: str) -> None:
    with pytest.raises(ChannelUnusable) as caught:
        Messenger(Channel(name="duty-1", address=address, events=frozenset()))
    assert "notify.duty-1" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_an_urgent_case_that_no_device_received_reaches_the_gateway_within_its_clock(
    gateway: Receiver,
) -> None:
    """From the confirmation to the HTTP request: level I, three minutes, nobody's device."""
    registry, store, clock = hamlet.registry(), new_store(), ManualClock(hamlet.NOON)
    leader = replace(registry.people[PersonId("leader")], phone="13800000001")
    registry = replace(registry, people={**registry.people, leader.id: leader})
    wire = Wire(site="shangba", zone=ZoneInfo("Asia/Shanghai"), registry=registry)
    relay = Relay(store, MemoryBroker(), clock, holder="r")
    with store.begin() as uow:
        lead = hamlet.finding()
        uow.findings.add(lead)
        confirm(
            uow, lead.id, by="op", now=clock.now(), registry=registry, announcer=wire,
            level=Level.URGENT,
        )  # fmt: skip
        uow.commit()
    relay.drain(1.0)
    address = f"json://127.0.0.1:{gateway.server_port}/sms/{{phone}}"
    channel = Channel(name="leader-1", address=address, events=frozenset({"unheard"}))
    targets = [Target(channel.target, channel.events)]
    unheard = Unheard(store=store, registry=registry, targets=targets)
    courier = Courier(channel.target, store, Messenger(channel).carry, clock, "c")
    clock.sleep(179)
    assert (unheard.tick(clock.now()), courier.step()) == (0, 0)
    clock.sleep(1)
    assert (unheard.tick(clock.now()), courier.step()) == (1, 1)
    ((path, _, sent),) = gateway.got
    words = json.loads(sent)["message"]
    assert path == "/sms/13800000001"
    assert "手机尚未收到" in words
    assert "【巡查线索·特急】" in words
    unheard.tick(clock.now())  # killed before the ladder moved it, say
    assert courier.step() == 0, "told once"


def test_addresses_stand_one_a_line(tmp_path: Path) -> None:
    file = tmp_path / "urls"
    file.write_text("# duty\n\n json://a \nmailtos://b\n", "utf-8")
    assert read_addresses(file) == ["json://a", "mailtos://b"]
