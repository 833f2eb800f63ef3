"""Limits of decoding: how many pixels one picture may have, and how many are decoded at once.

A few kilobytes can announce gigabytes of pixels. Code that decodes bytes from outside reads the
size in their header first (image_header.py, the parameter sets of H.264 and H.265) and decodes
inside `DECODE_GATE.decoding(width, height)`: it refuses above the limit, and lets only so many
decode at a time that all of them together fit into memory. There is one gate a process, because
memory is the process's; the composition root sets its limit from site.yaml
(`limits: picture_mp:`).
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

MEGAPIXEL: Final = 1_000_000
# The largest surveillance cameras have 32 MP (four sensors in one picture), telephones send 12.
DEFAULT_MAX_PX: Final = 32 * MEGAPIXEL
# A progressive JPEG of 32 MP takes 290 MB while it is decoded: two at once are what a machine of
# 4 GB can spare, or sixteen ordinary pictures of 4 MP.
PICTURES_IN_BUDGET: Final = 2
MAX_AT_ONCE: Final = 16


class PictureTooLarge(ValueError):
    """The picture has more pixels than the limit; nothing of it was decoded."""

    def __init__(self, width_px: int, height_px: int, max_px: int) -> None:
        super().__init__(
            f"a picture of {width_px}×{height_px} pixels,"
            f" {max_px / MEGAPIXEL:g} MP at most (limits.picture_mp)"
        )
        self.size_px = (width_px, height_px)


class DecodeGate:
    """Admits decodings, in the order in which they come, while their pixels fit the budget."""

    def __init__(self, max_px: int = DEFAULT_MAX_PX, at_once: int = MAX_AT_ONCE) -> None:
        self.max_px = max_px
        self.at_once = at_once
        self.under_way = 0
        self._pixels = 0
        self._turn = threading.Lock()  # held by the one that waits: a large picture is not passed
        self._changed = threading.Condition()

    def check(self, width_px: int, height_px: int) -> None:
        """Raises PictureTooLarge."""
        if width_px * height_px > self.max_px:
            raise PictureTooLarge(width_px, height_px, self.max_px)

    @contextmanager
    def decoding(self, width_px: int, height_px: int) -> Iterator[None]:
        """Wait for room and decode inside; not to be nested in one thread. Raises PictureTooLarge.

        An unknown size (0 × 0) counts as the largest.
        """
        self.check(width_px, height_px)
        pixels = width_px * height_px or self.max_px
        with self._turn, self._changed:
            self._changed.wait_for(lambda: self._fits(pixels))
            self.under_way += 1
            self._pixels += pixels
        try:
            yield
        finally:
            with self._changed:
                self.under_way -= 1
                self._pixels -= pixels
                self._changed.notify_all()

    def _fits(self, pixels: int) -> bool:
        in_budget = self._pixels + pixels <= PICTURES_IN_BUDGET * self.max_px
        return self.under_way == 0 or (in_budget and self.under_way < self.at_once)


DECODE_GATE: Final = DecodeGate()
