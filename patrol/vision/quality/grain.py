"""Noise that single pixels do not show: blotches, and colour speckle.

A cheap sensor at night, its picture enlarged or smoothed by its own processor, has grain two and
more pixels wide; a bad cable speckles the colours and leaves luma alone. Both are estimated on the
mini planes after Immerkær, as in detail.py, in the calm quarter of the cells. Single large
responses (snow flakes, edges) count no more than strong noise would.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from patrol.vision.quality.detail import IMMERKAER_TO_SIGMA, percentile
from patrol.vision.quality.view import U8, PictureView, cell_means

ROOMY_PX: Final = 400  # of the small copy: in a smaller picture leaves are as wide as blotches
MOST: Final = 150  # of the response: noise of sigma 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Grain:
    """Sigmas on the mini planes, 0..255 levels."""

    coarse: float  # of luma
    speckle: float  # of the noisier colour difference


def measure_grain(view: PictureView) -> Grain:
    """Both. Chroma is sampled, not averaged, when the mini planes are made: it keeps its noise."""
    roomy = max(view.luma.shape) >= ROOMY_PX
    return Grain(
        coarse=_calm(view.mini_luma, view) if roomy else 0.0,
        speckle=max(_calm(view.mini_cr, view), _calm(view.mini_cb, view)),
    )


def _calm(plane: U8, view: PictureView) -> float:
    response = cv2.convertScaleAbs(cv2.Sobel(plane, cv2.CV_16S, 2, 2, ksize=3))
    cells = cell_means(np.asarray(cv2.threshold(response, MOST, 0, cv2.THRESH_TRUNC)[1], np.uint8))
    calm = percentile(cells[view.cells], 25)
    return calm * IMMERKAER_TO_SIGMA
