"""Find what lies on the glass from one picture alone: a plain area whose edge is out of focus.

A wall, a road or a pool is plain too, but it ends at an edge as sharp as everything else; a hand,
a cloth or a sheet at the lens is so near that texture comes back only over several hundredths of
the picture's width. Two measures tell that: there is less texture at the rim than beyond, or what
there is does not run along the rim, as the outline of a thing does, but across it, as whatever lies
behind. A sky ends softly as well where hills fade into haze, so a plain area at the top that does
not reach the bottom proves nothing while it is the brightest there is and has a sky's colour.
Lengths are shares of the picture's width; used by lens_checks.py at first visits, when the camera's
own history cannot tell.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from patrol.vision.quality.image_views import U8

WIDTH_PX: Final = 320  # the lengths below are of this width
FINE_PX: Final = 5  # texture finer than this
POOLED_PX: Final = 9
PLAIN: Final = 1.2  # grey levels of texture that compression leaves on a plain thing
PLAIN_SHARE: Final = 0.2  # ... or this share of the texture in the upper fifth of the picture
LEAST_SHARE: Final = 0.3  # of the picture: smaller ones are not asked about
RIM_PX: Final = (1, 9)  # from the plain area: where its outline lies, if it has one
EDGE_PX: Final = (5, 8)  # ... and where a sharp one has ended
BEYOND_PX: Final = (22, 36)  # from it: the scene as it is
ENOUGH_PX: Final = 200  # pixels of it, before its texture is a measure
SCENE_TEXTURE: Final = 1.5  # grey levels, median: else the whole picture is plain
UPPER: Final = 85  # percentile of texture that is compared: edges, not the gaps between them
SOFT: Final = 0.8  # of the scene's texture at the edge: sharp ones have as much and more
SOFT_ABOVE: Final = 0.75  # ... of what comes from the top and is hardly darker than the scene
NO_OUTLINE: Final = 2.0  # steps across the rim over those along it; of plain things 2.2 to 50
NO_OUTLINE_EDGE: Final = 1.4  # ... while the texture there is no more than this of the scene's
STEP_FLOOR: Final = 0.05  # grey levels a pixel: rounding
WHOLE_BORDER: Final = 0.7  # of one border of the picture: it comes from there
TOP, BOTTOM = 0.6, 0.2  # shares of those borders: a sky has the one and not the other
BY_DAY: Final = 100.0  # grey levels beside it; a street under lamps, below a dark sky, has less
DARKER, MUCH_DARKER = 0.9, 0.6  # than what is beside it: by day no sky with a soft edge is
LIGHTS: Final = 90  # percentile of the scene's light: a sky is as bright
NO_SKY: Final = 0.8  # ... of them: darker ones are none
BLUE: Final = 8.0  # chroma over red: a clear sky
LIT: Final = 30.0  # grey levels, of the area: in the dark everything is plain
NEARLY_ALL: Final = 0.7  # of the picture: what is left is a strip of the scene, sharp or not
FOG_LUMA: Final = 105.0  # grey levels: fog is paler, and it has no colour

F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]


def softly_covered_share(luma: U8, *, coloured: bool = False, warmth: F32 | None = None) -> float:
    """The share of the picture under one plain area with a soft edge; 0 where there is none.

    `coloured`: the picture's middle colour is no fog's. `warmth`: red less blue chroma of the
    picture's cells, any number of rows and columns.
    """
    height, width = luma.shape
    size = (WIDTH_PX, max(WIDTH_PX // 8, round(height * WIDTH_PX / width)))
    grey = cv2.resize(luma, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    fine = np.asarray(np.abs(grey - cv2.blur(grey, (FINE_PX, FINE_PX))), np.float32)
    area = _largest_plain(fine)
    if area is None or not LEAST_SHARE <= float(area.mean()) < 1.0:
        return 0.0
    if float(grey[area].mean()) < LIT or not _comes_from_a_border(area):
        return 0.0
    away = np.asarray(cv2.distanceTransform((~area).astype(np.uint8), cv2.DIST_L2, 5), np.float32)
    edge, beyond = (fine[(away >= low) & (away < high)] for low, high in (EDGE_PX, BEYOND_PX))
    if min(edge.size, beyond.size) < ENOUGH_PX:
        return 0.0
    textured = float(np.median(cv2.blur(fine, (POOLED_PX, POOLED_PX))[away >= BEYOND_PX[0]]))
    if textured < SCENE_TEXTURE:
        return 0.0
    left = float(np.percentile(edge, UPPER)) / max(float(np.percentile(beyond, UPPER)), 1e-3)
    sky = _may_be_sky(area, grey, warmth)
    if left >= _softest_edge(area, grey, coloured=coloured, sky=sky) and (
        sky or left >= NO_OUTLINE_EDGE or _outline_strength(grey, away) >= NO_OUTLINE
    ):
        return 0.0
    return float(area.mean())


def _largest_plain(fine: F32) -> Mask | None:
    """The largest connected area without texture; None where there is none at all."""
    pooled = np.asarray(cv2.blur(fine, (POOLED_PX, POOLED_PX)), np.float32)
    plain = pooled < max(PLAIN, PLAIN_SHARE * float(np.percentile(pooled, 80)))
    opened = cv2.morphologyEx(
        plain.astype(np.uint8), cv2.MORPH_OPEN, np.ones((POOLED_PX, POOLED_PX), np.uint8)
    )
    count, labels, stats, _ = cv2.connectedComponentsWithStats(opened)
    if count < 2:  # noqa: PLR2004  the background is the first
        return None
    largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    return np.asarray(labels == largest, np.bool_)


def _comes_from_a_border(area: Mask) -> bool:
    borders = (area[0], area[-1], area[:, 0], area[:, -1])
    return max(float(border.mean()) for border in borders) >= WHOLE_BORDER


def _lies_as_a_sky(area: Mask) -> bool:
    return float(area[0].mean()) >= TOP and float(area[-1].mean()) < BOTTOM


def _may_be_sky(area: Mask, grey: F32, warmth: F32 | None) -> bool:
    """Whether it lies as a sky does and is blue, or as bright as anything beside it.

    A clear sky is darker than a white wall in the sun; one without colour is the light itself.
    """
    if not _lies_as_a_sky(area):
        return False
    lights = float(np.percentile(grey[~area], LIGHTS))
    return float(grey[area].mean()) >= NO_SKY * lights or _mean_warmth(area, warmth) <= -BLUE


def _mean_warmth(area: Mask, warmth: F32 | None) -> float:
    """Of the cells that it fills for the most part; 0 where nothing is known."""
    if warmth is None:
        return 0.0
    rows, columns = warmth.shape
    share = cv2.resize(area.astype(np.float32), (columns, rows), interpolation=cv2.INTER_AREA)
    inside = warmth[share > 0.5]  # noqa: PLR2004  half of the cell
    return float(np.nanmedian(inside)) if np.isfinite(inside).any() else 0.0


def _outline_strength(grey: F32, away: F32) -> float:
    """How much steeper the rim is across than along itself; 1: what crosses it has no outline."""
    smooth = cv2.GaussianBlur(away, (0, 0), 2)
    across_x, across_y = _slopes(np.asarray(smooth, np.float32))
    length = np.maximum(np.hypot(across_x, across_y), 1e-6)
    right, down = (slope / 8 for slope in _slopes(grey))
    across = np.abs(right * across_x + down * across_y) / length
    along = np.abs(right * across_y - down * across_x) / length
    rim = (away >= RIM_PX[0]) & (away < RIM_PX[1])
    steep, usual = (float(np.percentile(steps[rim], UPPER)) for steps in (across, along))
    return steep / (usual + STEP_FLOOR)


def _slopes(values: F32) -> tuple[F32, F32]:
    """Sobel's, to the right and down."""
    return (
        np.asarray(cv2.Sobel(values, cv2.CV_32F, 1, 0), np.float32),
        np.asarray(cv2.Sobel(values, cv2.CV_32F, 0, 1), np.float32),
    )


def _softest_edge(area: Mask, grey: F32, *, coloured: bool, sky: bool) -> float:
    """How soft its edge must be to prove it, share of the scene's texture; 0: it may be a sky.

    No view has a sky over nearly all of it; fog may fill one so, but it is pale and has no colour.
    """
    if float(area.mean()) >= NEARLY_ALL and (coloured or float(grey[area].mean()) < FOG_LUMA):
        return 1.0
    if _lies_as_a_sky(area):
        surrounding = float(grey[~area].mean())
        darkness = float(grey[area].mean()) / max(surrounding, 1.0)
        if sky and (surrounding < BY_DAY or darkness >= DARKER):
            return 0.0
        if darkness >= MUCH_DARKER:
            return SOFT_ABOVE
    return 1.0 if float(area.mean()) >= NEARLY_ALL else SOFT
