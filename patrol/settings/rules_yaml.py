"""rules.yaml, models.yaml and grids.geojson, each optional: finding rules, weight files, outlines.

rules.yaml: which observations make findings, as what, how urgent, and which are announced
unreviewed. Written by kind; what the file does not name keeps the product's rule, and `KIND: off`
makes no findings.

models.yaml: the site's own weight files, each with its purpose. Only what is written is checked
here. Whether the file is there, hashes right and answers as its entry says is found out when it is
opened (app/detectors.py): a model that does not is refused by name, and rounds run without it.

grids.geojson: the outline of each grid for the map, a FeatureCollection in WGS-84 whose features
have `grid_code` in their properties; nothing else of them is used.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from patrol.domain.category import CATEGORY_BY_ID
from patrol.domain.observation import FAULT_FINDING_KINDS, FindingRule, FindingRules
from patrol.domain.priority import Level
from patrol.inference.manifest import EntryBroken, Layout, ModelSpec, Purpose, read_entry
from patrol.settings.grids_people_csv import LoadedGrids
from patrol.settings.problems import FileProblemLog, did_you_mean
from patrol.settings.text_file import read_text
from patrol.settings.yaml_file import YamlDocument, read_yaml, validate
from patrol.settings.yaml_types import SettingsSection

RULE_KINDS = tuple(
    dict.fromkeys([*FAULT_FINDING_KINDS, "clock_skew", "slow_keyframe", *CATEGORY_BY_ID])
)
RULE_LEVELS = {level.value: level for level in Level} | {
    level.name.lower(): level for level in Level
}
GridShapes = Mapping[str, Mapping[str, Any]]
COORDINATE_DEPTHS: Final = {"Polygon": 2, "MultiPolygon": 3}  # lists around a point
LONGEST_LONGITUDE, LONGEST_LATITUDE = 180, 90
SITE_PURPOSES: Final = (Purpose.OBJECTS, Purpose.FIRE)
NON_DETECTOR_LAYOUTS: Final = (Layout.CENTERFACE, Layout.RETINAFACE)


def load_models(path: Path, notes: FileProblemLog) -> tuple[ModelSpec, ...]:
    """The site's models; none when there is no file or a problem."""
    if not path.exists():
        return ()
    document = read_yaml(path, notes)
    entries = _model_entries(document, notes) if document is not None else None
    if document is None or entries is None:
        return ()
    models: dict[str, ModelSpec] = {}
    for name, entry in entries.items():
        model = _read_model(str(name), entry, document, notes)
        if model is None:
            continue
        if model.purpose in models:
            text = f"{models[model.purpose].name} is for {model.purpose} already, keep one"
            notes.add_problem(document.line(("models", name)), str(name), text)
        models[model.purpose] = model
    return tuple(models.values())


def _model_entries(document: YamlDocument, notes: FileProblemLog) -> Mapping[str, Any] | None:
    entries = document.data.get("models") if isinstance(document.data, dict) else None
    if not isinstance(entries, dict) or not entries:
        notes.add_problem(1, "models", "is missing, write `models:` and below it entries by name")
        return None
    for key in document.data:
        if key != "models":
            notes.add_problem(
                document.line((key,)), str(key), "unknown, entries stand below `models:`"
            )
    return entries


def _read_model(
    name: str, entry: Any, document: YamlDocument, notes: FileProblemLog
) -> ModelSpec | None:
    try:
        model = read_entry(name, entry)
    except EntryBroken as exc:
        for where, text in exc.problems:
            notes.add_problem(
                document.line(("models", name, *where)), _model_field(name, *where), text
            )
        return None
    wrong = list(_site_model_problems(model))
    for field, text in wrong:
        notes.add_problem(document.line(("models", name, field)), _model_field(name, field), text)
    return None if wrong else model


def _model_field(name: str, *where: str) -> str:
    return ".".join(("models", name, *where))


def _site_model_problems(model: ModelSpec) -> list[tuple[str, str]]:
    """Problems of an entry that only the product's own manifest may have."""
    wrong = []
    if model.own is None:
        wrong.append(("path", "is missing, say where the .onnx file lies"))
    if model.purpose not in SITE_PURPOSES:
        wrong.append(("purpose", f"give one of {', '.join(SITE_PURPOSES)}"))
    elif model.layout in NON_DETECTOR_LAYOUTS:
        fit = ", ".join(layout for layout in Layout if layout not in NON_DETECTOR_LAYOUTS)
        wrong.append(("layout", f"{model.layout} finds no objects, give one of {fit}"))
    if model.source is not None:
        wrong.append(("source", "a site brings its file itself, give its path"))
    return wrong


def _check_rule_kind(kind: str) -> str:
    if kind not in RULE_KINDS:
        raise ValueError(f"unknown kind {kind!r}{did_you_mean(kind, list(RULE_KINDS))}")
    return kind


def _check_category(name: str) -> str:
    if name not in CATEGORY_BY_ID:
        raise ValueError(f"unknown category {name!r}{did_you_mean(name, list(CATEGORY_BY_ID))}")
    return name


