"""Webhooks against a real HTTP server: signed, at least once, given up with the reason."""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from patrol.cases.reply_handler import ReplyHandler
from patrol.domain.ids import CaseId
from patrol.domain.outbox import WEBHOOK_EVENT_NAMES, Delivery
from patrol.domain.private_text import PrivateTextMask
from patrol.integrations.delivery_worker import DeliveryWorker
from patrol.integrations.webhooks import Webhook, WebhookQueue, WebhookSender
from patrol.messaging import PayloadBuilder
from patrol.reports.documents import masked_document
from patrol.review import confirm, dismiss
from patrol.store import Store, open_store
from simulators import small_site
from tests.support.clock import ManualClock
from tests.support.http_receiver import HttpReceiver, running_receiver
from tests.support.store import new_store

SECRET = b"a secret of thirty-two bytes, yes"


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    with running_receiver() as server:
        yield server


def address(receiver: HttpReceiver) -> str:
    return f"http://127.0.0.1:{receiver.server_port}/hook?token=s3cret"


class WebhookSetup:
    """A store whose news are told to one hook."""

    def __init__(self, store: Store, url: str, *events: str, most_tries: int = 3) -> None:
        self.clock = ManualClock(small_site.NOON)
        self.hook = Webhook(
            name="county", url=url, secret=SECRET, events=frozenset(events or WEBHOOK_EVENT_NAMES),
            max_tries=most_tries,
        )  # fmt: skip
        hooks = WebhookQueue([self.hook], self.clock.now)
        store.add_observers([hooks.observe])
        self.store = store
        self.registry = small_site.registry()
        self.payload_builder = PayloadBuilder(
            site="shangba", zone=small_site.NOON.tzinfo, registry=self.registry
        )  # type: ignore[arg-type]  # UTC is one

    def make_worker(self, poster: WebhookSender, holder: str = "h") -> DeliveryWorker:
        return DeliveryWorker(
            self.hook.target, self.store, poster.send, self.clock, holder, self.hook.max_tries
        )

    def deliver_all(self) -> DeliveryWorker:
        with WebhookSender(self.hook, self.clock.now) as poster:
            worker = self.make_worker(poster)
            while worker.run_batch():
                pass
        return worker

    def confirm(self, *, commit: bool = True) -> CaseId:
        finding = small_site.finding()
        with self.store.begin() as uow:
            uow.findings.add(finding)
            case = confirm(
                uow, finding.id, by="op", now=self.clock.now(), registry=self.registry,
                payloads=self.payload_builder,
            )  # fmt: skip
            if commit:
                uow.commit()
        return case.id

    def dead(self) -> list[Delivery]:
        with self.store.begin_read() as uow:
            return list(uow.deliveries.dead())


@pytest.fixture(params=["sqlite", "postgres"])
def webhook_setup(request: pytest.FixtureRequest, receiver: HttpReceiver) -> Iterator[WebhookSetup]:
    with open_store(request.getfixturevalue(f"{request.param}_database")) as store:
        yield WebhookSetup(store, address(receiver))


@pytest.fixture
def quick(receiver: HttpReceiver) -> WebhookSetup:
    return WebhookSetup(new_store(), address(receiver))


def received_events(receiver: HttpReceiver) -> list[str]:
    return [json.loads(body)["type"] for _, _, body in receiver.requests]


def test_a_case_from_its_finding_to_the_answer(
    webhook_setup: WebhookSetup, receiver: HttpReceiver
) -> None:
    case = webhook_setup.confirm()
    inbox = ReplyHandler(
        webhook_setup.store,
        webhook_setup.payload_builder,
        webhook_setup.registry,
        "shangba",
        small_site.NOON.tzinfo,
    )  # type: ignore[arg-type]  # UTC is one
    reply = {"v": 1, "key": "k", "type": "acknowledge", "person": "leader"}
    topic = f"patrol/v1/shangba/grid/{small_site.GROUP}/reply/{case}"
    inbox.handle(topic, json.dumps(reply).encode(), webhook_setup.clock.now())
    webhook_setup.deliver_all()
    events = received_events(receiver)
    assert sorted(events) == sorted(
        ["finding.opened", "finding.decided", "case.opened", "case.moved"]
    )
    moved = json.loads(receiver.requests[events.index("case.moved")].body)
    assert moved["data"]["id"] == case
    assert moved["data"]["state"] == "acknowledged"
    assert moved["data"]["event"]["by"] == "leader"
    everything = b"".join(body for _, _, body in receiver.requests)
    for never in (small_site.HOUSEHOLD.encode(), b"rtsp://", b".jpg"):
        assert never not in everything


def test_what_is_not_committed_is_never_told(
    webhook_setup: WebhookSetup, receiver: HttpReceiver
) -> None:
    webhook_setup.confirm(commit=False)
    webhook_setup.deliver_all()
    assert receiver.requests == []


