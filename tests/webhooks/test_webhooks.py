"""Webhooks against a real HTTP server: signed, at least once, given up with the reason."""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from patrol.dispatch import Inbox, Wire
from patrol.dispatch.courier import Courier
from patrol.domain.delivery import Delivery
from patrol.domain.ids import CaseId
from patrol.review import confirm, dismiss
from patrol.store import Store, open_store
from patrol.webhooks import EVENTS, Hook, Hooks, Poster
from simulators import hamlet
from simulators.clock import ManualClock
from simulators.receiver import Receiver, receiving
from tests.support.store import new_store

SECRET = b"a secret of thirty-two bytes, yes"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


def address(receiver: Receiver) -> str:
    return f"http://127.0.0.1:{receiver.server_port}/hook?token=s3cret"


class House:
    """A store whose news are told to one hook."""

    def __init__(self, store: Store, url: str, *events: str, most_tries: int = 3) -> None:
        self.clock = ManualClock(hamlet.NOON)
        self.hook = Hook(
            name="county", url=url, secret=SECRET, events=frozenset(events or EVENTS),
            most_tries=most_tries,
        )  # fmt: skip
        hooks = Hooks([self.hook], self.clock.now)
        store.add_observers([hooks.observe])
        self.store = store
        self.registry = hamlet.registry()
        self.wire = Wire(site="shangba", zone=hamlet.NOON.tzinfo, registry=self.registry)  # type: ignore[arg-type]  # UTC is one

    def courier(self, poster: Poster, holder: str = "h") -> Courier:
        return Courier(
            self.hook.target, self.store, poster.carry, self.clock, holder, self.hook.most_tries
        )

    def work(self) -> Courier:
        with Poster(self.hook, self.clock.now) as poster:
            courier = self.courier(poster)
            while courier.step():
                pass
        return courier

    def confirm(self, *, commit: bool = True) -> CaseId:
        lead = hamlet.finding()
        with self.store.begin() as uow:
            uow.findings.add(lead)
            case = confirm(
                uow, lead.id, by="op", now=self.clock.now(), registry=self.registry,
                announcer=self.wire,
            )  # fmt: skip
            if commit:
                uow.commit()
        return case.id

    def dead(self) -> list[Delivery]:
        with self.store.begin_read() as uow:
            return list(uow.deliveries.dead())


@pytest.fixture(params=["sqlite", "postgres"])
def house(request: pytest.FixtureRequest, receiver: Receiver) -> Iterator[House]:
    with open_store(request.getfixturevalue(f"{request.param}_database")) as store:
        yield House(store, address(receiver))


@pytest.fixture
def quick(receiver: Receiver) -> House:
    return House(new_store(), address(receiver))


def told(receiver: Receiver) -> list[str]:
    return [json.loads(body)["type"] for _, _, body in receiver.got]


def test_a_case_from_its_finding_to_the_answer(house: House, receiver: Receiver) -> None:
    case = house.confirm()
    inbox = Inbox(house.store, house.wire, house.registry, "shangba", hamlet.NOON.tzinfo)  # type: ignore[arg-type]  # UTC is one
    reply = {"v": 1, "key": "k", "type": "acknowledge", "person": "leader"}
    topic = f"patrol/v1/shangba/grid/{hamlet.GROUP}/reply/{case}"
    inbox.handle(topic, json.dumps(reply).encode(), house.clock.now())
    house.work()
    events = told(receiver)
    assert sorted(events) == sorted(
        ["finding.opened", "finding.decided", "case.opened", "case.moved"]
    )
    moved = json.loads(receiver.got[events.index("case.moved")].body)
    assert moved["data"]["id"] == case
    assert moved["data"]["state"] == "acknowledged"
    assert moved["data"]["event"]["by"] == "leader"
    everything = b"".join(body for _, _, body in receiver.got)
    for never in (hamlet.HOUSEHOLD.encode(), b"rtsp://", b".jpg"):
        assert never not in everything


def test_what_is_not_committed_is_never_told(house: House, receiver: Receiver) -> None:
    house.confirm(commit=False)
    house.work()
    assert receiver.got == []


