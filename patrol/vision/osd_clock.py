"""Measure how far a burnt-in clock is off ours, where it can be read for certain.

The box that the camera's template gives is cut out, enlarged, and parted into ink and ground at
several levels, light on dark and dark on light; each parting gives glyphs, each glyph a digit. A
level either reads the whole format or nothing, two levels that read differently read nothing, and
so do two pictures of one visit whose clocks do not follow each other: a clock that is not read is
no clock that is off.

Digits are recognised by shape: a glyph is scaled to one raster and compared with known digits.
`osd_clock_digits.png` is a sheet of them, a row for each font: sans, serif, typewriter, and the dot
matrices that recorders and cameras draw with. A shape counts only if it has as many holes as its
digit: that alone distinguishes an 8 from a 0 or a 3 where a few pixels are smeared.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from importlib import resources
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from patrol.domain.camera import ClockPattern, ClockTemplate
from patrol.domain.observation import Box
from patrol.pixels import AnyPicture, PicturePyramid

WIDE, HIGH = 16, 24  # the raster
NARROW: Final = 0.42  # of the height; what is narrower keeps its shape: a 1
SOFT: Final = 1.1  # px; edges are never exactly where the font has them
HOLES: Final = {0: (1, 2), 1: (0,), 2: (0,), 3: (0,), 4: (0, 1), 5: (0,), 6: (1,), 7: (0,),
                8: (2,), 9: (1,)}  # fmt: skip
HOLE_PX: Final = 3  # smaller ones are noise
Bitmap = NDArray[np.uint8]
Raster = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Digit:
    """The likeliest digit; `sure` is how much likelier than any other, both 0..1."""

    value: int
    likeness: float
    sure: float


def read_digit(glyph: Bitmap) -> Digit:
    """The digit that a binary glyph (its bounding box) shows most likely."""
    vector = to_raster(glyph).ravel()
    sheet, values = _known_digits()
    likeness = sheet @ vector
    allowed = _with_holes(count_holes(glyph))
    best = np.array([likeness[values == value].max() for value in range(10)])
    for value in range(10):
        if value not in allowed:
            best[value] -= 0.25  # a shape with the wrong holes has to be very alike
    order = np.argsort(-best)
    first, second = int(order[0]), int(order[1])
    return Digit(first, float(best[first]), float(best[first] - best[second]))


def to_raster(glyph: Bitmap) -> Raster:
    """A glyph of any size as raster without mean, of length one: products are correlations."""
    height, width = glyph.shape
    stretched = WIDE if width >= NARROW * height else max(2, round(width * HIGH / height))
    how = cv2.INTER_AREA if height > HIGH else cv2.INTER_LINEAR
    scaled = cv2.resize(glyph.astype(np.float32), (stretched, HIGH), interpolation=how)
    canvas = np.zeros((HIGH, WIDE), np.float32)
    left = (WIDE - stretched) // 2
    canvas[:, left : left + stretched] = scaled
    soft = np.asarray(cv2.GaussianBlur(canvas, (0, 0), SOFT), np.float32)
    soft -= soft.mean()
    return np.asarray(soft / max(float(np.linalg.norm(soft)), 1e-6), np.float32)


def count_holes(glyph: Bitmap) -> int:
    """The number of enclosed parts of the background."""
    background = cv2.copyMakeBorder(
        (glyph == 0).astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1
    )
    count, _, stats, _ = cv2.connectedComponentsWithStats(background, connectivity=4)
    least = max(HOLE_PX, glyph.size // 150)
    return sum(int(stats[n, cv2.CC_STAT_AREA]) >= least for n in range(1, count)) - 1


def _with_holes(count: int) -> frozenset[int]:
    return frozenset(value for value, fits in HOLES.items() if count in fits)


@cache
def _known_digits() -> tuple[Raster, NDArray[np.intp]]:
    """The sheet's rasters, row by row, and which digit each is."""
    data = resources.files("patrol.vision").joinpath("osd_clock_digits.png").read_bytes()
    sheet = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert sheet is not None  # noqa: S101  our own file  # nosec B101
    rows = sheet.shape[0] // HIGH
    rasters, values = [], []
    for row in range(rows):
        for value in range(10):
            cell = sheet[row * HIGH : (row + 1) * HIGH, value * WIDE : (value + 1) * WIDE]
            filled = np.flatnonzero(cell.max(axis=0) > 0)
            glyph = cell[:, filled[0] : filled[-1] + 1]
            rasters.append(to_raster(np.asarray(glyph, np.uint8)).ravel())
            values.append(value)
    return np.stack(rasters), np.array(values)


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
    pictures: Sequence[AnyPicture], template: ClockTemplate | None, local: datetime
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


def read_clock(picture: AnyPicture, template: ClockTemplate, near: datetime) -> ClockReading | None:
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


def _binarized(picture: AnyPicture, box: Box) -> Iterator[Bitmap]:
    """The box as ink (1) and ground (0), at every level and either way round."""
    pyramid = PicturePyramid.of(picture)
    width, height = pyramid.size_px
    x, y, w, h = box
    rows = slice(int(y * height), max(int((y + h) * height), int(y * height) + 1))
    columns = slice(int(x * width), max(int((x + w) * width), int(x * width) + 1))
    cut = pyramid.coded_luma[rows, columns]
    if min(cut.shape) < 6:  # noqa: PLR2004  no digit is lower
        return
    grey = pyramid.full_range_luma(cut)
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
