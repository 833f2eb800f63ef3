"""What one candidate region looks like in the two pictures of a visit: numbers without a judgement.

No number is about absolute colour, and none grows with the size of the picture: cameras show one
fire in orange, pink or white, and a region is as large as the fire is near. What they tell apart:

* a flame never looks twice the same: where it burns in both pictures it changed (`dance`), it is
  not found again (`match`), its pixels do not agree (`agreement`);
* it is ragged and full of edges for its size, and between its white core and its red rim it has
  many colours (`hue_spread`, `saturation_spread`), while cloth, paint and an evening sky have one;
* a sunset, autumn leaves and a camera under sodium light are flame-coloured all over and mostly
  still (`restless`).

Used by flame.py and by the fitting of the weights (patrol/evaluation/fit_flames.py). Pure.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from patrol.vision.fire.flame_pair import PicturePair
from patrol.vision.reference.small_picture import Mask, as_float, as_u8
from streams.model import BgrImage

PixelWindow = tuple[slice, slice]
CHANGED: Final = 24.0  # grey levels: more than noise, JPEG and the light of a cloud change
MIN_COMMON_PX: Final = 8  # aflame in both pictures; fewer say nothing about a dance
MIN_SHAPE_PX: Final = 12  # of a shape; fewer have no outline and are found everywhere
MIN_COLOURED_PX: Final = 4
STRAYS: Final = 0.6  # of its size: as far as a thing is looked for that moved as a whole
TEMPLATE_PX: Final = 24  # a larger one is shrunk to this before it is looked for: bounded cost
LEAST_TEMPLATE_PX: Final = 3
LEAST_SPREAD: Final = 8.0  # grey levels: below it is the noise's
INNER_PX: Final = 4  # pixels inside the rim from which their texture is taken alone


@dataclass(frozen=True, slots=True, kw_only=True)
class FlameFeatures:
    """The numbers of one region; their names are those in flame_weights.json."""

    dance: float  # median change where it is aflame in both pictures, grey levels
    dance_by_spread: float  # the same in relation to the spread of its own light
    change_by_spread: float  # mean change where it is aflame in either, in the same relation
    overlap: float  # share of what is aflame in either picture that is so in both
    match: float  # how well its shape in one picture is found in the other, moved as a whole
    match_all: float  # the same for what is aflame in either
    agreement: float  # correlation of its pixels between the pictures
    filled: float  # share of its bounding box
    solid: float  # share of its convex hull
    ragged: float  # its outline over the root of its area: 3.5 is a disc
    hue_spread: float  # standard deviation of green over red
    saturation_spread: float  # and of (red - blue) over red
    top: float  # 95th percentile of its light, grey levels
    contrast: float  # from the 10th to the 90th percentile of its light, grey levels
    texture: float  # mean step from pixel to pixel times the root of its area, of full light
    restless: float  # share of everything flame-coloured in the picture that changed


@dataclass(frozen=True, slots=True)
class _RegionMasks:
    first: Mask
    last: Mask

    @property
    def either(self) -> Mask:
        return self.first | self.last

    @property
    def both(self) -> Mask:
        return self.first & self.last


def restless_share(pair: PicturePair) -> float:
    """The share of everything that may be aflame in the pair that changed, 0..1."""
    like = pair.like_first | pair.like_last
    return float((pair.change[like] > CHANGED).mean()) if like.any() else 0.0


def measure_flame(
    pair: PicturePair, window: PixelWindow, inside: Mask, restless: float
) -> FlameFeatures | None:
    """Measure the region `inside` a window; None where nothing in it is flame-coloured."""
    masks = _RegionMasks(pair.like_first[window] & inside, pair.like_last[window] & inside)
    pixels = as_float(
        np.concatenate([pair.first[window][masks.first], pair.last[window][masks.last]])
    )
    if len(pixels) < MIN_COLOURED_PX:
        return None
    blue, green, red = pixels.T
    light = 0.11 * blue + 0.59 * green + 0.30 * red
    low, high, top = np.percentile(light, (10, 90, 95))
    spread = max(LEAST_SPREAD, 2 * float(light.std()))
    change = pair.change[window]
    both, either = masks.both, masks.either
    dance = float(np.median(change[both])) if both.sum() >= MIN_COMMON_PX else 0.0
    changed = float(change[either].mean())
    filled, solid, ragged = _outlines(masks)
    return FlameFeatures(
        dance=dance, dance_by_spread=dance / spread,
        change_by_spread=changed / spread, overlap=float(both.sum()) / max(int(either.sum()), 1),
        match=max(
            _found_again(pair, window, masks.first),
            _found_again(pair, window, masks.last, back=True),
        ),
        match_all=max(
            _found_again(pair, window, either), _found_again(pair, window, either, back=True)
        ),
        agreement=_agreement(pair, window, either),
        filled=filled, solid=solid, ragged=ragged,
        hue_spread=float((green / np.maximum(red, 1)).std()),
        saturation_spread=float(((red - blue) / np.maximum(red, 1)).std()),
        top=float(top), contrast=float(high - low), texture=_texture(pair, window, masks),
        restless=restless,
    )  # fmt: skip


def _outlines(masks: _RegionMasks) -> tuple[float, float, float]:
    """Filled, solid and ragged: the mean of both pictures' shapes."""
    shapes = [_outline(mask) for mask in (masks.first, masks.last) if mask.sum() >= MIN_SHAPE_PX]
    filled, solid, ragged = np.mean(shapes, axis=0) if shapes else (1.0, 1.0, 4.0)
    return float(filled), float(solid), float(ragged)


