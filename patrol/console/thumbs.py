"""Thumbnails of evidence pictures, kept in memory only: what is deleted leaves no small copy."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from patrol.console.lately import Lately
from patrol.domain.ids import Sha256
from patrol.domain.zone import Polygon
from patrol.ports import EvidenceStore
from patrol.vision.mask import mask_visible

WIDTH_PX: Final = 240
MASKED_QUALITY: Final = 88  # of a full picture that is encoded again
QUALITY: Final = 68  # about 7 kB; a tile is looked at, not judged by
MOST: Final = 2500  # about 18 MB: two rounds of the whole town


class Thumbs:
    """Makes each once, as long as it is asked for."""

    def __init__(self, evidence: EvidenceStore) -> None:
        self._evidence = evidence
        self._kept: Lately[Sha256, bytes] = Lately(MOST)

    def get(self, sha256: Sha256) -> bytes:
        """A small JPEG. Raises KeyError when the picture is gone."""
        small = self._kept.get(sha256)
        if small is None:
            small = shrunk(self._evidence.get(sha256), WIDTH_PX, QUALITY)
            self._kept.put(sha256, small)
        return small


def masked(jpeg: bytes, visible: Polygon) -> bytes:
    """The picture with zeros outside the visible area. Raises ValueError: not a picture."""
    bgr = mask_visible(_whole(jpeg), visible)
    done, again = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, MASKED_QUALITY])
    if not done:
        raise ValueError("not a picture")
    return bytes(again)


def shrunk(jpeg: bytes, width_px: int, quality: int) -> bytes:
    """The picture scaled down, without any metadata. Raises ValueError: not a picture."""
    bgr = _reduced(jpeg, width_px)
    height, width = bgr.shape[:2]
    if width > width_px:
        size = (width_px, max(1, round(height * width_px / width)))
        bgr = np.asarray(cv2.resize(bgr, size, interpolation=cv2.INTER_AREA), np.uint8)
    done, small = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ValueError("not a picture")
    return bytes(small)


def _reduced(jpeg: bytes, width_px: int) -> NDArray[np.uint8]:
    """Decoded at the smallest scale that is wide enough: an eighth costs a fifth of the whole."""
    data = np.frombuffer(jpeg, np.uint8)
    for scale in (cv2.IMREAD_REDUCED_COLOR_8, cv2.IMREAD_REDUCED_COLOR_4):
        bgr = cv2.imdecode(data, scale)
        if bgr is not None and bgr.shape[1] >= width_px:
            return np.asarray(bgr, np.uint8)
    return _whole(jpeg)


def _whole(jpeg: bytes) -> NDArray[np.uint8]:
    whole = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    if whole is None:
        raise ValueError("not a picture")
    return np.asarray(whole, np.uint8)


def photo(upload: bytes, *, longest_px: int = 1600, quality: int = 82) -> tuple[bytes, int, int]:
    """(JPEG, width, height) of an uploaded photo: turned upright, scaled down, without EXIF.

    Raises ValueError: not a picture.
    """
    bgr = cv2.imdecode(np.frombuffer(upload, np.uint8), cv2.IMREAD_COLOR)
    if bgr is None:
        raise ValueError("not a picture")
    height, width = bgr.shape[:2]
    scale = min(1.0, longest_px / max(height, width))
    if scale < 1.0:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        bgr = cv2.resize(bgr, size, interpolation=cv2.INTER_AREA)
    done, jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ValueError("not a picture")
    return bytes(jpeg), int(bgr.shape[1]), int(bgr.shape[0])
