"""Ways in which cameras put the NAL units of one picture into RTP payloads, right and wrong."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tests.zoo.clips import START, nal_kind

SHORT_START = b"\x00\x00\x01"
Payloads = list[bytes]


@dataclass(frozen=True)
class Packing:
    """How NAL units become payloads; `__call__` does it for one picture."""

    codec: str = "h264"
    mtu: int = 900
    glue: bytes = b""  # start code between the units of a picture; none: they stay apart
    leading: bytes = b""  # start code in front of the first
    trailing: bytes = b""
    aggregate: bool = False  # small units into one STAP-A or AP
    aggregate_all: bool = False  # all units, as they are or glued, into aggregates
    sized: bool = True  # aggregates have sizes
    after_aggregate: bytes = b""
    fragment_kind: int | None = None  # in the fragments' header, in place of the unit's
    keep_header: bool = False  # the unit's own header stays in its first fragment
    take_zeros: bool = False  # the header is taken from the leading start code
    start_bit: bool = True
    end_bit: bool = True
    empty_fragments: bool = False
    donl: bool = False
    prefix: tuple[bytes, ...] = ()  # units in front of each picture
    prefix_glued: bool = False

    def __call__(self, nals: Sequence[bytes]) -> Payloads:
        units = [*self.prefix, *nals]
        if self.glue:
            joined = self.leading + self.glue.join(units) + self.trailing
            units = [joined]
        payloads: Payloads = []
        small: list[bytes] = []
        for unit in units:
            if self.aggregate_all or (self.aggregate and len(unit) < 200):
                small.append(unit)
                continue
            payloads += self._aggregated(small) + self._units(unit)
            small = []
        return payloads + self._aggregated(small)

    def _units(self, nal: bytes) -> Payloads:
        plain = self.fragment_kind is None and not self.keep_header and not self.take_zeros
        if len(nal) <= self.mtu and plain:
            return [self._with_donl(nal)]
        return self._fragments(nal)

    def _with_donl(self, nal: bytes) -> bytes:
        return nal[:2] + b"\x00\x07" + nal[2:] if self.donl else nal

    def _aggregated(self, units: list[bytes]) -> Payloads:
        if not units:
            return []
        if not self.sized:
            body = START + START.join(units)
        else:
            body = b""
            for number, unit in enumerate(units):
                if self.donl:
                    body += b"\x00\x07" if number == 0 else b"\x00"
                body += len(unit).to_bytes(2, "big") + unit
        head = b"\x78" if self.codec == "h264" else b"\x60\x01"
        return [head + body + self.after_aggregate]

    def _fragments(self, nal: bytes) -> Payloads:
        size = 1 if self.codec == "h264" else 2
        kind = nal_kind(self.codec, nal) if self.fragment_kind is None else self.fragment_kind
        body = nal if self.keep_header else nal[size:]
        parts = [body[i : i + self.mtu] for i in range(0, len(body), self.mtu)]
        return self.fragments_of(nal, kind, parts)

    def fragments_of(self, nal: bytes, kind: int, parts: Sequence[bytes]) -> Payloads:
        """Fragments with these bodies."""
        if self.empty_fragments:
            parts = [b"", *parts, b""]
        out: Payloads = []
        for number, part in enumerate(parts):
            first, last = number == 0, number == len(parts) - 1
            flags = kind | (0x80 if first and self.start_bit else 0)
            flags |= 0x40 if last and self.end_bit else 0
            if self.codec == "h264":
                head = bytes((0x60 | 28, flags))
            else:
                second = 1 if self.fragment_kind is not None else nal[1]
                head = bytes((49 << 1, second, flags)) + (
                    b"\x00\x07" if self.donl and first else b""
                )
            out.append(head + part)
        return out

    def but(self, **changes: object) -> "Packing":
        return replace(self, **changes)  # type: ignore[arg-type]


Pack = Callable[[Sequence[bytes]], Payloads]
AVC = Packing()
HEVC = Packing(codec="hevc")


@dataclass(frozen=True)
class JpegPacking:
    """A baseline JPEG of 4:2:0 as RFC 2435 sends it: coded data, tables by quality or whole."""

    quality: int  # 1..99: the tables that it stands for; 255: tables in each picture (§4.2)
    mtu: int = 1000

    def __call__(self, units: Sequence[bytes]) -> Payloads:
        (picture,) = units
        tables, restart, (width, height), scan = _jpeg_parts(picture)
        kind = 1 | (64 if restart else 0)
        out: Payloads = []
        for at in range(0, len(scan), self.mtu):
            head = b"\x00" + at.to_bytes(3, "big")
            head += bytes((kind, self.quality, width // 8, height // 8))
            if restart:
                head += restart.to_bytes(2, "big") + b"\xff\xff"
            if at == 0 and self.quality >= 128:
                head += b"\x00\x00" + len(tables).to_bytes(2, "big") + tables
            out.append(head + scan[at : at + self.mtu])
        return out


def _jpeg_parts(picture: bytes) -> tuple[bytes, int, tuple[int, int], bytes]:
    """(quantization tables, restart interval, size, coded data)."""
    tables, restart, size_px, at = b"", 0, (0, 0), 2
    while picture[at + 1] != 0xDA:
        code, length = picture[at + 1], int.from_bytes(picture[at + 2 : at + 4], "big")
        body = picture[at + 4 : at + 2 + length]
        if code == 0xDB:
            tables += b"".join(body[i + 1 : i + 65] for i in range(0, len(body), 65))
        elif code == 0xDD:
            restart = int.from_bytes(body, "big")
        elif code == 0xC0:
            size_px = int.from_bytes(body[3:5], "big"), int.from_bytes(body[1:3], "big")
        at += 2 + length
    length = int.from_bytes(picture[at + 2 : at + 4], "big")
    return tables, restart, size_px, picture[at + 2 + length : -2]
