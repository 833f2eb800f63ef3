"""Redact one stored picture: find what is private, hide it for good, crop, mark, encode. Pure.

What is hidden is overwritten by a few mean colours blurred into each other. A blur alone can be
undone and a fine mosaic of a plate can be guessed by trying all numbers; of a face two or three
cells in each direction remain here, of a plate one across its height. Called by
patrol/app/redaction.py whenever a picture leaves the centre.
"""

from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Final

import cv2
import numpy as np

from patrol.domain.observation import Box
from patrol.pixels import decode_jpeg, encode_jpeg
from patrol.vision.geometry import PixelRect
from patrol.vision.redaction.find_private import (
    PrivacyDetectors,
    PrivateRegions,
    crop_around,
    find_private,
    searched_around,
)
from patrol.vision.redaction.watermark import Watermark, watermarked
from streams.model import BgrImage

FACE_GROWS: Final = 0.3  # of its sides, on each side: hair, chin, and a box that sits a little off
PLATE_GROWS: Final = 0.15
FACE_CELLS: Final = 4  # across the shorter side of the grown box: two or three on the face itself
PLATE_CELLS: Final = 1
LEAST_PX: Final = 6  # a smaller region is hidden as one of this size
COARSE_PX: Final = 64  # across a whole picture: a face of an eighth of its width has 8
WIDEST_PX: Final = 960  # as sent: a phone's screen, and fewer pixels to be wrong about
NARROWEST_PX: Final = 520  # enlarged to this, so that the mark can be read
TALLEST_PX: Final = 1440
COARSE_WIDTH_PX: Final = 640
QUALITY: Final = 80


class RedactionMode(StrEnum):
    """How a picture was made fit to leave."""

    BLURRED = auto()  # faces, heads and plates are hidden
    COARSE = auto()  # a model was missing: nobody can be recognised anywhere in it


@dataclass(frozen=True, slots=True, kw_only=True)
class Redacted:
    """A picture that may leave the centre."""

    jpeg: bytes
    mode: RedactionMode
    hidden: int = 0  # number of regions


def redact(
    jpeg: bytes, box: Box | None, watermark: Watermark, detectors: PrivacyDetectors | None
) -> Redacted:
    """What may leave of a stored picture; without `box` all of it, without `detectors` coarsened.

    `box`: the finding, in fractions of the picture. Raises ValueError: not a picture.
    """
    picture = decode_jpeg(jpeg)
    if picture is None:
        raise ValueError("not a picture")
    height, width = picture.shape[:2]
    crop = crop_around(box, width, height)
    if detectors is None:
        coarse = coarsened(picture, crop, _sent_size(crop, COARSE_WIDTH_PX))
        return Redacted(
            jpeg=encode_jpeg(watermarked(coarse, watermark, coarse=True), QUALITY),
            mode=RedactionMode.COARSE,
        )
    size = _sent_size(crop, min(max(crop.width, NARROWEST_PX), WIDEST_PX))
    found = find_private(
        picture, searched_around(crop, width, height), detectors, sent_scale=size[0] / crop.width
    )
    hidden = pixelate_all(picture, found)
    sent = np.asarray(cv2.resize(crop.cut(picture), size, interpolation=cv2.INTER_LINEAR), np.uint8)
    done = encode_jpeg(watermarked(sent, watermark, coarse=False), QUALITY)
    return Redacted(jpeg=done, mode=RedactionMode.BLURRED, hidden=hidden)


def pixelate_all(picture: BgrImage, found: PrivateRegions) -> int:
    """Hide every region in the array itself; the number of regions."""
    for box in found.heads:
        pixelate(picture, box, grow=0.0, cells=FACE_CELLS)
    for box in found.faces:  # after the heads: no edge of theirs is left on a face
        pixelate(picture, box, grow=FACE_GROWS, cells=FACE_CELLS)
    for box in found.plates:
        pixelate(picture, box, grow=PLATE_GROWS, cells=PLATE_CELLS)
    return len(found.faces) + len(found.heads) + len(found.plates)


def pixelate(bgr: BgrImage, box: Box, *, grow: float, cells: int) -> None:
    """Overwrite the box, grown by `grow` of its sides, in the array itself.

    `cells`: mean colours left across its shorter side.
    """
    patch = _grown_rect(box, grow, bgr).cut(bgr)
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


def coarsened(bgr: BgrImage, crop: PixelRect, size: tuple[int, int]) -> BgrImage:
    """The crop of a picture reduced to COARSE_PX across, enlarged to `size` (width, height)."""
    scale = COARSE_PX / bgr.shape[1]
    few = (max(1, round(crop.width * scale)), max(1, round(crop.height * scale)))
    piece = np.ascontiguousarray(crop.cut(bgr))
    small = cv2.resize(piece, few, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def _sent_size(crop: PixelRect, width_px: int) -> tuple[int, int]:
    """Width and height of the crop as sent; a tall one becomes narrower than `width_px`."""
    scale = min(width_px / crop.width, TALLEST_PX / crop.height)
    return max(1, round(crop.width * scale)), max(1, round(crop.height * scale))


def _grown_rect(box: Box, grow: float, bgr: BgrImage) -> PixelRect:
    height, width = bgr.shape[:2]
    x, y, wide, high = box[0] * width, box[1] * height, box[2] * width, box[3] * height
    more_x = max(grow * wide, (LEAST_PX - wide) / 2)
    more_y = max(grow * high, (LEAST_PX - high) / 2)
    return PixelRect(
        min(width, max(0, int(x - more_x))),
        min(height, max(0, int(y - more_y))),
        max(0, min(width, int(x + wide + more_x) + 1)),
        max(0, min(height, int(y + high + more_y) + 1)),
    )
