"""Which detections count in which zone, at this hour.

On an ordinary view an object stands where its feet are: the middle of the box's lower edge decides,
or most of its box when the feet are hidden. Looking straight down there are no feet, and the
detector misnames things (cars become phones): such a zone (`trust_class=False`) takes whatever was
detected with enough of itself inside.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import time
from typing import Final

from patrol.domain.observation import Box
from patrol.domain.zone import Polygon, Zone
from patrol.ports import Detection
from patrol.vision.change.regions import iou
from patrol.vision.objects.geometry import covered, inside

MOSTLY_INSIDE: Final = 0.5  # of the box, where the feet are not in the zone
PARTLY_INSIDE: Final = 0.3  # of the box, looking straight down
SAME_THING: Final = 0.5  # two boxes under different names are one thing
SMALLEST_PX: Final = 8  # a box lower than this is texture


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneHit:
    """An object in a zone."""

    zone: Zone
    detection: Detection
    covered: float  # share of the box inside the zone
    at_foot: bool  # its foot point is inside


def in_zones(
    detections: Sequence[Detection],
    zones: Sequence[Zone],
    local: time,
    size_px: tuple[int, int],
) -> Sequence[ZoneHit]:
    """All hits, best detection first within each zone; one thing counts once per zone."""
    sound = [d for d in detections if _sound(d, size_px)]
    hits: list[ZoneHit] = []
    for zone in zones_for_objects(zones, local):
        found = (hit for d in sound if (hit := _hit(d, zone)) is not None)
        hits.extend(_once(found))
    return hits


def zones_for_objects(zones: Sequence[Zone], local: time) -> Sequence[Zone]:
    """Those that need a detector now; a zone without classes waits for changes instead."""
    return [zone for zone in zones if zone.active_at(local) and zone.classes]


def is_ignored(box: Box, ignore: Sequence[Polygon]) -> bool:
    """Whether a thing stands in an ignored area, or shows itself mostly there."""
    x, y, width, height = box
    foot = (x + width / 2, min(y + height, 1.0 - 1e-9))
    return any(
        inside(foot, polygon) or covered(box, polygon) >= MOSTLY_INSIDE for polygon in ignore
    )


def _sound(detection: Detection, size_px: tuple[int, int]) -> bool:
    """Finite, with an area inside the picture, and tall enough to be something."""
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
    share = covered(detection.box, zone.polygon)
    foot = inside((x + width / 2, min(y + height, 1.0 - 1e-9)), zone.polygon)
    enough = foot or share >= MOSTLY_INSIDE if zone.trust_class else share >= PARTLY_INSIDE
    if not enough:
        return None
    return ZoneHit(zone=zone, detection=detection, covered=share, at_foot=foot)


def _once(hits: Iterable[ZoneHit]) -> list[ZoneHit]:
    kept: list[ZoneHit] = []
    for hit in sorted(hits, key=lambda h: -h.detection.score):
        if all(iou(hit.detection.box, k.detection.box) < SAME_THING for k in kept):
            kept.append(hit)
    return kept
