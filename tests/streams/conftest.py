"""Real bit streams to test with, the RTP packets of them, and descriptions."""

import base64
import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.codeccontext import VideoCodecContext

HERE = Path(__file__).parent
SYSTEM_PYTHON = "/usr/bin/python3"


@dataclass(frozen=True)
class Clip:
    """A few pictures, encoded: NAL units of the key picture and of one that follows it."""

    sets: list[bytes]
    key: list[bytes]
    other: list[bytes]
    data: bytes  # the whole key picture, Annex B
    size_px: tuple[int, int]


def encode(codec: str, slices: int = 1, size_px: tuple[int, int] = (320, 240)) -> Clip:
    width, height = size_px
    context = av.CodecContext.create(codec, "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.time_base, context.framerate = Fraction(1, 15), Fraction(15)
    context.gop_size = 30
    if codec == "libx264":
        context.options = {"preset": "ultrafast", "tune": "zerolatency", "slices": str(slices)}
        context.options |= {"x264-params": f"slices={slices}:sliced-threads=0"}
    else:
        context.options = {"preset": "ultrafast", "tune": "zerolatency"}
        context.options |= {"x265-params": f"log-level=none:slices={slices}:repeat-headers=1"}
    rng = np.random.default_rng(7)
    picture = rng.integers(0, 255, (height, width, 3), dtype=np.uint8)
    packets: list[bytes] = []
    for number in range(3):
        frame = av.VideoFrame.from_ndarray(np.roll(picture, number, axis=1), format="bgr24")
        frame.pts = number
        packets += [bytes(packet) for packet in context.encode(frame)]
    packets += [bytes(packet) for packet in context.encode(None)]
    nals = [n for n in re.split(b"\x00{2,3}\x01", packets[0]) if n]
    if codec == "libx264":
        extra = [n for n in re.split(b"\x00{2,3}\x01", context.extradata or b"") if n]
        sets = [n for n in [*nals, *extra] if n[0] & 0x1F in {7, 8}]
        key = [n for n in nals if n[0] & 0x1F == 5]
    else:
        sets = [n for n in nals if (n[0] >> 1) & 0x3F in {32, 33, 34}]
        key = [n for n in nals if 16 <= (n[0] >> 1) & 0x3F < 24]
    other = [n for n in re.split(b"\x00{2,3}\x01", packets[1]) if n]
    data = b"".join(b"\x00\x00\x00\x01" + n for n in [*sets, *key])
    return Clip(sets=list(dict.fromkeys(sets)), key=key, other=other, data=data, size_px=size_px)


@pytest.fixture(scope="session")
def h264() -> Clip:
    return encode("libx264")


@pytest.fixture(scope="session")
def h264_slices() -> Clip:
    return encode("libx264", slices=4)


@pytest.fixture(scope="session")
def h265() -> Clip:
    return encode("libx265")


@pytest.fixture(scope="session")
def encoder() -> Callable[..., Clip]:
    return encode


@dataclass
class Sender:
    """Packs NAL units into RTP packets, and those into interleaved frames."""

    h265: bool = False
    mtu: int = 700
    channel: int = 0
    payload_type: int = 96
    sequence: int = 65530  # wraps soon
    timestamp: int = 0xFFFFF000  # wraps soon
    ssrc: int = 0x1234

    def rtp(self, payload: bytes, *, marker: bool = False) -> bytes:
        second = self.payload_type | (0x80 if marker else 0)
        head = struct.pack(
            ">BBHII", 0x80, second, self.sequence, self.timestamp % (1 << 32), self.ssrc
        )
        self.sequence = (self.sequence + 1) % 65536
        return head + payload

    def payloads(self, nal: bytes) -> list[bytes]:
        if len(nal) <= self.mtu:
            return [nal]
        head = 2 if self.h265 else 1
        body = nal[head:]
        parts = [body[i : i + self.mtu] for i in range(0, len(body), self.mtu)]
        kind = (nal[0] >> 1) & 0x3F if self.h265 else nal[0] & 0x1F
        found = []
        for number, part in enumerate(parts):
            flags = kind | (0x80 if number == 0 else 0)
            flags |= 0x40 if number == len(parts) - 1 else 0
            if self.h265:
                found.append(bytes(((nal[0] & 0x81) | (49 << 1), nal[1], flags)) + part)
            else:
                found.append(bytes(((nal[0] & 0xE0) | 28, flags)) + part)
        return found

    def picture(self, nals: Sequence[bytes], *, marker: bool = True) -> list[bytes]:
        payloads = [p for nal in nals for p in self.payloads(nal)]
        last = len(payloads) - 1
        packets = [self.rtp(p, marker=marker and i == last) for i, p in enumerate(payloads)]
        self.timestamp += 6000
        return packets

    def framed(self, packets: Sequence[bytes], channel: int | None = None) -> bytes:
        number = self.channel if channel is None else channel
        return b"".join(struct.pack(">BBH", 0x24, number, len(p)) + p for p in packets)


@pytest.fixture
def sender() -> type[Sender]:
    return Sender


def sdp_of(clip: Clip, *, h265: bool = False, control: str = "trackID=1", sets: bool = True) -> str:
    names = ("sprop-vps", "sprop-sps", "sprop-pps")
    texts = [base64.b64encode(nal).decode() for nal in clip.sets]
    if h265:
        fmtp = "; ".join(f"{name}={text}" for name, text in zip(names, texts, strict=True))
        name = "H265"
    else:
        fmtp, name = f"packetization-mode=1; sprop-parameter-sets={','.join(texts)}", "H264"
    lines = ["v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=camera", "t=0 0", "a=control:*"]
    lines += ["m=video 0 RTP/AVP 96", f"a=rtpmap:96 {name}/90000"]
    lines += [f"a=fmtp:96 {fmtp}"] if sets else []
    lines += [f"a=control:{control}"] if control else []
    lines += ["m=audio 0 RTP/AVP 8", "a=rtpmap:8 PCMA/8000", "a=control:trackID=2"]
    return "\r\n".join(lines) + "\r\n"


@pytest.fixture
def sdp() -> Callable[..., str]:
    return sdp_of
