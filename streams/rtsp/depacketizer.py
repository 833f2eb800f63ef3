"""Assemble the RTP packets of one key picture into Annex B; packets of other pictures pass by.

A picture ends at the marker bit, at the first packet of another timestamp, or where a slice begins
another picture: neither the marker is to be trusted (some cameras set it on every NAL unit, some
never) nor the timestamp (some clocks stand still or count seconds). A gap in the sequence numbers
inside a key picture costs that picture; the next one is waited for.

Many cheap cameras glue several NAL units into one with Annex B start codes between them. A whole
NAL unit is therefore cut at each 00 00 01: emulation prevention keeps these three bytes out of
every legal one (H.264 and H.265, both §7.4.2 with B.1), so nothing legal is ever cut.

`CodecFormat` is what H.264 and H.265 have in common here. Its tables `peek` and `peek_third` let
interleaved.py pass over a packet after reading three bytes of its payload.
"""

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final, NamedTuple

from streams.errors import Unreadable
from streams.rtsp.rtp import RtpPacket, sequence_step

START_CODE: Final = b"\x00\x00\x00\x01"
_SHORT_START_CODE: Final = b"\x00\x00\x01"
_FIND_START_CODE: Final = re.compile(_SHORT_START_CODE)  # a fifth of the time of bytes.find
MAX_AGGREGATED: Final = 1024  # NAL units of one packet; a real one holds a few
MAX_GLUED: Final = 256  # cuts in one NAL unit; what is behind them stays together, as Annex B
DELIMITER_BYTES: Final = 4  # no longer is an access unit delimiter, or an end of sequence
EARLY_BYTES: Final = 12  # of a fragment: enough for the header of a slice; fewer tell nothing

SKIP: Final = 0  # cannot begin a key frame
TAKE: Final = 1
ASK_THIRD: Final = 2  # the third byte decides


class NalRole(Enum):
    """The role of a NAL unit in a key frame."""

    PARAMETERS = auto()  # VPS, SPS, PPS
    HINT = auto()  # SEI: kept in front of the slices
    KEY_SLICE = auto()
    OTHER_SLICE = auto()
    NOTHING = auto()  # delimiters, fillers, end of sequence


class NalPiece(NamedTuple):
    """A NAL unit, or part of one."""

    data: bytes
    first: bool
    last: bool


@dataclass(frozen=True, slots=True)
class CodecFormat:
    """One codec's payload format as functions and tables; h264.py and h265.py fill it in."""

    unpack: Callable[[bytes], list[NalPiece]]  # an RTP payload into NAL units or parts
    role: Callable[[bytes], NalRole]
    parameter_kind: Callable[[bytes], int]  # the NAL unit type
    needed: tuple[int, ...]  # parameter kinds that a decoder needs, in their order
    starts_picture: Callable[[bytes], bool]  # a slice: is it the first of its picture?
    size_px: Callable[[bytes], tuple[int, int] | None]  # width, height of a sequence parameter set
    size_kind: int  # the NAL unit type of the sequence parameter set
    may_have_fields: Callable[[bytes], bool]  # a sequence parameter set: two fields in a picture?
    header_bytes: int  # of a NAL unit
    zero_is_padding: bool  # a leading zero byte is no NAL unit header
    peek: bytes  # 65,536 of SKIP, TAKE, ASK_THIRD by the first two bytes of a payload
    peek_third: bytes  # 256 of SKIP, TAKE


def split_sized(payload: bytes, start: int, skip: int = 0) -> list[NalPiece]:
    """Aggregated NAL units with 16-bit sizes; `skip` bytes follow each size but the first's.

    Where a start code stands in place of the first size, the sender aggregated Annex B.
    """
    if payload.startswith((_SHORT_START_CODE, START_CODE), start):
        return [NalPiece(payload[start:], first=True, last=True)]
    pieces: list[NalPiece] = []
    position = start
    while position + 2 <= len(payload) and len(pieces) < MAX_AGGREGATED:
        size = int.from_bytes(payload[position : position + 2], "big")
        position += 2
        nal = payload[position + skip : position + size]
        if len(nal) == 0 or position + size > len(payload):
            break
        pieces.append(NalPiece(nal, first=True, last=True))
        position += size
    return pieces


