"""RTP packets of a loop: access units → payloads → one buffer per frame, shared by all viewers.

Payloads follow RFC 6184 (H.264) and RFC 7798 (H.265); the last one of an access unit carries the
marker bit. A buffer holds every packet of the frame as it goes over TCP (RFC 2326 §10.12): `$`,
channel, length, RTP header, payload. Stamping sequence number, timestamp and SSRC is a copy and
one scattered assignment, whatever the number of packets; this lets one core serve hundreds of
viewers. `PacketCache` cuts each loop once per way of packing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from struct import pack
from typing import Final

import numpy as np
from numpy.typing import NDArray

from simulators.rtsp_farm.vendors import Vendor
from simulators.scenes.catalogue import StreamFormat
from simulators.scenes.encode import EncodedLoop
from simulators.scenes.library import LoopLibrary, LoopSpec

PREFIX_BYTES: Final = 4  # $, channel, length
RTP_HEADER_BYTES: Final = 12
VIDEO_TYPE: Final = 96
AUDIO_TYPE: Final = 8  # PCMA, static
_STAMPED: Final = np.arange(2, 12) + PREFIX_BYTES  # sequence 2, timestamp 4, SSRC 4
_SEQUENCES: Final = 1 << 16
_STAMPS: Final = 1 << 32

Bytes = NDArray[np.uint8]
MTU_PAYLOAD: Final = 1400  # what cameras use on Ethernet, headers and VPNs allowed for
_START: Final = b"\x00\x00\x01"
_STAP_A, _FU_A = 24, 28
_AP, _FU = 48, 49
H264_SETS: Final = frozenset({7, 8})  # SPS, PPS
H265_SETS: Final = frozenset({32, 33, 34})  # VPS, SPS, PPS
_SEI: Final = {"h264": frozenset({6}), "hevc": frozenset({39, 40})}


@dataclass(frozen=True, slots=True, eq=False)
class PacketFrame:
    """The packets of one frame in one buffer."""

    data: Bytes
    starts: NDArray[np.intp]  # of each packet's `$`
    stamped_at: NDArray[np.intp]  # packets × 10 positions
    order: NDArray[np.int64]  # 0, 1, 2 … one per packet
    key: bool

    @property
    def count(self) -> int:
        """The number of packets."""
        return len(self.order)

    def stamped(self, sequence: int, timestamp: int, ssrc: int, channel: int = 0) -> Bytes:
        """A copy with these numbers in its RTP headers, ready to be sent to one viewer."""
        out = self.data.copy()
        head = np.empty((len(self.order), 10), np.uint8)
        numbers = ((self.order + sequence) % _SEQUENCES).astype(">u2")
        head[:, :2] = numbers.view(np.uint8).reshape(-1, 2)
        head[:, 2:] = np.frombuffer(pack(">II", timestamp % _STAMPS, ssrc), np.uint8)
        out[self.stamped_at] = head
        if channel:
            out[self.starts + 1] = channel
        return out

    def datagrams(self, stamped: Bytes) -> list[memoryview]:
        """The packets of a stamped copy, without their TCP prefixes."""
        view = stamped.data
        ends = [*self.starts[1:].tolist(), len(stamped)]
        return [
            view[start + PREFIX_BYTES : end]
            for start, end in zip(self.starts.tolist(), ends, strict=True)
        ]


def packet_frame(payloads: Sequence[bytes], *, payload_type: int, key: bool) -> PacketFrame:
    """Put headers before the payloads of one frame; the last carries the marker."""
    chunks: list[bytes] = []
    starts: list[int] = []
    at = 0
    for number, payload in enumerate(payloads, start=1):
        marker = 0x80 if number == len(payloads) else 0
        length = RTP_HEADER_BYTES + len(payload)
        chunks += (
            pack(">cBH", b"$", 0, length),
            pack(">BBHII", 0x80, marker | payload_type, 0, 0, 0),
            payload,
        )
        starts.append(at)
        at += PREFIX_BYTES + length
    offsets = np.array(starts, dtype=np.intp)
    return PacketFrame(
        data=np.frombuffer(b"".join(chunks), np.uint8),
        starts=offsets,
        stamped_at=offsets[:, None] + _STAMPED,
        order=np.arange(len(starts)),
        key=key,
    )


def split_annexb(data: bytes) -> list[bytes]:
    """The NAL units of an Annex B byte stream, without start codes and trailing zeros."""
    units = data.split(_START)[1:]
    return [unit.rstrip(b"\x00") for unit in units if unit.rstrip(b"\x00")]


def nal_type(codec: str, unit: bytes) -> int:
    """The NAL unit's type."""
    return unit[0] & 0x1F if codec == "h264" else (unit[0] >> 1) & 0x3F


