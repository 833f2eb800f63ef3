"""H.264 over RTP (RFC 6184): payloads taken apart, key pictures known, sizes read.

A key picture is an IDR picture, or one whose slices are all intra coded (cameras with an open GOP
send such pictures behind a recovery-point SEI and no IDR ever after the first).
"""

from functools import lru_cache
from typing import Final

from streams.rtsp.bits import BitReader, BitstreamEnded
from streams.rtsp.depacketizer import (
    ASK_THIRD,
    SKIP,
    TAKE,
    CodecFormat,
    NalPiece,
    NalRole,
    split_sized,
)

UNSPECIFIED, SLICE, IDR, SEI, SPS, PPS, DELIMITER = 0, 1, 5, 6, 7, 8, 9
STAP_A, STAP_B, MTAP16, MTAP24, FU_A, FU_B = 24, 25, 26, 27, 28, 29
_INTRA: Final = frozenset({2, 4, 7, 9})  # slice_type: I and SI (table 7-6)
# profile_idc with chroma format and scaling lists in the SPS (7.3.2.1.1)
_HIGH: Final = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})


def _is_intra(first_bytes: bytes) -> bool:
    reader = BitReader(first_bytes)
    try:
        reader.ue()  # first_mb_in_slice
        return reader.ue() in _INTRA
    except BitstreamEnded:
        return False


_ROLES: Final = {
    IDR: NalRole.KEY_SLICE,
    SPS: NalRole.PARAMETERS,
    PPS: NalRole.PARAMETERS,
    SEI: NalRole.HINT,
    2: NalRole.OTHER_SLICE,  # data partitions
    3: NalRole.OTHER_SLICE,
    4: NalRole.OTHER_SLICE,
}


def role(nal: bytes) -> NalRole:
    """What a NAL unit is to a key frame."""
    kind = nal[0] & 0x1F
    if kind == SLICE:
        return NalRole.KEY_SLICE if _is_intra(nal[1:9]) else NalRole.OTHER_SLICE
    return _ROLES.get(kind, NalRole.NOTHING)


# Aggregates: bytes before the first size; bytes after each size (order number, time offset).
_AGGREGATES: Final = {STAP_A: (1, 0), STAP_B: (3, 0), MTAP16: (3, 3), MTAP24: (3, 4)}


def unpack(payload: bytes) -> list[NalPiece]:
    """NAL units, or parts of one, of a payload; empty when it is not RFC 6184.

    A unit of type 0 is a start code: the sender put Annex B into the packet as it is.
    """
    if len(payload) < 2:  # noqa: PLR2004  a header and something
        return []
    kind = payload[0] & 0x1F
    if kind < STAP_A:
        return [NalPiece(payload, first=True, last=True)]
    if kind in {FU_A, FU_B}:
        return _fragment(payload, kind)
    if kind in _AGGREGATES:
        return split_sized(payload, *_AGGREGATES[kind])
    return []


def _fragment(payload: bytes, kind: int) -> list[NalPiece]:
    """Part of a unit; it may be empty (§5.8).

    Senders that fragment Annex B take the start code's first zero for the header: type 0.
    """
    start = 2 if kind == FU_A else 4  # FU-B has a decoding order number
    if len(payload) < start:
        return []
    body, flags = payload[start:], payload[1]
    if flags & 0x80:
        inner = flags & 0x1F
        header = (payload[0] & 0xE0) | inner if inner != UNSPECIFIED else 0
        body = bytes((header,)) + body
    return [NalPiece(body, first=flags & 0x80 != 0, last=flags & 0x40 != 0)]


def _starts_picture(nal: bytes) -> bool:
    return len(nal) > 1 and nal[1] & 0x80 != 0  # first_mb_in_slice = 0 is the single bit 1


def size_px(sps: bytes) -> tuple[int, int] | None:
    """(width, height) that a sequence parameter set gives; None when it cannot be read."""
    found = _size_and_fields(sps)
    return None if found is None else found[:2]


def may_have_fields(sps: bytes) -> bool:
    """Whether a picture may be coded as two fields (frame_mbs_only_flag is 0)."""
    found = _size_and_fields(sps)
    return found is None or found[2] > 1


