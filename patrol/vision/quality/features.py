"""Measure one picture: all numbers that the quality gauges need, in one pass over its views.

Physical quantities only; no threshold, no memory. Cell arrays are CELL_ROWS × CELL_COLUMNS, NaN
where the cell is not visible. Levels, artifacts and stripes are in modules of their own; here are
sharpness and noise.

Sharpness joins two spatial frequencies, in radians per pixel: of all structure, √(E[∇²]/2·var), and
of the finest, √(E[Δ²]/E[∇²]), the finer weighing twice as it depends more on focus and less on what
happens to stand in the cell. Contrast cancels out of both, so fog, dusk and haze are no blur.

Noise is estimated after Immerkær (1996): a Laplacian difference that ignores edges and slopes, in
the calm quarter of the cells, at full resolution; its share is taken off before contrast and
sharpness are formed. It misses the grain of a cheap sensor at night, two and more pixels wide once
its own processor has enlarged or smoothed it, and the colour speckle of a bad cable: both are
estimated in the same way on the mini planes, where single large responses (snow flakes, edges)
count no more than strong noise would.
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from patrol.vision.quality.decode_artifacts import ArtifactFeatures, measure_artifacts
from patrol.vision.quality.edges import edge_slope
from patrol.vision.quality.image_views import (
    CELL_COLUMNS,
    CELL_ROWS,
    CELLS,
    U8,
    Cells,
    PictureView,
    area_means,
    cell_means,
)
from patrol.vision.quality.levels import LevelFeatures, measure_levels
from patrol.vision.quality.percentiles import percentile
from patrol.vision.quality.stripes import Stripes, measure_stripes

IMMERKAER_TO_SIGMA = float(np.sqrt(np.pi / 2) / 6)
STRUCTURED = 6.0  # luma deviation from which a cell has edges worth measuring
TINY = 1e-3
ROUNDING = 1 / 12  # variance of rounding to whole levels
TRUE_NOISE = 1.0  # luma
MOSTLY_NOISE = 0.7  # of a cell's fine structure: its focus cannot be measured
BURNT_OR_BLACK = (8.0, 246.0)  # outside, clipping hides the noise
ROOMY_PX: Final = 400  # of the small copy: in a smaller picture leaves are as wide as blotches
MOST: Final = 150  # of the response: noise of sigma 20
RICH = 15.0  # luma deviation at which a third of it still stands out of noise and rounding
ENOUGH_CELLS = 6
FOCUS_CALMEST = 10.0  # percentile of the cells: where leaves are sharp, few cells are calm
COMPRESSED = ROUNDING + 0.15  # variance that rounding and compression leave of no noise at all
CLOCK_BAND: Final = 8  # an eighth of the height
PLACES: Final = (24, 12)  # columns, rows in which two pictures are compared
FLAT_CELL = 3.0  # luma deviation: soil and asphalt have more
NIGHT_LUMA, SKY_LUMA = 35.0, 140.0  # beyond, a scene may be flat by nature
CRISP = 25.0  # luma deviation of a cell that nothing dims


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SharpnessFeatures:
    """Contrast, sharpness and noise of the cells; NaN: not visible, or no structure to be sharp."""

    contrast: Cells  # luma deviation, noise taken off
    sharpness: Cells  # radians per pixel
    noise_cells: Cells  # noise sigma
    noise: float  # of the calm quarter
    sharp: float  # median of sharpness; NaN without structure
    structure: float  # upper quartile of contrast; burnt-in text has fewer than a quarter of cells
    calmest_noise: float  # of the calmest cell


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseFeatures:
    """Sigmas of coarse noise on the mini planes, 0..255 levels."""

    coarse: float  # of luma
    speckle: float  # of the noisier colour difference


@dataclass(frozen=True, kw_only=True, eq=False)
class PictureFeatures:
    """All measured features of one picture; what few visits ask for is measured when they do."""

    levels: LevelFeatures
    detail: SharpnessFeatures
    artifacts: ArtifactFeatures
    stripes: Stripes
    noise: NoiseFeatures
    luma: U8  # the small copy, for what few visits need (measure_focus)
    tiles: U8  # of full resolution, to compare the pictures of a visit (reencoding.py)
    tile_px: tuple[int, int]  # width, height of one tile

    @cached_property
    def edge_slope(self) -> float:
        """How steep its edges are (edges.py); the gauge asks for it, and what is learned."""
        return edge_slope(self.luma)

    @property
    def flat_share(self) -> float:
        """Share of the visible cells that are flat and neither night nor sky.

        0 unless something else in the picture has its full contrast: a squeezed picture is flat
        too, but then nothing in it is crisp, burnt-in text included.
        """
        contrast, luma = self.detail.contrast, self.levels.cell_luma
        visible = np.isfinite(contrast)
        if not visible.any() or float(contrast[visible].max()) < CRISP:
            return 0.0
        flat = (contrast < FLAT_CELL) & (luma > NIGHT_LUMA) & (luma < SKY_LUMA)
        return float(flat.sum()) / int(visible.sum())

    def contrast_ratios(self, baseline: Cells) -> Cells:
        """Contrast now ÷ usual in the well structured cells; NaN in the others."""
        rich = baseline >= RICH
        where = rich if int(rich.sum()) >= ENOUGH_CELLS else baseline >= STRUCTURED
        return _ratio(self.detail.contrast, baseline, where)

    def sharpness_ratio(self, baseline: Cells) -> float:
        """Median over the cells that have structure in both, of now ÷ usual; NaN without any.

        Defocus takes sharpness everywhere; a covered part, moving leaves, a passing car only in
        some cells. Cells that lost their structure altogether are left out.
        """
        return percentile(_ratio(self.detail.sharpness, baseline, baseline > 0), 50)


def measure_picture(view: PictureView) -> PictureFeatures:
    """Measure everything on one picture's views."""
    return PictureFeatures(
        levels=measure_levels(view),
        detail=measure_sharpness(view),
        artifacts=measure_artifacts(view),
        stripes=measure_stripes(view),
        noise=measure_noise(view),
        luma=view.luma,
        tiles=view.sheet,
        tile_px=view.tile_px,
    )


