"""What a dismissal teaches: which proposals to hold back, where, and for how long.

The reason decides. A shadow comes back tomorrow at the same place, weather is over by then; a known
thing stays for a season; a camera fault is the maintainer's within days. A duplicate, or a reason
that is not one of ours, teaches nothing: too little is known to keep silent about anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from patrol.domain.finding import DismissReason, Finding
from patrol.domain.observation import Box

MARGIN: Final = 0.25  # of the box's sides, added around it: the next proposal is never the same box


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What to suppress, for the store to write with its owner."""

    kind: str
    box: Box | None  # None: the whole picture
    lasts: timedelta
    reason: DismissReason


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reach:
    lasts: timedelta
    here_only: bool  # the place in the picture, or all of it


_R = DismissReason
REACH: Final[Mapping[DismissReason, _Reach]] = {
    _R.SHADOW: _Reach(lasts=timedelta(days=14), here_only=True),  # the sun moves on in weeks
    _R.ANIMAL: _Reach(lasts=timedelta(days=2), here_only=True),
    _R.KNOWN_OBJECT: _Reach(lasts=timedelta(days=180), here_only=True),
    _R.WEATHER: _Reach(lasts=timedelta(hours=18), here_only=False),
    _R.CAMERA_FAULT: _Reach(lasts=timedelta(days=3), here_only=False),
    _R.NOT_A_PROBLEM: _Reach(lasts=timedelta(days=30), here_only=True),
}


def lesson_of(finding: Finding, reason: DismissReason) -> Lesson | None:
    """The lesson of a dismissal, or None where it teaches nothing.

    A place that is only known as "somewhere in the picture" is suppressed as a whole, and then no
    longer than weather is: silence over a whole camera must be short.
    """
    reach = REACH.get(reason)
    if reach is None:
        return None
    if not reach.here_only:
        return Lesson(kind=finding.kind, box=None, lasts=reach.lasts, reason=reason)
    if finding.box is None:
        return Lesson(
            kind=finding.kind, box=None, lasts=min(reach.lasts, REACH[_R.WEATHER].lasts),
            reason=reason,
        )  # fmt: skip
    return Lesson(kind=finding.kind, box=_around(finding.box), lasts=reach.lasts, reason=reason)


def _around(box: Box) -> Box:
    x, y, width, height = box
    left, top = max(0.0, x - MARGIN * width), max(0.0, y - MARGIN * height)
    right = min(1.0, x + (1 + MARGIN) * width)
    bottom = min(1.0, y + (1 + MARGIN) * height)
    return left, top, max(0.0, right - left), max(0.0, bottom - top)
