"""RTP packets of a GB/T 28181 stream → whole key pictures. Sans-io.

What is in the packets is read off them, whatever was agreed: a program stream (the rule), a
transport stream, or H.264/H.265 themselves (RFC 6184, 7798). The first source that sends is the one
that is followed; packets of others are counted. Gaps cost the picture under way.
"""

import struct
from dataclasses import dataclass, field
from enum import StrEnum, auto
from typing import Final

from streams.gb28181.rtp_framing import ReorderWindow
from streams.model import Codec
from streams.mpeg.key_pictures import STREAM_TYPES, KeyPicture, KeyPictureFinder
from streams.mpeg.program_stream import PACK_START, VIDEO_IDS, ProgramStreamDemuxer, VideoUnit
from streams.mpeg.transport_stream import PACKET_BYTES, SYNC, TransportStreamDemuxer
from streams.rtsp.depacketizer import KeyFrameDepacketizer
from streams.rtsp.rtp import RtpTimeline, read_rtp
from streams.rtsp.session import CODEC_FORMATS

_HEADER: Final = struct.Struct(">BBHII")
_HEADER_BYTES: Final = _HEADER.size
_PLAIN: Final = 0x80  # the first byte: no padding, extension, contributing sources
_RTCP: Final = range(192, 224)  # the second byte of a report
_PT_TS: Final = 33
_PT_CODECS: Final = {98: Codec.H264, 99: Codec.H265, 100: Codec.H265}
UNDECIDED_PACKETS: Final = 2000  # a large key frame; then it is none of what is known
ES_AFTER_PACKETS: Final = 8  # of a payload type for raw video, without a pack header
FOLLOW_ALIEN_AFTER: Final = 64  # packets of one other source in a row: ours began anew
STEADY: Final = 8  # sequence numbers in a row, and from then on a gap is one


class Container(StrEnum):
    """What the RTP packets hold."""

    UNKNOWN = auto()
    PS = auto()
    TS = auto()
    RAW = auto()  # the video itself


