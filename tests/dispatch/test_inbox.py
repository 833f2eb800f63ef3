"""What the ground says, and what becomes of the case, the ladder and the retained message."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from patrol.dispatch.inbox import Outcome
from patrol.dispatch.replies import Reason
from patrol.dispatch.verification import verified
from patrol.domain.case import CaseEvent, CaseState
from patrol.domain.ids import CaseId, MessageKey
from patrol.domain.levels import Level
from patrol.domain.message import DeliveryState
from simulators import hamlet

S, E = CaseState, CaseEvent


@pytest.fixture
def told(house: Any) -> Any:
    """A case that the broker has."""
    case = house.confirm()
    house.relay.drain(1.0)
    return case


def test_the_way_of_a_case_that_goes_well(house: Any, told: Any) -> None:
    for kind, more, state in (
        ("received", {}, S.DISPATCHED),
        ("opened", {}, S.DISPATCHED),
        ("acknowledge", {}, S.ACKNOWLEDGED),
        ("arrive", {}, S.ARRIVED),
        ("feedback", {"result": "handled", "text": "已挪车"}, S.FED_BACK),
    ):
        house.reply(told.id, kind, person="leader", **more)
        assert house.case(told.id).state is state
    case = house.case(told.id)
    assert [entry.what for entry in case.entries] == [
        E.DISPATCH,
        E.RECEIVED,
        E.OPENED,
        E.ACKNOWLEDGE,
        E.ARRIVE,
        E.HANDLE,
        E.FEED_BACK,
    ]
    assert {entry.by for entry in case.entries} == {"op", "leader"}
    assert case.look_due_at == house.clock.now(), "it is looked at again at once"
    assert case.ladder_due_at is None
    shown = house.retained(told.id)
    assert shown is not None
    assert shown["state"] == "fed_back"


@pytest.mark.parametrize(
    ("kind", "more", "state", "stops"),
    [
        pytest.param("received", {}, S.DISPATCHED, False, id="a receipt is no answer"),
        pytest.param("opened", {}, S.DISPATCHED, False, id="nor is opening it"),
        pytest.param("acknowledge", {}, S.ACKNOWLEDGED, True, id="acknowledge"),
        pytest.param("arrive", {}, S.ARRIVED, True, id="arrived without a word before"),
        pytest.param("extend", {"text": "明天"}, S.ACKNOWLEDGED, True, id="asks for time"),
        pytest.param("feedback", {"result": "in_progress"}, S.ACKNOWLEDGED, True, id="at work"),
        pytest.param("feedback", {"result": "handled"}, S.FED_BACK, True, id="handled at once"),
        pytest.param("feedback", {"result": "false_alarm"}, S.RETURNED, True, id="false alarm"),
        pytest.param("feedback", {"result": "not_my_grid"}, S.RETURNED, True, id="not my grid"),
        pytest.param("feedback", {"result": "need_help"}, S.DISPATCHED, False, id="needs help"),
        pytest.param("feedback", {"result": "cannot_reach"}, S.DISPATCHED, False, id="cannot go"),
    ],
)
def test_each_word_and_the_ladder(
    house: Any, told: Any, kind: str, more: dict[str, str], state: CaseState, *, stops: bool
) -> None:
    house.reply(told.id, kind, **more)
    case = house.case(told.id)
    assert case.state is state
    assert (case.ladder_due_at is None) is stops


@pytest.mark.parametrize("result", ["need_help", "cannot_reach"])
def test_a_call_for_help_tells_the_next_rung_at_once(house: Any, told: Any, result: str) -> None:
    house.reply(told.id, "acknowledge")
    for _ in range(2):  # the substitute of the same grid, then the village
        house.reply(told.id, "feedback", result=result, key=str(_))
    shown = house.retained(told.id, hamlet.VILLAGE)
    assert shown is not None
    assert shown["rung"]["person"] == "cadre"


def test_a_returned_case_says_why(house: Any, told: Any) -> None:
    house.reply(told.id, "feedback", result="not_my_grid", text="在二组")
    assert house.case(told.id).entries[-1].note == "not_my_grid: 在二组"


def test_a_repeat_changes_nothing(house: Any, told: Any) -> None:
    first = house.reply(told.id, "acknowledge", key="k1")
    before = house.case(told.id), house.messages(told.id)
    again = house.reply(told.id, "acknowledge", key="k1")
    other_words = house.reply(told.id, "feedback", result="handled", key="k1")
    assert (first.outcome, again.outcome) == (Outcome.MOVED, Outcome.REPEATED)
    assert other_words.outcome is Outcome.REPEATED
    assert (house.case(told.id), house.messages(told.id)) == before


def test_the_same_key_for_two_cases_is_two_replies(house: Any, told: Any) -> None:
    second = house.confirm(hamlet.finding("F000002", category="dumping"))
    assert house.reply(told.id, "acknowledge", key="k1").outcome is Outcome.MOVED
    assert house.reply(second.id, "acknowledge", key="k1").outcome is Outcome.MOVED


def test_a_late_step_is_noted_and_not_told_again(house: Any, told: Any) -> None:
    house.reply(told.id, "feedback", result="handled")
    before = len(house.messages(told.id))
    assert house.reply(told.id, "arrive").outcome is Outcome.NOTED
    assert house.case(told.id).state is S.FED_BACK
    assert len(house.messages(told.id)) == before


def test_receipts_never_make_the_centre_talk(house: Any, told: Any) -> None:
    """Or a phone that confirms every message would keep both busy for ever."""
    for number in range(5):
        house.reply(told.id, "received", key=str(number))
    assert len(house.messages(told.id)) == 1


@pytest.mark.parametrize(
    ("person", "by"),
    [
        ("leader", "leader"),
        ("", f"somebody@{hamlet.GROUP}"),
        ("stranger", f"stranger@{hamlet.GROUP}"),
    ],
)
def test_who_said_it(house: Any, told: Any, person: str, by: str) -> None:
    house.reply(told.id, "acknowledge", person=person)
    assert house.case(told.id).entries[-1].by == by


def test_our_clock_counts_and_theirs_is_noted(house: Any, told: Any) -> None:
    house.reply(told.id, "acknowledge", client_at="2026-11-01T00:00:00Z")
    entry = house.case(told.id).entries[-1]
    assert entry.at == house.clock.now()
    assert "2026-11-01" in entry.note


class TestDeliveries:
    def states(self, house: Any, case: str) -> list[DeliveryState]:
        return [message.state for message in house.messages(case)]

    def test_receipts_move_what_is_known_of_the_message(self, house: Any, told: Any) -> None:
        assert self.states(house, told.id) == [DeliveryState.PUBLISHED]
        house.reply(told.id, "received")
        assert self.states(house, told.id) == [DeliveryState.RECEIVED]
        house.reply(told.id, "opened")
        assert self.states(house, told.id) == [DeliveryState.OPENED]

    def test_a_message_that_still_waits_is_never_marked_away(self, house: Any, told: Any) -> None:
        house.broker.is_up = False
        house.reply(told.id, "acknowledge")  # queues the next revision
        house.reply(told.id, "received")
        assert self.states(house, told.id) == [DeliveryState.ACKNOWLEDGED, DeliveryState.QUEUED]
        house.broker.is_up = True
        assert house.retained(told.id)["state"] == "acknowledged"

    def test_a_reply_may_name_the_message_that_outran_our_mark(self, house: Any) -> None:
        case = house.confirm()
        key = house.messages(case.id)[0].key
        house.reply(case.id, "received", about=key)
        assert self.states(house, case.id) == [DeliveryState.RECEIVED]

    def test_it_cannot_mark_somebody_elses(self, house: Any, told: Any) -> None:
        other = house.confirm(hamlet.finding("F2", category="dumping"))
        house.reply(told.id, "received", about=house.messages(other.id)[0].key)
        assert self.states(house, other.id) == [DeliveryState.QUEUED]


REFUSED = [
    ("patrol/v1/shangba/grid/x/answer/y", b"{}", Reason.UNKNOWN_TOPIC),
    ("patrol/v1/elsewhere/grid/x/reply/y", b"{}", Reason.ANOTHER_SITE),
    ("patrol/v1/shangba/grid/x/reply/y", b"x" * 70000, Reason.TOO_LARGE),
    ("patrol/v1/shangba/grid/x/reply/y", b"", Reason.EMPTY),
    ("patrol/v1/shangba/grid/x/reply/y", b"\xff", Reason.NOT_UTF8),
    ("patrol/v1/shangba/grid/x/reply/y", b"x", Reason.NOT_JSON),
    ("patrol/v1/shangba/grid/x/reply/y", b"[]", Reason.NOT_AN_OBJECT),
    ("patrol/v1/shangba/grid/x/reply/y", b"{}", Reason.BAD_VERSION),
    ("patrol/v1/shangba/grid/x/reply/y", b'{"v":1}', Reason.NO_KEY),
    (
        "patrol/v1/shangba/grid/x/reply/y",
        b'{"v":1,"key":"k","client_at":"2099-01-01T00:00:00Z"}',
        Reason.ODD_CLOCK,
    ),
    ("patrol/v1/shangba/grid/x/reply/y", b'{"v":1,"key":"k"}', Reason.UNKNOWN_TYPE),
    (
        "patrol/v1/shangba/grid/x/reply/y",
        b'{"v":1,"key":"k","type":"feedback"}',
        Reason.UNKNOWN_RESULT,
    ),
    ("patrol/v1/shangba/grid/x/report", b'{"v":1,"key":"k"}', Reason.NOTHING_SAID),
    (
        "patrol/v1/shangba/grid/620902104999999/report",
        b'{"v":1,"key":"k","text":"x"}',
        Reason.UNKNOWN_GRID,
    ),
    (
        f"patrol/v1/shangba/grid/{hamlet.GROUP}/reply/C20261122-9999",
        b'{"v":1,"key":"k","type":"arrive"}',
        Reason.UNKNOWN_CASE,
    ),
]


class TestDeadLetters:
    def refused(self, house: Any) -> str:
        (letter,) = house.dead_letters()
        return str(letter.reason)

    @pytest.mark.parametrize(("topic", "payload", "reason"), REFUSED)
    def test_every_reason(self, house: Any, topic: str, payload: bytes, reason: Reason) -> None:
        handled = house.inbox.handle(topic, payload, hamlet.NOON)
        assert (handled.outcome, handled.reason) == (Outcome.REFUSED, reason)
        (letter,) = house.dead_letters()
        assert letter.reason.startswith(reason)
        assert (letter.topic, letter.size_bytes) == (topic, len(payload))
        assert letter.payload == payload[:4096]
        assert house.inbox.counters[f"refused:{reason}"] == 1

    def test_another_grid(self, house: Any, told: Any) -> None:
        before = house.case(told.id)
        house.reply(told.id, "acknowledge", grid=hamlet.SECOND_GROUP)
        assert self.refused(house).startswith(Reason.ANOTHER_GRID)
        assert house.case(told.id) == before

    def test_not_possible_and_its_key_is_not_used_up(self, house: Any, told: Any) -> None:
        house.reply(told.id, "feedback", result="false_alarm")
        house.reply(told.id, "feedback", result="handled", key="k9")
        assert self.refused(house).startswith(Reason.NOT_POSSIBLE)
        with house.store.begin_read() as uow:
            remembered = MessageKey(f"{hamlet.GROUP}/{told.id}/k9")
        with house.store.begin() as uow:
            assert uow.inbox.first_time(remembered, hamlet.NOON)

    def test_all_reasons_are_tried_here(self) -> None:
        tried = {reason for _, _, reason in REFUSED}
        assert tried | {Reason.ANOTHER_GRID, Reason.NOT_POSSIBLE} == set(Reason)


def test_a_grid_that_was_told_through_escalation_may_answer(house: Any, told: Any) -> None:
    for _ in range(2):
        house.after(timedelta(hours=2))
        house.ladder.tick(house.clock.now())
    handled = house.reply(told.id, "acknowledge", grid=hamlet.VILLAGE, person="cadre")
    assert handled.outcome is Outcome.MOVED
    for grid in (hamlet.GROUP, hamlet.VILLAGE):
        assert house.retained(told.id, grid)["state"] == "acknowledged"


def test_a_report_becomes_a_case_of_its_grid(house: Any) -> None:
    topic = f"patrol/v1/shangba/grid/{hamlet.GROUP}/report"
    body = {"v": 1, "key": "r1", "category": "dumping", "text": "渠边有垃圾", "person": "leader"}
    reported = house.say(topic, body)
    again = house.say(topic, body)
    assert (reported.outcome, again.outcome) == (Outcome.REPORTED, Outcome.REPEATED)
    case = house.case(reported.case)
    assert (case.category, case.level, case.camera) == ("dumping", Level.ORDINARY, None)
    shown = house.retained(case.id)
    assert (shown["note"], shown["camera_last6"]) == ("渠边有垃圾", None)
    house.reply(case.id, "feedback", result="handled")
    assert house.case(case.id).look_due_at is None, "no camera: a person verifies"


@pytest.mark.parametrize(
    ("more", "category", "level"),
    [
        ({"category": "beehive", "text": "蜂箱"}, "other", Level.ORDINARY),
        ({"text": "x", "level": "I"}, "other", Level.URGENT),
        ({"text": "x", "level": "IX"}, "other", Level.ORDINARY),
    ],
)
def test_a_report_is_read_kindly(
    house: Any, more: dict[str, str], category: str, level: Level
) -> None:
    topic = f"patrol/v1/shangba/grid/{hamlet.VILLAGE}/report"
    case = house.case(house.say(topic, {"v": 1, "key": "r", **more}).case)
    assert (case.category, case.level) == (category, level)
    assert more.get("category", "") in case.note


def test_handled_again_after_rework_is_looked_at_again(house: Any, told: Any) -> None:
    house.reply(told.id, "feedback", result="handled", key="1")
    with house.store.begin() as uow:
        verified(uow, told.id, gone=False, by="eye", now=house.clock.now(), announcer=house.wire)
        uow.commit()
    assert house.retained(told.id)["state"] == "rework"
    house.after(timedelta(minutes=30))
    house.reply(told.id, "feedback", result="handled", key="2")
    assert house.case(told.id).look_due_at == house.clock.now()


def test_a_second_handled_does_not_move_the_planned_look(house: Any, told: Any) -> None:
    house.reply(told.id, "feedback", result="handled", key="1")
    planned = house.case(told.id).look_due_at
    house.after(timedelta(minutes=3))
    house.reply(told.id, "feedback", result="handled", key="2", text="补充照片")
    assert house.case(told.id).look_due_at == planned
    with house.store.begin() as uow:  # the look was given up; "handled" asks for it anew
        uow.cases.put(replace(uow.cases.get(CaseId(told.id)), look_due_at=None))
        uow.commit()
    house.reply(told.id, "feedback", result="handled", key="3")
    assert house.case(told.id).look_due_at == house.clock.now()