def split_glued(nal: bytes, *, zero_is_padding: bool) -> list[bytes]:
    """The NAL units in one that may hold start codes; nearly always the one itself.

    Zeros before a start code, and behind the last unit, belong to no unit (Annex B: zero_byte,
    trailing_zero_8bits).
    """
    if zero_is_padding and nal.startswith(b"\x00") and not nal.startswith(b"\x00\x00"):
        nal = nal[1:]
    if _FIND_START_CODE.search(nal) is None:
        return [nal] if nal else []
    pieces = (piece.rstrip(b"\x00") for piece in nal.split(_SHORT_START_CODE, MAX_GLUED))
    return [piece for piece in pieces if piece]


@dataclass(frozen=True, slots=True)
class KeyAccessUnit:
    """A whole key picture in Annex B, parameter sets in front."""

    data: bytes
    timestamp: int  # RTP, of the packets that carried it
    sha256: str  # of its slices alone


@dataclass(slots=True)
class ParameterSets:
    """The newest sets of each kind; what comes in band replaces what the description said."""

    _by_kind: dict[int, tuple[int | None, list[bytes]]] = field(default_factory=dict)

    def add(self, kind: int, nal: bytes, timestamp: int | None) -> None:
        """Sets of one kind that share a timestamp stand together; an older group gives way."""
        seen_at, nals = self._by_kind.get(kind, (timestamp, []))
        if seen_at != timestamp:
            nals = []
        if nal not in nals and len(nals) < 32:  # noqa: PLR2004  ids go to 31 for SPS
            nals = [*nals, nal]
        self._by_kind[kind] = (timestamp, nals)

    def all(self, needed: tuple[int, ...]) -> list[bytes] | None:
        """Those that a decoder needs, in order; None when a kind is missing."""
        if any(kind not in self._by_kind for kind in needed):
            return None
        return [nal for kind in needed for nal in self._by_kind[kind][1]]

    def first(self, kind: int) -> bytes | None:
        """The first set of a kind."""
        return self._by_kind[kind][1][0] if kind in self._by_kind else None


class _Step(Enum):
    """What a NAL unit does to the picture under way."""

    GOES_ON = auto()
    BEGINS_NEXT = auto()  # under the same timestamp
    STOPS = auto()  # it is no key picture, or its first slice is missing


_SLICES: Final = frozenset({NalRole.KEY_SLICE, NalRole.OTHER_SLICE})


