"""Measure how far the whole view moved between two pictures of a visit: a pole that sways.

A camera on a sound mount shows the same view seconds later, whatever moves in it. Phase correlation
(Kuglin and Hines, 1975) finds the one shift that most of the picture agrees on; a lorry or a cloud
moves a part of it, so the shift must bring back three of four parts in which there is anything to
see. Lengths are shares of the picture's width. Measures only; used by reencoding.py.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from patrol.vision.quality.image_views import U8

WIDTH_PX: Final = 256
SLOW_PX: Final = 15  # light that varies more slowly is taken out
ROWS, COLUMNS = 3, 4  # parts of the picture that are asked one by one
TEXTURED: Final = 3.0  # mean absolute detail of a part in which a shift can be seen
BROUGHT_BACK: Final = 0.75  # of the part's difference is left at most, once it is shifted back
ENOUGH_PARTS: Final = 5  # with texture
AGREEING: Final = 0.75  # of them
LEAST_PX: Final = 0.4  # less cannot be told from noise
LARGEST: Final = 0.12  # of the width; more of it is another view, which scene_shift tells


def view_shift(first: U8, second: U8) -> float:
    """The shift of the whole view, share of the width; 0 where no single one is agreed on."""
    if first.shape != second.shape:
        return 0.0
    one, other = (_detail(luma) for luma in (first, second))
    window = cv2.createHanningWindow((one.shape[1], one.shape[0]), cv2.CV_32F)
    (dx, dy), _ = cv2.phaseCorrelate(one, other, window)
    away = float(np.hypot(dx, dy))
    if not LEAST_PX <= away <= LARGEST * WIDTH_PX:
        return 0.0
    back = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
    size = (one.shape[1], one.shape[0])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    returned = cv2.warpAffine(other, back, size, flags=flags, borderMode=cv2.BORDER_REFLECT)
    return away / one.shape[1] if _agreed(one, other, np.asarray(returned, np.float32)) else 0.0


def _detail(luma: U8) -> NDArray[np.float32]:
    height = max(32, round(luma.shape[0] * WIDTH_PX / luma.shape[1]))
    small = cv2.resize(luma, (WIDTH_PX, height), interpolation=cv2.INTER_AREA).astype(np.float32)
    return np.asarray(small - cv2.blur(small, (SLOW_PX, SLOW_PX)), np.float32)


def _agreed(
    one: NDArray[np.float32], other: NDArray[np.float32], returned: NDArray[np.float32]
) -> bool:
    """Whether nearly all parts with texture become alike by the shift."""
    shown = alike = 0
    for here, there, back in zip(*map(_parts, (one, other, returned)), strict=True):
        if float(np.abs(here).mean()) < TEXTURED:
            continue
        shown += 1
        before, after = (float(np.abs(here - later).mean()) for later in (there, back))
        alike += after <= BROUGHT_BACK * before
    return shown >= ENOUGH_PARTS and alike >= AGREEING * shown


def _parts(detail: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """The picture in ROWS × COLUMNS parts."""
    return [
        part
        for band in np.array_split(detail, ROWS, axis=0)
        for part in np.array_split(band, COLUMNS, axis=1)
    ]
