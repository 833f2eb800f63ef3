"""A camera's login goes nowhere but to its own host: transports × redirects × challenges.

Every server is real and keeps each byte that it received. The camera is 127.0.0.1, the other host
127.0.0.2; the camera's login is known to be used there, so that the table cannot pass for nothing.
"""

import asyncio
import base64
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any

import pytest
from typing_extensions import override

from streams.address import StreamAddress
from streams.capture import StreamCameraClient
from streams.errors import StreamError
from streams.model import VisitOptions
from streams.tls import CAMERA_TLS

HOME, ELSEWHERE = "127.0.0.1", "127.0.0.2"
USER, PASSWORD = "patrol-user", "s3cret:pw"
LOGIN = "patrol-user:s3cret%3Apw"
BASIC = 'Basic realm="camera"'
DIGEST = 'Digest realm="camera", nonce="abc", qop="auth"'
OPTIONS = VisitOptions(
    pictures=1, connect_timeout_s=2, answer_timeout_s=2, silence_timeout_s=1, visit_timeout_s=8
)
UNKNOWN_CODEC = (
    "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n"
    "a=rtpmap:96 VP8/90000\r\na=control:track1\r\n"
)


@dataclass
class Request:
    first: str
    headers: dict[str, str]

    @property
    def method(self) -> str:
        return self.first.split(" ", 1)[0]

    @property
    def path(self) -> str:
        return self.first.split(" ")[1]


def answer(request: Request, status: str, body: bytes = b"", **headers: str) -> bytes:
    protocol = request.first.rsplit(" ", 1)[-1]
    lines = [f"{protocol} {status}"]
    lines += [f"CSeq: {request.headers['cseq']}"] if "cseq" in request.headers else []
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    lines += [f"Content-Length: {len(body)}"] if body or "HTTP" in protocol else []
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


Page = Callable[[Request], bytes]


@dataclass
class Server:
    port: int
    requests: list[Request] = field(default_factory=list)
    received: bytearray = field(default_factory=bytearray)

    @property
    def signed(self) -> list[Request]:
        return [request for request in self.requests if "authorization" in request.headers]


