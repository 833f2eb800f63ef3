"""One picture, cut once into what all gauges share.

`luma`/`cr`/`cb` are a small copy (400 to 800 px on its longer side, made by exact halvings, so that
noise averages out the same way at every size); `sheet` is luma at full resolution, taken as one
tile from each of 6 × 8 cells, because blur, noise and blocks live in single pixels; `rows` and
`columns` are thin full-length bands, because a stripe runs through the whole picture. The cost is
bounded: an 8K picture is looked at through as many pixels as a 1080p one.

Nothing is judged here. Pixels outside the visible area count nowhere.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from patrol.domain.zone import Polygon
from patrol.vision.mask import visible_mask
from streams.model import BgrImage

CELL_ROWS: Final = 6
CELL_COLUMNS: Final = 8
CELLS: Final = CELL_ROWS * CELL_COLUMNS
SMALL_FROM_PX: Final = 800  # halve while the longer side is at least this
TILE_W_PX: Final = 96
TILE_H_PX: Final = 64
BLOCK_PX: Final = 16  # H.264's macroblock; H.265's units are multiples of it
BANDS: Final = 8  # full-length bands in either direction
BAND_PX: Final = 8
MIN_SIDE_PX: Final = 32  # below this there is no picture to judge
CELL_SEEN: Final = 0.6  # a cell counts when at least this share of it is visible

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PictureView:
    """What the gauges look at. All luma is 0..255; masks are 0/255."""

    size_px: tuple[int, int]  # width, height of the whole picture
    small: U8  # BGR
    luma: U8
    cr: U8
    cb: U8
    calm: U8  # luma without thin things: burnt-in text, single noisy pixels
    seen: U8  # visible area at the small size
    area: int  # its pixels
    sheet: U8  # CELL_ROWS × CELL_COLUMNS tiles of full resolution, side by side
    tile_px: tuple[int, int]  # width, height of one tile
    cells: NDArray[np.bool_]  # which cells are visible, CELL_ROWS × CELL_COLUMNS
    rows: F32  # height × BANDS: mean luma of each row in each vertical band
    columns: F32  # width × BANDS
    whole: bool  # no visible area was set

    def strips(self) -> Iterator[U8]:
        """The sheet, one row of cells at a time: small enough to stay in a core's cache."""
        height = self.tile_px[1]
        return (self.sheet[y : y + height] for y in range(0, len(self.sheet), height))


