"""Change against the reference: moved cameras, newcomers, weather over the whole picture."""

from patrol.vision.change.compare import compare
from patrol.vision.change.explain import explain
from patrol.vision.change.grouping import Grouped, group
from patrol.vision.change.model import (
    GAUGE,
    SHIFT_GAUGE,
    Cause,
    ChangeReport,
    Explanation,
    FrameWide,
    Region,
    ShiftReading,
)

__all__ = [
    "GAUGE",
    "SHIFT_GAUGE",
    "Cause",
    "ChangeReport",
    "Explanation",
    "FrameWide",
    "Grouped",
    "Region",
    "ShiftReading",
    "compare",
    "explain",
    "group",
]
