"""Read the size of a JPEG, PNG or WebP picture from its header, before anything is decoded.

Pure. Formats that no camera and no telephone sends (TIFF, BMP, JPEG 2000, OpenEXR …) are not read:
what `read_image_header` does not know is not decoded. Sources: ITU-T T.81 B.2.2, PNG (ISO 15948)
11.2.2, RFC 9649 (WebP) 2.5 to 2.7.
"""

from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Final

from streams import jpeg

_PNG_START: Final = b"\x89PNG\r\n\x1a\n"
_START_OF_SCAN: Final = b"\xff\xda"
_FRAME_START_VP8: Final = b"\x9d\x01\x2a"
# A progressive picture has some ten scans; each of them passes over every pixel.
MAX_SCANS: Final = 100


class ImageFormat(StrEnum):
    """A format of still pictures that is decoded."""

    JPEG = auto()
    PNG = auto()
    WEBP = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageHeader:
    """What a picture's header announces."""

    format: ImageFormat
    width_px: int
    height_px: int
    scans: int = 1  # of a JPEG: how often its pixels are passed over
    animated: bool = False  # more frames follow: no photo


def read_image_header(data: bytes) -> ImageHeader | None:
    """The header; None where it is of no known format, or announces no size."""
    if data.startswith(jpeg.SOI):
        return _jpeg_header(data)
    if data.startswith(_PNG_START):
        return _png_header(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp_header(data)
    return None


def _jpeg_header(data: bytes) -> ImageHeader | None:
    size = jpeg.size_px(data)
    if size is None:
        return None
    # In coded data FF DA is a marker and nothing else; a thumbnail in a segment may add one.
    scans = max(1, data.count(_START_OF_SCAN))
    return ImageHeader(format=ImageFormat.JPEG, width_px=size[0], height_px=size[1], scans=scans)


def _png_header(data: bytes) -> ImageHeader | None:
    if data[12:16] != b"IHDR":
        return None
    width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
    if not width or not height:
        return None
    animated = _has_png_chunk_before_data(data, b"acTL")
    return ImageHeader(format=ImageFormat.PNG, width_px=width, height_px=height, animated=animated)


def _has_png_chunk_before_data(data: bytes, kind: bytes) -> bool:
    position = len(_PNG_START)
    while position + 8 <= len(data):
        found = data[position + 4 : position + 8]
        if found in (kind, b"IDAT"):
            return found == kind
        position += 12 + int.from_bytes(data[position : position + 4], "big")
    return False


def _webp_header(data: bytes) -> ImageHeader | None:
    """The largest size that any of its chunks announces: the canvas, or a frame beyond it."""
    position, sizes, animated = 12, [], False
    while position + 8 <= len(data):
        kind = data[position : position + 4]
        body = data[position + 8 : position + 24]
        animated = animated or kind in (b"ANIM", b"ANMF")
        if (size := _webp_chunk_size(kind, body)) is not None:
            sizes.append(size)
        length = int.from_bytes(data[position + 4 : position + 8], "little")
        position += 8 + length + length % 2
    if not sizes:
        return None
    width, height = max(sizes, key=lambda size: size[0] * size[1])
    return ImageHeader(format=ImageFormat.WEBP, width_px=width, height_px=height, animated=animated)


def _webp_chunk_size(kind: bytes, body: bytes) -> tuple[int, int] | None:
    if len(body) < 10:  # noqa: PLR2004  the shortest that announces a size
        return None
    if kind == b"VP8X":
        return (1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little"))
    if kind == b"ANMF":
        return (
            1 + int.from_bytes(body[6:9], "little"),
            1 + int.from_bytes(body[9:12], "little"),
        )
    if kind == b"VP8L" and body[0] == 0x2F:  # noqa: PLR2004  its signature
        bits = int.from_bytes(body[1:5], "little")
        return (1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
    if kind == b"VP8 " and body[3:6] == _FRAME_START_VP8:
        width, height = (int.from_bytes(body[at : at + 2], "little") & 0x3FFF for at in (6, 8))
        return (width, height) if width and height else None
    return None
