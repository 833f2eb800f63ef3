"""Desk: the duty desk's own moves on a running case: reassign, void, close, reopen, grant time.

Inside the caller's unit of work, like every move. Raises KeyError (no such case), IllegalMove.
"""

from dataclasses import replace
from datetime import datetime

from patrol.dispatch.verification import tell
from patrol.dispatch.wire import Wire
from patrol.domain.case import Case, CaseEvent
from patrol.domain.escalation import grids_told, policy_for, start_ladder, stop_ladder
from patrol.domain.ids import CaseId, GridCode
from patrol.domain.registry import Registry
from patrol.domain.routing import route
from patrol.ports import UnitOfWork


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
    ladder = policy_for(case.level, route(registry, to, case.subject), now, registry.office).ladder
    policy = replace(case.policy, ladder=ladder)  # its clocks run on: they count from dispatch
    moved = case.move(CaseEvent.REASSIGN, at=now, by=by, note=f"to grid {to}; {note}".rstrip("; "))
    given = replace(moved, grid=to, policy=policy, rung=0, revision=case.revision + 1)
    settled = start_ladder(given, now)
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
    """VOID or CLOSE it from the desk, with the reason; nothing is deleted."""
    if event not in (CaseEvent.VOID, CaseEvent.CLOSE):
        raise ValueError(f"{event} does not end a case")
    case = uow.cases.get(case_id)
    moved = case.move(event, at=now, by=by, note=note)
    settled = stop_ladder(replace(moved, look_due_at=None, revision=case.revision + 1))
    uow.cases.put(settled)
    tell(uow, settled, wire, now)
    return settled


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
