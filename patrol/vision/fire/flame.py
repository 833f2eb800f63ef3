"""Suspected open flame: colour, dance, core — and not what the reference knows.

The three numbers of a place, each measured where the place is flame-coloured:

* dance: how much the pixels that are aflame in *both* pictures changed. A person who walks before a
  warm wall uncovers and covers it, but what stays visible of the wall is still.
* spread: a flame runs from red to yellow; a painted thing has one colour.
* core: the share where the sensor's red is at its end: a flame is its own light.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from patrol.domain.observation import Box
from patrol.domain.zone import Polygon
from patrol.vision.fire.colour import KNOWN_DISCOUNT, known_lamps, likeness
from patrol.vision.fire.model import FireKind, FireOptions, FireRegion
from patrol.vision.reference.memory import Model
from patrol.vision.reference.working import Float, Mask, as_bgr, as_float, as_u8, visible_mask
from streams.model import BgrImage

LONGER_SIDE_PX = 480
CHANGED = 26.0  # grey levels: the seed of a region moved between the pictures
SATURATED = 250
REACH = np.ones((7, 7), np.uint8)  # tongues of one fire lie this close together
REACH_PX = 3
MIN_COMMON_PX = 12  # aflame in both pictures; fewer say nothing about a dance
LEAST_RATIO = 0.95  # no number may be further below its threshold than this


@dataclass(frozen=True, slots=True, eq=False)
class _Pair:
    """Two pictures of one visit at flame size, and how flame-like each pixel is."""

    first: Float
    last: Float
    like_first: Mask
    like_last: Mask
    change: Float  # largest of green and red, grey levels
    known: Mask | None  # flame-coloured and steady in the reference: a lamp

    @property
    def pixels(self) -> int:
        return self.change.size


def _flame_size(picture: NDArray[np.generic]) -> BgrImage:
    bgr = as_bgr(picture)
    height, width = bgr.shape[:2]
    scale = LONGER_SIDE_PX / max(height, width)
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return as_u8(cv2.resize(bgr, size, interpolation=how))


def _pair(
    pictures: Sequence[NDArray[np.generic]], reference: Model | None, visible: Polygon | None,
    options: FireOptions,
) -> _Pair | None:  # fmt: skip
    first, last = _flame_size(pictures[0]), _flame_size(pictures[-1])
    if first.shape != last.shape:
        return None
    likes = [likeness(picture, options) for picture in (first, last)]
    size = (first.shape[1], first.shape[0])
    where = visible_mask(size, visible)
    if where is not None:
        likes = [like & where for like in likes]
    known = None
    if reference is not None:
        known = known_lamps(reference, size, options)
    change = as_float(cv2.absdiff(first, last)[:, :, 1:].max(axis=2))
    return _Pair(as_float(first), as_float(last), likes[0], likes[1], change, known)


def flames(
    pictures: Sequence[NDArray[np.generic]], reference: Model | None, visible: Polygon | None,
    options: FireOptions,
) -> list[FireRegion]:  # fmt: skip
    """Places that may be aflame, whatever their score."""
    pair = _pair(pictures, reference, visible, options)
    if pair is None:
        return []
    moved = as_float(cv2.blur(pair.change, (3, 3))) > CHANGED
    seed = ((pair.like_first | pair.like_last) & moved).astype(np.uint8)
    seed = as_u8(cv2.morphologyEx(seed, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8)))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(cv2.dilate(seed, REACH))
    found = []
    for number in range(1, count):
        x, y, w, h, _area = (int(v) for v in stats[number])
        window = (slice(y, y + h), slice(x, x + w))
        inside = labels[window] == number
        area = float((seed[window][inside] > 0).sum()) / pair.pixels
        if area >= options.min_area:
            found.append(_region(pair, window, inside, area, options))
    return found


def _region(
    pair: _Pair, window: tuple[slice, slice], inside: NDArray[np.bool_], area: float,
    options: FireOptions,
) -> FireRegion:  # fmt: skip
    first, last = pair.like_first[window] & inside, pair.like_last[window] & inside
    common = first & last
    dance = float(np.median(pair.change[window][common])) if common.sum() >= MIN_COMMON_PX else 0.0
    green = np.concatenate([pair.first[window][first][:, 1], pair.last[window][last][:, 1]])
    ever = max(int((first | last).sum()), 1)
    hot = (first & (pair.first[window][:, :, 2] >= SATURATED)) | (
        last & (pair.last[window][:, :, 2] >= SATURATED)
    )
    ratios = (
        dance / options.dance,
        float(green.std()) / options.spread,
        float(hot.sum()) / ever / options.core,
    )
    score = _score(ratios)
    if pair.known is not None:
        known = float((pair.known[window] & (first | last)).sum()) / ever
        score *= 1 - KNOWN_DISCOUNT * known
    return FireRegion(
        kind=FireKind.OPEN_FLAME, box=_box(window, pair.change.shape), score=score, area=area,
        flicker=dance, growth=(float(last.sum()) + 1) / (float(first.sum()) + 1),
    )  # fmt: skip


def _score(ratios: Sequence[float]) -> float:
    """0.5 where every number is at its threshold; nothing makes up for one that is missing."""
    if min(ratios) < LEAST_RATIO:
        return 0.0
    return 0.5 * math.prod(min(ratio, 2.0) for ratio in ratios) ** (1 / len(ratios))


def _box(window: tuple[slice, slice], shape: tuple[int, ...]) -> Box:
    rows, columns = window
    height, width = shape[:2]
    top, left = rows.start + REACH_PX, columns.start + REACH_PX
    return (
        left / width, top / height,
        max(columns.stop - REACH_PX - left, 1) / width, max(rows.stop - REACH_PX - top, 1) / height,
    )  # fmt: skip
