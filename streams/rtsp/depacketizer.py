"""Assemble the RTP packets of one key picture into Annex B; packets of other pictures pass by.

A picture ends at the marker bit, or at the first packet of another timestamp: the marker is not to
be trusted (some cameras set it on every NAL unit, some never). A gap in the sequence numbers inside
a key picture costs that picture; the next one is waited for.

`CodecFormat` is what H.264 and H.265 have in common here. Its tables `peek` and `peek_third` let
interleaved.py pass over a packet after reading three bytes of its payload.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final, NamedTuple

from streams.errors import Unreadable
from streams.rtsp.rtp import RtpPacket, sequence_step

START_CODE: Final = b"\x00\x00\x00\x01"

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
    peek: bytes  # 65,536 of SKIP, TAKE, ASK_THIRD by the first two bytes of a payload
    peek_third: bytes  # 256 of SKIP, TAKE


def split_sized(payload: bytes, start: int, skip: int = 0) -> list[NalPiece]:
    """Aggregated NAL units with 16-bit sizes; `skip` bytes follow each size but the first's."""
    pieces: list[NalPiece] = []
    position = start
    while position + 2 <= len(payload):
        size = int.from_bytes(payload[position : position + 2], "big")
        position += 2
        nal = payload[position + skip : position + size]
        if len(nal) == 0 or position + size > len(payload):
            break
        pieces.append(NalPiece(nal, first=True, last=True))
        position += size
    return pieces


def strip_start_codes(payload: bytes) -> list[NalPiece]:
    """NAL units of a sender that put an Annex B stream into RTP as it is."""
    if not payload.startswith((b"\x00\x00\x01", START_CODE)):
        return []
    nals = payload.replace(START_CODE, b"\x00\x00\x01").split(b"\x00\x00\x01")
    return [NalPiece(nal, first=True, last=True) for nal in nals if nal]


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


@dataclass(slots=True)
class KeyFrameDepacketizer:
    """Assembles packets that may belong to a key picture into whole key pictures."""

    format: CodecFormat
    max_bytes: int
    sets: ParameterSets = field(default_factory=ParameterSets)
    busy: bool = False  # a picture is under way: every packet must come here
    lost: int = 0  # key pictures given up for a gap
    undecodable: int = 0  # key pictures without parameter sets
    _ssrc: int = -1
    _sequence: int = 0
    _timestamp: int = -1  # of the picture under way
    _abandoned_timestamp: int = -1  # timestamp of a picture that was given up or is no key picture
    _nals: list[bytes] = field(default_factory=list)
    _fragments: list[bytes] = field(default_factory=list)  # of a fragmented NAL unit
    _size: int = 0
    _key: bool = False
    _delivered: bool = False  # this picture went out at its marker
    _early_marker: bool = False  # ... but its marker came too early
    _markers_lie: bool = False  # so they do not count in this stream

    def push(self, packet: RtpPacket) -> KeyAccessUnit | None:
        """Take a packet; a key picture when one became whole."""
        whole: KeyAccessUnit | None = None
        if self.busy:
            whole = self._before(packet)
            if self.busy and packet.sequence == self._sequence:
                return whole  # a repeat
        self._ssrc, self._sequence = packet.ssrc, packet.sequence
        if packet.timestamp == self._abandoned_timestamp:
            return whole
        if not self.busy:
            self._open(packet.timestamp)
        self._unpack_packet(packet)
        if packet.marker and self.busy:
            whole = self._at_marker() or whole
        return whole

    def abandon(self) -> None:
        """Forget the picture under way; its later packets are not taken either."""
        self._abandoned_timestamp = self._timestamp
        self._close()

    def _before(self, packet: RtpPacket) -> KeyAccessUnit | None:
        """Compare a packet with the picture under way: same, next, or a hole between."""
        step = sequence_step(self._sequence, packet.sequence)
        if packet.ssrc != self._ssrc:
            self._close()
        elif packet.timestamp != self._timestamp:
            # With a hole in front, the end of the picture may be missing.
            whole = self._finish() if step == 1 else None
            self._close()
            return whole
        elif step > 1 or step < 0:
            self.lost += 1
            self.abandon()
        return None

    def _open(self, timestamp: int) -> None:
        self.busy = True
        self._timestamp = timestamp
        self._key = self._delivered = self._early_marker = False

    def _close(self) -> None:
        self.busy = False
        self._nals, self._fragments, self._size, self._timestamp = [], [], 0, -1

    def _unpack_packet(self, packet: RtpPacket) -> None:
        for data, first, last in self.format.unpack(packet.payload):
            if first:
                self._end_fragment()
                if not self._goes_on(data):
                    self.abandon()
                    return
            elif not self._fragments:  # its beginning went by before we listened
                self.abandon()
                return
            self._size += len(data)
            if self._size > self.max_bytes:
                raise Unreadable(f"a key frame of more than {self.max_bytes} bytes")
            self._fragments.append(data)
            if last:
                self._end_fragment()

    def _goes_on(self, nal: bytes) -> bool:
        """Whether the picture, as far as this NAL unit tells, is still a key picture."""
        role = self.format.role(nal)
        if role not in {NalRole.KEY_SLICE, NalRole.OTHER_SLICE}:
            return True
        if self._delivered:  # its last marker was not the end of it
            self._delivered, self._markers_lie = False, True
        if role is NalRole.OTHER_SLICE:  # allowed behind a key slice only as the second field
            return self._key and self.format.starts_picture(nal)
        if not self._key and not self.format.starts_picture(nal):
            return False  # its first slice is missing
        self._key = True
        return True

    def _end_fragment(self) -> None:
        if not self._fragments:
            return
        nal = self._fragments[0] if len(self._fragments) == 1 else b"".join(self._fragments)
        self._fragments = []
        role = self.format.role(nal)
        if role is NalRole.PARAMETERS:
            self.sets.add(self.format.parameter_kind(nal), nal, self._timestamp)
        elif role is not NalRole.NOTHING:
            self._nals.append(nal)

    def _at_marker(self) -> KeyAccessUnit | None:
        if not self._key:
            self._early_marker = True
            return None
        if self._markers_lie or self._early_marker or self._delivered:
            return None
        self._delivered = True
        return self._compose()

    def _finish(self) -> KeyAccessUnit | None:
        """The picture under way, ended by the next one."""
        return None if self._delivered or not self._key else self._compose()

    def _compose(self) -> KeyAccessUnit | None:
        self._end_fragment()
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
