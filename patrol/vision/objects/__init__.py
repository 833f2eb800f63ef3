"""Objects in a camera's zones: geometry over what a detector saw. No model is run here."""

from patrol.vision.objects.tiles import detect_closely
from patrol.vision.objects.zones import ZoneHit, in_zones, is_ignored, zones_for_objects

__all__ = ["ZoneHit", "detect_closely", "in_zones", "is_ignored", "zones_for_objects"]
