"""A labelled visit, and the reader of a folder's `visits.csv` (docs/eval.md).

A column that is absent is not labelled, and not scored; an empty cell in a present column means
none. All mistakes of a file are reported at once, each with its line.
"""

import csv
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

import cv2

from patrol.domain.errors import BadInput
from patrol.domain.observation import Light
from patrol.pixels import decode_jpeg
from patrol.vision.quality import PictureFault
from streams.model import BgrImage

VISITS_FILE = "visits.csv"
LOCAL = ZoneInfo("Asia/Shanghai")  # a time without an offset is the site's wall clock
REQUIRED = ("camera_id", "visited_at", "picture")
OPTIONAL = ("picture2", "light", "faults", "newcomers", "flames", "smoke", "objects", "accept")
KNOWN_FAULTS = frozenset({fault.value for fault in PictureFault} | {"scene_shift"})
YES = {"yes": True, "no": False, "": False}
BOX_NUMBERS = 4
T = TypeVar("T")

BoxPx = tuple[float, float, float, float]  # x, y, width, height in pixels of the picture
NamedBox = tuple[str, BoxPx]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledVisit:
    """One visit with what is truly in it. None: not labelled, so not scored."""

    camera: str
    at: datetime  # UTC
    pictures: Callable[[], list[BgrImage]]  # read when their turn comes
    light: Light | None = None
    faults: frozenset[str] | None = None
    new_objects: tuple[BoxPx, ...] | None = None
    flames: tuple[BoxPx, ...] | None = None
    smoke: tuple[BoxPx, ...] | None = None
    objects: tuple[NamedBox, ...] | None = None
    accept: bool = False
    source: str = ""  # where it comes from, for the page of mistakes
    freshness: str = "live"
    corrupt: bool = False  # the decoder said that it had to conceal


class BadLabels(BadInput):
    """The file cannot be used; `problems` are complete lines for stderr."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


def read_folder(folder: Path) -> list[LabelledVisit]:
    """All visits of a folder, in time order within each camera. Raises BadLabels."""
    path = folder / VISITS_FILE
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file, strict=True))
            header = tuple(rows[0]) if rows else ()
    except (OSError, UnicodeDecodeError, csv.Error) as exc:
        raise BadLabels([f"{path}:1: file: cannot be read ({exc}), give UTF-8 CSV"]) from exc
    problems = list(_header_problems(path, header))
    if problems:
        raise BadLabels(problems)
    visits: list[LabelledVisit] = []
    for line, row in enumerate(rows, start=2):
        visit, wrong = _row(folder, row)
        problems += [f"{path}:{line}: {what}" for what in wrong]
        if visit is not None:
            visits.append(visit)
    if problems:
        raise BadLabels(problems)
    return sorted(visits, key=lambda visit: (visit.camera, visit.at))


def _header_problems(path: Path, header: tuple[str, ...]) -> Iterator[str]:
    if not header:
        yield f"{path}:1: file: no visit in it, give a header row and at least one visit"
        return
    for name in REQUIRED:
        if name not in header:
            yield f"{path}:1: {name}: column is missing"
    for name in header:
        if name not in (*REQUIRED, *OPTIONAL):
            known = ", ".join((*REQUIRED, *OPTIONAL))
            yield f"{path}:1: {name}: unknown column, known are {known}"


def _row(folder: Path, row: Mapping[str, str | None]) -> tuple[LabelledVisit | None, list[str]]:
    if None in row or None in row.values():
        return None, ["row: has another number of cells than the header"]
    cells = _LabelRow(folder, {name: (text or "").strip() for name, text in row.items()})
    pictures = [path for name in ("picture", "picture2") if (path := cells.file(name)) is not None]
    visit = LabelledVisit(
        camera=cells.text("camera_id"),
        at=cells.read("visited_at", parse_moment, datetime.min.replace(tzinfo=UTC)),
        pictures=partial(read_pictures, pictures),
        light=cells.read("light", _light, None),
        faults=cells.read("faults", _faults, None),
        new_objects=cells.read("newcomers", _boxes, None),
        flames=cells.read("flames", _boxes, None),
        smoke=cells.read("smoke", _boxes, None),
        objects=cells.read("objects", _named_boxes, None),
        accept=cells.read("accept", _yes, otherwise=False),
        source=str(pictures[0]) if pictures else "",
        freshness="live" if len(pictures) > 1 else "single",
    )
    return visit, cells.wrong


class _LabelRow:
    """The cells of one row; collects what is wrong with them."""

    def __init__(self, folder: Path, cells: Mapping[str, str]) -> None:
        self._folder = folder
        self._cells = cells
        self.wrong: list[str] = []

    def text(self, name: str) -> str:
        """A cell that must not be empty."""
        if not self._cells[name]:
            self.wrong.append(f"{name}: is empty, give a value")
        return self._cells[name]

    def read(self, name: str, parse: Callable[[str], T], otherwise: T) -> T:
        """A parsed cell; `otherwise` where the column is absent or the cell is wrong."""
        if name not in self._cells:
            return otherwise
        try:
            return parse(self._cells[name])
        except ValueError as exc:
            self.wrong.append(f"{name}: {exc}")
            return otherwise

    def file(self, name: str) -> Path | None:
        """A picture beside the table; only the first is required."""
        relative = self.text(name) if name in REQUIRED else self._cells.get(name, "")
        if not relative:
            return None
        path = self._folder / relative
        if not cv2.haveImageReader(str(path)):
            self.wrong.append(f"{name}: {relative!r} is no picture that can be read")
            return None
        return path


def read_pictures(paths: Sequence[Path]) -> list[BgrImage]:
    """The pictures as 8-bit BGR; those that cannot be read are left out."""
    pictures = [decode_jpeg(path.read_bytes()) for path in paths if path.is_file()]
    return [picture for picture in pictures if picture is not None]


def parse_moment(text: str) -> datetime:
    """ISO 8601; without an offset it is the site's wall clock. Raises ValueError."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no time, give 2026-11-22T09:30:00+08:00") from None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=LOCAL)).astimezone(UTC)


def _light(text: str) -> Light | None:
    if text in {"", *Light}:
        return Light(text) if text else None
    raise ValueError(f"{text!r} is no light, give day or infrared, or leave it empty")


def _faults(text: str) -> frozenset[str]:
    names = frozenset(_split_list(text)) - {"ok"}
    unknown = sorted(names - KNOWN_FAULTS)
    if unknown:
        known = " ".join(sorted(KNOWN_FAULTS))
        raise ValueError(f"{unknown[0]!r} is no picture fault, give ok or some of: {known}")
    return names


def _yes(text: str) -> bool:
    if text not in YES:
        raise ValueError(f"{text!r} is neither yes nor no")
    return YES[text]


def _split_list(text: str) -> list[str]:
    return [part.strip() for part in text.split(";") if part.strip()]


def _box(text: str) -> BoxPx:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != BOX_NUMBERS or not all(map(math.isfinite, numbers)) or min(numbers[2:]) <= 0:
        raise ValueError(f"{text!r} is no box, give x,y,w,h in pixels")
    x, y, width, height = numbers
    return x, y, width, height


def _boxes(text: str) -> tuple[BoxPx, ...]:
    return tuple(_box(part) for part in _split_list(text))


def _named_boxes(text: str) -> tuple[NamedBox, ...]:
    named = []
    for part in _split_list(text):
        name, colon, box = part.partition(":")
        if not colon or not name.strip():
            raise ValueError(f"{part!r} is no object, give class:x,y,w,h")
        named.append((name.strip(), _box(box)))
    return tuple(named)
