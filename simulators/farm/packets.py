"""RTP payloads → one buffer per frame, ready but for sequence number, timestamp and SSRC.

A buffer holds every packet of the frame as it goes over TCP (RFC 2326 §10.12): `$`, channel,
length, RTP header, payload. Stamping is a copy and one scattered assignment, whatever the number
of packets; this is what lets one core serve hundreds of viewers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from struct import pack
from typing import Final

import numpy as np
from numpy.typing import NDArray

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
    parts: list[bytes] = []
    starts: list[int] = []
    at = 0
    for number, payload in enumerate(payloads, start=1):
        marker = 0x80 if number == len(payloads) else 0
        length = RTP_HEADER_BYTES + len(payload)
        parts += (
            pack(">cBH", b"$", 0, length),
            pack(">BBHII", 0x80, marker | payload_type, 0, 0, 0),
            payload,
        )
        starts.append(at)
        at += PREFIX_BYTES + length
    offsets = np.array(starts, dtype=np.intp)
    return PacketFrame(
        data=np.frombuffer(b"".join(parts), np.uint8),
        starts=offsets,
        stamped_at=offsets[:, None] + _STAMPED,
        order=np.arange(len(starts)),
        key=key,
    )
