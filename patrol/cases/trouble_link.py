"""A case about a camera and the camera's entry in the maintenance queue are one thing.

The queue's entry bears the number of the oldest open case about that camera (`Trouble.case`). Who
answers the case takes the entry, and an entry is over with its last case when a visit saw the
camera well; a case that ended in another way leaves it to the rounds, which know the camera's
health. Called by save_and_send.py for every case that is written; equipment.py goes the other way.
The caller commits.
"""

from dataclasses import replace
from datetime import datetime

from patrol.domain.case import Case, CaseEvent
from patrol.domain.health import RECOVERED, TroubleKind
from patrol.domain.observation import Subject
from patrol.domain.teams import owner_of
from patrol.store import UnitOfWork


def sync_trouble(uow: UnitOfWork, case: Case, now: datetime) -> None:
    """Bring the camera's open entry of the queue up to date with a case that was just written."""
    if case.subject is not Subject.EQUIPMENT or case.camera is None:
        return
    trouble = uow.troubles.open_of(TroubleKind.CAMERA, case.camera)
    if trouble is None:
        return
    standing = uow.cases.open_about_camera(case.camera)
    if standing:
        changed = replace(trouble, case=standing[0].id)
        owner = owner_of(case)
        if owner and changed.taken_at is None:
            changed = changed.take_over(by=owner, now=now)
    else:
        changed = replace(trouble, case=case.id)
        if any(entry.what is CaseEvent.RECOVER for entry in case.entries[-2:]):
            changed = changed.close(RECOVERED, now)
    if changed != trouble:
        uow.troubles.put(changed)
