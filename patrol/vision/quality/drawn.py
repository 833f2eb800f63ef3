"""Tell a drawn slide on a gradient from a scene: its ground is the sum of a row and a column.

A channel's emblem, a "no signal" slide or a test pattern stands on one colour, on bars or on a
gradient. What a drawing program fills changes by height alone, by width alone, or by both at once,
to the grey level; light on real things, with a sensor's grain, does so nowhere over most of a
picture, not even over a wall or a sheet before the lens. So the middle level of each row and of
each column is taken away in turn (median polish), and what is left is counted. Used by
exposure_checks.py at first visits; later ones find the same picture again (stream_checks.py).
"""

from typing import Final

import cv2
import numpy as np

from patrol.vision.quality.image_views import U8

WIDTH_PX: Final = 96  # enough to see a ground by, and single letters are averaged away
EXPLAINED: Final = 2.0  # grey levels that compression and rounding leave
SHOWING: Final = (
    12.0,
    245.0,
)  # grey levels: black and burnt out are equal everywhere by themselves
ENOUGH_SHOWING: Final = 0.3  # of the picture


def ramp_share(luma: U8) -> float:
    """The share of what is neither black nor burnt out that lies on its row's and column's level.

    0 where too little shows. Slides, emblems and bars have 0.88 and more, photographs 0.66 at most.
    """
    height, width = luma.shape
    size = (WIDTH_PX, max(WIDTH_PX // 8, round(height * WIDTH_PX / width)))
    grey = cv2.resize(luma, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    showing = (grey > SHOWING[0]) & (grey < SHOWING[1])
    if showing.mean() < ENOUGH_SHOWING:
        return 0.0
    left = grey
    for axis in (1, 0, 1):  # an emblem moves its rows' middle along a slope; columns tell how far
        left = left - np.median(left, axis=axis, keepdims=True)
    return float((np.abs(left[showing]) <= EXPLAINED).mean())
