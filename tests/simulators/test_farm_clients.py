"""Real clients — PyAV and the ffmpeg command — see live pictures from the farm."""

import shutil
import subprocess
from typing import Any

import av
import pytest

from simulators.faults import CameraFault
from simulators.rtsp_farm.vendors import VENDORS


def first_frames(url: str, transport: str, wanted: int = 3) -> list[av.VideoFrame]:
    options = {"rtsp_transport": transport, "analyzeduration": "400000"}
    frames: list[av.VideoFrame] = []
    with av.open(url, options=options, timeout=15) as container:
        for frame in container.decode(video=0):
            frames.append(frame)
            if len(frames) >= wanted:
                return frames
    return frames


def sound_cameras(farm: Any) -> list[str]:
    """One camera per codec and vendor; libav knows no SHA-256."""
    by_kind: dict[tuple[object, object], str] = {}
    for ident, truth in farm.truth.items():
        if (
            truth["fault"] in {CameraFault.NONE, CameraFault.CLOCK_SKEW}
            and "admin" in farm.urls[ident]
        ):
            by_kind.setdefault((truth["codec"], truth["kind"]), ident)
    return list(by_kind.values())


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_pyav_plays_main_streams(farm: Any, transport: str) -> None:
    idents = sound_cameras(farm)
    assert idents
    for ident in idents[:3]:
        frames = first_frames(farm.urls[ident], transport)
        truth = farm.truth[ident]
        assert (frames[0].width, frames[0].height) == (truth["width"], truth["height"])
        times = [frame.pts for frame in frames if frame.pts is not None]
        assert times == sorted(set(times))


def test_pyav_plays_a_sub_stream(farm: Any) -> None:
    ident = sound_cameras(farm)[0]
    assert first_frames(farm.sub_urls[ident], "tcp", 1)[0].width == 160


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_the_ffmpeg_command_plays_with_audio(farm: Any, transport: str) -> None:
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        pytest.skip("the ffmpeg command is not installed")
    url = farm.urls[sound_cameras(farm)[0]]
    done = subprocess.run(
        [
            ffmpeg, "-hide_banner", "-loglevel", "info", "-rtsp_transport", transport,
            "-i", url, "-t", "1.5", "-map", "0:v", "-map", "0:a", "-f", "null", "-",
        ],
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "pcm_alaw" in done.stderr
    assert "frame=" in done.stderr


def test_every_vendor_is_played_by_somebody(farm: Any) -> None:
    assert len(VENDORS) == 5
    paths = {url.split("/", 4)[4] for url in farm.urls.values()}
    assert len(paths) >= 4
