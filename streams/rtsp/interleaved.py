"""Take one TCP stream apart: RTSP messages, and RTP interleaved between them (RFC 2326 §10.12).

This is where nearly all bytes of a visit go by, so the loop over interleaved packets does as little
as can be: one unpack of nineteen bytes tells channel, length and what the payload begins with; a
packet that cannot belong to a key frame costs nothing more, even if its end is still to come.
`feed` is given the unread bytes again in front of the new ones, so nothing is copied here either.
"""

import re
import struct
from typing import Final, Protocol

from streams.errors import Unreadable
from streams.rtsp.depacketizer import TAKE, CodecFormat
from streams.rtsp.message import (
    MAX_BODY_BYTES,
    MAX_HEAD_BYTES,
    IncompleteMessage,
    RtspMessage,
    read_message,
)

# More may be waiting for its end than any message or interleaved packet (64 kB) is long.
MAX_UNREAD_BYTES: Final = MAX_HEAD_BYTES + MAX_BODY_BYTES + 1024
# Some cameras lose count now and then and are found again; one that sends only noise is hopeless.
MAX_GARBAGE_BYTES: Final = 256 * 1024
# Pictures on a channel that nobody named, before that channel is taken for the track's.
MAX_FOREIGN_PICTURES: Final = 8
MAX_RESYNCHRONISATIONS: Final = 2000  # of one visit
# Packets of an earlier session that old servers send before the first answer.
MAX_STALE_BYTES: Final = 1024 * 1024

_DOLLAR: Final = 0x24
_SHORTEST_PACKET: Final = 8  # an RTCP header with its sender; RTP has twelve bytes
_PLAIN: Final = 0x80  # RTP version 2 without padding, extension, contributing sources
# '$' and channel; length; first RTP byte; two bytes and the third of the payload
_PEEK: Final = struct.Struct(">HHB11xHB")
_BETWEEN: Final = b"\r\n\0 \t"  # what some servers put between messages
_METHODS: Final = tuple(
    name + b" "
    for name in (
        b"OPTIONS",
        b"ANNOUNCE",
        b"GET_PARAMETER",
        b"SET_PARAMETER",
        b"REDIRECT",
        b"TEARDOWN",
        b"PLAY_NOTIFY",
        b"PAUSE",
        b"DESCRIBE",
        b"SETUP",
        b"PLAY",
        b"RECORD",
    )
)
_LONGEST_START: Final = 14  # "GET_PARAMETER "
# Where reading may go on behind garbage: at an answer, at a server's request …
_ANY_MESSAGE: Final = rb"RTSP/1\.0 |(?:%s)(?:rtsp:|\*)" % b"|".join(map(re.escape, _METHODS))
_LONGEST_RESUME: Final = _LONGEST_START + len(b"rtsp:")
# … or, before the channels are known, at a packet with an RTP header.
_ANSWER_OR_PACKET: Final = re.compile(
    rb"RTSP/1\.|\$[\x00-\x0f]..[\x80-\xbf]|" + _ANY_MESSAGE, re.DOTALL
)
_NO_CHANNEL: Final = -1
_NOTHING_READ: Final = IncompleteMessage(0)
_SKIP_ALL: Final = (bytes(65536), bytes(256))


class InterleavedReceiver(Protocol):
    """Receives what the reader takes out of the stream; the session."""

    def media(self, packet: bytes) -> bool:
        """A packet of the video track that may matter; True while every packet matters."""

    def control(self, packet: bytes) -> None:
        """An RTCP packet of the video track."""

    def message(self, message: RtspMessage) -> None:
        """An answer, or a request of the server's."""


