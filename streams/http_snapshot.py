"""Capture JPEG pictures over HTTP: one a request, or a stream of them; every wait is limited.

Pictures are found by their own markers (jpeg.py), whatever lengths, blanks or bytes stand around
them. What turns out to be another stream (FLV, HLS) raises NotAPicture and is left to libav. The
work is done on a thread; at the visit's limit its connection is shut, so that it ends at once.
"""

import asyncio
import contextlib
import hashlib
import http.client
import socket
import ssl
import string
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import datetime
from email.message import Message
from http import HTTPStatus
from typing import Final
from urllib.parse import quote, urljoin

from streams.address import StreamAddress
from streams.control_http import read_http_date
from streams.decode import decode
from streams.errors import (
    LOGIN_REFUSED,
    TLS_FAILED,
    BadAddress,
    RefusedUs,
    StreamBusy,
    StreamError,
    Unreachable,
    Unreadable,
    WentSilent,
    os_error_text,
)
from streams.jpeg import JpegPart, JpegReader, size_px
from streams.model import Codec, Freshness, KeyFrame, Sample, StreamFacts, VisitOptions
from streams.rtsp.digest_auth import DigestAuthenticator, authenticator_for
from streams.rtsp.message import printable, read_retry_after
from streams.sampling import FrameSampler, freshness_by_bits, total_bytes
from streams.tcp_connect import connect_tcp
from streams.tls import CAMERA_TLS, tls_problem
from streams.worker_thread import run_in_thread

MAX_REDIRECTS: Final = 3
READ_BYTES: Final = 64 * 1024

MAX_LEADING_BYTES: Final = 4 * 1024  # in front of a still picture: blanks, a camera's own head
MAX_BETWEEN_BYTES: Final = 64 * 1024  # ... of a stream of pictures

BEYOND_LENGTH_TIMEOUT_S: Final = 0.5  # for the rest of a picture longer than it was announced

_STREAM_ENDINGS: Final = (".m3u8", ".flv", ".ts", ".mp4", ".mkv", ".mpd")
_JPEG_STREAM_TYPES: Final = ("multipart/", "video/x-motion-jpeg", "video/x-mjpeg", "video/mjpeg")
_STREAM_TYPES: Final = ("video/", "audio/", "application/vnd.apple.mpegurl")
_STREAM_STARTS: Final = (b"FLV", b"#EXTM3U")
_BUSY: Final = frozenset({429, 503})
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_END_MARKER: Final = b"\xff\xd9"
NO_END_MARKER: Final = "jpeg_without_end_marker"  # the reason of an Unreadable


class NotAPicture(Exception):
    """The address answers with a stream, not with a still picture."""


def _as_utf_8(values: Sequence[str]) -> list[str]:
    """Header values, which http.client reads as Latin-1, as the cameras mean them."""
    return [value.encode("latin-1", "replace").decode("utf-8", "replace") for value in values]


def picture_age_s(headers: Message) -> float | None:
    """How old the server calls its picture, in seconds, by two of its own headers.

    `Age` (RFC 9111 §5.1) of a cache, or `Last-Modified` before `Date`; None where it does not say.
    """
    age = (headers.get("age") or "").strip()
    if age.isascii() and age.isdigit():
        return float(age[:9])
    made, sent = (
        read_http_date(headers.get("last-modified") or ""),
        read_http_date(headers.get("date") or ""),
    )
    return max(0.0, (sent - made).total_seconds()) if made and sent else None


def is_stream(address: StreamAddress) -> bool:
    """Whether the path alone says that this is no still picture.

    Such an address is not asked: platforms' tickets may be good for one request.
    """
    return address.path.lower().endswith(_STREAM_ENDINGS)


