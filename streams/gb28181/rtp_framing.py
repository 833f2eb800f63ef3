"""RTP packets out of a TCP connection (RFC 4571; `$` framing), and UDP packets put in order.

Sans-io. A frame is a 16-bit length and a packet; some peers write RTSP's `$`, channel and length
instead, and some send something else first: then the next packet is looked for, by the source that
is known or by two headers in a row. Nothing here grows without bound.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from streams.rtsp.rtp import sequence_step

MIN_PACKET: Final = 12
_DOLLAR: Final = 0x24
_LENGTH_BYTES: Final = 2
_DOLLAR_BYTES: Final = 4


@dataclass(slots=True)
class RtpStreamFramer:
    """Cuts a byte stream into RTP packets; what is no frame is counted and passed over."""

    garbage_bytes: int = 0
    ssrc: bytes | None = None  # of the source that is followed, to find its packets again
    _tail: bytes = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The packets that became whole."""
        if self._tail:
            data = self._tail + data
        packets: list[bytes] = []
        at, size = 0, len(data)
        while size - at >= _LENGTH_BYTES + MIN_PACKET:
            head = self._head(data, at)
            if not head:
                at = self._resync(data, at)
                continue
            length = int.from_bytes(data[at + head - 2 : at + head], "big")
            end = at + head + length
            if end > size:
                break
            packets.append(data[at + head : end])
            at = end
        self._tail = data[at:]
        return packets

    def _head(self, data: bytes, at: int) -> int:
        """Bytes in front of the packet at `at`; 0 where there is no frame."""
        plain = data[at + 2] & 0xC0 == 0x80  # noqa: PLR2004  RTP version 2
        if data[at] != _DOLLAR:
            return _LENGTH_BYTES if plain and _length(data, at) >= MIN_PACKET else 0
        dollar = data[at + 4] & 0xC0 == 0x80 and _length(data, at + 2) >= MIN_PACKET  # noqa: PLR2004
        if dollar and plain:  # both could be meant: `$` needs a length of 128 to 191 × 256 there
            dollar = _length(data, at + 2) < _length(data, at)
        if dollar:
            return _DOLLAR_BYTES
        return _LENGTH_BYTES if plain else 0

    def _resync(self, data: bytes, at: int) -> int:
        """Where the next frame seems to begin; the rest, but for its last bytes, is garbage."""
        found = next(self._candidates(data, at + 1), None)
        end = max(at + 1, len(data) - MIN_PACKET - _DOLLAR_BYTES) if found is None else found
        self.garbage_bytes += end - at
        return end

    def _candidates(self, data: bytes, at: int) -> Iterator[int]:
        """Where a frame may begin: before our source, or before two headers in a row."""
        mark, behind = (b"\x80", 0) if self.ssrc is None else (self.ssrc, 8)
        found = data.find(mark, at + _LENGTH_BYTES + behind)
        while found >= 0:
            packet = found - behind
            for head in (_DOLLAR_BYTES, _LENGTH_BYTES):
                start = packet - head
                known = self.ssrc is not None
                is_frame = start >= at and self._head(data, start) == head
                if is_frame and (known or self._is_twice(data, packet, head)):
                    yield start
            found = data.find(mark, found + 1)

    def _is_twice(self, data: bytes, packet: int, head: int) -> bool:
        """Whether another packet of the same source follows in the same framing."""
        following = packet + _length(data, packet - 2)
        if following + head + MIN_PACKET > len(data) or self._head(data, following) != head:
            return False
        other = following + head
        return data[packet + 8 : packet + 12] == data[other + 8 : other + 12]


def _length(data: bytes, at: int) -> int:
    return (data[at] << 8) | data[at + 1]


@dataclass(slots=True)
class ReorderWindow:
    """Puts UDP packets in the order of their sequence numbers.

    The first packets are held for `start_s`, for the very first may be late; later a packet that
    is missing is waited for until `depth` others came or `hold_s` passed.
    """

    start_s: float = 0.08
    hold_s: float = 0.1
    depth: int = 64
    late: int = 0
    gaps: int = 0
    _next: int | None = None
    _since_s: float | None = None  # when the window began to wait
    _held: dict[int, bytes] = field(default_factory=dict)

    def push(self, sequence: int, packet: bytes, now_s: float) -> list[tuple[bool, bytes]]:
        """The packets that may be read now, each with whether others before it are missing."""
        if sequence == self._next and not self._held:
            self._next = (sequence + 1) & 0xFFFF
            return [(False, packet)]
        if self._next is not None and sequence_step(self._next, sequence) < 0:
            self.late += 1
            return []
        self._held.setdefault(sequence, packet)
        if self._since_s is None:
            self._since_s = now_s
        return self.due(now_s)

    def due(self, now_s: float) -> list[tuple[bool, bytes]]:
        """The packets that need not wait any longer."""
        if not self._held or self._since_s is None:
            return []
        waited_s = now_s - self._since_s
        if self._next is None:
            if waited_s < self.start_s and len(self._held) < self.depth:
                return []
            self._next = self._oldest()
        out = self._drain()
        if self._held and (waited_s >= self.hold_s or len(self._held) >= self.depth):
            self.gaps += 1
            self._next = self._oldest()
            first, *rest = self._drain()
            out += [(True, first[1]), *rest]
        self._since_s = now_s if self._held else None
        return out

    def _oldest(self) -> int:
        some = next(iter(self._held))
        return min(self._held, key=lambda sequence: sequence_step(some, sequence))

    def _drain(self) -> list[tuple[bool, bytes]]:
        out: list[tuple[bool, bytes]] = []
        while self._next is not None and self._next in self._held:
            out.append((False, self._held.pop(self._next)))
            self._next = (self._next + 1) & 0xFFFF
        return out
