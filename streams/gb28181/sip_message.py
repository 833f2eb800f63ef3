"""SIP messages as GB/T 28181 uses them (RFC 3261): read tolerantly, written exactly. Sans-io.

What the field sends and a strict parser refuses is read: domains of ten digits, bare LF, folded
lines, compact names, Chinese in headers in either encoding, a Content-Length of 0 in front of a
body, addresses without tags. Everything is bounded: bytes, headers, lengths.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from streams.gb28181.text import decode_text

MAX_MESSAGE: Final = 65_535  # of a datagram
MAX_STREAM_MESSAGE: Final = 4 << 20  # over TCP: catalogues of 10,000 items
MAX_HEAD: Final = 32_768
MAX_HEADERS: Final = 128
VERSION: Final = "SIP/2.0"

_COMPACT: Final = {
    "v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "l": "content-length",
    "c": "content-type", "s": "subject", "e": "content-encoding", "o": "event", "k": "supported",
}  # fmt: skip
_STATUS_LINE: Final = re.compile(r"SIP/2\.0\s+(\d{3})(?:\s+(.*))?", re.IGNORECASE)
_REQUEST_LINE: Final = re.compile(r"([A-Za-z]{3,16})\s+(\S{1,512})\s+SIP/2\.0", re.IGNORECASE)
_HEAD_END: Final = re.compile(rb"\r?\n\r?\n")
_FOLD: Final = re.compile(r"\r?\n[ \t]+")
_URI: Final = re.compile(r"sips?:(?:([^@<>;\s]{1,128})@)?([^<>;?\s]{1,128})", re.IGNORECASE)
_PARAMETER: Final = re.compile(r';\s*([\w.-]{1,40})(?:\s*=\s*(?:"([^"]*)"|([^;,>\s]*)))?')
_CSEQ: Final = re.compile(r"(\d{1,10})\s+([A-Za-z]{3,16})")


class BadMessage(ValueError):
    """What came is no SIP message; the text says why, and quotes nothing of it."""


@dataclass(frozen=True, slots=True)
class SipAddress:
    """The URI of a From, To or Contact header, with the header's tag."""

    user: str
    host: str  # with its port, where it has one
    tag: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SipMessage:
    """A request (`method`, `uri`) or a response (`status`); headers in their order."""

    method: str = ""
    uri: str = ""
    status: int = 0
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = ()  # names in lower case
    body: bytes = field(default=b"", repr=False)

    def get(self, name: str, default: str = "") -> str:
        """The first header of this lower-case name."""
        return next((value for key, value in self.headers if key == name), default)

    def all(self, name: str) -> list[str]:
        """Every header of this lower-case name."""
        return [value for key, value in self.headers if key == name]

    @property
    def call_id(self) -> str:
        """The Call-ID."""
        return self.get("call-id").strip()

    @property
    def cseq(self) -> tuple[int, str]:
        """Number and method of CSeq; (0, "") where it cannot be read."""
        match = _CSEQ.match(self.get("cseq").strip())
        return (int(match[1]), match[2].upper()) if match else (0, "")

    @property
    def branch(self) -> str:
        """The branch of the topmost Via."""
        return parameters(self.get("via")).get("branch", "")

    @property
    def sender(self) -> SipAddress:
        """The address in From."""
        return read_address(self.get("from"))

    @property
    def recipient(self) -> SipAddress:
        """The address in To."""
        return read_address(self.get("to"))

    @property
    def expires(self) -> int | None:
        """Expires in seconds, of its header or of Contact's parameter; None without one."""
        text = self.get("expires").strip() or parameters(self.get("contact")).get("expires", "")
        return min(int(text), 10**8) if text.isdecimal() and len(text) < 12 else None  # noqa: PLR2004

    @property
    def content_type(self) -> str:
        """The media type, lower case."""
        return self.get("content-type").split(";")[0].strip().lower()

    def dump(self) -> bytes:
        """The message as it goes out; Content-Length is counted here."""
        first = f"{self.method} {self.uri} {VERSION}"
        if self.status:
            first = f"{VERSION} {self.status} {self.reason}"
        lines = [first]
        lines += [f"{wire_name(name)}: {value}" for name, value in self.headers]
        lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join(lines).encode("utf-8") + b"\r\n\r\n" + self.body


_WIRE_NAMES: Final = {
    "call-id": "Call-ID", "cseq": "CSeq", "www-authenticate": "WWW-Authenticate",
    "x-gb-ver": "X-GB-Ver",
}  # fmt: skip


