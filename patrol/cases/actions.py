"""Operator actions and recheck results on a running case: approve, verify, reassign, close, reopen.

Used by the web pages, the API, the command line, `patrol demo` and rounds/recheck.py. Each function
runs inside the caller's unit of work, applies its events (`Case.apply_event`), saves the case and
queues its messages (save_and_send.py); the caller commits. All raise KeyError (no such case) and
IllegalCaseTransition; the approvals also raise approval.ApprovalImpossible.

Verification (核查): after "handled" the camera is visited again. The site chooses who decides on
what it shows (domain/verification.py): the machine (`apply_recheck`), or a person to whom before
and after are shown (`await_person`, then `apply_person_decision`). A case that moved on while the
camera was visited is left as it is.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from patrol.cases.save_and_send import save_case, save_step
from patrol.domain import approval
from patrol.domain.case import Case, CaseEvent, CaseState, IllegalCaseTransition
from patrol.domain.case_timers import ApprovalKind, ApprovalRequest
from patrol.domain.escalation import policy_for
from patrol.domain.ids import CaseId, GridCode, PictureId
from patrol.domain.registry import Registry
from patrol.domain.routing import route
from patrol.messaging.payloads import PayloadBuilder
from patrol.store import UnitOfWork


def apply_recheck(
    uow: UnitOfWork,
    case_id: CaseId,
    *,
    gone: bool,
    by: str,
    now: datetime,
    payloads: PayloadBuilder,
    after: PictureId | None = None,
    note: str = "",
    is_person: bool = False,
) -> Case:
    """Gone: verified and closed, the leaders' topics cleared. Still there: back to the ground."""
    case = uow.cases.get(case_id)
    if case.state is not CaseState.FED_BACK:
        return case
    event = CaseEvent.VERIFY if gone else CaseEvent.NOT_VERIFIED
    decided = replace(case, after=after).apply_event(event, at=now, by=by, note=note)
    if gone:
        decided = decided.apply_event(CaseEvent.CLOSE, at=now, by=by)
    return (save_step if is_person else save_case)(uow, case, decided, payloads, now)


def apply_person_decision(
    uow: UnitOfWork,
    case_id: CaseId,
    *,
    gone: bool,
    by: str,
    now: datetime,
    payloads: PayloadBuilder,
    note: str = "",
) -> Case:
    """Apply a person's decision, whether or not a recheck is still planned."""
    case = uow.cases.get(case_id)
    if case.state is not CaseState.FED_BACK:
        raise IllegalCaseTransition(case, CaseEvent.VERIFY if gone else CaseEvent.NOT_VERIFIED)
    return apply_recheck(
        uow, case.id, gone=gone, by=by, now=now, payloads=payloads, after=case.after, note=note,
        is_person=True,
    )  # fmt: skip


def await_person(
    uow: UnitOfWork,
    case_id: CaseId,
    *,
    by: str,
    now: datetime,
    payloads: PayloadBuilder,
    after: PictureId | None,
    note: str,
) -> Case:
    """Note the recheck; a person has to decide. Leaders see no change: it is still fed back."""
    case = uow.cases.get(case_id)
    if case.state is not CaseState.FED_BACK:
        return case
    noted = case.apply_event(CaseEvent.LOOKED, at=now, by=by, note=note)
    return save_case(uow, case, replace(noted, after=after), payloads, now)


def reschedule_recheck(
    uow: UnitOfWork,
    case_id: CaseId,
    *,
    by: str,
    now: datetime,
    why: str,
    payloads: PayloadBuilder,
) -> Case:
    """Note the failed recheck and plan the next one; after the last a person has to look."""
    case = uow.cases.get(case_id)
    if case.state is not CaseState.FED_BACK or case.suspension is not None:
        return case  # a suspended one is rechecked when it goes on
    changed = case.apply_event(CaseEvent.LOOK_FAILED, at=now, by=by, note=why)
    if changed.recheck_due_at is None:
        note = f"looked {changed.recheck_count} times in vain, a person has to look: {why}"
        changed = changed.apply_event(CaseEvent.SUPERVISE, at=now, by=by, note=note)
    # What an earlier recheck showed is from before this "handled".
    return save_case(uow, case, replace(changed, after=None), payloads, now)


def request_approval(
    uow: UnitOfWork, case_id: CaseId, request: ApprovalRequest, *, payloads: PayloadBuilder
) -> Case:
    """Note the request; leaders see no difference until it is approved."""
    return _change_case(
        uow, case_id, lambda case: approval.request_approval(case, request), payloads, request.at
    )


