"""The client's side of a WebSocket (RFC 6455), for RTSP inside it (ONVIF Streaming §5.1.1.5). Pure.

Bytes pass as they come, whatever frames they are cut into: nothing is collected, so no frame is too
long. Control frames are answered; a closing frame or a broken one ends the stream.
"""

import base64
import hashlib
from dataclasses import dataclass, field
from typing import Final

from streams.errors import Unreadable
from streams.rtsp.http_tunnel import HttpHead, write_http_request

SUBPROTOCOL: Final = "rtsp.onvif.org"
DEFAULT_PATH: Final = "/rtsp-over-websocket"
KEY_BYTES: Final = 16
MASK_BYTES: Final = 4
_ACCEPT_SUFFIX: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 §1.3
_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_FINAL: Final = 0x80
_MASKED: Final = 0x80
_MAX_CONTROL: Final = 125  # bytes of a control frame (§5.5)
_TWO_BYTES, _EIGHT_BYTES = 126, 127


def upgrade_request(path: str, host: str, key: bytes, authorization: str | None) -> bytes:
    """The request that turns an HTTP connection into a WebSocket."""
    headers = [
        ("Host", host),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", base64.b64encode(key).decode()),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Protocol", SUBPROTOCOL),
        ("User-Agent", "patrol-streams"),
    ]
    return write_http_request(f"GET {path} HTTP/1.1", headers, authorization)


def check_upgraded(head: HttpHead, key: bytes) -> None:
    """Refuse an answer that is no WebSocket of ours. Raises Unreadable."""
    digest = hashlib.sha1(base64.b64encode(key) + _ACCEPT_SUFFIX, usedforsecurity=False).digest()
    if head.headers.get("sec-websocket-accept") != base64.b64encode(digest).decode():
        raise Unreadable("the server answers the upgrade, but not as a WebSocket")


def masked_frame(data: bytes, mask: bytes, opcode: int = _BINARY) -> bytes:
    """One whole frame of ours; clients mask (§5.3)."""
    size = len(data)
    if size <= _MAX_CONTROL:
        length = bytes([_MASKED | size])
    elif size < 1 << 16:
        length = bytes([_MASKED | _TWO_BYTES]) + size.to_bytes(2, "big")
    else:
        length = bytes([_MASKED | _EIGHT_BYTES]) + size.to_bytes(8, "big")
    return bytes([_FINAL | opcode]) + length + mask + xor_mask(data, mask)


def xor_mask(data: bytes, mask: bytes) -> bytes:
    """The data masked, or unmasked."""
    key = (mask * (len(data) // MASK_BYTES + 1))[: len(data)]
    return (int.from_bytes(data, "big") ^ int.from_bytes(key, "big")).to_bytes(len(data), "big")


@dataclass(slots=True)
class WebSocketReader:
    """Takes a server's frames apart as they come; `pongs` are to be sent, `closed` ends it."""

    pongs: list[bytes] = field(default_factory=list)  # payloads
    closed: bool = False
    _head: bytearray = field(default_factory=bytearray)
    _left: int = 0  # bytes still to come of the frame's payload
    _opcode: int = _CONTINUATION
    _control: bytearray = field(default_factory=bytearray)

    def feed(self, data: bytes) -> bytes:
        """The payload of data frames in these bytes. Raises Unreadable."""
        out = bytearray()
        at = 0
        while at < len(data) and not self.closed:
            if not self._left:
                at = self._read_head(data, at)
                continue
            piece = data[at : at + self._left]
            at += len(piece)
            self._left -= len(piece)
            if self._opcode < _CLOSE:
                out += piece
            else:
                self._control += piece
                self._end_of_control()
        return bytes(out)

    def _read_head(self, data: bytes, at: int) -> int:
        """Take the bytes of a frame's head; where its payload begins, or the data's end."""
        while at < len(data):
            self._head.append(data[at])
            at += 1
            size = self._payload_size()
            if size is None:
                continue
            self._opcode = self._head[0] & 0x0F
            self._head.clear()
            self._left = size
            if self._opcode >= _CLOSE:
                self._control.clear()
                self._end_of_control()
            break
        return at

    def _payload_size(self) -> int | None:
        """The length that the head names; None while it is not whole. Raises Unreadable."""
        head = self._head
        if len(head) < 2:  # noqa: PLR2004  flags and length
            return None
        if head[0] & 0x70 or head[1] & _MASKED:
            raise Unreadable("a WebSocket frame that no server sends")
        length = head[1] & 0x7F
        if head[0] & 0x08 and (length > _MAX_CONTROL or not head[0] & _FINAL):
            raise Unreadable("a WebSocket control frame that is too long")
        if length < _TWO_BYTES:
            return length
        wanted = 2 if length == _TWO_BYTES else 8
        return int.from_bytes(head[2:], "big") if len(head) == 2 + wanted else None

    def _end_of_control(self) -> None:
        """Act on a control frame once it is whole."""
        if self._left:
            return
        if self._opcode == _CLOSE:
            self.closed = True
        elif self._opcode == _PING:
            self.pongs.append(bytes(self._control))


def pong_frame(payload: bytes, mask: bytes) -> bytes:
    """The answer to a ping (§5.5.3)."""
    return masked_frame(payload, mask, _PONG)


def close_frame(mask: bytes) -> bytes:
    """The end of our side: normal closure (§7.4.1)."""
    return masked_frame((1000).to_bytes(2, "big"), mask, _CLOSE)
