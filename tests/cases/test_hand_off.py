"""Hand-offs to other departments, and broadcasts to loudspeakers, from asking to the answer."""

import json
from dataclasses import replace
from datetime import time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from patrol.cases.hand_off import (
    OutsideContacts,
    OutsideContext,
    answer_hand_off,
    ask_broadcast,
    decide_broadcast,
    hand_off_case,
    record_played,
)
from patrol.domain.broadcast import (
    BroadcastEvent,
    BroadcastState,
    CannotBroadcast,
    IllegalBroadcastMove,
    QuietHours,
    Speaker,
    template_problem,
)
from patrol.domain.case import Case, CaseEvent
from patrol.domain.hand_off import (
    CannotHandOff,
    HandOffChannel,
    HandOffEvent,
    HandOffRecipient,
    HandOffState,
    IllegalHandOffMove,
)
from patrol.domain.ids import GridCode
from patrol.domain.priority import Level
from simulators import small_site
from tests.support.case_system import SITE, CaseSystem

NOON = small_site.NOON
ZONE = ZoneInfo("Asia/Shanghai")
DAY = timedelta(days=1)


def context_of(system: CaseSystem, **quiet: time) -> OutsideContext:
    village = system.registry.tree.village_of(GridCode(small_site.GROUP))
    assert village
    recipients = [
        HandOffRecipient(
            name=str(channel), title="派出所", channel=channel, answer_within=timedelta(hours=4)
        )
        for channel in HandOffChannel
    ]
    speakers = {
        "east": Speaker(name="east", title="东头喇叭", grid=village, driver="mqtt"),
        "hook": Speaker(name="hook", title="西头喇叭", grid=GridCode("0" * 15), driver="webhook"),
    }
    contacts = OutsideContacts(
        recipients={one.name: one for one in recipients}, speakers=speakers,
        templates={"warn": "请注意:{place}发现{category}"}, quiet=QuietHours(**quiet),
    )  # fmt: skip
    return OutsideContext(
        contacts=contacts, payloads=system.payload_builder, registry=system.registry, zone=ZONE
    )


def given(system: CaseSystem, case: Case, to: str, why: str = "涉嫌违法") -> Any:
    with system.store.begin() as uow:
        found = hand_off_case(
            uow, case.id, to, by="op", now=NOON, why=why, context=context_of(system)
        )
        uow.commit()
    return found


def answered(system: CaseSystem, ident: str, event: HandOffEvent, **more: Any) -> Any:
    with system.store.begin() as uow:
        found = answer_hand_off(
            uow, ident, event, by="police", now=NOON + timedelta(hours=1),
            context=context_of(system), **more,
        )  # fmt: skip
        uow.commit()
    return found


def test_a_case_goes_by_mqtt_and_its_answer_clears_the_topic(
    case_system: CaseSystem, matches_schema: Any
) -> None:
    case = case_system.confirm()
    hand_off = given(case_system, case, "mqtt")
    case_system.relay.run_until_empty(5)
    topic = f"patrol/v1/{SITE}/handoff/mqtt/event/{hand_off.id}"
    event = matches_schema("hand_off", case_system.broker.retained[topic])
    assert (event["event"], event["reason"], event["level"]) == (case.id, "涉嫌违法", case.level)
    assert str(case.camera) not in json.dumps(event)
    assert answered(case_system, hand_off.id, HandOffEvent.RECEIVE).state is HandOffState.RECEIVED
    with pytest.raises(IllegalHandOffMove):
        answered(case_system, hand_off.id, HandOffEvent.RECEIVE)
    with pytest.raises(CannotHandOff, match="text"):
        answered(case_system, hand_off.id, HandOffEvent.ANSWER)
    done = answered(case_system, hand_off.id, HandOffEvent.ANSWER, text="已处警")
    assert (done.state, done.answer) == (HandOffState.ANSWERED, "已处警")
    case_system.relay.run_until_empty(5)
    assert topic not in case_system.broker.retained
    with case_system.store.begin_read() as uow:
        history = [entry.what for entry in uow.cases.get(case.id).entries]
    assert history[-3:] == [
        CaseEvent.HAND_OFF, CaseEvent.HAND_OFF_ANSWER, CaseEvent.HAND_OFF_ANSWER,
    ]  # fmt: skip


def test_a_webhook_is_queued_and_a_printed_sheet_is_not(case_system: CaseSystem) -> None:
    case = case_system.confirm()
    hand_off = given(case_system, case, "webhook")
    given(case_system, case, "print")
    with case_system.store.begin_read() as uow:
        assert set(uow.deliveries.waiting()) == {"webhook:handoff-webhook"}
        assert len(uow.hand_offs.of_case(case.id)) == 2
        assert uow.hand_offs.list(open_only=True)[0].is_overdue(NOON + DAY)
    assert not hand_off.is_overdue(NOON)


