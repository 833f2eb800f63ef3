"""Approvals at the desk: ask for more time, a pause or the end; grant or refuse it; go on.

Inside the caller's unit of work. Raises KeyError (no such case), approval.NotPossible, IllegalMove.

Verification (核查): the camera was looked through again; the case closes or is reworked.

Who decides is the site's (domain.verdict): the machine at once, or a person to whom it is shown.

Called by whoever looked, inside the caller's unit of work. A case that moved on meanwhile (voided,
reworked by hand) is left as it is.

Desk: the duty desk's own moves on a running case: reassign, void, close, reopen; phoned.

Inside the caller's unit of work, like every move. Raises KeyError (no such case), IllegalMove.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from patrol.domain import approval
from patrol.domain.backoff import backoff
from patrol.domain.case import (
    ApprovalKind,
    ApprovalRequest,
    Case,
    CaseEvent,
    CaseState,
    IllegalCaseTransition,
)
from patrol.domain.escalation import announced_grids, policy_for, start_escalation, stop_escalation
from patrol.domain.ids import CaseId, GridCode, Sha256
from patrol.domain.registry import Registry
from patrol.domain.routing import route
from patrol.messaging.payloads import PayloadBuilder
from patrol.store import UnitOfWork

RECHECK_AFTER: Final = timedelta(minutes=5)  # doubled by each look that failed
MAX_RECHECKS: Final = 6  # 5 + 10 + 20 + 40 + 80 minutes; then a person has to look
LONGEST_RECHECK_WAIT: Final = timedelta(minutes=80)


def apply_recheck(
    uow: UnitOfWork,
    case_id: CaseId,
    *,
    gone: bool,
    by: str,
    now: datetime,
    payloads: PayloadBuilder,
    after: Sha256 | None = None,
    note: str = "",
) -> Case:
    """Gone: verified and closed, the leaders' topics cleared. Still there: back to the ground."""
    case = uow.cases.get(case_id)
    if case.state is not CaseState.FED_BACK:
        return case
    rechecked = replace(
        case,
        recheck_count=case.recheck_count + 1,
        recheck_due_at=None,
        after=after,
        revision=case.revision + 1,
    )
    if gone:
        seen = rechecked.apply_event(CaseEvent.VERIFY, at=now, by=by, note=note)
        settled = stop_escalation(seen.apply_event(CaseEvent.CLOSE, at=now, by=by))
    else:
        settled = start_escalation(
            rechecked.apply_event(CaseEvent.NOT_VERIFIED, at=now, by=by, note=note), now
        )
    uow.cases.put(settled)
    announce_case(uow, settled, payloads, now)
    return settled


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
    """A person's word, whether or not a look is still planned. Raises KeyError, IllegalMove."""
    case = uow.cases.get(case_id)
    if case.state is not CaseState.FED_BACK:
        raise IllegalCaseTransition(case, CaseEvent.VERIFY if gone else CaseEvent.NOT_VERIFIED)
    return apply_recheck(
        uow, case.id, gone=gone, by=by, now=now, payloads=payloads, after=case.after, note=note
    )


def await_person(
    uow: UnitOfWork,
    case_id: CaseId,
    *,
    by: str,
    now: datetime,
    after: Sha256 | None,
    note: str,
) -> Case:
    """Before and after lie side by side; a person has to say whether it is done.

    The leader's topic does not change: the case is still fed back.
    """
    case = uow.cases.get(case_id)
    if case.state is not CaseState.FED_BACK:
        return case
    noted = case.apply_event(CaseEvent.LOOKED, at=now, by=by, note=note)
    waiting = replace(noted, recheck_count=case.recheck_count + 1, recheck_due_at=None, after=after)
    uow.cases.put(waiting)
    return waiting


def reschedule_recheck(
    uow: UnitOfWork,
    case_id: CaseId,
    *,
    by: str,
    now: datetime,
    why: str,
    payloads: PayloadBuilder,
) -> Case:
    """The camera could not be looked through; later again, and in the end a person has to."""
    case = uow.cases.get(case_id)
    if case.state is not CaseState.FED_BACK or case.suspension is not None:
        return case  # a suspended one is looked at when it goes on
    noted = case.apply_event(CaseEvent.LOOK_FAILED, at=now, by=by, note=why)
    attempts = case.recheck_count + 1
    if attempts < MAX_RECHECKS:
        wait = backoff(attempts, RECHECK_AFTER, LONGEST_RECHECK_WAIT)
        later = replace(noted, recheck_count=attempts, recheck_due_at=now + wait)
        uow.cases.put(later)
        return later
    note = f"looked {attempts} times in vain, a person has to look: {why}"
    given_up = noted.apply_event(CaseEvent.SUPERVISE, at=now, by=by, note=note)
    settled = replace(
        given_up, recheck_count=attempts, recheck_due_at=None, revision=case.revision + 1
    )
    uow.cases.put(settled)
    announce_case(uow, settled, payloads, now)
    return settled


def announce_case(uow: UnitOfWork, case: Case, payloads: PayloadBuilder, now: datetime) -> None:
    """Queue the case as every grid told so far must see it now."""
    for message in payloads.case_messages(case, now):
        uow.outbox.add(message)


