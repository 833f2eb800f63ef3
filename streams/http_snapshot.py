"""Capture HTTP still pictures: one JPEG a request, with authentication, every wait limited.

What turns out to be a stream (FLV, HLS, multipart) raises NotAPicture and is left to libav.
"""

import asyncio
import hashlib
import http.client
import ssl
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Final
from urllib.parse import urljoin

from streams.address import StreamAddress
from streams.errors import (
    LOGIN_REFUSED,
    BadAddress,
    RefusedUs,
    StreamError,
    Unreachable,
    Unreadable,
    WentSilent,
    os_error_text,
)
from streams.model import Codec, Freshness, KeyFrame, Sample, StreamFacts, VisitOptions
from streams.rtsp.digest_auth import DigestAuthenticator
from streams.rtsp.message import printable
from streams.worker_thread import run_in_thread

MAX_REDIRECTS: Final = 3
READ_BYTES: Final = 64 * 1024

_STREAM_ENDINGS: Final = (".m3u8", ".flv", ".ts", ".mp4", ".mkv", ".mjpg", ".mjpeg", ".mpd")
_STREAM_TYPES: Final = ("video/", "audio/", "multipart/", "application/vnd.apple.mpegurl")
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_JPEG: Final = b"\xff\xd8\xff"


class NotAPicture(Exception):
    """The address answers with a stream, not with a still picture."""


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
    deadline_s = start_s + options.visit_timeout_s
    client = _SnapshotClient(address, options, now)
    report_frame = options.on_key_frame or (lambda _: None)
    frames = [await run_in_thread(lambda: client.get(deadline_s - loop.time()), "snapshot")]
    report_frame(frames[-1])
    first_s = loop.time() - start_s
    while len(frames) < options.pictures and loop.time() + options.spacing_s < deadline_s:
        await asyncio.sleep(options.spacing_s)
        try:
            frames.append(
                await run_in_thread(lambda: client.get(deadline_s - loop.time()), "snapshot")
            )
            report_frame(frames[-1])
        except (StreamError, NotAPicture):
            break  # what we have is worth more than the reason
    facts = StreamFacts(
        transport="http",
        codec=Codec.MJPEG.value,
        server=client.server,
        connect_s=client.connect_s,
        describe_s=client.connect_s,
        first_key_frame_s=first_s,
        visit_s=loop.time() - start_s,
        bytes_received=client.bytes_received,
    )
    return Sample(key_frames=tuple(frames), facts=facts, freshness=Freshness.STILL)


