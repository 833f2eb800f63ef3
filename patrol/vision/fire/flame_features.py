"""Measure nine features of one region in two pictures that distinguish flames from other light.

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

from dataclasses import astuple, dataclass
from typing import Final

import cv2
import numpy as np

from patrol.vision.reference.small_picture import Mask, as_float
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
