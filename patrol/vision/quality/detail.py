"""Structure of a picture at full resolution: contrast, sharpness and noise of each cell.

Sharpness joins two spatial frequencies, in radians per pixel: of all structure, √(E[∇²]/2·var), and
of the finest, √(E[Δ²]/E[∇²]), the finer weighing twice as it answers more to focus and less to what
happens to stand in the cell. Contrast cancels out of both, so fog, dusk and haze are no blur. Noise
is estimated after Immerkær (1996): a Laplacian difference that ignores edges and slopes, in the
calm quarter of the cells; its share is taken off before anything else is formed.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from patrol.vision.quality.view import CELL_COLUMNS, CELL_ROWS, CELLS, PictureView

Cells = NDArray[np.float32]
IMMERKAER_TO_SIGMA = float(np.sqrt(np.pi / 2) / 6)
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
    """From the tiles of full resolution."""
    mean, variance, gradient, bend, grain = _moments(view)
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
    """Of the cells that are there; NaN when none is.

    np.percentile takes twenty times as long for so few.
    """
    there = np.sort(cells[np.isfinite(cells)])
    if not there.size:
        return float("nan")
    at = (there.size - 1) * percent / 100
    low = int(at)
    high = min(low + 1, there.size - 1)
    return float(there[low] + (there[high] - there[low]) * (at - low))


def _moments(view: PictureView) -> Cells:
    """Mean, variance, E[∇²], E[Δ²] and Immerkær's sigma of each cell: 5 × rows × columns.

    Differences across the seams between tiles are left out.
    """
    height = view.tile_px[1]
    moments = np.empty((CELLS, 5), np.float32)
    for first in range(0, CELLS, CELL_COLUMNS):  # few enough to stay in a core's cache
        strip = view.sheet[first * height : (first + CELL_COLUMNS) * height]
        bends = np.asarray(cv2.Laplacian(strip, cv2.CV_16S), np.int16)
        grains = np.asarray(cv2.Sobel(strip, cv2.CV_16S, 2, 2, ksize=3), np.int16)
        for column in range(CELL_COLUMNS):
            top, bottom = column * height, (column + 1) * height
            bend, grain = bends[top + 1 : bottom - 1, 1:-1], grains[top + 1 : bottom - 1, 1:-1]
            top, bottom = top + first * height, bottom + first * height
            mean, deviation = cv2.meanStdDev(view.sheet[top:bottom])
            moments[first + column] = (
                mean[0, 0],
                deviation[0, 0] ** 2,
                _mean_square(view.across[top:bottom]) + _mean_square(view.down[top : bottom - 1]),
                _mean_square(bend),
                cv2.norm(grain, cv2.NORM_L1) / grain.size * IMMERKAER_TO_SIGMA,
            )
    return np.ascontiguousarray(moments.T).reshape(5, CELL_ROWS, CELL_COLUMNS)


def _mean_square(plane: NDArray[np.uint8] | NDArray[np.int16]) -> float:
    return cv2.norm(plane, cv2.NORM_L2SQR) / plane.size


def _calm_noise(grain: Cells, mean: Cells) -> float:
    low, high = BURNT_OR_BLACK
    calm = percentile(grain[(mean > low) & (mean < high)], 25)
    return calm if math.isfinite(calm) else 0.0