@contextmanager
def serving(host: str, page: Page, context: ssl.SSLContext | None = None) -> Iterator[Server]:
    class Handler(StreamRequestHandler):
        @override
        def handle(self) -> None:
            with suppress(OSError, UnicodeDecodeError, IndexError):
                self.converse()

        def converse(self) -> None:
            sock = context.wrap_socket(self.request, server_side=True) if context else self.request
            sock.settimeout(10)
            with sock, sock.makefile("rb") as reader:
                while lines := list(iter(lambda: reader.readline().decode().rstrip(), "")):
                    record.received += "\n".join(lines).encode()
                    pairs = (line.partition(":") for line in lines[1:])
                    request = Request(lines[0], {n.lower(): v.strip() for n, _, v in pairs})
                    record.requests.append(request)
                    sock.sendall(page(request))

    class QuietServer(ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

    with QuietServer((host, 0), Handler) as server:
        record = Server(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield record
        finally:
            server.shutdown()
            thread.join()


def behind_login(challenge: str, page: Page) -> Page:
    def ask(request: Request) -> bytes:
        if "authorization" not in request.headers:
            return answer(request, "401 Unauthorized", WWW_Authenticate=challenge)
        return page(request)

    return ask


def visit(url: str) -> None:
    """The servers' records are what is looked at; no picture comes of any of this."""

    def now() -> datetime:
        return datetime(2026, 11, 22, 4, 0, tzinfo=UTC)

    with pytest.raises(StreamError) as caught:
        asyncio.run(StreamCameraClient(now)(StreamAddress.parse(url), OPTIONS))
    assert PASSWORD not in str(caught.value)


def moved(location: str, status: str = "302 Moved") -> Page:
    return lambda request: answer(request, status, Location=location)


def described(request: Request) -> bytes:
    if request.method == "DESCRIBE":
        kind = "application/sdp"
        return answer(request, "200 OK", UNKNOWN_CODEC.encode(), Content_Type=kind)
    return answer(request, "200 OK")


def moved_for_libav(location: str) -> Page:
    """Describes what needs libav; once libav asks, it redirects."""
    seen: list[str] = []

    def page(request: Request) -> bytes:
        if request.method != "DESCRIBE":
            return answer(request, "200 OK", Public="DESCRIBE, SETUP, PLAY")
        seen.append(request.method)
        return described(request) if len(seen) == 1 else moved(location)(request)

    return page


def asked_to_move(location: str) -> Page:
    """Sends a REDIRECT request (RFC 2326 §10.10) behind its description."""

    def page(request: Request) -> bytes:
        redirect = f"REDIRECT {location} RTSP/1.0\r\nCSeq: 1\r\nLocation: {location}\r\n\r\n"
        return described(request) + redirect.encode()

    return page


def playlist(segment: str) -> Page:
    text = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{segment}\n#EXT-X-ENDLIST\n"
    kind = "application/vnd.apple.mpegurl"
    return lambda request: answer(request, "200 OK", text.encode(), Content_Type=kind)


# How the camera is asked; what it answers with the other's URL; the other's URL.
TABLE: dict[str, tuple[str, str, Callable[[str], Page], str]] = {
    "snapshot 301": ("http", "/snap", lambda to: moved(to, "301 Moved"), "http://{}/a"),
    "snapshot 302": ("http", "/snap", moved, "http://{}/a"),
    "snapshot 303": ("http", "/snap", lambda to: moved(to, "303 See"), "http://{}/a"),
    "snapshot 307": ("http", "/snap", lambda to: moved(to, "307 There"), "http://{}/a"),
    "snapshot 308": ("http", "/snap", lambda to: moved(to, "308 There"), "http://{}/a"),
    "snapshot, no scheme": ("http", "/snap", moved, "//{}/a"),
    "snapshot to a stream": ("http", "/snap", moved, "http://{}/a.flv"),
    "flv in libav": ("http", "/live.flv", moved, "http://{}/a.flv"),
    "flv in libav, no scheme": ("http", "/live.flv", moved, "//{}/a.flv"),
    "hls in libav": ("http", "/live.m3u8", moved, "http://{}/a.m3u8"),
    "hls segment": ("http", "/live.m3u8", playlist, "http://{}/a.ts"),
    "hls segment, no scheme": ("http", "/live.m3u8", playlist, "//{}/a.ts"),
    "rtsp 301": ("rtsp", "/live", lambda to: moved(to, "301 Moved"), "rtsp://{}/a"),
    "rtsp 302": ("rtsp", "/live", moved, "rtsp://{}/a"),
    "rtsp 305": ("rtsp", "/live", lambda to: moved(to, "305 Proxy"), "rtsp://{}/a"),
    "rtsp to rtspu": ("rtsp", "/live", moved, "rtspu://{}/a"),
    "rtsp, REDIRECT": ("rtsp", "/live", asked_to_move, "rtsp://{}/a"),
    "rtsp in libav": ("rtsp", "/live", moved_for_libav, "rtsp://{}/a"),
    "rtsp in libav to rtspu": ("rtsp", "/live", moved_for_libav, "rtspu://{}/a"),
    "rtspu 302": ("rtspu", "/live", moved, "rtsp://{}/a"),
}


def assert_no_login(server: Server) -> None:
    seen = bytes(server.received)
    pair = base64.b64encode(f"{USER}:{PASSWORD}".encode())
    assert server.requests, "the redirect was not followed"
    assert not server.signed
    assert not [secret for secret in (USER.encode(), PASSWORD.encode(), pair) if secret in seen]


@pytest.mark.parametrize("theirs", [BASIC, DIGEST], ids=["basic", "digest"])
@pytest.mark.parametrize("ours", [BASIC, DIGEST], ids=["from basic", "from digest"])
@pytest.mark.parametrize("row", TABLE)
def test_another_host_gets_no_login(row: str, ours: str, theirs: str) -> None:
    scheme, path, redirect, target = TABLE[row]
    with serving(ELSEWHERE, behind_login(theirs, described)) as other:
        page = redirect(target.format(f"{ELSEWHERE}:{other.port}"))
        with serving(HOME, behind_login(ours, page)) as home:
            visit(f"{scheme}://{LOGIN}@{HOME}:{home.port}{path}")
    assert home.signed, "the camera itself was not given its login"
    assert_no_login(other)


@pytest.mark.parametrize("theirs", [BASIC, DIGEST], ids=["basic", "digest"])
def test_an_unknown_codec_elsewhere_gets_no_login_through_libav(theirs: str) -> None:
    """The other host describes without a login what needs libav, and asks libav for one."""
    asked: list[str] = []

    def page(request: Request) -> bytes:
        asked.append(request.method)
        return described(request) if len(asked) == 1 else behind_login(theirs, described)(request)

    with serving(ELSEWHERE, page) as other:
        to = f"rtsp://{ELSEWHERE}:{other.port}/a"
        with serving(HOME, behind_login(BASIC, moved(to))) as home:
            visit(f"rtsp://{LOGIN}@{HOME}:{home.port}/live")
    assert home.signed
    assert len(other.requests) > 1, "libav did not ask"
    assert_no_login(other)


SAME_HOST = [row for row in TABLE if " libav" not in row and "hls" not in row]


@pytest.mark.parametrize("row", [*SAME_HOST, "rtsp in libav"])
def test_another_port_of_the_camera_gets_it(row: str) -> None:
    scheme, path, redirect, target = TABLE[row]
    with serving(HOME, behind_login(DIGEST, described)) as other:
        page = redirect(target.format(f"{HOME}:{other.port}"))
        with serving(HOME, behind_login(DIGEST, page)) as home:
            visit(f"{scheme}://{LOGIN}@{HOME}:{home.port}{path}")
    assert other.signed


def test_there_and_back_again() -> None:
    """The camera itself is given its login again where the other host leads back."""
    with ExitStack() as stack:
        places: dict[str, str] = {}

        def follow(request: Request) -> bytes:
            to = places.get(request.path)
            return moved(to)(request) if to else answer(request, "404 Not Found")

        home = stack.enter_context(serving(HOME, behind_login(BASIC, follow)))
        back = moved(f"http://{HOME}:{home.port}/second")
        other = stack.enter_context(serving(ELSEWHERE, back))
        places["/snap"] = f"http://{ELSEWHERE}:{other.port}/a"
        visit(f"http://{LOGIN}@{HOME}:{home.port}/snap")
    assert [request.path for request in home.signed] == ["/snap", "/second"]
    assert_no_login(other)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    request = f"openssl req -x509 -newkey rsa:2048 -nodes -keyout {path} -out {path}.crt -days 2"
    names = f"-subj /CN=camera -addext subjectAltName=IP:{HOME}"
    subprocess.run([*request.split(), *names.split()], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + Path(f"{path}.crt").read_bytes())
    CAMERA_TLS.configure(verify=True, ca_file=path)  # the site trusts the camera's authority
    yield path
    CAMERA_TLS.configure(verify=True, ca_file=None)


@pytest.mark.parametrize(
    ("row", "scheme", "target"),
    [
        ("snapshot 302", "https", "http://{}/a"),
        ("flv in libav", "https", "http://{}/a.flv"),
        ("hls segment", "https", "http://{}/a.ts"),
        ("rtsp 302", "rtsps", "rtsp://{}/a"),
        ("rtsp to rtspu", "rtsps", "rtspu://{}/a"),
    ],
)
@pytest.mark.parametrize("host", [HOME, ELSEWHERE])
def test_no_login_leaves_tls(
    row: str,
    scheme: str,
    target: str,
    host: str,
    certificate: Path,
) -> None:
    context: Any = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    _, path, redirect, _ = TABLE[row]
    with serving(host, behind_login(BASIC, described)) as other:
        page = redirect(target.format(f"{host}:{other.port}"))
        with serving(HOME, behind_login(BASIC, page), context) as home:
            visit(f"{scheme}://{LOGIN}@{HOME}:{home.port}{path}")
    assert home.signed
    assert_no_login(other)
