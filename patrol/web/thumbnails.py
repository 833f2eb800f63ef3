"""Scale and mask stored pictures, and draw the wall's contact sheets; cached in memory only.

A contact sheet shows 24 thumbnails in one picture, so that 624 tiles take 26 requests. Its name is
a hash of its pictures in order: while a round runs, sheets are filled in the order of the visits
and only full ones are used; once it ended, in the order of the wall. So a sheet in a browser's
cache stays valid. Nothing is written to disk: a deleted picture leaves no small copy behind.
"""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Generic, NamedTuple, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from patrol.domain.camera import Polygon
from patrol.domain.ids import PictureId, Sha256
from patrol.domain.round import Visit, VisitOutcome
from patrol.pixels import decode_jpeg, decode_picture
from patrol.ports import PictureStore
from patrol.vision.mask import mask_visible

K = TypeVar("K")
V = TypeVar("V")
THUMB_WIDTH_PX: Final = 240
MASKED_QUALITY: Final = 88  # of a full picture that is encoded again
THUMB_QUALITY: Final = 68  # about 7 kB
MAX_THUMBS_KEPT: Final = 2500  # about 18 MB: two rounds of the whole town
SHEET_COLUMNS: Final = 8  # console.css knows both numbers (.shot)
SHEET_ROWS: Final = 3
TILE_PX: Final = (240, 135)
SHEET_QUALITY: Final = 70
MAX_SHEET_NAMES: Final = 500
MAX_SHEETS_KEPT: Final = 110  # some 12 MB: four walls of the whole town
OUTCOME_RANK: Final = {
    VisitOutcome.PROBLEM: 1,
    VisitOutcome.NOT_VIEWABLE: 2,
    VisitOutcome.MISSED: 3,
    VisitOutcome.NORMAL: 4,
}
SheetNames = Mapping[str, tuple[PictureId, ...]]
Bgr = NDArray[np.uint8]


class LruCache(Generic[K, V]):
    """A cache of at most `max_items`, safe from any thread; drops what was used longest ago."""

    def __init__(self, max_items: int) -> None:
        self._max_items = max_items
        self._items: OrderedDict[K, V] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: K) -> V | None:
        """The cached value, or None."""
        with self._lock:
            if key in self._items:
                self._items.move_to_end(key)
            return self._items.get(key)

    def clear(self) -> None:
        """Drop every value."""
        with self._lock:
            self._items.clear()

    def put(self, key: K, value: V) -> None:
        """Cache the value, and drop the oldest above the limit."""
        with self._lock:
            self._items[key] = value
            self._items.move_to_end(key)
            if len(self._items) > self._max_items:
                self._items.popitem(last=False)


class Thumbnails:
    """Thumbnails by the hash of the content, made once while they stay in the cache."""

    def __init__(self, evidence: PictureStore) -> None:
        self._evidence = evidence
        self._cache: LruCache[Sha256, bytes] = LruCache(MAX_THUMBS_KEPT)

    def get(self, sha256: Sha256) -> bytes:
        """A small JPEG. Raises KeyError when the picture is gone."""
        small = self._cache.get(sha256)
        if small is None:
            small = shrunk_jpeg(self._evidence.get(sha256), THUMB_WIDTH_PX, THUMB_QUALITY)
            self._cache.put(sha256, small)
        return small

    def forget(self) -> None:
        """Drop every thumbnail: a picture was deleted."""
        self._cache.clear()


@dataclass(frozen=True, slots=True)
class TilePosition:
    """The sheet of a picture, and its column and row on it, from 0."""

    sheet: str
    x: int
    y: int


class SheetThumb(NamedTuple):
    """One thumbnail of a sheet by its content, and its visible area (None: all of it)."""

    sha256: Sha256
    visible: Polygon | None = None


