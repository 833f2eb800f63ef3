"""Suspected open flame: colour, dance, shape — and not what the reference knows.

Candidates are places where something flame-coloured moved between the pictures of a visit; what
they are is decided by their shape in both (shape.py).
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from patrol.domain.observation import Box
from patrol.domain.zone import Polygon
from patrol.vision.fire.colour import KNOWN_DISCOUNT, known_lamps, likeness
from patrol.vision.fire.model import FireKind, FireOptions, FireRegion
from patrol.vision.fire.shape import Pair, Window, flame_like, measure
from patrol.vision.reference.memory import Model
from patrol.vision.reference.working import Mask, as_bgr, as_float, as_u8, visible_mask
from streams.model import BgrImage

LONGER_SIDE_PX = 560
LEAST_SIDE_PX = 8
CHANGED = 24.0  # grey levels: the seed of a region moved between the pictures
REACH = np.ones((7, 7), np.uint8)  # tongues of one fire lie this close together
REACH_PX = 3
SCORE_POWER = 0.75  # likeness 0.4, five numbers out of nine a sixth short of a flame's, scores 0.5


def flames(
    pictures: Sequence[NDArray[np.generic]], reference: Model | None, visible: Polygon | None,
    options: FireOptions,
) -> list[FireRegion]:  # fmt: skip
    """Places that may be aflame, whatever their score."""
    pair = _pair(pictures, visible, options)
    if pair is None:
        return []
    size = (pair.first.shape[1], pair.first.shape[0])
    lamps = known_lamps(reference, size, options) if reference is not None else None
    moved = as_float(cv2.blur(pair.change, (3, 3))) > CHANGED
    seed = ((pair.like_first | pair.like_last) & moved).astype(np.uint8)
    seed = as_u8(cv2.morphologyEx(seed, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8)))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(cv2.dilate(seed, REACH))
    found = []
    for number in range(1, count):
        x, y, w, h, _area = (int(v) for v in stats[number])
        window = (slice(y, y + h), slice(x, x + w))
        inside = np.asarray(labels[window] == number, np.bool_)
        area = float((seed[window][inside] > 0).sum()) / seed.size
        if area >= options.min_area:
            found.append(_region(pair, window, inside, area, lamps))
    return found


def _pair(
    pictures: Sequence[NDArray[np.generic]], visible: Polygon | None, options: FireOptions
) -> Pair | None:
    first, last = _flame_size(pictures[0]), _flame_size(pictures[-1])
    if first.shape != last.shape:
        return None
    likes = [likeness(picture, options) for picture in (first, last)]
    where = visible_mask((first.shape[1], first.shape[0]), visible)
    if where is not None:
        likes = [like & where for like in likes]
    _, green, red = cv2.split(cv2.absdiff(first, last))
    change = as_u8(cv2.max(green, red))
    return Pair(first, last, likes[0], likes[1], change)


def _flame_size(picture: NDArray[np.generic]) -> BgrImage:
    bgr = as_bgr(picture)
    while max(bgr.shape[:2]) >= 2 * LONGER_SIDE_PX:  # exact halvings cost a tenth of any other
        height, width = bgr.shape[0] // 2, bgr.shape[1] // 2
        if min(height, width) < LEAST_SIDE_PX:
            break
        even = bgr[: 2 * height, : 2 * width]
        bgr = as_u8(cv2.resize(even, (width, height), interpolation=cv2.INTER_LINEAR))
    height, width = bgr.shape[:2]
    scale = LONGER_SIDE_PX / max(height, width)
    size = (max(LEAST_SIDE_PX, round(width * scale)), max(LEAST_SIDE_PX, round(height * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return as_u8(cv2.resize(bgr, size, interpolation=how))


def _region(
    pair: Pair, window: Window, inside: Mask, area: float, lamps: Mask | None
) -> FireRegion:
    shape = measure(pair, window, inside)
    score = flame_like(shape) ** SCORE_POWER
    first, last = pair.like_first[window] & inside, pair.like_last[window] & inside
    if lamps is not None:
        known = float((lamps[window] & (first | last)).sum()) / max(int((first | last).sum()), 1)
        score *= 1 - KNOWN_DISCOUNT * known
    return FireRegion(
        kind=FireKind.OPEN_FLAME, box=_box(window, pair.change.shape), score=score, area=area,
        flicker=shape.dance, growth=(float(last.sum()) + 1) / (float(first.sum()) + 1),
    )  # fmt: skip


def _box(window: Window, shape: tuple[int, ...]) -> Box:
    rows, columns = window
    height, width = shape[:2]
    top, left = rows.start + REACH_PX, columns.start + REACH_PX
    return (
        left / width, top / height,
        max(columns.stop - REACH_PX - left, 1) / width, max(rows.stop - REACH_PX - top, 1) / height,
    )  # fmt: skip