def test_the_signature_is_the_standard_s(quick: House, receiver: Receiver) -> None:
    quick.confirm()
    quick.work()
    _, headers, body = receiver.got[0]
    assert int(headers["webhook-timestamp"]) == int(quick.clock.now().timestamp())
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(SECRET, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"


def test_the_page_s_own_example_tells_genuine_from_forged(
    quick: House, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text("utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(program, "docs/operations.md", "exec"), names)  # noqa: S102  the page's example
    is_genuine = names["is_genuine"]
    monkeypatch.setattr(names["time"], "time", quick.clock.now().timestamp)
    quick.confirm()
    quick.work()
    _, headers, body = receiver.got[0]
    assert is_genuine(SECRET, headers, body)
    assert not is_genuine(SECRET, headers, body + b" ")
    assert not is_genuine(SECRET[::-1], headers, body)
    assert not is_genuine(SECRET, {**headers, "webhook-id": "another"}, body)
    later = quick.clock.now().timestamp() + 301
    monkeypatch.setattr(names["time"], "time", lambda: later)
    assert not is_genuine(SECRET, headers, body), "somebody says it again"


def test_a_failing_server_gets_it_again_under_the_same_key(
    quick: House, receiver: Receiver
) -> None:
    receiver.answers = [503, 307, 200]
    with Poster(quick.hook, quick.clock.now) as poster:
        courier = quick.courier(poster)
        _only_case(quick)
        for _ in range(3):
            courier.step()
            quick.clock.sleep(60)
    keys = [headers["webhook-id"] for _, headers, _ in receiver.got]
    stamps = [headers["webhook-timestamp"] for _, headers, _ in receiver.got]
    assert len(keys) == 3
    assert len(set(keys)) == 1
    assert len(set(stamps)) == 3
    assert courier.counters["delivered"] == 1
    assert quick.dead() == []


def _only_case(house: House) -> None:
    hooks = Hooks([_narrow(house)], house.clock.now)
    house.store._observers = (hooks.observe,)
    house.confirm()


def _narrow(house: House) -> Hook:
    return Hook(
        name="county", url=house.hook.url, secret=SECRET, events=frozenset({"case.opened"}),
        most_tries=3,
    )  # fmt: skip


def test_after_so_many_tries_it_is_dead_with_the_reason(quick: House, receiver: Receiver) -> None:
    receiver.answers = [500] * 10
    _only_case(quick)
    for _ in range(10):
        quick.work()
        quick.clock.sleep(3600)
    assert len(receiver.got) == 3
    assert [one.problem for one in quick.dead()] == ["HTTP 500; given up after 3 tries"]


def test_what_no_repeat_can_cure_is_dead_at_once(quick: House, receiver: Receiver) -> None:
    receiver.answers = [410]
    _only_case(quick)
    quick.work()
    assert [one.problem for one in quick.dead()] == ["HTTP 410"]


def test_news_of_last_week_is_no_news(quick: House, receiver: Receiver) -> None:
    _only_case(quick)
    quick.clock.sleep(timedelta(days=7).total_seconds())
    quick.work()
    assert receiver.got == []
    assert [one.problem for one in quick.dead()] == ["its time is over"]


def test_a_server_that_is_away_and_no_secret_in_the_reason(quick: House) -> None:
    away = House(new_store(), "http://127.0.0.1:9/hook?token=s3cret", most_tries=1)
    away.confirm()
    away.work()
    reasons = {one.problem for one in away.dead()}
    assert len(reasons) == 1
    assert "s3cret" not in str(reasons)
    assert "s3cret" not in repr(away.hook)
    assert SECRET.decode() not in repr(away.hook)


def test_a_killed_courier_s_news_are_another_s_after_the_lease(
    quick: House, receiver: Receiver
) -> None:
    _only_case(quick)
    with quick.store.begin() as uow:
        uow.deliveries.lease(
            quick.hook.target, holder="dead", now=quick.clock.now(), lease_s=150, limit=5
        )
        uow.commit()
    quick.work()
    assert receiver.got == []
    quick.clock.sleep(150)
    quick.work()
    assert told(receiver) == ["case.opened"]


def test_dismissed_is_decided_too(quick: House, receiver: Receiver) -> None:
    lead = hamlet.finding()
    with quick.store.begin() as uow:
        uow.findings.add(lead)
        dismiss(uow, lead.id, by="op", now=quick.clock.now(), reason="shadow")
        uow.commit()
    quick.work()
    assert told(receiver) == ["finding.opened", "finding.decided"]
    assert json.loads(receiver.got[1].body)["data"]["state"] == "dismissed"
