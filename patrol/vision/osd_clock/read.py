"""Measure how far a burnt-in clock is off ours, where it can be read for certain.

The box is cut out, enlarged, and parted into ink and ground at several levels, light on dark and
dark on light; each parting gives glyphs, each glyph a digit. A level either reads the whole format
or nothing, two levels that read differently read nothing, and so do two pictures of one visit
whose clocks do not follow each other: a clock that is not read is no clock that is off.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import cv2
import numpy as np

from patrol.domain.camera import ClockPattern, ClockTemplate
from patrol.domain.observation import Box
from patrol.vision.osd_clock.digits import Bitmap, Digit, read_digit
from streams.model import BgrImage

HIGH_PX: Final = 160  # of the enlarged box
LEVELS: Final = (0.45, 0.55, 0.65, 0.75, 0.85)  # between the box's darkest and lightest
MIN_LIKENESS: Final = 0.72  # of every digit with its shape
MIN_MARGIN: Final = 0.06  # above any other digit's
MIN_MARGIN_ALONE: Final = 0.1  # where only one picture could be read
LEAST_HIGH: Final = 0.14  # of the box is text
SAME_HIGH: Final = 0.22  # digits of a line differ by this share at most
FLAT: Final = 40  # grey levels between ink and ground, or there is no text
FOLLOWS: Final = timedelta(seconds=90)  # between the pictures of one visit
HALF_DAY: Final = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class ClockReading:
    """The time read from one picture."""

    at: datetime
    sure: float  # of the least certain digit


def burnt_in_skew(
    pictures: Sequence[BgrImage], template: ClockTemplate | None, local: datetime
) -> float | None:
    """Seconds by which the camera's clock is ahead of ours; None where it cannot be read.

    `local` is the wall clock's time when the last picture was taken.
    """
    if template is None or not pictures:
        return None
    read = [read_clock(picture, template, local) for picture in pictures]
    last = read[-1]
    if last is None:
        return None
    others = [one for one in read[:-1] if one is not None]
    if any(
        not timedelta(0) <= _clock_difference(one.at, last.at, template) <= FOLLOWS
        for one in others
    ):
        return None
    if not others and last.sure < MIN_MARGIN_ALONE:
        return None
    return _clock_difference(local, last.at, template).total_seconds()


def read_clock(picture: BgrImage, template: ClockTemplate, near: datetime) -> ClockReading | None:
    """The clock of one picture; None where it is not read for certain.

    `near`: our local time, which completes what the clock does not show.
    """
    pattern = ClockPattern(template.format)
    found: list[ClockReading] = []
    for ink in _binarized(picture, template.box):
        reading = _read_line(ink, pattern, near)
        if reading is not None:
            found.append(reading)
    if not found or len({reading.at for reading in found}) > 1:
        return None
    return max(found, key=lambda reading: reading.sure)


def _clock_difference(first: datetime, second: datetime, template: ClockTemplate) -> timedelta:
    """From first to second; modulo a day, or half a day, where no date is written."""
    apart = second.replace(tzinfo=None) - first.replace(tzinfo=None)
    if ClockPattern(template.format).has_date:
        return apart
    whole = HALF_DAY if "%I" in template.format else 2 * HALF_DAY
    return (apart + whole / 2) % whole - whole / 2


def _binarized(picture: BgrImage, box: Box) -> Iterator[Bitmap]:
    """The box as ink (1) and ground (0), at every level and either way round."""
    height, width = picture.shape[:2]
    x, y, w, h = box
    rows = slice(int(y * height), max(int((y + h) * height), int(y * height) + 1))
    columns = slice(int(x * width), max(int((x + w) * width), int(x * width) + 1))
    cut = picture[rows, columns]
    if min(cut.shape[:2]) < 6:  # noqa: PLR2004  no digit is lower
        return
    grey = cv2.cvtColor(cut, cv2.COLOR_BGR2GRAY)
    scale = HIGH_PX / grey.shape[0]
    large = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    low, high = np.percentile(large, (1, 99.5))
    if high - low < FLAT:
        return
    for level in LEVELS:
        yield np.asarray(large > low + level * (high - low), np.uint8)
        yield np.asarray(large < high - level * (high - low), np.uint8)


def _read_line(ink: Bitmap, pattern: ClockPattern, near: datetime) -> ClockReading | None:
    glyphs = _glyphs(ink)
    if len(glyphs) < sum(1 for _ in pattern.fields):
        return None
    digits = [read_digit(glyph) for glyph in glyphs]
    text = "".join("d" if _is_certain(one) else "x" for one in digits)
    readings = []
    for match in (match for shape in pattern.shapes for match in shape.finditer(text)):
        spans = [match.span(group + 1) for group in range(len(pattern.fields))]
        written = tuple("".join(str(d.value) for d in digits[a:b]) for a, b in spans)
        at = pattern.to_datetime(written, near)
        if at is not None:
            readings.append(ClockReading(at, min(d.sure for a, b in spans for d in digits[a:b])))
    return readings[0] if len(readings) == 1 else None


def _is_certain(found: Digit) -> bool:
    return found.likeness >= MIN_LIKENESS and found.sure >= MIN_MARGIN


def _glyphs(ink: Bitmap) -> list[Bitmap]:
    """The glyphs of the line, left to right; marks lower than the digits are left out."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    boxes = [
        (int(stats[n, 0]), int(stats[n, 1]), int(stats[n, 2]), int(stats[n, 3]), n)
        for n in range(1, count)
        if LEAST_HIGH * ink.shape[0] <= stats[n, 3] and stats[n, 2] <= 1.1 * stats[n, 3]
        and stats[n, 3] < ink.shape[0] - 1
    ]  # fmt: skip
    if not boxes:
        return []
    line = _one_line(boxes)
    return [
        np.asarray(labels[y : y + h, x : x + w] == n, np.uint8) for x, y, w, h, n in sorted(line)
    ]


def _one_line(
    boxes: Sequence[tuple[int, int, int, int, int]],
) -> list[tuple[int, int, int, int, int]]:
    """The most boxes that are equally high and stand on one line."""
    best: list[tuple[int, int, int, int, int]] = []
    for _, top, _, high, _ in boxes:
        alike = [
            box for box in boxes
            if abs(box[3] - high) <= SAME_HIGH * high
            and abs(box[1] + box[3] - top - high) <= SAME_HIGH * high
        ]  # fmt: skip
        if len(alike) > len(best):
            best = alike
    return best
