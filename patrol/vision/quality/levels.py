"""Measure light and colour of a picture on its small copies: levels, clipping, neutral point.

Robust against burnt-in text: ranges come from `mini_smooth`, in which thin strokes are gone.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from patrol.vision.quality.image_views import CELL_SEEN, U8, Cells, PictureView, cell_means, within

NEUTRAL = 128.0
CLIPPED_LUMA = 250
NEAR_NEUTRAL = 6
ROUNDING = 2
LIT = (48, 248)  # luma
BRIGHT_SPOT_PX = 3  # of the small picture
LEVELS = np.arange(256.0)
COMMONEST = 8  # levels
SHOWING = slice(30, CLIPPED_LUMA)  # what is black or burnt out has one level in any scene
ENOUGH_SHOWING = 0.35  # of the picture


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LevelFeatures:
    """Levels in 0..255; chroma relative to neutral."""

    mean: float
    p1: float
    p5: float
    p95: float
    p99: float
    luma_low: float  # 3rd percentile of calm luma
    luma_high: float  # 97th
    brightest: float  # brightest calm luma away from the text bands at top and bottom
    clipped: float  # share of pixels burnt out
    cr: float  # mean, minus neutral
    cb: float
    chroma_spread: float  # how far colours spread around their own mean
    chroma_range: float  # 3rd to 97th percentile, the wider of Cr and Cb
    neutral: float  # share of the lit pixels that are nearly grey: a cast leaves none
    colourless: float  # share that is exactly grey, up to rounding
    commonest: float  # share in the COMMONEST levels; what is drawn has few, a scene many
    cell_luma: Cells
    cell_cr: Cells
    cell_cb: Cells

    @property
    def span(self) -> float:
        """The range of luma, thin things and 3 % at either end left out."""
        return self.luma_high - self.luma_low

    @property
    def highlight(self) -> float:
        """How far the brightest fifth of the cells is from neutral: white things stay white."""
        there = np.sort(self.cell_luma[np.isfinite(self.cell_luma)])
        if not there.size:
            return 0.0
        bright = self.cell_luma >= there[(there.size - 1) * 4 // 5]
        return float(np.hypot(self.cell_cr[bright].mean(), self.cell_cb[bright].mean()))


def measure_levels(view: PictureView) -> LevelFeatures:
    """Levels and colours of the visible pixels."""
    seen, mini_seen = (None, None) if view.whole else (view.seen, view.mini_seen)
    luma, smooth = histogram(view.luma, seen), histogram(view.mini_smooth, mini_seen)
    reds, blues = histogram(view.mini_cr, mini_seen), histogram(view.mini_cb, mini_seen)
    p1, p5, p95, p99 = levels(luma, (1, 5, 95, 99))
    luma_low, luma_high = levels(smooth, (3, 97))
    cr, cr_spread = _mean_spread(reds)
    cb, cb_spread = _mean_spread(blues)
    spans = [high - low for low, high in (levels(h, (3, 97)) for h in (reds, blues))]
    total = max(1.0, float(luma.sum()))
    lit = within(view.mini_luma, *LIT) & view.mini_seen  # what is dark or burnt is always grey
    return LevelFeatures(
        mean=_mean_spread(luma)[0],
        p1=p1, p5=p5, p95=p95, p99=p99, luma_low=luma_low, luma_high=luma_high,
        brightest=_brightest_inside(view),
        clipped=float(luma[CLIPPED_LUMA:].sum()) / total,
        cr=cr - NEUTRAL,
        cb=cb - NEUTRAL,
        chroma_spread=float(np.hypot(cr_spread, cb_spread)),
        chroma_range=max(spans),
        neutral=_neutral_share(view, NEAR_NEUTRAL, lit),
        colourless=_neutral_share(view, ROUNDING, view.mini_seen),
        commonest=_commonest_share(luma),
        cell_luma=_of_cells(view.mini_smooth, 0.0, view),
        cell_cr=_of_cells(view.mini_cr, NEUTRAL, view),
        cell_cb=_of_cells(view.mini_cb, NEUTRAL, view),
    )  # fmt: skip


def histogram(plane: U8, seen: U8 | None) -> NDArray[np.float64]:
    """256 counts of the visible pixels."""
    counts = cv2.calcHist([plane], [0], seen, [256], [0, 256])
    return np.asarray(counts, np.float64).ravel()


def levels(counts: NDArray[np.float64], percents: tuple[int, ...]) -> tuple[float, ...]:
    """The percentiles of a histogram."""
    running = np.cumsum(counts)
    wanted = np.array(percents) / 100 * running[-1]
    return tuple(float(level) for level in np.searchsorted(running, wanted))


def _commonest_share(counts: NDArray[np.float64]) -> float:
    """How much of what is neither black nor burnt out has the commonest levels; 0: too little."""
    showing = counts[SHOWING]
    if showing.sum() < ENOUGH_SHOWING * counts.sum():
        return 0.0
    return float(np.sort(showing)[-COMMONEST:].sum() / max(1.0, showing.sum()))


def _of_cells(plane: U8, masked: float, view: PictureView) -> Cells:
    """What each cell's visible part has above `masked`, the level of what is not visible."""
    means = (cell_means(plane) - np.float32(masked)) / np.maximum(view.cells_seen, CELL_SEEN)
    return np.where(view.cells, means, np.float32(np.nan))


def _mean_spread(counts: NDArray[np.float64]) -> tuple[float, float]:
    total = float(counts.sum())
    if total == 0:
        return 0.0, 0.0
    mean = float(counts @ LEVELS) / total
    variance = max(0.0, float(counts @ LEVELS**2) / total - mean * mean)
    return mean, variance**0.5


def _brightest_inside(view: PictureView) -> float:
    """The brightest place as wide as a lamp; strokes of text, and the text bands, do not count."""
    height = view.luma.shape[0]
    inside = slice(height // 8, height - height // 8)
    wide = cv2.erode(view.luma[inside], np.ones((BRIGHT_SPOT_PX, BRIGHT_SPOT_PX), np.uint8))
    return float(cv2.minMaxLoc(wide, view.seen[inside])[1])


def _neutral_share(view: PictureView, tolerance: int, among: U8) -> float:
    """How much of these pixels is grey."""
    low, high = NEUTRAL - tolerance, NEUTRAL + tolerance
    grey = within(view.mini_cr, low, high) & within(view.mini_cb, low, high) & among
    return cv2.countNonZero(grey) / max(1, cv2.countNonZero(among))
