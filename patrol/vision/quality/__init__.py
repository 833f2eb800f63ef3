"""Picture faults (视频质量诊断): every reading with its number, its threshold and its gauge.

Usage:
    report = judge(pictures, history=history, freshness=sample.freshness, facts=sample.facts)
    report.faults, report.usable, report.light
    history = history.learn(report)
"""

from patrol.vision.quality.history import QualityHistory
from patrol.vision.quality.limits import QualityLimits
from patrol.vision.quality.report import Fault, QualityReport, Reading, StreamTimings
from patrol.vision.quality.verdict import detect_light, judge

__all__ = [
    "Fault",
    "QualityHistory",
    "QualityLimits",
    "QualityReport",
    "Reading",
    "StreamTimings",
    "detect_light",
    "judge",
]
