"""Suspected open flame and smoke, as a proposal for a person: never an alarm."""

from patrol.vision.fire.detect import detect_fire
from patrol.vision.fire.types import FIRE_GAUGE, FIRE_THRESHOLD, FireKind, FireOptions, FireRegion

__all__ = ["FIRE_GAUGE", "FIRE_THRESHOLD", "FireKind", "FireOptions", "FireRegion", "detect_fire"]