def measure_glitches(view: PictureView, first: PictureFeatures) -> PictureFeatures:
    """Measure what comes and goes within seconds; light and focus are those of `first`.

    For a later picture of a visit that shows the same scene.
    """
    return replace(
        first,
        artifacts=measure_artifacts(view),
        stripes=measure_stripes(view),
        noise=measure_noise(view),
        luma=view.luma,
        tiles=view.sheet,
        tile_px=view.tile_px,
    )


def measure_sharpness(view: PictureView) -> SharpnessFeatures:
    """Measure sharpness on the tiles of full resolution."""
    mean, variance, gradient, bend, noise_cells = _moments(view)
    noise_cells[~view.cells] = np.nan
    noise = _noise_of_flattest(noise_cells, mean)
    floor = max(noise**2, ROUNDING)
    variance = np.maximum(variance - floor, 0)
    gradient = np.maximum(gradient - 4 * floor, 0)  # two differences of two noisy pixels each
    # Four neighbours and four times the middle. Where true noise (more than rounding's) hides the
    # structure, focus cannot be measured; where only rounding is left, there is none.
    grainy = (20 * noise**2 > MOSTLY_NOISE * bend) & (noise >= TRUE_NOISE)
    bend = np.maximum(bend - 20 * floor, 0)
    contrast = np.sqrt(variance)
    coarse = np.sqrt(gradient / np.maximum(2 * variance, TINY))
    fine = np.sqrt(bend / np.maximum(gradient, TINY))
    sharpness = np.cbrt(coarse * fine * fine)
    sharpness[(contrast < STRUCTURED) | grainy | ~view.cells] = np.nan
    contrast[~view.cells] = np.nan
    return SharpnessFeatures(
        contrast=contrast,
        sharpness=sharpness,
        noise_cells=noise_cells,
        noise=noise,
        calmest_noise=_noise_of_flattest(noise_cells, mean, 0),
        sharp=percentile(sharpness, 50),
        structure=percentile(contrast, 75),
    )


def measure_noise(view: PictureView) -> NoiseFeatures:
    """Measure coarse noise; chroma is sampled for the mini planes, not averaged, and keeps it."""
    roomy = max(view.luma.shape) >= ROOMY_PX
    return NoiseFeatures(
        coarse=_flattest_noise_sigma(view.mini_luma, view) if roomy else 0.0,
        speckle=max(
            _flattest_noise_sigma(view.mini_cr, view), _flattest_noise_sigma(view.mini_cb, view)
        ),
    )


