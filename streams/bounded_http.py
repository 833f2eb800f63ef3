"""Bounded HTTP for libavformat: opens the playlists and segments of one visit, with limits.

libav reads a playlist to its end, however long, and opens every variant that it names: an endless
one takes all memory. `BoundedHttp.open` is given to PyAV as `io_open`, so that every URL that libav
wants comes here: a playlist is read whole and checked before libav sees it, everything else passes
through as it comes. The login goes to the host of the camera's address alone, redirected or not;
no proxy of the environment is asked. Blocks; every wait has an end. Not seekable.
"""

import io
import ssl
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

import av.error
from typing_extensions import override

from streams.address import StreamAddress
from streams.control_http import read_http_date
from streams.errors import StreamError, Unreadable
from streams.playlist_age import STALE, PlaylistWatch
from streams.target_policy import TargetPolicy, TargetRefused, checked_connect
from streams.tls import CAMERA_TLS, tls_problem

PLAYLIST_START: Final = b"#EXTM3U"
MAX_PLAYLIST_BYTES: Final = 1024 * 1024  # a window of six hours is 400 kB
MAX_VARIANTS: Final = 32  # streams and renditions of a master playlist; cameras have three
MAX_OPENED: Final = 100  # playlists and segments of one visit: twenty seconds need some twenty
MAX_BYTES: Final = 256 * 1024 * 1024  # of one visit: 100 Mbit/s for twenty seconds
_VARIANT_TAGS: Final = (b"#EXT-X-STREAM-INF", b"#EXT-X-I-FRAME-STREAM-INF", b"#EXT-X-MEDIA:")
_CHUNK_BYTES: Final = 64 * 1024
_HTTP_ERRORS: Final[Mapping[int, type[av.error.FFmpegError]]] = {
    400: av.error.HTTPBadRequestError,
    401: av.error.HTTPUnauthorizedError,
    403: av.error.HTTPForbiddenError,
    404: av.error.HTTPNotFoundError,
}


class BeyondLimit(av.error.InvalidDataError):
    """The server sends more than a camera's stream has; the text says of what."""

    def __init__(self, what: str) -> None:
        super().__init__(0, what)


@dataclass(slots=True, kw_only=True)
class BoundedHttp:
    """Opens URLs for one visit, until its end."""

    address: StreamAddress
    deadline_s: float  # of the monotonic clock
    wait_s: float  # the longest silence of a server
    policy: TargetPolicy | None = None  # where a URL that was handed out may lead
    now: Callable[[], datetime] | None = None  # our clock; None: the age of playlists is not judged
    opened: int = 0
    received: int = 0
    refusal: StreamError | None = None  # why the visit is refused, whatever libav makes of it
    _playlists: PlaylistWatch = field(default_factory=PlaylistWatch)
    _opener: urllib.request.OpenerDirector = field(init=False)

    def __post_init__(self) -> None:
        passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
        if self.address.user:
            base = f"{self.address.scheme}://{self.address.authority}/"
            passwords.add_password(None, base, self.address.user, self.address.password)
        self._opener = urllib.request.OpenerDirector()
        for handler in (  # not build_opener: it adds ftp, file, and the environment's proxies
            _CheckedHttpHandler(self.policy),
            _CheckedHttpsHandler(self.policy, CAMERA_TLS.context()),
            urllib.request.HTTPBasicAuthHandler(passwords),
            urllib.request.HTTPDigestAuthHandler(passwords),
            urllib.request.HTTPCookieProcessor(),  # platforms keep their sessions in one
            urllib.request.HTTPRedirectHandler(),
            urllib.request.HTTPDefaultErrorHandler(),
            urllib.request.HTTPErrorProcessor(),
            urllib.request.UnknownHandler(),
        ):
            self._opener.add_handler(handler)
        self._opener.addheaders = [("User-Agent", "patrol-streams")]

    def open(self, url: str, _flags: int, _options: Mapping[str, str]) -> "io.BytesIO | Body":
        """What PyAV's `io_open` wants: a file to read. Raises av.error.FFmpegError, OSError."""
        self.opened += 1
        if self.opened > MAX_OPENED:
            raise BeyondLimit(f"more than {MAX_OPENED} playlists and segments")
        if urlsplit(url).scheme not in {"http", "https"}:
            raise av.error.ProtocolNotFoundError(0, "a playlist names what is not HTTP")
        body = Body(self, self._request(url))
        start = body.read(len(PLAYLIST_START))
        while 0 < len(start) < len(PLAYLIST_START) and (more := body.read(1)):
            start += more
        if start != PLAYLIST_START:
            body.put_back(start)
            return body
        try:
            playlist = _checked_playlist(start, body)
            self._judge_age(url, playlist, body)
            return io.BytesIO(playlist)
        finally:
            body.close()

    def _judge_age(self, url: str, playlist: bytes, body: "Body") -> None:
        """Refuse the visit for a playlist that nobody renews. Raises av.error.FFmpegError."""
        if self.now is None:
            return
        clock = read_http_date(body.header("date")) or self.now().astimezone(UTC)
        stale = self._playlists.problem(url, playlist.decode("utf-8", "replace"), clock)
        if stale is not None:
            self._refuse(Unreadable(stale, reason=STALE))
            raise BeyondLimit(stale)

    def _refuse(self, error: StreamError) -> None:
        """End the visit with this error: libav would ask for the next segment, and the next."""
        self.refusal = error
        self.deadline_s = time.monotonic()

    def left_s(self) -> float:
        """How long a wait may be now. Raises TimeoutError when the visit is over."""
        left_s = min(self.wait_s, self.deadline_s - time.monotonic())
        if left_s <= 0:
            raise TimeoutError("the visit is over")
        return left_s

    def _request(self, url: str) -> HTTPResponse:
        try:
            answer: HTTPResponse = self._opener.open(url, timeout=self.left_s())
        except TargetRefused as exc:
            self._refuse(exc)
            raise av.error.PermissionError(0, "this address is not opened") from None
        except HTTPError as exc:
            exc.close()
            kind = _HTTP_ERRORS.get(exc.code, av.error.HTTPOtherClientError)
            kind = av.error.HTTPServerError if exc.code >= 500 else kind  # noqa: PLR2004  5xx
            raise kind(0, f"server returned {exc.code}") from None
        except URLError as exc:
            reason = exc.reason
            if isinstance(reason, ssl.SSLError):
                raise av.error.InvalidDataError(0, tls_problem(reason)) from None
            raise reason if isinstance(reason, OSError) else OSError("no answer") from None
        except (HTTPException, ValueError) as exc:
            raise av.error.InvalidDataError(0, f"no HTTP answer ({type(exc).__name__})") from None
        return answer


