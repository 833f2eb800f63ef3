"""Approvals at the desk: ask for more time, a pause or the end; grant or refuse it; go on.

Inside the caller's unit of work. Raises KeyError (no such case), approval.NotPossible, IllegalMove.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from patrol.dispatch.verification import tell
from patrol.dispatch.wire import Wire
from patrol.domain import approval
from patrol.domain.case import Case, Request
from patrol.domain.ids import CaseId
from patrol.store import UnitOfWork


def ask(uow: UnitOfWork, case_id: CaseId, request: Request) -> Case:
    """Write the wish down; nobody on the ground sees a difference until it is granted."""
    asked = approval.ask(uow.cases.get(case_id), request)
    uow.cases.put(asked)
    return asked


def grant(
    uow: UnitOfWork,
    case_id: CaseId,
    *,
    by: str,
    now: datetime,
    announcer: Wire,
    note: str = "",
) -> Case:
    """Do what was asked for, and tell whoever was told of the case."""
    return _told(
        uow, case_id, lambda case: approval.grant(case, by=by, now=now, note=note), now, announcer
    )


def refuse(uow: UnitOfWork, case_id: CaseId, *, by: str, now: datetime, note: str) -> Case:
    """It stays as it is; the reason is in its history."""
    refused = approval.refuse(uow.cases.get(case_id), by=by, now=now, note=note)
    uow.cases.put(refused)
    return refused


def resume(
    uow: UnitOfWork,
    case_id: CaseId,
    *,
    by: str,
    now: datetime,
    announcer: Wire,
    note: str = "",
) -> Case:
    """Its clocks run again; the leaders see the new limits."""
    return _told(
        uow, case_id, lambda case: approval.resume(case, by=by, now=now, note=note), now, announcer
    )


def _told(
    uow: UnitOfWork,
    case_id: CaseId,
    step: Callable[[Case], Case],
    now: datetime,
    announcer: Wire,
) -> Case:
    case = uow.cases.get(case_id)
    changed = replace(step(case), revision=case.revision + 1)
    uow.cases.put(changed)
    tell(uow, changed, announcer, now)
    return changed
