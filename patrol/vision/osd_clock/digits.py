"""Recognise digits by shape: a glyph is scaled to one raster and compared with known digits.

`digits.png` is a sheet of digits, a row for each font: sans, serif, typewriter, and the dot
matrices that recorders and cameras draw with. A shape counts only if it has as many holes as its
digit: that alone distinguishes an 8 from a 0 or a 3 where a few pixels are smeared.
"""

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

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
    data = resources.files("patrol.vision.osd_clock").joinpath("digits.png").read_bytes()
    sheet = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert sheet is not None  # noqa: S101  our own file
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
