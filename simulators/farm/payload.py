"""Access units → RTP payloads: H.264 by RFC 6184, H.265 by RFC 7798. Pure.

Payloads come without RTP headers; the last one of an access unit carries the marker bit.
"""

from collections.abc import Iterator, Sequence
from typing import Final

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
    room = MTU_PAYLOAD - len(indicator) - 1
    for at in range(0, len(body), room):
        first = 0x80 if at == 0 else 0
        last = 0x40 if at + room >= len(body) else 0
        yield indicator + bytes([first | last | kind]) + body[at : at + room]
