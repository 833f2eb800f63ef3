"""grids.geojson (optional) → the outline of each grid for the map, by its code.

A FeatureCollection in WGS-84 whose features say `grid_code` in their properties; nothing else of
them is used. It is read at start, like grids.csv.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from patrol.settings.grids import Grids
from patrol.settings.problems import FileNotes
from patrol.settings.text_file import read_text

Shapes = Mapping[str, Mapping[str, Any]]
DEPTHS: Final = {"Polygon": 2, "MultiPolygon": 3}  # lists around a point
LONGEST_LONGITUDE, LONGEST_LATITUDE = 180, 90


def load_shapes(path: Path, grids: Grids | None, notes: FileNotes) -> Shapes:
    """Geometries by grid code; empty when there is no file, or a problem."""
    text = read_text(path, notes) if path.exists() else None
    if text is None:
        return {}
    try:
        document = json.loads(text)
    except json.JSONDecodeError as exc:
        notes.problem(exc.lineno, "file", f"is not JSON here: {exc.msg}")
        return {}
    if not isinstance(document, dict) or document.get("type") != "FeatureCollection":
        notes.problem(1, "type", "is not FeatureCollection, export the grids as GeoJSON")
        return {}
    features = document.get("features")
    shapes: dict[str, Mapping[str, Any]] = {}
    for number, feature in enumerate(features if isinstance(features, list) else []):
        _take(feature, f"features[{number}]", shapes, grids, (text, notes))
    return shapes


def _take(
    feature: Any,
    where: str,
    shapes: dict[str, Mapping[str, Any]],
    grids: Grids | None,
    file: tuple[str, FileNotes],
) -> None:
    text, notes = file
    known = feature if isinstance(feature, dict) else {}
    code = str((known.get("properties") or {}).get("grid_code", ""))
    line = text.count("\n", 0, max(0, text.find(f'"{code}"'))) + 1
    if not code:
        notes.problem(line, f"{where}.properties.grid_code", "is missing, say whose outline it is")
    elif code in shapes:
        notes.problem(line, where, f"grid {code} has an outline already, make one MultiPolygon")
    elif grids is not None and (reason := grids.problem_of(code)):
        notes.problem(line, f"{where}.properties.grid_code", reason)
    elif wrong := _wrong(known.get("geometry")):
        notes.problem(line, f"{where}.geometry", wrong)
    else:
        shapes[code] = known["geometry"]


def _wrong(geometry: Any) -> str | None:
    """Why it is no outline."""
    kind = geometry.get("type") if isinstance(geometry, dict) else None
    if kind not in DEPTHS:
        return f"{kind!r} is no outline, give a Polygon or a MultiPolygon"
    try:
        points = list(_points(geometry.get("coordinates"), DEPTHS[kind]))
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
