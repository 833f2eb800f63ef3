"""Visits to GStreamer's RTSP server: a camera that is not ours."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from streams.address import StreamAddress
from streams.capture import StreamCameraClient
from streams.decode import decode
from streams.errors import RefusedUs, Unreadable
from streams.model import Freshness, Sample, VisitOptions

OPTIONS = VisitOptions(pictures=2, spacing_s=0.3, visit_timeout_s=10)
ONE = VisitOptions(pictures=1, visit_timeout_s=10)
VTEST = Path("/usr/share/doc/opencv-doc/examples/data/vtest.avi")

Start = Callable[..., str]

pytestmark = pytest.mark.slow


def look(url: str, options: VisitOptions = OPTIONS) -> Sample:
    async def run() -> Sample:
        loop = asyncio.get_running_loop()
        visitor = StreamCameraClient(lambda: datetime.fromtimestamp(1.8e9 + loop.time(), UTC))
        return await visitor(StreamAddress.parse(url), options)

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("path", "codec"),
    [
        ("h264", "h264"),
        ("sdp-sets-only", "h264"),
        ("stap", "h264"),
        ("small", "h264"),
        ("av", "h264"),
        ("h265", "hevc"),
        ("h265-ap", "hevc"),
    ],
)
def test_live_pictures(gst: Start, path: str, codec: str) -> None:
    sample = look(f"rtsp://{gst()}/{path}")
    assert (sample.facts.codec, sample.facts.transport) == (codec, "rtsp+tcp")
    assert sample.freshness is Freshness.LIVE
    pictures = [decode(frame) for frame in sample.key_frames]
    assert [(p.size_px, p.corrupt) for p in pictures] == [((320, 240), False)] * 2
    assert (sample.facts.width_px, sample.facts.height_px) == (320, 240)


@pytest.mark.parametrize("scheme", ["basic", "digest"])
def test_logins(gst: Start, scheme: str) -> None:
    at = gst("--auth", scheme)
    assert look(f"rtsp://viewer:s3cret%3Aword@{at}/h264", ONE).key_frames
    with pytest.raises(RefusedUs, match="not accepted"):
        look(f"rtsp://viewer:wrong@{at}/h264", ONE)


@pytest.mark.parametrize("path", ["h264", "h265"])
def test_over_udp(gst: Start, path: str) -> None:
    sample = look(f"rtspu://{gst()}/{path}", ONE)
    assert sample.facts.transport == "rtsp+udp"
    assert decode(sample.key_frames[0]).corrupt is False


def test_a_server_that_has_only_udp(gst: Start) -> None:
    sample = look(f"rtsp://{gst('--udp-only')}/h264", ONE)
    assert sample.facts.transport == "rtsp+udp"


def test_motion_jpeg_goes_to_libav(gst: Start) -> None:
    sample = look(f"rtsp://{gst()}/jpeg", ONE)
    assert sample.facts.codec == "mjpeg"
    assert decode(sample.key_frames[0]).size_px == (320, 240)


@pytest.mark.parametrize("scheme", ["basic", "digest"])
@pytest.mark.parametrize(
    ("url", "transport"),
    [("rtsp://{}/jpeg", "rtsp+tcp"), ("rtspu://{}/h264", "rtsp+udp")],
)
def test_the_login_of_what_goes_to_libav(gst: Start, scheme: str, url: str, transport: str) -> None:
    at = gst("--auth", scheme)
    sample = look(url.format(f"viewer:s3cret%3Aword@{at}"), ONE)
    assert (sample.facts.transport, len(sample.key_frames)) == (transport, 1)
    for wrong in (f"viewer:no@{at}", at):
        with pytest.raises(RefusedUs) as caught:
            look(url.format(wrong), ONE)
        assert caught.value.reason == "login_refused"


def test_what_is_not_there(gst: Start) -> None:
    with pytest.raises(RefusedUs, match="404"):
        look(f"rtsp://{gst()}/nothing", ONE)
    with pytest.raises(Unreadable, match="audio"):
        look(f"rtsp://{gst()}/audio", ONE)


def test_a_real_view_of_people(gst: Start) -> None:
    if not VTEST.exists():
        pytest.skip("Debian's opencv-doc is not installed")
    sample = look(f"rtsp://{gst('--file', str(VTEST))}/vtest", ONE)
    assert decode(sample.key_frames[0]).size_px == (768, 576)
