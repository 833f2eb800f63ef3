"""Structure of a picture at full resolution: contrast, sharpness and noise of each cell.

Sharpness joins two spatial frequencies, in radians per pixel: of all structure, √(E[∇²]/2·var), and
of the finest, √(E[Δ²]/E[∇²]), the finer weighing twice as it answers more to focus and less to what
happens to stand in the cell. Contrast cancels out of both, so fog, dusk and haze are no blur. Noise
is estimated after Immerkær (1996): a Laplacian difference that ignores edges and slopes, in the
calm quarter of the cells; its share is taken off before anything else is formed.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from patrol.vision.quality.view import CELL_COLUMNS, U8, PictureView

Cells = NDArray[np.float32]
_IMMERKAER = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
_TO_SIGMA = float(np.sqrt(np.pi / 2) / 6)
STRUCTURED = 6.0  # luma deviation from which a cell has edges worth measuring
TINY = 1e-3
ROUNDING = 1 / 12  # variance of rounding to whole levels
TRUE_NOISE = 1.0  # luma
MOSTLY_GRAIN = 0.7  # of a cell's fine structure: its focus cannot be told
BURNT_OR_BLACK = (8.0, 246.0)  # outside, clipping hides the noise


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Detail:
    """Cells (NaN: not visible, or for sharpness: no structure) and what follows from them."""

    contrast: NDArray[np.float32]  # luma deviation, noise taken off
    sharpness: NDArray[np.float32]  # radians per pixel
    grain: NDArray[np.float32]  # noise sigma
    noise: float  # of the calm quarter
    sharp: float  # median of sharpness; NaN without structure
    structure: (
        float  # upper quartile of contrast; burnt-in text has less than a quarter of the cells
    )


def measure_detail(view: PictureView) -> Detail:
    """From the sheet of full-resolution tiles, one row of cells at a time."""
    moments = np.stack([_moments(strip) for strip in view.strips()], axis=1)
    mean, variance, gradient, bend, grain = moments
    grain[~view.cells] = np.nan
    noise = _calm_noise(grain, mean)
    floor = max(noise**2, ROUNDING)
    variance = np.maximum(variance - floor, 0)
    gradient = np.maximum(gradient - 4 * floor, 0)  # two differences of two noisy pixels each
    # Four neighbours and four times the middle. Where true noise (more than rounding's) hides the
    # structure, focus cannot be told; where only rounding is left, there is none.
    grainy = (20 * noise**2 > MOSTLY_GRAIN * bend) & (noise >= TRUE_NOISE)
    bend = np.maximum(bend - 20 * floor, 0)
    contrast = np.sqrt(variance)
    coarse = np.sqrt(gradient / np.maximum(2 * variance, TINY))
    fine = np.sqrt(bend / np.maximum(gradient, TINY))
    sharpness = np.cbrt(coarse * fine * fine)
    sharpness[(contrast < STRUCTURED) | grainy | ~view.cells] = np.nan
    contrast[~view.cells] = np.nan
    return Detail(
        contrast=contrast,
        sharpness=sharpness,
        grain=grain,
        noise=noise,
        sharp=percentile(sharpness, 50),
        structure=percentile(contrast, 75),
    )


def percentile(cells: NDArray[np.floating], percent: float) -> float:
    """Of the cells that are there; NaN when none is."""
    there = cells[np.isfinite(cells)]
    return float(np.percentile(there, percent)) if there.size else float("nan")


def _moments(strip: U8) -> Cells:
    """Mean, variance, E[∇²], E[Δ²] and Immerkær's sigma of each cell in a row of them.

    Differences across the seams between tiles are left out.
    """
    height = strip.shape[0]
    luma = strip.astype(np.float32).reshape(height, CELL_COLUMNS, -1)
    mean = luma.mean(axis=2).mean(axis=0)
    luma -= mean[:, np.newaxis]  # of the cell: squares of small numbers keep their digits
    across = luma[:, :, 1:] - luma[:, :, :-1]
    down = luma[1:] - luma[:-1]
    bend = cv2.Laplacian(strip, cv2.CV_16S)
    grain = cv2.absdiff(cv2.filter2D(strip, cv2.CV_16S, _IMMERKAER), np.zeros(1, np.int16))
    inner = (height, CELL_COLUMNS, -1)
    bend_inside = bend.reshape(inner)[1:-1, :, 1:-1].astype(np.float32)
    grain_inside = grain.reshape(inner)[1:-1, :, 1:-1]
    return np.stack([
        mean,
        _mean_square(luma),
        _mean_square(across) + _mean_square(down),
        _mean_square(bend_inside),
        grain_inside.mean(axis=2, dtype=np.float32).mean(axis=0) * np.float32(_TO_SIGMA),
    ])  # fmt: skip


def _mean_square(tiles: Cells) -> Cells:
    """Per cell, without a temporary of the strip's size."""
    count = tiles.shape[0] * tiles.shape[2]
    squares: Cells = np.einsum("hcw,hcw->c", tiles, tiles) / np.float32(count)
    return squares


def _calm_noise(grain: Cells, mean: Cells) -> float:
    low, high = BURNT_OR_BLACK
    fair = grain[np.isfinite(grain) & (mean > low) & (mean < high)]
    return float(np.percentile(fair, 25)) if fair.size else 0.0
