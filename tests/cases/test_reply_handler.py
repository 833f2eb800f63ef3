"""What the ground says, and what becomes of the case, the ladder and the retained message."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from patrol.cases.actions import apply_recheck
from patrol.cases.reply_handler import ReplyOutcome
from patrol.domain.case import CaseEvent, CaseState
from patrol.domain.escalation import announced_grids
from patrol.domain.ids import CaseId, MessageKey
from patrol.domain.observation import Subject
from patrol.domain.outbox import DeliveryState
from patrol.domain.priority import Level
from patrol.messaging.reply_parser import DeadLetterReason
from patrol.messaging.topics import ReplyTopic
from patrol.reports.documents import case_document
from simulators import small_site
from tests.support.case_system import CaseSystem

S, E = CaseState, CaseEvent


@pytest.fixture
def announced_case(case_system: CaseSystem) -> Any:
    """A case that the broker has."""
    case = case_system.confirm()
    case_system.relay.run_until_empty(1.0)
    return case


def test_a_leader_opens_a_case_to_helpers_and_closes_it(
    case_system: CaseSystem, announced_case: Any
) -> None:
    shown = case_system.retained(announced_case.id)
    assert shown is not None
    assert shown["open_to_helpers"] is False
    for kind, is_open in (("open_to_helpers", True), ("close_to_helpers", False)):
        for key, outcome in (("a", ReplyOutcome.MOVED), ("b", ReplyOutcome.NOTED)):  # stands once
            said = case_system.reply(
                announced_case.id, kind, person="leader", text="请帮忙", key=f"{kind}-{key}"
            )
            assert said.outcome is outcome
        after = case_system.case(announced_case.id)
        assert (after.open_to_helpers, after.state) == (is_open, S.DISPATCHED)
        case_system.relay.run_until_empty(1.0)
        shown = case_system.retained(announced_case.id)
        assert shown is not None
        assert shown["open_to_helpers"] is is_open
    assert [entry.what for entry in after.entries] == [
        E.DISPATCH, E.OPEN_TO_HELPERS, E.CLOSE_TO_HELPERS,
    ]  # fmt: skip
    with case_system.store.begin_read() as uow:
        logged = [(one.who, one.what) for one in uow.access.entries(limit=5)]
    assert ("leader", "open_to_helpers") in logged
    assert ("leader", "close_to_helpers") in logged


def test_a_case_about_a_camera_is_not_opened_to_helpers(case_system: CaseSystem) -> None:
    case = case_system.confirm(
        small_site.finding(subject=Subject.EQUIPMENT, kind="blur", category="equipment")
    )
    (grid, *_) = announced_grids(case)
    said = case_system.reply(case.id, "open_to_helpers", grid=grid)
    assert said.reason is DeadLetterReason.NOT_POSSIBLE


def test_the_way_of_a_case_that_goes_well(case_system: CaseSystem, announced_case: Any) -> None:
    for kind, more, state in (
        ("received", {}, S.DISPATCHED),
        ("opened", {}, S.DISPATCHED),
        ("acknowledge", {}, S.ACKNOWLEDGED),
        ("arrive", {}, S.ARRIVED),
        ("feedback", {"result": "handled", "text": "已挪车"}, S.FED_BACK),
    ):
        case_system.reply(announced_case.id, kind, person="leader", **more)
        assert case_system.case(announced_case.id).state is state
    case = case_system.case(announced_case.id)
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
    assert case.recheck_due_at == case_system.clock.now(), "it is looked at again at once"
    assert case.ladder_due_at is None
    shown = case_system.retained(announced_case.id)
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
    case_system: CaseSystem,
    announced_case: Any,
    kind: str,
    more: dict[str, str],
    state: CaseState,
    *,
    stops: bool,
) -> None:
    case_system.reply(announced_case.id, kind, **more)
    case = case_system.case(announced_case.id)
    assert case.state is state
    assert (case.ladder_due_at is None) is stops


@pytest.mark.parametrize("result", ["need_help", "cannot_reach"])
def test_a_call_for_help_tells_the_next_rung_at_once(
    case_system: CaseSystem, announced_case: Any, result: str
) -> None:
    case_system.reply(announced_case.id, "acknowledge")
    for _ in range(2):  # the substitute of the same grid, then the village
        case_system.reply(announced_case.id, "feedback", result=result, key=str(_))
    shown = case_system.retained(announced_case.id, small_site.VILLAGE)
    assert shown is not None
    assert shown["rung"]["person"] == "cadre"


def test_a_returned_case_says_why(case_system: CaseSystem, announced_case: Any) -> None:
    case_system.reply(announced_case.id, "feedback", result="not_my_grid", text="在二组")
    assert case_system.case(announced_case.id).entries[-1].note == "not_my_grid: 在二组"


def test_a_repeat_changes_nothing(case_system: CaseSystem, announced_case: Any) -> None:
    first = case_system.reply(announced_case.id, "acknowledge", key="k1")
    before = case_system.case(announced_case.id), case_system.messages(announced_case.id)
    again = case_system.reply(announced_case.id, "acknowledge", key="k1")
    other_words = case_system.reply(announced_case.id, "feedback", result="handled", key="k1")
    assert (first.outcome, again.outcome) == (ReplyOutcome.MOVED, ReplyOutcome.REPEATED)
    assert other_words.outcome is ReplyOutcome.REPEATED
    assert (case_system.case(announced_case.id), case_system.messages(announced_case.id)) == before


def test_the_same_key_for_two_cases_is_two_replies(
    case_system: CaseSystem, announced_case: Any
) -> None:
    second = case_system.confirm(small_site.finding("F000002", category="dumping"))
    assert (
        case_system.reply(announced_case.id, "acknowledge", key="k1").outcome is ReplyOutcome.MOVED
    )
    assert case_system.reply(second.id, "acknowledge", key="k1").outcome is ReplyOutcome.MOVED


def test_a_late_step_is_noted_and_acknowledged_without_a_new_revision(
    case_system: CaseSystem, announced_case: Any
) -> None:
    case_system.reply(announced_case.id, "feedback", result="handled", key="h")
    *_, before = case_system.messages(announced_case.id)
    assert case_system.reply(announced_case.id, "arrive", key="late").outcome is ReplyOutcome.NOTED
    assert case_system.case(announced_case.id).state is S.FED_BACK
    *_, after = case_system.messages(announced_case.id)
    told, again = json.loads(before.payload), json.loads(after.payload)
    assert (again["received_replies"], told["received_replies"]) == (["h", "late"], ["h"])
    assert (after.topic, again["revision"]) == (before.topic, told["revision"])
    assert after.key != before.key  # an application drops a key that it has seen


@pytest.mark.parametrize(
    ("person", "by", "claimed"),
    [
        ("leader", "leader", "leader"),  # one of those who answer here, and nothing proves which
        ("duty", f"somebody@{small_site.GROUP}", "duty"),  # of the town: never told of this case
        ("stranger", f"stranger@{small_site.GROUP}", "stranger"),
    ],
)
def test_a_name_in_the_payload_is_a_claim(
    case_system: CaseSystem, announced_case: Any, person: str, by: str, claimed: str
) -> None:
    case_system.reply(announced_case.id, "acknowledge", person=person)
    last = case_system.case(announced_case.id).entries[-1]
    assert (last.by, last.claimed) == (by, claimed)
    shown = case_document(case_system.case(announced_case.id))["events"][-1]
    assert (shown["by"], shown["claimed"]) == (by, claimed)


def test_the_topic_of_one_person_proves_who_it_is(
    case_system: CaseSystem, announced_case: Any
) -> None:
    topic = str(ReplyTopic("shangba", small_site.GROUP, announced_case.id, "leader"))
    forged = {"v": 1, "key": "k", "type": "acknowledge", "person": "duty"}
    case_system.receive(topic, json.dumps(forged).encode())
    last = case_system.case(announced_case.id).entries[-1]
    assert (last.by, last.claimed) == ("leader", "duty")


def test_receipts_never_make_the_centre_talk(case_system: CaseSystem, announced_case: Any) -> None:
    """Or a phone that confirms every message would keep both busy for ever."""
    for number in range(5):
        case_system.reply(announced_case.id, "received", key=str(number))
    assert len(case_system.messages(announced_case.id)) == 1


@pytest.mark.parametrize(
    ("person", "by"),
    [
        ("leader", "leader"),
        ("", f"somebody@{small_site.GROUP}"),
        ("stranger", f"stranger@{small_site.GROUP}"),
    ],
)
def test_who_said_it(case_system: CaseSystem, announced_case: Any, person: str, by: str) -> None:
    case_system.reply(announced_case.id, "acknowledge", person=person)
    assert case_system.case(announced_case.id).entries[-1].by == by


def test_our_clock_counts_and_theirs_is_noted(case_system: CaseSystem, announced_case: Any) -> None:
    case_system.reply(announced_case.id, "acknowledge", client_at="2026-11-01T00:00:00Z")
    entry = case_system.case(announced_case.id).entries[-1]
    assert entry.at == case_system.clock.now()
    assert "2026-11-01" in entry.note


class TestDeliveries:
    def states(self, case_system: CaseSystem, case: str) -> list[DeliveryState]:
        return [message.state for message in case_system.messages(case)]

    def test_receipts_move_what_is_known_of_the_message(
        self, case_system: CaseSystem, announced_case: Any
    ) -> None:
        assert self.states(case_system, announced_case.id) == [DeliveryState.PUBLISHED]
        case_system.reply(announced_case.id, "received")
        assert self.states(case_system, announced_case.id) == [DeliveryState.RECEIVED]
        case_system.reply(announced_case.id, "opened")
        assert self.states(case_system, announced_case.id) == [DeliveryState.OPENED]

    def test_a_message_that_still_waits_is_never_marked_away(
        self, case_system: CaseSystem, announced_case: Any
    ) -> None:
        case_system.broker.is_up = False
        case_system.reply(announced_case.id, "acknowledge")  # queues the next revision
        case_system.reply(announced_case.id, "received")
        assert self.states(case_system, announced_case.id) == [
            DeliveryState.ACKNOWLEDGED,
            DeliveryState.QUEUED,
        ]
        case_system.broker.is_up = True
        assert case_system.retained(announced_case.id)["state"] == "acknowledged"

    def test_a_reply_may_name_the_message_that_outran_our_mark(
        self, case_system: CaseSystem
    ) -> None:
        case = case_system.confirm()
        key = case_system.messages(case.id)[0].key
        case_system.reply(case.id, "received", about=key)
        assert self.states(case_system, case.id) == [DeliveryState.RECEIVED]

    def test_it_cannot_mark_somebody_elses(
        self, case_system: CaseSystem, announced_case: Any
    ) -> None:
        other = case_system.confirm(small_site.finding("F2", category="dumping"))
        case_system.reply(
            announced_case.id, "received", about=case_system.messages(other.id)[0].key
        )
        assert self.states(case_system, other.id) == [DeliveryState.QUEUED]


REFUSED = [
    ("patrol/v1/shangba/grid/x/answer/y", b"{}", DeadLetterReason.UNKNOWN_TOPIC),
    ("patrol/v1/elsewhere/grid/x/reply/y", b"{}", DeadLetterReason.ANOTHER_SITE),
    ("patrol/v1/shangba/grid/x/reply/y", b"x" * 70000, DeadLetterReason.TOO_LARGE),
    ("patrol/v1/shangba/grid/x/reply/y", b"", DeadLetterReason.EMPTY),
    ("patrol/v1/shangba/grid/x/reply/y", b"\xff", DeadLetterReason.NOT_UTF8),
    ("patrol/v1/shangba/grid/x/reply/y", b"x", DeadLetterReason.NOT_JSON),
    ("patrol/v1/shangba/grid/x/reply/y", b"[]", DeadLetterReason.NOT_AN_OBJECT),
    ("patrol/v1/shangba/grid/x/reply/y", b"{}", DeadLetterReason.BAD_VERSION),
    ("patrol/v1/shangba/grid/x/reply/y", b'{"v":1}', DeadLetterReason.NO_KEY),
    (
        "patrol/v1/shangba/grid/x/reply/y",
        b'{"v":1,"key":"k","client_at":"2099-01-01T00:00:00Z"}',
        DeadLetterReason.ODD_CLOCK,
    ),
    ("patrol/v1/shangba/grid/x/reply/y", b'{"v":1,"key":"k"}', DeadLetterReason.UNKNOWN_TYPE),
    (
        "patrol/v1/shangba/grid/x/reply/y",
        b'{"v":1,"key":"k","type":"feedback"}',
        DeadLetterReason.UNKNOWN_RESULT,
    ),
    ("patrol/v1/shangba/grid/x/report", b'{"v":1,"key":"k"}', DeadLetterReason.NOTHING_SAID),
    (
        "patrol/v1/shangba/grid/620902104999999/report",
        b'{"v":1,"key":"k","text":"x"}',
        DeadLetterReason.UNKNOWN_GRID,
    ),
    (
        f"patrol/v1/shangba/grid/{small_site.GROUP}/reply/C20261122-9999",
        b'{"v":1,"key":"k","type":"arrive"}',
        DeadLetterReason.UNKNOWN_CASE,
    ),
]


class TestDeadLetters:
    def refused(self, case_system: CaseSystem) -> str:
        (letter,) = case_system.dead_letters()
        return str(letter.reason)

    @pytest.mark.parametrize(("topic", "payload", "reason"), REFUSED)
    def test_every_reason(
        self, case_system: CaseSystem, topic: str, payload: bytes, reason: DeadLetterReason
    ) -> None:
        handled = case_system.inbox.handle(topic, payload, small_site.NOON)
        assert (handled.outcome, handled.reason) == (ReplyOutcome.REFUSED, reason)
        (letter,) = case_system.dead_letters()
        assert letter.reason.startswith(reason)
        assert (letter.topic, letter.size_bytes) == (topic, len(payload))
        assert letter.payload == payload[:4096]
        assert case_system.inbox.counters[f"refused:{reason}"] == 1

    def test_another_grid(self, case_system: CaseSystem, announced_case: Any) -> None:
        before = case_system.case(announced_case.id)
        case_system.reply(announced_case.id, "acknowledge", grid=small_site.SECOND_GROUP)
        assert self.refused(case_system).startswith(DeadLetterReason.ANOTHER_GRID)
        assert case_system.case(announced_case.id) == before

    def test_not_possible_and_its_key_is_not_used_up(
        self, case_system: CaseSystem, announced_case: Any
    ) -> None:
        case_system.reply(announced_case.id, "feedback", result="false_alarm")
        case_system.reply(announced_case.id, "feedback", result="handled", key="k9")
        assert self.refused(case_system).startswith(DeadLetterReason.NOT_POSSIBLE)
        with case_system.store.begin_read() as uow:
            remembered = MessageKey(f"{small_site.GROUP}/{announced_case.id}/k9")
        with case_system.store.begin() as uow:
            assert uow.inbox.remember_key(remembered, small_site.NOON)

    def test_all_reasons_are_tried_here(self) -> None:
        tried = {reason for _, _, reason in REFUSED}
        of_floods = {DeadLetterReason.TOO_MANY, DeadLetterReason.HISTORY_FULL}  # test_floods.py
        of_cases = {DeadLetterReason.ANOTHER_GRID, DeadLetterReason.NOT_POSSIBLE}
        assert tried | of_cases | of_floods == set(DeadLetterReason)


def test_a_grid_that_was_told_through_escalation_may_answer(
    case_system: CaseSystem, announced_case: Any
) -> None:
    for _ in range(2):
        case_system.after(timedelta(hours=2))
        case_system.escalator.run_due(case_system.clock.now())
    handled = case_system.reply(
        announced_case.id, "acknowledge", grid=small_site.VILLAGE, person="cadre"
    )
    assert handled.outcome is ReplyOutcome.MOVED
    for grid in (small_site.GROUP, small_site.VILLAGE):
        assert case_system.retained(announced_case.id, grid)["state"] == "acknowledged"


def test_a_report_becomes_a_case_of_its_grid(case_system: CaseSystem) -> None:
    topic = f"patrol/v1/shangba/grid/{small_site.GROUP}/report"
    body = {"v": 1, "key": "r1", "category": "dumping", "text": "渠边有垃圾", "person": "leader"}
    reported = case_system.receive(topic, body)
    again = case_system.receive(topic, body)
    assert (reported.outcome, again.outcome) == (ReplyOutcome.REPORTED, ReplyOutcome.REPEATED)
    case = case_system.case(reported.case)
    assert (case.category, case.level, case.camera) == ("dumping", Level.ORDINARY, None)
    shown = case_system.retained(case.id)
    assert (shown["note"], shown["camera_last6"]) == ("渠边有垃圾", None)
    case_system.reply(case.id, "feedback", result="handled")
    assert case_system.case(case.id).recheck_due_at is None, "no camera: a person verifies"


@pytest.mark.parametrize(
    ("more", "category", "level"),
    [
        ({"category": "beehive", "text": "蜂箱"}, "other", Level.ORDINARY),
        ({"text": "x", "level": "I"}, "other", Level.URGENT),
        ({"text": "x", "level": "IX"}, "other", Level.ORDINARY),
    ],
)
def test_a_report_is_read_kindly(
    case_system: CaseSystem, more: dict[str, str], category: str, level: Level
) -> None:
    topic = f"patrol/v1/shangba/grid/{small_site.VILLAGE}/report"
    case = case_system.case(case_system.receive(topic, {"v": 1, "key": "r", **more}).case)
    assert (case.category, case.level) == (category, level)
    assert more.get("category", "") in case.note


def test_handled_again_after_rework_is_looked_at_again(
    case_system: CaseSystem, announced_case: Any
) -> None:
    case_system.reply(announced_case.id, "feedback", result="handled", key="1")
    with case_system.store.begin() as uow:
        apply_recheck(
            uow,
            announced_case.id,
            gone=False,
            by="eye",
            now=case_system.clock.now(),
            payloads=case_system.payload_builder,
        )
        uow.commit()
    assert case_system.retained(announced_case.id)["state"] == "rework"
    case_system.after(timedelta(minutes=30))
    case_system.reply(announced_case.id, "feedback", result="handled", key="2")
    assert case_system.case(announced_case.id).recheck_due_at == case_system.clock.now()


def test_a_second_handled_does_not_move_the_planned_look(
    case_system: CaseSystem, announced_case: Any
) -> None:
    case_system.reply(announced_case.id, "feedback", result="handled", key="1")
    planned = case_system.case(announced_case.id).recheck_due_at
    case_system.after(timedelta(minutes=3))
    case_system.reply(announced_case.id, "feedback", result="handled", key="2", text="补充照片")
    assert case_system.case(announced_case.id).recheck_due_at == planned
    with case_system.store.begin() as uow:  # the look was given up; "handled" asks for it anew
        uow.cases.put(replace(uow.cases.get(CaseId(announced_case.id)), recheck_due_at=None))
        uow.commit()
    case_system.reply(announced_case.id, "feedback", result="handled", key="3")
    assert case_system.case(announced_case.id).recheck_due_at == case_system.clock.now()
