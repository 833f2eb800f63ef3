"""Objects in a camera's zones: the detector on tiles of the picture, its boxes against polygons."""

from patrol.vision.objects.tiled_detection import detect_with_tiles
from patrol.vision.objects.zones import ZoneHit, is_ignored, zone_hits, zones_for_objects

__all__ = ["ZoneHit", "detect_with_tiles", "is_ignored", "zone_hits", "zones_for_objects"]
