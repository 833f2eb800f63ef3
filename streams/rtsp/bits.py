"""Read bit fields and Exp-Golomb numbers of parameter sets (H.264 §9.1, H.265 §9.2)."""

import re
from typing import Final

_EMULATION: Final = re.compile(b"\x00\x00\x03")
MAX_LEADING_ZEROS: Final = 32  # a longer ue(v) is no number of any standard


class BitstreamEnded(ValueError):
    """The bits ended, or are not what the syntax wants."""


class BitReader:
    """Big-endian bits of a NAL unit, emulation prevention removed."""

    def __init__(self, nal: bytes) -> None:
        rbsp = _EMULATION.sub(b"\x00\x00", nal)
        self._left = len(rbsp) * 8
        self._value = int.from_bytes(rbsp, "big")

    def bits(self, count: int) -> int:
        """The next `count` bits as a number. Raises BitstreamEnded."""
        if count > self._left:
            raise BitstreamEnded(f"{count} bits wanted, {self._left} left")
        self._left -= count
        return (self._value >> self._left) & ((1 << count) - 1)

    def flag(self) -> bool:
        """The next bit."""
        return self.bits(1) == 1

    def ue(self) -> int:
        """An unsigned Exp-Golomb number. Raises BitstreamEnded."""
        zeros = 0
        while not self.bits(1):
            zeros += 1
            if zeros > MAX_LEADING_ZEROS:
                raise BitstreamEnded("an Exp-Golomb number of more than 32 bits")
        return (1 << zeros) - 1 + self.bits(zeros)

    def se(self) -> int:
        """A signed Exp-Golomb number. Raises BitstreamEnded."""
        code = self.ue()
        return (code + 1) // 2 if code & 1 else -(code // 2)
