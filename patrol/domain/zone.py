"""Areas of a camera's picture, in fractions of its width and height (0..1, origin top left)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import time
from hashlib import sha256

from patrol.domain.burnt_in import ClockTemplate

Polygon = tuple[tuple[float, float], ...]
MIN_POINTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """A daily window of local time; `start` after `end` spans midnight; equal means all day."""

    start: time
    end: time

    def contains(self, local: time) -> bool:
        """Whether `local` lies in the window (start included, end excluded)."""
        if self.start == self.end:
            return True
        if self.start < self.end:
            return self.start <= local < self.end
        return local >= self.start or local < self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """Where in the picture which classes of object matter, when, and as what kind of finding."""

    name: str
    polygon: Polygon
    classes: frozenset[str]  # COCO names; empty: any change, no object needed
    kind: str  # a category identifier of the domain, e.g. blocking_vehicle
    hours: tuple[Hours, ...] = ()  # empty: always
    min_visits: int = 1  # consecutive visits that must show it
    min_height: float = 0.0  # of the picture's height; smaller boxes are ignored
    trust_class: bool = True  # False on straight-down views, where detectors misname things
    tiles: bool | None = None  # look closer, tile by tile; None: where min_height says it is far

    def __post_init__(self) -> None:
        check_polygon(self.polygon)
        if self.min_visits < 1:
            raise ValueError(f"zone {self.name!r}: min_visits is at least 1")

    def active_at(self, local: time) -> bool:
        """Whether the zone counts at this local time of day."""
        return not self.hours or any(window.contains(local) for window in self.hours)


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureAreas:
    """What was agreed and drawn for one camera."""

    visible: Polygon | None = None  # None: the whole frame was agreed with the household
    zones: tuple[Zone, ...] = field(default=())
    ignore: tuple[Polygon, ...] = ()  # what moves or changes there is nobody's business: a tree
    clock: ClockTemplate | None = None  # None: it is not read

    def __post_init__(self) -> None:
        for polygon in (*self.ignore, *((self.visible,) if self.visible is not None else ())):
            check_polygon(polygon)


def area_mark(visible: Polygon | None) -> str:
    """Short, and another one for another visible area: a reference holds for its own."""
    text = json.dumps(visible and [[round(x, 4), round(y, 4)] for x, y in visible])
    return sha256(text.encode()).hexdigest()[:12]


def check_polygon(polygon: Sequence[tuple[float, float]]) -> None:
    """Raise ValueError, with the reason, unless `polygon` lies in the unit square."""
    if len(polygon) < MIN_POINTS:
        raise ValueError(f"a polygon has at least {MIN_POINTS} points, this one has {len(polygon)}")
    for x, y in polygon:
        if not (0.0 <= x <= 1.0 and 0.0 <= y <= 1.0):
            raise ValueError(f"point ({x}, {y}) lies outside the picture, give 0..1")
