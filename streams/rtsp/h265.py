"""H.265 over RTP (RFC 7798): payloads taken apart, key pictures known, sizes read.

A key picture is an intra random access point: IDR, CRA or BLA. Gradual decoding refresh has none;
such a stream ends in "no key frame".
"""

from functools import lru_cache
from typing import Final

from streams.rtsp.bits import BitReader, BitstreamEnded
from streams.rtsp.depacketizer import (
    ASK_THIRD,
    MAX_AGGREGATED,
    SKIP,
    TAKE,
    CodecFormat,
    NalPiece,
    NalRole,
    split_sized,
)

TRAIL_N, VPS, SPS, PPS, DELIMITER, SEI = 0, 32, 33, 34, 35, 39
AP, FU, PACI = 48, 49, 50
_KEY: Final = range(16, 24)  # BLA_W_LP .. RSV_IRAP_VCL23
_SLICES: Final = range(32)
_TAKEN: Final = frozenset({VPS, SPS, PPS, SEI, *_KEY})
_MAX_SUB_LAYERS: Final = 7
_START_CODES: Final = (b"\x00\x00\x01", b"\x00\x00\x00\x01")


def _kind(nal: bytes) -> int:
    return (nal[0] >> 1) & 0x3F


def role(nal: bytes) -> NalRole:
    """What a NAL unit is to a key frame."""
    kind = _kind(nal)
    if kind in _KEY:
        return NalRole.KEY_SLICE
    if kind in _SLICES:
        return NalRole.OTHER_SLICE
    if kind in {VPS, SPS, PPS}:
        return NalRole.PARAMETERS
    return NalRole.HINT if kind == SEI else NalRole.NOTHING


def unpack(payload: bytes, don: int = 0) -> list[NalPiece]:
    """NAL units, or parts of one; `don` is 2 where decoding order numbers are present."""
    if len(payload) < 3:  # noqa: PLR2004  a header and something
        return []
    kind = _kind(payload)
    if kind == AP:
        return _aggregate(payload, don)
    if kind == FU:
        return _fragment(payload, don)
    if kind == PACI or kind > PACI:
        return []
    if don and not payload.startswith(_START_CODES):
        payload = payload[:2] + payload[2 + don :]
    return [NalPiece(payload, first=True, last=True)]


def _aggregate(payload: bytes, don: int) -> list[NalPiece]:
    if not don:
        return split_sized(payload, 2)
    pieces: list[NalPiece] = []
    position = 2 + 2  # payload header, DONL; a one-byte DOND goes before each later unit
    while position + 2 <= len(payload) and len(pieces) < MAX_AGGREGATED:
        size = int.from_bytes(payload[position : position + 2], "big")
        nal = payload[position + 2 : position + 2 + size]
        if not nal or len(nal) < size:
            break
        pieces.append(NalPiece(nal, first=True, last=True))
        position += 2 + size + 1
    return pieces


def _fragment(payload: bytes, don: int) -> list[NalPiece]:
    flags = payload[2]
    first = flags & 0x80 != 0
    body = payload[3 + (don if first else 0) :]  # DONL is in the first fragment alone
    if first:
        header = bytes(((payload[0] & 0x81) | ((flags & 0x3F) << 1), payload[1]))
        # Senders that fragment Annex B take the start code's first zeros for the header. TRAIL_N
        # begins like that neither in its header (temporal id) nor in its slice (PPS id 63 and on).
        if flags & 0x3F == TRAIL_N and (payload[1] == 0 or body[:1] in {b"\x00", b"\x01"}):
            header = b"\x00\x00"
        body = header + body
    return [NalPiece(body, first=first, last=flags & 0x40 != 0)]


def _unpack_with_don(payload: bytes) -> list[NalPiece]:
    return unpack(payload, don=2)


def _starts_picture(nal: bytes) -> bool:
    return len(nal) > 2 and nal[2] & 0x80 != 0  # noqa: PLR2004  first_slice_segment_in_pic_flag


@lru_cache(maxsize=1024)
def size_px(sps: bytes) -> tuple[int, int] | None:
    """(width, height) that a sequence parameter set gives; None when it cannot be read."""
    try:
        return _read_size(BitReader(sps))
    except BitstreamEnded:
        return None


def _read_size(reader: BitReader) -> tuple[int, int]:
    reader.bits(16 + 4)  # NAL header, VPS id
    sub_layers = reader.bits(3)
    reader.flag()
    _skip_profile(reader, sub_layers)
    reader.ue()
    chroma = reader.ue()
    if chroma == 3:  # noqa: PLR2004  4:4:4
        reader.flag()
    width, height = reader.ue(), reader.ue()
    if reader.flag():
        left, right, top, bottom = (reader.ue() for _ in range(4))
        width -= (left + right) * (2 if chroma in {1, 2} else 1)
        height -= (top + bottom) * (2 if chroma == 1 else 1)
    if not (0 < width <= 16384 and 0 < height <= 16384):  # noqa: PLR2004  level 6.2
        raise BitstreamEnded(f"{width} × {height}")
    return width, height


def _skip_profile(reader: BitReader, sub_layers: int) -> None:
    """profile_tier_level (7.3.3)."""
    if sub_layers >= _MAX_SUB_LAYERS:
        raise BitstreamEnded("sps_max_sub_layers_minus1 is 7")
    reader.bits(88 + 8)
    present = [(reader.flag(), reader.flag()) for _ in range(sub_layers)]
    if sub_layers:
        reader.bits(2 * (8 - sub_layers))
    for profile, level in present:
        reader.bits(88 * profile + 8 * level)


def _peek(first: int, second: int) -> int:
    kind = (first >> 1) & 0x3F
    if kind == FU:
        return ASK_THIRD
    if first == second == 0:  # a start code, from senders that do not know better
        return TAKE
    return TAKE if kind in {AP, DELIMITER, *_TAKEN} and first < 0x80 else SKIP  # noqa: PLR2004


def _peek_third(flags: int) -> int:
    if flags & 0x3F in {TRAIL_N, DELIMITER}:  # a start code taken for the header; glued units
        return TAKE if flags & 0x80 else SKIP
    return TAKE if flags & 0x3F in _TAKEN else SKIP


def make_format(*, uses_don: bool) -> CodecFormat:
    """The format with or without decoding order numbers."""
    return CodecFormat(
        unpack=_unpack_with_don if uses_don else unpack,
        role=role,
        parameter_kind=_kind,
        needed=(VPS, SPS, PPS),
        starts_picture=_starts_picture,
        size_px=size_px,
        size_kind=SPS,
        may_have_fields=lambda _: False,  # each field is a picture of its own
        header_bytes=2,
        zero_is_padding=False,
        peek=bytes(_peek(first, second) for first in range(256) for second in range(256)),
        peek_third=bytes(map(_peek_third, range(256))),
    )


FORMAT: Final = make_format(uses_don=False)
FORMAT_WITH_DON: Final = make_format(uses_don=True)
