"""grids.geojson, optional → the outline of each grid for the map.

A FeatureCollection in WGS-84 whose features have `grid_code` in their properties; nothing else of
them is used.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from patrol.settings.grids_people_csv import LoadedGrids
from patrol.settings.problems import FileProblemLog
from patrol.settings.text_file import read_text

GridShapes = Mapping[str, Mapping[str, Any]]
COORDINATE_DEPTHS: Final = {"Polygon": 2, "MultiPolygon": 3}  # lists around a point
LONGEST_LONGITUDE, LONGEST_LATITUDE = 180, 90


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