@dataclass(slots=True)
class MediaReceiver:
    """Takes the packets of one session; `pictures` are its whole key pictures, to be taken away."""

    max_bytes: int
    over_udp: bool = False
    container: Container = Container.UNKNOWN
    packets: int = 0
    alien: int = 0  # packets of another source
    unread: int = 0  # no RTP, or reports
    gaps: int = 0
    ssrc: int | None = None
    finder: KeyPictureFinder = field(default_factory=KeyPictureFinder)
    pictures: list[KeyPicture] = field(default_factory=list)
    _alien_run: int = 0
    _alien_ssrc: int = 0
    _expected: int = -1
    _steady: int = 0
    _timestamp: int = 0
    _order: ReorderWindow = field(default_factory=ReorderWindow)
    _demuxer: ProgramStreamDemuxer | TransportStreamDemuxer | None = None
    _raw: KeyFrameDepacketizer | None = None
    _raw_timeline: RtpTimeline = field(default_factory=lambda: RtpTimeline(90_000))

    @property
    def lost(self) -> int:
        """Key pictures, or what may have been one, that were given up for a gap."""
        if self._raw is not None:
            return self._raw.lost
        return self._demuxer.lost if self._demuxer is not None else 0

    @property
    def declared(self) -> str:
        """The video that the stream's own map names; empty without one."""
        types = self._demuxer.stream_types if self._demuxer is not None else {}
        named = [
            STREAM_TYPES.get(kind, f"0x{kind:02x}") for at, kind in types.items() if at in VIDEO_IDS
        ]
        return named[0] if named else ""

    def push(self, packet: bytes, now_s: float) -> None:
        """Take a packet as it came; over UDP it may wait for others."""
        if len(packet) < _HEADER_BYTES or packet[0] & 0xC0 != 0x80 or packet[1] in _RTCP:  # noqa: PLR2004  RTP version 2
            self.unread += 1
            return
        first, _, sequence, timestamp, ssrc = _HEADER.unpack_from(packet)
        if ssrc != self.ssrc and not self._follows(ssrc):
            return
        self._alien_run = 0
        self.packets += 1
        if self.over_udp:
            for missing, ordered in self._order.push(sequence, packet, now_s):
                self._read(ordered, timestamp, missing=missing)
        elif sequence == self._expected:
            self._expected = (sequence + 1) & 0xFFFF
            self._steady += 1
            demuxer = self._demuxer
            if demuxer is None or first != _PLAIN:
                self._read(packet, timestamp, missing=False)
                return
            if units := demuxer.feed(packet[_HEADER_BYTES:]):  # as _read does; nearly every packet
                self._find_pictures(units)
            self._timestamp = timestamp
        else:
            self._read(packet, timestamp, missing=self._jumped(sequence))

    def tick(self, now_s: float) -> None:
        """Read packets that waited long enough."""
        for missing, ordered in self._order.due(now_s):
            self._read(ordered, self._timestamp, missing=missing)

    def pause(self) -> None:
        """Packets are passed over from here on; `push` begins anew with the next picture."""
        self._expected, self._steady = -1, 0
        self._order = ReorderWindow()
        if self._demuxer is not None:
            self._demuxer.discontinuity()
            self._demuxer.lost = max(0, self._demuxer.lost - 1)
        if self._raw is not None:
            self._raw.abandon()

    def _follows(self, ssrc: int) -> bool:
        """Whether this is the source to follow from now on: the first, or the only one left."""
        if self.ssrc is None:
            self.ssrc = ssrc
            return True
        self.alien += 1
        self._alien_run = self._alien_run + 1 if ssrc == self._alien_ssrc else 1
        self._alien_ssrc = ssrc
        if self._alien_run < FOLLOW_ALIEN_AFTER:
            return False
        self.ssrc = ssrc
        self.pause()
        return True

    def _jumped(self, sequence: int) -> bool:
        """Whether packets are missing; a sender whose numbers do not count is believed whole."""
        jumped = self._expected >= 0 and self._steady >= STEADY
        self._expected, self._steady = (sequence + 1) & 0xFFFF, 0
        return jumped

    def _read(self, packet: bytes, timestamp: int, *, missing: bool) -> None:
        demuxer = self._demuxer
        if missing:
            self.gaps += 1
            if demuxer is not None:
                demuxer.discontinuity()
        if self._raw is not None:
            self._read_raw(self._raw, packet)
            return
        if packet[0] == _PLAIN:
            payload = packet[_HEADER_BYTES:]
        else:
            whole = read_rtp(packet)
            payload = whole.payload if whole is not None else b""
        if demuxer is None:
            self._decide(packet, payload, timestamp)
            return
        if units := demuxer.feed(payload):
            self._find_pictures(units)
        self._timestamp = timestamp

    def _find_pictures(self, units: list[VideoUnit]) -> None:
        for unit in units:
            self.pictures += self.finder.pictures(unit, self._timestamp)

    def _read_raw(self, raw: KeyFrameDepacketizer, packet: bytes) -> None:
        parsed = read_rtp(packet)
        whole = raw.push(parsed) if parsed is not None else None
        if whole is not None and self.finder.codec is not None:
            time_s = self._raw_timeline.seconds(whole.timestamp)
            picture = KeyPicture(self.finder.codec, whole.data, time_s, whole.sha256)
            self.pictures.append(picture)

    def _decide(self, packet: bytes, payload: bytes, timestamp: int) -> None:
        """Find out what the packets hold; those before are not needed."""
        payload_type = packet[1] & 0x7F
        finder = self.finder
        if PACK_START in payload:
            self.container = Container.PS
            self._demuxer = ProgramStreamDemuxer(
                self.max_bytes, finder.may_be_key, finder.begins_picture
            )
        elif _is_transport_stream(payload, payload_type):
            self.container = Container.TS
            self._demuxer = TransportStreamDemuxer(self.max_bytes, finder.may_be_key)
        elif payload_type in _PT_CODECS and self.packets > ES_AFTER_PACKETS:
            self.container = Container.RAW
            finder.codec = _PT_CODECS[payload_type]
            self._raw = KeyFrameDepacketizer(CODEC_FORMATS[finder.codec], self.max_bytes)
        else:
            return
        self._read(packet, timestamp, missing=False)

    @property
    def is_hopeless(self) -> bool:
        """Whether so many packets came that nothing known can be in them."""
        return self.container is Container.UNKNOWN and self.packets > UNDECIDED_PACKETS


def _is_transport_stream(payload: bytes, payload_type: int) -> bool:
    if not payload or payload[0] != SYNC:
        return False
    if len(payload) > PACKET_BYTES:
        return payload[PACKET_BYTES] == SYNC
    return payload_type == _PT_TS or len(payload) == PACKET_BYTES
