"""The visible area (可视区): pixels outside the agreed polygon are zeroed before anything else.

Called by the judge, the live view, thumbnails and redaction on every picture that was decoded. A
mask is drawn once per (polygon, size) and kept: 624 cameras have a few hundred polygons in a
handful of sizes, and drawing one costs more than using it. `limit_opencv_threads` stands here
because every process that masks pictures runs several judging threads side by side.
"""

import zlib
from dataclasses import replace
from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from patrol.domain.camera import Polygon
from patrol.pixels import half_size
from streams.model import BgrImage, YuvPlanes

U8 = NDArray[np.uint8]

# One town's cameras, main and small sizes each; a 1080p mask is 2 MB, so masks are kept packed, one
# bit per pixel, and compressed, which leaves some 2 kB and costs 0.2 ms on use; drawing costs 8 ms.
MASKS_KEPT: Final = 2048
BLACK: Final = {True: 0, False: 16}  # luma of black by whether levels span the full range
NO_COLOUR: Final = 128
FASTEST: Final = 1  # of zlib's levels: a mask is a few long runs


def mask_visible(bgr: BgrImage, polygon: Polygon | None) -> BgrImage:
    """Zero all pixels outside `polygon` (fractions of the picture); None: all of it was agreed.

    Works in place when the array may be written, else on a copy; returns the masked picture.
    """
    if polygon is None:
        return bgr
    picture = bgr if bgr.flags.writeable else bgr.copy()
    height, width = picture.shape[:2]
    hidden = cv2.bitwise_not(_mask(polygon, width, height))
    if picture.flags.c_contiguous:
        cv2.bitwise_xor(picture, picture, dst=picture, mask=hidden)  # x ^ x: zero, in place
    else:
        picture[hidden > 0] = 0
    return picture


def mask_visible_planes(planes: YuvPlanes, polygon: Polygon) -> YuvPlanes:
    """The planes, black and without colour outside `polygon` (fractions of the picture).

    A colour sample belongs to 2 × 2 pixels; one that any hidden pixel has a share in is taken away
    too. Works in place when the arrays may be written, else on copies.
    """
    height, width = planes.luma.shape
    hidden = np.asarray(cv2.bitwise_not(_mask(polygon, width, height)), np.uint8)
    even = cv2.copyMakeBorder(hidden, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    shared = half_size(np.asarray(even, np.uint8)) > 0
    return replace(
        planes,
        luma=_filled(planes.luma, hidden > 0, BLACK[planes.full_range]),
        cb=_filled(planes.cb, shared, NO_COLOUR),
        cr=_filled(planes.cr, shared, NO_COLOUR),
    )


def _filled(plane: U8, where: NDArray[np.bool_], level: int) -> U8:
    filled = plane if plane.flags.writeable else plane.copy()
    np.copyto(filled, np.uint8(level), where=where)
    return filled


def exact_visible_mask(polygon: Polygon | None, size_px: tuple[int, int]) -> NDArray[np.uint8]:
    """255 inside the polygon, 0 outside, for a picture of `size_px` (width, height).

    Exact to the pixel; what gauges compare away from its edge is `inner_visible_mask`.
    """
    width, height = size_px
    if polygon is None:
        return np.full((height, width), 255, np.uint8)
    return _mask(polygon, width, height)


def limit_opencv_threads() -> None:
    """One OpenCV thread for the whole process: there are as many judging threads as cores.

    With its own pool OpenCV would wake every core for a millisecond's work, in every judging thread
    at once.
    """
    cv2.setNumThreads(1)


def _mask(polygon: Polygon, width: int, height: int) -> NDArray[np.uint8]:
    packed = zlib.decompress(_compressed_mask(polygon, width, height))
    bits = np.unpackbits(np.frombuffer(packed, np.uint8), count=width * height)
    return (bits * np.uint8(255)).reshape(height, width)


@lru_cache(maxsize=MASKS_KEPT)
def _compressed_mask(polygon: Polygon, width: int, height: int) -> bytes:
    """One bit per pixel: visible when the pixel's centre lies inside (even-odd rule).

    Exact where cv2.fillPoly is not: that one also paints every pixel that an edge touches, which
    would show a seam of what the household did not agree to.
    """
    turns = np.zeros((height, width + 1), np.uint8)
    rows = np.arange(height) + 0.5
    corners = np.array(polygon, np.float64) * (width, height)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        crossed = np.flatnonzero((y0 <= rows) != (y1 <= rows))
        if crossed.size:
            x = x0 + (rows[crossed] - y0) * (x1 - x0) / (y1 - y0)
            first = np.clip(np.ceil(x - 0.5), 0, width).astype(np.intp)
            turns[crossed, first] ^= 1
    packed = np.packbits(np.bitwise_xor.accumulate(turns[:, :width], axis=1))
    return zlib.compress(packed.tobytes(), FASTEST)
