"""Suspected open flame and smoke, as a proposal for a person: never an alarm."""

from patrol.vision.fire.model import GAUGE, THRESHOLD, FireKind, FireOptions, FireRegion
from patrol.vision.fire.propose import propose

__all__ = ["GAUGE", "THRESHOLD", "FireKind", "FireOptions", "FireRegion", "propose"]
