"""Dismiss and learn from it: the decision and the suppression that it teaches, together.

The command line and the console both come through here. What a reason teaches is the domain's
(lessons.py); a reason in a person's own words teaches nothing, as does one that is not ours.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from patrol.domain.finding import DismissReason, Finding, Origin
from patrol.domain.ids import FindingId
from patrol.domain.lessons import lesson_of
from patrol.domain.suppression import Suppression
from patrol.review.decide import dismiss
from patrol.store import UnitOfWork

REASONS: Final = {str(reason): reason for reason in DismissReason}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dismissed:
    """The lead as decided, and what is held back from now on because of it."""

    finding: Finding
    taught: Suppression | None


def dismiss_and_teach(
    uow: UnitOfWork, finding_id: FindingId, *, by: str, now: datetime, reason: str
) -> Dismissed:
    """It is no problem, and the same again is not proposed for a while; the caller commits.

    Raises KeyError, AlreadyDecided, ValueError (no reason), as `dismiss`.
    """
    finding = dismiss(uow, finding_id, by=by, now=now, reason=reason)
    return Dismissed(finding=finding, taught=_teach(uow, finding, by, now))


def _teach(uow: UnitOfWork, finding: Finding, by: str, now: datetime) -> Suppression | None:
    if finding.origin is not Origin.MACHINE:
        return None  # the machine proposed nothing here: there is nothing to hold back
    reason = REASONS.get(finding.reason)
    lesson = lesson_of(finding, reason) if reason is not None else None
    if lesson is None:
        return None
    return uow.suppressions.add(
        camera=finding.camera,
        kind=lesson.kind,
        box=lesson.box,
        reason=str(lesson.reason),
        owner=by,
        now=now,
        until=now + lesson.lasts,
    )
