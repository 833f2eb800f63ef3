"""zones.yaml → what was agreed and drawn for each camera: visible area, zones, on-screen clock."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from patrol.domain.camera import (
    DEFAULT_CLOCK_FORMAT,
    ClockPattern,
    ClockTemplate,
    PictureAreas,
    Polygon,
    Zone,
    check_polygon,
)
from patrol.domain.finding import CATEGORY_BY_ID
from patrol.domain.ids import camera_id_problem
from patrol.inference.manifest import COCO80, ModelSpec, Purpose, label_name
from patrol.settings.config_file import FileProblemLog, did_you_mean
from patrol.settings.yaml_file import YamlDocument, read_yaml
from patrol.settings.yaml_types import DailyHoursList, SettingsSection
from patrol.settings.yaml_validation import validate

_PolygonPoint = tuple[float, float]


def _check_kind(name: str) -> str:
    if name not in CATEGORY_BY_ID:
        raise ValueError(f"unknown kind {name!r}{did_you_mean(name, list(CATEGORY_BY_ID))}")
    return name


def _check_polygon_shape(points: tuple[tuple[float, float], ...]) -> Polygon:
    check_polygon(points)
    if _crosses_itself(points):
        raise ValueError("its outline crosses itself, list the corners in order around the area")
    if abs(_twice_area(points)) < 1e-6:  # noqa: PLR2004  a millionth of the picture
        raise ValueError("the points lie on one line, a polygon encloses an area")
    return points


def _crosses_itself(points: Polygon) -> bool:
    """Whether two sides cross; sides that only touch do not."""
    sides = list(zip(points, (*points[1:], points[0]), strict=True))
    return any(
        _on_different_sides(*first, *second) and _on_different_sides(*second, *first)
        for first, second in combinations(sides, 2)
    )


def _on_different_sides(
    a: _PolygonPoint, b: _PolygonPoint, c: _PolygonPoint, d: _PolygonPoint
) -> bool:
    """Whether c and d lie on different sides of the line through a and b."""
    one, other = ((b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0]) for p in (c, d))
    return one * other < 0


def _twice_area(points: Polygon) -> float:
    pairs = zip(points, (*points[1:], points[0]), strict=True)
    return sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in pairs)


def _check_camera_id(text: str) -> str:
    if (reason := camera_id_problem(text)) is not None:
        raise ValueError(reason)
    return text


PolygonPoints = Annotated[tuple[tuple[float, float], ...], AfterValidator(_check_polygon_shape)]


class _ZoneSection(SettingsSection):
    name: Annotated[str, Field(min_length=1)]
    polygon: PolygonPoints
    kind: Annotated[str, AfterValidator(_check_kind)]
    classes: tuple[Annotated[str, AfterValidator(label_name)], ...] = ()
    hours: DailyHoursList = ()
    min_visits: int = Field(default=1, ge=1, le=50)
    min_height: float = Field(default=0.0, ge=0, lt=1)
    trust_class: bool = True
    tiles: bool | None = None

    def policy(self) -> Zone:
        return Zone(
            name=self.name, polygon=self.polygon, classes=frozenset(self.classes), kind=self.kind,
            hours=self.hours, min_visits=self.min_visits, min_height=self.min_height,
            trust_class=self.trust_class, tiles=self.tiles,
        )  # fmt: skip


def _check_clock_box(box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    x, y, width, height = box
    inside = min(box) >= 0 and x + width <= 1 and y + height <= 1
    if not inside or width * height <= 0:
        raise ValueError("is no part of the picture, give [x, y, width, height] within 0..1")
    return box


def _check_clock_format(text: str) -> str:
    if (wrong := ClockPattern.format_problem(text)) is not None:
        raise ValueError(wrong)
    return text


class _ClockSection(SettingsSection):
    box: Annotated[tuple[float, float, float, float], AfterValidator(_check_clock_box)]
    format: Annotated[str, AfterValidator(_check_clock_format)] = DEFAULT_CLOCK_FORMAT

    def policy(self) -> ClockTemplate:
        return ClockTemplate(box=self.box, format=self.format)


class _AreasSection(SettingsSection):
    clock: _ClockSection | None = None
    visible: PolygonPoints | None = None
    ignore: tuple[PolygonPoints, ...] = ()
    zones: tuple[_ZoneSection, ...] = ()


_ZonesFile = dict[Annotated[str, AfterValidator(_check_camera_id)], _AreasSection]


def load_areas(
    path: Path, notes: FileProblemLog, models: Sequence[ModelSpec] = ()
) -> tuple[dict[str, PictureAreas], dict[str, int]]:
    """Areas by camera id, and the line of each; empty when there is no file or a problem.

    `models`: the site's own; what its object detector can name may stand in `classes`, too.
    """
    if not path.exists():
        return {}, {}
    document = read_yaml(path, notes)
    file: dict[str, _AreasSection] | None = (
        validate(_ZonesFile, document, notes) if document is not None else None
    )
    if file is None or document is None:
        return {}, {}
    lines = document.key_lines()
    vocabulary = _ZoneClasses.of(models)
    areas: dict[str, PictureAreas] = {}
    for camera, section in file.items():
        _check_names(camera, section, lines[camera], notes)
        vocabulary.check(camera, section, document, notes)
        areas[camera] = PictureAreas(
            visible=section.visible, zones=tuple(zone.policy() for zone in section.zones),
            ignore=section.ignore,
            clock=section.clock.policy() if section.clock is not None else None,
        )  # fmt: skip
    return areas, lines


@dataclass(frozen=True, slots=True)
class _ZoneClasses:
    """The classes that zones may name, and those that the site's own detector can see."""

    known: tuple[str, ...]
    seen: frozenset[str]
    detector: str

    @classmethod
    def of(cls, models: Sequence[ModelSpec]) -> "_ZoneClasses":
        """COCO's, and the labels of the site's own model."""
        own = next((model for model in models if model.purpose == Purpose.OBJECTS), None)
        labels = own.labels if own is not None else COCO80
        known = tuple(dict.fromkeys((*COCO80, *labels)))
        return cls(known, frozenset(labels), own.name if own is not None else "")

    def check(
        self, camera: str, section: _AreasSection, document: YamlDocument, notes: FileProblemLog
    ) -> None:
        """Note unknown classes, and those that the detector has no label for."""
        for z, zone in enumerate(section.zones):
            for c, name in enumerate(zone.classes):
                if name in self.seen:
                    continue
                line = document.line((camera, "zones", z, "classes", c))
                field = f"{camera}.zones[{z}].classes[{c}]"
                if name in self.known:
                    notes.add_notice(line, field, f"model {self.detector} has no label {name!r}")
                else:
                    wrong = f"unknown class {name!r}{did_you_mean(name, list(self.known))}"
                    notes.add_problem(line, field, wrong)


def _check_names(camera: str, section: _AreasSection, line: int, notes: FileProblemLog) -> None:
    names = [zone.name for zone in section.zones]
    for name in sorted({name for name in names if names.count(name) > 1}):
        notes.add_problem(line, camera, f"two zones are called {name!r}, give each its own name")
