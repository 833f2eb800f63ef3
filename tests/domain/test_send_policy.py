"""May a word go out now: the stages, and that nothing which waits is lost."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from patrol.domain import send_policy
from patrol.domain.approval import ApprovalImpossible, request_approval
from patrol.domain.case import Case, CaseEvent
from patrol.domain.case_opening import open_from_finding
from patrol.domain.case_timers import ApprovalKind, ApprovalRequest
from patrol.domain.escalation import announced_grids, escalation_reason
from patrol.domain.ids import CaseId
from patrol.domain.observation import Subject
from patrol.domain.priority import DueLight, Level
from patrol.domain.schedule import Stoppage, StoppageScope
from patrol.domain.send_policy import SendContext, SendLimits, SendReason
from simulators import small_site

NOON, MINUTE, HOUR = small_site.NOON, timedelta(minutes=1), timedelta(hours=1)
LIMITS = SendLimits(new_per_hour=3, repeat_every=10 * MINUTE)
BUSY = [NOON - 50 * MINUTE, NOON - 20 * MINUTE, NOON - 10 * MINUTE]


def opened(level: Level = Level.ORDINARY, subject: Subject = Subject.SCENE) -> Case:
    finding = small_site.finding(subject=subject)
    category = "equipment" if subject is Subject.EQUIPMENT else "dumping"
    return open_from_finding(
        finding,
        CaseId("C1"),
        small_site.registry(),
        by="op",
        now=NOON,
        category=category,
        level=level,
    )


def upkeep(until: Any = None) -> Stoppage:
    return Stoppage(
        scope=StoppageScope.CAMERA,
        subject=small_site.CAMERA,
        start=NOON - HOUR,
        until=until,
        reason="换镜头",
        by="op",
    )


FAULT = opened(Level.NOTE, Subject.EQUIPMENT)


@pytest.mark.parametrize(
    ("case", "facts", "why", "until"),
    [
        pytest.param(
            opened(), SendContext(), SendReason.NOTHING_AGAINST, None, id="the first goes at once"
        ),
        pytest.param(
            opened(),
            SendContext(new_cases_at=BUSY[1:]),
            SendReason.NOTHING_AGAINST,
            None,
            id="below",
        ),
        pytest.param(
            opened(),
            SendContext(new_cases_at=BUSY),
            SendReason.GRID_BUSY,
            NOON + 10 * MINUTE,
            id="enough",
        ),
        pytest.param(
            opened(),
            SendContext(new_cases_at=[NOON - 55 * MINUTE, *BUSY]),
            SendReason.GRID_BUSY,
            NOON + 10 * MINUTE,
            id="until fewer than the limit lie within the hour",
        ),
        pytest.param(
            opened(Level.URGENT),
            SendContext(new_cases_at=BUSY),
            SendReason.URGENT,
            None,
            id="I never",
        ),
        pytest.param(
            opened(Level.PRESSING),
            SendContext(new_cases_at=BUSY),
            SendReason.URGENT,
            None,
            id="II never",
        ),
        pytest.param(
            FAULT,
            SendContext(maintenance=upkeep(NOON + 5 * MINUTE)),
            SendReason.IN_MAINTENANCE,
            NOON + 5 * MINUTE,
            id="somebody repairs it",
        ),
        pytest.param(
            FAULT,
            SendContext(maintenance=upkeep()),
            SendReason.IN_MAINTENANCE,
            NOON + 15 * MINUTE,
            id="nobody knows until when",
        ),
        pytest.param(
            opened(),
            SendContext(maintenance=upkeep()),
            SendReason.NOTHING_AGAINST,
            None,
            id="what it saw is there, repaired or not",
        ),
    ],
)
def test_the_first_word(case: Case, facts: SendContext, why: SendReason, until: Any) -> None:
    said = send_policy.send_decision(send_policy.NEW_CASE_STAGES, case, facts, LIMITS, NOON)
    assert (said.reason, said.until) == (why, until)


def test_no_limit_is_no_limit() -> None:
    said = send_policy.send_decision(
        send_policy.NEW_CASE_STAGES,
        opened(),
        SendContext(new_cases_at=BUSY),
        SendLimits(new_per_hour=0),
        NOON,
    )
    assert said.reason is SendReason.NOTHING_AGAINST


def held() -> Case:
    return send_policy.hold_or_send_new(opened(), SendContext(new_cases_at=BUSY), LIMITS, NOON)


def test_while_it_waits_nobody_was_told_and_no_clock_runs() -> None:
    case = held()
    assert case.is_unannounced
    assert announced_grids(case) == ()
    assert case.ladder_due_at is None
    assert escalation_reason(case, NOON + 9 * HOUR) == "answered"
    assert case.dispatched_at == NOON + 10 * MINUTE, "as far as anybody knows"
    assert case.due_light(NOON + 2 * HOUR) is DueLight.YELLOW
    assert case.due_light(NOON + 2 * HOUR + 11 * MINUTE) is DueLight.RED, (
        "it should have gone long ago"
    )
    assert case.entries[-1].what is CaseEvent.HOLD
    assert case.entries[-1].note == "grid_busy: until 2026-11-22T04:10:00Z"


def test_let_go_its_clocks_count_from_the_sending() -> None:
    then = NOON + 10 * MINUTE
    assert (
        send_policy.release_if_due(held(), SendContext(new_cases_at=BUSY), LIMITS, then - MINUTE)
        == held()
    )
    case = send_policy.release_if_due(held(), SendContext(new_cases_at=BUSY), LIMITS, then)
    assert case.hold is None
    assert case.dispatched_at == then
    assert case.due_at == then + 2 * HOUR
    assert case.ladder_due_at == then + 2 * HOUR
    assert announced_grids(case) == (small_site.GROUP,)
    assert (case.entries[-1].what, case.entries[-1].note) == (
        CaseEvent.RELEASE,
        "grid_busy: waited 10 min",
    )


def test_who_waited_for_the_hour_goes_with_the_bundle_though_the_grid_is_busy() -> None:
    full = SendContext(new_cases_at=[NOON + 9 * MINUTE] * 30)
    assert send_policy.release_if_due(held(), full, LIMITS, NOON + 10 * MINUTE).hold is None


def test_maintenance_that_goes_on_holds_on_and_is_written_once() -> None:
    case = send_policy.hold_or_send_new(FAULT, SendContext(maintenance=upkeep()), LIMITS, NOON)
    again = send_policy.release_if_due(
        case, SendContext(maintenance=upkeep()), LIMITS, NOON + 15 * MINUTE
    )
    assert again.hold is not None
    assert (again.hold.since, again.hold.until) == (NOON, NOON + 30 * MINUTE)
    assert again.entries == case.entries
    over = send_policy.release_if_due(again, SendContext(), LIMITS, NOON + 30 * MINUTE)
    assert (over.hold, over.entries[-1].note) == (None, "in_maintenance: waited 30 min")


def test_out_of_maintenance_into_a_busy_hour_is_another_reason() -> None:
    case = send_policy.hold_or_send_new(FAULT, SendContext(maintenance=upkeep()), LIMITS, NOON)
    later = NOON + 15 * MINUTE
    busy = send_policy.release_if_due(case, SendContext(new_cases_at=[later] * 3), LIMITS, later)
    assert busy.hold is not None
    assert (busy.hold.why, busy.hold.since) == (SendReason.GRID_BUSY, NOON)
    assert [e.what for e in busy.entries].count(CaseEvent.HOLD) == 2


def counted(case: Case, at: Any) -> Case:
    return send_policy.merge_repeat(case, LIMITS, by="op", now=at, note="")


def test_repeats_keep_their_distance() -> None:
    first = counted(opened(), NOON + MINUTE)
    assert (first.revision, first.hold) == (1, None), "the first one goes"
    second = counted(first, NOON + 2 * MINUTE)
    assert second.hold is not None
    assert (second.revision, second.hold.why) == (1, SendReason.ANNOUNCED_RECENTLY)
    assert second.hold.until == NOON + 11 * MINUTE
    assert announced_grids(second) == (small_site.GROUP,), "it was told long ago"
    assert second.ladder_due_at == first.ladder_due_at, "its clocks run"
    third = counted(second, NOON + 3 * MINUTE)
    assert (third.hold, third.count) == (second.hold, 4), "it goes with the one that waits"
    told = send_policy.release_if_due(third, SendContext(), LIMITS, NOON + 11 * MINUTE)
    assert (told.revision, told.hold) == (2, None)
    assert counted(told, NOON + 30 * MINUTE).revision == 3


def test_a_repeat_that_other_news_carried_is_not_told_twice() -> None:
    waits = counted(counted(opened(), NOON), NOON)
    answered = replace(waits, revision=waits.revision + 1)
    told = send_policy.release_if_due(answered, SendContext(), LIMITS, NOON + HOUR)
    assert (told.revision, told.hold) == (answered.revision, None)
    assert told.entries[-1].note.endswith("it went with other news")


def test_an_urgent_repeat_never_waits() -> None:
    case = counted(counted(opened(Level.URGENT), NOON), NOON)
    assert (case.revision, case.hold) == (2, None)


@pytest.mark.parametrize("wish", [ApprovalKind.EXTENSION, ApprovalKind.SUSPENSION])
def test_a_case_that_nobody_heard_of_needs_no_more_time(wish: ApprovalKind) -> None:
    with pytest.raises(ApprovalImpossible, match="not told to anybody"):
        request_approval(
            held(), ApprovalRequest(kind=wish, by="op", at=NOON, why="雪", span_s=3600)
        )


def test_voided_while_it_waits_it_waits_no_more() -> None:
    assert held().apply_event(CaseEvent.VOID, at=NOON, by="op").hold is None
