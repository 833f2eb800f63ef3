"""Compare two pictures of a visit block by block: two exposures, or one picture encoded twice.

A recorder behind a dead camera goes on encoding the last picture that it got. Its pictures differ
as much as two exposures of a quiet yard do, but otherwise, in two ways that a sensor's noise
does not leave:

* An encoder that is given the same block, at the same setting, gives the same block. Of structured
  blocks of two exposures none is equal to the last bit; of one picture encoded twice most are,
  away from the clock that runs over it.
* JPEG (ITU-T T.81, A.3.4) rounds each coefficient of a block to a multiple of the table's step, so
  that the original lies within half a step of what was decoded. Of one picture encoded twice, by
  other tables too, all coefficients agree within half of both steps; two exposures do not in
  some. The steps are found in the coefficients themselves.

How much of either a living camera shows depends on its noise and its encoder: what is measured here
is held against the camera's own visits (stream_checks.py). Measures only; used by baseline.py.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from patrol.vision.quality.features import PictureFeatures, largest_change
from patrol.vision.quality.image_views import CELL_COLUMNS, CELL_ROWS, U8
from patrol.vision.quality.shake import view_shift

BLOCK: Final = 8  # of JPEG; H.264 and H.265 transform no fewer together in structured places
STRUCTURED: Final = 3.0  # luma deviation of a block: a flat one may be equal by chance
MOVED: Final = 2.5  # grey levels in a place of a twenty-fourth: no rounding moves so many together
ENOUGH: Final = 100  # structured blocks
MOST: Final = 800  # blocks compared, evenly spread: more would not tell more
FREQUENCIES: Final = ((0, 1), (1, 0), (1, 1), (0, 2), (2, 0), (1, 2), (2, 1))  # down, across
QUICK: Final = 2  # of them, in one of which a JPEG shows its step
STEPS: Final = np.arange(2, 49, dtype=np.float32)  # there, at quality 20 to 95
NONZERO: Final = 1.5  # of a coefficient: what conversions and rounding to levels leave is less
NEAR_STEP: Final = 0.9  # from a multiple, for the same reason
ON_STEPS: Final = 0.45  # mean cosine of the coefficients' phase, before there is a step
HALF: Final = 0.5  # of a step: what is nearer to nothing is rounded to nothing
PLACES: Final = 8  # of a coefficient's size, to the grey level
LARGEST: Final = 256.0  # grey levels of a coefficient; few have more
ENOUGH_COEFFICIENTS: Final = 60
ENOUGH_FREQUENCIES: Final = 3  # with known steps
ROUNDED: Final = 1.2  # beyond half of both steps: rounding to levels, twice

F32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairFeatures:
    """How two pictures of one visit differ; None: it could not be measured."""

    stir: float  # grey levels, in the most changed place
    renewed: float | None  # share of the structured blocks that are not equal
    independent: float | None  # share of coefficients that one original cannot have had
    shift: float = 0.0  # of the whole view, share of the width (shake.py)


def measure_pair(first: PictureFeatures, second: PictureFeatures) -> PairFeatures:
    """Compare the tiles of two pictures, the rows of cells with burnt-in clocks left out."""
    stir = largest_change(first.luma, second.luma)
    shift = view_shift(first.luma, second.luma) if stir >= MOVED else 0.0
    alike = first.tile_px == second.tile_px and first.tiles.shape == second.tiles.shape
    if not alike or min(first.tile_px) < 2 * BLOCK:
        return PairFeatures(stir=stir, renewed=None, independent=None, shift=shift)
    if stir >= MOVED:
        return PairFeatures(stir=stir, renewed=1.0, independent=1.0, shift=shift)
    one, other = (_inner_blocks(each.tiles, each.tile_px) for each in (first, second))
    structured = one.std(axis=1) >= STRUCTURED
    if int(structured.sum()) < ENOUGH:
        return PairFeatures(stir=stir, renewed=None, independent=None)
    one, other = one[structured], other[structured]
    renewed = float(np.any(one != other, axis=1).mean())
    return PairFeatures(stir=stir, renewed=renewed, independent=_independent(one, other))


def _inner_blocks(tiles: U8, tile_px: tuple[int, int]) -> F32:
    """Blocks of the middle rows of cells, at most MOST: number × (BLOCK · BLOCK)."""
    width, height = tile_px
    rows = slice(CELL_COLUMNS * height, (CELL_ROWS - 1) * CELL_COLUMNS * height)
    inner = tiles[rows, : width // BLOCK * BLOCK]
    inner = inner[: len(inner) // BLOCK * BLOCK]
    across = inner.shape[1] // BLOCK
    by_row = inner.reshape(-1, BLOCK, across, BLOCK)
    every = -(-len(by_row) * across // MOST)
    down, along = np.divmod(np.arange(0, len(by_row) * across, every), across)
    return by_row[down, :, along].reshape(len(down), -1).astype(np.float32)


def _independent(one: F32, other: F32) -> float | None:
    """The share of coefficients that are farther apart than both steps allow."""
    first = _coefficients(one)
    if not any(map(_step, first[:QUICK])):  # no JPEG, nor made of one
        return None
    compared = apart = known = 0
    for a, b in zip(first, _coefficients(other), strict=True):
        step_a, step_b = _step(a), _step(b)
        if not step_a or not step_b:
            continue
        known += 1
        used = (np.abs(a) >= NONZERO) | (np.abs(b) >= NONZERO)
        # By equal steps the same original gives the same multiple.
        most = NEAR_STEP if step_a == step_b else (step_a + step_b) / 2
        compared += int(used.sum())
        apart += int((np.abs(a - b)[used] > most + ROUNDED).sum())
    if known < ENOUGH_FREQUENCIES or compared < ENOUGH_COEFFICIENTS:
        return None
    return apart / compared


def _coefficients(blocks: F32) -> F32:
    """The coefficients of FREQUENCIES, of each block: frequency × block."""
    down, across = _BASIS[[d for d, _ in FREQUENCIES]], _BASIS[[a for _, a in FREQUENCIES]]
    patterns = (down[:, :, None] * across[:, None, :]).reshape(len(FREQUENCIES), -1)
    return np.asarray(patterns @ blocks.T, np.float32)


def _step(coefficients: F32) -> float:
    """The largest step whose multiples the coefficients are; 0 where there is none.

    By the mean cosine of their phase: 1 where all are multiples, 0 by chance, and less than 0 at
    twice the step, as there are always more coefficients of one step than of two. Conversions and
    rounding blur a step of three levels to a half. What is less than half a step is no multiple.
    """
    sizes = np.abs(coefficients)
    sizes = sizes[sizes >= NONZERO]
    if len(sizes) < ENOUGH_COEFFICIENTS:
        return 0.0
    places = np.minimum(sizes * PLACES, len(_PHASES) - 1).astype(np.int32)
    in_phase = np.bincount(places, minlength=len(_PHASES)) @ _PHASES / len(sizes)
    fitting = STEPS[in_phase >= ON_STEPS]
    return float(fitting[-1]) if len(fitting) else 0.0


def _cosines() -> F32:
    """The type II cosine transform of BLOCK values, one frequency a row (T.81, A.3.3)."""
    n = np.arange(BLOCK)
    basis = np.cos((2 * n + 1) * n[:, None] * np.pi / (2 * BLOCK)) * np.sqrt(2 / BLOCK)
    basis[0] /= np.sqrt(2)
    return np.asarray(basis, np.float32)


def _phases() -> NDArray[np.float64]:
    """The cosine of each size's phase in each step: sizes × STEPS; -1 below half a step."""
    counts = np.arange(0.5, LARGEST * PLACES)[:, None] / PLACES / STEPS
    return np.where(counts < HALF, -1.0, np.cos(2 * np.pi * counts))


_BASIS: Final = _cosines()
_PHASES: Final = _phases()