class Body:
    """The body of one answer, as PyAV reads it."""

    def __init__(self, http: BoundedHttp, answer: HTTPResponse) -> None:
        self._http = http
        self._answer = answer
        self._pending = b""

    def put_back(self, data: bytes) -> None:
        """Give back what was read ahead."""
        self._pending = data

    def read(self, size: int = _CHUNK_BYTES) -> bytes:
        """At most `size` bytes, as soon as some have come; b"" at the end."""
        if self._pending:
            data, self._pending = self._pending[:size], self._pending[size:]
            return data
        self._http.left_s()
        try:
            data = self._answer.read1(size)
        except HTTPException:
            return b""
        self._http.received += len(data)
        if self._http.received > MAX_BYTES:
            raise BeyondLimit(f"more than {MAX_BYTES >> 20} MB")
        return data

    def header(self, name: str) -> str:
        """A header of the answer; empty without it."""
        return self._answer.headers.get(name) or ""

    def close(self) -> None:
        """End the connection."""
        self._answer.close()


class _CheckedHttpHandler(urllib.request.HTTPHandler):
    """Opens plain connections where the policy permits; redirects and segments come by here."""

    def __init__(self, policy: TargetPolicy | None) -> None:
        super().__init__()
        self._policy = policy

    @override
    def http_open(self, req: urllib.request.Request) -> HTTPResponse:
        return self.do_open(_connection_maker(HTTPConnection, self._policy), req)


class _CheckedHttpsHandler(urllib.request.HTTPSHandler):
    """The same over TLS."""

    def __init__(self, policy: TargetPolicy | None, context: ssl.SSLContext) -> None:
        super().__init__(context=context)
        self._policy = policy
        self._own_context = context

    @override
    def https_open(self, req: urllib.request.Request) -> HTTPResponse:
        maker = _connection_maker(HTTPSConnection, self._policy)
        return self.do_open(maker, req, context=self._own_context)


def _connection_maker(
    kind: type[HTTPConnection], policy: TargetPolicy | None
) -> Callable[..., HTTPConnection]:
    """What makes urllib's connections, with the policy's own way to connect."""

    def make(host: str, **options: Any) -> HTTPConnection:
        connection = kind(host, **options)
        if policy is not None:
            connection._create_connection = checked_connect(policy)  # type: ignore[attr-defined]  # noqa: SLF001  http.client's own place for it
        return connection

    return make


def _checked_playlist(start: bytes, body: Body) -> bytes:
    """The whole playlist. Raises BeyondLimit."""
    pieces, size = [start], len(start)
    while piece := body.read():
        pieces.append(piece)
        size += len(piece)
        if size > MAX_PLAYLIST_BYTES:
            raise BeyondLimit(f"a playlist of more than {MAX_PLAYLIST_BYTES >> 10} kB")
    playlist = b"".join(pieces)
    variants = sum(playlist.count(tag) for tag in _VARIANT_TAGS)
    if variants > MAX_VARIANTS:
        raise BeyondLimit(f"a playlist of {variants} variants")
    return playlist
