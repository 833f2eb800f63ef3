"""RTP payloads → one buffer per frame, ready but for sequence number, timestamp and SSRC.

A buffer holds every packet of the frame as it goes over TCP (RFC 2326 §10.12): `$`, channel,
length, RTP header, payload. Stamping is a copy and one scattered assignment, whatever the number
of packets; this is what lets one core serve hundreds of viewers.

Access units → RTP payloads: H.264 by RFC 6184, H.265 by RFC 7798. Pure.

Payloads come without RTP headers; the last one of an access unit carries the marker bit.

Loops cut into packets, each once per way of packing, shared by all cameras that play it.
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


@dataclass(frozen=True, slots=True, eq=False)
class PacketFrame:
    """All packets of one frame."""

    data: Bytes
    starts: NDArray[np.intp]  # of each packet's `$`
    stamped_at: NDArray[np.intp]  # packets × 10 positions
    order: NDArray[np.int64]  # 0, 1, 2 … one per packet
    key: bool

    @property
    def count(self) -> int:
        """How many packets."""
        return len(self.order)

    def stamped(self, sequence: int, timestamp: int, ssrc: int, channel: int = 0) -> Bytes:
        """A copy that a viewer can be sent."""
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


MTU_PAYLOAD: Final = 1400  # what cameras use on Ethernet, headers and VPNs allowed for
_START: Final = b"\x00\x00\x01"
_STAP_A, _FU_A = 24, 28
_AP, _FU = 48, 49
H264_SETS: Final = frozenset({7, 8})  # SPS, PPS
H265_SETS: Final = frozenset({32, 33, 34})  # VPS, SPS, PPS
_SEI: Final = {"h264": frozenset({6}), "hevc": frozenset({39, 40})}


def split_annexb(data: bytes) -> list[bytes]:
    """The NAL units of an Annex B byte stream, without start codes and trailing zeros."""
    units = data.split(_START)[1:]
    return [unit.rstrip(b"\x00") for unit in units if unit.rstrip(b"\x00")]


def nal_type(codec: str, unit: bytes) -> int:
    """The NAL unit's type."""
    return unit[0] & 0x1F if codec == "h264" else (unit[0] >> 1) & 0x3F


def is_parameter_set(codec: str, unit: bytes) -> bool:
    """SPS, PPS or VPS."""
    return nal_type(codec, unit) in (H264_SETS if codec == "h264" else H265_SETS)


def is_sei(codec: str, unit: bytes) -> bool:
    """Supplemental information: the encoder's banner, mostly."""
    return nal_type(codec, unit) in _SEI[codec]


def payloads(codec: str, units: Sequence[bytes], *, aggregate: bool) -> list[bytes]:
    """RTP payloads of one access unit; `aggregate` puts neighbouring small units together."""
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
    """FU-A or FU: the unit's header moves into the fragment headers."""
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


@dataclass(frozen=True, slots=True, eq=False)
class CameraLoops:
    """What one camera shows: main and sub stream."""

    main: PacketLoop
    sub: PacketLoop


@dataclass(slots=True)
class PacketCache:
    """Reels by what they show; the vendor follows from the scene, so it is no part of the key."""

    library: LoopLibrary
    _loops: dict[LoopSpec, CameraLoops] = field(default_factory=dict)

    def loops_for(self, spec: LoopSpec, vendor: Vendor) -> CameraLoops:
        """Cut it on first use."""
        loops = self._loops.get(spec)
        if loops is None:
            pair = self.library.load(spec)
            loops = CameraLoops(packetize(pair.main, vendor), packetize(pair.sub, vendor))
            self._loops[spec] = loops
        return loops


def packetize(loop: EncodedLoop, vendor: Vendor) -> PacketLoop:
    """Access units → packets, the vendor's way."""
    codec = loop.format.codec
    frames, sets = [], dict[bytes, None]()
    for index, data in enumerate(loop.units):
        units = split_annexb(data)
        sets.update((unit, None) for unit in units if is_parameter_set(codec, unit))
        sent = [unit for unit in units if _is_sent(codec, unit, vendor)]
        packed = payloads(codec, sent, aggregate=vendor.aggregate)
        frames.append(packet_frame(packed, payload_type=VIDEO_TYPE, key=loop.is_key(index)))
    return PacketLoop(loop.format, tuple(sets), tuple(frames))


def _is_sent(codec: str, unit: bytes, vendor: Vendor) -> bool:
    """Everything but the encoder's banner, and the sets where they stand in the SDP alone."""
    if is_parameter_set(codec, unit):
        return vendor.sets_in_band
    return not is_sei(codec, unit)
