"""The desk's moves on a case (案件操作): who may make which, and when its button stands there.

Asking and granting are two people's: more time, a pause and the end are asked for by one and
granted by another. The server asks every question again when a button is pressed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from patrol.console.asking import AtDesk, ForMoves
from patrol.console.desk import Desk
from patrol.console.gate import Caller, Forbidden
from patrol.console.pages.common import NotFound, said
from patrol.console.pages.one_case import visible
from patrol.dispatch import approvals
from patrol.dispatch import desk as moves
from patrol.dispatch.verification import verdict
from patrol.dispatch.wire import Wire
from patrol.domain.account import Right
from patrol.domain.approval import PAUSABLE
from patrol.domain.case import MOVES, Case, CaseEvent, CaseState, Request, Wish
from patrol.domain.ids import CaseId, GridCode
from patrol.store import UnitOfWork

LONGEST_H: Final = 30 * 24
router = APIRouter()


class Move(BaseModel):
    """One move, as the page sends it."""

    move: str = Field(max_length=20)
    note: str = Field(default="", max_length=500)
    grid: str = Field(default="", max_length=15)
    hours: float = Field(default=0.0, ge=0, le=LONGEST_H)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A move under way."""

    uow: UnitOfWork
    case: CaseId
    desk: Desk
    caller: Caller
    said: Move

    @property
    def wire(self) -> Wire:
        """Words for those who are told."""
        return self.desk.doors.wire

    @property
    def signed(self) -> dict[str, Any]:
        """Who makes it, when and why: what every move wants to know."""
        by, note = self.caller.account.name, self.said.note.strip()
        return {"by": by, "now": self.caller.now, "note": note}


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """One kind of move."""

    words: tuple[str, str]
    right: Right
    stands: Callable[[Case], bool]
    make: Callable[[Asked], Case]
    asks: str = "note"  # which fields the page shows beside the reason
    strong: bool = False
    needs_note: bool = True


def _settle(gone: bool) -> Callable[[Asked], Case]:  # noqa: FBT001  two moves, one verdict
    return lambda asked: verdict(
        asked.uow, asked.case, gone=gone, announcer=asked.wire, **asked.signed
    )


def _wish(wish: Wish) -> Callable[[Asked], Case]:
    def make(asked: Asked) -> Case:
        span = timedelta(hours=asked.said.hours if wish is Wish.EXTENSION else 0)
        signed = asked.signed
        request = Request(
            wish=wish, by=signed["by"], at=signed["now"], why=signed["note"],
            span_s=span.total_seconds(),
        )  # fmt: skip
        return approvals.ask(asked.uow, asked.case, request)

    return make


def _grant(asked: Asked) -> Case:
    return approvals.grant(asked.uow, asked.case, announcer=asked.wire, **asked.signed)


def _refuse(asked: Asked) -> Case:
    return approvals.refuse(asked.uow, asked.case, **asked.signed)


def _resume(asked: Asked) -> Case:
    return approvals.resume(asked.uow, asked.case, announcer=asked.wire, **asked.signed)


def _reassign(asked: Asked) -> Case:
    to, registry = GridCode(asked.said.grid), asked.desk.doors.registry
    return moves.reassign(
        asked.uow, asked.case, to, registry=registry, wire=asked.wire, **asked.signed
    )


def _close(asked: Asked) -> Case:
    return moves.end(asked.uow, asked.case, CaseEvent.CLOSE, wire=asked.wire, **asked.signed)


def _reopen(asked: Asked) -> Case:
    return moves.reopen(asked.uow, asked.case, wire=asked.wire, **asked.signed)


def _phone(asked: Asked) -> Case:
    return moves.phoned(asked.uow, asked.case, **asked.signed)


def _can(event: CaseEvent) -> Callable[[Case], bool]:
    return lambda case: (case.state, event) in MOVES


def _free(case: Case) -> bool:
    return case.is_open and case.request is None


