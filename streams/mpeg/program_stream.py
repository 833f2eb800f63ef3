"""Demultiplex an MPEG-2 program stream (ISO/IEC 13818-1 §2.5) into the video of one picture each.

Sans-io: bytes in, cut anywhere; units out. Made for what GB/T 28181 devices send over RTP: pictures
cut into many PES packets, some without a time; maps that lie; private and padding streams; lengths
of zero; a beginning in mid-picture. Damage costs the picture under way and nothing else: after a
loss it reads on at the next pack header. Every length is bounded by what the format allows.

A unit ends where a PES packet of the video brings another time, or where behind a pack header one
without a new time begins with a picture's first NAL unit (some never write a time).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

PACK: Final = 0xBA
STREAM_MAP: Final = 0xBC
PROGRAM_END: Final = 0xB9
START_PREFIX: Final = b"\x00\x00\x01"
PACK_START: Final = b"\x00\x00\x01\xba"
VIDEO_IDS: Final = range(0xE0, 0xF0)
_PACK_BYTES: Final = 14  # MPEG-2, without stuffing
_PACK_BYTES_MPEG1: Final = 12
_PES_HEAD_BYTES: Final = 9  # with the length of the rest of the header
_FIRST_NAL_BYTES: Final = 6  # of a payload: a start code and a NAL unit's header
_MAX_MAP_BYTES: Final = 1018 + 6  # ISO/IEC 13818-1 §2.5.4.2
_STREAM_CODE: Final = re.compile(b"\x00\x00\x01[\xb9-\xff]")
_PTS_WRAP: Final = 1 << 33


class VideoUnit(NamedTuple):
    """The elementary stream of one picture, as it came."""

    data: bytes
    pts: int | None  # 90 kHz


@dataclass(slots=True)
class ProgramStreamDemuxer:
    """Collects the video of a program stream into units; `feed` returns those that became whole."""

    max_unit_bytes: int
    # Whether a picture that begins so may be a key picture: others are passed over uncopied.
    may_be_wanted: Callable[[bytes], bool] = lambda _first: True
    begins_picture: Callable[[bytes], bool] = lambda _first: False
    stream_types: dict[int, int] = field(default_factory=dict)  # of the newest map, by stream id
    lost: int = 0  # pictures given up for a gap or damage
    oversized: int = 0
    _tail: bytes = b""  # bytes of a header that is not whole yet
    _synced: bool = False
    _left: int = 0  # bytes of the PES payload under way
    _endless: bool = False  # ... whose length was zero
    _taking: bool = False  # its bytes belong to the unit
    _chunks: list[bytes] = field(default_factory=list)
    _size: int = 0
    _pts: int | None = None
    _open: bool = False  # a unit is under way
    _wanted: bool = False
    _first: bool = False  # the next bytes are the unit's first
    _packed: bool = False  # a pack header came since the unit began
    _video: int | None = None  # the stream id of the video that is followed
    _units: list[VideoUnit] = field(default_factory=list)

    def feed(self, data: bytes) -> list[VideoUnit]:
        """Take the next bytes; the units that they complete."""
        size = len(data)
        if size <= self._left and not self._tail:  # the common case: inside a PES packet
            self._left -= size
            if self._taking:
                self._take(data)
            return []
        self._read(self._tail + data if self._tail else data)
        return self._flush()

    def discontinuity(self) -> None:
        """Bytes are missing here: give the picture up, go on at the next pack header."""
        if self._open and self._wanted:
            self.lost += 1
        self._lose_sync()

    def finish(self) -> list[VideoUnit]:
        """The unit under way, where the stream ends."""
        if not self._left or self._endless:
            self._end_unit()
        self._lose_sync()
        return self._flush()

    def _flush(self) -> list[VideoUnit]:
        units, self._units = self._units, []
        return units

    def _lose_sync(self) -> None:
        self._close_unit()
        self._synced, self._left, self._endless, self._taking = False, 0, False, False
        self._tail, self._video = b"", None

    def _close_unit(self) -> None:
        self._open = self._wanted = self._first = False
        self._chunks, self._size = [], 0

    # -- packets --------------------------------------------------------------------------------

    def _read(self, data: bytes) -> None:
        at, size = 0, len(data)
        self._tail = b""
        while at < size and not self._tail:
            if self._left:
                step = min(self._left, size - at)
                self._left -= step
                if self._taking:
                    self._take(data[at : at + step])
                at += step
            elif self._endless:
                at = self._read_endless(data, at)
            elif not self._synced:
                at = self._find_pack(data, at)
            else:
                at = self._read_packet(data, at)

    def _read_packet(self, data: bytes, at: int) -> int:
        """Where the header that begins at `at` ends; one that is not whole is kept for later."""
        length = self._read_header(data, at)
        if not length:
            self._tail = data[at:]
            return len(data)
        if length > 0:
            return at + length
        self.discontinuity()
        return at + 1

    def _find_pack(self, data: bytes, at: int) -> int:
        found = data.find(PACK_START, at)
        if found < 0:
            self._tail = data[max(at, len(data) - 3) :]
            return len(data)
        self._synced = True
        return found

    def _read_endless(self, data: bytes, at: int) -> int:
        """A PES packet without length ends at the next start code of the program stream."""
        found = _STREAM_CODE.search(data, at)
        if found is None:
            end = max(at, len(data) - 3)
            if self._taking and end > at:
                self._take(data[at:end])
            self._tail = data[end:]
            return len(data)
        if self._taking and found.start() > at:
            self._take(data[at : found.start()])
        self._endless = False
        return found.start()

    def _read_header(self, data: bytes, at: int) -> int:
        """The bytes of the header at `at`, 0 where it is not whole yet, -1 where it is none."""
        start = data[at : at + 4]
        if not START_PREFIX.startswith(start[:3]):
            return -1
        if len(start) < 4:  # noqa: PLR2004  a start code
            return 0
        code = start[3]
        if code == PACK:
            return self._read_pack(data, at)
        if code <= PROGRAM_END:
            return 4 if code == PROGRAM_END else -1
        return self._read_sized(data, at, code)

    def _read_sized(self, data: bytes, at: int, code: int) -> int:
        """The header of a packet that tells its length."""
        if len(data) - at < 6:  # noqa: PLR2004  start code and length
            return 0
        length = int.from_bytes(data[at + 4 : at + 6], "big")
        if code in VIDEO_IDS and self._video in {None, code}:
            return self._read_pes(data, at, length)
        if code == STREAM_MAP:
            return self._read_map(data, at, length)
        self._left, self._taking = length, False
        return 6

    def _read_pack(self, data: bytes, at: int) -> int:
        if len(data) - at < _PACK_BYTES:
            return 0
        if data[at + 4] & 0xF0 == 0x20:  # noqa: PLR2004  MPEG-1
            self._packed = True
            return _PACK_BYTES_MPEG1
        if data[at + 4] & 0xC0 != 0x40:  # noqa: PLR2004  MPEG-2
            return -1
        stuffing = data[at + 13] & 7
        self._packed = True
        self._left, self._taking = stuffing, False
        return _PACK_BYTES

    def _read_map(self, data: bytes, at: int, length: int) -> int:
        if length + 6 > _MAX_MAP_BYTES:  # a device's own idea of a map: pass over it
            self._left, self._taking = length, False
            return 6
        if len(data) - at < length + 6:
            return 0
        self._learn_map(data[at + 6 : at + 6 + length])
        return length + 6

    def _learn_map(self, body: bytes) -> None:
        """Stream types by stream id (§2.5.4.1); whatever does not fit is left out."""
        if len(body) < 6:  # noqa: PLR2004  its fixed fields
            return
        at = 4 + int.from_bytes(body[2:4], "big")
        at, end = at + 2, min(len(body), at + 2 + int.from_bytes(body[at : at + 2], "big"))
        types: dict[int, int] = {}
        while at + 4 <= end:
            types[body[at + 1]] = body[at]
            at += 4 + int.from_bytes(body[at + 2 : at + 4], "big")
        self.stream_types = types

    def _read_pes(self, data: bytes, at: int, length: int) -> int:
        if len(data) - at < _PES_HEAD_BYTES:
            return 0
        if data[at + 6] & 0xC0 != 0x80:  # noqa: PLR2004  MPEG-2
            return -1
        extra = data[at + 8]
        head = _PES_HEAD_BYTES + extra
        if length and length < 3 + extra:
            return -1
        payload = length - 3 - extra if length else _FIRST_NAL_BYTES
        if len(data) - at < head + min(_FIRST_NAL_BYTES, payload):
            return 0
        pts = read_pts(data, at + 9) if data[at + 7] & 0x80 and extra >= 5 else None  # noqa: PLR2004
        self._left = payload if length else 0
        self._video = data[at + 3]
        self._endless = not length
        self._first_of_pes(data[at + head : at + head + _FIRST_NAL_BYTES], pts)
        return head

    # -- units ----------------------------------------------------------------------------------

    def _first_of_pes(self, beginning: bytes, pts: int | None) -> None:
        """Decide whether this PES packet goes on with the unit or begins the next."""
        another = pts is not None and pts != self._pts
        if self._open and not another and self._packed and self.begins_picture(beginning):
            another = True
        if another or not self._open:
            self._end_unit()
            self._open = self._wanted = self._first = True
            self._pts = pts
        self._packed = False
        self._taking = self._wanted

    def _take(self, data: bytes) -> None:
        if self._first:
            self._first = False
            self._wanted = self._taking = self.may_be_wanted(data)
            if not self._wanted:
                return
        self._size += len(data)
        if self._size > self.max_unit_bytes:
            self.oversized += 1
            self._chunks, self._size = [], 0
            self._wanted = self._taking = False
            return
        self._chunks.append(data)

    def _end_unit(self) -> None:
        if self._open and self._wanted and self._chunks:
            self._units.append(VideoUnit(b"".join(self._chunks), self._pts))
        self._close_unit()


def read_pts(data: bytes, at: int) -> int | None:
    """The 33 bits of a time stamp (§2.4.3.7); None where its marker bits are not set."""
    first, second, third = data[at], data[at + 2], data[at + 4]
    if not (first & 1 and second & 1 and third & 1):
        return None
    high = (first >> 1) & 0x07
    return (
        (high << 30)
        | (data[at + 1] << 22)
        | ((second >> 1) << 15)
        | (data[at + 3] << 7)
        | (third >> 1)
    )


@dataclass(slots=True)
class PtsTimeline:
    """Turns 33-bit time stamps into seconds since the first, across wraps (26.5 hours)."""

    _last: int | None = None
    _ticks: int = 0

    def seconds(self, pts: int) -> float:
        """The stream's time of a stamp; the first one asked for is 0."""
        if self._last is not None:
            step = (pts - self._last) % _PTS_WRAP
            self._ticks += step - _PTS_WRAP if step >= _PTS_WRAP // 2 else step
        self._last = pts
        return self._ticks / 90_000
