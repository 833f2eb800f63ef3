"""grids.csv → the three-level tree of grids (镇-村-组); people.csv → who gets messages.

grids.geojson, optional → the outline of each grid for the map: a FeatureCollection in WGS-84 whose
features have `grid_code` in their properties; nothing else of them is used.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from patrol.domain import labels
from patrol.domain.ids import GridCode, PersonId, grid_code_problem, plain_id_problem
from patrol.domain.registry import GROUND_KINDS, Grid, GridLevel, GridTree, Person, Role
from patrol.settings.config_file import FileProblemLog, read_text
from patrol.settings.csv_file import CsvRow, UniqueColumn, read_table

GRID_REQUIRED = ("grid_code", "name", "level", "parent")
GRID_LEVELS = {level.value: level for level in GridLevel}
PARENT_OF = {GridLevel.VILLAGE: GridLevel.TOWN, GridLevel.GROUP: GridLevel.VILLAGE}

PERSON_REQUIRED = ("person_id", "name", "role", "grid_code")
PERSON_OPTIONAL = ("mqtt_user", "phone", "substitute_for", "kind")
ROLES = {role.value: role for role in Role}
LEVEL_ALIASES = {"镇": GridLevel.TOWN, "村": GridLevel.VILLAGE, "组": GridLevel.GROUP}
ROLE_ALIASES = {labels.ROLES[role][0]: role for role in Role} | {"运维": Role.MAINTAINER}
KINDS = {kind.value: kind for kind in GROUND_KINDS}
KIND_ALIASES = {labels.ROLES[kind][0]: kind for kind in GROUND_KINDS}
# Where these belong; any grid may have the others (a village's own grid is led, too).
LEVELS_OF_ROLE = {
    Role.TOWN_DUTY: (GridLevel.TOWN,),
    Role.VILLAGE_CADRE: (GridLevel.VILLAGE, GridLevel.GROUP),
}
_PHONE = re.compile(r"[+0-9][0-9 ()-]{1,24}", re.ASCII)

People = dict[PersonId, Person]


@dataclass(frozen=True, slots=True)
class LoadedGrids:
    """The tree, and every code that the file names, also on rows that have another problem."""

    tree: GridTree
    named: frozenset[str]

    def problem_of(self, code: str) -> str | None:
        """Why a camera or a person cannot belong to `code`; None when it can."""
        if code in self.named:
            return None
        return f"grid {code!r} is not in grids.csv, add it there or give one that is"

    def check(self, row: CsvRow, column: str, code: str) -> bool:
        """Whether a camera or a person can belong to `code`; why not is noted."""
        if row.is_made_a_number(column, "give 15 digits"):
            return False
        if (reason := self.problem_of(code)) is not None:
            row.add_problem(column, reason)
        return reason is None


def load_grids(path: Path, notes: FileProblemLog) -> LoadedGrids | None:
    """The grids, or None when the file has no usable table."""
    rows = read_table(path, required=GRID_REQUIRED, optional=(), notes=notes)
    if rows is None:
        return None
    unique_codes = UniqueColumn()
    read = [
        (cells, _read_grid(cells, unique_codes)) for cells in (CsvRow(row, notes) for row in rows)
    ]
    grids = {grid.code: grid for _, grid in read if grid is not None}
    for cells, grid in read:
        if grid is not None:
            _check_parent(cells, grid, grids, unique_codes)
    _check_cycles(grids, unique_codes, notes)
    return LoadedGrids(GridTree(grids=grids), frozenset(str(code) for code in _codes(read)))


def _codes(read: Iterable[tuple[CsvRow, Grid | None]]) -> Iterable[str]:
    return (row.text("grid_code") for row, _ in read)


def _read_grid(row: CsvRow, unique_codes: UniqueColumn) -> Grid | None:
    code = row.code("grid_code", grid_code_problem, "15 digits")
    unique_codes.check(row, "grid_code")
    name = row.required_text("name", "the grid's name") and row.one_line_text("name")
    level = row.choice("level", GRID_LEVELS, aliases=LEVEL_ALIASES)
    parent = row.text("parent")
    if level is GridLevel.TOWN and parent:
        row.add_problem("parent", "a town has no parent, leave it empty")
    elif level in PARENT_OF and not parent:
        row.add_problem("parent", f"is empty, give the {PARENT_OF[level]}'s grid_code")
    if not row.ok or level is None:
        return None
    return Grid(code=GridCode(code), name=name, level=level, parent=GridCode(parent) or None)


def _check_parent(
    row: CsvRow, grid: Grid, grids: dict[GridCode, Grid], unique_codes: UniqueColumn
) -> None:
    if grid.parent is None:
        return
    parent = grids.get(grid.parent)
    wanted = PARENT_OF[grid.level]
    if parent is None:
        if row.is_made_a_number("parent", "give 15 digits"):
            return
        if grid.parent not in unique_codes:  # a row that has a problem of its own is noted once
            row.add_problem("parent", f"grid {grid.parent!r} is not in this file, add it")
    elif parent.level is not wanted:
        row.add_problem(
            "parent",
            f"a {grid.level} stands under a {wanted}, {grid.parent} is a {parent.level}",
        )


def _check_cycles(
    grids: dict[GridCode, Grid], unique_codes: UniqueColumn, notes: FileProblemLog
) -> None:
    done: set[GridCode] = set()
    for start in grids:
        path: list[GridCode] = []
        code: GridCode | None = start
        while code is not None and code in grids and code not in done:
            if code in path:
                cycle = " → ".join([*path[path.index(code) :], code])
                notes.add_problem(
                    unique_codes.line(code),
                    "parent",
                    f"parents go round in a circle, cut it: {cycle}",
                )
                break
            path.append(code)
            code = grids[code].parent
        done.update(path)


def load_people(path: Path, grids: LoadedGrids | None, notes: FileProblemLog) -> People | None:
    """Everyone by id, or None when the file has no usable table."""
    rows = read_table(path, required=PERSON_REQUIRED, optional=PERSON_OPTIONAL, notes=notes)
    if rows is None:
        return None
    unique_ids = UniqueColumn()
    read = [
        (cells, _read_person(cells, grids, unique_ids))
        for cells in (CsvRow(row, notes) for row in rows)
    ]
    people = {person.id: person for _, person in read if person is not None}
    for cells, person in read:
        if person is not None:
            _check_substitute(cells, person, people, unique_ids)
    return people


def _read_person(row: CsvRow, grids: LoadedGrids | None, unique_ids: UniqueColumn) -> Person | None:
    ident = row.code("person_id", plain_id_problem, "an identifier such as P-0001")
    unique_ids.check(row, "person_id")
    name = row.required_text("name", "what to call this person") and row.one_line_text("name")
    role = row.choice("role", ROLES, aliases=ROLE_ALIASES)
    kind = row.choice("kind", KINDS, aliases=KIND_ALIASES) if row.text("kind") else None
    code = row.required_text("grid_code", "the grid that this person answers for")
    if grids is not None and code:
        _check_grid(row, code, role, grids)
    user, phone = row.text("mqtt_user"), row.text("phone")
    made_a_number = row.is_made_a_number("mqtt_user", "give it anew")
    if user and not made_a_number and (reason := plain_id_problem(user)) is not None:
        row.add_problem("mqtt_user", reason)
    if phone and not _PHONE.fullmatch(phone):
        excel = ", format the column as text: Excel made a number of it" if "E+" in phone else ""
        row.add_problem("phone", f"{phone!r} is not a telephone number, use digits{excel}")
    if not row.ok or role is None:
        return None
    substitute_for = PersonId(row.text("substitute_for")) or None
    return Person(
        id=PersonId(ident), name=name, role=role, grid=GridCode(code),
        mqtt_user=user, phone=phone, substitute_for=substitute_for, kind=kind,
    )  # fmt: skip


def _check_grid(row: CsvRow, code: str, role: Role | None, grids: LoadedGrids) -> None:
    if not grids.check(row, "grid_code", code):
        return
    grid = grids.tree.grids.get(GridCode(code))
    allowed = LEVELS_OF_ROLE.get(role) if role is not None else None
    if grid is not None and allowed is not None and grid.level not in allowed:
        levels = " or a ".join(allowed)
        row.add_problem("role", f"{role} belongs to a {levels}, {code} is a {grid.level}")


def _check_substitute(
    row: CsvRow, person: Person, people: People, unique_ids: UniqueColumn
) -> None:
    stands_for = person.substitute_for
    if stands_for is None:
        return
    if stands_for == person.id:
        row.add_problem("substitute_for", "nobody is their own substitute, name another person")
        return
    principal = people.get(stands_for)
    if principal is None:
        made_a_number = row.is_made_a_number("substitute_for", "give a person_id")
        if not made_a_number and stands_for not in unique_ids:
            row.add_problem(
                "substitute_for", f"person {stands_for!r} is not in this file, give a person_id"
            )
        return
    if principal.grid != person.grid:
        row.add_problem(
            "substitute_for",
            f"{stands_for} answers for grid {principal.grid}, a substitute is of the same grid",
        )
    if principal.substitute_for == person.id and person.id < stands_for:
        row.add_problem(
            "substitute_for",
            f"{person.id} and {stands_for} stand in for each other, let one of them be the first",
        )


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
    except (ValueError, RecursionError):
        notes.add_problem(
            1, "file", "has a number or a nesting that no outline has, export it anew"
        )
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
    properties = known.get("properties")
    code = str(properties.get("grid_code", "")) if isinstance(properties, dict) else ""
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
    if not isinstance(kind, str) or kind not in COORDINATE_DEPTHS:
        return f"{kind!r} is no outline, give a Polygon or a MultiPolygon"
    try:
        points = list(_points(geometry.get("coordinates"), COORDINATE_DEPTHS[kind]))
    except (TypeError, ValueError, IndexError, OverflowError):
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
