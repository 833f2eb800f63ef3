"""SIP messages out of a TCP connection (RFC 3261 §18.3). Sans-io, bounded."""

import re
from dataclasses import dataclass
from typing import Final

from streams.gb28181.sip_message import (
    MAX_HEAD,
    MAX_STREAM_MESSAGE,
    BadMessage,
    SipMessage,
    parse_message,
)

_HEAD_END: Final = re.compile(rb"\r?\n\r?\n")
_LENGTH: Final = re.compile(
    rb"(?:^|\n)(?:content-length|l)\s*:\s*(\d{1,9})\s*(?:\r?\n|$)", re.IGNORECASE
)
_XML_END: Final = re.compile(rb"</(?:Response|Notify|Query|Control)>\s*")
_KEEP_ALIVE: Final = b"\r\n\x00 "


@dataclass(slots=True)
class SipStreamFramer:
    """Cuts a byte stream into messages; raises BadMessage where it cannot go on."""

    _buffer: bytes = b""
    _searched: int = 0  # bytes in which no end of the headers is

    def feed(self, data: bytes) -> list[SipMessage]:
        """The messages that became whole. Raises BadMessage: close the connection."""
        self._buffer += data
        messages: list[SipMessage] = []
        while (size := self._next_size()) is not None:
            whole, self._buffer = self._buffer[:size], self._buffer[size:]
            self._searched = 0
            messages.append(parse_message(whole))
        return messages

    def _next_size(self) -> int | None:
        """Bytes of the message at the front; None while it is not whole."""
        if not self._searched:
            self._buffer = self._buffer.lstrip(_KEEP_ALIVE)
        end = _HEAD_END.search(self._buffer, max(0, self._searched - 3))
        if end is None:
            self._searched = len(self._buffer)
            if len(self._buffer) > MAX_HEAD:
                raise BadMessage("no end of the headers")
            return None
        found = _LENGTH.search(self._buffer, 0, end.end())
        length = int(found[1]) if found is not None else 0
        if end.end() + length > MAX_STREAM_MESSAGE:
            raise BadMessage(f"a message of {length} bytes")
        if not length and self._buffer[end.end() : end.end() + 1] == b"<":
            return self._size_by_xml(end.end())  # some say 0 and send a body all the same
        return end.end() + length if len(self._buffer) >= end.end() + length else None

    def _size_by_xml(self, start: int) -> int | None:
        found = _XML_END.search(self._buffer, start)
        if found is None:
            if len(self._buffer) > MAX_STREAM_MESSAGE:
                raise BadMessage("a body without length and end")
            return None
        return found.end()
