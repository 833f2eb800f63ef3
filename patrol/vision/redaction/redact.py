"""One picture on its way out: look, hide, cut, mark, encode. Pure over arrays."""

from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Final

import cv2
import numpy as np

from patrol.domain.observation import Box
from patrol.vision.redaction.hide import (
    FACE_CELLS,
    FACE_GROWS,
    PLATE_CELLS,
    PLATE_GROWS,
    coarsened,
    hide,
)
from patrol.vision.redaction.look import Finders, Found, look
from patrol.vision.redaction.mark import Mark, marked
from patrol.vision.redaction.window import Window, cut_around, grown
from streams.model import BgrImage

WIDEST_PX: Final = 960  # as sent: a phone's screen, and fewer pixels to be wrong about
NARROWEST_PX: Final = 520  # enlarged to this, so that the mark can be read
TALLEST_PX: Final = 1440
COARSE_WIDTH_PX: Final = 640
QUALITY: Final = 80


class How(StrEnum):
    """What was done to it."""

    BLURRED = auto()  # faces, heads and plates hidden
    COARSE = auto()  # a model was missing: nobody can be known in any of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Redacted:
    """A picture that may leave."""

    jpeg: bytes
    how: How
    hidden: int = 0  # places


def redact(jpeg: bytes, box: Box | None, mark: Mark, finders: Finders | None) -> Redacted:
    """What may leave of a stored picture. Raises ValueError: not a picture."""
    bgr = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    if bgr is None:
        raise ValueError("not a picture")
    picture = np.asarray(bgr, np.uint8)
    height, width = picture.shape[:2]
    window = cut_around(box, width, height)
    if finders is None:
        coarse = coarsened(picture, window, _size(window, COARSE_WIDTH_PX))
        return Redacted(jpeg=_encoded(marked(coarse, mark, coarse=True)), how=How.COARSE)
    size = _size(window, min(max(window.width, NARROWEST_PX), WIDEST_PX))
    found = look(picture, grown(window, width, height), finders, sent_scale=size[0] / window.width)
    hidden = hide_all(picture, found)
    piece = picture[window.top : window.low, window.left : window.right]
    sent = np.asarray(cv2.resize(piece, size, interpolation=cv2.INTER_LINEAR), np.uint8)
    done = _encoded(marked(sent, mark, coarse=False))
    return Redacted(jpeg=done, how=How.BLURRED, hidden=hidden)


def hide_all(picture: BgrImage, found: Found) -> int:
    """Hide every place, in place; how many there were."""
    for box in found.heads:
        hide(picture, box, grow=0.0, cells=FACE_CELLS)
    for box in found.faces:  # after the heads: no edge of theirs is left on a face
        hide(picture, box, grow=FACE_GROWS, cells=FACE_CELLS)
    for box in found.plates:
        hide(picture, box, grow=PLATE_GROWS, cells=PLATE_CELLS)
    return len(found.faces) + len(found.heads) + len(found.plates)


def _size(window: Window, width_px: int) -> tuple[int, int]:
    """Width and height of the window as sent; a tall one becomes narrower than wished."""
    scale = min(width_px / window.width, TALLEST_PX / window.height)
    return max(1, round(window.width * scale)), max(1, round(window.height * scale))


def _encoded(bgr: BgrImage) -> bytes:
    """A JPEG without metadata: OpenCV writes none."""
    done, jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not done:
        raise ValueError(f"not a picture: {bgr.shape}")
    return bytes(jpeg)
