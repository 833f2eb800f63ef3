"""RTSP messages (RFC 2326, RFC 7826): write requests; read answers and requests of servers.

Lenient in what is read, as cameras demand: LF alone ends a line, headers may be folded, names come
in any case and any order, a reason phrase or a CSeq may be missing. Strict about size: nothing a
camera sends may grow our memory. `read_granted` reads the Transport and Session headers of an
answer to SETUP (RFC 2326 §12.37, §12.39).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from streams.errors import Unreadable
from streams.url_secrets import hide_credentials, hide_login_parameters

MAX_HEAD_BYTES: Final = 16 * 1024  # the longest real one, three challenges and all, is below 2 kB
MAX_BODY_BYTES: Final = 64 * 1024  # an SDP with a dozen tracks is below 4 kB
MAX_HEADER_LINES: Final = 256  # folded ones included; a real answer has about a dozen

MAX_RETRY_AFTER_S: Final = 3600.0  # a longer wait is another day's, which the round decides

_END_OF_HEAD: Final = re.compile(rb"\r?\n\r?\n")
_LONGEST_END: Final = 4  # bytes of it
_STATUS: Final = re.compile(r"(?:RTSP|HTTP)/\d\.\d\s+(\d{3})(?:\s+(.*))?", re.ASCII)
_REQUEST: Final = re.compile(r"([A-Z_]{2,20})\s+(\S+)\s+RTSP/\d\.\d", re.ASCII)


def read_retry_after(value: str) -> float | None:
    """The wait of a Retry-After header in seconds (RFC 7826 §18.41, RFC 9110 §10.2.3).

    The other form, a date, is not read: cameras' clocks are not to be trusted.
    """
    text = value.split(";", 1)[0].split("(", 1)[0].strip()
    if not (text.isascii() and text.isdigit()):
        return None
    return min(float(text[:9]), MAX_RETRY_AFTER_S)


@dataclass(frozen=True, slots=True)
class RtspHeaders:
    """Names folded to lower case; a name may stand several times."""

    items: tuple[tuple[str, str], ...] = ()

    def get(self, name: str, default: str = "") -> str:
        """The first value of a name."""
        return next((value for key, value in self.items if key == name), default)

    @property
    def retry_after_s(self) -> float | None:
        """The wait that a busy server asks for, in seconds; None without one."""
        return read_retry_after(self.get("retry-after"))

    def all(self, name: str) -> list[str]:
        """Every value of a name, in order."""
        return [value for key, value in self.items if key == name]


@dataclass(frozen=True, slots=True, kw_only=True)
class RtspResponse:
    """A server's answer to a request."""

    status: int
    reason: str
    headers: RtspHeaders
    body: bytes = b""

    @property
    def cseq(self) -> int | None:
        """The number of the request that it answers; None where it is missing or no number."""
        text = self.headers.get("cseq").strip()
        return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else None  # noqa: PLR2004

    @property
    def is_ok(self) -> bool:
        """Whether it is a success (RFC 7826 §8.2)."""
        return 200 <= self.status < 300  # noqa: PLR2004

    @property
    def status_line(self) -> str:
        """`404 Not Found`, fit for one line of a log."""
        return f"{self.status} {printable(self.reason)}".rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerRequest:
    """A request that a server sends during a session."""

    method: str
    uri: str
    headers: RtspHeaders
    body: bytes = b""


RtspMessage = RtspResponse | ServerRequest


