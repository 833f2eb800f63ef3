"""Moving pictures, encoded once: access units as NAL units, and each key picture as it decodes."""

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import av
import cv2
import numpy as np
from av.video.codeccontext import VideoCodecContext

from streams.model import BgrImage

START = b"\x00\x00\x00\x01"
GOP_FRAMES = 4
GOPS = 6


@dataclass(frozen=True)
class AccessUnit:
    """One picture as it was encoded."""

    nals: tuple[bytes, ...]  # parameter sets, hints and slices, no start codes
    key: bool


@dataclass(frozen=True)
class Clip:
    """A few groups of pictures of one codec."""

    codec: str  # h264 or hevc
    units: tuple[AccessUnit, ...]
    sets: tuple[bytes, ...]
    pictures: tuple[BgrImage, ...]  # of the key units, by libavcodec out of the encoder's own bytes

    def is_set(self, nal: bytes) -> bool:
        return nal in self.sets


def nal_kind(codec: str, nal: bytes) -> int:
    return nal[0] & 0x1F if codec == "h264" else (nal[0] >> 1) & 0x3F


def split(data: bytes) -> list[bytes]:
    return [n for n in (p.rstrip(b"\x00") for p in re.split(b"\x00\x00\x01", data)) if n]


@cache
def clip_of(
    codec: str = "h264",
    size_px: tuple[int, int] = (320, 176),
    slices: int = 1,
    *,
    idr: bool = True,
    interlaced: bool = False,
) -> Clip:
    """Encode a moving pattern; every GOP_FRAMES-th picture is a key picture."""
    encoder = av.CodecContext.create("libx264" if codec == "h264" else "libx265", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = *size_px, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, 25), Fraction(25)
    encoder.gop_size = GOP_FRAMES
    common = f"keyint={GOP_FRAMES}:min-keyint={GOP_FRAMES}:scenecut=0:repeat-headers=1"
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency"}
    if codec == "h264":
        more = f":slices={slices}:sliced-threads=0" + (":tff=1" if interlaced else "")
        more += "" if idr else f":open-gop=1:bframes=1:keyint={GOP_FRAMES}"
        encoder.options |= {"x264-params": common + more}
    else:
        more = ":log-level=none:pools=none:frame-threads=1"
        encoder.options |= {"x265-params": common + more}
    rng = np.random.default_rng(len(codec) + slices)
    noise = rng.integers(0, 255, (size_px[1], size_px[0], 3), dtype=np.uint8)
    packets = []
    for number in range(GOPS * GOP_FRAMES):
        frame = av.VideoFrame.from_ndarray(np.roll(noise, 3 * number, axis=1), format="bgr24")
        frame.pts = number
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    units = tuple(AccessUnit(tuple(split(bytes(p))), bool(p.is_keyframe)) for p in packets)
    kinds = {7, 8} if codec == "h264" else {32, 33, 34}
    sets = dict.fromkeys(n for u in units for n in u.nals if nal_kind(codec, n) in kinds)
    keys = [u for u in units if u.key]
    return Clip(codec, units, tuple(sets), tuple(_decoded(codec, u, sets) for u in keys))


def _decoded(codec: str, unit: AccessUnit, sets: dict[bytes, None]) -> BgrImage:
    decoder = av.CodecContext.create(codec, "r")
    assert isinstance(decoder, VideoCodecContext)
    decoder.thread_count = 1
    slices = [n for n in unit.nals if n not in sets]
    packet = av.Packet(slices[0] if codec == "mjpeg" else START + START.join([*sets, *slices]))
    (frame,) = [*decoder.decode(packet), *decoder.decode(None)]
    return np.ascontiguousarray(frame.to_ndarray(format="bgr24"))


@cache
def jpeg_clip_of(quality: int, restart_every: int = 0) -> Clip:
    """Pictures of a moving pattern, each by itself."""
    noise = np.random.default_rng(4).integers(0, 255, (112, 160, 3), dtype=np.uint8)
    smooth = cv2.GaussianBlur(noise, (9, 9), 3)
    parameters = [cv2.IMWRITE_JPEG_QUALITY, quality]
    parameters += [cv2.IMWRITE_JPEG_RST_INTERVAL, restart_every] if restart_every else []
    pictures = [
        cv2.imencode(".jpg", np.roll(smooth, 5 * n, axis=1), parameters)[1].tobytes()
        for n in range(GOPS * GOP_FRAMES)
    ]
    units = tuple(AccessUnit((picture,), key=True) for picture in pictures)
    return Clip("mjpeg", units, (), tuple(_decoded("mjpeg", unit, {}) for unit in units))
