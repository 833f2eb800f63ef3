"""Boxes and polygons in fractions of the picture: area, overlap, containment."""

from collections.abc import Sequence

from patrol.domain.observation import Box

Point = tuple[float, float]


def inside(point: Point, polygon: Sequence[Point]) -> bool:
    """Whether the point lies in the polygon (even-odd rule)."""
    x, y = point
    crossings = 0
    for (x0, y0), (x1, y1) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
        if (y0 <= y) != (y1 <= y) and x < x0 + (y - y0) * (x1 - x0) / (y1 - y0):
            crossings += 1
    return crossings % 2 == 1


def area(polygon: Sequence[Point]) -> float:
    """Of a simple polygon."""
    pairs = zip(polygon, [*polygon[1:], *polygon[:1]], strict=True)
    return abs(sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in pairs)) / 2


def covered(box: Box, polygon: Sequence[Point]) -> float:
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
    return min(1.0, area(piece) / (width * height)) if piece else 0.0


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
