"""What H.264 and H.265 have in common for one who only wants key frames.

A `Format` is a set of plain functions and tables; h264.py and h265.py fill one in. `peek` and
`peek_third` let wire.py pass over a packet after looking at three bytes of its payload.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, NamedTuple

START_CODE: Final = b"\x00\x00\x00\x01"

SKIP: Final = 0  # cannot begin a key frame
TAKE: Final = 1
ASK_THIRD: Final = 2  # the third byte decides


class Role(Enum):
    """What a NAL unit is to a key frame."""

    PARAMETERS = auto()  # VPS, SPS, PPS
    HINT = auto()  # SEI: kept in front of the slices
    KEY_SLICE = auto()
    OTHER_SLICE = auto()
    NOTHING = auto()  # delimiters, fillers, end of sequence


class Piece(NamedTuple):
    """A NAL unit, or part of one."""

    data: bytes
    first: bool
    last: bool


@dataclass(frozen=True, slots=True)
class Format:
    """How to take one codec's payload apart."""

    unpack: Callable[[bytes], list[Piece]]  # an RTP payload into NAL units or parts
    role: Callable[[bytes], Role]
    parameter_kind: Callable[[bytes], int]  # the NAL unit type
    needed: tuple[int, ...]  # parameter kinds that a decoder needs, in their order
    starts_picture: Callable[[bytes], bool]  # a slice: is it the first of its picture?
    size_px: Callable[[bytes], tuple[int, int] | None]  # width, height of a sequence parameter set
    size_kind: int  # the NAL unit type of the sequence parameter set
    peek: bytes  # 65,536 of SKIP, TAKE, ASK_THIRD by the first two bytes of a payload
    peek_third: bytes  # 256 of SKIP, TAKE


def split_sized(payload: bytes, start: int, skip: int = 0) -> list[Piece]:
    """Aggregated NAL units with 16-bit sizes; `skip` bytes follow each size but the first's."""
    pieces: list[Piece] = []
    position = start
    while position + 2 <= len(payload):
        size = int.from_bytes(payload[position : position + 2], "big")
        position += 2
        nal = payload[position + skip : position + size]
        if len(nal) == 0 or position + size > len(payload):
            break
        pieces.append(Piece(nal, first=True, last=True))
        position += size
    return pieces


def strip_start_codes(payload: bytes) -> list[Piece]:
    """NAL units of a sender that put an Annex B stream into RTP as it is."""
    if not payload.startswith((b"\x00\x00\x01", START_CODE)):
        return []
    nals = payload.replace(START_CODE, b"\x00\x00\x01").split(b"\x00\x00\x01")
    return [Piece(nal, first=True, last=True) for nal in nals if nal]
