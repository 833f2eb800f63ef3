"""Boxes and polygons: overlap, containment, and the way between a cut-out and its picture. Pure.

A `Box` is x, y, width, height in fractions of the picture; a polygon's points are fractions, too.
`PixelRect` is a cut-out in whole pixels. Used by every gauge that answers with boxes, by zones,
tiles and redaction, and by the evaluation.
"""

from collections.abc import Sequence
from typing import NamedTuple

from patrol.domain.observation import Box
from streams.model import BgrImage

Point = tuple[float, float]
NEARLY_NOTHING = 1e-9  # area that keeps a division by an empty box finite


class PixelRect(NamedTuple):
    """A part of a picture in whole pixels; right and bottom are the first outside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """In pixels."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """In pixels."""
        return self.bottom - self.top

    def cut(self, picture: BgrImage) -> BgrImage:
        """This part of the picture, as a view on it."""
        return picture[self.top : self.bottom, self.left : self.right]

    def box_in_picture(self, box: Box, size_px: tuple[int, int]) -> Box:
        """A box in fractions of this part as one in fractions of the whole (width, height)."""
        width, height = size_px
        return (
            (self.left + box[0] * self.width) / width,
            (self.top + box[1] * self.height) / height,
            box[2] * self.width / width,
            box[3] * self.height / height,
        )


def intersection_area(a: Box, b: Box) -> float:
    """The area that two boxes have in common, as a share of the picture."""
    wide = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    high = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    return max(wide, 0.0) * max(high, 0.0)


def share_inside(inner: Box, outer: Box) -> float:
    """The share of `inner` that lies in `outer`, 0..1."""
    return intersection_area(inner, outer) / max(inner[2] * inner[3], NEARLY_NOTHING)


def iou(a: Box, b: Box) -> float:
    """Intersection over union, 0..1."""
    common = intersection_area(a, b)
    return common / max(a[2] * a[3] + b[2] * b[3] - common, NEARLY_NOTHING)


def clipped_box(box: Box) -> Box:
    """The part of the box that lies in the picture."""
    x, y = min(1.0, max(0.0, box[0])), min(1.0, max(0.0, box[1]))
    right, bottom = min(1.0, box[0] + box[2]), min(1.0, box[1] + box[3])
    return (x, y, max(0.0, right - x), max(0.0, bottom - y))


def box_in_pixels(box: Box, size_px: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """(left, top) and (right, bottom), rounded, in a picture of (width, height)."""
    x, y, w, h = box
    width, height = size_px
    return (round(x * width), round(y * height)), (round((x + w) * width), round((y + h) * height))


def is_point_in_polygon(point: Point, polygon: Sequence[Point]) -> bool:
    """Whether the point lies in the polygon (even-odd rule)."""
    x, y = point
    crossings = 0
    for (x0, y0), (x1, y1) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
        if (y0 <= y) != (y1 <= y) and x < x0 + (y - y0) * (x1 - x0) / (y1 - y0):
            crossings += 1
    return crossings % 2 == 1


def polygon_area(polygon: Sequence[Point]) -> float:
    """The area of a simple polygon."""
    pairs = zip(polygon, [*polygon[1:], *polygon[:1]], strict=True)
    return abs(sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in pairs)) / 2


def share_in_polygon(box: Box, polygon: Sequence[Point]) -> float:
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
        piece = _clip_polygon(piece, axis, limit, keep_above=keep_above)
    return min(1.0, polygon_area(piece) / (width * height)) if piece else 0.0


def evenly_spaced_starts(start: int, length: int, piece: int, count: int) -> list[int]:
    """Where `count` pieces begin that cover `length` from `start` on, the last ending with it."""
    if count == 1:
        return [start]
    step = (length - piece) / (count - 1)
    return [start + round(number * step) for number in range(count)]


def _clip_polygon(
    polygon: list[Point], axis: int, limit: float, *, keep_above: bool
) -> list[Point]:
    """What lies on one side of an axis-parallel line (Sutherland and Hodgman 1974)."""
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
