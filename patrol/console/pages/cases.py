"""Cases (案件): the board by state, and one case with everything that happened to it."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import HTMLResponse, Response

from patrol.console.asking import AtDesk, ForCases
from patrol.console.desk import Desk
from patrol.console.gate import Caller
from patrol.console.pages.case_moves import allowed
from patrol.console.pages.common import category_words, grid_name
from patrol.console.pages.one_case import card, one_case
from patrol.console.words import Words
from patrol.domain.account import may_see_case
from patrol.domain.case import Case, CaseState
from patrol.domain.ids import CaseId
from patrol.domain.registry import Registry

MOST_OPEN: Final = 2000
LATELY_ENDED: Final = 300  # looked through for the last column
PER_COLUMN: Final = 50
COLUMNS: Final = (
    # zh, en, states
    ("待签收", "to acknowledge", (CaseState.DISPATCHED, CaseState.REWORK)),
    ("已签收", "acknowledged", (CaseState.ACKNOWLEDGED,)),
    ("处置中", "on site", (CaseState.ARRIVED, CaseState.HANDLED)),
    ("待核查", "to verify", (CaseState.FED_BACK, CaseState.VERIFIED)),
    ("已退回", "returned", (CaseState.RETURNED,)),
    ("已办结", "ended", (CaseState.CLOSED, CaseState.VOIDED)),
)
router = APIRouter()


@router.get("/cases")
def board(
    desk: AtDesk, caller: ForCases, level: str = "", text: str = "", page: int = 1
) -> Response:
    """The board."""
    content = _board(desk, caller, level, text, max(1, page))
    return desk.shell.page("cases.html", caller, level=level, text=text, **content)


@router.get("/cases/part")
def part(
    desk: AtDesk, caller: ForCases, level: str = "", text: str = "", page: int = 1
) -> Response:
    """The board as it moves."""
    content = _board(desk, caller, level, text, max(1, page))
    html = desk.shell.fragment("cases_part.html", caller, level=level, text=text, **content)
    return HTMLResponse(html, headers={"Cache-Control": "no-store"})


@router.get("/cases/{case_id}")
def case_page(desk: AtDesk, caller: ForCases, case_id: str) -> Response:
    """One case."""
    return desk.shell.page("case.html", caller, **_case(desk, caller, case_id))


@router.get("/cases/{case_id}/part")
def case_part(desk: AtDesk, caller: ForCases, case_id: str) -> Response:
    """One case as it moves."""
    html = desk.shell.fragment("case_part.html", caller, **_case(desk, caller, case_id))
    return HTMLResponse(html, headers={"Cache-Control": "no-store"})


def _case(desk: Desk, caller: Caller, case_id: str) -> dict[str, Any]:
    content = one_case(desk, caller, CaseId(case_id))
    return {**content, "allowed": allowed(content["case"], caller)}


def _board(desk: Desk, caller: Caller, level: str, text: str, page: int) -> dict[str, Any]:
    with desk.doors.store.begin_read() as uow:
        running = uow.cases.list(open_only=True, limit=MOST_OPEN)
        lately = uow.cases.list(limit=LATELY_ENDED)
    registry = desk.doors.registry
    ended = [case for case in lately if not case.is_open]
    cases = [
        case
        for case in (*running, *ended)
        if may_see_case(caller.account, case, registry.tree)
        and (not level or case.level.value == level)
        and (not text or text.strip() in _haystack(case, registry, caller.say))
    ]
    columns = [
        _column(caller.say(zh, en), states, cases, caller, registry, page)
        for zh, en, states in COLUMNS
    ]
    most = max((column["count"] for column in columns), default=0)
    return {"columns": columns, "page": page, "pages": max(1, -(-most // PER_COLUMN))}


def _haystack(case: Case, registry: Registry, say: Words) -> str:
    grid = grid_name(registry, case.grid)
    return f"{case.id} {category_words(case.category, say)} {grid} {case.place}"


def _column(  # noqa: PLR0917  a column is what it is made of
    title: str,
    states: Sequence[CaseState],
    cases: Iterable[Case],
    caller: Caller,
    registry: Registry,
    page: int,
) -> dict[str, Any]:
    mine = [case for case in cases if case.state in states]
    if CaseState.CLOSED not in states:
        mine.sort(key=lambda case: (case.due_at, case.id))
    shown = mine[(page - 1) * PER_COLUMN : page * PER_COLUMN]
    return {
        "title": title,
        "count": len(mine),
        "cards": [card(case, caller, registry) for case in shown],
    }
