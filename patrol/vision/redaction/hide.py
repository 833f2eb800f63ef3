"""Hide for good: a few mean colours instead of what was there, blurred into each other.

A blur alone can be undone and a fine mosaic of a plate can be guessed by trying all numbers; of a
face two or three cells in each direction remain here, of a plate one across its height.
"""

from typing import Final

import cv2
import numpy as np

from patrol.domain.observation import Box
from patrol.vision.redaction.window import Window
from streams.model import BgrImage

FACE_GROWS: Final = 0.3  # of its sides, on each side: hair, chin, and a box that sits a little off
PLATE_GROWS: Final = 0.15
FACE_CELLS: Final = 4  # across the shorter side of the grown box: two or three on the face itself
PLATE_CELLS: Final = 1
LEAST_PX: Final = 6  # a smaller region is hidden as one of this size
COARSE_PX: Final = 64  # across a whole picture: a face of an eighth of its width has 8


def hide(bgr: BgrImage, box: Box, *, grow: float, cells: int) -> None:
    """Overwrite the box, grown by `grow` of its sides, in place."""
    place = _grown(box, grow, bgr)
    patch = bgr[place.top : place.low, place.left : place.right]
    height, width = patch.shape[:2]
    if not (height and width):
        return
    cell = max(min(height, width) / cells, 1.0)
    few = (max(1, round(width / cell)), max(1, round(height / cell)))
    mosaic = cv2.resize(
        cv2.resize(patch, few, interpolation=cv2.INTER_AREA),
        (width, height),
        interpolation=cv2.INTER_NEAREST,
    )
    reach = int(cell) | 1
    patch[:] = cv2.blur(mosaic, (reach, reach))


def coarsened(bgr: BgrImage, window: Window, size: tuple[int, int]) -> BgrImage:
    """The window of a picture that has `COARSE_PX` across, at a `size` that can be looked at."""
    scale = COARSE_PX / bgr.shape[1]
    few = (max(1, round(window.width * scale)), max(1, round(window.height * scale)))
    piece = np.ascontiguousarray(bgr[window.top : window.low, window.left : window.right])
    small = cv2.resize(piece, few, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def _grown(box: Box, grow: float, bgr: BgrImage) -> Window:
    height, width = bgr.shape[:2]
    x, y, wide, high = box[0] * width, box[1] * height, box[2] * width, box[3] * height
    more_x = max(grow * wide, (LEAST_PX - wide) / 2)
    more_y = max(grow * high, (LEAST_PX - high) / 2)
    return Window(
        min(width, max(0, int(x - more_x))),
        min(height, max(0, int(y - more_y))),
        max(0, min(width, int(x + wide + more_x) + 1)),
        max(0, min(height, int(y + high + more_y) + 1)),
    )
