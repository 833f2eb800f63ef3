"""Multiplex pictures into a program stream as GB/T 28181 devices do (Annex C), and into RTP.

Shares no code with the demultiplexer of `streams`, so that one fault cannot hide the other. The
options are what real devices do differently.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from struct import pack
from typing import Final

MAX_PES_PAYLOAD: Final = 65_000  # of one PES packet, below its 16-bit length
STREAM_TYPES: Final = {"h264": 0x1B, "hevc": 0x24, "svac": 0x80}
PT_PS: Final = 96


@dataclass(frozen=True, slots=True, kw_only=True)
class MuxOptions:
    """What a device's multiplexer does."""

    declared: str = ""  # the codec in its map; empty: the real one
    with_map: bool = True
    pes_payload: int = MAX_PES_PAYLOAD
    pts_on: str = "first"  # of a picture's PES packets: first, every, none
    zero_length: bool = False  # PES packets without their length, which a program stream forbids
    private_streams: bool = False  # Hikvision's 0xBD before each picture
    padding: bool = False
    audio: bool = False
    broken_map: bool = False  # lengths that lead nowhere (Tiandy)


def mux_picture(
    annexb: bytes, pts: int, *, key: bool, codec: str, options: MuxOptions | None = None
) -> bytes:
    """One picture: pack header, on key pictures system header and map, then PES packets."""
    options = options or MuxOptions()
    parts = [_pack_header(pts)]
    if key:
        parts.append(_SYSTEM_HEADER)
        if options.with_map:
            parts.append(_stream_map(STREAM_TYPES[options.declared or codec], options))
    if options.private_streams:
        parts.append(
            b"\x00\x00\x01\xbd" + pack(">H", 40) + b"\x8c\x80\x00" + b"\x00\x00\x01\x65" * 9 + b"x"
        )
    for number, at in enumerate(range(0, len(annexb), options.pes_payload)):
        has_pts = options.pts_on == "every" or (options.pts_on == "first" and number == 0)
        chunk = annexb[at : at + options.pes_payload]
        parts.append(_pes(0xE0, chunk, pts if has_pts else None, zero=options.zero_length))
    if options.padding:
        parts.append(b"\x00\x00\x01\xbe" + pack(">H", 16) + b"\xff" * 16)
    if options.audio:
        parts.append(_pes(0xC0, b"\xd5" * 320, pts, zero=False))
    return b"".join(parts)


def rtp_packets(
    data: bytes,
    *,
    sequence: int,
    timestamp: int,
    ssrc: int,
    payload_type: int = PT_PS,
    size: int = 1400,
) -> Iterator[bytes]:
    """Cut bytes into RTP packets; the last carries the marker."""
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    for number, piece in enumerate(pieces):
        marker = 0x80 if number == len(pieces) - 1 else 0
        head = pack(
            ">BBHII",
            0x80,
            marker | payload_type,
            (sequence + number) & 0xFFFF,
            timestamp & 0xFFFFFFFF,
            ssrc,
        )
        yield head + piece


def _pack_header(pts: int) -> bytes:
    """With the system clock reference of the time stamp (§2.5.3.3), MPEG-2."""
    scr = pts % (1 << 33)
    value = 0b01 << 46
    value |= (scr >> 30 & 7) << 43 | 1 << 42
    value |= (scr >> 15 & 0x7FFF) << 27 | 1 << 26
    value |= (scr & 0x7FFF) << 11 | 1 << 10
    value |= 1  # extension 0 and its marker
    return (
        b"\x00\x00\x01\xba"
        + value.to_bytes(6, "big")
        + pack(">I", (6106 << 10) | 0x3F8)[:3]
        + b"\xf8"
    )


_SYSTEM_HEADER: Final = (
    b"\x00\x00\x01\xbb" + pack(">H", 12) + bytes.fromhex("80c35304217fe0e0e8c0c020")
)


def _stream_map(kind: int, options: MuxOptions) -> bytes:
    streams = bytes((kind, 0xE0, 0, 0, 0x90, 0xC0, 0, 0))
    body = b"\xe1\xff" + pack(">H", 0) + pack(">H", len(streams)) + streams + b"\x00\x00\x00\x00"
    if options.broken_map:
        body = b"\xe1\xff" + pack(">H", 60_000) + pack(">H", 61_000) + streams + b"\x00\x00\x00\x00"
    return b"\x00\x00\x01\xbc" + pack(">H", len(body)) + body


def _pes(stream: int, payload: bytes, pts: int | None, *, zero: bool) -> bytes:
    head = b"\x80\x00\x00" if pts is None else b"\x80\x80\x05" + _time_stamp(pts)
    length = 0 if zero else len(head) + len(payload)
    return b"\x00\x00\x01" + bytes((stream,)) + pack(">H", length) + head + payload


def _time_stamp(pts: int) -> bytes:
    pts %= 1 << 33
    return bytes(
        (
            0x21 | pts >> 29 & 0x0E,
            pts >> 22 & 0xFF,
            0x01 | pts >> 14 & 0xFE,
            pts >> 7 & 0xFF,
            0x01 | pts << 1 & 0xFE,
        )
    )


def transport_stream(
    annexb: bytes, pts: int, *, counter: int, pid: int = 0x100
) -> tuple[bytes, int]:
    """One picture as transport stream packets, and the next continuity counter."""
    pes = _pes(0xE0, annexb, pts, zero=True)
    packets: list[bytes] = []
    at = 0
    while at < len(pes):
        capacity = 184
        chunk = pes[at : at + capacity]
        begins = 0x40 if at == 0 else 0
        stuffing = capacity - len(chunk)
        control = 0x10 | counter
        adaptation = b""
        if stuffing:
            control |= 0x20
            adaptation = bytes((stuffing - 1,)) + (
                b"\x00" + b"\xff" * (stuffing - 2) if stuffing > 1 else b""
            )
        packets.append(bytes((0x47, begins | pid >> 8, pid & 0xFF, control)) + adaptation + chunk)
        at += len(chunk)
        counter = (counter + 1) % 16
    return b"".join(packets), counter


def interleaved(packets: Sequence[bytes], framing: str) -> bytes:
    """Packets as they go over TCP: `rfc4571`, or `dollar` as RTSP has it."""
    if framing == "dollar":
        return b"".join(b"$\x00" + pack(">H", len(packet)) + packet for packet in packets)
    return b"".join(pack(">H", len(packet)) + packet for packet in packets)
