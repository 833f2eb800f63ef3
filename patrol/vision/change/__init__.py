"""Change against the reference: moved cameras, new objects, weather over the whole picture."""

from patrol.vision.change.compare import compare, explain_by_objects
from patrol.vision.change.regions import (
    CHANGE_GAUGE,
    SHIFT_GAUGE,
    Cause,
    ChangedRegion,
    ChangeReport,
    Explanation,
    FrameWide,
    ShiftReading,
)
from patrol.vision.change.shared_cause import CauseGroup, group_by_cause

__all__ = [
    "CHANGE_GAUGE",
    "SHIFT_GAUGE",
    "Cause",
    "CauseGroup",
    "ChangeReport",
    "ChangedRegion",
    "Explanation",
    "FrameWide",
    "ShiftReading",
    "compare",
    "explain_by_objects",
    "group_by_cause",
]
