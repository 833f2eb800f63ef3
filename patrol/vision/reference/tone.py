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

from patrol.vision.reference.working import Float, Mask, as_float, as_u8
from streams.model import BgrImage

BINS = 24
STEP = 256 / BINS
MIN_SHARE = 0.004  # of the pixels, for a bin to have a say
CLIPPED = (4.0, 250.0)  # outside, the sensor was blind
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
    if use.sum() < 2:  # noqa: PLR2004  a line has two points
        shift = float(np.median(levels[weights > 0] - centres[weights > 0])) if use.any() else 0.0
        return 1.0, shift
    x, y, w = centres[use], levels[use], weights[use].copy()
    slope, offset = 1.0, 0.0
    for _ in range(4):
        mean_x, mean_y = np.average(x, weights=w), np.average(y, weights=w)
        spread = float(np.average((x - mean_x) ** 2, weights=w)) + 60.0
        slope = float(np.average((x - mean_x) * (y - mean_y), weights=w) + 60.0) / spread
        slope = min(max(slope, 0.15), 4.0)
        offset = float(mean_y - slope * mean_x)
        w = as_float(weights[use] / (1.0 + (np.abs(y - slope * x - offset) / 8.0) ** 2))
    return slope, offset


def _curve(reference: NDArray[np.uint8], current: NDArray[np.uint8]) -> tuple[Float, float]:
    """256 levels and the slope, of one channel."""
    which = (reference.astype(np.float32) / STEP).astype(np.int32)
    order = np.argsort(which, kind="stable")
    counts = np.bincount(which, minlength=BINS)
    ends = np.cumsum(counts)
    sorted_levels = current[order]
    centres = as_float((np.arange(BINS) + 0.5) * STEP)
    levels = np.zeros(BINS, np.float32)
    weights = as_float(np.where(counts >= MIN_SHARE * reference.size, counts, 0))
    for b in np.flatnonzero(weights):
        levels[b] = np.median(sorted_levels[ends[b] - counts[b] : ends[b]])
    slope, offset = _line(centres, levels, weights)
    bend = np.where(weights > 0, levels - np.clip(slope * centres + offset, 0, 255), 0.0)
    bend = np.clip(bend, -MAX_BEND, MAX_BEND)
    x = np.arange(256, dtype=np.float32)
    curve = slope * x + offset + np.interp(x, centres, bend)
    return as_float(np.maximum.accumulate(np.clip(curve, 0, 255))), slope


def fit_tone(reference: BgrImage, current: BgrImage, where: Mask | None, *, grey: bool) -> Tone:
    """Fit today's exposure. `grey`: one curve for all channels (infrared)."""
    thin = (slice(None, None, 2), slice(None, None, 2))
    ref, cur = reference[thin], current[thin]
    keep = np.ones(ref.shape[:2], bool) if where is None else where[thin]
    if int(keep.sum()) < 4 * BINS:
        return Tone(np.dstack([np.arange(256, dtype=np.uint8)[None, :]] * 3), 1.0)
    ref, cur = ref[keep], cur[keep]
    if grey:
        curves = [_curve(ref[:, 1], cur[:, 1])] * 3
    else:
        curves = [_curve(ref[:, c], cur[:, c]) for c in range(3)]
    table = np.dstack([curve[None, :] for curve, _ in curves]).round().astype(np.uint8)
    return Tone(table, float(np.median([slope for _, slope in curves])))
