"""Verification (核查): the camera was looked through again; the case closes or is reworked.

Who decides is the site's (domain.verdict): the machine at once, or a person to whom it is shown.

Called by whoever looked, inside the caller's unit of work. A case that moved on meanwhile (voided,
reworked by hand) is left as it is.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from patrol.dispatch.wire import Wire
from patrol.domain.case import Case, CaseEvent, CaseState, IllegalMove
from patrol.domain.escalation import start_ladder, stop_ladder
from patrol.domain.ids import CaseId, Sha256
from patrol.store import UnitOfWork

LOOK_AGAIN_AFTER: Final = timedelta(minutes=5)  # doubled by each look that failed
MOST_LOOKS: Final = 6  # 5 + 10 + 20 + 40 + 80 minutes; then a person has to look


def verified(
    uow: UnitOfWork,
    case_id: CaseId,
    *,
    gone: bool,
    by: str,
    now: datetime,
    announcer: Wire,
    after: Sha256 | None = None,
    note: str = "",
) -> Case:
    """Gone: verified and closed, the leaders' topics cleared. Still there: back to the ground."""
    case = uow.cases.get(case_id)
    if case.state is not CaseState.FED_BACK:
        return case
    looked = replace(
        case, looks=case.looks + 1, look_due_at=None, after=after, revision=case.revision + 1
    )
    if gone:
        seen = looked.move(CaseEvent.VERIFY, at=now, by=by, note=note)
        settled = stop_ladder(seen.move(CaseEvent.CLOSE, at=now, by=by))
    else:
        settled = start_ladder(looked.move(CaseEvent.NOT_VERIFIED, at=now, by=by, note=note), now)
    uow.cases.put(settled)
    tell(uow, settled, announcer, now)
    return settled


def verdict(
    uow: UnitOfWork,
    case_id: CaseId,
    *,
    gone: bool,
    by: str,
    now: datetime,
    announcer: Wire,
    note: str = "",
) -> Case:
    """A person's word, whether or not a look is still planned. Raises KeyError, IllegalMove."""
    case = uow.cases.get(case_id)
    if case.state is not CaseState.FED_BACK:
        raise IllegalMove(case, CaseEvent.VERIFY if gone else CaseEvent.NOT_VERIFIED)
    return verified(
        uow, case.id, gone=gone, by=by, now=now, announcer=announcer, after=case.after, note=note
    )


def looked(
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
    noted = case.move(CaseEvent.LOOKED, at=now, by=by, note=note)
    waiting = replace(noted, looks=case.looks + 1, look_due_at=None, after=after)
    uow.cases.put(waiting)
    return waiting


def look_failed(
    uow: UnitOfWork,
    case_id: CaseId,
    *,
    by: str,
    now: datetime,
    why: str,
    announcer: Wire,
) -> Case:
    """The camera could not be looked through; later again, and in the end a person has to."""
    case = uow.cases.get(case_id)
    if case.state is not CaseState.FED_BACK or case.suspension is not None:
        return case  # a suspended one is looked at when it goes on
    noted = case.move(CaseEvent.LOOK_FAILED, at=now, by=by, note=why)
    looks = case.looks + 1
    if looks < MOST_LOOKS:
        wait = LOOK_AGAIN_AFTER * 2 ** (looks - 1)
        later = replace(noted, looks=looks, look_due_at=now + wait)
        uow.cases.put(later)
        return later
    words = f"looked {looks} times in vain, a person has to look: {why}"
    given_up = noted.move(CaseEvent.SUPERVISE, at=now, by=by, note=words)
    settled = replace(given_up, looks=looks, look_due_at=None, revision=case.revision + 1)
    uow.cases.put(settled)
    tell(uow, settled, announcer, now)
    return settled


def tell(uow: UnitOfWork, case: Case, announcer: Wire, now: datetime) -> None:
    """Queue the case as every grid told so far must see it now."""
    for message in announcer.case(case, now):
        uow.outbox.add(message)
