"""Asked for by one, granted by another; a suspended case's clocks stand still."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from patrol.domain import approval
from patrol.domain.approval import NotPossible
from patrol.domain.case import Case, CaseEvent, CaseState, Request, Wish
from patrol.domain.levels import Lamp, Level
from patrol.domain.opening import case_id, open_from_finding
from simulators import hamlet

NOON = hamlet.NOON
HOUR = timedelta(hours=1)
E = CaseEvent


@pytest.fixture
def case() -> Case:
    return open_from_finding(
        hamlet.finding(),
        case_id(NOON.date(), 1),
        hamlet.registry(),
        by="op",
        now=NOON,
        category="dumping",
        level=Level.ORDINARY,
    )


def wish(what: Wish, **changed: Any) -> Request:
    plain: dict[str, Any] = {"wish": what, "by": "op", "at": NOON + HOUR, "why": "路断"}
    if what is Wish.EXTENSION:
        plain["span_s"] = 3600.0
    return Request(**{**plain, **changed})


@pytest.mark.parametrize("what", Wish)
def test_nobody_grants_a_wish_of_ones_own(case: Case, what: Wish) -> None:
    asked = approval.ask(case, wish(what))
    with pytest.raises(NotPossible, match="somebody else"):
        approval.grant(asked, by="op", now=NOON + HOUR)
    granted = approval.grant(asked, by="lead", now=NOON + 2 * HOUR, note="可以")
    assert granted.request is None
    asked_for, said = (
        next(e for e in granted.entries if e.what is event) for event in (E.ASK, E.GRANT)
    )
    assert (asked_for.by, said.by, said.at) == ("op", "lead", NOON + 2 * HOUR)
    assert "路断" in said.note
    assert "可以" in said.note


@pytest.mark.parametrize("what", Wish)
def test_until_it_is_granted_nothing_changes(case: Case, what: Wish) -> None:
    asked = approval.ask(case, wish(what))
    refused = approval.refuse(asked, by="lead", now=NOON + HOUR, note="不行")
    for after in (asked, refused):
        same = replace(after, request=None, entries=case.entries)
        assert same == case
    assert refused.request is None


def test_one_wish_at_a_time_and_never_without_a_reason(case: Case) -> None:
    asked = approval.ask(case, wish(Wish.VOID))
    with pytest.raises(NotPossible, match="already"):
        approval.ask(asked, wish(Wish.EXTENSION))
    with pytest.raises(NotPossible, match="why"):
        approval.ask(case, wish(Wish.VOID, why=" "))
    with pytest.raises(NotPossible, match="nothing was asked"):
        approval.grant(case, by="lead", now=NOON)


@pytest.mark.parametrize("span_s", [0.0, -60.0, 31 * 86400.0])
def test_an_extension_has_its_bounds(case: Case, span_s: float) -> None:
    with pytest.raises(NotPossible, match="30 d"):
        approval.ask(case, wish(Wish.EXTENSION, span_s=span_s))


def test_an_extension_moves_what_is_still_ahead(case: Case) -> None:
    late = wish(Wish.EXTENSION, at=NOON + 3 * HOUR)
    granted = approval.grant(approval.ask(case, late), by="lead", now=NOON + 3 * HOUR)
    before, after = case.policy.clocks, granted.policy.clocks
    assert after.acknowledge == before.acknowledge, "missed before: it stays missed"
    assert before.arrive is not None
    assert after.arrive == before.arrive + HOUR
    assert after.close == before.close + HOUR


def test_an_extension_of_an_overdue_case_counts_from_now(case: Case) -> None:
    overdue = NOON + timedelta(days=9)
    granted = approval.grant(
        approval.ask(case, wish(Wish.EXTENSION, at=overdue)), by="lead", now=overdue
    )
    assert case.dispatched_at + granted.policy.clocks.close == overdue + HOUR


def test_suspended_it_waits_for_nothing_and_goes_on_where_it_stopped(case: Case) -> None:
    asked = approval.ask(case, wish(Wish.SUSPENSION))
    resting = approval.grant(asked, by="lead", now=NOON + HOUR)
    assert resting.suspension is not None
    assert (resting.ladder_due_at, resting.look_due_at) == (None, None)
    assert resting.lamp(NOON + timedelta(days=90)) is Lamp.GREEN
    spring = NOON + timedelta(days=90)
    going = approval.resume(resting, by="lead", now=spring)
    assert going.suspension is None
    assert going.ladder_due_at == spring + HOUR, "one of its two hours of silence was left"
    assert going.due_at == spring + HOUR
    assert case.policy.clocks.close == timedelta(days=3)
    left = timedelta(days=3) - HOUR
    assert case.dispatched_at + going.policy.clocks.close == spring + left
    with pytest.raises(NotPossible, match="not suspended"):
        approval.resume(going, by="lead", now=spring)


def test_a_planned_look_waits_for_the_end_of_the_pause(case: Case) -> None:
    handled = case.move(E.FEED_BACK, at=NOON, by="leader")
    fed_back = replace(handled, look_due_at=NOON, ladder_due_at=None)
    resting = approval.grant(
        approval.ask(fed_back, wish(Wish.SUSPENSION)), by="lead", now=NOON + HOUR
    )
    assert resting.look_due_at is None
    later = NOON + timedelta(days=5)
    going = approval.resume(resting, by="lead", now=later)
    assert (going.look_due_at, going.ladder_due_at) == (later, None)


def test_voided_it_waits_for_nothing(case: Case) -> None:
    voided = approval.grant(approval.ask(case, wish(Wish.VOID)), by="lead", now=NOON + HOUR)
    assert voided.state is CaseState.VOIDED
    assert (voided.ladder_due_at, voided.look_due_at, voided.request) == (None, None, None)
    with pytest.raises(NotPossible, match="voided"):
        approval.ask(voided, wish(Wish.EXTENSION))


def test_an_answer_may_outrun_the_grant(case: Case) -> None:
    """The leader handled it while the wish waited: the desk is told that it is too late."""
    asked = approval.ask(case, wish(Wish.SUSPENSION))
    returned = asked.move(E.RETURN, at=NOON + HOUR, by="leader")
    with pytest.raises(NotPossible, match="returned"):
        approval.grant(returned, by="lead", now=NOON + HOUR)
    assert approval.refuse(returned, by="lead", now=NOON + HOUR, note="已退回").request is None