def _parse_level(value: object) -> Level:
    level = RULE_LEVELS.get(str(value).strip())
    if level is None:
        raise ValueError(f"{value!r} is not a level, give I, II, III or IV")
    return level


class _RuleSection(SettingsSection):
    category: Annotated[str, AfterValidator(_check_category)] | None = None
    level: Annotated[Level, BeforeValidator(_parse_level)] | None = None
    min_score: float | None = Field(default=None, ge=0, le=1)
    min_visits: int | None = Field(default=None, ge=1, le=50)
    unreviewed: bool = False


_RuleKind = Annotated[str, AfterValidator(_check_rule_kind)]


def _off_as_section(value: object) -> object:
    return {"off": True} if value == "off" else value


class _RuleOrOffSection(_RuleSection):
    off: Literal[True] | None = None


_RulesFile = dict[_RuleKind, Annotated[_RuleOrOffSection, BeforeValidator(_off_as_section)]]


def load_rules(path: Path, notes: FileProblemLog) -> FindingRules:
    """The site's rules over the product's; the product's alone when there is no file."""
    default_rules = FindingRules()
    if not path.exists():
        return default_rules
    document = read_yaml(path, notes)
    file: dict[str, _RuleOrOffSection] | None = (
        validate(_RulesFile, document, notes) if document is not None else None
    )
    if file is None:
        return default_rules
    return FindingRules(
        by_kind={
            **default_rules.by_kind,
            **{k: _merged_rule(k, s, default_rules) for k, s in file.items()},
        }
    )


def _merged_rule(kind: str, section: _RuleOrOffSection, default_rules: FindingRules) -> FindingRule:
    base = default_rules.by_kind.get(kind)
    if base is None:
        own = kind if kind in CATEGORY_BY_ID else "equipment"
        base = FindingRule(kind=kind, category=own, level=Level.ORDINARY)
    return FindingRule(
        kind=kind,
        category=section.category or base.category,
        level=section.level or base.level,
        min_score=base.min_score if section.min_score is None else section.min_score,
        min_visits=section.min_visits or base.min_visits,
        unreviewed=section.unreviewed,
        enabled=not section.off,
    )


def load_shapes(path: Path, grids: LoadedGrids | None, notes: FileProblemLog) -> GridShapes:
    """Geometries by grid code; empty when there is no file, or a problem."""
    text = read_text(path, notes) if path.exists() else None
    if text is None:
        return {}
    try:
        document = json.loads(text)
    except json.JSONDecodeError as exc:
        notes.add_problem(exc.lineno, "file", f"is not JSON here: {exc.msg}")
        return {}
    if not isinstance(document, dict) or document.get("type") != "FeatureCollection":
        notes.add_problem(1, "type", "is not FeatureCollection, export the grids as GeoJSON")
        return {}
    features = document.get("features")
    shapes: dict[str, Mapping[str, Any]] = {}
    for number, feature in enumerate(features if isinstance(features, list) else []):
        _add_shape(feature, f"features[{number}]", shapes, grids, (text, notes))
    return shapes


def _add_shape(
    feature: Any,
    where: str,
    shapes: dict[str, Mapping[str, Any]],
    grids: LoadedGrids | None,
    file: tuple[str, FileProblemLog],
) -> None:
    text, notes = file
    known = feature if isinstance(feature, dict) else {}
    code = str((known.get("properties") or {}).get("grid_code", ""))
    line = text.count("\n", 0, max(0, text.find(f'"{code}"'))) + 1
    if not code:
        notes.add_problem(
            line, f"{where}.properties.grid_code", "is missing, say whose outline it is"
        )
    elif code in shapes:
        notes.add_problem(line, where, f"grid {code} has an outline already, make one MultiPolygon")
    elif grids is not None and (reason := grids.problem_of(code)):
        notes.add_problem(line, f"{where}.properties.grid_code", reason)
    elif wrong := _geometry_problem(known.get("geometry")):
        notes.add_problem(line, f"{where}.geometry", wrong)
    else:
        shapes[code] = known["geometry"]


def _geometry_problem(geometry: Any) -> str | None:
    """Why it is no outline; None when it is one."""
    kind = geometry.get("type") if isinstance(geometry, dict) else None
    if kind not in COORDINATE_DEPTHS:
        return f"{kind!r} is no outline, give a Polygon or a MultiPolygon"
    try:
        points = list(_points(geometry.get("coordinates"), COORDINATE_DEPTHS[kind]))
    except (TypeError, ValueError, IndexError):
        return f"the coordinates are not those of a {kind}"
    if not points:
        return "has no points"
    for longitude, latitude in points:
        if not (abs(longitude) <= LONGEST_LONGITUDE and abs(latitude) <= LONGEST_LATITUDE):
            return f"({longitude}, {latitude}) is nowhere, give WGS-84 degrees: longitude, latitude"
    return None


def _points(nested: Any, depth: int) -> Iterator[tuple[float, float]]:
    if not isinstance(nested, list):
        raise TypeError(nested)
    if depth == 0:
        yield float(nested[0]), float(nested[1])
        return
    for inner in nested:
        yield from _points(inner, depth - 1)
