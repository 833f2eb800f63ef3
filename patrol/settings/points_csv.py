"""points.csv, optional → the points where patrols on the ground check in.

| column | what |
|---|---|
| point_id, name | an identifier, and what people call it |
| kind | grid (网格点), key_site (重点部位) or railway (铁路护路) |
| grid_code | of grids.csv |
| longitude, latitude | WGS-84; both or none |
| radius_m | how far from it a person still is there, 10 to 2000; empty: 100 |
| code_version | raised to make printed codes worthless; empty: 1 |
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from patrol.domain.ids import GridCode, plain_id_problem
from patrol.domain.registry import DEFAULT_RADIUS_M, PatrolPoint, PointKind
from patrol.settings.config_file import FileProblemLog
from patrol.settings.csv_file import CsvRow, UniqueColumn, read_table
from patrol.settings.grids_people import LONGEST_LATITUDE, LONGEST_LONGITUDE, LoadedGrids

POINT_REQUIRED: Final = ("point_id", "name", "kind", "grid_code")
POINT_OPTIONAL: Final = ("longitude", "latitude", "radius_m", "code_version")
KINDS: Final = {kind.value: kind for kind in PointKind}
KIND_ALIASES: Final = {
    "网格点": PointKind.GRID, "网格": PointKind.GRID, "重点部位": PointKind.KEY_SITE,
    "铁路护路": PointKind.RAILWAY, "铁路": PointKind.RAILWAY,
}  # fmt: skip
RADIUS_M: Final = (10, 2000)
CODE_VERSIONS: Final = (1, 999_999)


def load_points(
    path: Path, grids: LoadedGrids | None, notes: FileProblemLog
) -> Mapping[str, PatrolPoint]:
    """The points by id, in the order of the file; none without a file."""
    if not path.exists():
        return {}
    rows = read_table(path, required=POINT_REQUIRED, optional=POINT_OPTIONAL, notes=notes)
    unique_ids = UniqueColumn()
    read = [_read_point(CsvRow(row, notes), grids, unique_ids) for row in rows or ()]
    return {point.id: point for point in read if point is not None}


def _read_point(
    row: CsvRow, grids: LoadedGrids | None, unique_ids: UniqueColumn
) -> PatrolPoint | None:
    ident = row.code("point_id", plain_id_problem, "an identifier such as W-0001")
    unique_ids.check(row, "point_id")
    name = row.required_text("name", "what to call this point") and row.one_line_text("name")
    kind = row.choice("kind", KINDS, aliases=KIND_ALIASES)
    code = row.required_text("grid_code", "the grid that it lies in")
    if grids is not None and code:
        grids.check(row, "grid_code", code)
    longitude = row.degrees("longitude", LONGEST_LONGITUDE)
    latitude = row.degrees("latitude", LONGEST_LATITUDE)
    if bool(row.text("longitude")) != bool(row.text("latitude")):
        row.add_problem("longitude", "longitude and latitude belong together, give both or none")
    radius = _whole_number(row, "radius_m", RADIUS_M, int(DEFAULT_RADIUS_M))
    version = _whole_number(row, "code_version", CODE_VERSIONS, 1)
    if not row.ok or kind is None:
        return None
    return PatrolPoint(
        id=ident, name=name, kind=kind, grid=GridCode(code), longitude=longitude,
        latitude=latitude, radius_m=float(radius), code_version=version,
    )  # fmt: skip


def _whole_number(row: CsvRow, column: str, limits: tuple[int, int], default: int) -> int:
    text, (least, most) = row.text(column), limits
    if not text:
        return default
    if not (text.isascii() and text.isdecimal()) or not least <= int(text[:9]) <= most:
        row.add_problem(column, f"{text!r} is not a whole number from {least} to {most}")
        return default
    return int(text)
