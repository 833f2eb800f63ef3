"""Suppression: what a dismissal teaches — do not propose this again, here, until then.

Always somebody's (an owner), always for a while (an expiry), always reversible; findings it holds
back are still observed and counted.
"""

from dataclasses import dataclass
from datetime import datetime

from patrol.domain.ids import CameraId
from patrol.domain.observation import Box


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

    def holds(self, kind: str, box: Box | None, now: datetime) -> bool:
        """Whether a finding of this camera at `box` is held back at `now`."""
        if self.revoked_at is not None or now >= self.until or kind != self.kind:
            return False
        return self.box is None or (box is not None and _middle_within(box, self.box))


def _middle_within(inner: Box, outer: Box) -> bool:
    """Whether the middle of `inner` lies in `outer`: boxes of one thing never agree exactly."""
    x, y = inner[0] + inner[2] / 2, inner[1] + inner[3] / 2
    return outer[0] <= x <= outer[0] + outer[2] and outer[1] <= y <= outer[1] + outer[3]
