"""Find what lies on the glass from one picture alone: a plain area whose edge is out of focus.

A wall, a road or a pool is plain too, but it ends at an edge as sharp as everything else; a hand,
a cloth or a sheet at the lens is so near that texture comes back only over several hundredths of
the picture's width. A sky ends softly as well where hills fade into haze, so a plain area at the
top that does not reach the bottom proves nothing. Lengths are shares of the picture's width; used
by lens_checks.py at first visits, when the camera's own history cannot tell.
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
EDGE_PX: Final = (5, 8)  # from the plain area: its edge, were it sharp, would lie here
BEYOND_PX: Final = (22, 36)  # from it: the scene as it is
ENOUGH_PX: Final = 200  # pixels of it, before its texture is a measure
SCENE_TEXTURE: Final = 1.5  # grey levels, median: else the whole picture is plain
UPPER: Final = 85  # percentile of texture that is compared: edges, not the gaps between them
SOFT: Final = 0.8  # of the scene's texture at the edge: sharp ones have as much and more
SOFT_ABOVE: Final = 0.75  # ... of what comes from the top and is hardly darker than the scene
WHOLE_BORDER: Final = 0.7  # of one border of the picture: it comes from there
TOP, BOTTOM = 0.6, 0.2  # shares of those borders: a sky has the one and not the other
BY_DAY: Final = 100.0  # grey levels beside it; a street under lamps, below a dark sky, has less
DARKER, MUCH_DARKER = 0.9, 0.6  # than what is beside it: by day no sky with a soft edge is
LIT: Final = 30.0  # grey levels, of the area: in the dark everything is plain
NEARLY_ALL: Final = 0.7  # of the picture: what is left is a strip of the scene, sharp or not
FOG_LUMA: Final = 105.0  # grey levels: fog is paler, and it has no colour


def softly_covered_share(luma: U8, *, coloured: bool = False) -> float:
    """The share of the picture under one plain area with a soft edge; 0 where there is none.

    `coloured`: the picture's middle colour is no fog's.
    """
    height, width = luma.shape
    size = (WIDTH_PX, max(WIDTH_PX // 8, round(height * WIDTH_PX / width)))
    grey = cv2.resize(luma, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    fine = np.asarray(np.abs(grey - cv2.blur(grey, (FINE_PX, FINE_PX))), np.float32)
    area = _largest_plain(fine)
    if area is None or float(grey[area].mean()) < LIT:
        return 0.0
    soft = _softest_edge(area, grey, coloured=coloured)
    if not soft or not _comes_from_a_border(area):
        return 0.0
    away = cv2.distanceTransform((~area).astype(np.uint8), cv2.DIST_L2, 5)
    edge, beyond = (fine[(away >= low) & (away < high)] for low, high in (EDGE_PX, BEYOND_PX))
    if min(edge.size, beyond.size) < ENOUGH_PX:
        return 0.0
    scene = float(np.percentile(beyond, UPPER))
    textured = float(np.median(cv2.blur(fine, (POOLED_PX, POOLED_PX))[away >= BEYOND_PX[0]]))
    if textured < SCENE_TEXTURE or float(np.percentile(edge, UPPER)) >= soft * scene:
        return 0.0
    return float(area.mean())


def _largest_plain(fine: NDArray[np.float32]) -> NDArray[np.bool_] | None:
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


def _comes_from_a_border(area: NDArray[np.bool_]) -> bool:
    borders = (area[0], area[-1], area[:, 0], area[:, -1])
    return max(float(border.mean()) for border in borders) >= WHOLE_BORDER


def _softest_edge(area: NDArray[np.bool_], grey: NDArray[np.float32], *, coloured: bool) -> float:
    """How soft its edge must be to prove it, share of the scene's texture; 0: it may be a sky.

    No view has a sky over nearly all of it; fog may fill one so, but it is pale and has no colour.
    """
    if float(area.mean()) >= NEARLY_ALL and (coloured or float(grey[area].mean()) < FOG_LUMA):
        return 1.0
    if float(area[0].mean()) >= TOP and float(area[-1].mean()) < BOTTOM:
        surrounding = float(grey[~area].mean())
        darkness = float(grey[area].mean()) / max(surrounding, 1.0)
        if surrounding < BY_DAY or darkness >= DARKER:
            return 0.0
        if darkness >= MUCH_DARKER:
            return SOFT_ABOVE
    return 1.0 if float(area.mean()) >= NEARLY_ALL else SOFT
