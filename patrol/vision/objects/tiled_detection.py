"""Look closer where a zone is far: the detector on overlapping tiles of the picture.

A detector shrinks every picture to its input; what is a few pixels high in there it does not see.
A tile is shrunk less, or not at all. Its boxes are put back into the picture and merged with those
of the whole: the same thing seen twice stays once, and what a tile's border cut in two stays out
where the whole thing was seen as well.

Each tile costs one run more; MOST bounds what one visit may cost, and larger zones get larger
tiles.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import time
from typing import Final, NamedTuple

from patrol.domain.camera import Polygon, Zone
from patrol.domain.observation import Box
from patrol.ports import Detection, Detector
from patrol.vision.change.regions import iou, overlap
from patrol.vision.objects.zones import zones_for_objects
from streams.model import BgrImage

MAX_TILES: Final = 8  # tiles of one visit
SEEN_PX: Final = 32  # in the input, from which small things are found reliably
LOST_PX: Final = 20  # below which they mostly are not: tiles without being asked
LAP: Final = 0.2  # of a tile lies in its neighbour
HEADROOM: Final = 0.12  # of the picture above a zone: feet stand in it, heads above
BORDER_PX: Final = 2  # a box this close to a tile's inner border is cut
SAME_IOU: Final = 0.5  # intersection over union: one thing seen twice
CLEARLY: Final = 1.5  # times as large
PIECE_SHARE: Final = 0.7  # of a box lies in another of its label: a piece of it


class DetectionTile(NamedTuple):
    """A part of the picture in pixels."""

    left: int
    top: int
    width: int
    height: int


def detect_with_tiles(
    detector: Detector, picture: BgrImage, zones: Sequence[Zone], local: time
) -> tuple[Detection, ...]:
    """Everything in the picture, and small things in the zones that ask for it; best first."""
    whole = list(detector.detect(picture))
    height, width = picture.shape[:2]
    windows = tiles_for(zones_for_objects(zones, local), (width, height), detector.input_px)
    if not windows:
        return tuple(whole)
    for window in windows:
        rows = slice(window.top, window.top + window.height)
        columns = slice(window.left, window.left + window.width)
        found = detector.detect(picture[rows, columns])
        whole += [
            replace(seen, box=_box_in_picture(seen.box, window, (width, height)))
            for seen in found
            if not _is_cut_by_border(seen.box, window, (width, height))
        ]
    return merge_detections(whole)


def tiles_for(
    zones: Sequence[Zone], size_px: tuple[int, int], input_px: tuple[int, int]
) -> tuple[DetectionTile, ...]:
    """Where to look closer: at most MOST windows over all zones that ask for it."""
    wanted = [zone for zone in zones if _asks(zone, size_px, input_px)]
    if not wanted or not all(size_px):
        return ()
    shrink = max(size_px[0] / input_px[0], size_px[1] / input_px[1])
    scale = min(_scale(zone, size_px[1], shrink) for zone in wanted)
    area = _around([zone.polygon for zone in wanted], size_px)
    while scale < shrink:
        side = (round(input_px[0] * scale), round(input_px[1] * scale))
        windows = _grid(area, side, size_px)
        if len(windows) <= MAX_TILES:
            return windows
        scale *= 1.1
    return ()  # so large that the whole picture is as good


def merge_detections(detections: Sequence[Detection]) -> tuple[Detection, ...]:
    """Each thing once, best first; of two boxes of a label, one inside the other, the larger."""
    kept: list[Detection] = []
    by_score = sorted(detections, key=lambda seen: -seen.score)
    whole = [seen for seen in by_score if not any(_is_piece_of(seen, other) for other in by_score)]
    for seen in whole:
        if all(k.label != seen.label or iou(seen.box, k.box) < SAME_IOU for k in kept):
            kept.append(seen)
    return tuple(kept)


def _asks(zone: Zone, size_px: tuple[int, int], input_px: tuple[int, int]) -> bool:
    if zone.tiles is not None:
        return zone.tiles
    shrink = max(size_px[0] / input_px[0], size_px[1] / input_px[1])
    return 0 < zone.min_height * size_px[1] / shrink < LOST_PX


def _scale(zone: Zone, height_px: int, shrink: float) -> float:
    """Pixels of the picture for one of the input: as few runs as the smallest thing allows."""
    if zone.min_height <= 0:
        return min(1.0, shrink)
    return min(max(zone.min_height * height_px / SEEN_PX, 0.5), shrink)


def _around(polygons: Sequence[Polygon], size_px: tuple[int, int]) -> DetectionTile:
    """The zones' bounding box, with room for what stands in them."""
    xs = [x for polygon in polygons for x, _ in polygon]
    ys = [y for polygon in polygons for _, y in polygon]
    left, right = max(0.0, min(xs) - HEADROOM / 2), min(1.0, max(xs) + HEADROOM / 2)
    top, bottom = max(0.0, min(ys) - HEADROOM), min(1.0, max(ys) + HEADROOM / 4)
    width, height = size_px
    return DetectionTile(
        int(left * width), int(top * height), math.ceil((right - left) * width),
        math.ceil((bottom - top) * height),
    )  # fmt: skip


def _grid(
    area: DetectionTile, side: tuple[int, int], size_px: tuple[int, int]
) -> tuple[DetectionTile, ...]:
    """Windows of `side` that cover the area, evenly, each reaching into its neighbours."""
    columns = _starts(area.left, area.width, side[0], size_px[0])
    rows = _starts(area.top, area.height, side[1], size_px[1])
    return tuple(
        DetectionTile(x, y, min(side[0], size_px[0]), min(side[1], size_px[1]))
        for y in rows
        for x in columns
    )


def _starts(start: int, length: int, side: int, limit: int) -> list[int]:
    if length <= side:
        middle = start + (length - side) // 2
        return [min(max(0, middle), max(0, limit - side))]
    count = 1 + math.ceil((length - side) / (side * (1 - LAP)))
    step = (length - side) / (count - 1)
    return [min(start + round(n * step), max(0, limit - side)) for n in range(count)]


def _box_in_picture(box: Box, window: DetectionTile, size_px: tuple[int, int]) -> Box:
    width, height = size_px
    return (
        (window.left + box[0] * window.width) / width,
        (window.top + box[1] * window.height) / height,
        box[2] * window.width / width, box[3] * window.height / height,
    )  # fmt: skip


def _is_cut_by_border(box: Box, window: DetectionTile, size_px: tuple[int, int]) -> bool:
    """Whether it ends at a border of the tile that is none of the picture."""
    near_x, near_y = BORDER_PX / window.width, BORDER_PX / window.height
    return (
        (window.left > 0 and box[0] <= near_x)
        or (window.top > 0 and box[1] <= near_y)
        or (window.left + window.width < size_px[0] and box[0] + box[2] >= 1 - near_x)
        or (window.top + window.height < size_px[1] and box[1] + box[3] >= 1 - near_y)
    )


def _is_piece_of(seen: Detection, other: Detection) -> bool:
    """A part of a larger thing of the same name."""
    if seen is other or seen.label != other.label:
        return False
    area, larger = seen.box[2] * seen.box[3], other.box[2] * other.box[3]
    return larger > CLEARLY * area and overlap(seen.box, other.box) >= PIECE_SHARE