BUTTONS: Final[Mapping[str, Button]] = {
    "gone": Button(
        words=("核查通过,办结", "Verified: close"), right=Right.MOVE_CASES,
        stands=lambda case: case.state is CaseState.FED_BACK, make=_settle(gone=True),
        strong=True, needs_note=False,
    ),
    "still_there": Button(
        words=("仍存在,返工", "Still there: rework"), right=Right.MOVE_CASES,
        stands=lambda case: case.state is CaseState.FED_BACK, make=_settle(gone=False),
    ),
    "grant": Button(
        words=("批准", "Grant"), right=Right.SETTLE, strong=True, needs_note=False,
        stands=lambda case: case.request is not None, make=_grant,
    ),
    "refuse": Button(
        words=("不批准", "Refuse"), right=Right.SETTLE,
        stands=lambda case: case.request is not None, make=_refuse,
    ),
    "withdraw": Button(
        words=("撤回申请", "Take it back"), right=Right.MOVE_CASES,
        stands=lambda case: case.request is not None, make=_refuse, needs_note=False,
    ),
    "resume": Button(
        words=("恢复办理", "Go on"), right=Right.SETTLE, needs_note=False, strong=True,
        stands=lambda case: case.suspension is not None, make=_resume,
    ),
    "phone": Button(
        words=("已电话通知", "Phoned"), right=Right.MOVE_CASES, needs_note=False,
        stands=_can(CaseEvent.PHONE), make=_phone,
    ),
    "reassign": Button(
        words=("转派", "Reassign"), right=Right.MOVE_CASES, asks="note grid",
        stands=_can(CaseEvent.REASSIGN), make=_reassign,
    ),
    "extend": Button(
        words=("申请延期", "Ask for time"), right=Right.MOVE_CASES, asks="note hours",
        stands=lambda case: _free(case) and not case.is_untold, make=_wish(Wish.EXTENSION),
    ),
    "suspend": Button(
        words=("申请挂起", "Ask to suspend"), right=Right.MOVE_CASES, make=_wish(Wish.SUSPENSION),
        stands=lambda case: (
            _free(case) and case.state in PAUSABLE and case.suspension is None
            and not case.is_untold
        ),
    ),
    "void": Button(
        words=("申请作废", "Ask to void"), right=Right.MOVE_CASES, make=_wish(Wish.VOID),
        stands=lambda case: _free(case) and (case.state, CaseEvent.VOID) in MOVES,
    ),
    "close": Button(
        words=("办结", "Close"), right=Right.SETTLE, stands=_can(CaseEvent.CLOSE), make=_close
    ),
    "reopen": Button(
        words=("重开", "Reopen"), right=Right.SETTLE, stands=_can(CaseEvent.REOPEN), make=_reopen
    ),
}  # fmt: skip


def allowed(case: Case, caller: Caller) -> list[tuple[str, Button]]:
    """Which buttons stand on the page."""
    return [
        (name, button)
        for name, button in BUTTONS.items()
        if caller.may(button.right) and button.stands(case) and _is_ones_own(name, case, caller)
    ]


def _is_ones_own(name: str, case: Case, caller: Caller) -> bool:
    """A wish is granted or refused by somebody else, and taken back by whoever asked."""
    asker = case.request.by if case.request else ""
    if name == "withdraw":
        return asker == caller.account.name
    return name not in ("grant", "refuse") or asker != caller.account.name


@router.post("/api/cases/{case_id}/move")
def move(desk: AtDesk, caller: ForMoves, case_id: str, asked: Move) -> Response:
    """One of BUTTONS, by whom it belongs to."""
    button = BUTTONS.get(asked.move)
    if button is None:
        raise NotFound(asked.move)
    case = visible(desk, caller, CaseId(case_id))
    if not caller.may(button.right) or not _is_ones_own(asked.move, case, caller):
        raise Forbidden(f"{caller.account.name} may not {asked.move}")
    with said():
        if button.needs_note and not asked.note.strip():
            raise ValueError(caller.say("请写明理由", "give the reason"))
        with desk.doors.store.begin() as uow:
            settled = button.make(
                Asked(uow=uow, case=case.id, desk=desk, caller=caller, said=asked)
            )
            uow.commit()
    desk.doors.wake()
    return JSONResponse({"state": settled.state.value})
