"""Accounts that send thousands of messages: the others' turn comes, the store stays small."""

import time
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from patrol.cases.message_rate import (
    DEAD_LETTER_RATE,
    MAX_SENDERS,
    REPLY_RATE,
    REPORT_RATE,
    RateLimit,
    SenderRates,
)
from patrol.cases.reply_handler import MAX_ENTRIES, ReplyOutcome
from patrol.domain.case import CaseEntry, CaseEvent
from patrol.domain.ids import CaseId
from patrol.messaging.reply_parser import DeadLetterReason
from simulators import small_site
from tests.support.case_system import CaseSystem

REPORT_TOPIC = f"patrol/v1/shangba/grid/{small_site.GROUP}/report"


@pytest.fixture
def announced(case_system: CaseSystem) -> Any:
    case = case_system.confirm()
    case_system.relay.run_until_empty(1.0)
    return case


def lengthen_history(case_system: CaseSystem, case_id: CaseId, entries: int) -> None:
    with case_system.store.begin() as uow:
        case = uow.cases.get(case_id)
        one = CaseEntry(
            at=case.dispatched_at, by="leader", what=CaseEvent.OPENED, note="", state=case.state
        )
        uow.cases.put(replace(case, entries=(*case.entries, *[one] * entries)))
        uow.commit()


@pytest.mark.parametrize("name", ["leader", "somebody", "number {number}"])
def test_three_thousand_receipts_of_one_leader_stall_nobody(
    case_system: CaseSystem, announced: Any, name: str
) -> None:
    """Under one name, none, or a new one each time: one entry, others are heard."""
    begun_s = time.process_time()
    outcomes = Counter(
        case_system.reply(
            announced.id, "opened", key=f"k{number}", person=name.format(number=number)
        ).outcome
        for number in range(3000)
    )
    took_s = time.process_time() - begun_s
    assert outcomes == {
        ReplyOutcome.NOTED: REPLY_RATE.burst,
        ReplyOutcome.REFUSED: 3000 - REPLY_RATE.burst,
    }
    case = case_system.case(announced.id)
    assert [entry.what for entry in case.entries].count(CaseEvent.OPENED) == 1
    assert took_s < 6, "2 ms each"
    with case_system.store.begin_read() as uow:
        letters = uow.inbox.dead_letters(limit=10_000)
    assert len(letters) == DEAD_LETTER_RATE.burst
    assert {one.reason for one in letters} == {"too_many: 600 at once, then 120 a minute"}
    counters = case_system.inbox.counters
    assert counters["refused:too_many"] == 3000 - REPLY_RATE.burst
    assert counters["refused_not_kept"] == 3000 - REPLY_RATE.burst - DEAD_LETTER_RATE.burst
    case_system.after(timedelta(minutes=1))
    assert case_system.reply(announced.id, "acknowledge").outcome is ReplyOutcome.MOVED


def test_another_grid_is_not_refused_for_the_flood(case_system: CaseSystem, announced: Any) -> None:
    for number in range(REPLY_RATE.burst + 1):
        last = case_system.reply(announced.id, "opened", key=f"k{number}")
    assert last.reason == DeadLetterReason.TOO_MANY
    topic = REPORT_TOPIC.replace(small_site.GROUP, small_site.SECOND_GROUP)
    report = {"v": 1, "key": "r", "category": "dumping", "text": "x"}
    assert case_system.receive(topic, report).outcome is ReplyOutcome.REPORTED


def test_a_receipt_costs_the_same_however_long_the_history(
    case_system: CaseSystem, announced: Any
) -> None:
    def cost_s(first: int) -> float:
        begun_s = time.process_time()
        for number in range(first, first + 40):
            handled = case_system.reply(announced.id, "opened", key=f"k{number}", person="leader")
            assert handled.outcome is ReplyOutcome.NOTED
        return time.process_time() - begun_s

    case_system.reply(announced.id, "opened", key="first", person="leader")
    short_s = cost_s(0)
    lengthen_history(case_system, announced.id, 4900)
    long_s = cost_s(40)
    assert long_s < 3 * short_s + 0.2, (short_s, long_s)
    assert len(case_system.case(announced.id).entries) < 4910


