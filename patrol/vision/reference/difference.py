"""Maps of differences between an aligned picture and its reference: structure, colour, light.

Each map is scaled so that 1.0 is where a difference starts to mean something; what is usual at this
camera (learning.py) and what is a region (vision/change) is decided later.

* structure: local correlation of the grey levels. A shadow or a haze scales and lifts a patch but
  keeps its pattern, so it is no difference; a thing put there brings its own pattern.
* colour: the share of red, green and blue, which a shadow hardly changes.
* light: brighter or much darker than the predicted exposure. Weak evidence by itself.

Before that the reference is brought to today's exposure: a monotone curve per channel is fitted
robustly over aligned pixels, so that a brighter aperture, another white balance or a contrast
setting is no change — clipping included, because the *reference* is taken through the curve, not
the new picture back. A new object over less than half of the pixels of a brightness does not bend
the curve.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from patrol.vision.reference.small_picture import (
    CHANNELS,
    Float,
    Mask,
    SmallPicture,
    as_float,
    as_u8,
)
from streams.model import BgrImage

THIN = 3  # every third pixel both ways: 6,400 are plenty for 24 bins
BINS = 24
STEP = 256 / BINS
MIN_SHARE = 0.004  # of the pixels, for a bin to count
CLIPPED = (4.0, 250.0)  # outside, the sensor was blind
PRIOR = 60.0  # grey levels² in favour of an unchanged slope, for scenes of one level
MAX_BEND = 14.0  # grey levels by which the curve may leave the straight line
WINDOW = 9  # px
NOISE_VARIANCE = 6.0  # grey levels², of a downscaled picture
ENERGY = 45.0  # grey levels²: a pattern this strong is half believed
STRUCTURE_UNIT = 0.45
COLOUR_UNIT = 0.055
BRIGHTER_UNIT = 0.42  # natural log: ×1.5
DARKER_UNIT = 1.05  # natural log: ÷2.9, deeper than a common shadow
TO_LUMA = np.array([[0.114, 0.587, 0.299]], np.float32)
DARK_FLOOR = 40.0  # grey levels added before shares are taken: dark pixels have no colour


@dataclass(frozen=True, slots=True, eq=False)
class ExposureFit:
    """A fitted exposure: table for cv2.LUT, and its slope (1.0: same exposure)."""

    table: NDArray[np.uint8]  # 1 × 256 × 3
    gain: float

    def apply(self, reference: BgrImage) -> BgrImage:
        """The reference as it would look now."""
        return as_u8(cv2.LUT(reference, self.table))


@dataclass(frozen=True, slots=True, eq=False)
class Differences:
    """The three maps of one comparison, and the two pictures that were compared."""

    structure: Float
    colour: Float
    light: Float
    picture: SmallPicture  # aligned
    predicted: SmallPicture  # the reference in today's exposure

    @property
    def strongest(self) -> Float:
        """The largest of the three differences of each pixel."""
        return np.maximum(np.maximum(self.structure, self.colour), self.light)


def compute_differences(
    picture: SmallPicture, reference: SmallPicture, where: Mask | None, *, colourless: bool
) -> Differences:
    """Compare an aligned picture with the reference; `where` limits what the exposure is fit on."""
    exposure = fit_exposure(reference.bgr, picture.bgr, where, grey=colourless)
    predicted = SmallPicture(exposure.apply(reference.bgr))
    structure = _structure(picture.grey, predicted.grey, exposure.gain)
    return Differences(
        structure=structure,
        colour=np.zeros_like(structure) if colourless else _colour(picture, predicted),
        light=_light(picture.grey, predicted.grey),
        picture=picture,
        predicted=predicted,
    )


def fit_exposure(
    reference: BgrImage, current: BgrImage, where: Mask | None, *, grey: bool
) -> ExposureFit:
    """Fit today's exposure. `grey`: one curve for all channels (infrared)."""
    thin = (slice(None, None, THIN), slice(None, None, THIN))
    ref, cur = reference[thin].reshape(-1, CHANNELS), current[thin].reshape(-1, CHANNELS)
    if where is not None:
        keep = np.flatnonzero(where[thin])
        ref, cur = ref[keep], cur[keep]
    if len(ref) < 4 * BINS:
        return ExposureFit(np.dstack([np.arange(256, dtype=np.uint8)[None, :]] * CHANNELS), 1.0)
    if grey:
        curves = [_curve(ref[:, 1], cur[:, 1])] * CHANNELS
    else:
        curves = [_curve(ref[:, c], cur[:, c]) for c in range(CHANNELS)]
    table = np.dstack([curve[None, :] for curve, _ in curves]).round().astype(np.uint8)
    return ExposureFit(table, sorted(slope for _, slope in curves)[1])