def _outline(mask: Mask) -> tuple[float, float, float]:
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    points = np.vstack(contours)
    area = float(mask.sum())
    _, _, width, height = cv2.boundingRect(points)
    # The hull runs through the middles of the pixels at its rim: half of each lies outside.
    rim = sum(cv2.arcLength(contour, closed=True) for contour in contours)
    hull = cv2.contourArea(cv2.convexHull(points)) + rim / 2 + 1
    return area / (width * height), area / hull, rim / max(1.0, float(np.sqrt(area)))


def _texture(pair: PicturePair, window: PixelWindow, masks: _RegionMasks) -> float:
    """In the picture in which it is larger; inside the rim, where there is enough of it."""
    first_larger = masks.first.sum() >= masks.last.sum()
    grey = pair.grey_first if first_larger else pair.grey_last
    mask = masks.first if first_larger else masks.last
    cut = as_float(grey[window])
    steep = np.hypot(cv2.Sobel(cut, cv2.CV_32F, 1, 0), cv2.Sobel(cut, cv2.CV_32F, 0, 1)) / 8
    inner = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    where = inner if inner.sum() > INNER_PX else mask
    size = float(np.sqrt(max(int(mask.sum()), 1)))
    return float(steep[where].mean()) * size / 255 if where.any() else 0.0


def _agreement(pair: PicturePair, window: PixelWindow, mask: Mask) -> float:
    if mask.sum() < MIN_SHAPE_PX:
        return 1.0
    one, other = as_float(pair.grey_first[window][mask]), as_float(pair.grey_last[window][mask])
    if one.std() <= 1 or other.std() <= 1:
        return 1.0
    return float(np.corrcoef(one, other)[0, 1])


def _found_again(
    pair: PicturePair, window: PixelWindow, mask: Mask, *, back: bool = False
) -> float:
    """The best likeness of this picture's shape anywhere near it in the other picture, 0..1."""
    if mask.sum() < MIN_SHAPE_PX:
        return 1.0
    here, there = (pair.grey_last, pair.grey_first) if back else (pair.grey_first, pair.grey_last)
    ys, xs = np.nonzero(mask)
    top, bottom = window[0].start + int(ys.min()), window[0].start + int(ys.max()) + 1
    left, right = window[1].start + int(xs.min()), window[1].start + int(xs.max()) + 1
    far = max(2, int(STRAYS * max(bottom - top, right - left)))
    template = here[top:bottom, left:right]
    around = there[max(0, top - far) : bottom + far, max(0, left - far) : right + far]
    template, around = _bounded(template, around)
    if min(template.shape) < 2:  # noqa: PLR2004  a line is found everywhere
        return 1.0
    likeness = cv2.matchTemplate(around, template, cv2.TM_CCOEFF_NORMED)
    likeness = likeness[np.isfinite(likeness)]
    return float(np.clip(likeness.max(), 0, 1)) if likeness.size else 1.0


def _bounded(template: BgrImage, around: BgrImage) -> tuple[BgrImage, BgrImage]:
    """Both shrunk until the template is at most TEMPLATE_PX."""
    scale = TEMPLATE_PX / max(template.shape)
    if scale >= 1:
        return template, around
    small = _shrunk(template, scale, (LEAST_TEMPLATE_PX, LEAST_TEMPLATE_PX))
    return small, _shrunk(around, scale, (small.shape[1], small.shape[0]))


def _shrunk(image: NDArray[np.uint8], scale: float, least: tuple[int, int]) -> BgrImage:
    height, width = image.shape
    size = (max(least[0], round(width * scale)), max(least[1], round(height * scale)))
    return as_u8(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
