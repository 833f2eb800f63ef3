"""HLS and FLV from servers that never end: bounded in bytes, in number, in time."""

import asyncio
import itertools
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from streams.address import StreamAddress
from streams.bounded_http import MAX_OPENED, MAX_VARIANTS
from streams.capture import StreamCameraClient
from streams.errors import RefusedUs, StreamError, Unreadable
from streams.model import VisitOptions
from tests.support.peak_memory import added_peak_mb

NOON = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
OPTIONS = VisitOptions(pictures=1, visit_timeout_s=6.0, silence_timeout_s=2.0)
HEAD = b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n"
SERVE = """
import sys
from tests.streams.capture.test_bounded_http import *
"""


class Endless(BaseHTTPRequestHandler):
    """Answers by the path; counts what it was asked."""

    server: Any

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("authorization")))
        answer = ANSWERS[self.path.split("/")[1]]
        status, headers, chunks = answer(self)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            for chunk in chunks:
                self.wfile.write(chunk)
        except OSError:
            return

    def log_message(self, *_: Any) -> None:
        """Quiet."""


def playlist(chunks: Iterator[bytes]) -> tuple[int, dict[str, str], Iterator[bytes]]:
    return 200, {"Content-Type": "application/vnd.apple.mpegurl"}, chunks


def segments() -> Iterator[bytes]:
    yield HEAD
    for number in itertools.count():
        yield b"".join(b"#EXTINF:2,\nsegment%d-%d.ts\n" % (number, i) for i in range(4000))


def variants() -> Iterator[bytes]:
    yield b"#EXTM3U\n"
    yield b"".join(
        b"#EXT-X-STREAM-INF:BANDWIDTH=%d\n/segments/%d.m3u8\n" % (i, i) for i in range(10_000)
    )


def few_variants() -> Iterator[bytes]:
    yield b"#EXTM3U\n"
    for i in range(MAX_VARIANTS):
        yield b"#EXT-X-STREAM-INF:BANDWIDTH=%d\n/segments/%d.m3u8\n" % (i + 1, i)


def many_small_segments() -> Iterator[bytes]:
    yield HEAD + b"".join(b"#EXTINF:2,\n/nothing/%d.ts\n" % i for i in range(20_000))
    yield b"#EXT-X-ENDLIST\n"


def one_line() -> Iterator[bytes]:
    yield HEAD
    yield from itertools.repeat(b"x" * 65536)


def elsewhere(target: bytes) -> Iterator[bytes]:
    yield HEAD + b"#EXTINF:2,\n" + target + b"\n#EXT-X-ENDLIST\n"


def redirect(request: Endless) -> tuple[int, dict[str, str], Iterator[bytes]]:
    return 302, {"Location": request.server.other + "/guarded/x.m3u8"}, iter(())


def guarded(_: Endless) -> tuple[int, dict[str, str], Iterator[bytes]]:
    return 401, {"WWW-Authenticate": 'Basic realm="x"'}, iter(())


ANSWERS: dict[str, Callable[[Endless], tuple[int, dict[str, str], Iterator[bytes]]]] = {
    "segments": lambda _: playlist(segments()),
    "variants": lambda _: playlist(variants()),
    "few_variants": lambda _: playlist(few_variants()),
    "many": lambda _: playlist(many_small_segments()),
    "line": lambda _: playlist(one_line()),
    "itself": lambda _: playlist(elsewhere(b"/itself/x.m3u8")),
    "file": lambda _: playlist(elsewhere(b"file:///etc/passwd")),
    "nothing": lambda _: (200, {}, iter((b"\x47" + bytes(187),))),
    "noise": lambda _: (200, {"Content-Type": "video/x-flv"}, itertools.repeat(b"FLV\1" * 9999)),
    "redirect": redirect,
    "guarded": guarded,
}


@contextmanager
def serving() -> Iterator[Any]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Endless) as server:
        server.daemon_threads = True
        server.asked = []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


def visit(server: Any, path: str, login: str = "", host: str = "127.0.0.1") -> StreamError:
    address = StreamAddress.parse(f"http://{login}{host}:{server.server_port}/{path}")
    client = StreamCameraClient(lambda: NOON)
    try:
        asyncio.run(client(address, OPTIONS))
    except StreamError as exc:
        return exc
    raise AssertionError("a picture came")


@pytest.mark.parametrize(
    "path",
    ["segments/x.m3u8", "segments/live", "variants/x.m3u8", "few_variants/x.m3u8", "line/x.m3u8",
     "many/x.m3u8", "itself/x.m3u8", "noise/x.flv"],
)  # fmt: skip
def test_an_endless_stream_takes_no_memory(path: str) -> None:
    code = f"""
with serving() as server:
    problem = visit(server, "{path}")
    assert len(server.asked) <= {MAX_OPENED} + 2, len(server.asked)
"""
    assert added_peak_mb(SERVE, code) < 60


def test_an_endless_playlist_is_refused_at_once_and_with_words() -> None:
    with serving() as server:
        problem = visit(server, "segments/x.m3u8")
        assert isinstance(problem, Unreadable)
        assert "a playlist of more than 1024 kb" in problem.seen
        assert "a playlist of 10000 variants" in visit(server, "variants/x.m3u8").seen


def test_a_playlist_if_granted_no_file() -> None:
    with serving() as server:
        assert isinstance(visit(server, "file/x.m3u8"), StreamError)
        assert {path for path, _ in server.asked} == {"/file/x.m3u8"}


def test_the_login_goes_to_the_cameras_own_host_alone() -> None:
    with serving() as camera, serving() as other:
        camera.other = f"http://localhost:{other.server_port}"
        problem = visit(camera, "redirect/x.m3u8", login="admin:s3cret@")
        assert isinstance(problem, RefusedUs)
        assert other.asked == [("/guarded/x.m3u8", None)]
        assert isinstance(visit(camera, "guarded/x.m3u8", login="admin:s3cret@"), RefusedUs)
        basic = "Basic " + b64encode(b"admin:s3cret").decode()
        assert ("/guarded/x.m3u8", basic) in camera.asked
