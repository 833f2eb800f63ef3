"""How steep the edges of a picture are: focus from one picture, whatever the scene is made of.

Out of focus every point becomes a disc (lens_checks.py), and no edge is steeper than the disc is
wide: the largest step between neighbouring pixels, as a share of the edge's whole height, falls
with its radius. A leaf, a wall or a soft shadow has gentle slopes in any focus; so of each cell the
steepest twentieth counts, and of the cells the upper tenth. Measured at one width, because
defocus is a share of it: a 4K picture that is soft in single pixels only has steep edges there.
Used at first visits, when the camera's own history cannot tell.
"""

import math
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from patrol.vision.quality.image_views import CELL_COLUMNS, CELL_ROWS, U8
from patrol.vision.quality.percentiles import percentile

WIDTH_PX: Final = 480  # the slopes are per pixel of this width
LEAST_WIDTH_PX: Final = 300  # fewer pixels cannot show the slopes that are asked about
WINDOW: Final = 0.018  # of the width: the height of an edge is the range of levels in it
TALL: Final = 30  # grey levels of an edge that stands out of noise and compression
STEEPEST: Final = 95  # percentile of the slopes in a cell
CELLS_KEPT: Final = 90  # percentile of the cells
ENOUGH_PX: Final = 60  # of tall edges, in a cell that counts
ENOUGH_CELLS: Final = 4


def edge_slope(luma: U8) -> float:
    """The slope of the steep edges, share of their height a pixel of WIDTH_PX; NaN without any.

    The upper and the lower row of cells are left out: burnt-in text is always sharp.
    """
    longer = max(luma.shape)
    if longer < LEAST_WIDTH_PX:
        return math.nan
    scale = min(1.0, WIDTH_PX / longer)
    size = (round(luma.shape[1] * scale), round(luma.shape[0] * scale))
    small = np.asarray(cv2.resize(luma, size, interpolation=cv2.INTER_AREA), np.uint8)
    slopes = _slopes(small)
    height, width = small.shape
    steepest = [
        _steepest(
            slopes[
                row * height // CELL_ROWS : (row + 1) * height // CELL_ROWS,
                column * width // CELL_COLUMNS : (column + 1) * width // CELL_COLUMNS,
            ]
        )
        for row in range(1, CELL_ROWS - 1)
        for column in range(CELL_COLUMNS)
    ]
    known = np.array([slope for slope in steepest if math.isfinite(slope)], np.float32)
    if len(known) < ENOUGH_CELLS:
        return math.nan
    steep: float = percentile(known, CELLS_KEPT) * max(size) / WIDTH_PX
    return steep


def _slopes(small: U8) -> NDArray[np.float32]:
    """Each pixel's step to its neighbours over the range of levels around it; 0: no tall edge."""
    steps = np.zeros_like(small)
    steps[:, :-1] = cv2.absdiff(small[:, 1:], small[:, :-1])
    steps[:-1] = np.maximum(steps[:-1], cv2.absdiff(small[1:], small[:-1]))
    side = max(5, round(WINDOW * max(small.shape)) | 1)
    around = cv2.morphologyEx(small, cv2.MORPH_GRADIENT, np.ones((side, side), np.uint8))
    tall = around >= TALL
    return np.where(tall, steps / np.maximum(around, 1, dtype=np.float32), 0).astype(np.float32)


def _steepest(slopes: NDArray[np.float32]) -> float:
    known = slopes[slopes > 0]
    return percentile(known, STEEPEST) if known.size >= ENOUGH_PX else math.nan
