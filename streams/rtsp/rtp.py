"""RTP packets, RTCP sender reports, and the stream's own timeline (RFC 3550).

Only packets that may belong to a key frame come here; the rest is passed over in interleaved.py.
"""

import struct
from dataclasses import dataclass
from typing import Final, NamedTuple

_HEADER: Final = struct.Struct(">BBHII")
_REPORT: Final = struct.Struct(">BBHIIII")
_NTP_TO_UNIX_S: Final = 2_208_988_800  # 1900-01-01 to 1970-01-01
_SENDER_REPORT: Final = 200
_VERSION_2: Final = 2
_WRAP_32: Final = 1 << 32
_WRAP_16: Final = 1 << 16


class RtpPacket(NamedTuple):
    """One packet, its payload without padding."""

    sequence: int
    timestamp: int
    marker: bool
    payload_type: int
    ssrc: int
    payload: bytes


class SenderReport(NamedTuple):
    """The sender's wall-clock time of one RTP timestamp (RTCP)."""

    ssrc: int
    unix_s: float
    timestamp: int


def read_rtp(data: bytes) -> RtpPacket | None:
    """Parse a packet; None when it is not RTP version 2, or its own lengths do not fit."""
    if len(data) < _HEADER.size:
        return None
    first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(data)
    if first >> 6 != _VERSION_2:
        return None
    start, end = _HEADER.size, len(data)
    if first & 0x3F:  # padding, extension or contributing sources
        start += (first & 0x0F) * 4
        if first & 0x10:
            if start + 4 > end:
                return None
            start += 4 + int.from_bytes(data[start + 2 : start + 4], "big") * 4
        if first & 0x20:
            end -= data[-1]
        if start > end:
            return None
    return RtpPacket(
        sequence,
        timestamp,
        bool(second & 0x80),
        second & 0x7F,
        ssrc,
        data[start:end],
    )


def read_sender_report(data: bytes) -> SenderReport | None:
    """The first sender report of a compound RTCP packet, where there is one."""
    position = 0
    while position + 4 <= len(data):
        first, kind = data[position], data[position + 1]
        if first >> 6 != _VERSION_2:
            return None
        if kind == _SENDER_REPORT and position + _REPORT.size <= len(data):
            _, _, _, ssrc, high, low, timestamp = _REPORT.unpack_from(data, position)
            if high == 0:  # the sender has no wall clock (RFC 3550 §6.4.1)
                return None
            return SenderReport(ssrc, high - _NTP_TO_UNIX_S + low / _WRAP_32, timestamp)
        position += 4 + int.from_bytes(data[position + 2 : position + 4], "big") * 4
    return None


def sequence_step(before: int, now: int) -> int:
    """The difference of two 16-bit sequence numbers, -32768..32767, across the wrap."""
    step = (now - before) % _WRAP_16
    return step - _WRAP_16 if step >= _WRAP_16 // 2 else step


@dataclass(slots=True)
class RtpTimeline:
    """Turns 32-bit timestamps into seconds since the first one, across wraps.

    Right as long as two timestamps in a row are less than half a wrap (6.6 h at 90 kHz) apart.
    """

    clock_rate_hz: int
    _last: int | None = None
    _ticks: int = 0

    def seconds(self, timestamp: int) -> float:
        """The stream's time of a timestamp; the first one asked for is 0."""
        if self._last is not None:
            step = (timestamp - self._last) % _WRAP_32
            self._ticks += step - _WRAP_32 if step >= _WRAP_32 // 2 else step
        self._last = timestamp
        return self._ticks / self.clock_rate_hz