def test_the_signature_is_the_standard_s(quick: WebhookSetup, receiver: HttpReceiver) -> None:
    quick.confirm()
    quick.deliver_all()
    _, headers, body = receiver.requests[0]
    assert int(headers["webhook-timestamp"]) == int(quick.clock.now().timestamp())
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(SECRET, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"


def test_the_page_s_own_example_tells_genuine_from_forged(
    quick: WebhookSetup, receiver: HttpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text("utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(program, "docs/operations.md", "exec"), names)  # noqa: S102  the page's example
    is_genuine = names["is_genuine"]
    monkeypatch.setattr(names["time"], "time", quick.clock.now().timestamp)
    quick.confirm()
    quick.deliver_all()
    _, headers, body = receiver.requests[0]
    assert is_genuine(SECRET, headers, body)
    assert not is_genuine(SECRET, headers, body + b" ")
    assert not is_genuine(SECRET[::-1], headers, body)
    assert not is_genuine(SECRET, {**headers, "webhook-id": "another"}, body)
    later = quick.clock.now().timestamp() + 301
    monkeypatch.setattr(names["time"], "time", lambda: later)
    assert not is_genuine(SECRET, headers, body), "somebody says it again"


def test_a_failing_server_gets_it_again_under_the_same_key(
    quick: WebhookSetup, receiver: HttpReceiver
) -> None:
    receiver.next_statuses = [503, 307, 200]
    with WebhookSender(quick.hook, quick.clock.now) as poster:
        courier = quick.make_worker(poster)
        _only_case(quick)
        for _ in range(3):
            courier.run_batch()
            quick.clock.sleep(60)
    keys = [headers["webhook-id"] for _, headers, _ in receiver.requests]
    stamps = [headers["webhook-timestamp"] for _, headers, _ in receiver.requests]
    assert len(keys) == 3
    assert len(set(keys)) == 1
    assert len(set(stamps)) == 3
    assert courier.counters["delivered"] == 1
    assert quick.dead() == []


def _only_case(webhook_setup: WebhookSetup) -> None:
    hooks = WebhookQueue([_narrow(webhook_setup)], webhook_setup.clock.now)
    webhook_setup.store._observers = (hooks.observe,)
    webhook_setup.confirm()


def _narrow(webhook_setup: WebhookSetup) -> Webhook:
    return Webhook(
        name="county", url=webhook_setup.hook.url, secret=SECRET, events=frozenset({"case.opened"}),
        max_tries=3,
    )  # fmt: skip


def test_after_so_many_tries_it_is_dead_with_the_reason(
    quick: WebhookSetup, receiver: HttpReceiver
) -> None:
    receiver.next_statuses = [500] * 10
    _only_case(quick)
    for _ in range(10):
        quick.deliver_all()
        quick.clock.sleep(3600)
    assert len(receiver.requests) == 3
    assert [one.problem for one in quick.dead()] == ["HTTP 500; given up after 3 tries"]


def test_what_no_repeat_can_cure_is_dead_at_once(
    quick: WebhookSetup, receiver: HttpReceiver
) -> None:
    receiver.next_statuses = [410]
    _only_case(quick)
    quick.deliver_all()
    assert [one.problem for one in quick.dead()] == ["HTTP 410"]


def test_news_of_last_week_is_no_news(quick: WebhookSetup, receiver: HttpReceiver) -> None:
    _only_case(quick)
    quick.clock.sleep(timedelta(days=7).total_seconds())
    quick.deliver_all()
    assert receiver.requests == []
    assert [one.problem for one in quick.dead()] == ["its time is over"]


def test_a_server_that_is_away_and_no_secret_in_the_reason(quick: WebhookSetup) -> None:
    away = WebhookSetup(new_store(), "http://127.0.0.1:9/hook?token=s3cret", most_tries=1)
    away.confirm()
    away.deliver_all()
    reasons = {one.problem for one in away.dead()}
    assert len(reasons) == 1
    assert "s3cret" not in str(reasons)
    assert "s3cret" not in repr(away.hook)
    assert SECRET.decode() not in repr(away.hook)


def test_a_killed_courier_s_news_are_another_s_after_the_lease(
    quick: WebhookSetup, receiver: HttpReceiver
) -> None:
    _only_case(quick)
    with quick.store.begin() as uow:
        uow.deliveries.lease(
            quick.hook.target, holder="dead", now=quick.clock.now(), lease_s=150, limit=5
        )
        uow.commit()
    quick.deliver_all()
    assert receiver.requests == []
    quick.clock.sleep(150)
    quick.deliver_all()
    assert received_events(receiver) == ["case.opened"]


def test_dismissed_is_decided_too(quick: WebhookSetup, receiver: HttpReceiver) -> None:
    finding = small_site.finding()
    with quick.store.begin() as uow:
        uow.findings.add(finding)
        dismiss(uow, finding.id, by="op", now=quick.clock.now(), reason="shadow")
        uow.commit()
    quick.deliver_all()
    assert received_events(receiver) == ["finding.opened", "finding.decided"]
    assert json.loads(receiver.requests[1].body)["data"]["state"] == "dismissed"


def test_what_people_typed_names_no_household() -> None:
    document = {
        "id": "H-0001", "note": "去 H-0001 家", "held": None, "count": 2,
        "events": [{"what": "note", "note": "h0001", "by": "desk"}], "event": {"note": "H 0001"},
    }  # fmt: skip
    registry = SimpleNamespace(cameras={"1": SimpleNamespace(household_ref="H-0001")})
    masked = masked_document(document, PrivateTextMask(registry))  # type: ignore[arg-type]  # its cameras alone
    assert masked == {
        "id": "H-0001", "note": "去 […] 家", "held": None, "count": 2,
        "events": [{"what": "note", "note": "[…]", "by": "desk"}], "event": {"note": "[…]"},
    }  # fmt: skip
