"""Hide for good: a few mean colours instead of what was there, blurred into each other.

A blur alone can be undone and a fine mosaic of a plate can be guessed by trying all numbers; of a
face two or three cells in each direction remain here, of a plate one across its height.

One picture on its way out: look, hide, cut, mark, encode. Pure over arrays.
"""

from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Final

import cv2
import numpy as np

from patrol.domain.observation import Box
from patrol.vision.redaction.find_private import (
    CropBox,
    PrivacyDetectors,
    PrivateRegions,
    crop_around,
    find_private,
    grown_crop,
)
from patrol.vision.redaction.watermark import Watermark, watermarked
from streams.model import BgrImage

FACE_GROWS: Final = 0.3  # of its sides, on each side: hair, chin, and a box that sits a little off
PLATE_GROWS: Final = 0.15
FACE_CELLS: Final = 4  # across the shorter side of the grown box: two or three on the face itself
PLATE_CELLS: Final = 1
LEAST_PX: Final = 6  # a smaller region is hidden as one of this size
COARSE_PX: Final = 64  # across a whole picture: a face of an eighth of its width has 8


def pixelate(bgr: BgrImage, box: Box, *, grow: float, cells: int) -> None:
    """Overwrite the box, grown by `grow` of its sides, in place."""
    grown_box = _grown_crop(box, grow, bgr)
    patch = bgr[grown_box.top : grown_box.low, grown_box.left : grown_box.right]
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
    blur_px = int(cell) | 1
    patch[:] = cv2.blur(mosaic, (blur_px, blur_px))


def coarsened(bgr: BgrImage, window: CropBox, size: tuple[int, int]) -> BgrImage:
    """The window of a picture that has `COARSE_PX` across, at a `size` that can be looked at."""
    scale = COARSE_PX / bgr.shape[1]
    few = (max(1, round(window.width * scale)), max(1, round(window.height * scale)))
    piece = np.ascontiguousarray(bgr[window.top : window.low, window.left : window.right])
    small = cv2.resize(piece, few, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def _grown_crop(box: Box, grow: float, bgr: BgrImage) -> CropBox:
    height, width = bgr.shape[:2]
    x, y, wide, high = box[0] * width, box[1] * height, box[2] * width, box[3] * height
    more_x = max(grow * wide, (LEAST_PX - wide) / 2)
    more_y = max(grow * high, (LEAST_PX - high) / 2)
    return CropBox(
        min(width, max(0, int(x - more_x))),
        min(height, max(0, int(y - more_y))),
        max(0, min(width, int(x + wide + more_x) + 1)),
        max(0, min(height, int(y + high + more_y) + 1)),
    )


WIDEST_PX: Final = 960  # as sent: a phone's screen, and fewer pixels to be wrong about
NARROWEST_PX: Final = 520  # enlarged to this, so that the mark can be read
TALLEST_PX: Final = 1440
COARSE_WIDTH_PX: Final = 640
QUALITY: Final = 80


class RedactionMode(StrEnum):
    """What was done to it."""

    BLURRED = auto()  # faces, heads and plates hidden
    COARSE = auto()  # a model was missing: nobody can be known in any of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Redacted:
    """A picture that may leave."""

    jpeg: bytes
    mode: RedactionMode
    hidden: int = 0  # places


def redact(
    jpeg: bytes, box: Box | None, watermark: Watermark, detectors: PrivacyDetectors | None
) -> Redacted:
    """What may leave of a stored picture. Raises ValueError: not a picture."""
    bgr = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    if bgr is None:
        raise ValueError("not a picture")
    picture = np.asarray(bgr, np.uint8)
    height, width = picture.shape[:2]
    window = crop_around(box, width, height)
    if detectors is None:
        coarse = coarsened(picture, window, _size(window, COARSE_WIDTH_PX))
        return Redacted(
            jpeg=_encoded(watermarked(coarse, watermark, coarse=True)), mode=RedactionMode.COARSE
        )
    size = _size(window, min(max(window.width, NARROWEST_PX), WIDEST_PX))
    found = find_private(
        picture, grown_crop(window, width, height), detectors, sent_scale=size[0] / window.width
    )
    hidden = pixelate_all(picture, found)
    piece = picture[window.top : window.low, window.left : window.right]
    sent = np.asarray(cv2.resize(piece, size, interpolation=cv2.INTER_LINEAR), np.uint8)
    done = _encoded(watermarked(sent, watermark, coarse=False))
    return Redacted(jpeg=done, mode=RedactionMode.BLURRED, hidden=hidden)


def pixelate_all(picture: BgrImage, found: PrivateRegions) -> int:
    """Hide every place, in place; how many there were."""
    for box in found.heads:
        pixelate(picture, box, grow=0.0, cells=FACE_CELLS)
    for box in found.faces:  # after the heads: no edge of theirs is left on a face
        pixelate(picture, box, grow=FACE_GROWS, cells=FACE_CELLS)
    for box in found.plates:
        pixelate(picture, box, grow=PLATE_GROWS, cells=PLATE_CELLS)
    return len(found.faces) + len(found.heads) + len(found.plates)


def _size(window: CropBox, width_px: int) -> tuple[int, int]:
    """Width and height of the window as sent; a tall one becomes narrower than wished."""
    scale = min(width_px / window.width, TALLEST_PX / window.height)
    return max(1, round(window.width * scale)), max(1, round(window.height * scale))


def _encoded(bgr: BgrImage) -> bytes:
    """A JPEG without metadata: OpenCV writes none."""
    done, jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not done:
        raise ValueError(f"not a picture: {bgr.shape}")
    return bytes(jpeg)
