"""Session descriptions as cameras write them."""

import base64
from typing import Any

import pytest

from streams.errors import Unreadable
from streams.model import Codec
from streams.rtsp.sdp import read_description

SPS, PPS = bytes.fromhex("674d001e95a8580964"), bytes.fromhex("68ee3c80")


def video(*lines: str, media: str = "m=video 0 RTP/AVP 96") -> bytes:
    return "\r\n".join(["v=0", "s=x", media, "a=rtpmap:96 H264/90000", *lines, ""]).encode()


def sprop(*nals: bytes) -> str:
    return ",".join(base64.b64encode(nal).decode() for nal in nals)


@pytest.mark.parametrize(
    ("fmtp", "sets"),
    [
        pytest.param(f"sprop-parameter-sets={sprop(SPS, PPS)}", (SPS, PPS), id="plain"),
        pytest.param(f"x=1;Sprop-Parameter-Sets= {sprop(SPS, PPS)} ;y", (SPS, PPS), id="spaces"),
        pytest.param(f'sprop-parameter-sets="{sprop(SPS)}"', (SPS,), id="quoted"),
        pytest.param(f"sprop-parameter-sets={sprop(PPS).rstrip('=')}", (PPS,), id="no padding"),
        pytest.param(f"sprop-parameter-sets={sprop(PPS)}===", (PPS,), id="too much padding"),
        pytest.param(
            f"sprop-parameter-sets={sprop(bytes(3) + bytes([1]) + SPS)}", (SPS,), id="start code"
        ),
        pytest.param("sprop-parameter-sets=A,!!,", (), id="no base64"),
        pytest.param("packetization-mode=0", (), id="none"),
    ],
)
def test_parameter_sets(fmtp: str, sets: tuple[bytes, ...]) -> None:
    assert read_description(video(f"a=fmtp:96 {fmtp}")).video.parameter_sets == sets


def test_a_camera_with_everything() -> None:
    body = (
        "v=0\no=- 1 1 IN IP4 192.168.1.64\ns=Media\nc=IN IP4 0.0.0.0\nb=AS:5100\nt=0 0\n"
        "a=control:rtsp://192.168.1.64/Streaming/Channels/101/\n"
        "m=audio 0 RTP/AVP 8\na=sendonly\na=control:trackID=2\n"
        "m=video 0 RTP/AVP 96\na=recvonly\na=framerate:12.5\n"
        "a=control:trackID=1?x=a:b\na=rtpmap:96 H265/90000\n"
        f"a=fmtp:96 sprop-vps={sprop(b'@1')};sprop-sps={sprop(b'B2')};sprop-pps={sprop(b'D3')};"
        "sprop-max-don-diff=2\nm=application 0 RTP/AVP 107\na=rtpmap:107 vnd.onvif.metadata/90000\n"
    )
    found = read_description(body.encode())
    assert found.control == "rtsp://192.168.1.64/Streaming/Channels/101/"
    track = found.video
    assert (track.codec, track.control) == (Codec.H265, "trackID=1?x=a:b")
    assert track.parameter_sets == (b"@1", b"B2", b"D3")
    assert (track.uses_don, track.frames_per_s, found.tracks) == (True, 12.5, 3)


@pytest.mark.parametrize(
    ("body", "codec"),
    [
        pytest.param(video(), Codec.H264, id="h264"),
        pytest.param(video(media="m=video 0 RTP/AVP 26"), Codec.MJPEG, id="static type"),
        pytest.param(video().replace(b"H264", b"vp8"), Codec.OTHER, id="other"),
        pytest.param(
            b"m=video 0 RTP/AVP 97\na=fmtp:97 sprop-parameter-sets=Z00=", Codec.H264, id="no rtpmap"
        ),
        pytest.param(
            b"m=video 0 RTP/AVP 97 96\na=rtpmap:97 FEC/90000\na=rtpmap:96 H264/90000",
            Codec.H264,
            id="several formats",
        ),
        pytest.param(
            b"m=video 0 RTP/AVP 26\nm=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000",
            Codec.H264,
            id="several video tracks",
        ),
    ],
)
def test_which_codec(body: bytes, codec: Codec) -> None:
    assert read_description(body).video.codec is codec


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(b"", "empty", id="nothing"),
        pytest.param(b"<html>404</html>", "no media line", id="a web page"),
        pytest.param(b"v=0\nm=audio 0 RTP/AVP 8\n", "no video track", id="audio alone"),
        pytest.param(b"m=video\n", "broken media line", id="broken line"),
        pytest.param(b"m=video 0 RTP/AVP what\n", "no payload format", id="no format"),
        pytest.param(video(media="m=video 0 RTP/SAVP 96"), "encrypted", id="SRTP"),
    ],
)
def test_what_cannot_be_used(body: bytes, message: str) -> None:
    with pytest.raises(Unreadable, match=message):
        read_description(body)


def test_any_bytes_are_read_or_refused() -> None:
    noise: Any = bytes(range(256)) * 4
    with pytest.raises(Unreadable):
        read_description(noise + b"\nm=video 0 RTP/AVP 999\n")
