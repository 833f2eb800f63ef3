"""The canary: comes back through the whole way, or everybody hears that it did not."""

import json
from datetime import timedelta
from typing import Any

import pytest

from patrol.dispatch.canary import AGAIN, Canary
from patrol.dispatch.inbox import Inbox
from patrol.dispatch.notices import Target
from patrol.dispatch.topics import canary_topics, case_filter, inbox_filters
from patrol.domain.ids import CaseId
from patrol.domain.message import DeliveryState

SITE = "shangba"
HEARS, ANSWERS = canary_topics(SITE)
ALARM = Target("notify:duty", frozenset({"alarm"}))


@pytest.fixture
def canary(house: Any) -> Canary:
    return Canary(house.store, SITE, targets=[ALARM, Target("notify:x", frozenset({"unheard"}))])


def answer(house: Any, canary: Canary) -> None:
    """What the test leader does with what the broker has for it."""
    about = json.loads(house.broker.retained[HEARS])["key"]
    body = {"v": 1, "key": "a", "type": "acknowledge", "about": about}
    assert canary.hears(ANSWERS, json.dumps(body).encode(), house.clock.now())


def notices(house: Any) -> list[tuple[str, str]]:
    with house.store.begin() as uow:
        got = [
            uow.deliveries.lease(name, holder="h", now=house.clock.now(), lease_s=1, limit=9)
            for name in ("notify:duty", "notify:x")
        ]
    return [(one.target, json.loads(one.payload)["title"]) for many in got for one in many]


def test_it_comes_back_and_the_store_has_its_receipt(house: Any, canary: Canary) -> None:
    canary.tick(house.clock.now())
    house.relay.drain(1.0)
    house.after(timedelta(seconds=2))
    answer(house, canary)
    canary.tick(house.clock.now())
    assert canary.failing == ""
    assert canary.round_trip_s == 2.0
    assert canary.last_return == house.clock.now()
    key = json.loads(house.broker.retained[HEARS])["key"]
    assert [m.state for m in house.messages(CaseId(key))] == [DeliveryState.ACKNOWLEDGED]
    assert notices(house) == []


def test_what_it_says_fits_the_published_schema(
    house: Any, canary: Canary, matches_schema: Any
) -> None:
    canary.tick(house.clock.now())
    house.relay.drain(1.0)
    matches_schema("canary", house.broker.retained[HEARS])
    about = json.loads(house.broker.retained[HEARS])["key"]
    answer = {"v": 1, "key": f"ack-{about}", "type": "acknowledge", "about": about}
    matches_schema("canary_reply", json.dumps(answer).encode())


def test_one_an_hour(house: Any, canary: Canary) -> None:
    for _ in range(180):
        canary.tick(house.clock.now())
        house.relay.drain(1.0)
        answer(house, canary)
        canary.tick(house.clock.now())
        house.after(timedelta(minutes=1))
    assert canary.sent == 3
    assert canary.lost == 0


@pytest.mark.parametrize(
    ("relayed", "why"), [(True, "no answer came back"), (False, "broker is not reached")]
)
def test_its_silence_is_one_alarm_that_says_where(
    house: Any, canary: Canary, *, relayed: bool, why: str
) -> None:
    canary.tick(house.clock.now())
    if relayed:
        house.relay.drain(1.0)
    house.after(timedelta(seconds=59))
    canary.tick(house.clock.now())
    assert canary.failing == ""
    for _ in range(5):
        house.after(timedelta(seconds=1))
        canary.tick(house.clock.now())
    assert why in canary.failing
    assert canary.lost == 1
    assert notices(house) == [("notify:duty", "【巡查推送自检】告警 alarm shangba")]


def test_it_is_tried_soon_again_and_its_return_is_told(house: Any, canary: Canary) -> None:
    canary.tick(house.clock.now())
    house.relay.drain(1.0)
    house.after(timedelta(minutes=2))
    canary.tick(house.clock.now())
    house.after(AGAIN)
    canary.tick(house.clock.now())
    house.relay.drain(1.0)
    assert canary.sent == 2
    answer(house, canary)
    canary.tick(house.clock.now())
    assert canary.failing == ""
    assert [title.split()[1] for _, title in notices(house)] == ["alarm", "recovered"]


def test_a_repeat_a_stranger_and_rubbish_change_nothing(house: Any, canary: Canary) -> None:
    canary.tick(house.clock.now())
    house.relay.drain(1.0)
    answer(house, canary)
    house.after(timedelta(seconds=30))
    answer(house, canary)  # the broker was reminded, the leader answers again
    canary.tick(house.clock.now())
    assert canary.round_trip_s == 0.0
    for payload in (b"", b"\xff", b"[]", b"null", b'{"about": 7}', b'{"about": "C20261122-0001"}'):
        assert canary.hears(ANSWERS, payload, house.clock.now())
    topic = f"patrol/v1/{SITE}/grid/620902104203001/reply/C1"
    assert not canary.hears(topic, b"{}", house.clock.now())


def test_an_answer_about_a_real_case_by_its_way_moves_nothing(house: Any, canary: Canary) -> None:
    case = house.confirm()
    house.relay.drain(1.0)
    before = house.messages(case.id)
    body = json.dumps({"v": 1, "key": "a", "type": "acknowledge", "about": case.id}).encode()
    assert canary.hears(ANSWERS, body, house.clock.now())
    assert house.messages(case.id) == before


def test_whoever_listens_to_all_grids_does_not_hear_it(house: Any) -> None:
    assert case_filter(SITE).split("/")[3] == "grid"
    assert "/grid/" not in HEARS + ANSWERS
    assert all("/grid/" in one for one in inbox_filters(SITE))


def test_a_site_without_canary_buries_its_answer_like_any_stranger(house: Any) -> None:
    inbox: Inbox = house.inbox
    assert inbox.handle(ANSWERS, b"{}", house.clock.now()).reason == "unknown_topic"
