"""Second channels through Apprise, against a real HTTP server."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from patrol.app import build
from patrol.domain.ids import PersonId
from patrol.domain.outbox import Delivery
from patrol.domain.priority import Level
from patrol.integrations.delivery_worker import DeliveryWorker, SendOutcome
from patrol.integrations.notifications import (
    AppriseSender,
    ChannelUnusable,
    NotificationChannel,
    NotificationTarget,
    UnreachedNotifier,
    read_addresses,
)
from patrol.messaging import OutboxRelay, PayloadBuilder
from patrol.review import confirm
from patrol.settings import Site
from simulators import small_site
from tests.support.clock import ManualClock
from tests.support.http_receiver import HttpReceiver, running_receiver
from tests.support.memory_broker import MemoryBroker
from tests.support.store import new_store

pytest.importorskip("apprise")
# One of Apprise's plugins imports it where it still exists.
pytestmark = pytest.mark.filterwarnings("ignore:.imghdr. is deprecated:DeprecationWarning")
NOW = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)


@pytest.fixture
def gateway() -> Iterator[HttpReceiver]:
    """A gateway for text messages."""
    with running_receiver(status=200) as server:
        yield server


def notice(**more: str) -> Delivery:
    body = {"title": "【未送达】", "body": "请电话联系", "person": "leader", "phone": "", **more}
    return Delivery(
        key="k", target="notify:duty-1", event="unheard", queued_at=NOW, due_at=NOW,
        payload=json.dumps(body).encode(),
    )  # fmt: skip


def apprise_sender(gateway: HttpReceiver, path: str = "duty") -> AppriseSender:
    address = f"json://user:s3cret@127.0.0.1:{gateway.server_port}/{path}"
    return AppriseSender(
        NotificationChannel(name="duty-1", address=address, events=frozenset({"unheard"}))
    )


def test_the_words_arrive(gateway: HttpReceiver) -> None:
    assert apprise_sender(gateway).send(notice()).outcome is SendOutcome.TAKEN
    ((path, _, sent),) = gateway.requests
    body = json.loads(sent)
    assert (path, body["title"], body["message"]) == ("/duty", "【未送达】", "请电话联系")


def test_a_gateway_is_told_the_silent_one_s_number(gateway: HttpReceiver) -> None:
    carried = apprise_sender(gateway, "sms/{phone}").send(notice(phone="+86 139"))
    assert carried.outcome is SendOutcome.TAKEN
    assert gateway.requests[0].path in ("/sms/%2B86%20139", "/sms/+86 139", "/sms/+86%20139")


def test_without_a_number_there_is_nobody_to_tell(gateway: HttpReceiver) -> None:
    carried = apprise_sender(gateway, "sms/{phone}").send(notice())
    assert (carried.outcome, carried.problem) == (
        SendOutcome.NEVER,
        "people.csv: no phone for leader",
    )
    assert gateway.requests == []


def test_a_gateway_that_fails_is_tried_later_and_no_secret_is_said(
    gateway: HttpReceiver, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.status = 500
    carrier = apprise_sender(gateway)
    carried = carrier.send(notice())
    assert carried.outcome is SendOutcome.LATER
    assert "s3cret" not in carried.problem + caplog.text + repr(carrier._channel)


def test_a_redirect_is_not_followed(gateway: HttpReceiver) -> None:
    gateway.status = 307
    assert apprise_sender(gateway).send(notice()).outcome is SendOutcome.LATER
    assert [request.path for request in gateway.requests] == ["/duty"]


def test_no_proxy_of_the_environment_gets_in_between(
    gateway: HttpReceiver, write_small_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_receiver(status=200) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.server_port}")
        with build(write_small_site("embedded")):
            assert apprise_sender(gateway).send(notice()).outcome is SendOutcome.TAKEN
        assert (len(gateway.requests), proxy.requests) == (1, [])


@pytest.mark.parametrize("address", ["nonsense", "unknown://s3cret", ""])
def test_what_apprise_does_not_know_is_found_at_start(address: str) -> None:
    with pytest.raises(ChannelUnusable) as caught:
        AppriseSender(NotificationChannel(name="duty-1", address=address, events=frozenset()))
    assert "notify.duty-1" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_an_urgent_case_that_no_device_received_reaches_the_gateway_within_its_clock(
    gateway: HttpReceiver,
) -> None:
    """From the confirmation to the HTTP request: level I, three minutes, nobody's device."""
    registry, store, clock = small_site.registry(), new_store(), ManualClock(small_site.NOON)
    leader = replace(registry.people[PersonId("leader")], phone="13800000001")
    registry = replace(registry, people={**registry.people, leader.id: leader})
    wire = PayloadBuilder(site="shangba", zone=ZoneInfo("Asia/Shanghai"), registry=registry)
    relay = OutboxRelay(store, MemoryBroker(), clock, holder="r")
    with store.begin() as uow:
        finding = small_site.finding()
        uow.findings.add(finding)
        confirm(
            uow, finding.id, by="op", now=clock.now(), registry=registry, payloads=wire,
            level=Level.URGENT,
        )  # fmt: skip
        uow.commit()
    relay.run_until_empty(1.0)
    address = f"json://127.0.0.1:{gateway.server_port}/sms/{{phone}}"
    channel = NotificationChannel(name="leader-1", address=address, events=frozenset({"unheard"}))
    targets = [NotificationTarget(channel.target, channel.events)]
    unheard = UnreachedNotifier(store=store, registry=registry, targets=targets)
    courier = DeliveryWorker(channel.target, store, AppriseSender(channel).send, clock, "c")
    clock.sleep(179)
    assert (unheard.run_due(clock.now()), courier.run_batch()) == (0, 0)
    clock.sleep(1)
    assert (unheard.run_due(clock.now()), courier.run_batch()) == (1, 1)
    ((path, _, sent),) = gateway.requests
    text = json.loads(sent)["message"]
    assert path == "/sms/13800000001"
    assert "手机尚未收到" in text
    assert "【巡查线索·特急】" in text
    unheard.run_due(clock.now())  # killed before the ladder moved it, say
    assert courier.run_batch() == 0, "told once"


def test_addresses_stand_one_a_line(tmp_path: Path) -> None:
    file = tmp_path / "urls"
    file.write_text("# duty\n\n json://a \nmailtos://b\n", "utf-8")
    assert read_addresses(file) == ["json://a", "mailtos://b"]