def approve(
    uow: UnitOfWork,
    case_id: CaseId,
    *,
    by: str,
    now: datetime,
    payloads: PayloadBuilder,
    note: str = "",
) -> Case:
    """Fulfil the pending request; leaders see the new limits, the suspension or the end."""
    return _change_case(
        uow, case_id, lambda case: approval.approve(case, by=by, now=now, note=note), payloads, now
    )


def reject(
    uow: UnitOfWork, case_id: CaseId, *, by: str, now: datetime, payloads: PayloadBuilder, note: str
) -> Case:
    """Drop the pending request; the reason is in the history, leaders see no difference."""
    return _change_case(
        uow,
        case_id,
        lambda case: approval.reject_request(case, by=by, now=now, note=note),
        payloads,
        now,
    )


def resume_case(
    uow: UnitOfWork,
    case_id: CaseId,
    *,
    by: str,
    now: datetime,
    payloads: PayloadBuilder,
    note: str = "",
) -> Case:
    """End the suspension; the timers run again and leaders see the new limits."""
    return _change_case(
        uow,
        case_id,
        lambda case: approval.resume_case(case, by=by, now=now, note=note),
        payloads,
        now,
    )


def reassign_case(
    uow: UnitOfWork,
    case_id: CaseId,
    to: GridCode,
    *,
    by: str,
    now: datetime,
    registry: Registry,
    payloads: PayloadBuilder,
    note: str = "",
) -> Case:
    """Give the case to another grid, with that grid's ladder; the old topics are cleared.

    Raises KeyError also for an unknown grid.
    """
    if to not in registry.tree.grids:
        raise KeyError(to)
    case = uow.cases.get(case_id)
    policy = policy_for(case.level, route(registry, to, case.subject), now, registry.office)
    if case.is_unannounced:  # dispatched here and now
        given = replace(case, grid=to, rung=0, dispatched_at=now, policy=policy)
    else:  # its limits run on
        given = replace(case, grid=to, rung=0, policy=replace(case.policy, ladder=policy.ladder))
    text = f"to grid {to}; {note}".rstrip("; ")
    moved = given.apply_event(CaseEvent.REASSIGN, at=now, by=by, note=text)
    return save_step(uow, case, moved, payloads, now)


def end_case(
    uow: UnitOfWork,
    case_id: CaseId,
    event: CaseEvent,
    *,
    by: str,
    now: datetime,
    payloads: PayloadBuilder,
    note: str,
) -> Case:
    """CLOSE a returned case, or VOID one with the approval of a second person.

    The first VOID is a request (the case goes on); the second, by another person, approves it.
    Raises also ValueError: another event.
    """
    if event is CaseEvent.VOID:
        return _void_case(uow, case_id, by=by, now=now, payloads=payloads, note=note)
    if event is not CaseEvent.CLOSE:
        raise ValueError(f"{event} does not end a case")
    return _apply_and_save(uow, case_id, event, by=by, now=now, payloads=payloads, note=note)


def _void_case(
    uow: UnitOfWork, case_id: CaseId, *, by: str, now: datetime, payloads: PayloadBuilder, note: str
) -> Case:
    request = uow.cases.get(case_id).request
    if request is not None and request.kind is ApprovalKind.VOID:
        return approve(uow, case_id, by=by, now=now, payloads=payloads, note=note)
    new_request = ApprovalRequest(kind=ApprovalKind.VOID, by=by, at=now, why=note)
    return request_approval(uow, case_id, new_request, payloads=payloads)


def record_phone_call(
    uow: UnitOfWork, case_id: CaseId, *, by: str, now: datetime, payloads: PayloadBuilder, note: str
) -> Case:
    """Note that a person was telephoned; an urgent case is phoned first and then sent."""
    return _apply_and_save(
        uow, case_id, CaseEvent.PHONE, by=by, now=now, payloads=payloads, note=note
    )


def reopen_case(
    uow: UnitOfWork, case_id: CaseId, *, by: str, now: datetime, payloads: PayloadBuilder, note: str
) -> Case:
    """Send a closed case that was not done after all back to the ground, escalation running."""
    return _apply_and_save(
        uow, case_id, CaseEvent.REOPEN, by=by, now=now, payloads=payloads, note=note
    )


def _apply_and_save(
    uow: UnitOfWork,
    case_id: CaseId,
    event: CaseEvent,
    *,
    by: str,
    now: datetime,
    payloads: PayloadBuilder,
    note: str,
) -> Case:
    return _change_case(
        uow,
        case_id,
        lambda case: case.apply_event(event, at=now, by=by, note=note),
        payloads,
        now,
    )


def _change_case(
    uow: UnitOfWork,
    case_id: CaseId,
    change: Callable[[Case], Case],
    payloads: PayloadBuilder,
    now: datetime,
) -> Case:
    case = uow.cases.get(case_id)
    return save_step(uow, case, change(case), payloads, now)