def _line(centres: Float, levels: Float, weights: Float) -> tuple[float, float]:
    """Slope and offset, re-weighted so that a few bins which disagree do not count."""
    use = (levels > CLIPPED[0]) & (levels < CLIPPED[1]) & (weights > 0)
    x, y, own = centres[use], levels[use], weights[use]
    if x.size < 2:  # noqa: PLR2004  a line has two points
        shift = float((levels - centres)[weights > 0].mean()) if weights.any() else 0.0
        return 1.0, shift
    slope, offset, w = 1.0, 0.0, own
    for _ in range(4):
        total = float(w.sum())
        mean_x, mean_y = float((w * x).sum()) / total, float((w * y).sum()) / total
        away = x - mean_x
        spread = float((w * away * away).sum()) / total + PRIOR
        slope = (float((w * away * (y - mean_y)).sum()) / total + PRIOR) / spread
        slope = min(max(slope, 0.15), 4.0)
        offset = mean_y - slope * mean_x
        w = as_float(own / (1.0 + ((y - slope * x - offset) / 8.0) ** 2))
    return slope, offset


def _bin_medians(reference: NDArray[np.uint8], current: NDArray[np.uint8]) -> tuple[Float, Float]:
    """The median level now of each bin of reference levels, and how many pixels it has."""
    which = (np.arange(256) * BINS // 256)[reference]
    table = np.bincount(which * 256 + current, minlength=BINS * 256).reshape(BINS, 256)
    running = table.cumsum(axis=1)
    counts = running[:, -1]
    middle = (running >= (counts[:, None] + 1) // 2).argmax(axis=1)
    enough = counts >= max(1.0, MIN_SHARE * reference.size)
    return as_float(np.where(enough, middle, 0)), as_float(np.where(enough, counts, 0))


def _curve(reference: NDArray[np.uint8], current: NDArray[np.uint8]) -> tuple[Float, float]:
    """256 levels and the slope, of one channel."""
    centres = as_float((np.arange(BINS) + 0.5) * STEP)
    levels, weights = _bin_medians(reference, current)
    slope, offset = _line(centres, levels, weights)
    bend = np.where(weights > 0, levels - np.clip(slope * centres + offset, 0, 255), 0.0)
    bend = np.clip(bend, -MAX_BEND, MAX_BEND)
    x = np.arange(256, dtype=np.float32)
    curve = slope * x + offset + np.interp(x, centres, bend)
    return as_float(np.maximum.accumulate(np.clip(curve, 0, 255))), slope


def _box_mean(values: Float, side: int = WINDOW) -> Float:
    return as_float(cv2.blur(values, (side, side)))


def _shares(smooth: Float) -> tuple[Float, Float]:
    """Red and blue against green, as shares of the whole: what a shadow hardly changes."""
    blue, green, red = (smooth[:, :, c] for c in range(3))
    total = blue + green + red + np.float32(3 * DARK_FLOOR)
    return as_float((red - green) / total), as_float((blue - green) / total)


def _colour(picture: SmallPicture, predicted: SmallPicture) -> Float:
    """Difference of the shares, the brighter first brought down to the darker; at half size.

    Without that, the floor that keeps dark pixels from having a colour would itself be a colour
    difference between a place and the same place in shadow.
    """
    seen, expected = picture.coarse, predicted.coarse
    bright_a, bright_b = (as_float(cv2.transform(c, TO_LUMA)) + 4.0 for c in (seen, expected))
    darker = np.minimum(bright_a, bright_b)
    red_a, blue_a = _shares(as_float(seen * (darker / bright_a)[:, :, None]))
    red_b, blue_b = _shares(as_float(expected * (darker / bright_b)[:, :, None]))
    half = cv2.magnitude(red_a - red_b, blue_a - blue_b)
    return as_float(cv2.resize(half, picture.size)) / np.float32(COLOUR_UNIT)


def _structure(seen: Float, expected: Float, gain: float) -> Float:
    mean_a, mean_b = _box_mean(seen), _box_mean(expected)
    var_a = _variance(seen, mean_a)
    var_b = _variance(expected, mean_b)
    common = _box_mean(seen * expected)
    common -= mean_a * mean_b
    scale = (var_a + np.float32(NOISE_VARIANCE)) * (var_b + np.float32(NOISE_VARIANCE))
    unlike = 1 - common / np.sqrt(scale)
    energy = np.maximum(var_a, var_b, out=var_a)
    half = np.float32(ENERGY * min(max(gain, 0.35), 1.5) ** 2)
    unlike *= energy / (energy + half)
    unlike /= np.float32(STRUCTURE_UNIT)
    return as_float(unlike)


def _variance(values: Float, mean: Float) -> Float:
    """Over the window; rounding may take it a hair below zero."""
    squares = _box_mean(values * values)
    squares -= mean * mean
    return np.maximum(squares, 0, out=squares)


def _light(seen: Float, expected: Float) -> Float:
    darker = np.log((_box_mean(expected, 5) + 12.0) / (_box_mean(seen, 5) + 12.0))
    return as_float(np.where(darker > 0, darker / DARKER_UNIT, -darker / BRIGHTER_UNIT))
