"""Which detected objects count in which zone at this hour.

On an ordinary view an object stands where its feet are: the middle of the box's lower edge decides,
or most of its box when the feet are hidden. Looking straight down there are no feet, and the
detector misnames things (cars become phones): such a zone (`trust_class=False`) takes whatever was
detected with enough of itself inside. Pure; no model is run here.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import time
from typing import Final

from patrol.domain.camera import Polygon, Zone
from patrol.domain.observation import Box
from patrol.ports import Detection
from patrol.vision.geometry import iou, is_point_in_polygon, share_in_polygon

MOSTLY_INSIDE: Final = 0.5  # of the box, where the feet are not in the zone
PARTLY_INSIDE: Final = 0.3  # of the box, looking straight down
SAME_OBJECT_IOU: Final = 0.5  # two boxes under different names are one object
SMALLEST_PX: Final = 8  # a box lower than this is texture
JUST_INSIDE: Final = 1.0 - 1e-9  # the foot of an object that reaches the lower edge is in the zone


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneHit:
    """A detected object that stands in a zone."""

    zone: Zone
    detection: Detection
    covered: float  # share of the box inside the zone
    at_foot: bool  # its foot point is inside


def zone_hits(
    detections: Sequence[Detection],
    zones: Sequence[Zone],
    local: time,
    size_px: tuple[int, int],
) -> Sequence[ZoneHit]:
    """All hits, best detection first within each zone; one object counts once per zone.

    `size_px`: width and height of the picture; boxes lower than SMALLEST_PX are left out.
    """
    sound = [d for d in detections if _is_plausible(d, size_px)]
    hits: list[ZoneHit] = []
    for zone in zones_for_objects(zones, local):
        found = (hit for d in sound if (hit := _hit(d, zone)) is not None)
        hits.extend(_without_duplicates(found))
    return hits


def zones_for_objects(zones: Sequence[Zone], local: time) -> Sequence[Zone]:
    """The zones that need a detector at this local time; one without classes waits for changes."""
    return [zone for zone in zones if zone.active_at(local) and zone.classes]


def is_ignored(box: Box, ignore: Sequence[Polygon]) -> bool:
    """Whether the foot of a box, or most of it, lies in an ignored area."""
    x, y, width, height = box
    foot = (x + width / 2, min(y + height, JUST_INSIDE))
    return any(
        is_point_in_polygon(foot, polygon) or share_in_polygon(box, polygon) >= MOSTLY_INSIDE
        for polygon in ignore
    )


def _is_plausible(detection: Detection, size_px: tuple[int, int]) -> bool:
    """Finite, with an area inside the picture, and tall enough to be an object."""
    x, y, width, height = detection.box
    if not all(map(math.isfinite, (*detection.box, detection.score))):
        return False
    touches = x < 1 and y < 1 and x + width > 0 and y + height > 0
    return touches and width > 0 and height * size_px[1] >= SMALLEST_PX


def _hit(detection: Detection, zone: Zone) -> ZoneHit | None:
    if zone.trust_class and detection.label not in zone.classes:
        return None
    x, y, width, height = detection.box
    if height < zone.min_height:
        return None
    share = share_in_polygon(detection.box, zone.polygon)
    foot = is_point_in_polygon((x + width / 2, min(y + height, JUST_INSIDE)), zone.polygon)
    enough = foot or share >= MOSTLY_INSIDE if zone.trust_class else share >= PARTLY_INSIDE
    if not enough:
        return None
    return ZoneHit(zone=zone, detection=detection, covered=share, at_foot=foot)


def _without_duplicates(hits: Iterable[ZoneHit]) -> list[ZoneHit]:
    kept: list[ZoneHit] = []
    for hit in sorted(hits, key=lambda h: -h.detection.score):
        if all(iou(hit.detection.box, k.detection.box) < SAME_OBJECT_IOU for k in kept):
            kept.append(hit)
    return kept
