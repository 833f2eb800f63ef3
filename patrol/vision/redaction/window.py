"""Which part of a picture leaves, and which part has to be looked at for it. Pure geometry, px."""

from typing import Final, NamedTuple

from patrol.domain.observation import Box

AROUND: Final = 0.6  # of the box on each side: enough to recognise the place
LEAST_SHARE: Final = 0.3  # of the picture's sides: a small thing needs surroundings
BEYOND: Final = 0.1  # looked at beyond the cut: a face that the cut halves is no face to a model


class Window(NamedTuple):
    """Left, top, right, bottom; whole pixels."""

    left: int
    top: int
    right: int
    low: int

    @property
    def width(self) -> int:
        """In pixels."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """In pixels."""
        return self.low - self.top


def cut_around(box: Box | None, width: int, height: int) -> Window:
    """What leaves: the box with its surroundings; without a box all of it."""
    if box is None:
        return Window(0, 0, width, height)
    x, y, wide, high = box
    left, right = _span(x, wide, width)
    top, low = _span(y, high, height)
    return Window(left, top, right, low)


def grown(window: Window, width: int, height: int) -> Window:
    """What is looked at for it."""
    more_x, more_y = round(BEYOND * width), round(BEYOND * height)
    return Window(
        max(0, window.left - more_x),
        max(0, window.top - more_y),
        min(width, window.right + more_x),
        min(height, window.low + more_y),
    )


def tiles(window: Window, side: int) -> list[Window]:
    """The window in overlapping pieces of about `side`; itself when it is no larger."""
    return [
        Window(left, top, right, low)
        for top, low in _pieces(window.top, window.low, side)
        for left, right in _pieces(window.left, window.right, side)
    ]


def _span(start: float, length: float, side: int) -> tuple[int, int]:
    """From, to: grown, not below the least, within the picture."""
    wanted = min(1.0, max(LEAST_SHARE, length * (1 + 2 * AROUND)))
    first = min(max(0.0, start + length / 2 - wanted / 2), 1.0 - wanted)
    begin = min(round(first * side), side - 1)
    return begin, max(begin + 1, min(side, round((first + wanted) * side)))


def _pieces(start: int, end: int, side: int) -> list[tuple[int, int]]:
    count = max(1, -(-(end - start) // side))
    if count == 1:
        return [(start, end)]
    length = round((end - start) / count * 1.25)  # a person on the seam is whole in one of them
    step = (end - start - length) / (count - 1)
    return [(start + round(n * step), start + round(n * step) + length) for n in range(count)]
