"""people.csv → who can be told, and who stands in for whom."""

import re
from pathlib import Path

from patrol.domain.grid import GridLevel, Person, Role
from patrol.domain.ids import GridCode, PersonId, plain_id_problem
from patrol.settings.cells import Cells, Once
from patrol.settings.csv_file import read_table
from patrol.settings.grids import Grids
from patrol.settings.problems import FileNotes

REQUIRED = ("person_id", "name", "role", "grid_code")
OPTIONAL = ("mqtt_user", "phone", "substitute_for")
ROLES = {role.value: role for role in Role}
# Where these belong; any grid may have the others (a village's own grid is led, too).
ONLY_ON = {
    Role.TOWN_DUTY: (GridLevel.TOWN,),
    Role.VILLAGE_CADRE: (GridLevel.VILLAGE, GridLevel.GROUP),
}
_PHONE = re.compile(r"[+0-9][0-9 ()-]{1,24}", re.ASCII)

People = dict[PersonId, Person]


def load_people(path: Path, grids: Grids | None, notes: FileNotes) -> People | None:
    """Everyone by id, or None when the file has no usable table."""
    rows = read_table(path, required=REQUIRED, optional=OPTIONAL, notes=notes)
    if rows is None:
        return None
    once = Once()
    read = [(cells, _person(cells, grids, once)) for cells in (Cells(row, notes) for row in rows)]
    people = {person.id: person for _, person in read if person is not None}
    for cells, person in read:
        if person is not None:
            _check_substitute(cells, person, people, once)
    return people


def _person(cells: Cells, grids: Grids | None, once: Once) -> Person | None:
    ident = cells.code("person_id", plain_id_problem, "an identifier such as P-0001")
    once.check(cells, "person_id")
    name = cells.needed("name", "what to call this person") and cells.words("name")
    role = cells.choice("role", ROLES)
    code = cells.needed("grid_code", "the grid that this person answers for")
    if grids is not None and code:
        _check_grid(cells, code, role, grids)
    user, phone = cells.text("mqtt_user"), cells.text("phone")
    if user and (reason := plain_id_problem(user)) is not None:
        cells.wrong("mqtt_user", reason)
    if phone and not _PHONE.fullmatch(phone):
        cells.wrong("phone", f"{phone!r} is not a telephone number, use digits")
    if not cells.ok or role is None:
        return None
    substitute_for = PersonId(cells.text("substitute_for")) or None
    return Person(
        id=PersonId(ident), name=name, role=role, grid=GridCode(code),
        mqtt_user=user, phone=phone, substitute_for=substitute_for,
    )  # fmt: skip


def _check_grid(cells: Cells, code: str, role: Role | None, grids: Grids) -> None:
    if (reason := grids.problem_of(code)) is not None:
        cells.wrong("grid_code", reason)
        return
    grid = grids.tree.grids.get(GridCode(code))
    allowed = ONLY_ON.get(role) if role is not None else None
    if grid is not None and allowed is not None and grid.level not in allowed:
        levels = " or a ".join(allowed)
        cells.wrong("role", f"{role} belongs to a {levels}, {code} is a {grid.level}")


def _check_substitute(cells: Cells, person: Person, people: People, once: Once) -> None:
    stands_for = person.substitute_for
    if stands_for is None:
        return
    if stands_for == person.id:
        cells.wrong("substitute_for", "nobody is their own substitute, name another person")
        return
    principal = people.get(stands_for)
    if principal is None:
        if stands_for not in once:
            cells.wrong(
                "substitute_for", f"person {stands_for!r} is not in this file, give a person_id"
            )
        return
    if principal.grid != person.grid:
        cells.wrong(
            "substitute_for",
            f"{stands_for} answers for grid {principal.grid}, a substitute is of the same grid",
        )
    if principal.substitute_for == person.id and person.id < stands_for:
        cells.wrong(
            "substitute_for",
            f"{person.id} and {stands_for} stand in for each other, let one of them be the first",
        )
