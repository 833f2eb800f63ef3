"""HTTP calls to a source's control interface: ONVIF devices, ticket services, gateways.

Not for media (bounded_http.py, http_snapshot.py). One bounded request at a time: no redirect is
followed, no proxy or password of the environment is used, an answer has at most MAX_ANSWER_BYTES,
and the whole call ends at its limit. URLs, headers and bodies hold keys: nothing here prints them.
"""

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from streams.errors import TLS_FAILED, Unreachable, Unreadable
from streams.rtsp.message import printable
from streams.tls import CAMERA_TLS

MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024  # a page of a thousand devices is below 1 MB


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlRequest:
    """One HTTP request; none of it is for a log."""

    method: str
    url: str = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)

    @property
    def shown(self) -> str:
        """Method, host and path without the query, for errors."""
        parts = urlsplit(self.url)
        host = parts.netloc.rpartition("@")[2]
        return f"{self.method} {parts.scheme}://{host}{printable(parts.path, 120)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlAnswer:
    """What came back, with whatever status."""

    status: int
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # names in lower case
    body: bytes = field(default=b"", repr=False)

    def get(self, name: str) -> str:
        """The first value of a header; empty without it."""
        return next(iter(self.all(name)), "")

    def all(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for key, value in self.headers if key == name]

    @property
    def date(self) -> datetime | None:
        """The server's clock by its `Date` header (RFC 9110 §6.6.1), UTC."""
        return read_http_date(self.get("date"))

    def json(self) -> Any:
        """The body as JSON. Raises Unreadable."""
        return read_json(self.body)


# Makes one call, within so many seconds.
Ask = Callable[[ControlRequest, float], Awaitable[ControlAnswer]]


class ControlHttp:
    """Makes calls; one instance serves all event loops, as it keeps no connection."""

    def __init__(self, *, verify_tls: bool = True, as_camera: bool = False) -> None:
        self._verify_tls = verify_tls
        self._as_camera = as_camera  # certificates are checked as those of cameras are

    async def ask(self, request: ControlRequest, timeout_s: float) -> ControlAnswer:
        """One request and its answer. Raises Unreachable, Unreadable."""
        of_camera = self._as_camera and self._verify_tls
        context = CAMERA_TLS.context() if of_camera else _tls_context(verify=self._verify_tls)
        limit_s = max(0.01, timeout_s)
        try:
            async with (
                asyncio.timeout(limit_s),
                httpx.AsyncClient(
                    verify=context, follow_redirects=False, trust_env=False, timeout=limit_s
                ) as client,
                client.stream(
                    request.method,
                    request.url,
                    headers=list(request.headers),
                    content=request.body or None,
                ) as response,
            ):
                body = await _bounded_body(response, request)
                headers = [(name.lower(), value) for name, value in response.headers.multi_items()]
                return ControlAnswer(status=response.status_code, headers=tuple(headers), body=body)
        except (TimeoutError, httpx.TimeoutException):
            raise Unreachable(f"{request.shown}: no answer in {timeout_s:.1f} s") from None
        except (httpx.ConnectError, httpx.NetworkError) as exc:
            if isinstance(exc.__cause__, ssl.SSLError) or "SSL" in str(exc):
                seen = f"{request.shown}: TLS failed (certificate?)"
                raise Unreadable(seen, reason=TLS_FAILED) from None
            raise Unreachable(f"{request.shown}: {_reason(exc)}") from None
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, UnicodeError) as exc:
            raise Unreadable(f"{request.shown}: no HTTP answer ({type(exc).__name__})") from None


async def _bounded_body(response: httpx.Response, request: ControlRequest) -> bytes:
    pieces: list[bytes] = []
    size = 0
    async for piece in response.aiter_bytes():
        size += len(piece)
        if size > MAX_ANSWER_BYTES:
            limit = MAX_ANSWER_BYTES >> 20
            raise Unreadable(f"{request.shown}: an answer of more than {limit} MB")
        pieces.append(piece)
    return b"".join(pieces)


@lru_cache(maxsize=2)
def _tls_context(*, verify: bool) -> ssl.SSLContext:
    """One for all calls: reading the certificates of the system takes 20 ms."""
    context = ssl.create_default_context()
    if not verify:  # sources.yaml says so
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _reason(exc: Exception) -> str:
    text = printable(str(exc), 80).lower()
    return "no connection" if not text or "attempts failed" in text else text


def read_http_date(text: str) -> datetime | None:
    """The time of a `Date` or `Last-Modified` header, UTC; None where it is none."""
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return when.replace(tzinfo=when.tzinfo or UTC).astimezone(UTC)


def read_json(body: bytes) -> Any:
    """JSON of a service, as UTF-8 or GB 18030. Raises Unreadable, which quotes nothing of it."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = body.decode("gb18030", "replace")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        kind = "HTML or XML" if text.lstrip()[:1] == "<" else f"{len(body)} bytes of something else"
        raise Unreadable(f"the answer is not JSON, but {kind}") from None


def value_at(data: Any, path: str) -> Any:
    """What stands at a dotted path (`data.list.0.url`); None where there is nothing."""
    for part in path.split(".") if path else ():
        if isinstance(data, Mapping):
            data = data.get(part)
        elif isinstance(data, list) and part.isascii() and part.isdigit() and len(part) < 6:  # noqa: PLR2004
            data = data[int(part)] if int(part) < len(data) else None
        else:
            return None
    return data
