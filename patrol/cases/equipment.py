"""Cases about cameras on their way through the maintenance: taken from the queue, ended by a visit.

A fault counts as fixed when the next visit sees the camera well, whatever was fed back before: the
camera itself is the proof. What a person filed, the machine had not seen; that a person verifies.
The caller commits. trouble_link.py keeps the maintenance queue in step.
"""

from datetime import datetime

from patrol.cases.save_and_send import save_case
from patrol.domain.case import Case, CaseEvent, CaseState
from patrol.domain.finding import Origin
from patrol.domain.health import Trouble
from patrol.domain.ids import CameraId
from patrol.messaging.payloads import PayloadBuilder
from patrol.store import UnitOfWork

UNANSWERED = (CaseState.DISPATCHED, CaseState.REWORK)


def take_trouble(
    uow: UnitOfWork, number: int, *, by: str, now: datetime, payloads: PayloadBuilder
) -> Trouble:
    """Take an entry of the maintenance queue; its case is acknowledged with it.

    Raises KeyError, TroubleAlreadyTaken.
    """
    taken = uow.troubles.get(number).take_over(by=by, now=now)
    uow.troubles.put(taken)
    if taken.case is not None:
        case = uow.cases.get(taken.case)
        if case.state in UNANSWERED:
            answered = case.apply_event(CaseEvent.ACKNOWLEDGE, at=now, by=by)
            save_case(uow, case, answered, payloads, now)
    return taken


def settle_recovered(
    uow: UnitOfWork, camera: CameraId, *, by: str, now: datetime, payloads: PayloadBuilder
) -> int:
    """End the open cases about a camera that a visit saw well; how many.

    Those that the machine found: it says now that the fault is gone.
    """
    ended = 0
    for case in uow.cases.open_about_camera(camera):
        if case.state is CaseState.RETURNED or not is_from_machine(uow, case):
            continue
        well = case.apply_event(CaseEvent.RECOVER, at=now, by=by)
        save_case(uow, case, well.apply_event(CaseEvent.CLOSE, at=now, by=by), payloads, now)
        ended += 1
    return ended


def is_from_machine(uow: UnitOfWork, case: Case) -> bool:
    """Whether the machine saw first what the case is about, and so can see it gone."""
    return case.finding is not None and uow.findings.get(case.finding).origin is Origin.MACHINE