def view(bgr: BgrImage, visible: Polygon | None) -> PictureView:
    """Cut `bgr` (at least MIN_SIDE_PX on either side, three channels) into its shared views."""
    height, width = bgr.shape[:2]
    small = halved(bgr)
    ycc = cv2.split(cv2.cvtColor(small, cv2.COLOR_BGR2YCrCb))
    luma, cr, cb = (np.asarray(plane, np.uint8) for plane in ycc)
    seen = visible_mask(visible, (small.shape[1], small.shape[0]))
    tile_px = (_tile(TILE_W_PX, width // CELL_COLUMNS), _tile(TILE_H_PX, height // CELL_ROWS))
    return PictureView(
        size_px=(width, height),
        small=small,
        luma=luma,
        cr=cr,
        cb=cb,
        calm=np.asarray(cv2.medianBlur(luma, 5), np.uint8),
        seen=seen,
        area=max(1, cv2.countNonZero(seen)),
        sheet=_sheet(bgr, tile_px),
        tile_px=tile_px,
        cells=_visible_cells(seen),
        rows=_bands(bgr, axis=1),
        columns=_bands(bgr, axis=0),
        whole=visible is None,
    )


def as_bgr(picture: NDArray[np.generic]) -> BgrImage | None:
    """What came, as 8-bit BGR; None when it is no picture at all.

    Grey is spread over three channels, alpha dropped, 10-bit and 16-bit depths scaled down by the
    brightest value that they hold.
    """
    if picture.ndim not in (2, 3) or picture.size == 0:
        return None
    plain = picture if picture.dtype == np.uint8 else _to_8_bit(picture)
    if plain.ndim == 2:  # noqa: PLR2004  height × width
        plain = plain[:, :, np.newaxis]
    if plain.shape[2] >= 3:  # noqa: PLR2004  BGR, BGRA
        return np.ascontiguousarray(plain[:, :, :3]).astype(np.uint8, copy=False)
    grey: BgrImage = np.repeat(plain[:, :, :1], 3, axis=2).astype(np.uint8, copy=False)
    return grey


def _to_8_bit(picture: NDArray[np.generic]) -> NDArray[np.uint8]:
    numbers = np.nan_to_num(picture.astype(np.float32))
    peak = float(numbers.max(initial=0.0))
    if np.issubdtype(picture.dtype, np.floating) and peak <= 1.0:
        scale = 255.0
    else:
        depth = next((bits for bits in (8, 10, 12, 16) if peak < 2**bits), 16)
        scale = 255.0 / (2**depth - 1)
    scaled: NDArray[np.uint8] = np.clip(numbers * scale, 0, 255).astype(np.uint8)
    return scaled


def within(plane: U8, low: float, high: float) -> U8:
    """255 where the plane lies in low..high, both included."""
    return np.asarray(cv2.inRange(plane, low, high), np.uint8)


def halved(bgr: BgrImage, until_px: int = SMALL_FROM_PX) -> BgrImage:
    """Halve (mean of 2 × 2) while the longer side is at least `until_px`."""
    image = bgr
    while max(image.shape[:2]) >= until_px and min(image.shape[:2]) >= 2 * MIN_SIDE_PX:
        height, width = image.shape[0] // 2 * 2, image.shape[1] // 2 * 2
        half = (width // 2, height // 2)
        image = np.asarray(
            cv2.resize(image[:height, :width], half, interpolation=cv2.INTER_LINEAR), np.uint8
        )
    return image


def _sheet(bgr: BgrImage, tile_px: tuple[int, int]) -> U8:
    """One full-resolution tile from the middle of each cell, as luma."""
    tile_w, tile_h = tile_px
    sheet = np.empty((tile_h * CELL_ROWS, tile_w * CELL_COLUMNS), np.uint8)
    height, width = bgr.shape[:2]
    for row, column in _grid():
        y = _aligned((2 * row + 1) * height // (2 * CELL_ROWS) - tile_h // 2)
        x = _aligned((2 * column + 1) * width // (2 * CELL_COLUMNS) - tile_w // 2)
        tile = cv2.cvtColor(bgr[y : y + tile_h, x : x + tile_w], cv2.COLOR_BGR2GRAY)
        sheet[row * tile_h : (row + 1) * tile_h, column * tile_w : (column + 1) * tile_w] = tile
    return sheet


def _tile(most: int, cell: int) -> int:
    """A side in whole macroblocks, where the cell holds at least one."""
    return min(most, cell // BLOCK_PX * BLOCK_PX or cell)


def _grid() -> Iterator[tuple[int, int]]:
    return ((row, column) for row in range(CELL_ROWS) for column in range(CELL_COLUMNS))


def _aligned(start: int) -> int:
    """Down to a whole macroblock: the encoder's blocks begin there, and so does the tile."""
    return max(0, start) // BLOCK_PX * BLOCK_PX


def _bands(bgr: BgrImage, *, axis: int) -> F32:
    """Mean luma of thin bands: along rows (axis 1: height × BANDS) or columns (axis 0)."""
    across = bgr.shape[axis]
    width = max(1, min(BAND_PX, across // BANDS))
    starts = [(2 * band + 1) * across // (2 * BANDS) - width // 2 for band in range(BANDS)]
    pieces = [
        bgr[:, max(0, s) : max(0, s) + width] if axis else bgr[max(0, s) : max(0, s) + width]
        for s in starts
    ]
    grey = np.asarray(cv2.cvtColor(np.concatenate(pieces, axis=axis), cv2.COLOR_BGR2GRAY), np.uint8)
    bands: F32
    if axis:
        bands = grey.reshape(bgr.shape[0], BANDS, width).mean(axis=2, dtype=np.float32)
    else:
        bands = grey.reshape(BANDS, width, bgr.shape[1]).mean(axis=1, dtype=np.float32).T
    return bands


def _visible_cells(seen: U8) -> NDArray[np.bool_]:
    share = cv2.resize(seen, (CELL_COLUMNS, CELL_ROWS), interpolation=cv2.INTER_AREA)
    return np.asarray(share, np.uint8) >= CELL_SEEN * 255
