"""RTSP requests out of a byte stream, and responses into one (RFC 2326). Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

REASONS: Final = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    454: "Session Not Found",
    455: "Method Not Valid in This State",
    459: "Aggregate Operation Not Allowed",
    461: "Unsupported Transport",
    501: "Not Implemented",
}
METHODS: Final = "OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, TEARDOWN, GET_PARAMETER, SET_PARAMETER"
_MOST_BYTES: Final = 65_536  # of one request; nobody sends more and means well


class BadRequest(Exception):
    """The bytes are no RTSP; the connection is of no more use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request; header names in lower case."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def header(self, name: str) -> str | None:
        """A header's value."""
        return self.headers.get(name.lower())


@dataclass(slots=True)
class Reader:
    """Fed the bytes of a connection; gives requests, skips interleaved data (receiver reports)."""

    _buffer: bytearray = field(default_factory=bytearray)

    def feed(self, data: bytes) -> Iterator[Request | None]:
        """Each whole request, and None for each interleaved packet. Raises BadRequest."""
        self._buffer += data
        while self._buffer:
            taken, request = self._interleaved() if self._buffer[0] == ord("$") else self._text()
            if not taken:
                return
            del self._buffer[:taken]
            yield request

    def _interleaved(self) -> tuple[int, None]:
        size = 4 + int.from_bytes(self._buffer[2:4], "big")
        return (size if len(self._buffer) >= max(size, 4) else 0), None

    def _text(self) -> tuple[int, Request | None]:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > _MOST_BYTES:
                raise BadRequest("no end of headers in sight")
            return 0, None
        request = _parse(self._buffer[:end].decode("utf-8", "replace"))
        size = end + 4 + _content_length(request)
        return (size, request) if len(self._buffer) >= size else (0, None)


def _content_length(request: Request) -> int:
    text = request.header("content-length") or "0"
    if not text.isdecimal() or int(text) > _MOST_BYTES:
        raise BadRequest(f"content length {text!r}")
    return int(text)


def _parse(text: str) -> Request:
    first, *rest = text.lstrip("\r\n").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("RTSP/"):  # noqa: PLR2004 method, URL, version
        raise BadRequest(f"not a request line: {first[:40]!r}")
    pairs = (line.partition(":") for line in rest)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    return Request(method=words[0], url=words[1], headers=headers)


def response(
    status: int, cseq: str, headers: Sequence[tuple[str, str]] = (), body: str = ""
) -> bytes:
    """One response, with its length where there is a body."""
    content = body.encode()
    lines = [
        f"RTSP/1.0 {status} {REASONS[status]}",
        f"CSeq: {cseq}",
        *(f"{name}: {value}" for name, value in headers),
        *([f"Content-Length: {len(content)}"] if content else []),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content
