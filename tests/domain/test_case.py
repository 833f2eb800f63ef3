"""The case's table, walked pair by pair, and what a history may do."""

from collections import deque
from dataclasses import replace
from datetime import timedelta

import pytest

from patrol.domain.case import (
    CASE_EFFECTS,
    CASE_TRANSITIONS,
    ENDED_STATES,
    OPEN_STATES,
    Case,
    CaseEvent,
    CaseState,
    IllegalCaseTransition,
)
from patrol.domain.case_effects import AnnounceEffect, EscalationEffect, RecheckEffect
from patrol.domain.case_opening import open_from_finding
from patrol.domain.case_timers import MAX_RECHECKS, RECHECK_AFTER, ApprovalKind, ApprovalRequest
from patrol.domain.ids import CaseId
from patrol.domain.priority import DueLight, Level
from simulators import small_site

S, E = CaseState, CaseEvent


@pytest.fixture
def case() -> Case:
    return open_from_finding(
        small_site.finding(),
        CaseId("C20261122-0001"),
        small_site.registry(),
        by="op",
        now=small_site.NOON,
        category="blocking_vehicle",
        level=Level.ORDINARY,
    )


@pytest.mark.parametrize("state", CaseState)
@pytest.mark.parametrize("event", CaseEvent)
def test_every_pair_moves_by_the_table_or_is_refused(
    case: Case, state: CaseState, event: CaseEvent
) -> None:
    before = replace(case, state=state)
    target = CASE_TRANSITIONS.get((state, event))
    if target is None:
        with pytest.raises(IllegalCaseTransition) as refused:
            before.apply_event(event, at=small_site.NOON, by="x")
        assert str(state) in str(refused.value)
        assert str(event) in str(refused.value)
        return
    after = before.apply_event(event, at=small_site.NOON, by="x", note="why")
    assert after.state is target
    assert after.entries[:-1] == before.entries, "history is only ever appended to"
    assert (after.entries[-1].what, after.entries[-1].state) == (event, target)


def test_every_event_has_its_effect_and_every_move_is_seen_by_the_leaders() -> None:
    assert set(CASE_EFFECTS) == set(CaseEvent)
    for (state, event), target in CASE_TRANSITIONS.items():
        if target is not state:
            effect = CASE_EFFECTS[event].announce
            assert effect in (AnnounceEffect.ON_MOVE, AnnounceEffect.ALWAYS), event


@pytest.mark.parametrize(("state", "event"), CASE_TRANSITIONS)
def test_every_move_applies_its_effect(case: Case, state: CaseState, event: CaseEvent) -> None:
    planned_at, now = small_site.NOON + timedelta(hours=9), small_site.NOON + timedelta(hours=1)
    request = ApprovalRequest(kind=ApprovalKind.VOID, by="op", at=now, why="x")
    before = replace(
        case, state=state, ladder_due_at=planned_at, recheck_due_at=planned_at, request=request
    )
    after, effect = before.apply_event(event, at=now, by="x"), CASE_EFFECTS[event]
    announced = {
        AnnounceEffect.ALWAYS: 1,
        AnnounceEffect.UNLESS_HELD: 1,
        AnnounceEffect.ON_MOVE: int(after.state != state),
    }
    assert after.revision - before.revision == announced.get(effect.announce, 0)
    if not after.is_open:
        pending = (after.ladder_due_at, after.recheck_due_at, after.request, after.hold)
        assert pending == (None, None, None, None), "nothing is left to do"
        return
    assert after.request == (None if effect.clears_request else request)
    if event is CaseEvent.SUSPEND:
        assert after.suspension is not None
        assert (after.suspension.recheck_planned, after.ladder_due_at) == (True, None)
        return
    expected = {
        EscalationEffect.START: now + timedelta(hours=2),
        EscalationEffect.STOP: None,
    }
    assert after.ladder_due_at == expected.get(effect.escalation, planned_at)
    if effect.recheck is RecheckEffect.DUE:
        assert after.recheck_due_at == (planned_at if state is S.FED_BACK else now)
    elif effect.recheck is RecheckEffect.RETRY:
        assert (after.recheck_due_at, after.recheck_count) == (now + RECHECK_AFTER, 1)
    else:
        done = effect.recheck is RecheckEffect.DONE
        assert after.recheck_due_at == (None if done else planned_at)
        assert after.recheck_count == int(done)


def test_suspended_timers_go_on_where_they_stopped(case: Case) -> None:
    at, later = small_site.NOON + timedelta(minutes=30), small_site.NOON + timedelta(hours=5)
    suspended = case.apply_event(E.SUSPEND, at=at, by="x")
    assert suspended.ladder_due_at is None
    assert suspended.apply_event(E.SUSPEND, at=later, by="x").suspension == suspended.suspension
    resumed = suspended.apply_event(E.RESUME, at=later, by="x")
    assert resumed.ladder_due_at == later + timedelta(hours=1, minutes=30)
    assert resumed.apply_event(E.RESUME, at=later, by="x").ladder_due_at == resumed.ladder_due_at


