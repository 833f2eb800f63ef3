"""Boxes and polygons in fractions of the picture: area, overlap, containment.

Which detections count in which zone, at this hour.

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

from patrol.domain.camera import Polygon, Zone
from patrol.domain.observation import Box
from patrol.ports import Detection
from patrol.vision.change.regions import iou

Point = tuple[float, float]


def inside(point: Point, polygon: Sequence[Point]) -> bool:
    """Whether the point lies in the polygon (even-odd rule)."""
    x, y = point
    crossings = 0
    for (x0, y0), (x1, y1) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
        if (y0 <= y) != (y1 <= y) and x < x0 + (y - y0) * (x1 - x0) / (y1 - y0):
            crossings += 1
    return crossings % 2 == 1


def polygon_area(polygon: Sequence[Point]) -> float:
    """Of a simple polygon."""
    pairs = zip(polygon, [*polygon[1:], *polygon[:1]], strict=True)
    return abs(sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in pairs)) / 2


def covered_share(box: Box, polygon: Sequence[Point]) -> float:
    """The share of the box that lies in the polygon, 0..1."""
    x, y, width, height = box
    if width <= 0 or height <= 0:
        return 0.0
    piece = list(polygon)
    for axis, limit, keep_above in (
        (0, x, True),
        (0, x + width, False),
        (1, y, True),
        (1, y + height, False),
    ):
        piece = _clip(piece, axis, limit, keep_above=keep_above)
    return min(1.0, polygon_area(piece) / (width * height)) if piece else 0.0


def _clip(polygon: list[Point], axis: int, limit: float, *, keep_above: bool) -> list[Point]:
    """Sutherland and Hodgman: what lies on one side of an axis-parallel line."""
    kept: list[Point] = []
    for start, end in zip(polygon, [*polygon[1:], *polygon[:1]], strict=True):
        start_in = (start[axis] >= limit) == keep_above or start[axis] == limit
        end_in = (end[axis] >= limit) == keep_above or end[axis] == limit
        if start_in:
            kept.append(start)
        if start_in != end_in:
            share = (limit - start[axis]) / (end[axis] - start[axis])
            kept.append(
                (start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1]))
            )
    return kept


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


def zone_hits(
    detections: Sequence[Detection],
    zones: Sequence[Zone],
    local: time,
    size_px: tuple[int, int],
) -> Sequence[ZoneHit]:
    """All hits, best detection first within each zone; one thing counts once per zone."""
    sound = [d for d in detections if _is_plausible(d, size_px)]
    hits: list[ZoneHit] = []
    for zone in zones_for_objects(zones, local):
        found = (hit for d in sound if (hit := _hit(d, zone)) is not None)
        hits.extend(_without_duplicates(found))
    return hits


def zones_for_objects(zones: Sequence[Zone], local: time) -> Sequence[Zone]:
    """Those that need a detector now; a zone without classes waits for changes instead."""
    return [zone for zone in zones if zone.active_at(local) and zone.classes]


def is_ignored(box: Box, ignore: Sequence[Polygon]) -> bool:
    """Whether a thing stands in an ignored area, or shows itself mostly there."""
    x, y, width, height = box
    foot = (x + width / 2, min(y + height, 1.0 - 1e-9))
    return any(
        inside(foot, polygon) or covered_share(box, polygon) >= MOSTLY_INSIDE for polygon in ignore
    )


def _is_plausible(detection: Detection, size_px: tuple[int, int]) -> bool:
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
    share = covered_share(detection.box, zone.polygon)
    foot = inside((x + width / 2, min(y + height, 1.0 - 1e-9)), zone.polygon)
    enough = foot or share >= MOSTLY_INSIDE if zone.trust_class else share >= PARTLY_INSIDE
    if not enough:
        return None
    return ZoneHit(zone=zone, detection=detection, covered=share, at_foot=foot)


def _without_duplicates(hits: Iterable[ZoneHit]) -> list[ZoneHit]:
    kept: list[ZoneHit] = []
    for hit in sorted(hits, key=lambda h: -h.detection.score):
        if all(iou(hit.detection.box, k.detection.box) < SAME_THING for k in kept):
            kept.append(hit)
    return kept
