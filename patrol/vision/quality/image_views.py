"""The views of one picture that all quality gauges share, cut once.

The picture is read twice: once for its luma, once, thinly, for its colours; of a decoder's planes
(patrol/pixels.py) only what is read is converted. `luma` is a small copy
(400 to 800 px on its longer side, made by exact halvings, so that noise averages out the same way
at every size), `mini…` half of that, for what needs levels and colours alone; `sheet` is luma at
full resolution, one tile from each of 6 × 8 cells, because blur, noise and blocks live in single
pixels; `rows` and `columns` are thin full-length bands, because a stripe runs through the whole
picture. After the first reading an 8K picture costs as much as a 1080p one.

Measures nothing. Pixels outside the visible area count nowhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from patrol.domain.camera import Polygon
from patrol.pixels import AnyPicture, PicturePyramid, half_size
from patrol.vision.mask import exact_visible_mask
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
CELL_WHOLE: Final = 0.9995  # but for rounding, nothing of it is masked
STRIPED_CELLS: Final = (2, 3)  # rows, columns: a smaller part tells no stripe from an edge

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
Cells = F32  # CELL_ROWS × CELL_COLUMNS, NaN where a cell is not visible
Span = tuple[int, int, int, int]  # top, bottom, left, right


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PictureView:
    """The views of one picture that the gauges measure. Luma is 0..255; masks are 0 or 255."""

    size_px: tuple[int, int]  # width, height of the whole picture
    luma: U8
    seen: U8  # visible area at the small size
    mini_bgr: U8
    mini_cr: U8
    mini_cb: U8
    mini_luma: U8
    mini_smooth: U8  # without thin things: burnt-in text, single noisy pixels
    mini_seen: U8
    sheet: U8  # tiles of full resolution, one below the other, row of cells by row of cells
    across: U8  # absolute differences of neighbouring columns of the sheet
    down: U8  # ... and of neighbouring rows; the last of a tile belongs to no tile
    tile_px: tuple[int, int]  # width, height of one tile
    cells: NDArray[np.bool_]  # which cells are visible, CELL_ROWS × CELL_COLUMNS
    cells_seen: F32  # the share of each that is
    rows: F32  # BANDS × height: mean luma of each row in each vertical band
    columns: F32  # BANDS × width
    barred: U8  # the part of the small luma that `rows` and `columns` run through
    whole: bool  # no visible area was set


def picture_view(picture: AnyPicture, visible: Polygon | None) -> PictureView:
    """Cut a picture of at least MIN_SIDE_PX on either side into its shared views."""
    pyramid = PicturePyramid.of(picture)
    width, height = pyramid.size_px
    coded = pyramid.coded_luma
    luma = pyramid.full_range_luma(pyramid.halved_luma(_halvings((width, height))))
    mini = half_size(luma)
    mini_px = (mini.shape[1], mini.shape[0])
    cr, cb = pyramid.chroma_samples(mini_px)
    mini_bgr = np.asarray(cv2.cvtColor(cv2.merge([mini, cr, cb]), cv2.COLOR_YCrCb2BGR), np.uint8)
    seen = exact_visible_mask(visible, (luma.shape[1], luma.shape[0]))
    share = cell_means(seen) / np.float32(255)
    tile_px = (_tile(TILE_W_PX, width // CELL_COLUMNS), _tile(TILE_H_PX, height // CELL_ROWS))
    sheet = pyramid.full_range_luma(_sheet(coded, tile_px))
    unmasked_span = _unmasked_span(share)
    barred = _cut(coded, unmasked_span)  # of no size where the mask leaves no such part
    return PictureView(
        size_px=(width, height),
        luma=luma,
        seen=seen,
        mini_bgr=mini_bgr,
        mini_cr=cr,
        mini_cb=cb,
        mini_luma=mini,
        mini_smooth=np.asarray(cv2.medianBlur(mini, 3), np.uint8),
        mini_seen=exact_visible_mask(visible, mini_px),
        sheet=sheet,
        across=np.asarray(cv2.absdiff(sheet[:, 1:], sheet[:, :-1]), np.uint8),
        down=np.asarray(cv2.absdiff(sheet[1:], sheet[:-1]), np.uint8),
        tile_px=tile_px,
        cells=share >= CELL_SEEN,
        cells_seen=share,
        rows=_bands(barred.T, pyramid),
        columns=_bands(barred, pyramid),
        barred=_cut(luma, unmasked_span),
        whole=visible is None,
    )


def bgr_by_peak(picture: NDArray[np.generic]) -> BgrImage | None:
    """Any array as 8-bit BGR; None when it is no picture at all.

    Grey is spread over three channels, alpha dropped, 10-bit and 16-bit depths scaled down by the
    brightest value that they hold. (The reference scales by the type alone: `bgr_by_dtype`.)
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