class ContactSheets:
    """Caches which pictures a sheet's name stands for, and the sheets drawn last."""

    def __init__(self, thumbnails: Thumbnails) -> None:
        self._thumbnails = thumbnails
        self._names: LruCache[str, tuple[PictureId, ...]] = LruCache(MAX_SHEET_NAMES)
        self._rendered: LruCache[tuple[SheetThumb | None, ...], bytes] = LruCache(MAX_SHEETS_KEPT)
        self._render_lock = threading.Lock()

    def remember_names(self, names: SheetNames) -> None:
        """Keep the names of a page's sheets for the requests that follow."""
        for name, group in names.items():
            self._names.put(name, group)

    def pictures(self, name: str) -> tuple[PictureId, ...] | None:
        """The pictures of a sheet; None when its name is not cached: lay the round out again."""
        return self._names.get(name)

    def jpeg(self, shown: tuple[SheetThumb | None, ...]) -> bytes:
        """The sheet as JPEG; where there is None or a deleted picture, the background shows."""
        with self._render_lock:  # one sheet at a time: a core stays free for the service
            known = self._rendered.get(shown)
            if known is None:
                known = self._draw(shown)
                self._rendered.put(shown, known)
        return known

    def forget(self) -> None:
        """Drop the sheets that were drawn: a picture was deleted."""
        self._rendered.clear()

    def _draw(self, shown: Sequence[SheetThumb | None]) -> bytes:
        width, height = TILE_PX
        rows = -(-len(shown) // SHEET_COLUMNS)
        sheet = np.zeros((SHEET_ROWS * height, SHEET_COLUMNS * width, 3), np.uint8)
        sheet[: rows * height] = (29, 18, 11)
        for number, thumb in enumerate(shown):
            tile = self._tile(thumb) if thumb else None
            if tile is not None:
                x, y = number % SHEET_COLUMNS * width, number // SHEET_COLUMNS * height
                sheet[y : y + height, x : x + width] = tile
        _, jpeg = cv2.imencode(".jpg", sheet, [cv2.IMWRITE_JPEG_QUALITY, SHEET_QUALITY])
        return bytes(jpeg)

    def _tile(self, thumb: SheetThumb) -> Bgr | None:
        try:
            small = self._thumbnails.get(thumb.sha256)
        except (KeyError, ValueError):
            return None
        whole = decode_jpeg(small)
        if whole is None:
            return None
        return _fill_tile(mask_visible(whole, thumb.visible) if thumb.visible else whole)


def masked_jpeg(jpeg: bytes, visible: Polygon) -> bytes:
    """The picture with zeros outside the visible area. Raises ValueError: not a picture."""
    bgr = mask_visible(decode_picture(jpeg), visible)
    done, again = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, MASKED_QUALITY])
    if not done:
        raise ValueError("not a picture")
    return bytes(again)


def shrunk_jpeg(jpeg: bytes, width_px: int, quality: int) -> bytes:
    """The picture scaled down, without any metadata. Raises ValueError: not a picture."""
    bgr = decode_picture(jpeg, longest_px=2 * width_px)
    height, width = bgr.shape[:2]
    if width > width_px:
        size = (width_px, max(1, round(height * width_px / width)))
        bgr = np.asarray(cv2.resize(bgr, size, interpolation=cv2.INTER_AREA), np.uint8)
    done, small = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ValueError("not a picture")
    return bytes(small)


def normalized_photo(
    upload: bytes, *, longest_px: int = 1600, quality: int = 82
) -> tuple[bytes, int, int]:
    """(JPEG, width, height) of an uploaded photo: turned upright, scaled down, without EXIF.

    Raises ValueError: not a picture. PictureTooLarge is one, too.
    """
    bgr = decode_picture(upload, longest_px=longest_px)
    height, width = bgr.shape[:2]
    scale = min(1.0, longest_px / max(height, width))
    if scale < 1.0:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        bgr = np.asarray(cv2.resize(bgr, size, interpolation=cv2.INTER_AREA), np.uint8)
    done, jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ValueError("not a picture")
    return bytes(jpeg), int(bgr.shape[1]), int(bgr.shape[0])


def newest_picture(visit: Visit) -> PictureId | None:
    """The newest picture of a visit."""
    newest = max(visit.pictures, key=lambda picture: picture.taken_at, default=None)
    return newest.id if newest else None


def sheet_layout(visits: Sequence[Visit], *, running: bool) -> dict[str, tuple[PictureId, ...]]:
    """The pictures of each sheet of a round, by its name; of a running round, only full sheets."""
    seen = [(visit, picture) for visit in visits if (picture := newest_picture(visit))]
    if running:
        seen.sort(key=lambda one: (one[0].finished_at, one[0].camera))
    else:
        seen.sort(key=lambda one: (OUTCOME_RANK[one[0].outcome], one[0].camera))
    size = SHEET_COLUMNS * SHEET_ROWS
    groups = [tuple(p for _, p in seen[at : at + size]) for at in range(0, len(seen), size)]
    return {_sheet_name(group): group for group in groups if not running or len(group) == size}


def tile_positions(names: SheetNames) -> dict[PictureId, TilePosition]:
    """The position of each picture on its sheet."""
    return {
        picture: TilePosition(name, number % SHEET_COLUMNS, number // SHEET_COLUMNS)
        for name, group in names.items()
        for number, picture in enumerate(group)
    }


def _sheet_name(group: Sequence[PictureId]) -> str:
    return sha256("|".join(group).encode()).hexdigest()


def _fill_tile(bgr: Bgr) -> Bgr:
    """The picture scaled to fill a tile, cropped at its centre."""
    (width, height), (rows, columns) = TILE_PX, bgr.shape[:2]
    if (columns, rows) == (width, height):
        return bgr
    scale = max(width / columns, height / rows)
    wide, high = max(width, round(columns * scale)), max(height, round(rows * scale))
    resized = cv2.resize(bgr, (wide, high), interpolation=cv2.INTER_AREA)
    large = np.asarray(resized, np.uint8)
    x, y = (wide - width) // 2, (high - height) // 2
    return large[y : y + height, x : x + width]
