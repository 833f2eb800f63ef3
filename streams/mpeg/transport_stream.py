"""Take the video out of an MPEG transport stream (ISO/IEC 13818-1 §2.4), one unit a picture.

Some devices send one where a program stream was agreed. Tables are not read: the first PID whose
PES packets are video is the one. Sans-io: bytes in, cut anywhere; a gap in a PID's counter gives
its picture up.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from streams.mpeg.program_stream import VideoUnit, read_pts

PACKET_BYTES: Final = 188
SYNC: Final = 0x47
_VIDEO: Final = range(0xE0, 0xF0)
_NULL_PID: Final = 0x1FFF
_PES_HEAD_BYTES: Final = 9


@dataclass(slots=True)
class TransportStreamDemuxer:
    """Collects the first video PID's pictures; same use as ProgramStreamDemuxer."""

    max_unit_bytes: int
    may_be_wanted: Callable[[bytes], bool] = lambda _first: True
    stream_types: dict[int, int] = field(default_factory=dict)
    lost: int = 0
    oversized: int = 0
    _tail: bytes = b""
    _pid: int | None = None
    _counter: int | None = None
    _chunks: list[bytes] = field(default_factory=list)
    _size: int = 0
    _pts: int | None = None
    _wanted: bool = False
    _units: list[VideoUnit] = field(default_factory=list)

    def feed(self, data: bytes) -> list[VideoUnit]:
        """Take the next bytes; the units that they complete."""
        data = self._tail + data
        at = 0
        while at + PACKET_BYTES <= len(data):
            if data[at] != SYNC:
                at = data.find(b"\x47", at + 1)
                if at < 0:
                    at = len(data)
                continue
            self._packet(data[at : at + PACKET_BYTES])
            at += PACKET_BYTES
        self._tail = data[at:]
        units, self._units = self._units, []
        return units

    def discontinuity(self) -> None:
        """Bytes are missing here: give the picture up."""
        self.lost += self._wanted
        self._tail, self._counter = b"", None
        self._drop()

    def finish(self) -> list[VideoUnit]:
        """The unit under way, where the stream ends."""
        self._end_unit()
        units, self._units = self._units, []
        return units

    def _drop(self) -> None:
        self._chunks, self._size, self._wanted = [], 0, False

    def _packet(self, packet: bytes) -> None:
        pid = ((packet[1] & 0x1F) << 8) | packet[2]
        begins, control = packet[1] & 0x40, packet[3]
        if pid == _NULL_PID or not control & 0x10 or (self._pid not in {None, pid}):
            return
        start = 4
        if control & 0x20:  # adaptation field
            start += 1 + packet[4]
        payload = packet[start:]
        if self._pid is None and not (begins and _is_video(payload)):
            return
        if not self._follows(control & 0x0F):
            return
        self._pid = pid
        if begins:
            self._begin(payload)
        elif self._wanted:
            self._take(payload)

    def _follows(self, counter: int) -> bool:
        """Whether the packet is the next of its PID; a repeated one is passed over."""
        before, self._counter = self._counter, counter
        if before is None or counter == (before + 1) % 16:
            return True
        if counter == before:
            return False
        self.lost += self._wanted
        self._drop()
        return True

    def _begin(self, payload: bytes) -> None:
        self._end_unit()
        if not _is_video(payload) or len(payload) < _PES_HEAD_BYTES:
            return
        extra = payload[8]
        has_time = payload[7] & 0x80 and extra >= 5 and len(payload) >= _PES_HEAD_BYTES + 5  # noqa: PLR2004
        self._pts = read_pts(payload, 9) if has_time else None
        first = payload[_PES_HEAD_BYTES + extra :]
        self._wanted = self.may_be_wanted(first)
        if self._wanted:
            self._take(first)

    def _take(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self.max_unit_bytes:
            self.oversized += 1
            self._drop()
            return
        self._chunks.append(data)

    def _end_unit(self) -> None:
        if self._wanted and self._chunks:
            self._units.append(VideoUnit(b"".join(self._chunks), self._pts))
        self._drop()


def _is_video(payload: bytes) -> bool:
    return payload[:3] == b"\x00\x00\x01" and len(payload) > 3 and payload[3] in _VIDEO  # noqa: PLR2004
