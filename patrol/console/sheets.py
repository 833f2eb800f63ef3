"""Contact sheets: the wall's thumbnails, 24 in one picture, so that 624 tiles take 26 requests.

A sheet has a name made of its pictures, in a fixed order: while a round runs, sheets are filled in
the order in which cameras were seen and only full ones are shown as sheets; once it ended, in the
order of the wall. So a sheet that a browser has stays good, whatever else moves.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from patrol.console.lately import Lately
from patrol.console.thumbs import Thumbs
from patrol.domain.ids import Sha256
from patrol.domain.round import Visit, VisitOutcome
from patrol.domain.zone import Polygon
from patrol.vision.mask import mask_visible

ACROSS: Final = 8  # console.css knows both numbers (.shot)
DOWN: Final = 3
TILE_PX: Final = (240, 135)
QUALITY: Final = 70
MOST_NAMES: Final = 500
MOST_KEPT: Final = 110  # some 12 MB: four walls of the whole town
RANK: Final = {
    VisitOutcome.PROBLEM: 1,
    VisitOutcome.NOT_VIEWABLE: 2,
    VisitOutcome.MISSED: 3,
    VisitOutcome.NORMAL: 4,
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a picture lies: on which sheet, in which column and row."""

    sheet: str
    x: int
    y: int


class Shot(NamedTuple):
    """One thumbnail of a sheet, and what may be seen of it."""

    picture: Sha256
    visible: Polygon | None = None


Names = Mapping[str, tuple[Sha256, ...]]
Bgr = NDArray[np.uint8]


def newest_picture(visit: Visit) -> Sha256 | None:
    """What a tile shows."""
    newest = max(visit.pictures, key=lambda picture: picture.taken_at, default=None)
    return newest.sha256 if newest else None


def laid_out(visits: Sequence[Visit], *, running: bool) -> dict[str, tuple[Sha256, ...]]:
    """The sheets of a round by name; of a running one, only those that are full."""
    seen = [(visit, picture) for visit in visits if (picture := newest_picture(visit))]
    if running:
        seen.sort(key=lambda one: (one[0].finished_at, one[0].camera))
    else:
        seen.sort(key=lambda one: (RANK[one[0].outcome], one[0].camera))
    size = ACROSS * DOWN
    groups = [tuple(p for _, p in seen[at : at + size]) for at in range(0, len(seen), size)]
    return {_name(group): group for group in groups if not running or len(group) == size}


def places(names: Names) -> dict[Sha256, Place]:
    """Where each picture lies."""
    return {
        picture: Place(name, number % ACROSS, number // ACROSS)
        for name, group in names.items()
        for number, picture in enumerate(group)
    }


def _name(group: Sequence[Sha256]) -> str:
    return sha256("|".join(group).encode()).hexdigest()


class Sheets:
    """Remembers which pictures a name stands for, and the sheets that were made lately."""

    def __init__(self, thumbs: Thumbs) -> None:
        self._thumbs = thumbs
        self._names: Lately[str, tuple[Sha256, ...]] = Lately(MOST_NAMES)
        self._made: Lately[tuple[Shot | None, ...], bytes] = Lately(MOST_KEPT)
        self._one_by_one = threading.Lock()

    def remember(self, names: Names) -> None:
        """These will be asked for."""
        for name, group in names.items():
            self._names.put(name, group)

    def pictures(self, name: str) -> tuple[Sha256, ...] | None:
        """What lies on it; None: not remembered, lay the round out again."""
        return self._names.get(name)

    def jpeg(self, shown: tuple[Shot | None, ...]) -> bytes:
        """The sheet; where there is None, or a picture that is gone, the ground shows."""
        with self._one_by_one:  # whoever asked first has it first, and a core stays free
            known = self._made.get(shown)
            if known is None:
                known = self._draw(shown)
                self._made.put(shown, known)
        return known

    def _draw(self, shown: Sequence[Shot | None]) -> bytes:
        width, height = TILE_PX
        rows = -(-len(shown) // ACROSS)
        sheet = np.zeros((DOWN * height, ACROSS * width, 3), np.uint8)
        sheet[: rows * height] = (29, 18, 11)
        for number, shot in enumerate(shown):
            tile = self._tile(shot) if shot else None
            if tile is not None:
                x, y = number % ACROSS * width, number // ACROSS * height
                sheet[y : y + height, x : x + width] = tile
        _, jpeg = cv2.imencode(".jpg", sheet, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        return bytes(jpeg)

    def _tile(self, shot: Shot) -> Bgr | None:
        try:
            small = self._thumbs.get(shot.picture)
        except (KeyError, ValueError):
            return None
        bgr = cv2.imdecode(np.frombuffer(small, np.uint8), cv2.IMREAD_COLOR)
        if bgr is None:
            return None
        whole = np.asarray(bgr, np.uint8)
        return _covering(mask_visible(whole, shot.visible) if shot.visible else whole)


def _covering(bgr: Bgr) -> Bgr:
    """Scaled so that it fills a tile; what sticks out is cut off."""
    (width, height), (rows, columns) = TILE_PX, bgr.shape[:2]
    if (columns, rows) == (width, height):
        return bgr
    scale = max(width / columns, height / rows)
    wide, high = max(width, round(columns * scale)), max(height, round(rows * scale))
    resized = cv2.resize(bgr, (wide, high), interpolation=cv2.INTER_AREA)
    large = np.asarray(resized, np.uint8)
    x, y = (wide - width) // 2, (high - height) // 2
    return large[y : y + height, x : x + width]