@lru_cache(maxsize=1024)
def _size_and_fields(sps: bytes) -> tuple[int, int, int] | None:
    try:
        return _read_size(BitReader(sps))
    except BitstreamEnded:
        return None


def _read_size(reader: BitReader) -> tuple[int, int, int]:
    reader.bits(8)
    profile = reader.bits(8)
    reader.bits(16)
    reader.ue()
    chroma = _skip_high_profile(reader) if profile in _HIGH else 1
    reader.ue()  # log2_max_frame_num_minus4
    _skip_order_count(reader)
    reader.ue()  # max_num_ref_frames
    reader.flag()
    width = (reader.ue() + 1) * 16
    map_height = (reader.ue() + 1) * 16
    fields = 1 if reader.flag() else 2  # frame_mbs_only_flag
    if fields == 2:  # noqa: PLR2004
        reader.flag()
    reader.flag()
    height = map_height * fields
    if reader.flag():
        step_x = 2 if chroma in {1, 2} else 1
        step_y = (2 if chroma == 1 else 1) * fields
        left, right, top, bottom = (reader.ue() for _ in range(4))
        width -= (left + right) * step_x
        height -= (top + bottom) * step_y
    if not (0 < width <= 16384 and 0 < height <= 16384):  # noqa: PLR2004  level 6.2
        raise BitstreamEnded(f"{width} × {height}")
    return width, height, fields


def _skip_high_profile(reader: BitReader) -> int:
    chroma = reader.ue()
    if chroma == 3:  # noqa: PLR2004  4:4:4
        reader.flag()
    reader.ue()
    reader.ue()
    reader.flag()
    if reader.flag():
        for index in range(12 if chroma == 3 else 8):  # noqa: PLR2004
            if reader.flag():
                _skip_scaling_list(reader, 16 if index < 6 else 64)  # noqa: PLR2004
    return chroma


def _skip_scaling_list(reader: BitReader, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + reader.se()) % 256
        last = following or last


def _skip_order_count(reader: BitReader) -> None:
    kind = reader.ue()
    if kind == 0:
        reader.ue()
    elif kind == 1:
        reader.flag()
        reader.se()
        reader.se()
        for _ in range(min(reader.ue(), 255)):
            reader.se()


def _peek_third(third: int) -> int:
    """A zero is the start code behind a delimiter, or a slice that the assembler sorts out."""
    return TAKE if third == 0 or _is_intra(bytes((third, 0x80))) else SKIP


_TAKEN: Final = frozenset({IDR, SEI, SPS, PPS})
# A delimiter is two bytes long, unless others are glued behind it.
_PEEKED: Final = dict.fromkeys((*_TAKEN, *_AGGREGATES), TAKE) | {DELIMITER: ASK_THIRD}


def _peek(first: int, second: int) -> int:
    kind = first & 0x1F
    if kind in {FU_A, FU_B}:
        return _peek_fragment(kind, second)
    if kind == UNSPECIFIED:  # a start code, from senders that do not know better
        return TAKE if second == 0 else SKIP
    if kind == SLICE:
        return TAKE if _is_intra(bytes((second, 0x80))) else SKIP
    return _PEEKED.get(kind, SKIP)


def _peek_fragment(kind: int, flags: int) -> int:
    inner, first = flags & 0x1F, flags & 0x80
    if inner in _TAKEN or (first and inner in {UNSPECIFIED, DELIMITER}):  # of glued units
        return TAKE
    if inner == SLICE and first:
        return TAKE if kind == FU_B else ASK_THIRD
    return SKIP


FORMAT: Final = CodecFormat(
    unpack=unpack,
    role=role,
    parameter_kind=lambda nal: nal[0] & 0x1F,
    needed=(SPS, PPS),
    starts_picture=_starts_picture,
    size_px=size_px,
    size_kind=SPS,
    may_have_fields=may_have_fields,
    header_bytes=1,
    zero_is_padding=True,
    peek=bytes(_peek(first, second) for first in range(256) for second in range(256)),
    peek_third=bytes(map(_peek_third, range(256))),
)
