"""Every action in the console, at the command line and in the API: the table of docs/town.md.

The table is compared with the routes, buttons and verbs that there are: a new one that is in no row
fails here, as does a cell that names none. What the table leaves out is listed here with its
reason.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, get_args

import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute

from patrol.cli.town_verbs import TOWN_VERBS
from patrol.cli.verbs import VERBS
from patrol.web.api.app import TOWN_ROUTERS
from patrol.web.api.routes import router as api_router
from patrol.web.api.town_documents import CaseDecision, CaseMove
from patrol.web.auth import SAFE_METHODS
from patrol.web.pages import ROUTERS
from patrol.web.pages.case_actions import BUTTONS

DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "town.md"
MOVES: Final = ("POST /api/cases/{case_id}/move", "POST /cases/{case_id}/moves")
DECISIONS: Final = "POST /cases/{case_id}/decisions"
NOT_OF_THE_TOWN: Final = {  # actions of the console that docs/town.md is not about, and why
    "session and account of the one who is logged in": (
        "POST /login", "POST /api/welcome", "POST /api/logout", "POST /api/display",
        "POST /api/account/password", "POST /api/account/attention",
        "POST /api/sessions/{short}/end",
    ),
    "administration: accounts and keys": (
        "POST /api/accounts", "POST /api/accounts/{name}/duty",
        "POST /api/accounts/{name}/{action}", "POST /api/keys", "POST /api/keys/{key_id}/revoke",
    ),
    "what a page does for itself, no action": (
        "POST /api/review/hand", "POST /api/review/release", "POST /api/notes/check",
    ),
    "cameras: registry, areas, references, suppressions": (
        "POST /api/cameras/import/check", "POST /api/cameras/import",
        "PUT /api/cameras/{ident}/areas", "POST /api/cameras/{ident}/reference",
        "POST /api/suppressions/{number}/end", "POST /api/suppressions/{number}/extend",
    ),
    "operations: stoppages, holds, checks": (
        "POST /api/stoppages", "POST /api/stoppages/{number}/end", "POST /api/audit/check",
        "POST /api/system/check", "POST /api/holds", "POST /api/holds/end",
        "POST /holds", "POST /holds/{number}/end",
    ),
}  # fmt: skip


def routes_of(routers: Iterable[APIRouter]) -> Iterator[str]:
    """`METHOD /path` of every route."""
    for router in routers:
        for route in router.routes:
            assert isinstance(route, APIRoute)
            yield from (f"{method} {route.path}" for method in route.methods or ())


def moves(form: type, field: str, name: str) -> list[str]:
    return [f"{name} {one}" for one in get_args(form.model_fields[field].annotation)]  # type: ignore[attr-defined]  # a pydantic model


CONSOLE: Final = {*routes_of(ROUTERS), *(f"move {name}" for name in BUTTONS)} - {MOVES[0]}
API: Final = {
    *routes_of((*TOWN_ROUTERS, api_router)),
    *moves(CaseMove, "move", "moves"),
    *moves(CaseDecision, "decision", "decisions"),
} - {MOVES[1], DECISIONS}


def table() -> dict[str, tuple[str, str, str]]:
    """(console, command line, API) of each action, as the document has them."""
    text = DOCUMENT.read_text("utf-8").partition("## 动作表")[2]
    lines = [line.strip("| \n").split(" | ") for line in text.splitlines() if line[:2] == "| "]
    assert {len(cells) for cells in lines} == {4}
    return {action: (one, two, three) for action, one, two, three in lines[1:]}


TABLE: Final = table()


def named(cell: str) -> set[str]:
    """What a cell names: texts in backticks, and `move X`; nothing where it gives a reason."""
    if cell.startswith("—"):
        return set()
    found = {one.strip("`") for one in cell.split(", ")}
    assert all(found)
    return found


@pytest.mark.parametrize("action", TABLE)
def test_each_way_of_an_action_is_there(action: str) -> None:
    console, command, api = TABLE[action]
    assert named(console) <= CONSOLE
    assert named(command) <= set(VERBS)
    assert named(api) <= API
    assert named(console), "every action is in the console"
    for cell in (command, api):
        assert named(cell) or re.fullmatch(r"— \S.{10,}", cell), "give a way, or the reason"


def test_no_action_is_missing_from_the_table() -> None:
    """A new button, route or verb of the town is given its other two ways, or a reason."""
    in_table = [set[str](), set[str](), set[str]()]
    for row in TABLE.values():
        for found, cell in zip(in_table, row, strict=True):
            found.update(named(cell))
    elsewhere = {one for every in NOT_OF_THE_TOWN.values() for one in every}
    safe = tuple(SAFE_METHODS)
    acting = [{one for one in way if not one.startswith(safe)} for way in (CONSOLE, API)]
    assert acting[0] - in_table[0] - elsewhere == set()
    assert acting[1] - in_table[2] - elsewhere == set()
    assert set(TOWN_VERBS) - in_table[1] == set()
    assert elsewhere <= CONSOLE | API, "a route that is no more is listed"


def test_no_row_leaves_out_a_way_without_being_counted() -> None:
    """Left to one way: a household's link, pictures, replies of people on the ground, the shift."""
    one_way = [action for action, row in TABLE.items() if not all(map(named, row))]
    assert len(one_way) == 5
