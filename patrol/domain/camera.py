"""A camera of the registry (一机一档): its streams, its consent, the areas drawn in its picture.

Whether a camera may be connected to at all is decided by `visit_refusal` (consent.py). Areas and
boxes are in fractions of the picture's width and height (0..1, origin top left). `ClockPattern`
turns a line of text burnt into the picture into the moment that it shows: only digits are read;
low marks between them (`-`, `:`) are left out, a letter or a Chinese character of the format stands
for any few glyphs, and a line without exactly the digits of the format is not read.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from enum import StrEnum, auto
from functools import cached_property
from hashlib import sha256
from typing import Final

from patrol.domain.ids import CameraId, GridCode, LinkId
from streams.address import StreamAddress, StreamChoice

DEFAULT_CLOCK_FORMAT: Final = "%Y-%m-%d %H:%M:%S"
CLOCK_FIELDS: Final = {"%Y": 4, "%y": 2, "%m": 2, "%d": 2, "%H": 2, "%I": 2, "%M": 2, "%S": 2}
LOW_SEPARATORS: Final = "-:. ,_"
TALL_SEPARATOR: Final = "/"  # as high as a digit in most fonts: a glyph, or low and left out
_FORMAT_TOKENS: Final = re.compile(r"%.|.", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockTemplate:
    """Where a camera burns its clock into the picture, and how it writes it."""

    box: tuple[float, float, float, float]  # x, y, width, height in fractions of the picture
    format: str = DEFAULT_CLOCK_FORMAT


@dataclass(frozen=True)
class ClockPattern:
    """The format in which a camera writes its clock, as a parser of a line's glyphs."""

    format: str

    @staticmethod
    def format_problem(text: str) -> str | None:
        """Why `text` cannot be a clock's format; None when it can."""
        fields = [token for token in _FORMAT_TOKENS.findall(text) if token.startswith("%")]
        unknown = [field for field in fields if field not in CLOCK_FIELDS]
        if unknown:
            return f"{unknown[0]!r} is unknown, known are {' '.join(CLOCK_FIELDS)}"
        if len(set(fields)) < len(fields):
            return "has a field twice"
        if not {"%M"} <= set(fields) or not {"%H", "%I"} & set(fields):
            return f"has no hour and minute, give e.g. {DEFAULT_CLOCK_FORMAT}"
        return None

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """The fields in their order."""
        return tuple(
            token for token in _FORMAT_TOKENS.findall(self.format) if token in CLOCK_FIELDS
        )

    @property
    def has_date(self) -> bool:
        """Whether a day can be read; else only the time of day counts."""
        return bool({"%Y", "%y"} & set(self.fields)) and {"%m", "%d"} <= set(self.fields)

    @cached_property
    def shapes(self) -> tuple[re.Pattern[str], ...]:
        """Patterns over a line's glyphs, where `d` is a digit and `x` any other glyph."""
        ways = (True, False) if TALL_SEPARATOR in self.format else (False,)
        return tuple(self._shape(tall=tall) for tall in ways)

    def _shape(self, *, tall: bool) -> re.Pattern[str]:
        pieces = []
        for token in _FORMAT_TOKENS.findall(self.format):
            if token in CLOCK_FIELDS:
                pieces.append(f"(d{{{CLOCK_FIELDS[token]}}})")
            elif token == TALL_SEPARATOR:
                pieces.append("[dx]" if tall else "")
            elif token not in LOW_SEPARATORS:
                pieces.append("[dx]{1,2}" if token.isascii() else "[dx]{1,4}")
        return re.compile("(?<!d)" + "".join(pieces) + "(?!d)")

    def to_datetime(self, digits: tuple[str, ...], near: datetime) -> datetime | None:
        """The wall-clock time that `digits` (one text a field) show; None when there is none such.

        Fields that the format lacks are taken from `near`.
        """
        written = dict(zip(self.fields, map(int, digits), strict=True))
        year = written.get("%Y", 2000 + written["%y"] if "%y" in written else near.year)
        hour = written.get("%H", written.get("%I", 0))
        try:
            return near.replace(
                year=year, month=written.get("%m", near.month), day=written.get("%d", near.day),
                hour=hour, minute=written["%M"], second=written.get("%S", near.second),
                microsecond=0,
            )  # fmt: skip
        except ValueError:
            return None


