"""Two pictures of one visit prepared for the flame gauge: size, position, and what may be aflame.

Two kinds of pixels may be aflame. `coloured`: bright, red over green over blue, as most cameras
show a flame. `white hot`: the sensor at its end in a neighbourhood that glows redder than it is
green or blue, as a flame is that over-exposes the camera (a room on fire at arm's length, a camera
without an infrared filter). A white wall in the sun and a headlight have no red glow around.

A camera that drifts between the two pictures makes everything change: the last picture is moved
back by the shift of the whole, found by phase correlation, where that makes the two more alike.

The pictures are judged at two sizes, so that a fire that fills the picture shows its tongues at
the small one as a distant one does at the large. Lengths are pixels of the size at hand. Pure.
Used by flame.py and, for its limits, by flicker_gate.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from patrol.domain.camera import Polygon
from patrol.pixels import half_size
from patrol.vision.fire.types import DEFAULT_FIRE_OPTIONS, FireOptions
from patrol.vision.reference.small_picture import (
    Mask,
    as_float,
    as_u8,
    bgr_by_dtype,
    inner_visible_mask,
)
from streams.model import BgrImage

FINE_SIDE_PX: Final = 560  # longer side: a flame of 0.03 % of 16:9 still has 50 pixels
COARSE_DIVISOR: Final = 4  # the small size: a fire that fills the picture has tongues of 10–30 px
LEAST_SIDE_PX: Final = 8
BELOW_GREEN, BELOW_BLUE = 4, 14  # grey levels that noise and JPEG may turn the order round by
WHITE_RED: Final = 246  # level of red at which the sensor is at its end
WHITE_OTHERS: Final = 140  # of green and blue: below it is a red or yellow lamp's core
GLOW_SHARE: Final = 1 / 24  # of the longer side: the neighbourhood whose glow is asked for
GLOW_RED: Final = 10.0  # grey levels by which a neighbourhood glows redder than green
GLOW_BLUE: Final = 6.0  # and than blue
HARDLY_DIM: Final = 0.02  # of a neighbourhood is not white
LEAST_GLOW_PX: Final = 64  # of the shorter side: from here the glow is looked for at a quarter
DRIFT_SHARE: Final = 0.06  # of the longer side: the farthest a camera drifts in a few seconds
DRIFT_GAIN: Final = 0.9  # of the difference that is left where the shift is the true one
DRIFT_LEAST_PX: Final = 0.05  # of the small size: a fifth of a pixel of the large


@dataclass(frozen=True, eq=False)
class PicturePair:
    """Two pictures of one visit at one size, and which pixels of each may be aflame."""

    first: BgrImage
    last: BgrImage
    like_first: Mask
    like_last: Mask
    change: BgrImage  # larger of green and red, grey levels

    @cached_property
    def grey_first(self) -> BgrImage:
        """The first picture's luma."""
        return as_u8(cv2.cvtColor(self.first, cv2.COLOR_BGR2GRAY))

    @cached_property
    def grey_last(self) -> BgrImage:
        """The last picture's luma."""
        return as_u8(cv2.cvtColor(self.last, cv2.COLOR_BGR2GRAY))

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        height, width = self.change.shape[:2]
        return width, height


def flame_coloured(bgr: BgrImage, options: FireOptions = DEFAULT_FIRE_OPTIONS) -> Mask:
    """Pixels whose red is over green and green over blue, and bright."""
    blue, green, red = (bgr[:, :, channel].astype(np.int16) for channel in range(3))
    shines = (red >= options.hot_red) & (red - blue >= options.warmth)
    ordered = (red >= green - BELOW_GREEN) & (green >= blue - BELOW_BLUE)
    return np.asarray(shines & ordered, np.bool_)


def white_hot(bgr: BgrImage) -> Mask:
    """Pixels at the sensor's end in a red glow."""
    blue, green, red = cv2.split(bgr)
    bright = cv2.threshold(cv2.min(green, blue), WHITE_OTHERS - 1, 255, cv2.THRESH_BINARY)[1]
    at_end = cv2.bitwise_and(cv2.threshold(red, WHITE_RED - 1, 255, cv2.THRESH_BINARY)[1], bright)
    if not cv2.countNonZero(at_end):
        return np.zeros(red.shape, np.bool_)
    lit = _in_red_glow(half_size(half_size(bgr)) if min(bgr.shape[:2]) >= LEAST_GLOW_PX else bgr)
    height, width = red.shape
    lit = as_u8(cv2.resize(lit, (width, height), interpolation=cv2.INTER_NEAREST))
    return np.asarray(cv2.bitwise_and(at_end, lit) > 0, np.bool_)


