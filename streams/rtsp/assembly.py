"""Put the packets of one key picture together, and let everything else go by.

A picture ends at the marker bit, or at the first packet of another timestamp: the marker is not to
be trusted (some cameras set it on every NAL unit, some never). A gap in the sequence numbers inside
a key picture costs that picture; the next one is waited for.
"""

import hashlib
from dataclasses import dataclass, field

from streams.errors import Unreadable
from streams.rtsp.payload import START_CODE, Format, Role
from streams.rtsp.rtp import RtpPacket, sequence_step


@dataclass(frozen=True, slots=True)
class AccessUnit:
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
class Assembler:
    """Fed packets that may belong to a key picture; gives whole key pictures back."""

    format: Format
    max_bytes: int
    sets: ParameterSets = field(default_factory=ParameterSets)
    busy: bool = False  # a picture is under way: every packet must come here
    lost: int = 0  # key pictures given up for a gap
    undecodable: int = 0  # key pictures without parameter sets
    _ssrc: int = -1
    _sequence: int = 0
    _timestamp: int = -1  # of the picture under way
    _dead: int = -1  # timestamp of a picture that was given up or is no key picture
    _nals: list[bytes] = field(default_factory=list)
    _parts: list[bytes] = field(default_factory=list)  # of a fragmented NAL unit
    _size: int = 0
    _key: bool = False
    _given: bool = False  # this picture went out at its marker
    _early_marker: bool = False  # ... but its marker came too early
    _markers_lie: bool = False  # so they do not count in this stream

    def push(self, packet: RtpPacket) -> AccessUnit | None:
        """Take a packet; a key picture when one became whole."""
        whole: AccessUnit | None = None
        if self.busy:
            whole = self._before(packet)
            if self.busy and packet.sequence == self._sequence:
                return whole  # a repeat
        self._ssrc, self._sequence = packet.ssrc, packet.sequence
        if packet.timestamp == self._dead:
            return whole
        if not self.busy:
            self._open(packet.timestamp)
        self._take(packet)
        if packet.marker and self.busy:
            whole = self._at_marker() or whole
        return whole

    def abandon(self) -> None:
        """Forget the picture under way; its later packets are not taken either."""
        self._dead = self._timestamp
        self._close()

    def _before(self, packet: RtpPacket) -> AccessUnit | None:
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
        self._key = self._given = self._early_marker = False

    def _close(self) -> None:
        self.busy = False
        self._nals, self._parts, self._size, self._timestamp = [], [], 0, -1

    def _take(self, packet: RtpPacket) -> None:
        for data, first, last in self.format.unpack(packet.payload):
            if first:
                self._end_fragment()
                if not self._goes_on(data):
                    self.abandon()
                    return
            elif not self._parts:  # its beginning went by before we listened
                self.abandon()
                return
            self._size += len(data)
            if self._size > self.max_bytes:
                raise Unreadable(f"a key frame of more than {self.max_bytes} bytes")
            self._parts.append(data)
            if last:
                self._end_fragment()

    def _goes_on(self, nal: bytes) -> bool:
        """Whether the picture, as far as this NAL unit tells, is still a key picture."""
        role = self.format.role(nal)
        if role not in {Role.KEY_SLICE, Role.OTHER_SLICE}:
            return True
        if self._given:  # its last marker was not the end of it
            self._given, self._markers_lie = False, True
        if role is Role.OTHER_SLICE:  # allowed behind a key slice only as the second field
            return self._key and self.format.starts_picture(nal)
        if not self._key and not self.format.starts_picture(nal):
            return False  # its first slice is missing
        self._key = True
        return True

    def _end_fragment(self) -> None:
        if not self._parts:
            return
        nal = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts = []
        role = self.format.role(nal)
        if role is Role.PARAMETERS:
            self.sets.add(self.format.parameter_kind(nal), nal, self._timestamp)
        elif role is not Role.NOTHING:
            self._nals.append(nal)

    def _at_marker(self) -> AccessUnit | None:
        if not self._key:
            self._early_marker = True
            return None
        if self._markers_lie or self._early_marker or self._given:
            return None
        self._given = True
        return self._compose()

    def _finish(self) -> AccessUnit | None:
        """The picture under way, ended by the next one."""
        return None if self._given or not self._key else self._compose()

    def _compose(self) -> AccessUnit | None:
        self._end_fragment()
        sets = self.sets.all(self.format.needed)
        if sets is None:
            self.undecodable += 1
            return None
        digest = hashlib.sha256()
        for nal in self._nals:
            if self.format.role(nal) is not Role.HINT:
                digest.update(nal)
        data = START_CODE + START_CODE.join([*sets, *self._nals])
        return AccessUnit(data, self._timestamp, digest.hexdigest())
