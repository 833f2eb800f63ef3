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

from patrol.vision.quality.view import CELL_COLUMNS, CELL_ROWS, F32, PictureView

LATTICES: Final = (8, 12, 16, 20, 24, 32, 40)  # px
LATTICE_RATIO: Final = 3.0  # steps on the lattice over steps beside it
LATTICE_STEP: Final = 4.0  # luma, mean along a lattice line
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
    sheet = view.sheet
    across = np.zeros(sheet.shape, np.uint8)
    down = np.zeros(sheet.shape, np.uint8)
    across[:, :-1] = cv2.absdiff(sheet[:, 1:], sheet[:, :-1])
    down[:-1] = cv2.absdiff(sheet[1:], sheet[:-1])
    x_steps = view.tiles(across).mean(axis=2, dtype=np.float32)[..., :-1]
    y_steps = view.tiles(down).mean(axis=3, dtype=np.float32)[..., :-1]
    found = np.zeros((CELL_ROWS, CELL_COLUMNS), np.bool_)
    for mesh in LATTICES:
        found |= _on_lattice(x_steps, mesh) & _on_lattice(y_steps, mesh)
    return found


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
    strong = (on >= LATTICE_STEP) & (on >= LATTICE_RATIO * beside)
    return np.asarray(strong & (even >= on / 3), np.bool_)


def _fills(view: PictureView) -> tuple[float, float]:
    """Shares of flat green and of flat middle grey; foliage and asphalt have grain, fills none."""
    around = np.ones((FLAT_PX, FLAT_PX), np.uint8)
    relief = cv2.subtract(cv2.dilate(view.luma, around), cv2.erode(view.luma, around))
    flat = cv2.inRange(relief, 0, FLAT_RELIEF) & view.seen
    blue, green, red = cv2.split(view.small)
    other = cv2.max(blue, red)
    strong = cv2.inRange(green, 60, 255) & cv2.inRange(other, 0, 50)
    middle = cv2.inRange(view.luma, 128 - GREY_HALF_WIDTH, 128 + GREY_HALF_WIDTH)
    for chroma in (view.cr, view.cb):
        middle &= cv2.inRange(chroma, 128 - GREY_CHROMA, 128 + GREY_CHROMA)
    visible = max(1, cv2.countNonZero(view.seen))
    return (
        cv2.countNonZero(strong & flat) / visible,
        cv2.countNonZero(middle & flat) / visible,
    )