def measure_focus(luma: U8, where: NDArray[np.bool_]) -> Cells:
    """Sharpness of the cells on the small copy, radians per picture width; NaN without structure.

    Defocus is a share of the picture's width, whatever the number of pixels: one limit holds for a
    640-pixel sub stream and a 4K main stream, where `sharpness`, per pixel, tells a soft but sound
    4K picture from a blurred one only beside its own history.
    """
    plane = luma.astype(np.float32)
    mean = cell_means(luma)
    response = cv2.convertScaleAbs(cv2.Sobel(luma, cv2.CV_16S, 2, 2, ksize=3))
    low, high = BURNT_OR_BLACK
    quiet = cell_means(np.asarray(response, np.uint8))[where & (mean > low) & (mean < high)]
    sigma = percentile(quiet, FOCUS_CALMEST) * IMMERKAER_TO_SIGMA
    floor = np.float32(max(COMPRESSED, sigma**2 if math.isfinite(sigma) else 0.0))
    steps = np.zeros_like(plane)
    steps[:, :-1] = np.square(plane[:, 1:] - plane[:, :-1])
    steps[:-1] += np.square(plane[1:] - plane[:-1])
    bend = np.asarray(cv2.Laplacian(plane, cv2.CV_32F), np.float32)
    variance = np.maximum(cell_means(plane * plane) - mean * mean - floor, 0)
    gradient = np.maximum(cell_means(steps) - 4 * floor, 0)
    fine = np.maximum(cell_means(bend * bend) - 20 * floor, 0)
    coarse = np.sqrt(gradient / np.maximum(2 * variance, TINY))
    focus = np.cbrt(coarse * fine / np.maximum(gradient, TINY)) * np.float32(max(luma.shape))
    focus[(variance < STRUCTURED**2) | ~where] = np.nan
    return np.asarray(focus, np.float32)


def largest_change(first: U8, second: U8) -> float:
    """How far the most changed place differs between two small copies, in grey levels.

    Places are a twenty-fourth of the width, so noise and compression average out; the upper and
    the lower eighth, where clocks run, are left out.
    """
    if first.shape != second.shape:
        return math.inf
    band = first.shape[0] // CLOCK_BAND
    apart = first[band : first.shape[0] - band].astype(np.float32)
    apart -= second[band : second.shape[0] - band]
    columns, rows = PLACES
    return float(np.abs(area_means(apart, rows, columns)).max())


def _moments(view: PictureView) -> Cells:
    """Mean, variance, E[∇²], E[Δ²] and Immerkær's sigma of each cell: 5 × rows × columns.

    Differences across the seams between tiles are left out.
    """
    height = view.tile_px[1]
    moments = np.empty((CELLS, 5), np.float32)
    for first in range(0, CELLS, CELL_COLUMNS):  # few enough to stay in a core's cache
        strip = view.sheet[first * height : (first + CELL_COLUMNS) * height]
        bends = np.asarray(cv2.Laplacian(strip, cv2.CV_16S), np.int16)
        noise_responses = np.asarray(cv2.Sobel(strip, cv2.CV_16S, 2, 2, ksize=3), np.int16)
        for column in range(CELL_COLUMNS):
            top, bottom = column * height, (column + 1) * height
            bend, noise_response = (
                bends[top + 1 : bottom - 1, 1:-1],
                noise_responses[top + 1 : bottom - 1, 1:-1],
            )
            top, bottom = top + first * height, bottom + first * height
            mean, deviation = cv2.meanStdDev(view.sheet[top:bottom])
            moments[first + column] = (
                mean[0, 0],
                deviation[0, 0] ** 2,
                _mean_square(view.across[top:bottom]) + _mean_square(view.down[top : bottom - 1]),
                _mean_square(bend),
                cv2.norm(noise_response, cv2.NORM_L1) / noise_response.size * IMMERKAER_TO_SIGMA,
            )
    return np.ascontiguousarray(moments.T).reshape(5, CELL_ROWS, CELL_COLUMNS)


def _mean_square(plane: NDArray[np.uint8] | NDArray[np.int16]) -> float:
    return cv2.norm(plane, cv2.NORM_L2SQR) / plane.size


def _noise_of_flattest(noise_cells: Cells, mean: Cells, percent: float = 25) -> float:
    low, high = BURNT_OR_BLACK
    sigma = percentile(noise_cells[(mean > low) & (mean < high)], percent)
    return sigma if math.isfinite(sigma) else 0.0


def _flattest_noise_sigma(plane: U8, view: PictureView) -> float:
    response = cv2.convertScaleAbs(cv2.Sobel(plane, cv2.CV_16S, 2, 2, ksize=3))
    cells = cell_means(np.asarray(cv2.threshold(response, MOST, 0, cv2.THRESH_TRUNC)[1], np.uint8))
    sigma = percentile(cells[view.cells], 25)
    return sigma * IMMERKAER_TO_SIGMA


def _ratio(now: Cells, baseline: Cells, where: NDArray[np.bool_]) -> Cells:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(where, now / baseline, np.float32(np.nan)).astype(np.float32)
