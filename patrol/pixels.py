"""Pictures as arrays: JPEG bytes to BGR and back, and shrinking by exact halvings.

Below every package that handles pictures (vision, inference, the picture store, the web's
thumbnails), so that a JPEG is read and written in one way and a halving rounds in one way. The only
place that hands bytes to OpenCV's decoders: the header is read first, and the decoding passes
`streams.picture_limits.DECODE_GATE`. (OPENCV_IO_MAX_IMAGE_PIXELS, which patrol/__init__.py sets
before OpenCV is loaded, is the net below.)
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from streams.image_header import MAX_SCANS, ImageHeader, read_image_header
from streams.model import BgrImage
from streams.picture_limits import DECODE_GATE, PictureTooLarge

_REDUCED: Final = (
    (8, cv2.IMREAD_REDUCED_COLOR_8),
    (4, cv2.IMREAD_REDUCED_COLOR_4),
    (2, cv2.IMREAD_REDUCED_COLOR_2),
)


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
    """The picture as 8-bit BGR; None where the bytes are no picture, or one beyond the limit."""
    try:
        return decode_picture(jpeg)
    except ValueError:
        return None


def decode_picture(data: bytes, *, longest_px: int | None = None) -> BgrImage:
    """The picture of a JPEG, PNG or WebP file as 8-bit BGR, turned as its EXIF says.

    With `longest_px` it may be decoded at a half, a quarter or an eighth, while its longer side
    stays at least so long: an eighth costs a fifth of the whole. Raises PictureTooLarge, and
    ValueError where the bytes are no such picture.
    """
    header = read_image_header(data)
    if header is None or header.animated or header.scans > MAX_SCANS:
        raise ValueError("not a picture")
    flags = _reduction(header, longest_px)
    with DECODE_GATE.decoding(header.width_px, header.height_px):
        try:
            bgr = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        except (cv2.error, MemoryError) as exc:
            raise ValueError("not a picture") from exc
    if bgr is None:
        raise ValueError("not a picture")
    return np.asarray(bgr, np.uint8)


def _reduction(header: ImageHeader, longest_px: int | None) -> int:
    if longest_px is not None:
        for divisor, flags in _REDUCED:
            if max(header.width_px, header.height_px) >= divisor * longest_px:
                return flags
    return cv2.IMREAD_COLOR


def half_size(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Half the size, each pixel the mean of 2 × 2; an odd last row or column is left out.

    An exact halving neither aliases nor costs more than a tenth of any other reduction.
    """
    height, width = image.shape[0] // 2, image.shape[1] // 2
    even = image[: 2 * height, : 2 * width]
    return np.asarray(cv2.resize(even, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


__all__ = [
    "PictureTooLarge",
    "decode_jpeg",
    "decode_picture",
    "encode_jpeg",
    "half_size",
]
