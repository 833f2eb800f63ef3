"""The small picture in which scenes are remembered and compared.

Every picture is brought to about 57,600 pixels (320×180 at 16:9), whatever its size, so that a
main and a sub stream of one camera have the same raster. At that size a new object of 2 % of the
frame is still 34 pixels square, sensor noise is averaged away (36 pixels of 1080p into one), and
an 8-pixel shift of the camera is a little over one pixel.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from patrol.domain.camera import Polygon
from patrol.pixels import PicturePyramid
from streams.model import BgrImage

SMALL_PIXELS = 320 * 180
PLENTY = 4  # rows of the picture for one of the working picture
MAX_ASPECT = 4.0  # more extreme shapes are squeezed to it; the boxes are fractions, so they survive
CHANNELS = 3
ANY_DEPTH = {np.dtype(np.uint16): 1 / 257.0, np.dtype(np.bool_): 255.0}
NORMAL_WINDOW = 15  # px; light that varies more slowly than this is taken out

Float = NDArray[np.float32]
Mask = NDArray[np.bool_]
ScenePicture = NDArray[np.generic] | PicturePyramid


@dataclass(frozen=True, eq=False)
class SmallPicture:
    """A picture at working size, with what is derived from it computed once."""

    bgr: BgrImage

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        height, width = self.bgr.shape[:2]
        return width, height

    @cached_property
    def grey(self) -> Float:
        """Luma, 0..255."""
        return as_float(cv2.cvtColor(self.bgr, cv2.COLOR_BGR2GRAY))

    @cached_property
    def smooth(self) -> Float:
        """Colours over 5 × 5 pixels: single pixels have too much noise to have a colour."""
        return as_float(cv2.blur(self.bgr, (5, 5)))

    @cached_property
    def coarse(self) -> Float:
        """The same at half size."""
        width, height = self.size
        half = (max(1, width // 2), max(1, height // 2))
        small = cv2.resize(self.bgr, half, interpolation=cv2.INTER_AREA)
        return as_float(cv2.blur(small, (3, 3)))

    @cached_property
    def texture(self) -> BgrImage:
        """Grey with slow light and local contrast taken out: what alignment looks at."""
        window = (NORMAL_WINDOW, NORMAL_WINDOW)
        detail = self.grey - cv2.blur(self.grey, window)
        spread = np.sqrt(np.maximum(as_float(cv2.blur(detail * detail, window)), 0.0)) + 6.0
        return np.clip(detail / spread * 42.0 + 128.0, 0, 255).astype(np.uint8)


def as_u8(array: object) -> BgrImage:
    """For the type checker, and a guard: cv2 answers with "some numbers"; copies nothing."""
    return np.asarray(array, np.uint8)


def as_float(array: object) -> Float:
    """The same for 32-bit floats."""
    return np.asarray(array, np.float32)


def bgr_by_dtype(picture: NDArray[np.generic]) -> BgrImage:
    """Any picture (grey, with alpha, 16 bit, float 0..255) as 8-bit BGR, scaled by its type alone.

    Raises ValueError: not a picture. (The quality gauges scale by the brightest value:
    `bgr_by_peak`.)
    """
    array = np.asarray(picture)
    if array.ndim not in (2, 3) or array.size == 0:
        raise ValueError(f"not a picture: shape {array.shape}")
    if array.dtype != np.uint8:
        scaled = np.nan_to_num(array.astype(np.float32)) * ANY_DEPTH.get(array.dtype, 1.0)
        array = np.clip(scaled, 0, 255).astype(np.uint8)
    if array.ndim == CHANNELS - 1 or array.shape[2] == 1:
        return as_u8(cv2.cvtColor(as_u8(np.ascontiguousarray(array)), cv2.COLOR_GRAY2BGR))
    return as_u8(np.ascontiguousarray(array[:, :, :CHANNELS]))


def small_picture_size(width: int, height: int) -> tuple[int, int]:
    """(width, height) of the working picture for a picture of this shape."""
    aspect = min(max(width / height, 1 / MAX_ASPECT), MAX_ASPECT)
    tall = math.sqrt(SMALL_PIXELS / aspect)
    return max(16, round(tall * aspect)), max(16, round(tall))


def small_picture(picture: ScenePicture) -> SmallPicture:
    """Bring a picture to working size. Raises ValueError when it is none."""
    if isinstance(picture, PicturePyramid):
        return _of_pyramid(picture)
    bgr = bgr_by_dtype(picture)
    height, width = bgr.shape[:2]
    size = small_picture_size(width, height)
    shrink = width >= size[0] and height >= size[1]
    how = cv2.INTER_AREA if shrink else cv2.INTER_LINEAR
    if height >= PLENTY * size[1]:
        bgr = bgr[::2]  # half of the rows average the noise away as well, at half the cost
    return SmallPicture(as_u8(cv2.resize(bgr, size, interpolation=how)))


def medium_bgr(picture: ScenePicture) -> NDArray[np.generic]:
    """A pyramid's picture of medium size; any other picture as it is."""
    return picture.medium if isinstance(picture, PicturePyramid) else picture


def whole_bgr(picture: ScenePicture) -> BgrImage:
    """The whole picture as 8-bit BGR. Raises ValueError when it is none."""
    return picture.bgr if isinstance(picture, PicturePyramid) else bgr_by_dtype(picture)


def _of_pyramid(pyramid: PicturePyramid) -> SmallPicture:
    size = small_picture_size(*pyramid.size_px)
    height, width = pyramid.medium.shape[:2]
    if width >= size[0] and height >= size[1]:
        return SmallPicture(pyramid.shrunk(size))
    return SmallPicture(as_u8(cv2.resize(pyramid.medium, size, interpolation=cv2.INTER_LINEAR)))


def inner_visible_mask(
    size: tuple[int, int], visible: Polygon | None, ignore: Sequence[Polygon] = ()
) -> Mask | None:
    """Pixels to compare, a little inside the visible area's border; None: all of them."""
    if visible is None and not ignore:
        return None
    width, height = size
    mask = np.full((height, width), 255 if visible is None else 0, np.uint8)
    if visible is not None:
        cv2.fillPoly(mask, [_corners_px(visible, size)], 255)
        mask = as_u8(cv2.erode(mask, np.ones((7, 7), np.uint8)))
    for polygon in ignore:
        cv2.fillPoly(mask, [_corners_px(polygon, size)], 0)
    return mask > 0


def _corners_px(polygon: Polygon, size: tuple[int, int]) -> NDArray[np.int32]:
    width, height = size
    return np.array([(x * width, y * height) for x, y in polygon]).round().astype(np.int32)