def _halvings(size_px: tuple[int, int]) -> int:
    """How often a picture is halved until its longer side is below SMALL_FROM_PX."""
    longer, shorter = max(size_px), min(size_px)
    times = 0
    while longer >= SMALL_FROM_PX and shorter >= 2 * MIN_SIDE_PX:
        longer, shorter, times = longer // 2, shorter // 2, times + 1
    return times


def cell_means(plane: U8 | F32) -> F32:
    """Mean of each cell."""
    return area_means(plane.astype(np.float32), CELL_ROWS, CELL_COLUMNS)


def area_means(plane: F32, rows: int, columns: int) -> F32:
    """Means over so many equal areas; one product with averaging weights on either side."""
    along, across = _weights(plane.shape[0], rows), _weights(plane.shape[1], columns)
    return np.asarray(along @ plane @ across.T, np.float32)


@lru_cache(maxsize=64)
def _weights(length: int, cells: int) -> F32:
    """How much of each pixel belongs to each cell, as shares of the cell."""
    edges = np.arange(cells + 1) * (length / cells)
    pixels = np.arange(length)
    inside = np.minimum(pixels + 1, edges[1:, None]) - np.maximum(pixels, edges[:-1, None])
    weights: F32 = (np.clip(inside, 0, 1) * (cells / length)).astype(np.float32)
    return weights


def _sheet(full: U8, tile_px: tuple[int, int]) -> U8:
    """One full-resolution tile from the middle of each cell."""
    tile_w, tile_h = tile_px
    sheet = np.empty((tile_h * CELLS, tile_w), np.uint8)
    height, width = full.shape
    for number, (y, x) in enumerate(_tile_corners(width, height, tile_px)):
        sheet[number * tile_h : (number + 1) * tile_h] = full[y : y + tile_h, x : x + tile_w]
    return sheet


@lru_cache(maxsize=64)
def _tile_corners(width: int, height: int, tile_px: tuple[int, int]) -> Sequence[tuple[int, int]]:
    """Top and left of each cell's tile, row of cells by row of cells."""
    tile_w, tile_h = tile_px
    return [
        (
            _aligned((2 * row + 1) * height // (2 * CELL_ROWS) - tile_h // 2),
            _aligned((2 * column + 1) * width // (2 * CELL_COLUMNS) - tile_w // 2),
        )
        for row in range(CELL_ROWS)
        for column in range(CELL_COLUMNS)
    ]


def _tile(most: int, cell: int) -> int:
    """A side in whole macroblocks, where the cell holds at least one."""
    return min(most, cell // BLOCK_PX * BLOCK_PX or cell)


def _aligned(start: int) -> int:
    """Down to a whole macroblock: the encoder's blocks begin there, and so does the tile."""
    return max(0, start) // BLOCK_PX * BLOCK_PX


def _unmasked_span(share: F32) -> Span:
    """The largest rectangle of cells without any masked pixel, in cells; empty when too small."""
    whole = share >= CELL_WHOLE
    return (0, CELL_ROWS, 0, CELL_COLUMNS) if whole.all() else _largest_span(whole.tobytes())


@lru_cache(maxsize=1024)  # one for every visible area of a town: looking for it takes 2 ms
def _largest_span(whole_cells: bytes) -> Span:
    best: Span = (0, 0, 0, 0)
    whole = np.frombuffer(whole_cells, np.bool_).reshape(CELL_ROWS, CELL_COLUMNS)
    least_rows, least_columns = STRIPED_CELLS
    for top, left in np.argwhere(whole).tolist():
        for bottom in range(top + least_rows, CELL_ROWS + 1):
            along = whole[top:bottom, left:].all(axis=0)
            right = left + int(np.argmin(np.append(along, np.False_)))
            area = (bottom - top) * (right - left)
            if right - left >= least_columns and area > _area(best):
                best = (top, bottom, left, right)
    return best


def _area(span: Span) -> int:
    return (span[1] - span[0]) * (span[3] - span[2])


def _cut(image: U8, span: Span) -> U8:
    """The cells' part of an image of any size."""
    height, width = image.shape[:2]
    top, bottom = (-(-cell * height // CELL_ROWS) for cell in span[:2])
    left, right = (-(-cell * width // CELL_COLUMNS) for cell in span[2:])
    return image[top : min(bottom, height), left : min(right, width)]


def _bands(coded: U8, pyramid: PicturePyramid) -> F32:
    """Mean luma along BANDS thin horizontal bands."""
    across = len(coded)
    width = max(1, min(BAND_PX, across // BANDS))
    starts = [(2 * band + 1) * across // (2 * BANDS) - width // 2 for band in range(BANDS)]
    strips = np.stack([coded[max(0, start) :][:width] for start in starts])
    luma = pyramid.full_range_luma(strips) if strips.size else strips
    weights = np.full(strips.shape[1], 1 / width, np.float32)
    bands: F32 = np.matmul(weights, luma.astype(np.float32))
    return bands
