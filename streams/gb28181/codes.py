"""Codes of GB/T 28181: the kind of thing that a 20-digit code names, stream sources (`y=`). Pure.

A code is 8 digits of area, 2 of industry, 3 of type, 1 of network and 6 of serial number (Annex E
of the 2022 edition); codes of up to 8 digits in catalogues are areas.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum, auto
from typing import Final

_CODE: Final = re.compile(r"[0-9]{20}", re.ASCII)
_AREA: Final = re.compile(r"[0-9]{2,8}", re.ASCII)
_SSRC_DIGITS: Final = re.compile(r"[0-9]{1,20}", re.ASCII)
STREAMS_OF_A_DOMAIN: Final = 10_000
_WRAP_32: Final = 1 << 32


class CodeKind(StrEnum):
    """What a code names."""

    CAMERA = auto()
    DEVICE = auto()  # a recorder, an encoder
    PLATFORM = auto()
    GROUP = auto()  # business group, virtual organisation
    AREA = auto()
    OTHER = auto()


_KINDS: Final = {
    "131": CodeKind.CAMERA, "132": CodeKind.CAMERA, "111": CodeKind.DEVICE,
    "112": CodeKind.DEVICE, "113": CodeKind.DEVICE, "114": CodeKind.DEVICE,
    "118": CodeKind.DEVICE, "200": CodeKind.PLATFORM, "215": CodeKind.GROUP,
    "216": CodeKind.GROUP,
}  # fmt: skip


def is_code(text: str) -> bool:
    """Whether the text is a 20-digit code."""
    return _CODE.fullmatch(text) is not None


def kind_of(code: str) -> CodeKind:
    """What a code names, by its digits 11 to 13."""
    if is_code(code):
        return _KINDS.get(code[10:13], CodeKind.OTHER)
    return CodeKind.AREA if _AREA.fullmatch(code) else CodeKind.OTHER


def read_ssrc(text: str) -> int | None:
    """A stream source as peers write it: 9, 10 or 20 digits, or nonsense; None where it is none."""
    digits = text.strip()
    return int(digits) % _WRAP_32 if _SSRC_DIGITS.fullmatch(digits) else None


@dataclass(slots=True)
class StreamSources:
    """Ten-digit sources of live streams: 0, digits 4 to 8 of the domain, four of our own."""

    domain: str
    _free: Iterator[int] = field(init=False, repr=False)
    _in_use: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._free = self._numbers()

    def _numbers(self) -> Iterator[int]:
        while True:
            yield from range(1, STREAMS_OF_A_DOMAIN)

    def take(self) -> str | None:
        """A source that no session uses; None when all are in use."""
        if len(self._in_use) >= STREAMS_OF_A_DOMAIN - 1:
            return None
        number = next(number for number in self._free if number not in self._in_use)
        self._in_use.add(number)
        return f"0{self.domain[3:8]:0>5}{number:04d}"

    def give_back(self, source: str) -> None:
        """Let others use it."""
        self._in_use.discard(int(source[-4:]))
