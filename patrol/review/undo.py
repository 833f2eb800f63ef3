"""Undo a dismissal or a confirmation (撤销研判): until it was sent, at most for an hour.

Who decided may take it back, and so may a duty lead. A dismissal's suppression is revoked with it;
a confirmation's case is voided before anybody was told of it; a merge is counted back. The finding
waits again, its alarm clock included, and its history says who undid what. Runs in the caller's
unit of work; the caller commits.
"""

from datetime import datetime, timedelta
from typing import Final

from patrol.cases.save_and_send import unmerge_unsent, void_unsent_case
from patrol.domain.case import IllegalCaseTransition
from patrol.domain.errors import BadInput
from patrol.domain.finding import (
    CAMERA_LEFT,
    CONSENT_WITHDRAWN,
    Finding,
    FindingState,
    IllegalUndo,
    Origin,
)
from patrol.domain.ids import FindingId
from patrol.domain.timestamps import rfc3339_or_none
from patrol.store import UnitOfWork

UNDO_WITHIN: Final = timedelta(hours=1)
UNDONE: Final = "undo"  # the entry in the finding's history
_SENT: Final = "the case was sent already: return or void it there"


class NotOwnDecision(BadInput):
    """Somebody else decided it; the text says who."""


def undo_decision(
    uow: UnitOfWork,
    finding_id: FindingId,
    *,
    by: str,
    now: datetime,
    may_undo_others: bool,
    note: str = "",
) -> Finding:
    """The finding as it waits again.

    Raises KeyError (no such finding), IllegalUndo (open, too late, sent), NotOwnDecision.
    """
    finding = uow.findings.get(finding_id)
    refusal = undo_refusal(finding, now)
    if refusal:
        raise IllegalUndo(f"finding {finding.id}: {refusal}")
    if finding.decided_by != by and not may_undo_others:
        raise NotOwnDecision(
            f"finding {finding.id} was decided by {finding.decided_by}: who decided undoes it,"
            " or a duty lead"
        )
    _undo_consequences(uow, finding, by, now)
    open_again = finding.undone()
    uow.findings.put(open_again)
    uow.finding_alarms.forget(finding.id)
    before = f"{finding.state} by {finding.decided_by} at {rfc3339_or_none(finding.decided_at)}"
    text = "; ".join(part for part in (before, finding.reason, finding.case, note.strip()) if part)
    uow.finding_history.append(finding.id, at=now, by=by, what=UNDONE, note=text)
    uow.access.append(
        at=now, who=by, what="undo_decision", camera=finding.camera or None,
        why=f"finding:{finding.id} {before}",
    )  # fmt: skip
    return open_again


def undo_refusal(finding: Finding, now: datetime) -> str:
    """Why the decision cannot be taken back, or "". A case that was sent is found out later."""
    if finding.decided_at is None or finding.is_open:
        return "is not decided, there is nothing to undo"
    if finding.state is FindingState.AGED:
        if finding.reason in (CONSENT_WITHDRAWN, CAMERA_LEFT):
            return "left the queue with its picture: the household withdrew, or the camera left"
        return "left the queue undecided, the next round finds it anew"
    if finding.origin is Origin.PROBE:
        return "was a known positive, which counts as it was decided"
    if now - finding.decided_at > UNDO_WITHIN:
        return f"was decided more than {UNDO_WITHIN // timedelta(minutes=1)} minutes ago"
    return ""


def _undo_consequences(uow: UnitOfWork, finding: Finding, by: str, now: datetime) -> None:
    decided_at = finding.decided_at or now
    if finding.state is FindingState.DISMISSED:
        for one in uow.suppressions.active(now, camera=finding.camera):
            if one.created_at == decided_at and one.owner == finding.decided_by:
                uow.suppressions.revoke(one.number, by=by, now=now)
        return
    if finding.case is None:
        raise IllegalUndo(f"finding {finding.id}: has no case to take back")
    case, note = uow.cases.get(finding.case), f"finding {finding.id}: decision undone"
    if finding.state is FindingState.CONFIRMED:
        done = void_unsent_case(uow, case, by=by, now=now, note=note)
    else:
        try:
            done = unmerge_unsent(uow, case, since=decided_at, by=by, now=now, note=note)
        except IllegalCaseTransition as exc:
            raise IllegalUndo(f"finding {finding.id}: {exc}") from exc
    if not done:
        raise IllegalUndo(f"finding {finding.id}: {_SENT} ({case.id})")
