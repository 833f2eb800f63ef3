"""grids.csv → the three-level tree (镇-村-组)."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from patrol.domain.grid import Grid, GridLevel, GridTree
from patrol.domain.ids import GridCode, grid_code_problem
from patrol.settings.cells import Cells, Once
from patrol.settings.csv_file import read_table
from patrol.settings.problems import FileNotes

REQUIRED = ("grid_code", "name", "level", "parent")
LEVELS = {level.value: level for level in GridLevel}
PARENT_OF = {GridLevel.VILLAGE: GridLevel.TOWN, GridLevel.GROUP: GridLevel.VILLAGE}


@dataclass(frozen=True, slots=True)
class Grids:
    """The tree, and every code that the file names, also on rows that have another problem."""

    tree: GridTree
    named: frozenset[str]

    def problem_of(self, code: str) -> str | None:
        """Why a camera or a person cannot belong to `code`; None when it can."""
        if code in self.named:
            return None
        return f"grid {code!r} is not in grids.csv, add it there or give one that is"


def load_grids(path: Path, notes: FileNotes) -> Grids | None:
    """The grids, or None when the file has no usable table."""
    rows = read_table(path, required=REQUIRED, optional=(), notes=notes)
    if rows is None:
        return None
    once = Once()
    read = [(cells, _grid(cells, once)) for cells in (Cells(row, notes) for row in rows)]
    grids = {grid.code: grid for _, grid in read if grid is not None}
    for cells, grid in read:
        if grid is not None:
            _check_parent(cells, grid, grids, once)
    _check_circles(grids, once, notes)
    return Grids(GridTree(grids=grids), frozenset(str(code) for code in _codes(read)))


def _codes(read: Iterable[tuple[Cells, Grid | None]]) -> Iterable[str]:
    return (cells.text("grid_code") for cells, _ in read)


def _grid(cells: Cells, once: Once) -> Grid | None:
    code = cells.code("grid_code", grid_code_problem, "15 digits")
    once.check(cells, "grid_code")
    name = cells.needed("name", "the grid's name") and cells.words("name")
    level = cells.choice("level", LEVELS)
    parent = cells.text("parent")
    if level is GridLevel.TOWN and parent:
        cells.wrong("parent", "a town has no parent, leave it empty")
    elif level in PARENT_OF and not parent:
        cells.wrong("parent", f"is empty, give the {PARENT_OF[level]}'s grid_code")
    if not cells.ok or level is None:
        return None
    return Grid(code=GridCode(code), name=name, level=level, parent=GridCode(parent) or None)


def _check_parent(cells: Cells, grid: Grid, grids: dict[GridCode, Grid], once: Once) -> None:
    if grid.parent is None:
        return
    parent = grids.get(grid.parent)
    wanted = PARENT_OF[grid.level]
    if parent is None:
        if grid.parent not in once:  # a row that has a problem of its own is not told twice
            cells.wrong("parent", f"grid {grid.parent!r} is not in this file, add it")
    elif parent.level is not wanted:
        cells.wrong(
            "parent",
            f"a {grid.level} stands under a {wanted}, {grid.parent} is a {parent.level}",
        )


def _check_circles(grids: dict[GridCode, Grid], once: Once, notes: FileNotes) -> None:
    done: set[GridCode] = set()
    for start in grids:
        path: list[GridCode] = []
        code: GridCode | None = start
        while code is not None and code in grids and code not in done:
            if code in path:
                circle = " → ".join([*path[path.index(code) :], code])
                notes.problem(
                    once.line(code), "parent", f"parents go round in a circle, cut it: {circle}"
                )
                break
            path.append(code)
            code = grids[code].parent
        done.update(path)
