"""Cases (案件): the board by state, and the page of one case."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from patrol.domain.account import may_see_case
from patrol.domain.case import Case, CaseState
from patrol.domain.ids import CaseId
from patrol.domain.registry import Registry
from patrol.web.auth import CurrentUser
from patrol.web.context import ContextDep, MayViewCases, WebContext
from patrol.web.i18n import Translator, category_label, grid_name
from patrol.web.pages.case_actions import allowed_buttons
from patrol.web.pages.case_detail import case_card, case_detail

MAX_OPEN_CASES: Final = 2000
RECENTLY_ENDED: Final = 300  # newest cases that are read for the last column
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
def cases_page(
    context: ContextDep, user: MayViewCases, level: str = "", text: str = "", page: int = 1
) -> Response:
    """The board, filtered by level and text."""
    content = _board_content(context, user, level, text, max(1, page))
    return context.renderer.render_page("cases.html", user, level=level, text=text, **content)


@router.get("/cases/part")
def cases_fragment(
    context: ContextDep, user: MayViewCases, level: str = "", text: str = "", page: int = 1
) -> Response:
    """The columns of the board, fetched again as cases change."""
    content = _board_content(context, user, level, text, max(1, page))
    return context.renderer.fragment_response(
        "cases_part.html", user, level=level, text=text, **content
    )


@router.get("/cases/{case_id}")
def case_page(context: ContextDep, user: MayViewCases, case_id: str) -> Response:
    """The page of one case."""
    return context.renderer.render_page("case.html", user, **_case_content(context, user, case_id))


@router.get("/cases/{case_id}/part")
def case_fragment(context: ContextDep, user: MayViewCases, case_id: str) -> Response:
    """The content of one case, fetched again as it changes."""
    return context.renderer.fragment_response(
        "case_part.html", user, **_case_content(context, user, case_id)
    )


def _case_content(context: WebContext, user: CurrentUser, case_id: str) -> dict[str, Any]:
    content = case_detail(context, user, CaseId(case_id))
    return {**content, "buttons": allowed_buttons(content["case"], user)}


def _board_content(
    context: WebContext, user: CurrentUser, level: str, text: str, page: int
) -> dict[str, Any]:
    with context.app.store.begin_read() as uow:
        running = uow.cases.list(open_only=True, limit=MAX_OPEN_CASES)
        recent = uow.cases.list(limit=RECENTLY_ENDED)
    registry = context.app.registry
    ended = [case for case in recent if not case.is_open]
    cases = [
        case
        for case in (*running, *ended)
        if may_see_case(user.account, case, registry.tree)
        and (not level or case.level.value == level)
        and (not text or text.strip() in _searchable_text(case, registry, user.t))
    ]
    columns = [
        _board_column(user.t(zh, en), states, cases, user, registry, page)
        for zh, en, states in COLUMNS
    ]
    longest = max((column["count"] for column in columns), default=0)
    return {"columns": columns, "page": page, "pages": max(1, -(-longest // PER_COLUMN))}


def _searchable_text(case: Case, registry: Registry, t: Translator) -> str:
    grid = grid_name(registry, case.grid)
    return f"{case.id} {category_label(case.category, t)} {grid} {case.place}"


def _board_column(  # noqa: PLR0917  a column is what it is made of
    title: str,
    states: Sequence[CaseState],
    cases: Iterable[Case],
    user: CurrentUser,
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
        "cards": [case_card(case, user, registry) for case in shown],
    }
