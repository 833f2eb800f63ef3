"""A coarse test before the flame gauge: whether anything that may be aflame changes at all.

Most visits to most cameras show nothing that is both as bright and red as a flame and another
between the two pictures; they need none of the gauge's work. The limits are the gauge's own, eased
by MARGIN for what it moves back and averages, on pictures of its larger size: where the mean of
some pixels is beyond a limit, one of them is. White counts where something near glows red
(flame_pair.py). Used by detect.py. Pure.
"""

from typing import Final

import cv2
import numpy as np

from patrol.vision.fire.flame_features import CHANGED
from patrol.vision.fire.flame_pair import GLOW_RED, GLOW_SHARE, WHITE_RED
from patrol.vision.fire.types import FireOptions
from patrol.vision.reference.small_picture import as_u8
from streams.model import BgrImage

MARGIN: Final = 8.0  # grey levels by which every limit is eased
NEAR: Final = np.ones((5, 5), np.uint8)  # the change lies this near to what may be aflame, px
LEAST_SHARE: Final = 0.5  # of the least area that the gauge looks at


def may_flicker(first: BgrImage, last: BgrImage, options: FireOptions) -> bool:
    """Whether two BGR pictures of the gauge's size show enough that may be aflame, and changes.

    True where they differ in size: then it is the gauge's to say.
    """
    if first.shape != last.shape:
        return True
    _, green, red = cv2.split(cv2.absdiff(first, last))
    changed = _over(cv2.blur(cv2.max(green, red), (3, 3)), CHANGED - MARGIN)
    least = LEAST_SHARE * options.min_area * changed.size
    if cv2.countNonZero(changed) < least:
        return False
    aflame = cv2.bitwise_or(_may_be_aflame(first, options), _may_be_aflame(last, options))
    return cv2.countNonZero(cv2.bitwise_and(aflame, cv2.dilate(changed, NEAR))) >= least


def _may_be_aflame(bgr: BgrImage, options: FireOptions) -> BgrImage:
    blue, green, red = cv2.split(bgr)
    warm = _over(cv2.subtract(red, blue), options.warmth - MARGIN)
    coloured = cv2.bitwise_and(warm, _over(red, options.hot_red - MARGIN))
    white = _over(red, WHITE_RED - MARGIN)
    if not cv2.countNonZero(white):
        return as_u8(coloured)
    glows = _over(cv2.subtract(red, green), GLOW_RED / 2)
    side = round(GLOW_SHARE * max(bgr.shape[:2])) | 1
    near = cv2.blur(glows, (side, side))  # any of it within half a side: blurred it is not zero
    return as_u8(cv2.bitwise_or(coloured, cv2.bitwise_and(white, _over(near, 0))))


def _over(plane: object, limit: float) -> BgrImage:
    return as_u8(cv2.threshold(as_u8(plane), limit, 255, cv2.THRESH_BINARY)[1])