@dataclass(slots=True)
class KeyFrameDepacketizer:
    """Assembles packets that may belong to a key picture into whole key pictures."""

    format: CodecFormat
    max_bytes: int
    sets: ParameterSets = field(default_factory=ParameterSets)
    busy: bool = False  # a picture is under way: every packet must come here
    lost: int = 0  # key pictures given up for a gap
    headless: int = 0  # fragments of key pictures whose first fragment did not come
    undecodable: int = 0  # key pictures without parameter sets
    _ssrc: int = -1
    _sequence: int = 0
    _payload: bytes = b""  # of the last packet
    _timestamp: int = -1  # of the picture under way
    _abandoned_timestamp: int = -1  # timestamp of a picture that was given up or is no key picture
    _nals: list[bytes] = field(default_factory=list)
    _fragments: list[bytes] = field(default_factory=list)  # of a fragmented NAL unit
    _size: int = 0
    _fields: int = 0  # begun in this picture; 0: no key slice yet
    _delivered: bool = False  # this picture went out at its marker
    _early_marker: bool = False  # its first marker stood in front of its first slice
    _markers_lie: bool = False  # so they do not count in this stream

    def push(self, packet: RtpPacket) -> KeyAccessUnit | None:
        """Take a packet; a key picture when one became whole."""
        whole: KeyAccessUnit | None = None
        pieces = self.format.unpack(packet.payload)
        if self.busy:
            repeated = packet.sequence == self._sequence and packet.payload == self._payload
            if repeated and packet.ssrc == self._ssrc and packet.timestamp == self._timestamp:
                return None
            if not self._goes_on_in(packet, pieces):
                whole = self._before(packet)
        self._ssrc, self._sequence, self._payload = packet.ssrc, packet.sequence, packet.payload
        if packet.timestamp == self._abandoned_timestamp and not self._begins_picture(pieces):
            return whole
        if not self.busy:
            if self._is_bare_delimiter(pieces):
                return whole  # one before each picture, key or not
            self._open(packet.timestamp)
        whole = self._take_pieces(pieces) or whole
        if packet.marker and self.busy:
            whole = self._at_marker() or whole
        return whole

    def abandon(self) -> None:
        """Forget the picture under way; its later packets are not taken either."""
        self._abandoned_timestamp = self._timestamp
        self._close()

    def add_parameter_sets(self, nals: Iterable[bytes]) -> None:
        """Add the sets of a description; they may be glued, or something else altogether."""
        for given in nals:
            for nal in split_glued(given, zero_is_padding=self.format.zero_is_padding):
                if self.format.role(nal) is NalRole.PARAMETERS:
                    self.sets.add(self.format.parameter_kind(nal), nal, None)

    def _goes_on_in(self, packet: RtpPacket, pieces: list[NalPiece]) -> bool:
        """Whether the next fragment of a unit comes, if with another timestamp.

        Some senders stamp each packet with the time at which it leaves.
        """
        fragment = bool(self._fragments and pieces) and not pieces[0].first
        step = sequence_step(self._sequence, packet.sequence)
        return fragment and step == 1 and packet.ssrc == self._ssrc

    def _before(self, packet: RtpPacket) -> KeyAccessUnit | None:
        """Compare a packet with the picture under way: same, next, or a hole between."""
        step = sequence_step(self._sequence, packet.sequence)
        if packet.ssrc != self._ssrc:
            self._close()
        elif packet.timestamp != self._timestamp:
            # With a hole in front, the end of the picture may be missing.
            whole = self._finish() if step in {0, 1} else None
            self._close()
            return whole
        elif step > 1 or step < 0:
            self.lost += not self._delivered
            self.abandon()
        return None

    def _is_bare_delimiter(self, pieces: list[NalPiece]) -> bool:
        if len(pieces) != 1:
            return False
        data, first, last = pieces[0]
        short = first and last and len(data) <= DELIMITER_BYTES
        return short and self.format.role(data) is NalRole.NOTHING

    def _begins_picture(self, pieces: list[NalPiece]) -> bool:
        """Whether a packet begins a picture of its own, under a timestamp that was given up.

        A key slice may be the second field of the very picture that was given up.
        """
        a_format = self.format
        for piece in pieces:
            if not piece.first:
                return False
            for nal in split_glued(piece.data, zero_is_padding=a_format.zero_is_padding):
                role = a_format.role(nal)
                if role is NalRole.PARAMETERS:
                    return True
                if role in _SLICES:
                    first = role is NalRole.KEY_SLICE and a_format.starts_picture(nal)
                    return first and not self._may_have_fields()
        return False

    def _may_have_fields(self) -> bool:
        """Whether the newest sequence parameter set allows two fields in a picture."""
        sps = self.sets.first(self.format.size_kind)
        return sps is None or self.format.may_have_fields(sps)

    def _open(self, timestamp: int) -> None:
        self.busy = True
        self._timestamp, self._abandoned_timestamp = timestamp, -1
        self._delivered = self._early_marker = False
        self._fields = 0

    def _close(self) -> None:
        self.busy = False
        self._nals, self._fragments, self._size, self._timestamp = [], [], 0, -1

    def _take_pieces(self, pieces: list[NalPiece]) -> KeyAccessUnit | None:
        whole: KeyAccessUnit | None = None
        for data, first, last in pieces:
            if first:
                whole = self._end_fragment() or whole
            elif not self._fragments:  # its beginning went by before we listened
                self.headless += 1
                self.abandon()
            if not self.busy:
                break
            self._size += len(data)
            if self._size > self.max_bytes:
                raise Unreadable(f"a key frame of more than {self.max_bytes} bytes")
            self._fragments.append(data)
            if last:
                whole = self._end_fragment() or whole
            elif first and self._is_hopeless(data):
                self._fragments = []
                whole = self._finish() or whole
                self.abandon()
        return whole

    def _is_hopeless(self, beginning: bytes) -> bool:
        """Whether the first fragment tells already that this leads to no key picture."""
        zeros = b"\x00" if self.format.zero_is_padding else b"\x00\x00"
        if len(beginning) < EARLY_BYTES or beginning.startswith(zeros):
            return False  # perhaps a start code that the next fragment completes
        step = self._step_of(beginning)
        if step is _Step.BEGINS_NEXT and self.format.role(beginning) is NalRole.OTHER_SLICE:
            step = _Step.STOPS
        return step is _Step.STOPS and _SHORT_START_CODE not in beginning

    def _step_of(self, nal: bytes) -> _Step:
        role = self.format.role(nal)
        if role not in _SLICES:
            return _Step.GOES_ON
        starts, key = self.format.starts_picture(nal), role is NalRole.KEY_SLICE
        if not self._fields:
            return _Step.GOES_ON if key and starts else _Step.STOPS
        if not starts:  # slices of another kind stand in the second field alone
            return _Step.GOES_ON if key or self._fields > 1 else _Step.STOPS
        second_field = self._fields == 1 and self._may_have_fields()
        return _Step.GOES_ON if second_field else _Step.BEGINS_NEXT

    def _end_fragment(self) -> KeyAccessUnit | None:
        """Take what was collected as a NAL unit, or as several that were glued."""
        if not self._fragments:
            return None
        nal = self._fragments[0] if len(self._fragments) == 1 else b"".join(self._fragments)
        self._fragments = []
        whole: KeyAccessUnit | None = None
        for unit in split_glued(nal, zero_is_padding=self.format.zero_is_padding):
            whole = self._add(unit) or whole
            if not self.busy:
                break
        return whole

    def _add(self, nal: bytes) -> KeyAccessUnit | None:
        """Add one NAL unit to its picture; the picture before where this begins the next."""
        if len(nal) <= self.format.header_bytes:
            return None  # a header that stands in front of its unit once more
        whole: KeyAccessUnit | None = None
        step, role = self._step_of(nal), self.format.role(nal)
        if step is _Step.BEGINS_NEXT:
            whole = self._begin_next()
            step = self._step_of(nal)
        if step is _Step.STOPS:
            self.abandon()
        elif role is NalRole.PARAMETERS:
            self.sets.add(self.format.parameter_kind(nal), nal, self._timestamp)
        elif role is not NalRole.NOTHING:
            self._nals.append(nal)
        if self.busy and role in _SLICES:
            self._fields += self.format.starts_picture(nal)
            if self._delivered:  # its last marker was not the end of it
                self._delivered, self._markers_lie = False, True
        return whole

    def _begin_next(self) -> KeyAccessUnit | None:
        """Begin a picture under the same timestamp with its hints; the one that it ends."""
        hints: list[bytes] = []
        while self._nals and self.format.role(self._nals[-1]) is NalRole.HINT:
            hints.insert(0, self._nals.pop())
        whole = self._finish()
        self._open(self._timestamp)
        self._nals, self._size = hints, sum(map(len, hints))
        return whole

    def _at_marker(self) -> KeyAccessUnit | None:
        if not self._fields or self._fragments:  # in front of the slices, or inside of one
            self._early_marker = True
            return None
        if self._markers_lie or self._early_marker or self._delivered:
            return None
        self._delivered = True
        return self._compose()

    def _finish(self) -> KeyAccessUnit | None:
        """The picture under way, ended by the next one."""
        whole = self._end_fragment()  # some never mark the last fragment
        done = not self.busy or self._delivered or not self._fields
        return whole if done else self._compose()

    def _compose(self) -> KeyAccessUnit | None:
        sets = self.sets.all(self.format.needed)
        if sets is None:
            self.undecodable += 1
            return None
        digest = hashlib.sha256()
        for nal in self._nals:
            if self.format.role(nal) is not NalRole.HINT:
                digest.update(nal)
        data = START_CODE + START_CODE.join([*sets, *self._nals])
        return KeyAccessUnit(data, self._timestamp, digest.hexdigest())
