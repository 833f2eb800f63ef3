"""Objects in a camera's zones: the detector on tiles of the picture, its boxes against polygons.

A detector shrinks every picture to its input, and misses what is a few pixels high in there. Where
a zone holds small objects `detect_with_tiles` runs it on overlapping tiles, which are shrunk less,
or not at all. Their boxes are put back into the picture and merged with those of the whole: an
object found twice stays once, and what a tile's border cut in two is left out where the whole
object was found as well. Each tile costs one run more; MAX_TILES bounds what one visit may cost,
and larger zones get larger tiles.

`zone_hits` tells which objects count in which zone at this hour. On an ordinary view an object
stands where its feet are: the middle of the box's lower edge decides, or most of its box when the
feet are hidden. Looking straight down there are no feet, and the detector misnames things (cars
become phones): such a zone (`trust_class=False`) takes whatever was detected with enough of itself
inside. Pure.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import time
from typing import Final

from patrol.domain.camera import Polygon, Zone
from patrol.domain.observation import Box
from patrol.pixels import AnyPicture, PicturePyramid
from patrol.ports import WHOLE_PICTURE, Detection, Detector, FineDetector
from patrol.vision.geometry import (
    PixelRect,
    evenly_spaced_starts,
    iou,
    is_point_in_polygon,
    share_in_polygon,
    share_inside,
)
from streams.model import BgrImage

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


ABOVE: Final = 0.25  # of the picture over the zones, where the heads are of what stands in them
BESIDE: Final = 0.12  # ... and where half of it is that has its feet just inside
BELOW: Final = 0.06  # ... and that has its feet hidden
LARGEST_PART: Final = 0.5  # of the picture: more is no cheaper to look at than all of it
MAX_TILES: Final = 8  # tiles of one visit
SEEN_PX: Final = 32  # in the input, from which small objects are found reliably
LOST_PX: Final = 20  # below which they mostly are not: tiles although no zone asks for them
LAP: Final = 0.2  # of a tile lies in its neighbour
HEADROOM: Final = 0.12  # of the picture above a zone: feet stand in it, heads above
BORDER_PX: Final = 2  # a box this close to a tile's inner border is cut
SAME_IOU: Final = 0.5  # one object found twice
CLEARLY_LARGER: Final = 1.5  # times as large
ONE_VEHICLE: Final = frozenset({"car", "truck", "bus", "train"})  # one thing under several names
SAME_VEHICLE_IOU: Final = 0.6
PIECE_SHARE: Final = 0.7  # of a box lies in another of its label: a piece of it


def detect_with_tiles(
    detector: Detector,
    picture: AnyPicture,
    zones: Sequence[Zone],
    local: time,
    *,
    whole: bool = True,
) -> tuple[Detection, ...]:
    """All objects in the picture, small ones in the zones that ask for tiles too; best first.

    `whole`: False where nobody asks for what is far from the zones: it may be missing then.
    """
    pyramid = PicturePyramid.of(picture)
    size_px = pyramid.size_px
    wanted = zones_for_objects(zones, local)
    finely = detector if wanted and isinstance(detector, FineDetector) else None
    look_px = detector.input_px if finely is None else finely.fine_input_px(size_px)
    far = [zone for zone in wanted if _needs_tiles(zone, size_px, look_px)]
    tiles = tiles_for(far, size_px, detector.input_px)
    if not tiles and finely is not None:
        part = WHOLE_PICTURE if whole else part_around(wanted)
        glanced = finely.glance(_large_enough(pyramid, detector.input_px), part)
        if not _may_hold_wanted(glanced, wanted):
            return each_vehicle_once([one for one in glanced if one.score >= detector.min_score])
        return each_vehicle_once(finely.detect_finely(_large_enough(pyramid, look_px)))
    found = list(detector.detect(_large_enough(pyramid, detector.input_px)))
    if not tiles:
        return each_vehicle_once(found)
    for tile in tiles:
        found += [
            replace(seen, box=tile.box_in_picture(seen.box, size_px))
            for seen in detector.detect(tile.cut(pyramid.bgr))
            if not _is_cut_by_border(seen.box, tile, size_px)
        ]
    return each_vehicle_once(merge_detections(found))


def part_around(zones: Sequence[Zone]) -> Box:
    """The part of the picture in which everything lies that may count in one of the zones.

    The whole where that is more than LARGEST_PART of it.
    """
    points = [point for zone in zones for point in zone.polygon]
    left = max(0.0, min(x for x, _ in points) - BESIDE)
    top = max(0.0, min(y for _, y in points) - ABOVE)
    right = min(1.0, max(x for x, _ in points) + BESIDE)
    bottom = min(1.0, max(y for _, y in points) + BELOW)
    width, height = right - left, bottom - top
    return (left, top, width, height) if width * height <= LARGEST_PART else WHOLE_PICTURE


def _may_hold_wanted(glanced: Iterable[Detection], zones: Iterable[Zone]) -> bool:
    """Whether a closer look may find what the zones wait for: most visits are to empty yards."""
    labels: set[str] = set()
    for zone in zones:
        if not zone.trust_class:
            return any(True for _ in glanced)
        labels |= zone.classes
    if labels & ONE_VEHICLE:
        labels |= ONE_VEHICLE
    return any(one.label in labels for one in glanced)


def each_vehicle_once(detections: Sequence[Detection]) -> tuple[Detection, ...]:
    """Of boxes that are one vehicle under several names (a van: car, truck, bus), the surest."""
    kept: list[Detection] = []
    for seen in sorted(detections, key=lambda one: -one.score):
        if seen.label not in ONE_VEHICLE or all(
            other.label not in ONE_VEHICLE or iou(seen.box, other.box) < SAME_VEHICLE_IOU
            for other in kept
        ):
            kept.append(seen)
    return tuple(kept)


def _large_enough(pyramid: PicturePyramid, input_px: tuple[int, int]) -> BgrImage:
    """The medium picture, from which a detector's input is shrunk; the whole where it is not."""
    medium = pyramid.medium
    shrinks = medium.shape[1] >= input_px[0] or medium.shape[0] >= input_px[1]
    return medium if shrinks else pyramid.bgr


