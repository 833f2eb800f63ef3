"""Asked for by one, granted by another; a suspended case's clocks stand still."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from patrol.domain import approval
from patrol.domain.approval import ApprovalImpossible
from patrol.domain.case import Case, CaseEvent, CaseState
from patrol.domain.case_opening import case_id, open_from_finding
from patrol.domain.case_timers import ApprovalKind, ApprovalRequest
from patrol.domain.office_hours import OfficeHours
from patrol.domain.priority import DueLight, Level
from simulators import small_site

NOON = small_site.NOON
HOUR = timedelta(hours=1)
E = CaseEvent


@pytest.fixture
def case() -> Case:
    return open_from_finding(
        small_site.finding(),
        case_id(NOON.date(), 1),
        small_site.registry(),
        by="op",
        now=NOON,
        category="dumping",
        level=Level.ORDINARY,
    )


def request_of(what: ApprovalKind, **changed: Any) -> ApprovalRequest:
    plain: dict[str, Any] = {"kind": what, "by": "op", "at": NOON + HOUR, "why": "路断"}
    if what is ApprovalKind.EXTENSION:
        plain["span_s"] = 3600.0
    return ApprovalRequest(**{**plain, **changed})


@pytest.mark.parametrize("what", ApprovalKind)
def test_nobody_grants_a_wish_of_ones_own(case: Case, what: ApprovalKind) -> None:
    asked = approval.request_approval(case, request_of(what))
    with pytest.raises(ApprovalImpossible, match="somebody else"):
        approval.approve(asked, by="op", now=NOON + HOUR)
    granted = approval.approve(asked, by="lead", now=NOON + 2 * HOUR, note="可以")
    assert granted.request is None
    asked_for, said = (
        next(e for e in granted.entries if e.what is event) for event in (E.ASK, E.GRANT)
    )
    assert (asked_for.by, said.by, said.at) == ("op", "lead", NOON + 2 * HOUR)
    assert "路断" in said.note
    assert "可以" in said.note


def in_the_office(case: Case) -> Case:
    return replace(case, policy=replace(case.policy, office=OfficeHours()))


@pytest.mark.parametrize("hours", [1.0, 7.0, 48.0, 0.5, 720.0])
def test_a_preview_is_what_granting_gives(case: Case, hours: float) -> None:
    for one in (case, in_the_office(case)):
        now = NOON + HOUR
        preview = approval.preview_extension(one, timedelta(hours=hours), now)
        wish = request_of(ApprovalKind.EXTENSION, span_s=hours * 3600)
        granted = approval.approve(approval.request_approval(one, wish), by="lead", now=now)
        assert preview.close_after == one.dispatched_at + granted.policy.limits.close
        assert preview.due_after == granted.due_at
        assert preview.close_before == one.dispatched_at + one.policy.limits.close
        assert preview.in_office_hours is (one.policy.office is not None)


def test_hours_of_the_office_are_named_so_with_the_day_they_lead_to(case: Case) -> None:
    wish, one = request_of(ApprovalKind.EXTENSION, span_s=48 * 3600), in_the_office(case)
    asked = approval.request_approval(one, wish)
    preview = approval.preview_extension(one, 48 * HOUR, wish.at)
    assert preview.close_after - preview.close_before >= timedelta(days=8)
    day = f"{preview.close_after.astimezone(ZoneInfo('Asia/Shanghai')):%Y-%m-%d %H:%M}"
    granted = approval.approve(asked, by="lead", now=wish.at)
    refused = approval.reject_request(asked, by="lead", now=wish.at, note="不行")
    for entry in (asked.entries[-1], granted.entries[-1]):
        assert f"延期 48 小时办公时间，办结时限至 {day}" in entry.note
        assert f"extension of 48 office hours, to close by {day}" in entry.note
    assert "48 小时办公时间 " in refused.entries[-1].note
    assert day not in refused.entries[-1].note
    plain = approval.request_approval(replace(case, policy=replace(case.policy, office=None)), wish)
    assert plain.entries[-1].note == "延期 48 小时 (extension of 48 h): 路断"


def test_a_preview_has_the_bounds_of_an_extension(case: Case) -> None:
    for hours in (0.0, -1.0, 721.0):
        with pytest.raises(ApprovalImpossible):
            approval.preview_extension(case, timedelta(hours=hours), NOON)


@pytest.mark.parametrize("what", ApprovalKind)
def test_until_it_is_granted_nothing_changes(case: Case, what: ApprovalKind) -> None:
    asked = approval.request_approval(case, request_of(what))
    refused = approval.reject_request(asked, by="lead", now=NOON + HOUR, note="不行")
    for after in (asked, refused):
        same = replace(after, request=None, entries=case.entries)
        assert same == case
    assert refused.request is None


def test_one_wish_at_a_time_and_never_without_a_reason(case: Case) -> None:
    asked = approval.request_approval(case, request_of(ApprovalKind.VOID))
    with pytest.raises(ApprovalImpossible, match="already"):
        approval.request_approval(asked, request_of(ApprovalKind.EXTENSION))
    with pytest.raises(ApprovalImpossible, match="why"):
        approval.request_approval(case, request_of(ApprovalKind.VOID, why=" "))
    with pytest.raises(ApprovalImpossible, match="nothing was asked"):
        approval.approve(case, by="lead", now=NOON)


@pytest.mark.parametrize("span_s", [0.0, -60.0, 31 * 86400.0])
def test_an_extension_has_its_bounds(case: Case, span_s: float) -> None:
    with pytest.raises(ApprovalImpossible, match="30 d"):
        approval.request_approval(case, request_of(ApprovalKind.EXTENSION, span_s=span_s))


def test_an_extension_moves_what_is_still_ahead(case: Case) -> None:
    late = request_of(ApprovalKind.EXTENSION, at=NOON + 3 * HOUR)
    granted = approval.approve(
        approval.request_approval(case, late), by="lead", now=NOON + 3 * HOUR
    )
    before, after = case.policy.limits, granted.policy.limits
    assert after.acknowledge == before.acknowledge, "missed before: it stays missed"
    assert before.arrive is not None
    assert after.arrive == before.arrive + HOUR
    assert after.close == before.close + HOUR


def test_an_extension_of_an_overdue_case_counts_from_now(case: Case) -> None:
    overdue = NOON + timedelta(days=9)
    granted = approval.approve(
        approval.request_approval(case, request_of(ApprovalKind.EXTENSION, at=overdue)),
        by="lead",
        now=overdue,
    )
    assert case.dispatched_at + granted.policy.limits.close == overdue + HOUR


def test_suspended_it_waits_for_nothing_and_goes_on_where_it_stopped(case: Case) -> None:
    asked = approval.request_approval(case, request_of(ApprovalKind.SUSPENSION))
    resting = approval.approve(asked, by="lead", now=NOON + HOUR)
    assert resting.suspension is not None
    assert (resting.ladder_due_at, resting.recheck_due_at) == (None, None)
    assert resting.due_light(NOON + timedelta(days=90)) is DueLight.GREEN
    spring = NOON + timedelta(days=90)
    going = approval.resume_case(resting, by="lead", now=spring)
    assert going.suspension is None
    assert going.ladder_due_at == spring + HOUR, "one of its two hours of silence was left"
    assert going.due_at == spring + HOUR
    assert case.policy.limits.close == timedelta(days=3)
    left = timedelta(days=3) - HOUR
    assert case.dispatched_at + going.policy.limits.close == spring + left
    with pytest.raises(ApprovalImpossible, match="not suspended"):
        approval.resume_case(going, by="lead", now=spring)


def test_a_planned_look_waits_for_the_end_of_the_pause(case: Case) -> None:
    handled = case.apply_event(E.FEED_BACK, at=NOON, by="leader")
    fed_back = replace(handled, recheck_due_at=NOON, ladder_due_at=None)
    resting = approval.approve(
        approval.request_approval(fed_back, request_of(ApprovalKind.SUSPENSION)),
        by="lead",
        now=NOON + HOUR,
    )
    assert resting.recheck_due_at is None
    later = NOON + timedelta(days=5)
    going = approval.resume_case(resting, by="lead", now=later)
    assert (going.recheck_due_at, going.ladder_due_at) == (later, None)


def test_voided_it_waits_for_nothing(case: Case) -> None:
    voided = approval.approve(
        approval.request_approval(case, request_of(ApprovalKind.VOID)), by="lead", now=NOON + HOUR
    )
    assert voided.state is CaseState.VOIDED
    assert (voided.ladder_due_at, voided.recheck_due_at, voided.request) == (None, None, None)
    with pytest.raises(ApprovalImpossible, match="voided"):
        approval.request_approval(voided, request_of(ApprovalKind.EXTENSION))


def test_an_answer_may_outrun_the_grant(case: Case) -> None:
    """The leader handled it while the wish waited: the desk is told that it is too late."""
    asked = approval.request_approval(case, request_of(ApprovalKind.SUSPENSION))
    returned = asked.apply_event(E.RETURN, at=NOON + HOUR, by="leader")
    with pytest.raises(ApprovalImpossible, match="returned"):
        approval.approve(returned, by="lead", now=NOON + HOUR)
    assert (
        approval.reject_request(returned, by="lead", now=NOON + HOUR, note="已退回").request is None
    )
