"""Encoders that send an MPEG transport stream over RTP, most of them without an rtpmap line."""

import io
import struct
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest
from av.video.stream import VideoStream

from streams.decode import decode
from tests.zoo.control_camera import QUICK, ControlCamera, visit

SIZE_PX = (320, 240)
PACKET_BYTES = 7 * 188  # RFC 2250: whole transport packets


def transport_stream(encoder: str) -> bytes:
    out = io.BytesIO()
    rng = np.random.default_rng(1)
    picture = rng.integers(0, 255, (SIZE_PX[1], SIZE_PX[0], 3), dtype=np.uint8)
    with av.open(out, "w", format="mpegts") as container:
        stream = container.add_stream(encoder, rate=10)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = *SIZE_PX, "yuv420p"
        stream.gop_size = 5
        stream.options = {"preset": "ultrafast", "tune": "zerolatency"}
        if encoder == "libx265":
            stream.options |= {"x265-params": "log-level=none"}
        for number in range(30):
            frame = av.VideoFrame.from_ndarray(np.roll(picture, number, axis=1), format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out.getvalue()


def interleaved(data: bytes) -> Iterator[bytes]:
    for number, start in enumerate(range(0, len(data), PACKET_BYTES)):
        packet = struct.pack(">BBHII", 0x80, 33, number % 65536, number * 900, 7)
        packet += data[start : start + PACKET_BYTES]
        yield b"$\0" + struct.pack(">H", len(packet)) + packet


@pytest.mark.parametrize("encoder", ["libx264", "libx265"])
@pytest.mark.parametrize("lines", ["", "a=rtpmap:33 MP2T/90000\r\n"], ids=["bare", "rtpmap"])
def test_payload_type_33(encoder: str, lines: str) -> None:
    camera = ControlCamera(
        sdp=f"v=0\r\ns=encoder\r\nt=0 0\r\nm=video 0 RTP/AVP 33\r\n{lines}a=control:track1\r\n",
        media=list(interleaved(transport_stream(encoder))),
        media_pause_s=0.004,
    )
    sample = visit(camera, options=replace(QUICK, visit_timeout_s=12.0))
    assert sample.facts.codec == {"libx264": "h264", "libx265": "hevc"}[encoder]
    picture = decode(sample.key_frames[0])
    assert (picture.size_px, picture.corrupt) == (SIZE_PX, False)
