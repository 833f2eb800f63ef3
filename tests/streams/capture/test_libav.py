"""What goes through libav: files, FLV and HLS over HTTP; and that it keeps its mouth shut."""

import asyncio
import functools
import http.server
import logging
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from typing_extensions import override

from streams.address import StreamAddress
from streams.capture import StreamCameraClient
from streams.decode import decode
from streams.errors import BadAddress, RefusedUs, StreamError, Unreachable, Unreadable
from streams.model import Codec, Freshness, Sample, VisitOptions

OPTIONS = VisitOptions(
    pictures=2, spacing_s=1.0, connect_timeout_s=1, answer_timeout_s=1, visit_timeout_s=6
)
VTEST = Path("/usr/share/doc/opencv-doc/examples/data/vtest.avi")


def capture(url: str, options: VisitOptions = OPTIONS) -> Sample:
    def now() -> datetime:
        return datetime(2026, 11, 22, 4, 0, tzinfo=UTC)

    return asyncio.run(StreamCameraClient(now)(StreamAddress.parse(url), options))


def write(path: Path, codec: str, seconds: int = 4, **options: str) -> Path:
    with av.open(str(path), "w", options=options) as container:
        stream: Any = container.add_stream(codec, rate=10)
        stream.width, stream.height = 160, 120
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.gop_size = 10
        stream.time_base = Fraction(1, 10)
        for number in range(seconds * 10):
            frame = av.VideoFrame.from_ndarray(
                np.full((120, 160, 3), number * 5 % 255, np.uint8), format="bgr24"
            )
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@contextmanager
def web(folder: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        @override
        def log_message(self, format: str, *args: object) -> None: ...

    handler = functools.partial(Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = False
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("name", "codec", "expected"),
    [
        ("a.mp4", "libx264", Codec.H264),
        ("a.ts", "libx264", Codec.H264),
        ("b.mp4", "libx265", Codec.H265),
        ("c.avi", "mjpeg", Codec.MJPEG),
        ("d.avi", "mpeg4", Codec.OTHER),
    ],
)
def test_files(tmp_path: Path, name: str, codec: str, expected: Codec) -> None:
    path = write(tmp_path / name, codec)
    sample = capture(str(path))
    assert [frame.codec for frame in sample.key_frames] == [expected] * 2
    assert sample.freshness is Freshness.STILL
    assert 1.0 <= (sample.facts.key_frame_interval_s or 0.0) < 2.0
    assert sample.facts.transport == "file"
    pictures = [decode(frame) for frame in sample.key_frames]
    assert [(p.size_px, p.corrupt) for p in pictures] == [((160, 120), False)] * 2
    assert pictures[0].bgr.mean() < pictures[1].bgr.mean()  # the second is ten pictures later
    assert capture(f"file://{path}").key_frames == sample.key_frames


def test_a_real_view() -> None:
    if not VTEST.exists():
        pytest.skip("Debian's opencv-doc is not installed")
    picture = decode(capture(str(VTEST)).key_frames[0])
    assert (picture.size_px, picture.corrupt) == ((768, 576), False)


@pytest.mark.parametrize(("name", "transport"), [("live.flv", "flv"), ("live.m3u8", "hls")])
def test_over_http(tmp_path: Path, name: str, transport: str) -> None:
    write(tmp_path / name, "libx264", hls_time="1", hls_list_size="0")
    with web(tmp_path) as at:
        sample = capture(f"http://{at}/{name}", VisitOptions(pictures=1, visit_timeout_s=6))
    assert sample.facts.transport == transport
    assert decode(sample.key_frames[0]).size_px == (160, 120)


def test_an_unknown_type_over_http_is_tried(tmp_path: Path) -> None:
    """The address says nothing, the content type says video."""
    write(tmp_path / "x.flv", "libx264").rename(tmp_path / "stream")
    with web(tmp_path) as at:
        assert capture(f"http://{at}/stream").facts.transport == "flv"


def test_kinds_of_failure_and_not_a_word_of_the_password(
    tmp_path: Path, dead_port: int, caplog: pytest.LogCaptureFixture, capfd: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    (tmp_path / "noise.flv").write_bytes(b"no stream at all " * 400)
    with web(tmp_path) as at:
        login = "admin:s3cret"
        failures = [
            (f"http://{login}@{at}/none.flv", RefusedUs),
            (f"http://{login}@{at}/noise.flv", Unreadable),
            (f"http://{login}@127.0.0.1:{dead_port}/a.flv?ticket=s3cret", Unreachable),
            (f"rtmp://{login}@127.0.0.1:{dead_port}/live/s3cret", Unreachable),
            (f"rtspu://{login}@127.0.0.1:{dead_port}/live", Unreachable),
            (f"rtsps://{login}@127.0.0.1:{dead_port}/live", Unreachable),
            (str(tmp_path / "none.mp4"), BadAddress),
        ]
        for url, kind in failures:
            with pytest.raises(StreamError) as caught:
                capture(url)
            assert type(caught.value) is kind, url
            logged = "".join(traceback.format_exception(caught.value, chain=True))
            error: BaseException | None = caught.value
            while error is not None:  # suppressed contexts as well: a logger may walk them
                assert "s3cret" not in repr(error)
                error = error.__cause__ or error.__context__
            assert "s3cret" not in logged.replace(login, "")
    out = capfd.readouterr()
    assert "s3cret" not in caplog.text + out.out + out.err
    assert not out.err


def test_an_audio_file_has_no_video(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("pcm_s16le", rate=8000)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 800), np.int16), format="s16", layout="mono"
        )
        frame.rate = 8000
        container.mux(stream.encode(frame))
    with pytest.raises(Unreadable, match="no video"):
        capture(str(path))