def tiles_for(
    zones: Sequence[Zone], size_px: tuple[int, int], input_px: tuple[int, int]
) -> tuple[PixelRect, ...]:
    """The tiles of a picture of `size_px`: at most MAX_TILES over all zones that ask for them.

    `input_px`: width and height of the detector's input.
    """
    small = [zone for zone in zones if _needs_tiles(zone, size_px, input_px)]
    if not small or not all(size_px):
        return ()
    shrink = max(size_px[0] / input_px[0], size_px[1] / input_px[1])
    scale = min(_tile_scale(zone, size_px[1], shrink) for zone in small)
    area = _area_around([zone.polygon for zone in small], size_px)
    while scale < shrink:
        tile_px = (round(input_px[0] * scale), round(input_px[1] * scale))
        tiles = _tile_grid(area, tile_px, size_px)
        if len(tiles) <= MAX_TILES:
            return tiles
        scale *= 1.1
    return ()  # so large that the whole picture is as good


def merge_detections(detections: Sequence[Detection]) -> tuple[Detection, ...]:
    """Each object once, best first; of two boxes of a label, one inside the other, the larger."""
    kept: list[Detection] = []
    by_score = sorted(detections, key=lambda seen: -seen.score)
    whole = [seen for seen in by_score if not any(_is_piece_of(seen, other) for other in by_score)]
    for seen in whole:
        if all(k.label != seen.label or iou(seen.box, k.box) < SAME_IOU for k in kept):
            kept.append(seen)
    return tuple(kept)


def _needs_tiles(zone: Zone, size_px: tuple[int, int], input_px: tuple[int, int]) -> bool:
    if zone.tiles is not None:
        return zone.tiles
    shrink = max(size_px[0] / input_px[0], size_px[1] / input_px[1])
    return 0 < zone.min_height * size_px[1] / shrink < LOST_PX


def _tile_scale(zone: Zone, height_px: int, shrink: float) -> float:
    """Pixels of the picture for one of the input: as few runs as the smallest object allows."""
    if zone.min_height <= 0:
        return min(1.0, shrink)
    return min(max(zone.min_height * height_px / SEEN_PX, 0.5), shrink)


def _area_around(polygons: Sequence[Polygon], size_px: tuple[int, int]) -> PixelRect:
    """The zones' bounding box, with room for what stands in them."""
    xs = [x for polygon in polygons for x, _ in polygon]
    ys = [y for polygon in polygons for _, y in polygon]
    left, right = max(0.0, min(xs) - HEADROOM / 2), min(1.0, max(xs) + HEADROOM / 2)
    top, bottom = max(0.0, min(ys) - HEADROOM), min(1.0, max(ys) + HEADROOM / 4)
    width, height = size_px
    left_px, top_px = int(left * width), int(top * height)
    return PixelRect(
        left_px, top_px, left_px + math.ceil((right - left) * width),
        top_px + math.ceil((bottom - top) * height),
    )  # fmt: skip


def _tile_grid(
    area: PixelRect, tile_px: tuple[int, int], size_px: tuple[int, int]
) -> tuple[PixelRect, ...]:
    """Tiles of `tile_px` that cover the area evenly, each reaching into its neighbours."""
    wide, high = min(tile_px[0], size_px[0]), min(tile_px[1], size_px[1])
    columns = _tile_starts(area.left, area.width, tile_px[0], size_px[0])
    rows = _tile_starts(area.top, area.height, tile_px[1], size_px[1])
    return tuple(PixelRect(x, y, x + wide, y + high) for y in rows for x in columns)


def _tile_starts(start: int, length: int, side: int, limit: int) -> list[int]:
    if length <= side:
        middle = start + (length - side) // 2
        return [min(max(0, middle), max(0, limit - side))]
    count = 1 + math.ceil((length - side) / (side * (1 - LAP)))
    starts = evenly_spaced_starts(start, length, side, count)
    return [min(one, max(0, limit - side)) for one in starts]


def _is_cut_by_border(box: Box, tile: PixelRect, size_px: tuple[int, int]) -> bool:
    """Whether it ends at a border of the tile that is none of the picture."""
    near_x, near_y = BORDER_PX / tile.width, BORDER_PX / tile.height
    return (
        (tile.left > 0 and box[0] <= near_x)
        or (tile.top > 0 and box[1] <= near_y)
        or (tile.right < size_px[0] and box[0] + box[2] >= 1 - near_x)
        or (tile.bottom < size_px[1] and box[1] + box[3] >= 1 - near_y)
    )


def _is_piece_of(seen: Detection, other: Detection) -> bool:
    """Whether it is a part of a larger object of the same label."""
    if seen is other or seen.label != other.label:
        return False
    area, larger = seen.box[2] * seen.box[3], other.box[2] * other.box[3]
    return larger > CLEARLY_LARGER * area and share_inside(seen.box, other.box) >= PIECE_SHARE
