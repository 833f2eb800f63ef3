"""Pictures as arrays: JPEG bytes to BGR and back, shrinking by exact halvings, and the pyramid.

`PicturePyramid` is one picture at the sizes in which a visit reads it; made of what the decoder
left, it becomes a whole BGR picture only on demand.

Below every package that handles pictures (vision, inference, the picture store, the web's
thumbnails), so that a JPEG is read and written in one way and a halving rounds in one way. The only
place that hands bytes to OpenCV's decoders: the header is read first, and the decoding passes
`streams.picture_limits.DECODE_GATE`. (OPENCV_IO_MAX_IMAGE_PIXELS, which patrol/__init__.py sets
before OpenCV is loaded, is the net below.)
"""

from collections.abc import Callable
from functools import cached_property
from typing import Final, NamedTuple

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from streams.image_header import MAX_SCANS, ImageHeader, read_image_header
from streams.model import BgrImage, YuvPlanes
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


MEDIUM_FROM_PX: Final = 1280  # `medium` is halved while its longer side is at least this
U8 = NDArray[np.uint8]


class PicturePyramid:
    """One picture at the sizes that gauges, detectors and the store read; each made at most once.

    Luma is 0..255 and colours are those of BT.601, as in JPEG, whatever the camera sends. For one
    thread; nobody writes into its arrays.
    """

    def __init__(
        self,
        bgr: BgrImage | None = None,
        *,
        planes: YuvPlanes | None = None,
        to_bgr: Callable[[], BgrImage] | None = None,
    ) -> None:
        """From a BGR picture, or from a decoder's planes and the way from there to BGR."""
        if bgr is None and (planes is None or to_bgr is None):
            raise ValueError("a pyramid needs a picture, or planes and how to convert them")
        self.planes = planes if bgr is None else None
        self._bgr = bgr
        self._to_bgr = to_bgr
        self._shrunk: dict[tuple[int, int], BgrImage] = {}
        self._halved_luma: list[U8] = []

    @classmethod
    def of(cls, picture: "AnyPicture") -> "PicturePyramid":
        """A pyramid as it is, or that of an 8-bit BGR array."""
        return picture if isinstance(picture, PicturePyramid) else cls(picture)

    @property
    def size_px(self) -> tuple[int, int]:
        """(width, height) of the whole picture."""
        image = self.coded_luma if self._bgr is None else self._bgr
        return image.shape[1], image.shape[0]

    @property
    def bgr(self) -> BgrImage:
        """The whole picture in BGR; from planes some 2 ms and 6 MB at 1080p."""
        if self._bgr is None:
            assert self._to_bgr is not None  # noqa: S101  __init__ saw to it  # nosec B101
            self._bgr = self._to_bgr()
        return self._bgr

    @cached_property
    def medium(self) -> BgrImage:
        """BGR by exact halvings, the longer side below MEDIUM_FROM_PX: what most gauges need."""
        width, height = self.size_px
        halvings = 0
        while max(width >> halvings, height >> halvings) >= MEDIUM_FROM_PX:
            halvings += 1
        if self.planes is None or not halvings:
            return _halved(self.bgr, halvings)
        luma = self.halved_luma(halvings)
        rows, columns = luma.shape
        cr, cb = (
            np.ascontiguousarray(_halved(plane, halvings - 1)[:rows, :columns])
            for plane in (self.planes.cr, self.planes.cb)
        )
        matrix = _TO_BGR[self.planes.full_range, self.planes.bt709]
        return np.asarray(cv2.transform(cv2.merge([luma, cr, cb]), matrix), np.uint8)

    def shrunk(self, size_px: tuple[int, int]) -> BgrImage:
        """`medium` at a smaller (width, height), averaged over areas; kept for the next caller."""
        if size_px not in self._shrunk:
            self._shrunk[size_px] = _resized(self.medium, size_px, cv2.INTER_AREA)
        return self._shrunk[size_px]

    @property
    def samples(self) -> U8:
        """All values of the picture as they came, to tell whether two pictures differ at all."""
        return self.bgr if self.planes is None else self.planes.luma

    @cached_property
    def coded_luma(self) -> U8:
        """The whole picture's luma as coded; what is cut of it goes through `full_range_luma`."""
        if self.planes is not None:
            return self.planes.luma
        return np.asarray(cv2.cvtColor(self.bgr, cv2.COLOR_BGR2GRAY), np.uint8)

    def halved_luma(self, times: int) -> U8:
        """`coded_luma` halved so often; each size is made once, for gauges and `medium` alike."""
        while len(self._halved_luma) < times:
            larger = self._halved_luma[-1] if self._halved_luma else self.coded_luma
            self._halved_luma.append(half_size(larger))
        return self._halved_luma[times - 1] if times else self.coded_luma

    def full_range_luma(self, cut: U8) -> U8:
        """A part of `coded_luma`, or what was averaged from it, as 0..255."""
        if self.planes is None or self.planes.full_range:
            return cut
        return _levels(np.ascontiguousarray(cut), _LUMA_LEVELS)

    def chroma_samples(self, size_px: tuple[int, int]) -> tuple[U8, U8]:
        """Cr and Cb (0..255) sampled, not averaged, at this (width, height): they keep the noise.

        From a BGR picture between its four nearest pixels.
        """
        if self.planes is None:
            small = cv2.resize(self.bgr, size_px)
            _, cr, cb = cv2.split(cv2.cvtColor(small, cv2.COLOR_BGR2YCrCb))
            return np.asarray(cr, np.uint8), np.asarray(cb, np.uint8)
        cb, cr = (
            _resized(plane, size_px, cv2.INTER_NEAREST)
            for plane in (self.planes.cb, self.planes.cr)
        )
        cb, cr = _jpeg_chroma(cb, cr, self.planes)
        return cr, cb

    def encode_jpeg(self, quality: int, max_width_px: int) -> tuple[bytes, tuple[int, int]]:
        """(JPEG, (width, height)): scaled down to `max_width_px` where it is wider, never up."""
        if self.planes is None:
            fitted = fit_width(self.bgr, max_width_px)
            return encode_jpeg(fitted, quality), (fitted.shape[1], fitted.shape[0])
        luma, cb, cr = _planes_fitted(self.planes, max_width_px)
        jpeg: bytes = simplejpeg.encode_jpeg_yuv_planes(luma, cb, cr, quality)
        return jpeg, (luma.shape[1], luma.shape[0])


