"""The canary: comes back through the whole way, or everybody hears that it did not."""

import json
from datetime import timedelta
from typing import Any

import pytest

from patrol.cases.reply_handler import ReplyHandler
from patrol.domain.ids import CaseId
from patrol.domain.outbox import DeliveryState
from patrol.integrations.canary import RETRY_AFTER, Canary
from patrol.integrations.notifications import NotificationTarget
from patrol.messaging.topics import canary_topics, case_filter, inbox_filters
from patrol.mqtt.packets import topic_matches
from tests.support.case_system import CaseSystem

SITE = "shangba"
NOTIFIED_EVENTS, ANSWERS = canary_topics(SITE)
ALARM = NotificationTarget("notify:duty", frozenset({"alarm"}))


@pytest.fixture
def canary(case_system: CaseSystem) -> Canary:
    return Canary(
        case_system.store,
        SITE,
        targets=[ALARM, NotificationTarget("notify:x", frozenset({"unheard"}))],
    )


def answer(case_system: CaseSystem, canary: Canary) -> None:
    """What the test leader does with what the broker has for it."""
    about = json.loads(case_system.broker.retained[NOTIFIED_EVENTS])["key"]
    body = {"v": 1, "key": "a", "type": "acknowledge", "about": about}
    assert canary.handle_reply(ANSWERS, json.dumps(body).encode(), case_system.clock.now())


def notices(case_system: CaseSystem) -> list[tuple[str, str]]:
    with case_system.store.begin() as uow:
        got = [
            uow.deliveries.lease(name, holder="h", now=case_system.clock.now(), lease_s=1, limit=9)
            for name in ("notify:duty", "notify:x")
        ]
    return [(one.target, json.loads(one.payload)["title"]) for many in got for one in many]


def test_it_comes_back_and_the_store_has_its_receipt(
    case_system: CaseSystem, canary: Canary
) -> None:
    canary.tick(case_system.clock.now())
    case_system.relay.run_until_empty(1.0)
    case_system.after(timedelta(seconds=2))
    answer(case_system, canary)
    canary.tick(case_system.clock.now())
    assert canary.failing == ""
    assert canary.round_trip_s == 2.0
    assert canary.last_return == case_system.clock.now()
    key = json.loads(case_system.broker.retained[NOTIFIED_EVENTS])["key"]
    assert [m.state for m in case_system.messages(CaseId(key))] == [DeliveryState.ACKNOWLEDGED]
    assert notices(case_system) == []


def test_what_it_says_fits_the_published_schema(
    case_system: CaseSystem, canary: Canary, matches_schema: Any
) -> None:
    canary.tick(case_system.clock.now())
    case_system.relay.run_until_empty(1.0)
    matches_schema("canary", case_system.broker.retained[NOTIFIED_EVENTS])
    about = json.loads(case_system.broker.retained[NOTIFIED_EVENTS])["key"]
    answer = {"v": 1, "key": f"ack-{about}", "type": "acknowledge", "about": about}
    matches_schema("canary_reply", json.dumps(answer).encode())


def test_one_an_hour(case_system: CaseSystem, canary: Canary) -> None:
    for _ in range(180):
        canary.tick(case_system.clock.now())
        case_system.relay.run_until_empty(1.0)
        answer(case_system, canary)
        canary.tick(case_system.clock.now())
        case_system.after(timedelta(minutes=1))
    assert canary.sent == 3
    assert canary.lost == 0


@pytest.mark.parametrize(
    ("relayed", "why"), [(True, "no answer came back"), (False, "broker is not reached")]
)
def test_its_silence_is_one_alarm_that_says_where(
    case_system: CaseSystem, canary: Canary, *, relayed: bool, why: str
) -> None:
    canary.tick(case_system.clock.now())
    if relayed:
        case_system.relay.run_until_empty(1.0)
    case_system.after(timedelta(seconds=59))
    canary.tick(case_system.clock.now())
    assert canary.failing == ""
    for _ in range(5):
        case_system.after(timedelta(seconds=1))
        canary.tick(case_system.clock.now())
    assert why in canary.failing
    assert canary.lost == 1
    assert notices(case_system) == [("notify:duty", "【巡查推送自检】告警 shangba")]


def test_it_is_tried_soon_again_and_its_return_is_told(
    case_system: CaseSystem, canary: Canary
) -> None:
    canary.tick(case_system.clock.now())
    case_system.relay.run_until_empty(1.0)
    case_system.after(timedelta(minutes=2))
    canary.tick(case_system.clock.now())
    case_system.after(RETRY_AFTER)
    canary.tick(case_system.clock.now())
    case_system.relay.run_until_empty(1.0)
    assert canary.sent == 2
    answer(case_system, canary)
    canary.tick(case_system.clock.now())
    assert canary.failing == ""
    assert [title.split("】")[1] for _, title in notices(case_system)] == [
        "告警 shangba",
        "恢复 shangba",
    ]


def test_a_repeat_a_stranger_and_rubbish_change_nothing(
    case_system: CaseSystem, canary: Canary
) -> None:
    canary.tick(case_system.clock.now())
    case_system.relay.run_until_empty(1.0)
    answer(case_system, canary)
    case_system.after(timedelta(seconds=30))
    answer(case_system, canary)  # the broker was reminded, the leader answers again
    canary.tick(case_system.clock.now())
    assert canary.round_trip_s == 0.0
    for payload in (b"", b"\xff", b"[]", b"null", b'{"about": 7}', b'{"about": "C20261122-0001"}'):
        assert canary.handle_reply(ANSWERS, payload, case_system.clock.now())
    topic = f"patrol/v1/{SITE}/grid/620902104203001/reply/C1"
    assert not canary.handle_reply(topic, b"{}", case_system.clock.now())


def test_an_answer_about_a_real_case_by_its_way_moves_nothing(
    case_system: CaseSystem, canary: Canary
) -> None:
    case = case_system.confirm()
    case_system.relay.run_until_empty(1.0)
    before = case_system.messages(case.id)
    body = json.dumps({"v": 1, "key": "a", "type": "acknowledge", "about": case.id}).encode()
    assert canary.handle_reply(ANSWERS, body, case_system.clock.now())
    assert case_system.messages(case.id) == before


def test_whoever_listens_to_all_grids_does_not_hear_it(case_system: CaseSystem) -> None:
    assert case_filter(SITE).split("/")[3] == "grid"
    assert "/grid/" not in NOTIFIED_EVENTS + ANSWERS
    for one in inbox_filters(SITE):
        assert not any(topic_matches(one, topic) for topic in (NOTIFIED_EVENTS, ANSWERS)), one
    assert not topic_matches(case_filter(SITE), NOTIFIED_EVENTS)


def test_a_site_without_canary_buries_its_answer_like_any_stranger(case_system: CaseSystem) -> None:
    inbox: ReplyHandler = case_system.inbox
    assert inbox.handle(ANSWERS, b"{}", case_system.clock.now()).reason == "unknown_topic"