class InterleavedReader:
    """Parses one connection's bytes and calls the receiver for each packet and message."""

    def __init__(self, receiver: InterleavedReceiver) -> None:
        self._receiver = receiver
        self._media = self._control = _NO_CHANNEL  # 0x2400 + channel
        self._peek, self._peek_third = _SKIP_ALL
        self._busy = False
        self._bytes_to_skip = 0  # bytes still to come of a packet that is passed over
        self._synchronised = False  # an RTSP message was read
        self._stale_bytes = 0  # of packets before the first message
        self._message = _NOTHING_READ  # what is known of the message that is not whole yet
        self._resume = _ANSWER_OR_PACKET
        self._payload_type: int | None = None
        self._foreign_pictures = 0
        self._foreign_timestamp = b""
        self.listening = True  # False: key frames are passed over as well
        self.media_packets = 0
        self.garbage_bytes = 0
        self._resynchronisations = 0

    def expect(
        self,
        media_channel: int,
        control_channel: int,
        a_format: CodecFormat,
        payload_type: int | None = None,
    ) -> None:
        """Set the channels of the video track, as the server named them, its codec and type.

        Video of that type on another channel is taken for the track while its own stays empty:
        it is the only one that was asked for, and some recorders number their channels anew.
        """
        self._payload_type = payload_type
        self._peek, self._peek_third = a_format.peek, a_format.peek_third
        self._set_channels(_DOLLAR << 8 | media_channel, _DOLLAR << 8 | control_channel)

    def _set_channels(self, media: int, control: int) -> None:
        self._media, self._control = media, control
        starts = [re.escape(start.to_bytes(2, "big")) for start in (media, control)]
        self._resume = re.compile(b"|".join([*starts, _ANY_MESSAGE]), re.DOTALL)

    def feed(self, data: bytes | bytearray, end: int) -> int:
        """Read data[0:end]; how many bytes were used. The rest comes again, in front of more.

        Raises Unreadable when this is no RTSP stream (any more).
        """
        position = self._bytes_to_skip
        while position < end:
            before = position
            if data[position] == _DOLLAR:
                position = self._interleaved(data, position, end)
                self._count_stale(position - before)
            else:
                position = self._read_message_or_resync(data, position, end)
            if position == before:
                break
        if end - position > MAX_UNREAD_BYTES:
            raise Unreadable(f"a message of more than {MAX_UNREAD_BYTES // 1024} kB")
        self._bytes_to_skip = max(0, position - end)
        return min(position, end)

    def _count_stale(self, count: int) -> None:
        """Old servers (live555, some Reolink) send packets of an earlier session first."""
        if self._synchronised:
            return
        self._stale_bytes += count
        if self._stale_bytes > MAX_STALE_BYTES:
            raise Unreadable(f"no RTSP answer, but {self._stale_bytes} bytes of packets")

    def _interleaved(self, data: bytes | bytearray, position: int, end: int) -> int:
        """Read packets as far as they are whole; may return more than `end` (_bytes_to_skip)."""
        while end - position >= _PEEK.size:
            if not self._busy:
                position = self._skip_packets(data, position, end)
                if end - position < _PEEK.size:
                    break
            before = position
            position = self._read_packet(data, position, end)
            if position == before:
                break
        return position

    def _skip_packets(self, data: bytes | bytearray, position: int, end: int) -> int:
        """Pass over packets of the video track that do not matter; where the first other begins."""
        media, unpack, seen = self._media, _PEEK.unpack_from, 0
        peek, third = (self._peek, self._peek_third) if self.listening else _SKIP_ALL
        last = end - _PEEK.size
        while position <= last:
            head, length, first, two, three = unpack(data, position)
            if head != media or first != _PLAIN:
                break
            if peek[two] and (peek[two] == TAKE or third[three]):
                break
            position += length + 4
            seen += 1
        self.media_packets += seen
        return position

    def _read_packet(self, data: bytes | bytearray, position: int, end: int) -> int:
        """Read one packet, if it is whole and is one."""
        head, length, *_ = _PEEK.unpack_from(data, position)
        following: int = position + 4 + length
        if head >> 8 != _DOLLAR or following > end:
            return position
        if length < _SHORTEST_PACKET:
            return following
        if head != self._media and data[position + 5] & 0x7F == self._payload_type:
            self._find_media_channel(head, bytes(data[position + 8 : position + 12]))
        if head == self._media:
            self.media_packets += 1
            if self._busy or self.listening:
                self._busy = self._receiver.media(bytes(data[position + 4 : following]))
        elif head == self._control:
            self._receiver.control(bytes(data[position + 4 : following]))
        return following

    def _find_media_channel(self, head: int, timestamp: bytes) -> None:
        """Video came on another channel than its own: swapped with that of RTCP, or anywhere."""
        if head == self._control:  # no RTCP packet has the type of the video
            self._set_channels(head, self._media)
            return
        self._foreign_pictures += timestamp != self._foreign_timestamp
        self._foreign_timestamp = timestamp
        if not self.media_packets and self._foreign_pictures > MAX_FOREIGN_PICTURES:
            self._set_channels(head, head + 1)

    def _read_message_or_resync(self, data: bytes | bytearray, position: int, end: int) -> int:
        """Read a message, or look for where the next message or packet begins."""
        while position < end and data[position] in _BETWEEN:
            position += 1
        start = bytes(data[position : min(end, position + _LONGEST_START)])
        if not start or start[0] == _DOLLAR:
            return position
        if not _may_be_message(start):
            return self._resynchronise(data, position, end)
        if end - position < max(_LONGEST_START, self._message.bytes_needed):
            return position  # too short to hold the message
        found = read_message(data, position, end, self._message.head_bytes_searched)
        if isinstance(found, IncompleteMessage):
            self._message = found
            return position
        self._message = _NOTHING_READ
        self._synchronised = True
        message, position = found
        self._receiver.message(message)
        return position

    def _resynchronise(self, data: bytes | bytearray, position: int, end: int) -> int:
        match = self._resume.search(data, position + 1, end)
        if match is None and not self._synchronised and not self._stale_bytes:
            start = bytes(data[position : min(end, position + 24)])
            raise Unreadable(f"no RTSP answer, but {start!r}")
        # Where none is seen, its first bytes may still be the last that came.
        following = match.start() if match else max(position + 1, end - _LONGEST_RESUME)
        self.garbage_bytes += following - position
        self._resynchronisations += match is not None or following > position + 1
        too_often = self._resynchronisations > MAX_RESYNCHRONISATIONS
        if self.garbage_bytes > MAX_GARBAGE_BYTES or too_often:
            raise Unreadable(f"{self.garbage_bytes} bytes of garbage between the packets")
        return following


def _may_be_message(start: bytes) -> bool:
    return any(
        known.startswith(start) or start.startswith(known) for known in (b"RTSP/", *_METHODS)
    )
