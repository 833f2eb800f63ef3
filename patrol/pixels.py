"""Pictures as arrays: JPEG bytes to BGR and back, and shrinking by exact halvings. Pure.

Below every package that handles pictures (vision, inference, the picture store, the web's
thumbnails), so that a JPEG is read and written in one way and a halving rounds in one way.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from streams.model import BgrImage


def encode_jpeg(bgr: BgrImage, quality: int) -> bytes:
    """The picture as JPEG without metadata (OpenCV writes none); `quality` is 1..100.

    Raises ValueError where the array is no picture.
    """
    try:
        done, jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    except cv2.error as exc:
        raise ValueError(f"not a picture: {bgr.shape} {bgr.dtype}") from exc
    if not done:
        raise ValueError(f"not a picture: {bgr.shape} {bgr.dtype}")
    return jpeg.tobytes()


def decode_jpeg(jpeg: bytes) -> BgrImage | None:
    """The picture as 8-bit BGR; None where the bytes are no picture that OpenCV can read."""
    data = np.frombuffer(jpeg, np.uint8)
    bgr = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    return None if bgr is None else np.asarray(bgr, np.uint8)


def half_size(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Half the size, each pixel the mean of 2 × 2; an odd last row or column is left out.

    An exact halving neither aliases nor costs more than a tenth of any other reduction.
    """
    height, width = image.shape[0] // 2, image.shape[1] // 2
    even = image[: 2 * height, : 2 * width]
    return np.asarray(cv2.resize(even, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
