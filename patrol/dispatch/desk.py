"""Desk: the duty desk's own moves on a running case: reassign, void, close, reopen; phoned.

Inside the caller's unit of work, like every move. Raises KeyError (no such case), IllegalMove.
"""

from dataclasses import replace
from datetime import datetime

from patrol.dispatch import approvals
from patrol.dispatch.verification import tell
from patrol.dispatch.wire import Wire
from patrol.domain.case import Case, CaseEvent, Request, Wish
from patrol.domain.escalation import grids_told, policy_for, start_ladder, stop_ladder
from patrol.domain.ids import CaseId, GridCode
from patrol.domain.registry import Registry
from patrol.domain.routing import route
from patrol.store import UnitOfWork


def reassign(
    uow: UnitOfWork,
    case_id: CaseId,
    to: GridCode,
    *,
    by: str,
    now: datetime,
    registry: Registry,
    wire: Wire,
    note: str = "",
) -> Case:
    """Give it to another grid: a ladder of its own from there; the old topics are cleared."""
    if to not in registry.tree.grids:
        raise KeyError(to)
    case = uow.cases.get(case_id)
    before = grids_told(case)
    fresh = policy_for(case.level, route(registry, to, case.subject), now, registry.office)
    if case.is_untold:  # nobody has heard of it: it is dispatched here and now
        case = replace(case, hold=None, dispatched_at=now, policy=fresh)
    policy = replace(case.policy, ladder=fresh.ladder)  # its clocks run on
    moved = case.move(CaseEvent.REASSIGN, at=now, by=by, note=f"to grid {to}; {note}".rstrip("; "))
    given = replace(moved, grid=to, policy=policy, rung=0, revision=case.revision + 1)
    settled = start_ladder(replace(given, hold=None), now)
    uow.cases.put(settled)
    tell(uow, settled, wire, now)
    gone = [grid for grid in before if grid not in grids_told(settled)]
    for message in wire.withdraw(settled, gone, now):
        uow.outbox.add(message)
    return settled


def end(
    uow: UnitOfWork,
    case_id: CaseId,
    event: CaseEvent,
    *,
    by: str,
    now: datetime,
    wire: Wire,
    note: str,
) -> Case:
    """CLOSE it from the desk; VOID it with four eyes. The reason is kept, nothing is deleted.

    The first to say VOID has asked for it (the case goes on); the second, who is somebody else, has
    granted it. Raises NotPossible, IllegalMove.
    """
    if event is CaseEvent.VOID:
        return _void(uow, case_id, by=by, now=now, wire=wire, note=note)
    if event is not CaseEvent.CLOSE:
        raise ValueError(f"{event} does not end a case")
    case = uow.cases.get(case_id)
    moved = case.move(event, at=now, by=by, note=note)
    settled = stop_ladder(replace(moved, look_due_at=None, revision=case.revision + 1))
    uow.cases.put(settled)
    tell(uow, settled, wire, now)
    return settled


def _void(
    uow: UnitOfWork, case_id: CaseId, *, by: str, now: datetime, wire: Wire, note: str
) -> Case:
    wish = uow.cases.get(case_id).request
    if wish is not None and wish.wish is Wish.VOID:
        return approvals.grant(uow, case_id, by=by, now=now, announcer=wire, note=note)
    asked = Request(wish=Wish.VOID, by=by, at=now, why=note)
    return approvals.ask(uow, case_id, asked)


def phoned(uow: UnitOfWork, case_id: CaseId, *, by: str, now: datetime, note: str) -> Case:
    """Somebody was told by telephone; an urgent case is phoned first and then sent."""
    case = uow.cases.get(case_id).move(CaseEvent.PHONE, at=now, by=by, note=note)
    uow.cases.put(case)
    return case


def reopen(
    uow: UnitOfWork, case_id: CaseId, *, by: str, now: datetime, wire: Wire, note: str
) -> Case:
    """A closed case was not done after all: back to the ground, ladder running."""
    case = uow.cases.get(case_id)
    moved = case.move(CaseEvent.REOPEN, at=now, by=by, note=note)
    settled = start_ladder(replace(moved, revision=case.revision + 1), now)
    uow.cases.put(settled)
    tell(uow, settled, wire, now)
    return settled
