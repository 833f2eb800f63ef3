"""Cases (案件): the board, one case with everything that happened to it, the desk's moves."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import HTMLResponse, JSONResponse, Response

from patrol.console.asking import AtDesk, ForCases, ForMoves
from patrol.console.desk import Desk
from patrol.console.gate import Caller, Forbidden
from patrol.console.pages.common import (
    category_words,
    grid_name,
    said,
)
from patrol.console.pages.one_case import card, one_case, visible
from patrol.console.words import Words
from patrol.dispatch import desk as moves
from patrol.dispatch.verification import verified
from patrol.domain.account import Right, may_see_case
from patrol.domain.case import Case, CaseEvent, CaseState
from patrol.domain.ids import CaseId, GridCode
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
Kind = Literal["gone", "still_there", "reassign", "void", "close", "reopen"]


class Move(BaseModel):
    """One move of the desk."""

    move: Kind
    note: str = Field(default="", max_length=500)
    grid: str = ""


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
    return desk.shell.page("case.html", caller, **one_case(desk, caller, CaseId(case_id)))


@router.get("/cases/{case_id}/part")
def case_part(desk: AtDesk, caller: ForCases, case_id: str) -> Response:
    """One case as it moves."""
    html = desk.shell.fragment("case_part.html", caller, **one_case(desk, caller, CaseId(case_id)))
    return HTMLResponse(html, headers={"Cache-Control": "no-store"})


@router.post("/api/cases/{case_id}/move")
def move(desk: AtDesk, caller: ForMoves, case_id: str, asked: Move) -> Response:
    """Verify by eye, reassign; ending and reopening are the duty lead's."""
    if asked.move in ("void", "close", "reopen") and not caller.may(Right.SETTLE):
        raise Forbidden(f"{caller.account.name} may not {asked.move}")
    visible(desk, caller, CaseId(case_id))
    with said():
        if asked.move != "gone" and not asked.note.strip():
            raise ValueError(caller.say("请写明理由", "give the reason"))
        settled = _move(desk, caller, CaseId(case_id), asked)
    desk.doors.wake()
    return JSONResponse({"state": settled.state.value})


def _move(desk: Desk, caller: Caller, ident: CaseId, asked: Move) -> Case:
    by, wire, registry = caller.account.name, desk.doors.wire, desk.doors.registry
    now, note = caller.now, asked.note.strip()
    with desk.doors.store.begin() as uow:
        if asked.move in ("gone", "still_there"):
            gone = asked.move == "gone"
            settled = verified(
                uow, ident, gone=gone, by=by, now=now, announcer=wire, note=note,
                after=uow.cases.get(ident).after,
            )  # fmt: skip
        elif asked.move == "reassign":
            settled = moves.reassign(
                uow, ident, GridCode(asked.grid), by=by, now=now, registry=registry, wire=wire,
                note=note,
            )  # fmt: skip
        elif asked.move == "reopen":
            settled = moves.reopen(uow, ident, by=by, now=now, wire=wire, note=note)
        else:
            event = CaseEvent.VOID if asked.move == "void" else CaseEvent.CLOSE
            settled = moves.end(uow, ident, event, by=by, now=now, wire=wire, note=note)
        uow.commit()
    return settled


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