Polygon = tuple[tuple[float, float], ...]
MIN_POLYGON_POINTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyHours:
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
    hours: tuple[DailyHours, ...] = ()  # empty: always
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
    ignore: tuple[Polygon, ...] = ()  # changes there are not looked for: a tree, a flag
    clock: ClockTemplate | None = None  # None: it is not read

    def __post_init__(self) -> None:
        for polygon in (*self.ignore, *((self.visible,) if self.visible is not None else ())):
            check_polygon(polygon)


def area_hash(visible: Polygon | None) -> str:
    """Twelve hex digits of a visible area, by which a stored reference is matched to its area."""
    text = json.dumps(visible and [[round(x, 4), round(y, 4)] for x, y in visible])
    return sha256(text.encode()).hexdigest()[:12]


def check_polygon(polygon: Sequence[tuple[float, float]]) -> None:
    """Raise ValueError, with the reason, unless `polygon` lies in the unit square."""
    if len(polygon) < MIN_POLYGON_POINTS:
        raise ValueError(
            f"a polygon has at least {MIN_POLYGON_POINTS} points, this one has {len(polygon)}"
        )
    for x, y in polygon:
        if not (0.0 <= x <= 1.0 and 0.0 <= y <= 1.0):
            raise ValueError(f"point ({x}, {y}) lies outside the picture, give 0..1")


class Placement(StrEnum):
    """Where the camera is mounted; only OUTDOOR cameras are ever visited."""

    OUTDOOR = auto()
    INDOOR = auto()
    UNKNOWN = auto()


class ConsentState(StrEnum):
    """What the household answered when it was asked for consent."""

    GRANTED = auto()
    PENDING = auto()
    WITHDRAWN = auto()


class Priority(StrEnum):
    """KEY cameras (重点部位) are visited first."""

    NORMAL = auto()
    KEY = auto()


class Refusal(StrEnum):
    """Why a camera is not connected to; such cameras are counted, but not planned."""

    CONSENT_PENDING = auto()
    CONSENT_WITHDRAWN = auto()
    CONSENT_EXPIRED = auto()
    CONSENT_UNDATED = auto()
    CONSENT_PAUSED = auto()
    CONSENT_HOURS = auto()  # outside the hours that the household set
    INDOOR = auto()
    PLACEMENT_UNKNOWN = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """A household's consent: its state and the last day on which it holds."""

    state: ConsentState
    until: date | None = None

    def refusal_on(self, today: date) -> Refusal | None:
        """The reason not to visit on the local day `today`, or None."""
        if self.state is ConsentState.PENDING:
            return Refusal.CONSENT_PENDING
        if self.state is ConsentState.WITHDRAWN:
            return Refusal.CONSENT_WITHDRAWN
        if self.until is None:
            return Refusal.CONSENT_UNDATED
        return Refusal.CONSENT_EXPIRED if today > self.until else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """One household camera; its stream addresses are secrets: never printed, never stored."""

    id: CameraId
    name: str
    grid: GridCode
    place: str
    main_stream: StreamAddress = field(repr=False)
    link: LinkId
    consent: Consent
    placement: Placement
    sub_stream: StreamAddress | None = field(default=None, repr=False)
    household_ref: str = ""
    priority: Priority = Priority.NORMAL
    tags: frozenset[str] = frozenset()
    longitude: float | None = None
    latitude: float | None = None
    areas: PictureAreas = field(default_factory=PictureAreas)

    @property
    def addresses(self) -> tuple[StreamAddress, ...]:
        """The main stream's address, and the sub stream's where it has one."""
        return (
            (self.main_stream,) if self.sub_stream is None else (self.main_stream, self.sub_stream)
        )

    @property
    def has_plain_password(self) -> bool:
        """Whether a password stands in one of its addresses, unsealed."""
        return any(address.has_plain_password for address in self.addresses)

    def stream(self, choice: StreamChoice) -> StreamAddress:
        """The address of the stream to visit; the main one where the camera has no sub stream."""
        return (
            self.sub_stream if choice is StreamChoice.SUB and self.sub_stream else self.main_stream
        )

    def refusal_on(self, today: date) -> Refusal | None:
        """The reason not to connect on the local day `today`, or None when it may be visited."""
        if self.placement is Placement.INDOOR:
            return Refusal.INDOOR
        if self.placement is Placement.UNKNOWN:
            return Refusal.PLACEMENT_UNKNOWN
        return self.consent.refusal_on(today)