@dataclass(slots=True)
class _SnapshotClient:
    """Fetches one picture after the other from the same address; blocks."""

    address: StreamAddress
    options: VisitOptions
    now: Callable[[], datetime]
    login: DigestAuthenticator = field(init=False)
    bytes_received: int = 0
    connect_s: float = 0.0
    server: str = ""

    def __post_init__(self) -> None:
        self.login = DigestAuthenticator(self.address.user, self.address.password)

    def get(self, left_s: float) -> KeyFrame:
        """One picture. Raises StreamError, NotAPicture."""
        deadline_s = time.monotonic() + max(left_s, 0.1)
        at = self.address
        for _ in range(1 + MAX_REDIRECTS):
            found = self._ask(at, deadline_s)
            if not isinstance(found, str):
                return found
            at = self._redirected(at, found)
        raise Unreadable(f"redirected more than {MAX_REDIRECTS} times, last to {at}")

    def _ask(self, at: StreamAddress, deadline_s: float) -> KeyFrame | str:
        """A picture, or the URL that a redirect names."""
        for _ in range(3):  # plain, with the login, with a fresh nonce
            with ExitStack() as stack:
                connection = stack.enter_context(closing(self._connect(at, deadline_s)))
                # Closed as well: it holds the socket open after the connection was closed.
                answer = stack.enter_context(closing(self._request(connection, at)))
                if answer.status == HTTPStatus.UNAUTHORIZED and self.login.accept_challenges(
                    answer.headers.get_all("www-authenticate") or []
                ):
                    continue
                if answer.status in _REDIRECTS:
                    return answer.headers.get("location") or ""
                return self._picture(answer, deadline_s)
        reason = "401 Unauthorized: asked for the password again and again"
        raise RefusedUs(reason, reason=LOGIN_REFUSED)

    def _connect(self, at: StreamAddress, deadline_s: float) -> http.client.HTTPConnection:
        timeout_s = max(0.1, min(self.options.connect_timeout_s, deadline_s - time.monotonic()))
        kind = http.client.HTTPSConnection if at.scheme == "https" else http.client.HTTPConnection
        connection = kind(at.host, at.port, timeout=timeout_s)
        start_s = time.monotonic()
        try:
            connection.connect()
        except ssl.SSLError as exc:
            raise Unreadable(f"{at.authority}: TLS failed ({exc.reason})") from None
        except TimeoutError:
            raise Unreachable(f"{at.authority}: no TCP connection in {timeout_s:.1f} s") from None
        except OSError as exc:
            raise Unreachable(f"{at.authority}: {os_error_text(exc)}") from None
        self.connect_s = self.connect_s or time.monotonic() - start_s
        return connection

    def _request(
        self, connection: http.client.HTTPConnection, at: StreamAddress
    ) -> http.client.HTTPResponse:
        target = at.path + (f"?{at.query}" if at.query else "")
        headers = {"User-Agent": "patrol-streams", "Accept": "image/jpeg, */*"}
        authorization = self.login.authorization("GET", target)
        if authorization is not None:
            headers["Authorization"] = authorization
        connection.sock.settimeout(self.options.answer_timeout_s)
        try:
            connection.request("GET", target, headers=headers)
            answer = connection.getresponse()
        except TimeoutError:
            reason = f"no answer to GET in {self.options.answer_timeout_s:.1f} s"
            raise Unreachable(reason) from None
        except http.client.HTTPException as exc:
            raise Unreadable(f"no HTTP answer ({type(exc).__name__})") from None
        except (OSError, ValueError) as exc:
            raise Unreachable(f"no answer to GET ({type(exc).__name__})") from None
        self.server = self.server or printable(answer.headers.get("server") or "")
        return answer

    def _picture(self, answer: http.client.HTTPResponse, deadline_s: float) -> KeyFrame:
        status_line = f"{answer.status} {printable(answer.reason)}".rstrip()
        if answer.status == HTTPStatus.UNAUTHORIZED:
            raise RefusedUs(f"{status_line}: {self.login.refusal_text()}", reason=LOGIN_REFUSED)
        self.login.confirm()
        if answer.status != HTTPStatus.OK:
            raise RefusedUs(f"GET refused: {status_line}")
        kind = (answer.headers.get("content-type") or "").lower().strip()
        if kind.startswith(_STREAM_TYPES):
            raise NotAPicture
        data = self._body(answer, deadline_s)
        if not data.startswith(_JPEG):
            if kind.startswith(("image/", "text/")):
                raise Unreadable(f"{printable(kind, 40)}, {len(data)} bytes, is no JPEG picture")
            raise NotAPicture
        if b"\xff\xd9" not in data[-64:]:
            raise WentSilent(f"the picture ends in the middle, after {len(data)} bytes")
        digest = hashlib.sha256(data).hexdigest()
        return KeyFrame(
            codec=Codec.MJPEG, data=data, taken_at=self.now(), media_time_s=None, sha256=digest
        )

    def _body(self, answer: http.client.HTTPResponse, deadline_s: float) -> bytes:
        data = bytearray()
        try:
            while chunk := answer.read1(READ_BYTES):
                data += chunk
                self.bytes_received += len(chunk)
                if len(data) > self.options.max_key_frame_bytes:
                    raise Unreadable(f"a picture of more than {len(data)} bytes")
                if not data.startswith(_JPEG[: len(data)]) or time.monotonic() > deadline_s:
                    break
        except (OSError, http.client.HTTPException):
            reason = f"stopped in the middle of the picture, after {len(data)} bytes"
            raise WentSilent(reason) from None
        return bytes(data)

    def _redirected(self, at: StreamAddress, location: str) -> StreamAddress:
        try:
            target = StreamAddress.parse(urljoin(at.request_uri, location.strip()))
        except BadAddress as exc:
            raise Unreadable(f"redirected to what is no address: {exc.seen}") from exc
        except ValueError:  # of urljoin, for a bracket that is not closed
            raise Unreadable("redirected to what is no address") from None
        if target.scheme not in {"http", "https"}:
            raise Unreadable(f"redirected to {target}, which is not HTTP")
        if target.host != self.address.host:
            self.login.basic_allowed = False
        return target
