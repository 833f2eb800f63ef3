"""Find suspected open flames in two pictures of a visit: flame colour, flicker, shape.

Candidates are regions where flame-coloured pixels changed between the pictures; how like a flame
each is follows from its features in both. Flame-coloured pixels that the reference shows too are
light sources, and lower the score. Used by detect.py.

Nine features of one region in two pictures distinguish flames from other light:

dance     how much the pixels that are aflame in *both* pictures changed (grey levels). A person who
          walks before a warm wall uncovers and covers it, but what stays visible of it is still.
texture   how steep it is inside (grey levels per pixel): tongues, not cloth, paint or evening sky
match     how well the region is found again, moved as a whole: a lantern, a lorry, a jacket is
overlap   of the two shapes: a lamp keeps its shape, what passes leaves it, a flame does neither
presence  the smaller of its two areas over the larger: a lamp that blinks is there once
filled    of its bounding box: a crate, a flag and a round lamp fill it
solid     of its convex hull: lamps fill it, leaves hardly
hue       green over red: below it is red cloth or a brake light, above it is white light
core      the share where the sensor's red is at its end: a flame is its own light
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from patrol.domain.camera import Polygon
from patrol.domain.observation import Box
from patrol.pixels import half_size
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

PixelWindow = tuple[slice, slice]
FeatureBand = tuple[float, float, float, float]  # nothing below, all from, all to, nothing above
ENDLESS: Final = (1e6, 2e6)
SATURATED: Final = 250
MIN_COMMON_PX: Final = 8  # aflame in both pictures; fewer say nothing about a dance
MIN_SHAPE_PX: Final = 12
STRAYS: Final = 0.6  # of its size: as far as a thing is looked for that moved as a whole


@dataclass(frozen=True, slots=True, kw_only=True)
class FlameFeatures:
    """The features of one region, in the order of BANDS."""

    dance: float
    texture: float
    match: float
    overlap: float
    presence: float
    filled: float
    solid: float
    hue: float
    core: float


# Chosen on composed flames and on lamps, lanterns, flags, lorries, jackets, evening skies, grain
# and autumn leaves, put into still photographs and vtest.
BANDS: Final[tuple[FeatureBand, ...]] = (
    (15, 21, *ENDLESS), (6, 9.5, *ENDLESS), (0.3, 0.5, 0.85, 0.93), (0.05, 0.25, 0.78, 0.92),
    (0.25, 0.5, *ENDLESS), (-1, 0, 0.62, 0.76), (0.35, 0.52, 0.86, 0.95), (0.28, 0.38, 0.84, 0.93),
    (-0.02, 0.03, *ENDLESS),
)  # fmt: skip


def flame_like(shape: FlameFeatures) -> float:
    """How well all features fit a flame, 0..1: a product, so one that does not fit is decisive."""
    fits = (_band_fit(value, band) for value, band in zip(astuple(shape), BANDS, strict=True))
    return float(np.prod(list(fits)))


def _band_fit(value: float, band: FeatureBand) -> float:
    nothing, enough, most, too_much = band
    if value < enough:
        return max(0.0, (value - nothing) / (enough - nothing))
    return 1.0 if value <= most else max(0.0, (too_much - value) / (too_much - most))


@dataclass(frozen=True, slots=True, eq=False)
class PicturePair:
    """Two pictures of one visit, and which pixels of each are flame-coloured."""

    first: BgrImage
    last: BgrImage
    like_first: Mask
    like_last: Mask
    change: BgrImage  # larger of green and red, grey levels


def measure_flame(pair: PicturePair, window: PixelWindow, inside: Mask) -> FlameFeatures:
    """Measure the region `inside` a window of the two pictures."""
    first, last = pair.like_first[window] & inside, pair.like_last[window] & inside
    common, ever = first & last, max(int((first | last).sum()), 1)
    dance = float(np.median(pair.change[window][common])) if common.sum() >= MIN_COMMON_PX else 0.0
    pixels = np.concatenate([pair.first[window][first], pair.last[window][last]])
    red = pixels[:, 2].astype(np.float32) if len(pixels) else np.zeros(1, np.float32)
    green = float(pixels[:, 1].mean()) if len(pixels) else 0.0
    areas = int(first.sum()), int(last.sum())
    larger, picture = (
        (first, pair.first[window]) if areas[0] >= areas[1] else (last, pair.last[window])
    )
    outlines = [_outline(mask) for mask in (first, last) if mask.sum() >= MIN_SHAPE_PX]
    filled, solid = np.mean(outlines, axis=0) if outlines else (1.0, 1.0)
    return FlameFeatures(
        dance=dance,
        texture=_texture(picture, larger),
        match=max(_found_again(pair, window, first), _found_again(pair, window, last, back=True)),
        overlap=float(common.sum()) / ever,
        presence=min(areas) / max(*areas, 1),
        filled=float(filled),
        solid=float(solid),
        hue=green / max(float(red.mean()), 1.0),
        core=float((red >= SATURATED).mean()),
    )


def _outline(mask: Mask) -> tuple[float, float]:
    """The shares of its bounding box and of its convex hull that it fills."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    points = np.vstack([contour for contour in contours if len(contour) > 2] or contours)  # noqa: PLR2004  a line has no inside
    area = float(mask.sum())
    _, _, width, height = cv2.boundingRect(points)
    # The hull runs through the middles of the pixels at its rim: half of each lies outside.
    rim = sum(cv2.arcLength(contour, closed=True) for contour in contours) / 2
    return area / (width * height), area / (cv2.contourArea(cv2.convexHull(points)) + rim + 1)


def _texture(bgr: BgrImage, mask: Mask) -> float:
    grey = as_float(cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY))
    steep = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)) / 8
    inner = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    where = inner if inner.sum() > 4 else mask  # noqa: PLR2004  a few pixels inside the rim
    return float(steep[where].mean()) if where.any() else 0.0


def _found_again(
    pair: PicturePair, window: PixelWindow, mask: Mask, *, back: bool = False
) -> float:
    """The best likeness of this picture's shape anywhere near it in the other picture."""
    if mask.sum() < MIN_SHAPE_PX:
        return 1.0
    here, there = (pair.last, pair.first) if back else (pair.first, pair.last)
    ys, xs = np.nonzero(mask)
    top, bottom = window[0].start + int(ys.min()), window[0].start + int(ys.max()) + 1
    left, right = window[1].start + int(xs.min()), window[1].start + int(xs.max()) + 1
    patch = here[top:bottom, left:right]
    if min(patch.shape[:2]) < 3:  # noqa: PLR2004  a line is alike everywhere
        return 1.0
    reach = max(6, int(STRAYS * max(patch.shape[:2])))
    around = there[max(0, top - reach) : bottom + reach, max(0, left - reach) : right + reach]
    return float(np.nan_to_num(cv2.matchTemplate(around, patch, cv2.TM_CCOEFF_NORMED)).max())


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
