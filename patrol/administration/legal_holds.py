"""Put a case or a camera under legal hold, and end that: for the CLI, the console and the API.

Each is one transaction with its line in the access log. A hold needs a reference and a reason; its
end needs a person and a reason, too.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

from typing_extensions import override

from patrol.domain.errors import BadInput
from patrol.domain.ids import CameraId, CaseId
from patrol.domain.legal_hold import (
    MAX_REASON_CHARS,
    MAX_REFERENCE_CHARS,
    BadHold,
    HoldScope,
    LegalHold,
    checked_hold_text,
)
from patrol.domain.timestamps import rfc3339, rfc3339_or_none
from patrol.store import UnitOfWork

SET: Final = "set_hold"
END: Final = "end_hold"


class NoSuchHold(BadInput, KeyError):
    """No hold of this number is in force."""

    @override
    def __str__(self) -> str:
        return str(self.args[0])


def set_hold(
    uow: UnitOfWork,
    *,
    scope: HoldScope,
    subject: str,
    reference: str,
    reason: str,
    by: str,
    now: datetime,
    cameras: Collection[str],
) -> LegalHold:
    """The new hold, with its number. Raises BadHold; the caller commits."""
    camera = _camera_of(uow, scope, subject, cameras)
    hold = uow.holds.add(
        LegalHold(
            scope=scope,
            subject=subject,
            reference=checked_hold_text("reference", reference, MAX_REFERENCE_CHARS),
            reason=checked_hold_text("reason", reason, MAX_REASON_CHARS),
            since=now,
            set_by=by,
        )
    )
    why = f"#{hold.number} {scope} {subject}; {hold.reference}; {hold.reason}"
    uow.access.append(at=now, who=by, what=SET, camera=camera, why=why)
    return hold


def end_hold(uow: UnitOfWork, number: int, *, by: str, why: str, now: datetime) -> LegalHold:
    """The ended hold. Raises BadHold (no reason), NoSuchHold; the caller commits."""
    reason = checked_hold_text("reason", why, MAX_REASON_CHARS)
    if not uow.holds.end(number, by=by, why=reason, now=now):
        raise NoSuchHold(f"hold {number}: none of this number is in force")
    hold = uow.holds.get(number)
    assert hold is not None  # noqa: S101  it was just ended  # nosec B101
    camera = CameraId(hold.subject) if hold.scope is HoldScope.CAMERA else None
    line = f"#{number} {hold.scope} {hold.subject}; {reason}"
    uow.access.append(at=now, who=by, what=END, camera=camera, why=line)
    return hold


def hold_document(hold: LegalHold) -> dict[str, Any]:
    """A hold for `--json` and the API."""
    return {
        "number": hold.number,
        "scope": str(hold.scope),
        "subject": hold.subject,
        "reference": hold.reference,
        "reason": hold.reason,
        "since": rfc3339(hold.since),
        "set_by": hold.set_by,
        "in_force": hold.is_in_force,
        "ended_at": rfc3339_or_none(hold.ended_at),
        "ended_by": hold.ended_by or None,
        "ended_why": hold.ended_why or None,
    }


def _camera_of(
    uow: UnitOfWork, scope: HoldScope, subject: str, cameras: Collection[str]
) -> CameraId | None:
    if scope is HoldScope.CAMERA:
        if subject not in cameras and not uow.access.entries(camera=CameraId(subject), limit=1):
            raise BadHold(f"camera {subject!r}: is not known here, give its 20 digits")
        return CameraId(subject)
    try:
        return uow.cases.get(CaseId(subject)).camera
    except KeyError:
        raise BadHold(f"case {subject!r}: there is none, `patrol cases` lists them") from None