def test_the_last_failed_recheck_plans_no_other(case: Case) -> None:
    fed_back = case.apply_event(E.FEED_BACK, at=small_site.NOON, by="leader")
    tried = replace(fed_back, recheck_count=MAX_RECHECKS - 1)
    failed = tried.apply_event(E.LOOK_FAILED, at=small_site.NOON, by="patrol")
    assert (failed.recheck_due_at, failed.recheck_count) == (None, MAX_RECHECKS)


def test_a_recheck_that_failed_while_suspended_is_due_when_the_suspension_ends(case: Case) -> None:
    fed_back = case.apply_event(E.FEED_BACK, at=small_site.NOON, by="leader")
    suspended = fed_back.apply_event(E.SUSPEND, at=small_site.NOON, by="op")
    failed = suspended.apply_event(E.LOOK_FAILED, at=small_site.NOON, by="patrol")
    assert failed.recheck_due_at is None
    later = small_site.NOON + timedelta(hours=5)
    assert failed.apply_event(E.RESUME, at=later, by="op").recheck_due_at == later


def test_a_recheck_that_was_done_is_not_planned_again_when_a_suspension_ends(case: Case) -> None:
    fed_back = case.apply_event(E.FEED_BACK, at=small_site.NOON, by="leader")
    suspended = fed_back.apply_event(E.SUSPEND, at=small_site.NOON, by="op")
    rework = suspended.apply_event(E.NOT_VERIFIED, at=small_site.NOON, by="op")
    resumed = rework.apply_event(E.RESUME, at=small_site.NOON, by="op")
    assert resumed.recheck_due_at is None
    assert resumed.ladder_due_at == small_site.NOON + timedelta(hours=2), "the rework's silence"


def test_every_state_can_be_reached_from_dispatch() -> None:
    seen, todo = {S.DISPATCHED}, deque([S.DISPATCHED])
    while todo:
        state = todo.popleft()
        for (before, _), after in CASE_TRANSITIONS.items():
            if before is state and after not in seen:
                seen.add(after)
                todo.append(after)
    assert seen == set(CaseState)


@pytest.mark.parametrize("state", OPEN_STATES)
def test_every_open_state_has_a_way_to_an_end(state: CaseState) -> None:
    seen, todo = {state}, deque([state])
    while todo:
        here = todo.popleft()
        for (before, _), after in CASE_TRANSITIONS.items():
            if before is here and after not in seen:
                seen.add(after)
                todo.append(after)
    assert seen & set(ENDED_STATES)


@pytest.mark.parametrize(
    ("state", "event", "expected"),
    [
        pytest.param(S.DISPATCHED, E.FEED_BACK, S.FED_BACK, id="an answer may skip steps"),
        pytest.param(S.FED_BACK, E.ACKNOWLEDGE, S.FED_BACK, id="a late step does not go back"),
        pytest.param(S.RETURNED, E.ACKNOWLEDGE, S.RETURNED, id="nor take a case off the desk"),
        pytest.param(S.FED_BACK, E.HANDLE, S.FED_BACK, id="two rungs may both have handled it"),
        pytest.param(S.FED_BACK, E.NOT_VERIFIED, S.REWORK, id="still there"),
        pytest.param(S.REWORK, E.FEED_BACK, S.FED_BACK, id="done again"),
        pytest.param(S.CLOSED, E.ACKNOWLEDGE, None, id="closed is closed"),
        pytest.param(S.CLOSED, E.REOPEN, S.REWORK, id="but may be reopened"),
        pytest.param(S.VOIDED, E.REOPEN, None, id="voided may not"),
        pytest.param(S.DISPATCHED, E.CLOSE, None, id="nothing closes unseen"),
        pytest.param(S.FED_BACK, E.CLOSE, None, id="nor on the leader's word alone"),
    ],
)
def test_rules(state: CaseState, event: CaseEvent, expected: CaseState | None) -> None:
    assert CASE_TRANSITIONS.get((state, event)) is expected


def test_due_follows_the_clock_of_the_state(case: Case) -> None:
    clocks = case.policy.limits
    assert case.due_at == case.dispatched_at + clocks.acknowledge
    acknowledged = case.apply_event(E.ACKNOWLEDGE, at=small_site.NOON, by="leader")
    assert acknowledged.due_at == case.dispatched_at + timedelta(hours=8)
    fed_back = acknowledged.apply_event(E.FEED_BACK, at=small_site.NOON, by="leader")
    assert fed_back.due_at == case.dispatched_at + clocks.close


def test_whoever_is_sent_again_has_the_time_again(case: Case) -> None:
    clocks, office_day = case.policy.limits, timedelta(days=1)
    back_at = case.dispatched_at + office_day
    again = replace(case, state=S.FED_BACK).apply_event(E.NOT_VERIFIED, at=back_at, by="op")
    assert again.due_at == back_at + clocks.acknowledge
    assert again.due_light(back_at) is DueLight.GREEN
    assert again.due_light(back_at + 0.9 * clocks.acknowledge) is DueLight.YELLOW
    assert again.due_light(again.due_at + timedelta(seconds=1)) is DueLight.RED
    done = again.apply_event(E.FEED_BACK, at=back_at, by="p")
    assert done.due_at == case.dispatched_at + clocks.close, "closing counts from the first sending"