def printable(text: str, limit: int = 80) -> str:
    """Text from a server as one line of at most `limit` characters, none a control character.

    Servers quote our own request, whose URL may hold a password: that is hidden first.
    """
    hidden = hide_login_parameters(hide_credentials(text.strip()))
    clean = "".join(c if c.isprintable() else "?" for c in hidden[: limit + 1])
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def write_request(method: str, uri: str, cseq: int, headers: Sequence[tuple[str, str]]) -> bytes:
    """The bytes of a request without a body."""
    lines = [f"{method} {uri} RTSP/1.0", f"CSeq: {cseq}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def write_answer(request: ServerRequest, status: int, reason: str) -> bytes:
    """Our answer to a server's request."""
    head = f"RTSP/1.0 {status} {reason}\r\nCSeq: {printable(request.headers.get('cseq'), 12)}\r\n"
    session = request.headers.get("session")
    if session:
        head += f"Session: {printable(session)}\r\n"
    return (head + "\r\n").encode("latin-1", "replace")


@dataclass(frozen=True, slots=True)
class IncompleteMessage:
    """A message whose end is still to come, and what need not be read twice until it came."""

    bytes_needed: int  # from its start; fewer cannot be all of it
    head_bytes_searched: int = 0  # in these the head does not end


def read_message(
    data: bytes | bytearray, start: int, end: int, head_bytes_searched: int = 0
) -> tuple[RtspMessage, int] | IncompleteMessage:
    """The message that begins at `start` and where it ends, or how much of it is missing.

    `head_bytes_searched` is of the IncompleteMessage that the same bytes gave before: a server
    that sends byte by byte costs no more than one that sends at once. Raises Unreadable when it
    cannot become a message.
    """
    searched_to = min(end, start + MAX_HEAD_BYTES)
    match = _END_OF_HEAD.search(data, start + head_bytes_searched, searched_to)
    if match is None:
        if end - start >= MAX_HEAD_BYTES:
            raise Unreadable(f"an RTSP header block of more than {MAX_HEAD_BYTES // 1024} kB")
        searched = max(0, searched_to - start - (_LONGEST_END - 1))
        return IncompleteMessage(end - start + 1, searched)
    first, headers = read_head(data[start : match.start()])
    length = _content_length(headers)
    stop = match.end() + length
    if stop > end:
        return IncompleteMessage(stop - start, head_bytes_searched)
    return _make_message(first, headers, bytes(data[match.end() : stop])), stop


def read_head(block: bytes | bytearray) -> tuple[str, RtspHeaders]:
    """First line and headers of a message, HTTP's as well, its blank line left out.

    Raises Unreadable beyond MAX_HEADER_LINES.
    """
    lines = block.decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
    if len(lines) > MAX_HEADER_LINES:
        raise Unreadable(f"an RTSP message of more than {MAX_HEADER_LINES} header lines")
    items: list[tuple[str, str]] = []
    for line in lines[1:]:
        if line[:1] in {" ", "\t"} and items:  # folded: continues the header above
            name, value = items[-1]
            items[-1] = (name, f"{value} {line.strip()}")
            continue
        name, colon, value = line.partition(":")
        if colon:
            items.append((name.strip().lower(), value.strip()))
    return lines[0].strip(), RtspHeaders(tuple(items))


def _content_length(headers: RtspHeaders) -> int:
    text = headers.get("content-length").strip() or "0"
    if not (text.isascii() and text.isdigit()) or len(text) > 9:  # noqa: PLR2004  digits, not a rule
        raise Unreadable(f"Content-Length is {printable(text, 30)!r}")
    if int(text) > MAX_BODY_BYTES:
        raise Unreadable(f"a body of {int(text)} bytes announced; {MAX_BODY_BYTES} is the limit")
    return int(text)


def _make_message(first: str, headers: RtspHeaders, body: bytes) -> RtspMessage:
    if match := _STATUS.fullmatch(first):
        reason = match[2] or ""
        return RtspResponse(status=int(match[1]), reason=reason, headers=headers, body=body)
    if match := _REQUEST.fullmatch(first):
        return ServerRequest(method=match[1], uri=match[2], headers=headers, body=body)
    raise Unreadable(f"not an RTSP message: {printable(first, 60)!r}")


DEFAULT_TIMEOUT_S: Final = 60.0  # of a session, where the server names none

_CHANNELS: Final = re.compile(r"(\d{1,3})(?:\s*-\s*(\d{1,3}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class GrantedTransport:
    """The transport and session of an answer to SETUP."""

    over_tcp: bool
    media_channel: int
    control_channel: int
    session: str  # empty where the server gave none
    timeout_s: float


def read_granted(headers: RtspHeaders) -> GrantedTransport:
    """Read a 200 to SETUP; where it names no channels, those that were asked for: 0 and 1."""
    transport = headers.get("transport").split(",")[0]
    fields = [field.strip() for field in transport.split(";")]
    media, control = _channels(fields)
    session, timeout_s = _session(headers.get("session"))
    over_tcp = not transport.strip() or _is_tcp(fields)
    return GrantedTransport(over_tcp, media, control, session, timeout_s)


def _is_tcp(fields: list[str]) -> bool:
    # Some servers answer plain "RTP/AVP;interleaved=0-1".
    return fields[0].upper().endswith("/TCP") or any(
        field.lower().startswith("interleaved") for field in fields
    )


def _channels(fields: list[str]) -> tuple[int, int]:
    for field in fields:
        name, _, value = field.partition("=")
        match = _CHANNELS.match(value.strip())
        if name.strip().lower() == "interleaved" and match:
            media = min(int(match[1]), 255)
            return media, min(int(match[2] or media + 1), 255)
    return 0, 1


def _session(value: str) -> tuple[str, float]:
    name, *rest = [part.strip() for part in value.split(";")]
    for part in rest:
        key, _, number = part.partition("=")
        digits = number.strip()
        if key.strip().lower() == "timeout" and digits.isascii() and digits.isdigit():
            return name, float(min(max(int(digits[:9]), 1), 86_400))
    return name, DEFAULT_TIMEOUT_S
