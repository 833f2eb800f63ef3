"""What a dismissal teaches: which proposals to hold back, where, and for how long.

The reason decides. A shadow comes back tomorrow at the same place, weather is over by then; a known
thing stays for a season; a camera fault is the maintainer's within days. A duplicate, or a reason
that is not one of ours, teaches nothing: too little is known to keep silent about anything.

Suppression: what a dismissal teaches — do not propose this again, here, until then.

Always somebody's (an owner), always for a while (an expiry), always reversible; findings it holds
back are still observed and counted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from patrol.domain.finding import DismissReason, Finding
from patrol.domain.ids import CameraId
from patrol.domain.observation import Box

BOX_MARGIN: Final = (
    0.25  # of the box's sides, added around it: the next proposal is never the same box
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppressionProposal:
    """What to suppress, for the store to write with its owner."""

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
    _R.SHADOW: _SuppressionScope(
        lasts=timedelta(days=14), here_only=True
    ),  # the sun moves on in weeks
    _R.ANIMAL: _SuppressionScope(lasts=timedelta(days=2), here_only=True),
    _R.KNOWN_OBJECT: _SuppressionScope(lasts=timedelta(days=180), here_only=True),
    _R.WEATHER: _SuppressionScope(lasts=timedelta(hours=18), here_only=False),
    _R.CAMERA_FAULT: _SuppressionScope(lasts=timedelta(days=3), here_only=False),
    _R.NOT_A_PROBLEM: _SuppressionScope(lasts=timedelta(days=30), here_only=True),
}


def suppression_for(finding: Finding, reason: DismissReason) -> SuppressionProposal | None:
    """The lesson of a dismissal, or None where it teaches nothing.

    A place that is only known as "somewhere in the picture" is suppressed as a whole, and then no
    longer than weather is: silence over a whole camera must be short.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """One camera, one kind, one area of the picture."""

    number: int  # given by the store
    camera: CameraId
    kind: str
    box: Box | None  # None: the whole picture
    reason: str  # DismissReason, or the owner's words
    owner: str  # who answers for it
    created_at: datetime
    until: datetime
    revoked_at: datetime | None = None
    revoked_by: str = ""

    def __post_init__(self) -> None:
        if self.until <= self.created_at:
            raise ValueError(f"a suppression ends after it began: {self!r}")

    def applies_to(self, kind: str, box: Box | None, now: datetime) -> bool:
        """Whether a finding of this camera at `box` is held back at `now`."""
        if self.revoked_at is not None or now >= self.until or kind != self.kind:
            return False
        return self.box is None or (box is not None and _middle_within(box, self.box))


def _middle_within(inner: Box, outer: Box) -> bool:
    """Whether the middle of `inner` lies in `outer`: boxes of one thing never agree exactly."""
    x, y = inner[0] + inner[2] / 2, inner[1] + inner[3] / 2
    return outer[0] <= x <= outer[0] + outer[2] and outer[1] <= y <= outer[1] + outer[3]