def wire_name(name: str) -> str:
    """A header's name as it is written."""
    return _WIRE_NAMES.get(name) or "-".join(part.capitalize() for part in name.split("-"))


def parse_message(data: bytes, *, whole_datagram: bool = True) -> SipMessage:
    """Read one message. Raises BadMessage.

    `whole_datagram`: the body is all the rest where Content-Length is 0, absent or too long.
    """
    if len(data) > MAX_STREAM_MESSAGE:
        raise BadMessage(f"a message of {len(data)} bytes")
    data = data.lstrip(b"\r\n\x00 ")
    end = _HEAD_END.search(data, 0, MAX_HEAD)
    if end is None and len(data) > MAX_HEAD:
        raise BadMessage(f"no end of the headers in {MAX_HEAD} bytes")
    head = data[: end.start()] if end is not None else data
    body = data[end.end() :] if end is not None else b""
    lines = _FOLD.sub(" ", decode_text(head)).splitlines()
    if not lines:
        raise BadMessage("an empty message")
    headers = _read_headers(lines[1:])
    length = content_length(headers)
    if length is not None and 0 < length <= len(body):
        body = body[:length]
    elif not whole_datagram:
        body = body[: length or 0]
    return _from_first_line(lines[0].strip(), headers, body)


def _from_first_line(line: str, headers: tuple[tuple[str, str], ...], body: bytes) -> SipMessage:
    status = _STATUS_LINE.fullmatch(line)
    if status is not None:
        return SipMessage(status=int(status[1]), reason=status[2] or "", headers=headers, body=body)
    request = _REQUEST_LINE.fullmatch(line)
    if request is None:
        raise BadMessage("the first line is neither a request nor a response")
    return SipMessage(method=request[1].upper(), uri=request[2], headers=headers, body=body)


def _read_headers(lines: Sequence[str]) -> tuple[tuple[str, str], ...]:
    headers: list[tuple[str, str]] = []
    for line in lines:
        name, colon, value = line.partition(":")
        name = name.strip().lower()
        if not colon or not name:
            continue  # a line that is no header; some write one
        if len(headers) >= MAX_HEADERS:
            raise BadMessage(f"more than {MAX_HEADERS} headers")
        headers.append((_COMPACT.get(name, name), value.strip()))
    return tuple(headers)


def content_length(headers: Sequence[tuple[str, str]]) -> int | None:
    """The Content-Length; None where there is none that can be read."""
    text = next((value for name, value in headers if name == "content-length"), "")
    return int(text) if text.isdecimal() and len(text) < 10 else None  # noqa: PLR2004


def read_address(text: str) -> SipAddress:
    """`"name" <sip:user@host:port>;tag=…`, also without brackets; empty where there is no URI."""
    match = _URI.search(text[:1024])
    if match is None:
        return SipAddress("", "")
    behind = text.find(">", match.end())
    rest = text[behind + 1 :] if behind >= 0 else text[match.end() :]
    return SipAddress(match[1] or "", match[2], parameters(rest).get("tag", ""))


def parameters(text: str) -> dict[str, str]:
    """The `;name=value` parameters of a header's first value, names in lower case."""
    return {
        match[1].lower(): match[2] if match[2] is not None else match[3] or ""
        for match in _PARAMETER.finditer(text[:2048])
    }


def respond(
    request: SipMessage,
    status: int,
    reason: str,
    *,
    to_tag: str = "",
    headers: Sequence[tuple[str, str]] = (),
    body: bytes = b"",
    received: tuple[str, int] | None = None,
) -> SipMessage:
    """The response to a request: Via, From, To, Call-ID and CSeq are its own (RFC 3261 §8.2.6)."""
    copied: list[tuple[str, str]] = []
    for name, value in request.headers:
        if name == "via":
            copied.append((name, _with_received(value, received) if not copied else value))
        elif name == "to" and to_tag and "tag=" not in value.lower():
            copied.append((name, f"{value};tag={to_tag}"))
        elif name in {"from", "to", "call-id", "cseq"}:
            copied.append((name, value))
    return SipMessage(status=status, reason=reason, headers=(*copied, *headers), body=body)


def _with_received(via: str, received: tuple[str, int] | None) -> str:
    """The topmost Via with the address that the request came from (RFC 3581)."""
    if received is None:
        return via
    host, port = received
    if re.search(r";\s*rport(?!\s*=)", via, re.IGNORECASE):
        filled = re.sub(r";\s*rport(?!\s*=)", f";rport={port}", via, count=1, flags=re.IGNORECASE)
        return filled if "received=" in filled else f"{filled};received={host}"
    return via