def test_a_repeated_answer_changes_nothing(case_system: CaseSystem) -> None:
    hand_off = given(case_system, case_system.confirm(), "print")
    for _ in range(2):
        answered(case_system, hand_off.id, HandOffEvent.ANSWER, text="好", key="k1")
    with case_system.store.begin_read() as uow:
        case = uow.cases.get(hand_off.case)
    assert sum(entry.what is CaseEvent.HAND_OFF_ANSWER for entry in case.entries) == 1


@pytest.mark.parametrize(
    ("to", "why", "field"), [("army", "x", "recipient"), ("print", " ", "why")]
)
def test_no_recipient_or_no_reason(case_system: CaseSystem, to: str, why: str, field: str) -> None:
    case = case_system.confirm()
    with pytest.raises(CannotHandOff, match=field):
        given(case_system, case, to, why)


def asked(system: CaseSystem, case: Case, *, now: Any = NOON, **more: Any) -> Any:
    with system.store.begin() as uow:
        found = ask_broadcast(uow, case.id, by="op", now=now, context=context_of(system), **more)
        uow.commit()
    return found


def decided(system: CaseSystem, ident: str, event: BroadcastEvent, by: str = "chief") -> Any:
    with system.store.begin() as uow:
        found = decide_broadcast(uow, ident, event, by=by, now=NOON, context=context_of(system))
        uow.commit()
    return found


def test_a_broadcast_is_asked_approved_sent_and_played(
    case_system: CaseSystem, matches_schema: Any
) -> None:
    case = case_system.confirm()
    broadcast = asked(case_system, case, template="warn")
    assert broadcast.speaker == "east"  # of the village above the group
    with pytest.raises(IllegalBroadcastMove, match="another"):
        decided(case_system, broadcast.id, BroadcastEvent.APPROVE, by="op")
    assert decided(case_system, broadcast.id, BroadcastEvent.APPROVE).state is BroadcastState.SENT
    payloads: list[bytes] = []
    case_system.broker.subscribe(
        f"patrol/v1/{SITE}/speaker/+/play", lambda _t, body: payloads.append(body)
    )
    case_system.relay.run_until_empty(5)
    (payload,) = payloads
    body = matches_schema("broadcast", payload)
    assert body["text"] == broadcast.text
    with case_system.store.begin() as uow:
        more = {"now": NOON, "context": context_of(case_system)}
        with pytest.raises(KeyError):
            record_played(uow, broadcast.id, BroadcastEvent.PLAYED, speaker="hook", **more)  # type: ignore[arg-type]
        done = record_played(uow, broadcast.id, BroadcastEvent.PLAYED, speaker="east", **more)  # type: ignore[arg-type]
        again = record_played(uow, broadcast.id, BroadcastEvent.PLAYED, speaker="east", **more)  # type: ignore[arg-type]
        uow.commit()
    assert done == again
    assert (done.state, done.approved_by) == (BroadcastState.PLAYED, "chief")
    with case_system.store.begin_read() as uow:
        entries = uow.cases.get(case.id).entries
    assert sum(entry.what is CaseEvent.BROADCAST_PLAYED for entry in entries) == 1


@pytest.mark.parametrize(
    ("hour", "level", "right"),
    [(22, Level.ORDINARY, False), (22, Level.URGENT, True), (6, Level.PRESSING, False),
     (7, Level.ORDINARY, True), (21, Level.NOTE, False)],
)  # fmt: skip
def test_at_night_only_level_one_is_played(
    case_system: CaseSystem, hour: int, level: Level, *, right: bool
) -> None:
    case = case_system.confirm(replace(small_site.finding(), level=level))
    night = NOON.astimezone(ZONE).replace(hour=hour, minute=0)
    if right:
        assert asked(case_system, case, now=night, text="请注意").state is BroadcastState.ASKED
    else:
        with pytest.raises(IllegalBroadcastMove, match="level I"):
            asked(case_system, case, now=night, text="请注意")


@pytest.mark.parametrize(
    "more", [{}, {"text": "x" * 301}, {"template": "none"}, {"text": "好", "speaker": "far"}]
)
def test_without_text_or_loudspeaker_nothing_is_asked(
    case_system: CaseSystem, more: dict[str, str]
) -> None:
    case = case_system.confirm()
    with pytest.raises(CannotBroadcast):
        asked(case_system, case, **more)


def test_quiet_hours_may_lie_within_a_day() -> None:
    quiet = QuietHours(start=time(12), end=time(14))
    noon = NOON.astimezone(ZONE)
    assert quiet.is_quiet(noon.replace(hour=13))
    assert not quiet.is_quiet(noon.replace(hour=14, minute=0))


def test_a_template_names_known_fields() -> None:
    assert template_problem("{place}{category}") is None
    assert "camera" in str(template_problem("{camera}"))
    assert template_problem("{") is not None
