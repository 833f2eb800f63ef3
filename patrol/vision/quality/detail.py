"""Structure of a picture at full resolution: contrast, sharpness and noise of each cell.

Sharpness joins two spatial frequencies, in radians per pixel: of all structure, √(E[∇²]/2·var), and
of the finest, √(E[Δ²]/E[∇²]), the finer weighing twice as it answers more to focus and less to what
happens to stand in the cell. Contrast cancels out of both, so fog, dusk and haze are no blur. Noise is estimated
after Immerkær (1996): a Laplacian difference that ignores edges and slopes, in the calm quarter of
the cells; its share of gradient and variance is taken off before sharpness is formed.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from patrol.vision.quality.view import PictureView

_IMMERKAER = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
_TO_SIGMA = float(np.sqrt(np.pi / 2) / 6)
STRUCTURED = 6.0  # luma deviation from which a cell has edges worth measuring
TINY = 1e-3
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
    """From the sheet of full-resolution tiles."""
    tiles = view.tiles(view.sheet)
    grain = _grain(view)
    mean = tiles.mean(axis=(2, 3), dtype=np.float32)
    noise = _calm_noise(grain, mean)
    variance = _cell_variance(view) - noise**2
    gradient = _cell_gradient(view) - 4 * noise**2  # two differences, each of two noisy pixels
    bend = _cell_laplacian(view)
    grainy = 20 * noise**2 > MOSTLY_GRAIN * bend  # of four neighbours and four times the middle
    bend -= 20 * noise**2
    hidden = ~view.cells
    variance[hidden] = np.nan
    contrast = np.sqrt(np.maximum(variance, 0))
    with np.errstate(invalid="ignore", divide="ignore"):
        coarse = np.sqrt(np.maximum(gradient, 0) / (2 * variance))
        fine = np.sqrt(np.maximum(bend, 0) / np.maximum(gradient, TINY))
        sharpness = np.cbrt(coarse * fine * fine)
        sharpness[~(contrast >= STRUCTURED) | grainy] = np.nan
    return Detail(
        contrast=contrast.astype(np.float32),
        sharpness=sharpness.astype(np.float32),
        grain=grain,
        noise=noise,
        sharp=percentile(sharpness, 50),
        structure=percentile(contrast, 75),
    )


def percentile(cells: NDArray[np.floating], percent: float) -> float:
    """Of the cells that are there; NaN when none is."""
    there = cells[np.isfinite(cells)]
    return float(np.percentile(there, percent)) if there.size else float("nan")


def _grain(view: PictureView) -> NDArray[np.float32]:
    response = cv2.filter2D(view.sheet, cv2.CV_16S, _IMMERKAER)
    inner = view.tiles(np.abs(response))[:, :, 1:-1, 1:-1]  # the seams between tiles are not seen
    grain = inner.mean(axis=(2, 3), dtype=np.float32) * np.float32(_TO_SIGMA)
    return np.where(view.cells, grain, np.float32(np.nan))


def _calm_noise(grain: NDArray[np.float32], mean: NDArray[np.float32]) -> float:
    low, high = BURNT_OR_BLACK
    fair = grain[np.isfinite(grain) & (mean > low) & (mean < high)]
    return float(np.percentile(fair, 25)) if fair.size else 0.0


def _cell_variance(view: PictureView) -> NDArray[np.float32]:
    tiles = view.tiles(view.sheet.astype(np.float32))
    mean = tiles.mean(axis=(2, 3))
    return (tiles * tiles).mean(axis=(2, 3)) - mean * mean


def _cell_gradient(view: PictureView) -> NDArray[np.float32]:
    """E[dx²] + E[dy²] of each cell, from differences of neighbours."""
    sheet = view.sheet
    total = np.zeros(view.cells.shape, np.float32)
    for first, second, inner in (
        (sheet[:, 1:], sheet[:, :-1], (slice(None), slice(None, -1))),
        (sheet[1:], sheet[:-1], (slice(None, -1), slice(None))),
    ):
        step = np.zeros(sheet.shape, np.float32)
        step[inner] = cv2.absdiff(first, second)
        tiles = view.tiles(step * step)
        inside = tiles[:, :, : -1 if inner[0] != slice(None) else None,
                       : -1 if inner[1] != slice(None) else None]  # fmt: skip
        total += inside.mean(axis=(2, 3))
    return total


def _cell_laplacian(view: PictureView) -> NDArray[np.float32]:
    """E[Δ²] of each cell."""
    bend = np.asarray(cv2.Laplacian(view.sheet, cv2.CV_32F), np.float32)
    inner = view.tiles(bend * bend)[:, :, 1:-1, 1:-1]
    return inner.mean(axis=(2, 3), dtype=np.float32)
