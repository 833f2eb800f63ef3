"""Find the codec and the key pictures in units of an elementary stream (Annex B).

The codec is read off the parameter sets themselves: maps of program streams lie (H.265 declared as
H.264 is common). A key picture leaves with its parameter sets in front, those of an earlier unit
where it has none. Pure.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from streams.annexb import is_key_picture, slices_sha256, split_nals
from streams.clocks import VIDEO_CLOCK_HZ
from streams.model import Codec
from streams.mpeg.program_stream import PtsTimeline, VideoUnit
from streams.rtsp.depacketizer import START_CODE, CodecFormat, NalRole
from streams.rtsp.rtp import RtpTimeline
from streams.rtsp.session import CODEC_FORMATS

_NAL: Final = re.compile(b"\x00\x00\x01([\x00-\x7f])([\x00-\xff]?)", re.DOTALL)
MAX_PEEKED: Final = 32  # NAL units of a first chunk that are looked at
_PEEK_BYTES: Final = 16  # of each: enough for a slice's type
_SHORT_START: Final = b"\x00\x00\x01"
_SLICES: Final = frozenset({NalRole.KEY_SLICE, NalRole.OTHER_SLICE})
_H264_SETS: Final = frozenset({7, 8})
_H265_SETS: Final = frozenset({32, 33, 34})
_H264_FIRSTS: Final = frozenset({1, 5, 6, 7, 9})
_H265_FIRSTS: Final = frozenset({*range(10), *range(16, 22), 32, 33, 35, 39})
# Stream types of maps (ISO/IEC 13818-1 table 2-34; GB/T 28181 Annex C), for messages alone.
STREAM_TYPES: Final = {
    0x10: "MPEG-4",
    0x1B: "H.264",
    0x24: "H.265",
    0x80: "SVAC",
    0x0F: "AAC",
    0x90: "G.711A",
    0x91: "G.711U",
    0x92: "G.722.1",
    0x93: "G.723.1",
    0x99: "G.729",
    0x9B: "SVAC audio",
}


@dataclass(frozen=True, slots=True)
class KeyPicture:
    """One whole key picture in Annex B, parameter sets in front."""

    codec: Codec
    data: bytes
    media_time_s: float
    sha256: str  # of its slices alone


def sniff_codec(data: bytes) -> Codec | None:
    """The codec whose parameter sets are in it; None without a whole set of them."""
    h264, h265 = set(), set()
    for match in _NAL.finditer(data):
        first, second = match[1][0], match[2][:1]
        if second == b"\x01" and (first >> 1) in _H265_SETS and not first & 1:
            h265.add(first >> 1)
        elif first & 0x1F in _H264_SETS and first & 0x60:
            h264.add(first & 0x1F)
        if len(h265) == len(_H265_SETS):
            return Codec.H265
        if len(h264) == len(_H264_SETS):
            return Codec.H264
    return None


@dataclass(slots=True)
class KeyPictureFinder:
    """Finds key pictures in the units of one stream."""

    codec: Codec | None = None
    undecodable: int = 0  # key pictures without parameter sets, in band or before
    units: int = 0
    _sets: dict[int, bytes] = field(default_factory=dict)
    _unaligned: bool = False  # packets do not begin with a NAL unit
    _kept: VideoUnit = field(default_factory=lambda: VideoUnit(b"", None))  # waits for its end
    _timeline: PtsTimeline = field(default_factory=PtsTimeline)
    _rtp_timeline: RtpTimeline = field(default_factory=lambda: RtpTimeline(VIDEO_CLOCK_HZ))

    def may_be_key(self, first: bytes) -> bool:
        """Whether a picture that begins with these bytes may be a key picture."""
        if len(first) >= len(START_CODE) and not first.startswith((_SHORT_START, START_CODE)):
            self._unaligned = True
        if self.codec is None or self._unaligned:
            return True
        a_format = CODEC_FORMATS[self.codec]
        for count, match in enumerate(_NAL.finditer(first)):
            start = match.start() + 3
            nal = first[start : start + _PEEK_BYTES]
            if len(nal) <= a_format.header_bytes or count >= MAX_PEEKED:
                return True
            role = a_format.role(nal)
            if role is NalRole.OTHER_SLICE:
                return len(nal) < _PEEK_BYTES  # cut short: its type may be read wrong
            if role is NalRole.KEY_SLICE:
                return True
        return True

    def begins_picture(self, first: bytes) -> bool:
        """Whether these bytes are the beginning of a picture's first NAL unit."""
        match = _NAL.match(first, 1 if first.startswith(START_CODE) else 0)
        if match is None:
            return False
        as_h265, as_h264 = match[1][0] >> 1 in _H265_FIRSTS, match[1][0] & 0x1F in _H264_FIRSTS
        if self.codec is None:
            return as_h264 or as_h265
        return as_h265 if self.codec is Codec.H265 else as_h264

    def pictures(self, unit: VideoUnit, rtp_timestamp: int = 0) -> list[KeyPicture]:
        """The key pictures in a unit that can be decoded.

        `rtp_timestamp`: its time where the unit has none of its own. In a stream whose packets do
        not begin with a NAL unit (FFmpeg's muxer) the end of a picture comes with the next unit.
        """
        self.units += 1
        data, pts = unit
        if self._unaligned:
            data, pts = self._rejoined(unit)
        sniffed = sniff_codec(data)
        if sniffed is not None and sniffed is not self.codec:
            self.codec, self._sets = sniffed, {}
        if self.codec is None:
            return []
        a_format = CODEC_FORMATS[self.codec]
        nals = [nal for nal in split_nals(data) if len(nal) > a_format.header_bytes]
        found = []
        for picture in _access_units(nals, a_format):
            self._learn_sets(picture, a_format)
            if is_key_picture(picture, a_format):
                found.append(self._compose(picture, a_format, pts, rtp_timestamp))
        return [picture for picture in found if picture is not None]

    def _rejoined(self, unit: VideoUnit) -> VideoUnit:
        """The picture that began in the unit before, with its end out of this one."""
        start = unit.data.find(_SHORT_START)
        end = len(unit.data) if start < 0 else start
        before, self._kept = self._kept, VideoUnit(unit.data[end:], unit.pts)
        return VideoUnit(before.data + unit.data[:end], before.pts)

    def _learn_sets(self, nals: list[bytes], a_format: CodecFormat) -> None:
        for nal in nals:
            if a_format.role(nal) is NalRole.PARAMETERS:
                self._sets[a_format.parameter_kind(nal)] = nal

    def _compose(
        self, nals: list[bytes], a_format: CodecFormat, pts: int | None, rtp_timestamp: int
    ) -> KeyPicture | None:
        present = {a_format.parameter_kind(nal) for nal in nals}
        missing = [kind for kind in a_format.needed if kind not in present]
        if self.codec is None or any(kind not in self._sets for kind in missing):
            self.undecodable += 1
            return None
        kept = [nal for nal in nals if a_format.role(nal) is not NalRole.NOTHING]
        sets = [self._sets[kind] for kind in missing]
        if pts is None:
            media_time_s = self._rtp_timeline.seconds(rtp_timestamp)
        else:
            media_time_s = self._timeline.seconds(pts)
        return KeyPicture(
            codec=self.codec,
            data=START_CODE + START_CODE.join([*sets, *kept]),
            media_time_s=media_time_s,
            sha256=slices_sha256(nals, a_format),
        )


def _access_units(nals: list[bytes], a_format: CodecFormat) -> list[list[bytes]]:
    """The pictures that the NAL units make; nearly always one."""
    units: list[list[bytes]] = [[]]
    has_slice = False
    for nal in nals:
        role = a_format.role(nal)
        is_slice = role in _SLICES
        if has_slice and (not is_slice or a_format.starts_picture(nal)):
            units.append([])
            has_slice = False
        units[-1].append(nal)
        has_slice = has_slice or is_slice
    return units
