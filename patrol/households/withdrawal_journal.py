"""Withdrawals beside the database: a restored backup must not bring back what was withdrawn since.

One line for each withdrawal and restoration of consent (moment, camera, action) in a file of the
directory of pictures, which no backup holds. `replay_withdrawals` applies the newer ones after a
restore. The file holds nothing of a household but the camera's number.
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

from patrol.domain.consent import TermsAction
from patrol.domain.ids import CameraId, camera_id_problem
from patrol.files import append_line
from patrol.store import UnitOfWork

JOURNAL: Final = ".withdrawals"
RESTORED_BY: Final = "restore"
_WRITTEN: Final = (TermsAction.WITHDRAW, TermsAction.RESTORE)


def note_withdrawal(evidence: Path, camera: CameraId, action: TermsAction, now: datetime) -> None:
    """Append a withdrawal or its end, durably; other changes are not written. Raises OSError."""
    if action in _WRITTEN:
        append_line(evidence / JOURNAL, f"{now.isoformat()} {camera} {action}")


def replay_withdrawals(
    uow: UnitOfWork, evidence: Path, *, since: datetime, now: datetime
) -> list[CameraId]:
    """Withdraw again what stands withdrawn by lines newer than `since`; the caller commits."""
    newer = (line for line in _lines(evidence / JOURNAL) if line[0] > since)
    last = {camera: action for _, camera, action in newer}
    again = [camera for camera, action in last.items() if action is TermsAction.WITHDRAW]
    for camera in again:
        uow.consents.withdraw(camera, by=RESTORED_BY, now=now)
    return again


def _lines(path: Path) -> Iterator[tuple[datetime, CameraId, TermsAction]]:
    """Whole lines; one that a power cut left half-written is passed over."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return
    for line in text.splitlines():
        at, _, rest = line.partition(" ")
        camera, _, action = rest.partition(" ")
        if action in list(_WRITTEN) and camera_id_problem(camera) is None:
            yield datetime.fromisoformat(at), CameraId(camera), TermsAction(action)