def is_parameter_set(codec: str, unit: bytes) -> bool:
    """Whether the unit is an SPS, PPS or VPS."""
    return nal_type(codec, unit) in (H264_SETS if codec == "h264" else H265_SETS)


def is_sei(codec: str, unit: bytes) -> bool:
    """Whether the unit is supplemental information; mostly the encoder's banner."""
    return nal_type(codec, unit) in _SEI[codec]


def payloads(codec: str, units: Sequence[bytes], *, aggregate: bool) -> list[bytes]:
    """The RTP payloads of one access unit; `aggregate` puts neighbouring small units together."""
    out: list[bytes] = []
    small: list[bytes] = []
    for unit in units:
        if aggregate and _fits([*small, unit]):
            small.append(unit)
            continue
        out.extend(_flush(codec, small))
        small = []
        out.extend([unit] if len(unit) <= MTU_PAYLOAD else _fragments(codec, unit))
    out.extend(_flush(codec, small))
    return out


def _fits(units: list[bytes]) -> bool:
    return sum(len(unit) + 2 for unit in units) + 2 <= MTU_PAYLOAD


def _flush(codec: str, units: list[bytes]) -> list[bytes]:
    if len(units) <= 1:
        return units
    body = b"".join(len(unit).to_bytes(2, "big") + unit for unit in units)
    if codec == "h264":
        importance = max(unit[0] & 0x60 for unit in units)
        return [bytes([importance | _STAP_A]) + body]
    return [bytes([_AP << 1, 1]) + body]


def _fragments(codec: str, unit: bytes) -> Iterator[bytes]:
    """Cut a unit into FU-A or FU fragments; its header moves into theirs."""
    kind = nal_type(codec, unit)
    if codec == "h264":
        indicator, body = bytes([(unit[0] & 0xE0) | _FU_A]), unit[1:]
    else:
        indicator, body = bytes([(unit[0] & 0x81) | (_FU << 1), unit[1]]), unit[2:]
    max_bytes = MTU_PAYLOAD - len(indicator) - 1
    for at in range(0, len(body), max_bytes):
        first = 0x80 if at == 0 else 0
        last = 0x40 if at + max_bytes >= len(body) else 0
        yield indicator + bytes([first | last | kind]) + body[at : at + max_bytes]


@dataclass(frozen=True, slots=True, eq=False)
class PacketLoop:
    """Frames that repeat for ever, ready to be stamped and sent."""

    format: StreamFormat
    sets: tuple[bytes, ...]  # parameter sets, for the SDP
    frames: tuple[PacketFrame, ...]
    units: tuple[bytes, ...] = ()  # the pictures in Annex B, for what is not RTSP


@dataclass(frozen=True, slots=True, eq=False)
class CameraLoops:
    """The main and the sub stream of one camera."""

    main: PacketLoop
    sub: PacketLoop


@dataclass(slots=True)
class PacketCache:
    """Packetized loops by specification, which also fixes the vendor."""

    library: LoopLibrary
    _loops: dict[LoopSpec, CameraLoops] = field(default_factory=dict)

    def loops_for(self, spec: LoopSpec, vendor: Vendor) -> CameraLoops:
        """The packetized loops; cut on first use."""
        loops = self._loops.get(spec)
        if loops is None:
            pair = self.library.load(spec)
            loops = CameraLoops(packetize(pair.main, vendor), packetize(pair.sub, vendor))
            self._loops[spec] = loops
        return loops


def packetize(loop: EncodedLoop, vendor: Vendor) -> PacketLoop:
    """Cut an encoded loop into packets, packed as the vendor's cameras do."""
    codec = loop.format.codec
    frames, sets = [], dict[bytes, None]()
    for index, data in enumerate(loop.units):
        units = split_annexb(data)
        sets.update((unit, None) for unit in units if is_parameter_set(codec, unit))
        sent = [unit for unit in units if _is_sent(codec, unit, vendor)]
        packed = payloads(codec, sent, aggregate=vendor.aggregate)
        frames.append(packet_frame(packed, payload_type=VIDEO_TYPE, key=loop.is_key(index)))
    return PacketLoop(loop.format, tuple(sets), tuple(frames), tuple(loop.units))


def _is_sent(codec: str, unit: bytes, vendor: Vendor) -> bool:
    """Whether a unit is sent: not the encoder's banner, nor sets that stand in the SDP alone."""
    if is_parameter_set(codec, unit):
        return vendor.sets_in_band
    return not is_sei(codec, unit)