def test_a_full_history_takes_only_what_moves_the_case(
    case_system: CaseSystem, announced: Any
) -> None:
    case_system.reply(announced.id, "acknowledge", person="leader")
    lengthen_history(case_system, announced.id, MAX_ENTRIES)
    more = case_system.reply(announced.id, "feedback", result="in_progress", text="still here")
    assert (more.outcome, more.reason) == (ReplyOutcome.REFUSED, DeadLetterReason.HISTORY_FULL)
    handled = case_system.reply(announced.id, "feedback", result="handled", key="done")
    assert handled.outcome is ReplyOutcome.MOVED


def test_a_receipt_of_a_rework_is_noted_anew(case_system: CaseSystem, announced: Any) -> None:
    case_system.reply(announced.id, "opened", key="k1", person="leader")
    with case_system.store.begin() as uow:
        case = uow.cases.get(announced.id)
        again = case.apply_event(CaseEvent.REASSIGN, at=case_system.clock.now(), by="op")
        uow.cases.put(again)
        uow.commit()
    case_system.reply(announced.id, "opened", key="k2", person="leader")
    case_system.reply(announced.id, "opened", key="k3", person="leader")
    entries = [entry.what for entry in case_system.case(announced.id).entries]
    assert entries.count(CaseEvent.OPENED) == 2


def report(case_system: CaseSystem, key: str, **more: Any) -> Any:
    body = {"v": 1, "key": key, "category": "dumping", "text": "渠边有垃圾", "level": "I", **more}
    return case_system.receive(REPORT_TOPIC, body)


def test_five_hundred_equal_reports_are_one_case(case_system: CaseSystem) -> None:
    results = [report(case_system, f"r{number}") for number in range(500)]
    assert results[0].outcome is ReplyOutcome.REPORTED
    assert {one.case for one in results[1 : REPORT_RATE.burst]} == {results[0].case}
    refused = results[REPORT_RATE.burst :]
    assert {(one.outcome, one.reason) for one in refused} == {
        (ReplyOutcome.REFUSED, DeadLetterReason.TOO_MANY)
    }
    with case_system.store.begin_read() as uow:
        assert uow.cases.count() == 1
        case = uow.cases.get(results[0].case)
        messages = uow.outbox.of_case(case.id)
    assert case.count == REPORT_RATE.burst
    assert len(messages) == 1, "leaders are told once"


def test_five_hundred_different_reports_are_as_many_cases_as_the_rate_allows(
    case_system: CaseSystem,
) -> None:
    for number in range(500):
        report(case_system, f"r{number}", text=f"number {number}")
    with case_system.store.begin_read() as uow:
        assert uow.cases.count() == REPORT_RATE.burst
    case_system.after(timedelta(minutes=2))
    assert report(case_system, "later", text="later").outcome is ReplyOutcome.REPORTED


@pytest.mark.parametrize(
    "more",
    [{"text": "another text"}, {"category": "fire_smoke"}, {"place": "another place"}],
)
def test_what_differs_is_a_case_of_its_own(case_system: CaseSystem, more: dict[str, str]) -> None:
    first = report(case_system, "r1")
    second = report(case_system, "r2", **more)
    assert second.outcome is ReplyOutcome.REPORTED
    assert second.case != first.case


def test_a_more_pressing_report_and_one_a_day_later_are_cases_of_their_own(
    case_system: CaseSystem,
) -> None:
    ordinary = report(case_system, "r1", level="III")
    assert report(case_system, "r2", level="IV").case == ordinary.case
    assert report(case_system, "r3", level="I").case != ordinary.case
    case_system.after(timedelta(days=1, minutes=1))
    assert report(case_system, "r4", level="III").outcome is ReplyOutcome.REPORTED


def test_buckets_fill_again_and_a_flood_of_senders_takes_no_memory() -> None:
    rates = SenderRates(RateLimit(burst=2, per_minute=60))
    now = small_site.NOON
    assert [rates.admit("a", now) for _ in range(3)] == [True, True, False]
    assert rates.admit("b", now)
    assert rates.admit("a", now + timedelta(seconds=1))
    assert not rates.admit("a", now - timedelta(days=1)), "a clock that was set back"
    for number in range(2 * MAX_SENDERS):
        rates.admit(f"sender {number}", now)
    assert len(rates._buckets) <= MAX_SENDERS
