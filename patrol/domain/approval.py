"""Approvals: more time (延期), a pause (挂起), the end (作废): one asks, another grants.

Pure. One wish at a time waits in the case; every step is a line of its history with who and why.
Nobody grants a wish of one's own: the duty lead's word is a second pair of eyes. While a case is
suspended none of its clocks run; when it goes on, each limit that was still ahead moves by the
time that it had left, and the ladder's silence goes on where it stopped.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from patrol.domain.case import ApprovalKind, ApprovalRequest, Case, CaseEvent, CaseState, Suspension
from patrol.domain.errors import BadInput
from patrol.domain.priority import CaseLimits

MAX_EXTENSION: Final = timedelta(days=30)  # of the time that counts; longer is a suspension
DEFAULT_EXTENSION: Final = timedelta(
    days=1
)  # what a leader on the ground asks for without saying how long
SUSPENDABLE_STATES: Final = (
    CaseState.DISPATCHED, CaseState.ACKNOWLEDGED, CaseState.ARRIVED, CaseState.HANDLED,
    CaseState.REWORK, CaseState.FED_BACK,
)  # fmt: skip

_KIND_ZH: Final = {
    ApprovalKind.EXTENSION: "延期",
    ApprovalKind.SUSPENSION: "挂起",
    ApprovalKind.VOID: "作废",
}


class ApprovalImpossible(BadInput):
    """The wish cannot be asked for or granted just now; says why."""


def request_approval(case: Case, request: ApprovalRequest) -> Case:
    """Note the wish; the clocks run on until somebody grants it. Raises NotPossible."""
    if case.request is not None:
        waiting = case.request
        raise ApprovalImpossible(
            f"{waiting.by} already asked for {waiting.kind} at {waiting.at:%H:%MZ}"
        )
    if not request.why.strip():
        raise ApprovalImpossible("say why")
    _check_possible(case, request)
    noted = case.apply_event(
        CaseEvent.ASK, at=request.at, by=request.by, note=describe_request(request)
    )
    return replace(noted, request=request)


def approve(case: Case, *, by: str, now: datetime, note: str = "") -> Case:
    """Do what was asked for. Raises NotPossible: nothing was, or the asker would grant it."""
    request = _pending_request(case)
    if request.by == by:
        raise ApprovalImpossible(f"{by} asked for it, somebody else has to grant it")
    _check_possible(case, request)
    noted = case.apply_event(
        CaseEvent.GRANT, at=now, by=by, note=_with_note(describe_request(request), note)
    )
    return _APPROVED_BY_KIND[request.kind](replace(noted, request=None), request, by, now)


def reject_request(case: Case, *, by: str, now: datetime, note: str) -> Case:
    """It stays as it is, and why; the asker may take a wish back this way, too."""
    request = _pending_request(case)
    noted = case.apply_event(
        CaseEvent.REFUSE, at=now, by=by, note=_with_note(describe_request(request), note)
    )
    return replace(noted, request=None)


def resume_case(case: Case, *, by: str, now: datetime, note: str = "") -> Case:
    """The clocks run again from where they stopped. Raises NotPossible: they do run."""
    suspension = case.suspension
    if suspension is None:
        raise ApprovalImpossible(f"case {case.id} is not suspended")
    moved = case.apply_event(CaseEvent.RESUME, at=now, by=by, note=note)
    left = suspension.ladder_left_s
    policy = case.policy
    return replace(
        moved,
        suspension=None,
        policy=replace(policy, limits=_limits_after_suspension(case, suspension.since, now)),
        ladder_due_at=None if left is None else policy.after(now, timedelta(seconds=left)),
        recheck_due_at=now if suspension.recheck_planned else None,
    )


def describe_request(request: ApprovalRequest) -> str:
    """`延期 24 小时 (extension of 24 h): why`, as the history has it."""
    hours = f"{request.span_s / 3600:g}"
    zh, en = (f" {hours} 小时", f" of {hours} h") if request.span_s else ("", "")
    return f"{_KIND_ZH[request.kind]}{zh} ({request.kind}{en}): {request.why}"


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


def _extended(case: Case, request: ApprovalRequest, by: str, now: datetime) -> Case:  # noqa: ARG001  as its sisters
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


def _suspended(case: Case, request: ApprovalRequest, by: str, now: datetime) -> Case:
    moved = case.apply_event(CaseEvent.SUSPEND, at=now, by=by, note=request.why)
    due = case.ladder_due_at
    suspension = Suspension(
        since=now,
        ladder_left_s=None if due is None else case.policy.between(now, due).total_seconds(),
        recheck_planned=case.recheck_due_at is not None,
    )
    return replace(moved, suspension=suspension, ladder_due_at=None, recheck_due_at=None)


def _voided(case: Case, request: ApprovalRequest, by: str, now: datetime) -> Case:
    return case.apply_event(CaseEvent.VOID, at=now, by=by, note=request.why)


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


_APPROVED_BY_KIND: Final[
    dict[ApprovalKind, Callable[[Case, ApprovalRequest, str, datetime], Case]]
] = {
    ApprovalKind.EXTENSION: _extended,
    ApprovalKind.SUSPENSION: _suspended,
    ApprovalKind.VOID: _voided,
}
