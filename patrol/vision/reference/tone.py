"""What the reference would look like under today's exposure.

A monotone curve per channel is fitted robustly over aligned pixels, so that a brighter aperture,
another white balance or a contrast setting is explained before anything counts as change —
clipping included, because the *reference* is taken through the curve, not the new picture back.
A newcomer over less than half of the pixels of a brightness does not bend the curve.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from patrol.vision.reference.working import CHANNELS, Float, Mask, as_float, as_u8
from streams.model import BgrImage

THIN = 3  # every third pixel both ways: 6,400 are plenty for 24 bins
BINS = 24
STEP = 256 / BINS
MIN_SHARE = 0.004  # of the pixels, for a bin to have a say
CLIPPED = (4.0, 250.0)  # outside, the sensor was blind
PRIOR = 60.0  # grey levels² in favour of an unchanged slope, for scenes of one level
MAX_BEND = 14.0  # grey levels by which the curve may leave the straight line


@dataclass(frozen=True, slots=True, eq=False)
class Tone:
    """A fitted exposure: table for cv2.LUT, and its slope (1.0: same exposure)."""

    table: NDArray[np.uint8]  # 1 × 256 × 3
    gain: float

    def apply(self, reference: BgrImage) -> BgrImage:
        """The reference as it would look now."""
        return as_u8(cv2.LUT(reference, self.table))


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


def _medians(reference: NDArray[np.uint8], current: NDArray[np.uint8]) -> tuple[Float, Float]:
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
    levels, weights = _medians(reference, current)
    slope, offset = _line(centres, levels, weights)
    bend = np.where(weights > 0, levels - np.clip(slope * centres + offset, 0, 255), 0.0)
    bend = np.clip(bend, -MAX_BEND, MAX_BEND)
    x = np.arange(256, dtype=np.float32)
    curve = slope * x + offset + np.interp(x, centres, bend)
    return as_float(np.maximum.accumulate(np.clip(curve, 0, 255))), slope


def fit_tone(reference: BgrImage, current: BgrImage, where: Mask | None, *, grey: bool) -> Tone:
    """Fit today's exposure. `grey`: one curve for all channels (infrared)."""
    thin = (slice(None, None, THIN), slice(None, None, THIN))
    ref, cur = reference[thin].reshape(-1, CHANNELS), current[thin].reshape(-1, CHANNELS)
    if where is not None:
        keep = np.flatnonzero(where[thin])
        ref, cur = ref[keep], cur[keep]
    if len(ref) < 4 * BINS:
        return Tone(np.dstack([np.arange(256, dtype=np.uint8)[None, :]] * CHANNELS), 1.0)
    if grey:
        curves = [_curve(ref[:, 1], cur[:, 1])] * CHANNELS
    else:
        curves = [_curve(ref[:, c], cur[:, c]) for c in range(CHANNELS)]
    table = np.dstack([curve[None, :] for curve, _ in curves]).round().astype(np.uint8)
    return Tone(table, sorted(slope for _, slope in curves)[1])
