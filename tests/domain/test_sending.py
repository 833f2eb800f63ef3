"""May a word go out now: the stages, and that nothing which waits is lost."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from patrol.domain import sending
from patrol.domain.approval import NotPossible, ask
from patrol.domain.case import Case, CaseEvent, Request, Wish
from patrol.domain.escalation import grids_told, why_climb
from patrol.domain.ids import CaseId
from patrol.domain.levels import Lamp, Level
from patrol.domain.observation import Subject
from patrol.domain.opening import open_from_finding
from patrol.domain.sending import Facts, SendLimits, Why
from patrol.domain.stoppage import Scope, Stoppage
from simulators import hamlet

NOON, MINUTE, HOUR = hamlet.NOON, timedelta(minutes=1), timedelta(hours=1)
LIMITS = SendLimits(new_per_hour=3, repeat_every=10 * MINUTE)
BUSY = [NOON - 50 * MINUTE, NOON - 20 * MINUTE, NOON - 10 * MINUTE]


def opened(level: Level = Level.ORDINARY, subject: Subject = Subject.SCENE) -> Case:
    finding = hamlet.finding(subject=subject)
    category = "equipment" if subject is Subject.EQUIPMENT else "dumping"
    return open_from_finding(
        finding, CaseId("C1"), hamlet.registry(), by="op", now=NOON, category=category, level=level
    )


def upkeep(until: Any = None) -> Stoppage:
    return Stoppage(
        scope=Scope.CAMERA, subject=hamlet.CAMERA, start=NOON - HOUR, until=until, reason="换镜头",
        by="op",
    )  # fmt: skip


FAULT = opened(Level.NOTE, Subject.EQUIPMENT)


@pytest.mark.parametrize(
    ("case", "facts", "why", "until"),
    [
        pytest.param(opened(), Facts(), Why.NOTHING_AGAINST, None, id="the first goes at once"),
        pytest.param(opened(), Facts(told=BUSY[1:]), Why.NOTHING_AGAINST, None, id="below"),
        pytest.param(opened(), Facts(told=BUSY), Why.GRID_BUSY, NOON + 10 * MINUTE, id="enough"),
        pytest.param(
            opened(), Facts(told=[NOON - 55 * MINUTE, *BUSY]), Why.GRID_BUSY, NOON + 10 * MINUTE,
            id="until fewer than the limit lie within the hour",
        ),
        pytest.param(opened(Level.URGENT), Facts(told=BUSY), Why.URGENT, None, id="I never"),
        pytest.param(opened(Level.PRESSING), Facts(told=BUSY), Why.URGENT, None, id="II never"),
        pytest.param(
            FAULT, Facts(upkeep=upkeep(NOON + 5 * MINUTE)), Why.IN_MAINTENANCE, NOON + 5 * MINUTE,
            id="somebody repairs it",
        ),
        pytest.param(
            FAULT, Facts(upkeep=upkeep()), Why.IN_MAINTENANCE, NOON + 15 * MINUTE,
            id="nobody knows until when",
        ),
        pytest.param(
            opened(), Facts(upkeep=upkeep()), Why.NOTHING_AGAINST, None,
            id="what it saw is there, repaired or not",
        ),
    ],
)  # fmt: skip
def test_the_first_word(case: Case, facts: Facts, why: Why, until: Any) -> None:
    said = sending.verdict_of(sending.FIRST_WORD, case, facts, LIMITS, NOON)
    assert (said.why, said.until) == (why, until)


def test_no_limit_is_no_limit() -> None:
    said = sending.verdict_of(
        sending.FIRST_WORD, opened(), Facts(told=BUSY), SendLimits(new_per_hour=0), NOON
    )
    assert said.why is Why.NOTHING_AGAINST


def held() -> Case:
    return sending.first_word(opened(), Facts(told=BUSY), LIMITS, NOON)


def test_while_it_waits_nobody_was_told_and_no_clock_runs() -> None:
    case = held()
    assert case.is_untold
    assert grids_told(case) == ()
    assert case.ladder_due_at is None
    assert why_climb(case, NOON + 9 * HOUR) == "answered"
    assert case.dispatched_at == NOON + 10 * MINUTE, "as far as anybody knows"
    assert case.lamp(NOON + 2 * HOUR) is Lamp.YELLOW
    assert case.lamp(NOON + 2 * HOUR + 11 * MINUTE) is Lamp.RED, "it should have gone long ago"
    assert case.entries[-1].what is CaseEvent.HOLD
    assert case.entries[-1].note == "grid_busy: until 2026-11-22T04:10:00Z"


def test_let_go_its_clocks_count_from_the_sending() -> None:
    then = NOON + 10 * MINUTE
    assert sending.let_go(held(), Facts(told=BUSY), LIMITS, then - MINUTE) == held()
    case = sending.let_go(held(), Facts(told=BUSY), LIMITS, then)
    assert case.hold is None
    assert case.dispatched_at == then
    assert case.due_at == then + 2 * HOUR
    assert case.ladder_due_at == then + 2 * HOUR
    assert grids_told(case) == (hamlet.GROUP,)
    assert (case.entries[-1].what, case.entries[-1].note) == (
        CaseEvent.RELEASE,
        "grid_busy: waited 10 min",
    )


def test_who_waited_for_the_hour_goes_with_the_bundle_though_the_grid_is_busy() -> None:
    full = Facts(told=[NOON + 9 * MINUTE] * 30)
    assert sending.let_go(held(), full, LIMITS, NOON + 10 * MINUTE).hold is None


def test_maintenance_that_goes_on_holds_on_and_is_written_once() -> None:
    case = sending.first_word(FAULT, Facts(upkeep=upkeep()), LIMITS, NOON)
    again = sending.let_go(case, Facts(upkeep=upkeep()), LIMITS, NOON + 15 * MINUTE)
    assert again.hold is not None
    assert (again.hold.since, again.hold.until) == (NOON, NOON + 30 * MINUTE)
    assert again.entries == case.entries
    over = sending.let_go(again, Facts(), LIMITS, NOON + 30 * MINUTE)
    assert (over.hold, over.entries[-1].note) == (None, "in_maintenance: waited 30 min")


def test_out_of_maintenance_into_a_busy_hour_is_another_reason() -> None:
    case = sending.first_word(FAULT, Facts(upkeep=upkeep()), LIMITS, NOON)
    later = NOON + 15 * MINUTE
    busy = sending.let_go(case, Facts(told=[later] * 3), LIMITS, later)
    assert busy.hold is not None
    assert (busy.hold.why, busy.hold.since) == (Why.GRID_BUSY, NOON)
    assert [e.what for e in busy.entries].count(CaseEvent.HOLD) == 2


def counted(case: Case, at: Any) -> Case:
    merged = case.move(CaseEvent.MERGE, at=at, by="op")
    return sending.repeat(replace(merged, count=case.count + 1), LIMITS, at)


def test_repeats_keep_their_distance() -> None:
    first = counted(opened(), NOON + MINUTE)
    assert (first.revision, first.hold) == (1, None), "the first one goes"
    second = counted(first, NOON + 2 * MINUTE)
    assert second.hold is not None
    assert (second.revision, second.hold.why) == (1, Why.TOLD_LATELY)
    assert second.hold.until == NOON + 11 * MINUTE
    assert grids_told(second) == (hamlet.GROUP,), "it was told long ago"
    assert second.ladder_due_at == first.ladder_due_at, "its clocks run"
    third = counted(second, NOON + 3 * MINUTE)
    assert (third.hold, third.count) == (second.hold, 4), "it goes with the one that waits"
    told = sending.let_go(third, Facts(), LIMITS, NOON + 11 * MINUTE)
    assert (told.revision, told.hold) == (2, None)
    assert counted(told, NOON + 30 * MINUTE).revision == 3


def test_a_repeat_that_other_news_carried_is_not_told_twice() -> None:
    waits = counted(counted(opened(), NOON), NOON)
    answered = replace(waits, revision=waits.revision + 1)
    told = sending.let_go(answered, Facts(), LIMITS, NOON + HOUR)
    assert (told.revision, told.hold) == (answered.revision, None)
    assert told.entries[-1].note.endswith("it went with other news")


def test_an_urgent_repeat_never_waits() -> None:
    case = counted(counted(opened(Level.URGENT), NOON), NOON)
    assert (case.revision, case.hold) == (2, None)


@pytest.mark.parametrize("wish", [Wish.EXTENSION, Wish.SUSPENSION])
def test_a_case_that_nobody_heard_of_needs_no_more_time(wish: Wish) -> None:
    with pytest.raises(NotPossible, match="not told to anybody"):
        ask(held(), Request(wish=wish, by="op", at=NOON, why="雪", span_s=3600))


def test_voided_while_it_waits_it_waits_no_more() -> None:
    assert held().move(CaseEvent.VOID, at=NOON, by="op").hold is None
