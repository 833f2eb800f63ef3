"""Broken decoding: mosaic blocks, and fills in a decoder's own colours.

Mosaic: in a tile of full resolution the differences between neighbours gather on a lattice, in both
directions at once, with little in between. Fills: areas in the colours that decoders put where data
is missing, YUV(0,0,0) which is green, and the grey of an HEVC picture without its references.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from patrol.vision.quality.view import CELL_COLUMNS, CELL_ROWS, F32, U8, PictureView, within

LATTICES: Final = (8, 12, 16, 20, 24, 32, 40)  # px
LATTICE_RATIO: Final = 3.0  # steps on the lattice over steps beside it
LATTICE_STEP: Final = 6.5  # luma, mean along a lattice line
CODEC_MESH: Final = 8  # px: at low bit rates sound pictures show it too,
CODEC_STEP: Final = 9.0  # ... this weakly
GREY_HALF_WIDTH: Final = 1  # luma around 128
GREY_CHROMA: Final = 2
FLAT_PX: Final = 5  # of the small picture
FLAT_RELIEF: Final = 1  # luma, brightest minus darkest around


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Blocks:
    """Shares of the visible picture."""

    mosaic: float
    green: float
    grey: float

    @property
    def worst(self) -> float:
        """The largest of the three."""
        return max(self.mosaic, self.green, self.grey)


def measure_blocks(view: PictureView) -> Blocks:
    """All three."""
    visible = max(1, int(view.cells.sum()))
    broken = mosaic_cells(view) & view.cells
    green, grey = _fills(view)
    return Blocks(mosaic=float(broken.sum()) / visible, green=green, grey=grey)


def mosaic_cells(view: PictureView) -> NDArray[np.bool_]:
    """Cells whose steps lie on a lattice, in both directions with the same mesh."""
    steps = [_steps(strip) for strip in view.strips()]
    x_steps = np.stack([across for across, _ in steps])
    y_steps = np.stack([down for _, down in steps])
    found = np.zeros((CELL_ROWS, CELL_COLUMNS), np.bool_)
    suspect = _spiky(x_steps) & _spiky(y_steps)
    if not suspect.any():
        return found
    across, down = x_steps[suspect], y_steps[suspect]
    hit = np.zeros(len(across), np.bool_)
    for mesh in LATTICES:
        hit |= _on_lattice(across, mesh) & _on_lattice(down, mesh)
    found[suspect] = hit
    return found


def _spiky(steps: F32) -> NDArray[np.bool_]:
    """Whether any line stands far out of the usual ones: most cells of a sound picture end here."""
    usual = np.median(steps, axis=-1)
    highest = steps.max(axis=-1)
    return np.asarray((highest >= LATTICE_STEP) & (highest >= LATTICE_RATIO * usual), np.bool_)


def _steps(strip: U8) -> tuple[F32, F32]:
    """Mean difference between neighbouring columns, and between rows, of each cell in a row."""
    height, width = strip.shape
    across = np.zeros(width, np.float32)
    reduced = cv2.reduce(
        cv2.absdiff(strip[:, 1:], strip[:, :-1]), 0, cv2.REDUCE_AVG, dtype=cv2.CV_32F
    )
    across[:-1] = np.asarray(reduced)[0]
    rows = cv2.resize(
        cv2.absdiff(strip[1:], strip[:-1]).astype(np.float32), (CELL_COLUMNS, height - 1),
        interpolation=cv2.INTER_AREA,
    )  # fmt: skip
    return across.reshape(CELL_COLUMNS, -1)[:, :-1], np.asarray(rows, np.float32).T


def _on_lattice(steps: F32, mesh: int) -> NDArray[np.bool_]:
    """Whether the strongest phase of `mesh` stands out of the others."""
    lines = steps.shape[-1] // mesh
    if lines < 2:  # noqa: PLR2004  one line is an edge, two are a lattice
        return np.zeros(steps.shape[:-1], np.bool_)
    folded = steps[..., : lines * mesh].reshape(*steps.shape[:-1], lines, mesh)
    weakest = np.sort(folded, axis=-2)[..., : max(1, lines // 2), :].mean(axis=-2)
    mean = folded.mean(axis=-2)
    phase = np.argmax(mean, axis=-1)[..., None]
    on = np.take_along_axis(mean, phase, axis=-1)[..., 0]
    even = np.take_along_axis(weakest, phase, axis=-1)[..., 0]
    beside = (mean.sum(axis=-1) - on) / (mesh - 1)
    least = CODEC_STEP if mesh == CODEC_MESH else LATTICE_STEP
    strong = (on >= least) & (on >= LATTICE_RATIO * beside)
    return np.asarray(strong & (even >= on / 3), np.bool_)


def _fills(view: PictureView) -> tuple[float, float]:
    """Shares of flat green and of flat middle grey; foliage and asphalt have grain, fills none."""
    around = np.ones((FLAT_PX, FLAT_PX), np.uint8)
    relief = cv2.morphologyEx(view.luma, cv2.MORPH_GRADIENT, around)  # brightest minus darkest
    flat = within(np.asarray(relief, np.uint8), 0, FLAT_RELIEF) & view.seen
    blue, green, red = cv2.split(view.small)
    other = np.asarray(cv2.max(blue, red), np.uint8)
    strong = within(np.asarray(green, np.uint8), 60, 255) & within(other, 0, 50)
    middle = within(view.luma, 128 - GREY_HALF_WIDTH, 128 + GREY_HALF_WIDTH)
    for chroma in (view.cr, view.cb):
        middle &= within(chroma, 128 - GREY_CHROMA, 128 + GREY_CHROMA)
    return (
        cv2.countNonZero(strong & flat) / view.area,
        cv2.countNonZero(middle & flat) / view.area,
    )