AnyPicture = BgrImage | PicturePyramid


def fit_width(image: U8, max_width_px: int) -> U8:
    """Scaled down to the width where it is wider."""
    height, width = image.shape[:2]
    if width <= max_width_px:
        return image
    return _shrunk(image, (max_width_px, max(1, round(height * max_width_px / width))))


def _shrunk(image: U8, size_px: tuple[int, int]) -> U8:
    # Averaging by a broken factor costs 10 ms at 1080p, by a whole one 0.6 ms: halve first, then
    # take the last, small step between neighbours (2.5 ms).
    while image.shape[1] >= 2 * size_px[0]:
        image = _resized(image, (image.shape[1] // 2, image.shape[0] // 2), cv2.INTER_AREA)
    return _resized(image, size_px, cv2.INTER_LINEAR)


def _resized(image: U8, size_px: tuple[int, int], how: int) -> U8:
    return np.asarray(cv2.resize(image, size_px, interpolation=how), np.uint8)


def _halved(image: U8, times: int) -> U8:
    for _ in range(times):
        image = half_size(image)
    return image


def _planes_fitted(planes: YuvPlanes, max_width_px: int) -> tuple[U8, U8, U8]:
    """Luma, Cb, Cr as JPEG has them (full range, BT.601), no wider than this."""
    height, width = planes.luma.shape
    luma, cb, cr = planes.luma, planes.cb, planes.cr
    if width > max_width_px:
        width, height = max_width_px, max(1, round(height * max_width_px / width))
        luma = _shrunk(luma, (width, height))
        cb, cr = (_shrunk(plane, (-(-width // 2), -(-height // 2))) for plane in (cb, cr))
    luma, cb, cr = (np.ascontiguousarray(plane) for plane in (luma, cb, cr))
    if not planes.full_range:
        luma = _levels(luma, _LUMA_LEVELS)
    cb, cr = _jpeg_chroma(cb, cr, planes)
    if planes.bt709:
        of_cb, of_cr = _LUMA_OF_709
        more = cv2.addWeighted(cb, of_cb, cr, of_cr, 128 * (1 - of_cb - of_cr))  # 128: nothing
        more = cv2.resize(more, (width, height))
        luma = np.asarray(cv2.addWeighted(luma, 1.0, more, 1.0, -128), np.uint8)
    return luma, cb, cr


def _jpeg_chroma(cb: U8, cr: U8, planes: YuvPlanes) -> tuple[U8, U8]:
    """Cb and Cr (contiguous) as JPEG has them."""
    if not planes.full_range:
        cb, cr = _levels(cb, _CHROMA_LEVELS), _levels(cr, _CHROMA_LEVELS)
    if not planes.bt709:
        return cb, cr
    return _mixed(cb, cr, *_CB_OF_709), _mixed(cr, cb, *_CR_OF_709)


def _mixed(own: U8, other: U8, of_own: float, of_other: float) -> U8:
    """A weighted sum of two chroma planes around their neutral level."""
    mixed = cv2.addWeighted(own, of_own, other, of_other, 128 * (1 - of_own - of_other))
    return np.asarray(mixed, np.uint8)


class _LevelScale(NamedTuple):
    """Coded levels to full-range ones: `span` levels from `low` on become `neutral` to +255."""

    low: float
    span: float
    neutral: float


def _levels(plane: U8, scale: _LevelScale) -> U8:
    """Rounded and clipped; a weighted sum of one plane takes half the time of a table."""
    gain = 255 / scale.span
    offset = scale.neutral - scale.low * gain
    return np.asarray(cv2.addWeighted(plane, gain, plane, 0, offset), np.uint8)


def _to_bgr_matrix(*, full_range: bool, bt709: bool) -> NDArray[np.float32]:
    """Rows B, G, R for columns Y, Cr, Cb, 1 (ITU-T H.273 §8.3)."""
    kr, kb = (0.2126, 0.0722) if bt709 else (0.299, 0.114)
    kg = 1 - kr - kb
    luma, chroma, black = (1.0, 1.0, 0.0) if full_range else (255 / 219, 255 / 224, 16.0)
    red, blue = 2 * (1 - kr) * chroma, 2 * (1 - kb) * chroma
    plain = np.array(
        [[luma, 0, blue], [luma, -red * kr / kg, -blue * kb / kg], [luma, red, 0]], np.float64
    )
    zero = plain @ np.array([black, 128.0, 128.0])
    return np.column_stack([plain, -zero]).astype(np.float32)


_LUMA_LEVELS: Final = _LevelScale(16, 219, 0)
_CHROMA_LEVELS: Final = _LevelScale(128, 224, 128)
_TO_BGR: Final = {
    (full, high): _to_bgr_matrix(full_range=full, bt709=high)
    for full in (False, True)
    for high in (False, True)
}
# What BT.709's luma and chroma are in BT.601's: A(601) · A(709)⁻¹ of the matrices of H.273 §8.3.
_LUMA_OF_709: Final = (0.10158, 0.19608)  # of Cb, of Cr, beside the luma itself
_CB_OF_709: Final = (0.98985, -0.11065)  # of itself, of the other
_CR_OF_709: Final = (0.98340, -0.07245)


__all__ = [
    "PicturePyramid",
    "PictureTooLarge",
    "decode_jpeg",
    "decode_picture",
    "encode_jpeg",
    "half_size",
]
