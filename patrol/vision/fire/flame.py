"""Find suspected open flames in two pictures of a visit: flame colour, flicker, shape.

Candidates are regions where flame-coloured pixels changed between the pictures; how like a flame
each is follows from its features in both (flame_features.py). Flame-coloured pixels that the
reference shows too are light sources, and lower the score. Used by detect.py.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from patrol.domain.camera import Polygon
from patrol.domain.observation import Box
from patrol.pixels import half_size
from patrol.vision.fire.flame_features import PicturePair, PixelWindow, flame_like, measure_flame
from patrol.vision.fire.types import DEFAULT_FIRE_OPTIONS, FireKind, FireOptions, FireRegion
from patrol.vision.reference.scene_memory import ReferenceModel
from patrol.vision.reference.small_picture import (
    Mask,
    as_float,
    as_u8,
    bgr_by_dtype,
    inner_visible_mask,
)
from streams.model import BgrImage

LONGER_SIDE_PX = 560
LEAST_SIDE_PX = 8
CHANGED = 24.0  # grey levels: the seed of a region moved between the pictures
JOIN_KERNEL = np.ones((7, 7), np.uint8)  # tongues of one fire lie this close together
JOIN_PX = 3
SCORE_POWER = 0.75  # likeness 0.4, five numbers out of nine a sixth short of a flame's, scores 0.5
STEADY = 1.0  # baseline differences; a lamp looks the same at every visit, a learned fire does not
KNOWN_DISCOUNT = 0.8  # of the score, where the reference has a light source
BELOW_GREEN, BELOW_BLUE = 4, 14  # grey levels that noise and JPEG may turn the order round by


def find_flames(
    pictures: Sequence[NDArray[np.generic]],
    reference: ReferenceModel | None,
    visible: Polygon | None,
    options: FireOptions,
) -> list[FireRegion]:
    """Regions that may be aflame, whatever their score; none where the pictures differ in shape."""
    pair = _pair(pictures, visible, options)
    if pair is None:
        return []
    size = (pair.first.shape[1], pair.first.shape[0])
    light_sources = known_light_sources(reference, size, options) if reference is not None else None
    moved = as_float(cv2.blur(pair.change, (3, 3))) > CHANGED
    seed = ((pair.like_first | pair.like_last) & moved).astype(np.uint8)
    seed = as_u8(cv2.morphologyEx(seed, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8)))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(cv2.dilate(seed, JOIN_KERNEL))
    found = []
    for number in range(1, count):
        x, y, w, h, _area = (int(v) for v in stats[number])
        window = (slice(y, y + h), slice(x, x + w))
        inside = np.asarray(labels[window] == number, np.bool_)
        area = float((seed[window][inside] > 0).sum()) / seed.size
        if area >= options.min_area:
            found.append(_flame_region(pair, window, inside, area, light_sources))
    return found


def flame_coloured(bgr: BgrImage, options: FireOptions = DEFAULT_FIRE_OPTIONS) -> Mask:
    """Pixels whose red is over green and green over blue, and bright."""
    blue, green, red = (bgr[:, :, channel].astype(np.int16) for channel in range(3))
    shines = (red >= options.hot_red) & (red - blue >= options.warmth)
    ordered = (red >= green - BELOW_GREEN) & (green >= blue - BELOW_BLUE)
    return np.asarray(shines & ordered, np.bool_)


def known_light_sources(
    reference: ReferenceModel, size: tuple[int, int], options: FireOptions = DEFAULT_FIRE_OPTIONS
) -> Mask:
    """Where the reference is flame-coloured and steady, at this (width, height)."""
    steady = as_float(cv2.resize(reference.baseline_differences, size)) < STEADY
    return flame_coloured(as_u8(cv2.resize(reference.picture.bgr, size)), options) & steady


def discount_known_light(score: float, known_share: float) -> float:
    """The score of a region of which this share is a light source of the reference."""
    return score * (1 - KNOWN_DISCOUNT * known_share)


def light_source_share(reference: ReferenceModel | None, box: Box) -> float:
    """The share of a box that the reference shows as a light source, 0..1."""
    if reference is None:
        return 0.0
    width, height = reference.picture.size
    left, top = int(box[0] * width), int(box[1] * height)
    right = max(left + 1, int((box[0] + box[2]) * width))
    bottom = max(top + 1, int((box[1] + box[3]) * height))
    known = known_light_sources(reference, (width, height))[top:bottom, left:right]
    return float(known.mean()) if known.size else 0.0


def _pair(
    pictures: Sequence[NDArray[np.generic]], visible: Polygon | None, options: FireOptions
) -> PicturePair | None:
    first, last = _flame_size(pictures[0]), _flame_size(pictures[-1])
    if first.shape != last.shape:
        return None
    likes = [flame_coloured(picture, options) for picture in (first, last)]
    where = inner_visible_mask((first.shape[1], first.shape[0]), visible)
    if where is not None:
        likes = [like & where for like in likes]
    _, green, red = cv2.split(cv2.absdiff(first, last))
    change = as_u8(cv2.max(green, red))
    return PicturePair(first, last, likes[0], likes[1], change)


def _flame_size(picture: NDArray[np.generic]) -> BgrImage:
    bgr = bgr_by_dtype(picture)
    while max(bgr.shape[:2]) >= 2 * LONGER_SIDE_PX:
        if min(bgr.shape[:2]) // 2 < LEAST_SIDE_PX:
            break
        bgr = half_size(bgr)
    height, width = bgr.shape[:2]
    scale = LONGER_SIDE_PX / max(height, width)
    size = (max(LEAST_SIDE_PX, round(width * scale)), max(LEAST_SIDE_PX, round(height * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return as_u8(cv2.resize(bgr, size, interpolation=how))


def _flame_region(
    pair: PicturePair, window: PixelWindow, inside: Mask, area: float, light_sources: Mask | None
) -> FireRegion:
    shape = measure_flame(pair, window, inside)
    score = flame_like(shape) ** SCORE_POWER
    first, last = pair.like_first[window] & inside, pair.like_last[window] & inside
    if light_sources is not None:
        known = float((light_sources[window] & (first | last)).sum()) / max(
            int((first | last).sum()), 1
        )
        score = discount_known_light(score, known)
    return FireRegion(
        kind=FireKind.OPEN_FLAME,
        box=_window_box(window, pair.change.shape),
        score=score,
        area=area,
        flicker=shape.dance,
        growth=(float(last.sum()) + 1) / (float(first.sum()) + 1),
    )


def _window_box(window: PixelWindow, shape: tuple[int, ...]) -> Box:
    rows, columns = window
    height, width = shape[:2]
    top, left = rows.start + JOIN_PX, columns.start + JOIN_PX
    return (
        left / width, top / height,
        max(columns.stop - JOIN_PX - left, 1) / width, max(rows.stop - JOIN_PX - top, 1) / height,
    )  # fmt: skip
