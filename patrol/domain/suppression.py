"""Suppression: a dismissed proposal is not made again, at that place, for a while. Pure.

The reason of the dismissal decides (`SCOPE_BY_REASON`): a shadow comes back tomorrow at the same
place, weather is over by then; a known object stays for a season; a camera fault is repaired within
days. A duplicate, or a reason in free text, suppresses nothing. A suppression has an owner and an
end and can be revoked; what it covers is still observed and counted. rounds/ asks `applies_to`,
review/decisions.py makes and extends suppressions.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from patrol.domain.finding import DismissReason, Finding
from patrol.domain.ids import CameraId
from patrol.domain.observation import Box

BOX_MARGIN: Final = 0.25  # of the box's sides, added around it: boxes never repeat exactly


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """A suppression of one kind in one area of one camera's picture."""

    number: int  # given by the store
    camera: CameraId
    kind: str
    box: Box | None  # None: the whole picture
    reason: str  # a DismissReason, or free text
    owner: str  # who answers for it
    created_at: datetime
    until: datetime
    revoked_at: datetime | None = None
    revoked_by: str = ""

    def __post_init__(self) -> None:
        if self.until <= self.created_at:
            raise ValueError(f"a suppression ends after it began: {self!r}")

    def applies_to(self, kind: str, box: Box | None, now: datetime) -> bool:
        """Whether an observation of this camera at `box` is suppressed at `now`."""
        if self.revoked_at is not None or now >= self.until or kind != self.kind:
            return False
        return self.box is None or (box is not None and _middle_within(box, self.box))


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppressionProposal:
    """Scope of a suppression before it is stored: review/decisions.py adds owner and end."""

    kind: str
    box: Box | None  # None: the whole picture
    lasts: timedelta
    reason: DismissReason


@dataclass(frozen=True, slots=True, kw_only=True)
class _SuppressionScope:
    lasts: timedelta
    here_only: bool  # the place in the picture, or all of it


_R = DismissReason
SCOPE_BY_REASON: Final[Mapping[DismissReason, _SuppressionScope]] = {
    # the sun moves on in weeks
    _R.SHADOW: _SuppressionScope(lasts=timedelta(days=14), here_only=True),
    _R.ANIMAL: _SuppressionScope(lasts=timedelta(days=2), here_only=True),
    _R.KNOWN_OBJECT: _SuppressionScope(lasts=timedelta(days=180), here_only=True),
    _R.WEATHER: _SuppressionScope(lasts=timedelta(hours=18), here_only=False),
    _R.CAMERA_FAULT: _SuppressionScope(lasts=timedelta(days=3), here_only=False),
    _R.NOT_A_PROBLEM: _SuppressionScope(lasts=timedelta(days=30), here_only=True),
}


def suppression_for(finding: Finding, reason: DismissReason) -> SuppressionProposal | None:
    """The suppression that follows from a dismissal; None when it suppresses nothing.

    A finding without a box is suppressed in the whole picture, and then no longer than weather is:
    a whole camera must not be suppressed for long.
    """
    scope = SCOPE_BY_REASON.get(reason)
    if scope is None:
        return None
    if not scope.here_only:
        return SuppressionProposal(kind=finding.kind, box=None, lasts=scope.lasts, reason=reason)
    if finding.box is None:
        return SuppressionProposal(
            kind=finding.kind, box=None, lasts=min(scope.lasts, SCOPE_BY_REASON[_R.WEATHER].lasts),
            reason=reason,
        )  # fmt: skip
    return SuppressionProposal(
        kind=finding.kind, box=_with_margin(finding.box), lasts=scope.lasts, reason=reason
    )


def _with_margin(box: Box) -> Box:
    x, y, width, height = box
    left, top = max(0.0, x - BOX_MARGIN * width), max(0.0, y - BOX_MARGIN * height)
    right = min(1.0, x + (1 + BOX_MARGIN) * width)
    bottom = min(1.0, y + (1 + BOX_MARGIN) * height)
    return left, top, max(0.0, right - left), max(0.0, bottom - top)


def _middle_within(inner: Box, outer: Box) -> bool:
    """Whether the middle of `inner` lies in `outer`: boxes of one thing never agree exactly."""
    x, y = inner[0] + inner[2] / 2, inner[1] + inner[3] / 2
    return outer[0] <= x <= outer[0] + outer[2] and outer[1] <= y <= outer[1] + outer[3]
