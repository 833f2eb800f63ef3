"""Certificates of cameras are verified on every way: pictures, HLS, RTSPS; a private CA counts."""

import asyncio
import base64
import contextlib
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typing_extensions import override

from patrol.clock import SystemClock
from streams.address import StreamAddress
from streams.capture import StreamCameraClient
from streams.errors import StreamError
from streams.model import VisitOptions
from streams.tls import CAMERA_TLS, CameraTls
from tests.support.certificates import Certificates, make_certificates

OPTIONS = VisitOptions(pictures=1, spacing_s=0.0, visit_timeout_s=15.0)
LOGIN = base64.b64encode(b"viewer:s3cret")
WAYS = ("https://viewer:s3cret@{at}/snap.jpg", "https://viewer:s3cret@{at}/live.m3u8")
RTSPS = ("rtsps://viewer:s3cret@{at}/live", "rtsps://{at}/live")


@dataclass
class TlsServer:
    """A camera's TLS server with the certificate of a private authority; keeps what it was told."""

    port: int
    certificates: Certificates
    told: list[bytes] = field(default_factory=list)

    def url(self, way: str) -> str:
        return way.format(at=f"127.0.0.1:{self.port}")


def jpeg() -> bytes:
    picture = np.random.default_rng(1).integers(0, 255, (72, 96, 3), np.uint8)
    done, data = cv2.imencode(".jpg", picture)
    assert done
    return data.tobytes()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def server(certificates: Certificates) -> Iterator[TlsServer]:
    found = TlsServer(0, certificates)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.told.append(self.headers.get("Authorization", "").encode())
            body = jpeg() if self.path.endswith(".jpg") else b"#EXTM3U\n#EXT-X-ENDLIST\n"
            self.send_response(200)
            self.send_header("Content-Type", "image/jpeg")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        @override
        def parse_request(self) -> bool:
            found.told.append(self.raw_requestline)  # RTSP's too, which HTTP then refuses
            return super().parse_request()

        @override
        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        @override
        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # a client that refuses our certificate hangs up

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.certificate, certificates.key)
    http = Quiet(("127.0.0.1", 0), Handler)
    http.socket = context.wrap_socket(http.socket, server_side=True, do_handshake_on_connect=False)
    found.port = http.server_address[1]
    thread = threading.Thread(target=http.serve_forever, args=(0.05,))
    thread.start()
    yield found
    http.shutdown()
    thread.join()
    http.server_close()


@contextmanager
def trusting(*, verify: bool = True, ca_file: Path | None = None) -> Iterator[None]:
    CAMERA_TLS.configure(verify=verify, ca_file=ca_file)
    try:
        yield
    finally:
        CAMERA_TLS.configure(verify=True, ca_file=None)


def visit(url: str) -> object:
    client = StreamCameraClient(now=SystemClock().now)
    return asyncio.run(client(StreamAddress.parse(url), OPTIONS))


@pytest.mark.parametrize("way", [*WAYS, *RTSPS])
def test_a_server_that_nobody_vouches_for_gets_nothing(server: TlsServer, way: str) -> None:
    with trusting(), pytest.raises(StreamError) as refused:
        visit(server.url(way))
    assert server.told == []  # neither a request nor a login
    assert "certificate" in refused.value.seen
    assert "s3cret" not in refused.value.seen


def test_a_private_authority_is_a_setting(server: TlsServer) -> None:
    with trusting(ca_file=server.certificates.authority):
        assert visit(server.url(WAYS[0]))
    assert len(server.told) >= 1


@pytest.mark.parametrize("way", [WAYS[1], *RTSPS])
def test_with_it_the_request_comes_through(server: TlsServer, way: str) -> None:
    """What the server then answers is no stream; but it was asked."""
    with trusting(ca_file=server.certificates.authority), pytest.raises(StreamError) as ended:
        visit(server.url(way))
    assert server.told
    assert "certificate" not in ended.value.seen


@pytest.mark.parametrize("way", [*WAYS, *RTSPS])
def test_verification_can_be_switched_off_as_a_whole(server: TlsServer, way: str) -> None:
    with trusting(verify=False), contextlib.suppress(StreamError):
        visit(server.url(way))
    assert server.told


def test_the_same_holds_for_what_libav_opens_itself(certificates: Certificates) -> None:
    tls = CameraTls()
    assert tls.libav_options()["tls_verify"] == "1"
    tls.configure(verify=True, ca_file=certificates.authority)
    assert tls.libav_options() == {"tls_verify": "1", "ca_file": str(certificates.authority)}
    tls.configure(verify=False, ca_file=None)
    assert tls.libav_options() == {"tls_verify": "0"}