def request_approval(uow: UnitOfWork, case_id: CaseId, request: ApprovalRequest) -> Case:
    """Write the wish down; nobody on the ground sees a difference until it is granted."""
    asked = approval.request_approval(uow.cases.get(case_id), request)
    uow.cases.put(asked)
    return asked


def approve(
    uow: UnitOfWork,
    case_id: CaseId,
    *,
    by: str,
    now: datetime,
    payloads: PayloadBuilder,
    note: str = "",
) -> Case:
    """Do what was asked for, and tell whoever was told of the case."""
    return _apply_and_announce(
        uow, case_id, lambda case: approval.approve(case, by=by, now=now, note=note), now, payloads
    )


def reject(uow: UnitOfWork, case_id: CaseId, *, by: str, now: datetime, note: str) -> Case:
    """It stays as it is; the reason is in its history."""
    refused = approval.reject_request(uow.cases.get(case_id), by=by, now=now, note=note)
    uow.cases.put(refused)
    return refused


def resume_case(
    uow: UnitOfWork,
    case_id: CaseId,
    *,
    by: str,
    now: datetime,
    payloads: PayloadBuilder,
    note: str = "",
) -> Case:
    """Its clocks run again; the leaders see the new limits."""
    return _apply_and_announce(
        uow,
        case_id,
        lambda case: approval.resume_case(case, by=by, now=now, note=note),
        now,
        payloads,
    )


def _apply_and_announce(
    uow: UnitOfWork,
    case_id: CaseId,
    change: Callable[[Case], Case],
    now: datetime,
    payloads: PayloadBuilder,
) -> Case:
    case = uow.cases.get(case_id)
    changed = replace(change(case), revision=case.revision + 1)
    uow.cases.put(changed)
    announce_case(uow, changed, payloads, now)
    return changed


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
    """Give it to another grid: a ladder of its own from there; the old topics are cleared."""
    if to not in registry.tree.grids:
        raise KeyError(to)
    case = uow.cases.get(case_id)
    before = announced_grids(case)
    fresh = policy_for(case.level, route(registry, to, case.subject), now, registry.office)
    if case.is_unannounced:  # nobody has heard of it: it is dispatched here and now
        case = replace(case, hold=None, dispatched_at=now, policy=fresh)
    policy = replace(case.policy, ladder=fresh.ladder)  # its clocks run on
    moved = case.apply_event(
        CaseEvent.REASSIGN, at=now, by=by, note=f"to grid {to}; {note}".rstrip("; ")
    )
    given = replace(moved, grid=to, policy=policy, rung=0, revision=case.revision + 1)
    settled = start_escalation(replace(given, hold=None), now)
    uow.cases.put(settled)
    announce_case(uow, settled, payloads, now)
    gone = [grid for grid in before if grid not in announced_grids(settled)]
    for message in payloads.clear_messages(settled, gone, now):
        uow.outbox.add(message)
    return settled


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
    """CLOSE it from the desk; VOID it with four eyes. The reason is kept, nothing is deleted.

    The first to say VOID has asked for it (the case goes on); the second, who is somebody else, has
    granted it. Raises NotPossible, IllegalMove.
    """
    if event is CaseEvent.VOID:
        return _void_case(uow, case_id, by=by, now=now, payloads=payloads, note=note)
    if event is not CaseEvent.CLOSE:
        raise ValueError(f"{event} does not end a case")
    case = uow.cases.get(case_id)
    moved = case.apply_event(event, at=now, by=by, note=note)
    settled = stop_escalation(replace(moved, recheck_due_at=None, revision=case.revision + 1))
    uow.cases.put(settled)
    announce_case(uow, settled, payloads, now)
    return settled


def _void_case(
    uow: UnitOfWork, case_id: CaseId, *, by: str, now: datetime, payloads: PayloadBuilder, note: str
) -> Case:
    request = uow.cases.get(case_id).request
    if request is not None and request.kind is ApprovalKind.VOID:
        return approve(uow, case_id, by=by, now=now, payloads=payloads, note=note)
    asked = ApprovalRequest(kind=ApprovalKind.VOID, by=by, at=now, why=note)
    return request_approval(uow, case_id, asked)


def record_phone_call(
    uow: UnitOfWork, case_id: CaseId, *, by: str, now: datetime, note: str
) -> Case:
    """Somebody was told by telephone; an urgent case is phoned first and then sent."""
    case = uow.cases.get(case_id).apply_event(CaseEvent.PHONE, at=now, by=by, note=note)
    uow.cases.put(case)
    return case


def reopen_case(
    uow: UnitOfWork, case_id: CaseId, *, by: str, now: datetime, payloads: PayloadBuilder, note: str
) -> Case:
    """A closed case was not done after all: back to the ground, ladder running."""
    case = uow.cases.get(case_id)
    moved = case.apply_event(CaseEvent.REOPEN, at=now, by=by, note=note)
    settled = start_escalation(replace(moved, revision=case.revision + 1), now)
    uow.cases.put(settled)
    announce_case(uow, settled, payloads, now)
    return settled
