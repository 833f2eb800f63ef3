"""RTSP through HTTP: the two requests of a tunnel, and the heads of their answers. Pure.

Apple's "Tunnelling RTSP and RTP through HTTP", which cameras and ONVIF (Streaming §5.1.1.4) use: a
GET whose answer carries what the server sends, and a POST of the same session cookie whose body
carries our requests in Base64.
"""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from streams.errors import LOGIN_REFUSED, RefusedUs, StreamBusy, StreamError, Unreadable, WentSilent
from streams.rtsp.message import RtspHeaders, printable, read_head

TUNNEL_TYPE: Final = "application/x-rtsp-tunnelled"
MAX_HTTP_HEAD_BYTES: Final = 16 * 1024
# As the specification's example has it: the body does not end, and servers want a length.
POST_LENGTH: Final = 32_767
_STATUS: Final = re.compile(r"HTTP/\d\.\d\s+(\d{3})(?:\s+(.*))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class HttpHead:
    """The status and headers of an HTTP answer."""

    status: int
    reason: str
    headers: RtspHeaders

    @property
    def status_line(self) -> str:
        """`404 Not Found`, fit for one line of a log."""
        return f"{self.status} {printable(self.reason)}".rstrip()


def read_http_head(data: bytes) -> HttpHead:
    """The head of an answer, its blank line included. Raises Unreadable."""
    first, headers = read_head(data.strip(b"\r\n"))
    match = _STATUS.fullmatch(first)
    if match is None:
        raise Unreadable(f"no HTTP answer, but {printable(first, 40)!r}")
    return HttpHead(int(match[1]), match[2] or "", headers)


def refusal_of(head: HttpHead, why: str) -> StreamError:
    """The error of an answer that opens no tunnel; `why`: of a refused login."""
    seen = f"the tunnel is refused: {head.status_line}"
    if head.status == HTTPStatus.UNAUTHORIZED:
        return RefusedUs(f"{seen}: {why}", reason=LOGIN_REFUSED)
    if head.status == HTTPStatus.SERVICE_UNAVAILABLE:
        wait_s = head.headers.retry_after_s
        return StreamBusy(seen, status=head.status, retry_after_s=wait_s)
    if head.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return WentSilent(seen)
    return RefusedUs(seen)


def tunnel_get(path: str, host: str, cookie: str, authorization: str | None) -> bytes:
    """The request whose answer carries the server's side."""
    return _request("GET", path, host, cookie, authorization, ("Accept", TUNNEL_TYPE))


def tunnel_post(path: str, host: str, cookie: str, authorization: str | None) -> bytes:
    """The request whose body carries our side; nothing answers it while the tunnel is open."""
    return _request(
        "POST",
        path,
        host,
        cookie,
        authorization,
        ("Content-Type", TUNNEL_TYPE),
        ("Content-Length", str(POST_LENGTH)),
        ("Expires", "Sun, 9 Jan 1972 00:00:00 GMT"),
    )


def _request(
    method: str,
    path: str,
    host: str,
    cookie: str,
    authorization: str | None,
    *more: tuple[str, str],
) -> bytes:
    headers = [("Host", host), ("User-Agent", "patrol-streams"), ("x-sessioncookie", cookie), *more]
    headers += [("Pragma", "no-cache"), ("Cache-Control", "no-cache")]
    return write_http_request(f"{method} {path} HTTP/1.0", headers, authorization)


def write_http_request(
    first: str, headers: Sequence[tuple[str, str]], authorization: str | None
) -> bytes:
    """A request without a body, with the login where there is one."""
    signed = [("Authorization", authorization)] if authorization is not None else []
    lines = [first, *(f"{name}: {value}" for name, value in (*headers, *signed))]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def encode_upstream(data: bytes) -> bytes:
    """Our bytes as the POST's body carries them."""
    return base64.b64encode(data)