async def fetch_snapshots(
    address: StreamAddress, options: VisitOptions, now: Callable[[], datetime]
) -> Sample:
    """Make one visit; `now` is the UTC clock. Raises StreamError, and NotAPicture."""
    loop = asyncio.get_running_loop()
    start_s = loop.time()
    client = _SnapshotClient(address, options, now, start_s + options.visit_timeout_s)
    try:
        async with asyncio.timeout_at(client.deadline_s):
            await _fetch(client)
    except TimeoutError:
        if not client.sampler.kept:
            raise client.late(loop.time() - start_s) from None
    finally:
        client.close()
    frames = tuple(client.sampler.kept)
    width_px, height_px = size_px(frames[0].data) or (None, None)
    facts = StreamFacts(
        transport="http",
        codec=Codec.MJPEG.value,
        width_px=width_px,
        height_px=height_px,
        server=client.server,
        connect_s=client.connect_s,
        describe_s=client.connect_s,
        first_key_frame_s=client.first_at_s - start_s,
        visit_s=loop.time() - start_s,
        bytes_received=client.bytes_received,
        picture_age_s=client.picture_age_s,
        key_frame_bytes=total_bytes(frames),
    )
    freshness = freshness_by_bits(frames) if client.is_stream else Freshness.STILL
    return Sample(key_frames=frames, facts=facts, freshness=freshness)


async def _fetch(client: "_SnapshotClient") -> None:
    """Ask for pictures until there are enough; what came is worth more than a later failure."""
    await run_in_thread(client.get, "snapshot")
    while not client.sampler.done and not client.is_stream:
        await asyncio.sleep(client.options.spacing_s)
        try:
            await run_in_thread(client.get, "snapshot")
        except (StreamError, NotAPicture):
            break


