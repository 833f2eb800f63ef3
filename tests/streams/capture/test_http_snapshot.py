"""HTTP pictures, and HTTP addresses that turn out to be streams."""

import asyncio
import base64
import http.server
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import cv2
import numpy as np
import pytest
from typing_extensions import override

from streams.address import StreamAddress
from streams.capture import StreamCameraClient
from streams.decode import decode
from streams.errors import RefusedUs, StreamError, Unreachable, Unreadable, WentSilent
from streams.model import Codec, Freshness, Sample, VisitOptions

NOON = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
QUICK = VisitOptions(
    pictures=2, spacing_s=0.05, answer_timeout_s=0.5, silence_timeout_s=1, visit_timeout_s=3
)
JPEG = cv2.imencode(".jpg", np.full((48, 64, 3), 90, np.uint8))[1].tobytes()

Page = Callable[[http.server.BaseHTTPRequestHandler], None]


@contextmanager
def serving(page: Page) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            page(self)

        @override
        def log_message(self, format: str, *args: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def send(
    handler: http.server.BaseHTTPRequestHandler,
    body: bytes,
    kind: str = "image/jpeg",
    status: int = 200,
    length: int | None = None,
    **headers: str,
) -> None:
    handler.send_response(status)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(body) if length is None else length))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)
    handler.close_connection = True


def look(url: str, options: VisitOptions = QUICK) -> Sample:
    visitor = StreamCameraClient(lambda: NOON)
    return asyncio.run(visitor(StreamAddress.parse(url), options))


def test_pictures_one_after_the_other() -> None:
    with serving(lambda h: send(h, JPEG)) as at:
        sample = look(f"http://{at}/snap?channel=1")
    assert [frame.codec for frame in sample.key_frames] == [Codec.MJPEG] * 2
    assert sample.freshness is Freshness.STILL
    assert decode(sample.key_frames[0]).size_px == (64, 48)
    assert sample.facts.transport == "http"


def test_a_login_is_answered() -> None:
    def page(handler: http.server.BaseHTTPRequestHandler) -> None:
        given = handler.headers.get("Authorization", "")
        if given == "Basic " + base64.b64encode(b"u:p:w").decode():
            send(handler, JPEG)
        else:
            send(handler, b"", status=401, WWW_Authenticate='Basic realm="r"')

    with serving(page) as at:
        assert look(f"http://u:p%3Aw@{at}/snap").key_frames[0].data == JPEG
        with pytest.raises(RefusedUs, match="401"):
            look(f"http://u:wrong@{at}/snap")
        with pytest.raises(RefusedUs, match="401"):
            look(f"http://{at}/snap")


def test_a_redirect_is_followed() -> None:
    def page(handler: http.server.BaseHTTPRequestHandler) -> None:
        if handler.path == "/picture":
            send(handler, JPEG)
        else:
            send(handler, b"", status=302, Location="/picture")

    with serving(page) as at:
        assert look(f"http://{at}/front").key_frames[0].data == JPEG


def test_redirects_end() -> None:
    with (
        serving(lambda h: send(h, b"", status=302, Location=h.path)) as at,
        pytest.raises(Unreadable, match="redirected more than"),
    ):
        look(f"http://{at}/round")


@pytest.mark.parametrize(
    ("page", "kind", "words"),
    [
        pytest.param(lambda h: send(h, b"", status=404), RefusedUs, "404", id="404"),
        pytest.param(lambda h: send(h, b"<p>", "text/html"), Unreadable, "text/html", id="a page"),
        pytest.param(lambda h: send(h, JPEG[:300]), WentSilent, "in the middle", id="cut off"),
        pytest.param(lambda h: send(h, JPEG[:300], length=9999), WentSilent, "middle", id="stops"),
        pytest.param(lambda h: h.wfile.write(b"noise\r\n\r\n"), Unreadable, "HTTP", id="noise"),
        pytest.param(lambda h: send(h, b"\x00" * 99, "x/y"), StreamError, ".", id="unknown bytes"),
    ],
)
def test_what_is_no_picture(page: Page, kind: type[StreamError], words: str) -> None:
    with serving(page) as at, pytest.raises(kind, match=words):
        look(f"http://{at}/snap.jpg")


def test_nobody_there(dead_port: int) -> None:
    with pytest.raises(Unreachable, match="refused"):
        look(f"http://127.0.0.1:{dead_port}/snap.jpg")


def test_too_large_a_picture() -> None:
    with (
        serving(lambda h: send(h, JPEG + bytes(90_000))) as at,
        pytest.raises(Unreadable, match="more than"),
    ):
        look(f"http://{at}/a.jpg", VisitOptions(max_key_frame_bytes=10_000))


def test_a_server_that_never_speaks_tls_is_said_in_words() -> None:
    options = VisitOptions(connect_timeout_s=0.3, visit_timeout_s=5.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = StreamAddress.parse(f"https://127.0.0.1:{silent.getsockname()[1]}/snap.jpg")
        with pytest.raises(Unreachable, match="no answer in time"):
            asyncio.run(StreamCameraClient(lambda: NOON)(address, options))
