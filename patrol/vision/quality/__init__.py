"""Picture faults (视频质量诊断): every reading with its number, its threshold and its gauge.

Usage:
    report = diagnose(pictures, history=history, freshness=sample.freshness, timings=sample.facts)
    report.faults, report.usable, report.light
    history = history.learn(report)
"""

from patrol.vision.quality.baseline import QualityHistory
from patrol.vision.quality.diagnose import detect_light, diagnose
from patrol.vision.quality.report import (
    GaugeReading,
    PictureFault,
    QualityReport,
    QualityThresholds,
    StreamTimings,
)

__all__ = [
    "GaugeReading",
    "PictureFault",
    "QualityHistory",
    "QualityReport",
    "QualityThresholds",
    "StreamTimings",
    "detect_light",
    "diagnose",
]