@dataclass(slots=True)
class _SnapshotClient:
    """Fetches one picture after the other from the same address; blocks."""

    address: StreamAddress
    options: VisitOptions
    now: Callable[[], datetime]
    deadline_s: float  # of the monotonic clock
    home_login: DigestAuthenticator = field(init=False)  # for the address's own host alone
    login: DigestAuthenticator = field(init=False)  # for the address that is asked at the moment
    sampler: FrameSampler = field(init=False)
    is_stream: bool = False  # one answer holds picture after picture
    bytes_received: int = 0
    connect_s: float = 0.0
    first_at_s: float = 0.0
    server: str = ""
    picture_age_s: float | None = None  # of the newest picture, by the server's own clock
    _socket: socket.socket | None = None
    _closed: bool = False

    def __post_init__(self) -> None:
        options = self.options
        self.home_login = self.login = authenticator_for(self.address, self.address)
        self.sampler = FrameSampler(options.pictures, options.spacing_s, self._report_kept)

    def get(self) -> None:
        """Fetch one picture, or those of a stream. Raises StreamError, NotAPicture."""
        at = self.address
        for _ in range(1 + MAX_REDIRECTS):
            same = self.address.login_may_go_to(at)
            self.login = self.home_login if same else authenticator_for(self.address, at)
            location = self._ask(at)
            if location is None:
                return
            at = self._redirected(at, location)
        raise Unreadable(f"redirected more than {MAX_REDIRECTS} times, last to {at}")

    def close(self) -> None:
        """End the work on the thread: its connection is shut, and nothing is reported any more."""
        self._closed = True
        with contextlib.suppress(OSError, AttributeError):
            self._socket.shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]  # None: suppressed

    def late(self, passed_s: float) -> StreamError:
        """The error of a visit that its limit ended without a picture."""
        if not self.bytes_received:
            return Unreachable(f"no picture in {passed_s:.1f} s")
        return WentSilent(f"no whole picture in {passed_s:.1f} s: {self.bytes_received} bytes")

    def _report_kept(self, frame: KeyFrame) -> None:
        self.first_at_s = self.first_at_s or time.monotonic()
        if self.options.on_key_frame is not None and not self._closed:
            self.options.on_key_frame(frame)

    def _left_s(self, limit_s: float) -> float:
        return max(0.1, min(limit_s, self.deadline_s - time.monotonic()))

    def _ask(self, at: StreamAddress) -> str | None:
        """Take what an address gives; the URL where a redirect names one."""
        for _ in range(3):  # plain, with the login, with a fresh nonce
            with ExitStack() as stack:
                connection = stack.enter_context(closing(self._connect(at)))
                # Closed as well: it holds the socket open after the connection was closed.
                answer = stack.enter_context(closing(self._request(connection, at)))
                if answer.status == HTTPStatus.UNAUTHORIZED and self.login.accept_challenges(
                    _as_utf_8(answer.headers.get_all("www-authenticate") or [])
                ):
                    continue
                if answer.status in _REDIRECTS:
                    return answer.headers.get("location") or ""
                self._take(answer)
                return None
        seen = "401 Unauthorized: asked for the password again and again"
        raise RefusedUs(seen, reason=LOGIN_REFUSED)

    def _connect(self, at: StreamAddress) -> http.client.HTTPConnection:
        timeout_s = self._left_s(self.options.connect_timeout_s)
        kind = http.client.HTTPSConnection if at.scheme == "https" else http.client.HTTPConnection
        connection = kind(at.host, at.port, timeout=timeout_s)
        start_s = time.monotonic()
        # A loop of this thread's own: all addresses of a name are tried, as for RTSP.
        connection.sock = asyncio.run(connect_tcp(at, timeout_s, self.options.targets))
        try:
            connection.sock.settimeout(timeout_s)
            if at.scheme == "https":
                context = CAMERA_TLS.context()
                connection.sock = context.wrap_socket(connection.sock, server_hostname=at.host)
        except ssl.SSLError as exc:
            connection.close()
            seen = f"{at.authority}: {tls_problem(exc)}"
            raise Unreadable(seen, reason=TLS_FAILED) from None
        except OSError as exc:
            connection.close()
            raise Unreachable(f"{at.authority}: {os_error_text(exc)}") from None
        self.connect_s = self.connect_s or time.monotonic() - start_s
        return connection

    def _request(
        self, connection: http.client.HTTPConnection, at: StreamAddress
    ) -> http.client.HTTPResponse:
        target = quote(at.path + (f"?{at.query}" if at.query else ""), safe=string.punctuation)
        headers: dict[str, str | bytes] = {
            "User-Agent": "patrol-streams",
            "Accept": "image/jpeg, */*",
        }
        authorization = self.login.authorization("GET", target)
        if authorization is not None:
            headers["Authorization"] = authorization.encode()
        self._socket = connection.sock
        timeout_s = self._left_s(self.options.answer_timeout_s)
        self._socket.settimeout(timeout_s)
        if self._closed:
            raise WentSilent("the visit is over")
        try:
            connection.request("GET", target, headers=headers)
            answer = connection.getresponse()
        except TimeoutError:
            raise Unreachable(f"no answer to GET in {timeout_s:.1f} s") from None
        except http.client.HTTPException as exc:
            raise Unreadable(f"no HTTP answer ({type(exc).__name__})") from None
        except (OSError, ValueError) as exc:
            raise Unreachable(f"no answer to GET ({type(exc).__name__})") from None
        self.server = self.server or printable(answer.headers.get("server") or "")
        self.picture_age_s = picture_age_s(answer.headers)
        return answer

    def _take(self, answer: http.client.HTTPResponse) -> None:
        """Keep the picture of an answer, or pictures until there are enough."""
        status_line = f"{answer.status} {printable(answer.reason)}".rstrip()
        if answer.status == HTTPStatus.UNAUTHORIZED:
            raise RefusedUs(f"{status_line}: {self.login.refusal_text()}", reason=LOGIN_REFUSED)
        self.login.confirm()
        if answer.status in _BUSY:
            wait_s = read_retry_after(answer.headers.get("retry-after") or "")
            seen = f"GET refused: {status_line}"
            raise StreamBusy(seen, status=answer.status, retry_after_s=wait_s)
        if answer.status != HTTPStatus.OK:
            raise RefusedUs(f"GET refused: {status_line}")
        kind = (answer.headers.get("content-type") or "").lower().strip()
        self.is_stream = kind.startswith(_JPEG_STREAM_TYPES)
        if kind.startswith(_STREAM_TYPES) and not self.is_stream:
            raise NotAPicture
        limit = self.options.max_key_frame_bytes
        if not self.is_stream and (answer.length or 0) > limit:
            raise Unreadable(f"a picture of more than {limit} bytes")
        announced = answer.length
        answer.length = None  # the picture's own end is surer, and there the reading stops
        reader = JpegReader()
        received = 0 if announced == 0 else self._read_pictures(answer, reader, announced)
        if received is None or (self.is_stream and self.sampler.kept):
            return
        raise self._no_picture(kind, reader, received, max(0, (announced or 0) - received))

    def _read_pictures(
        self, answer: http.client.HTTPResponse, reader: JpegReader, announced: int | None
    ) -> int | None:
        """None once there are enough pictures; else the bytes that came."""
        most = MAX_BETWEEN_BYTES if self.is_stream else MAX_LEADING_BYTES
        received = 0
        for chunk in self._chunks(answer):
            received += len(chunk)
            for picture in reader.feed(chunk):
                self._keep(picture)
                if self.sampler.done or not self.is_stream:
                    return None
            if announced is not None and received >= announced and self._socket is not None:
                self._socket.settimeout(BEYOND_LENGTH_TIMEOUT_S)
            foreign = received == len(chunk) and chunk.startswith(_STREAM_STARTS)
            if foreign or (not self.sampler.kept and reader.passed_over > most):
                break
            if len(reader.unfinished) > self.options.max_key_frame_bytes:
                raise Unreadable(f"a picture of more than {self.options.max_key_frame_bytes} bytes")
        return received

    def _chunks(self, answer: http.client.HTTPResponse) -> Iterator[bytes]:
        """The bytes of an answer as they come, until it ends, breaks or the visit is over."""
        if self._socket is not None:
            self._socket.settimeout(self._left_s(self.options.silence_timeout_s))
        try:
            while time.monotonic() < self.deadline_s and not self._closed:
                chunk = answer.read1(READ_BYTES)
                if not chunk:
                    return
                self.bytes_received += len(chunk)
                yield chunk
        except (OSError, http.client.HTTPException):
            return

    def _keep(self, picture: bytes) -> None:
        frame = KeyFrame(
            codec=Codec.MJPEG,
            data=picture,
            taken_at=self.now(),
            media_time_s=None,
            sha256=hashlib.sha256(picture).hexdigest(),
        )
        self.sampler.accept(frame, time.monotonic())

    def _no_picture(
        self, kind: str, reader: JpegReader, received: int, missing: int
    ) -> StreamError | NotAPicture:
        """What it was that brought no picture; `missing`: of the length that was announced."""
        if reader.part is JpegPart.OUTSIDE and not reader.cut_off:
            if self.is_stream or not kind.startswith(("image/", "text/")):
                return NotAPicture()
            return Unreadable(f"{printable(kind, 40)}, {received} bytes, is no JPEG picture")
        if missing:
            whole = received + missing
            return WentSilent(f"stopped in the middle of the picture, {received} of {whole} bytes")
        if reader.part is JpegPart.SCAN and self._is_whole(reader.unfinished):
            seen = f"the JPEG of {received} bytes has no end-of-image marker (EOI, FF D9)"
            return Unreadable(seen, reason=NO_END_MARKER)
        return WentSilent(f"the picture ends in the middle, after {received} bytes")

    def _is_whole(self, unfinished: bytes) -> bool:
        """Whether nothing but the end marker is missing."""
        frame = KeyFrame(
            codec=Codec.MJPEG,
            data=unfinished + _END_MARKER,
            taken_at=self.now(),
            media_time_s=None,
            sha256="",
        )
        try:
            return not decode(frame).corrupt
        except StreamError:
            return False

    def _redirected(self, at: StreamAddress, location: str) -> StreamAddress:
        try:
            target = StreamAddress.parse(urljoin(at.request_uri, location.strip()))
        except BadAddress as exc:
            raise Unreadable(f"redirected to what is no address: {exc.seen}") from exc
        except ValueError:  # of urljoin, for a bracket that is not closed
            raise Unreadable("redirected to what is no address") from None
        if target.scheme not in {"http", "https"}:
            raise Unreadable(f"redirected to {target}, which is not HTTP")
        return target