def _in_red_glow(bgr: BgrImage) -> BgrImage:
    """255 where what is not white around glows red, and in the white that such places enclose."""
    blue, green, red = (as_float(plane) for plane in cv2.split(bgr))
    dim = (red < WHITE_RED).astype(np.float32)
    side = max(3, round(GLOW_SHARE * max(bgr.shape[:2])) | 1)
    share = as_float(cv2.blur(dim, (side, side)))
    share_or_little = np.maximum(share, 1e-3)
    over_green = as_float(cv2.blur((red - green) * dim, (side, side))) / share_or_little
    over_blue = as_float(cv2.blur((red - blue) * dim, (side, side))) / share_or_little
    rim = ((over_green >= GLOW_RED) & (over_blue >= GLOW_BLUE)).astype(np.uint8) * 255
    # Deep inside a large white core nothing dim is near: it belongs to the rim beside it.
    deep = (share < HARDLY_DIM).astype(np.uint8) * 255
    touching = cv2.dilate(as_u8(rim), np.ones((side, side), np.uint8))
    return as_u8(cv2.bitwise_or(as_u8(rim), cv2.bitwise_and(deep, touching)))


def may_be_aflame(bgr: BgrImage, options: FireOptions = DEFAULT_FIRE_OPTIONS) -> Mask:
    """Pixels of either kind."""
    return np.asarray(flame_coloured(bgr, options) | white_hot(bgr), np.bool_)


def picture_pairs(
    pictures: Sequence[NDArray[np.generic]], visible: Polygon | None, options: FireOptions
) -> tuple[PicturePair, ...]:
    """The first and the last picture at both sizes; nothing where they differ in shape."""
    first, last = flame_size(pictures[0]), flame_size(pictures[-1])
    if first.shape != last.shape:
        return ()
    small = quarter_size(first), quarter_size(last)
    moved = undrifted(first, last, small)
    if moved is not last:
        last, small = moved, (small[0], quarter_size(moved))
    pairs = []
    for one, other in ((first, last), small):
        likes = [may_be_aflame(picture, options) for picture in (one, other)]
        where = inner_visible_mask((one.shape[1], one.shape[0]), visible)
        if where is not None:
            likes = [like & where for like in likes]
        _, green, red = cv2.split(cv2.absdiff(one, other))
        pairs.append(PicturePair(one, other, likes[0], likes[1], as_u8(cv2.max(green, red))))
    return tuple(pairs)


def flame_size(picture: NDArray[np.generic]) -> BgrImage:
    """Any picture at the fine size."""
    bgr = bgr_by_dtype(picture)
    while max(bgr.shape[:2]) >= 2 * FINE_SIDE_PX:
        if min(bgr.shape[:2]) // 2 < LEAST_SIDE_PX:
            break
        bgr = half_size(bgr)
    height, width = bgr.shape[:2]
    scale = FINE_SIDE_PX / max(height, width)
    size = (max(LEAST_SIDE_PX, round(width * scale)), max(LEAST_SIDE_PX, round(height * scale)))
    return as_u8(cv2.resize(bgr, size, interpolation=cv2.INTER_LINEAR))


def undrifted(first: BgrImage, last: BgrImage, small: tuple[BgrImage, BgrImage]) -> BgrImage:
    """The last picture moved back onto the first; itself where no shift makes them more alike.

    `small`: both at a smaller size, in which the shift is looked for.
    """
    scale = small[0].shape[1] / first.shape[1]
    one, other = (as_float(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)) for picture in small)
    window = as_float(cv2.createHanningWindow((one.shape[1], one.shape[0]), cv2.CV_32F))
    (x, y), _response = cv2.phaseCorrelate(one, other, window)
    far = max(abs(x), abs(y))
    if not np.isfinite(far) or not DRIFT_LEAST_PX <= far <= DRIFT_SHARE * max(one.shape):
        return last
    back = _moved(last, -x / scale, -y / scale)
    edge = 1 + int(np.ceil(far / scale))
    inner = (slice(edge, -edge), slice(edge, -edge))
    if first[inner].size == 0:
        return last
    # Half a pixel shows in fine leaves and corals at the full size alone.
    before = float(cv2.absdiff(first[inner], last[inner]).mean())
    after = float(cv2.absdiff(first[inner], back[inner]).mean())
    return back if after < DRIFT_GAIN * before else last


def _moved(picture: BgrImage, x: float, y: float) -> BgrImage:
    height, width = picture.shape[:2]
    matrix = np.array([[1, 0, x], [0, 1, y]], np.float32)
    moved = cv2.warpAffine(picture, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return as_u8(moved)


def quarter_size(picture: BgrImage) -> BgrImage:
    """A quarter of either side; itself where nothing would be left of it."""
    if min(picture.shape[:2]) < COARSE_DIVISOR * LEAST_SIDE_PX:
        return picture
    return half_size(half_size(picture))
