"""Measure decoding artifacts: mosaic blocks, displaced macroblocks, smears, a decoder's fills.

Mosaic: in a tile of full resolution the differences between neighbours gather on a lattice, in both
directions at once, with little in between. Seams: over all tiles, sudden straight steps prefer the
codec's own grid. Smears: the last row that came, drawn out. Fills: areas in the colours that
decoders put where data is missing, YUV(0,0,0) which is green, and the
grey of an HEVC picture without its references.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from patrol.vision.quality.image_views import (
    BLOCK_PX,
    CELL_COLUMNS,
    CELL_ROWS,
    CELLS,
    F32,
    U8,
    PictureView,
    within,
)

Bgr = tuple[int, int, int]
LATTICES: Final = (8, 12, 16, 20, 24, 32)  # px
LATTICE_RATIO: Final = 3.0  # steps on the lattice over steps beside it
LATTICE_STEP: Final = 6.5  # luma, mean along a lattice line
PURE_RATIO: Final = 7.0  # nothing at all beside the lattice: enlarged pixels,
PURE_STEP: Final = 2.0  # ... which may be this weak
CODEC_MESH: Final = 8  # px: at low bit rates sound pictures show it too,
CODEC_STEP: Final = 9.0  # ... this weakly
SEAM_STEP: Final = 7.0  # luma, mean along a block's side
SEAM_RATIO: Final = 2.5  # over the steps within two pixels
MIN_SEAM_LINES: Final = 3  # in a tile; in fewer, one line alone may well be a block's side
CHANCE: Final = 4.0  # deviations of counting
GREY_HALF_WIDTH: Final = 1  # luma around 128
GREY_CHROMA: Final = 2
GREEN: Final[tuple[Bgr, Bgr]] = ((0, 60, 0), (50, 255, 50))  # YUV(0,0,0) is 0, 135, 0
DEAD_STEP: Final = 0.1  # luma: less noise than any sensor has
SMEAR_STILL: Final = 0.25  # luma, mean difference of neighbours down a smear
SMEAR_RATIO: Final = 0.07
SMEAR_LIVELY: Final = 1.5  # ... and across them
MIN_FILL_SHARE: Final = 0.01  # share of such colours, before it is tested whether they are flat
FLAT_PX: Final = 3  # of the small picture
FLAT_RELIEF: Final = 1  # luma, brightest minus darkest around


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ArtifactFeatures:
    """Shares of the visible picture."""

    mosaic: float
    seams: float  # of places on the macroblock grid, more than beside it
    green: float
    grey: float
    smear: float

    @property
    def worst(self) -> float:
        """The largest of the shares."""
        return max(self.mosaic, self.seams, self.green, self.grey, self.smear)


def measure_artifacts(view: PictureView) -> ArtifactFeatures:
    """All artifact shares of one picture."""
    across, down = _steps(view)
    broken = _mosaic(across, down) & view.cells
    smeared = _smeared(across, down) & view.cells
    cells = max(1, int(view.cells.sum()))
    green, grey = _fills(view)
    dead = across.max(axis=3) <= DEAD_STEP  # rows of macroblocks; an overcast sky has grain
    return ArtifactFeatures(
        mosaic=float(broken.sum()) / cells,
        seams=_seams(across, down),
        green=green,
        grey=min(grey, 2 * float(dead[view.cells].mean())),
        smear=float(smeared.sum()) / cells,
    )


def _steps(view: PictureView) -> tuple[F32, F32]:
    """Differences between neighbouring columns, and rows, meant over one macroblock's length.

    Cell row × cell column × macroblock along the line × line across it.
    """
    width, height = view.tile_px
    grid = (CELL_ROWS, CELL_COLUMNS)
    tall, wide = min(BLOCK_PX, height), min(BLOCK_PX, width)
    across = view.across.reshape(CELLS, height, width - 1)[:, : height // tall * tall]
    blocks = across.astype(np.float32).reshape(CELLS * (height // tall), tall, width - 1)
    columns = np.matmul(np.full(tall, 1 / tall, np.float32), blocks)
    down = np.concatenate([view.down, np.zeros_like(view.down[:1])])[:, : width // wide * wide]
    rows = down.astype(np.float32).reshape(-1, wide) @ np.full(wide, 1 / wide, np.float32)
    rows = rows.reshape(CELLS, height, width // wide)[:, :-1].transpose(0, 2, 1)
    return (
        columns.reshape(*grid, height // tall, width - 1),
        np.ascontiguousarray(rows).reshape(*grid, width // wide, height - 1),
    )


def _mosaic(across: F32, down: F32) -> NDArray[np.bool_]:
    """Cells whose steps lie on a lattice, in both directions with the same mesh."""
    x_steps, y_steps = across.mean(axis=2), down.mean(axis=2)
    found = np.zeros((CELL_ROWS, CELL_COLUMNS), np.bool_)
    suspect = _spiky(x_steps) & _spiky(y_steps)
    if not suspect.any():
        return found
    for mesh in LATTICES:
        candidates = suspect & ~found
        candidates[candidates] = _on_lattice(x_steps[candidates], mesh)
        if candidates.any():  # rare in a sound picture, so the second test costs little
            found[candidates] = _on_lattice(y_steps[candidates], mesh)
    return found


def _spiky(steps: F32) -> NDArray[np.bool_]:
    """Whether any line stands far out of the usual ones: most cells of a sound picture end here."""
    ordered = np.sort(steps, axis=-1)
    median, highest = ordered[..., steps.shape[-1] // 2], ordered[..., -1]
    return np.asarray((highest >= PURE_STEP) & (highest >= LATTICE_RATIO * median), np.bool_)


def _on_lattice(steps: F32, mesh: int) -> NDArray[np.bool_]:
    """Whether the strongest phase of `mesh` stands out of the others."""
    lines = steps.shape[-1] // mesh
    if lines < 2:  # noqa: PLR2004  one line is an edge, two are a lattice
        return np.zeros(steps.shape[:-1], np.bool_)
    folded = steps[..., : lines * mesh].reshape(*steps.shape[:-1], lines, mesh)
    mean = folded.mean(axis=-2)
    on = mean.max(axis=-1)
    least = CODEC_STEP if mesh == CODEC_MESH else LATTICE_STEP
    off_lattice = (mean.sum(axis=-1) - on) / (mesh - 1)
    strong = (on >= least) & (on >= LATTICE_RATIO * off_lattice)
    strong |= (on >= PURE_STEP) & (on >= PURE_RATIO * off_lattice)
    if not strong.any():  # nearly always
        return np.asarray(strong, np.bool_)
    phase = np.argmax(mean, axis=-1)[..., None, None]
    on_phase = np.sort(np.take_along_axis(folded, phase, axis=-1)[..., 0], axis=-1)
    even = on_phase[..., : max(1, lines // 2)].mean(axis=-1)
    return np.asarray(strong & (even >= on / 3), np.bool_)


def _seams(across: F32, down: F32) -> float:
    """How many more sudden steps lie on the grid of macroblocks than half a block beside it.

    Displaced blocks bring straight seams a block long at multiples of 16 px; walls and windows do
    not know that grid, and a codec's own 8 px blocks lie on both sides of the comparison. Zero
    unless the surplus is clear of chance.
    """
    on_grid = off_grid = position_count = 0
    for steps in (across, down):
        here = _sudden(steps, BLOCK_PX - 1)
        on_grid, position_count = on_grid + int(here.sum()), position_count + here.size
        off_grid += int(_sudden(steps, BLOCK_PX - 1 + BLOCK_PX // 2).sum())
    surplus = on_grid - off_grid
    clear = surplus > CHANCE * (on_grid + off_grid) ** 0.5
    return surplus / position_count if position_count and clear else 0.0


def _sudden(steps: F32, first: int) -> NDArray[np.bool_]:
    """Whether a step is strong and those within two pixels of it are not; each BLOCK_PX-th one.

    As many from any `first` within a block and a half, so that two of them can be compared.
    """
    stop = steps.shape[-1] - BLOCK_PX // 2 - BLOCK_PX + 1 + first
    left, near, here, close, right = (
        steps[..., first + away : max(0, stop + away) : BLOCK_PX] for away in (-2, -1, 0, 1, 2)
    )
    around = np.maximum(np.maximum(left, near), np.maximum(close, right))
    sudden = (here >= SEAM_STEP) & (here >= SEAM_RATIO * around)
    if sudden.shape[3] < MIN_SEAM_LINES:
        return np.asarray(sudden, np.bool_)
    # One line alone through a whole tile is an edge of the scene, or of a burnt-in box.
    through = sudden.all(axis=2, keepdims=True)
    alone = through & (through.sum(axis=3, keepdims=True) == 1)
    return np.asarray(sudden & ~alone, np.bool_)


def _fills(view: PictureView) -> tuple[float, float]:
    """Shares of flat green and of flat middle grey: one colour over all of it.

    Foliage and asphalt have grain, and a picture with a green cast has more than one green.
    """
    green = np.asarray(cv2.inRange(view.mini_bgr, *GREEN), np.uint8) & view.mini_seen
    grey = within(view.mini_luma, 128 - GREY_HALF_WIDTH, 128 + GREY_HALF_WIDTH) & view.mini_seen
    for chroma in (view.mini_cr, view.mini_cb):
        grey &= within(chroma, 128 - GREY_CHROMA, 128 + GREY_CHROMA)
    least = MIN_FILL_SHARE * green.size
    if cv2.countNonZero(green) < least and cv2.countNonZero(grey) < least:
        return 0.0, 0.0
    flat = _flat(view.luma, (green.shape[1], green.shape[0]))
    area = max(1, cv2.countNonZero(view.mini_seen))
    return _of_one_level(view.mini_luma, green & flat) / area, cv2.countNonZero(grey & flat) / area


def _of_one_level(luma: U8, mask: U8) -> float:
    """How many of the masked pixels have the commonest level, give or take one."""
    counts = cv2.calcHist([luma], [0], mask, [256], [0, 256]).ravel()
    return float(np.convolve(counts, np.ones(3), mode="same").max())


def _flat(luma: U8, size_px: tuple[int, int]) -> U8:
    """What lies in some square of FLAT_PX without relief, in another size."""
    square = np.ones((FLAT_PX, FLAT_PX), np.uint8)
    relief = cv2.morphologyEx(luma, cv2.MORPH_GRADIENT, square)  # brightest minus darkest
    flat = cv2.dilate(within(np.asarray(relief, np.uint8), 0, FLAT_RELIEF), square)
    return np.asarray(cv2.resize(flat, size_px, interpolation=cv2.INTER_NEAREST), np.uint8)


def _smeared(across: F32, down: F32) -> NDArray[np.bool_]:
    """Cells in which a row was drawn out: nothing changes downwards, much along the row.

    A decoder conceals what it lacks by going on with the last row that it had. A fence or a
    shutter is as straight, but a sensor's grain and the light change along it.
    """
    lively, still = across.mean(axis=(2, 3)), down.mean(axis=(2, 3))
    drawn_out = (still <= SMEAR_STILL) & (still <= SMEAR_RATIO * lively)
    return np.asarray(drawn_out & (lively >= SMEAR_LIVELY), np.bool_)
