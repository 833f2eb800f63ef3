"""Pictures that announce far more pixels than they have bytes, and others that cost time."""

import struct
import zlib

import cv2
import numpy as np

_PNG_START = b"\x89PNG\r\n\x1a\n"


def png(width: int, height: int, *, depth: int = 8, interlaced: bool = False) -> bytes:
    """A whole grey PNG of zeros, at one byte in a thousand pixels (interlaced: only its header)."""
    header = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, int(interlaced))
    packer = zlib.compressobj(9)
    row = bytes(1 + width * depth // 8)
    rows = 0 if interlaced else height
    data = b"".join(packer.compress(row) for _ in range(rows)) + packer.flush()
    chunks = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    return _PNG_START + b"".join(_png_chunk(kind, body) for kind, body in chunks)


def animated_png(width: int, height: int) -> bytes:
    """A PNG with an acTL chunk in front of its data: an APNG by its own word."""
    plain = png(width, height)
    at = len(_PNG_START) + 12 + 13
    return plain[:at] + _png_chunk(b"acTL", struct.pack(">II", 1000, 0)) + plain[at:]


def _png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def jpeg(width: int, height: int, *, progressive: bool = False, scans: int = 1) -> bytes:
    """A JPEG whose frame header says this size; its coded data are of a picture of 64 × 64."""
    small = np.zeros((64, 64, 3), np.uint8)
    options = [cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive)]
    data = bytearray(cv2.imencode(".jpg", small, options)[1].tobytes())
    at = data.index(b"\xff\xc2" if progressive else b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    scan = bytes(data[data.index(b"\xff\xda") : -2])
    return bytes(data[:-2]) + scan * (scans - 1) + b"\xff\xd9"


def webp(width: int, height: int, *, animated: bool = False) -> bytes:
    """A WebP whose canvas (or, animated, whose frame) has this size."""
    small = cv2.imencode(".webp", np.zeros((64, 64, 3), np.uint8))[1].tobytes()
    canvas = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    chunks = _webp_chunk(b"VP8X", bytes((2 if animated else 0, 0, 0, 0)) + canvas)
    if animated:
        chunks += _webp_chunk(b"ANIM", bytes(6))
        chunks += _webp_chunk(b"ANMF", bytes(6) + canvas + bytes(4) + small[12:])
    else:
        chunks += small[12:]
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks


def _webp_chunk(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
