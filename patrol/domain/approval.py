"""Approvals: requests for extension (延期), suspension (挂起), voiding (作废), granted by another.

Pure. One request at a time waits in the case; every step is an entry of its history with who and
why. Nobody approves a request of one's own. While a case is suspended none of its timers runs; when
it goes on, each limit that was still ahead moves by the time that it had left. The timers
themselves are moved by `Case.apply_event`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from patrol.domain.case import Case, CaseEvent, CaseState
from patrol.domain.case_timers import ApprovalKind, ApprovalRequest
from patrol.domain.errors import BadInput
from patrol.domain.labels import APPROVAL_KINDS
from patrol.domain.office_hours import OfficeHours
from patrol.domain.priority import CaseLimits

MAX_EXTENSION: Final = timedelta(days=30)  # of counted time; longer is a suspension
DEFAULT_EXTENSION: Final = timedelta(days=1)  # of a leader's request that names no span
SUSPENDABLE_STATES: Final = (
    CaseState.DISPATCHED, CaseState.ACKNOWLEDGED, CaseState.ARRIVED, CaseState.HANDLED,
    CaseState.REWORK, CaseState.FED_BACK,
)  # fmt: skip


class ApprovalImpossible(BadInput):
    """The request cannot be made or approved just now; the text gives the reason."""


def request_approval(case: Case, request: ApprovalRequest) -> Case:
    """The case with the request; its timers run on until it is approved.

    Raises ApprovalImpossible, IllegalCaseTransition.
    """
    if case.request is not None:
        waiting = case.request
        raise ApprovalImpossible(
            f"{waiting.by} already asked for {waiting.kind} at {waiting.at:%H:%MZ}"
        )
    if not request.why.strip():
        raise ApprovalImpossible("say why")
    _check_possible(case, request)
    text = describe_request(case, request, granted_at=request.at)
    noted = case.apply_event(CaseEvent.ASK, at=request.at, by=request.by, note=text)
    return replace(noted, request=request)


def approve(case: Case, *, by: str, now: datetime, note: str = "") -> Case:
    """The case with its request fulfilled.

    Raises ApprovalImpossible: there is no request, or `by` made it; IllegalCaseTransition.
    """
    request = _pending_request(case)
    if request.by == by:
        raise ApprovalImpossible(f"{by} asked for it, somebody else has to grant it")
    _check_possible(case, request)
    text = _with_note(describe_request(case, request, granted_at=now), note)
    noted = case.apply_event(CaseEvent.GRANT, at=now, by=by, note=text)
    if request.kind is ApprovalKind.EXTENSION:
        return _extended(noted, request, now)
    event = CaseEvent.SUSPEND if request.kind is ApprovalKind.SUSPENSION else CaseEvent.VOID
    return noted.apply_event(event, at=now, by=by, note=request.why)


def reject_request(case: Case, *, by: str, now: datetime, note: str) -> Case:
    """The case without its request, nothing else changed; a requester may withdraw it this way.

    Raises ApprovalImpossible: there is none.
    """
    request = _pending_request(case)
    text = _with_note(describe_request(case, request, granted_at=None), note)
    return case.apply_event(CaseEvent.REFUSE, at=now, by=by, note=text)


def resume_case(case: Case, *, by: str, now: datetime, note: str = "") -> Case:
    """The case with its timers running from where they stopped and its open limits moved.

    Raises ApprovalImpossible: it is not suspended.
    """
    suspension = case.suspension
    if suspension is None:
        raise ApprovalImpossible(f"case {case.id} is not suspended")
    limits = _limits_after_suspension(case, suspension.since, now)
    moved = replace(case, policy=replace(case.policy, limits=limits))
    return moved.apply_event(CaseEvent.RESUME, at=now, by=by, note=note)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtensionPreview:
    """What an extension would lead to if it were granted at once."""

    span: timedelta  # counted time: of the office, or of the clock
    in_office_hours: bool
    due_before: datetime  # the case's next limit, and its limit to close
    due_after: datetime
    close_before: datetime
    close_after: datetime


def preview_extension(case: Case, span: timedelta, now: datetime) -> ExtensionPreview:
    """The limits that an extension by `span` of counted time, granted at `now`, would give.

    Raises ApprovalImpossible.
    """
    request = ApprovalRequest(
        kind=ApprovalKind.EXTENSION, by="", at=now, why="", span_s=span.total_seconds()
    )
    _check_possible(case, request)
    after = _extended(case, request, now)
    return ExtensionPreview(
        span=span,
        in_office_hours=case.policy.office is not None,
        due_before=case.due_at,
        due_after=after.due_at,
        close_before=case.dispatched_at + case.policy.limits.close,
        close_after=after.dispatched_at + after.policy.limits.close,
    )


def describe_request(case: Case, request: ApprovalRequest, *, granted_at: datetime | None) -> str:
    """`延期 24 小时办公时间,办结时限至 … (extension of 24 office hours, to close by …): why`.

    As the history has it. Without `granted_at` no limit is named; nor is one in time that runs
    round the clock, where hours need no calendar.
    """
    zh, en = _span_texts(case, request, granted_at) if request.span_s else ("", "")
    return f"{APPROVAL_KINDS[request.kind][0]}{zh} ({request.kind}{en}): {request.why}"


def _span_texts(
    case: Case, request: ApprovalRequest, granted_at: datetime | None
) -> tuple[str, str]:
    zh, en = span_texts(request, case.policy.office)
    if case.policy.office is None or granted_at is None:
        return f" {zh}", f" of {en}"
    preview = preview_extension(case, timedelta(seconds=request.span_s), granted_at)
    zone = ZoneInfo(case.policy.office.zone)
    close = f"{preview.close_after.astimezone(zone):%Y-%m-%d %H:%M}"
    return f" {zh}，办结时限至 {close}", f" of {en}, to close by {close}"


def span_texts(request: ApprovalRequest, office: OfficeHours | None) -> tuple[str, str]:
    """(zh, en) of the time that a request asks for, named as what it is: hours of the office."""
    hours = f"{request.span_s / 3600:g}"
    if office is None:
        return f"{hours} 小时", f"{hours} h"
    return f"{hours} 小时办公时间", f"{hours} office hours"


def _check_possible(case: Case, request: ApprovalRequest) -> None:
    if not case.is_open:
        raise ApprovalImpossible(f"case {case.id} is {case.state}")
    if case.is_unannounced and request.kind is not ApprovalKind.VOID:
        raise ApprovalImpossible(
            f"case {case.id} was not told to anybody yet: none of its clocks runs"
        )
    if request.kind is ApprovalKind.EXTENSION:
        span = timedelta(seconds=request.span_s)
        if not timedelta() < span <= MAX_EXTENSION:
            raise ApprovalImpossible(
                f"an extension is more than 0 and at most {MAX_EXTENSION.days} d"
            )
    elif case.state not in SUSPENDABLE_STATES and (
        request.kind is ApprovalKind.SUSPENSION or case.state is not CaseState.RETURNED
    ):
        raise ApprovalImpossible(f"case {case.id} is {case.state}: no {request.kind}")
    if request.kind is ApprovalKind.SUSPENSION and case.suspension is not None:
        raise ApprovalImpossible(
            f"case {case.id} is suspended since {case.suspension.since:%Y-%m-%d}"
        )


def _pending_request(case: Case) -> ApprovalRequest:
    if case.request is None:
        raise ApprovalImpossible(f"case {case.id}: nothing was asked for")
    return case.request


def _extended(case: Case, request: ApprovalRequest, now: datetime) -> Case:
    """Limits that are still ahead move; what was missed before stays missed."""
    span = timedelta(seconds=request.span_s)
    at = case.suspension.since if case.suspension else now
    limits, start, policy = case.policy.limits, case.dispatched_at, case.policy

    def later(limit: timedelta) -> timedelta:
        ahead = start + limit >= at
        return policy.after(start + limit, span) - start if ahead else limit

    moved = _map_limits(limits, later)
    if start + limits.close < at:  # nothing was ahead: counted from now, or it would grant nothing
        moved = replace(moved, close=policy.after(now, span) - start)
    return replace(case, policy=replace(policy, limits=moved))


def _limits_after_suspension(case: Case, since: datetime, now: datetime) -> CaseLimits:
    """Each limit that was ahead when the case was suspended, later by what it had left."""
    start, policy = case.dispatched_at, case.policy

    def later(limit: timedelta) -> timedelta:
        if start + limit < since:
            return limit
        return policy.after(now, policy.between(since, start + limit)) - start

    return _map_limits(policy.limits, later)


def _map_limits(limits: CaseLimits, later: Callable[[timedelta], timedelta]) -> CaseLimits:
    return CaseLimits(
        acknowledge=later(limits.acknowledge),
        arrive=None if limits.arrive is None else later(limits.arrive),
        feedback=None if limits.feedback is None else later(limits.feedback),
        close=later(limits.close),
    )


def _with_note(first: str, note: str) -> str:
    return f"{first}; {note}" if note else first


def close_after_grant(case: Case, now: datetime) -> datetime | None:
    """The limit to close that granting the pending extension now would give; else None."""
    if case.request is None or case.request.kind is not ApprovalKind.EXTENSION:
        return None
    span = timedelta(seconds=case.request.span_s)
    try:
        return preview_extension(case, span, now).close_after
    except ApprovalImpossible:
        return None
