"""Frames → a loop of H.264 or H.265 access units, through libx264 and libx265 in PyAV's wheel.

What a cheap camera does: no B-frames, one slice per picture, a closed group of pictures of fixed
length, parameter sets before each key frame, a constant bit rate.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from struct import pack, unpack_from
from typing import Final

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from numpy.typing import NDArray

from patrol.files import write_atomically
from simulators.scenes.catalogue import StreamFormat

YuvFrame = NDArray[np.uint8]  # planar 4:2:0: height × 3/2 rows of width bytes
_MAGIC: Final = b"LOOP1\n"


@dataclass(frozen=True, slots=True, eq=False)
class EncodedLoop:
    """Compressed frames that may be repeated for ever: they begin with a key frame."""

    format: StreamFormat
    units: tuple[bytes, ...]  # Annex B, one access unit per frame

    def is_key(self, index: int) -> bool:
        """Whether frame `index` of the loop is a key frame."""
        return index % self.format.gop_frames == 0


def encode(frames: Iterable[YuvFrame], stream: StreamFormat) -> EncodedLoop:
    """Compress exactly `stream.loop_frames` frames."""
    context = _context(stream)
    units: list[bytes] = []
    for number, pixels in enumerate(frames):
        frame = av.VideoFrame.from_ndarray(pixels, format="yuv420p")
        frame.pts = number
        units.extend(bytes(packet) for packet in context.encode(frame))
    units.extend(bytes(packet) for packet in context.encode(None))
    if len(units) != stream.loop_frames:
        raise ValueError(f"{len(units)} access units from a loop of {stream.loop_frames}")
    return EncodedLoop(stream, tuple(units))


def _context(stream: StreamFormat) -> VideoCodecContext:
    name = "libx264" if stream.codec == "h264" else "libx265"
    context = av.CodecContext.create(name, "w")
    assert isinstance(context, VideoCodecContext)  # noqa: S101 both names are video encoders  # nosec B101
    context.width, context.height, context.pix_fmt = stream.width, stream.height, "yuv420p"
    context.framerate = Fraction(stream.frames_per_s)
    context.time_base = Fraction(1, stream.frames_per_s)
    context.bit_rate = stream.kbit_s * 1150  # these encoders stay below what they are asked for
    context.gop_size = stream.gop_frames
    context.max_b_frames = 0
    context.options = _options(stream)
    return context


def _options(stream: StreamFormat) -> dict[str, str]:
    gop = stream.gop_frames
    rate = f"vbv-maxrate={stream.kbit_s * 5 // 4}:vbv-bufsize={stream.kbit_s // 2}"
    fixed = f"keyint={gop}:min-keyint={gop}:scenecut=0:repeat-headers=1:{rate}"
    if stream.codec == "h264":
        return {
            "preset": "superfast",
            "tune": "zerolatency",
            "threads": "1",
            "x264-params": f"{fixed}:sliced-threads=0:ipratio=1.1",
        }
    return {
        "preset": "ultrafast",
        "tune": "zerolatency",
        "x265-params": f"{fixed}:open-gop=0:pools=none:frame-threads=1:log-level=none:info=0",
    }


def to_yuv(bgr: NDArray[np.uint8]) -> YuvFrame:
    """A BGR picture as planar 4:2:0."""
    frame = av.VideoFrame.from_ndarray(bgr, format="bgr24")
    return np.asarray(frame.reformat(format="yuv420p").to_ndarray(), dtype=np.uint8)


def write_loop(loop: EncodedLoop, path: Path) -> None:
    """Store it whole or not at all: two farms may fill one cache."""
    head = json.dumps({"sizes": [len(unit) for unit in loop.units]}).encode()
    content = b"".join((_MAGIC, pack(">I", len(head)), head, *loop.units))
    write_atomically(path, content, durable=False)


def read_loop(path: Path, stream: StreamFormat) -> EncodedLoop:
    """Read what `write_loop` wrote. Raises ValueError when the file is something else."""
    data = path.read_bytes()
    if not data.startswith(_MAGIC):
        raise ValueError(f"{path} is no encoded loop")
    (length,) = unpack_from(">I", data, len(_MAGIC))
    body = len(_MAGIC) + 4 + length
    sizes: list[int] = json.loads(data[len(_MAGIC) + 4 : body])["sizes"]
    return EncodedLoop(stream, tuple(_cut(data, body, sizes)))


def _cut(data: bytes, at: int, sizes: list[int]) -> Iterator[bytes]:
    if at + sum(sizes) != len(data):
        raise ValueError("an encoded loop is cut short")
    for size in sizes:
        yield data[at : at + size]
        at += size
