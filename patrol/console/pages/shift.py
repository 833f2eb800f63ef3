"""Hand-over (交接班): what one shift leaves to the next, signed by both under the same sheet."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from patrol.console.asking import AtDesk, ForShift
from patrol.console.desk import Desk
from patrol.console.gate import Caller
from patrol.console.pages.common import CannotBe, category_words, grid_name, level_words, paged
from patrol.console.pages.stoppages import subject_name
from patrol.console.words import Words
from patrol.domain.account import Right
from patrol.domain.handover import HandoverEntry, owner_of, waiting_sheet, why_not_give
from patrol.domain.ids import GridCode
from patrol.domain.levels import Level
from patrol.domain.registry import Registry
from patrol.rounds import handover

PER_PAGE: Final = 30
MOST: Final = 3000  # signatures: some two years of two shifts a day
router = APIRouter()


class Give(BaseModel):
    """The one who goes signs."""

    to: str = Field(max_length=64)
    note: str = Field(default="", max_length=1000)


class Take(BaseModel):
    """The one who comes signs."""

    note: str = Field(default="", max_length=1000)


@router.get("/shift")
def shift(desk: AtDesk, caller: ForShift, page: int = 1) -> Response:
    """The sheet of now, whose turn it is to sign, and the signatures so far."""
    with desk.doors.store.begin_read() as uow:
        sheet = handover.sheet_of(uow, caller.now, desk.doors.facts.calendar.maintenance)
        entries = uow.handovers.entries(limit=MOST)
        broken = uow.handovers.first_broken()
        accounts = uow.accounts.all()
    names = {account.name: account.shown_as for account in accounts}
    signed, pager = paged(entries, page, PER_PAGE)
    mine, given = caller.account.name, waiting_sheet(entries)
    shown = given.sheet if given is not None and given.to == mine else sheet
    return desk.shell.page(
        "shift.html", caller, sheet=_sheet(shown, desk, caller), names=names,
        owner=owner_of(entries), given=given, may_take=given is not None and given.to == mine,
        why_not=why_not_give(entries, mine, ""),
        others=[(a.name, a.shown_as) for a in accounts if a.may(Right.SHIFT) and a.name != mine],
        entries=signed, broken=broken, **pager,
    )  # fmt: skip


@router.post("/api/shift/give")
def give(desk: AtDesk, caller: ForShift, asked: Give) -> Response:
    """Sign the sheet of this moment and name who is to take it."""
    now, who = caller.now, caller.account.name
    with desk.doors.store.begin() as uow:
        known = {account.name: account for account in uow.accounts.all()}
        if asked.to not in known or not known[asked.to].may(Right.SHIFT):
            raise CannotBe(caller.say("请选择接班人", "choose who takes over"))
        sheet = handover.sheet_of(uow, now, desk.doors.facts.calendar.maintenance)
        given = handover.give(uow, who=who, to=asked.to, note=asked.note, sheet=sheet, now=now)
        uow.commit()
    return _signed(given)


@router.post("/api/shift/take")
def take(desk: AtDesk, caller: ForShift, asked: Take) -> Response:
    """Sign the very sheet that was given."""
    with desk.doors.store.begin() as uow:
        taken = handover.take(uow, who=caller.account.name, note=asked.note, now=caller.now)
        uow.commit()
    return _signed(taken)


def _signed(entry: HandoverEntry) -> Response:
    return JSONResponse({"number": entry.number, "digest": entry.digest}, 201)


def _sheet(sheet: Mapping[str, Any], desk: Desk, caller: Caller) -> dict[str, Any]:
    """The stored sheet in a reader's words."""
    say, findings = caller.say, sheet["findings"]
    reader = _Reader(desk.doors.registry, say)
    return {
        "at": reader.at(sheet["at"]),
        "levels": [
            (level_words(Level(level), say), count) for level, count in findings["by_level"].items()
        ],
        "findings": findings["open"],
        "open_cases": sheet["open_cases"],
        "cases": [
            (say("未签收", "not acknowledged"), reader.cases(sheet["unacknowledged"])),
            (say("已超时", "overdue"), reader.cases(sheet["overdue"])),
            (say("已退回", "returned"), reader.cases(sheet["returned"])),
        ],
        "upstream": [
            {
                "what": reader.subject(one["kind"], one["subject"]),
                "since": reader.at(one["since"]),
                "cameras": one["cameras"],
            }
            for one in sheet["upstream"]
        ],
        "cameras": sheet["cameras"],
        "stopped": reader.stopped([*sheet["paused"], *sheet["suspended"]]),
        "messages": sheet["messages_waiting"],
    }


@dataclass(frozen=True, slots=True)
class _Reader:
    """Plain JSON of a sheet → words."""

    registry: Registry
    say: Words

    def at(self, text: str | None) -> str:
        return self.say.moment(datetime.fromisoformat(text)) if text else "—"

    def subject(self, scope: str, subject: str) -> str:
        return subject_name(scope, subject, self.registry, self.say)

    def cases(self, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
        return [
            {
                "id": one["case"],
                "what": category_words(one["category"], self.say),
                "where": grid_name(self.registry, GridCode(one["grid"])),
                "level": level_words(Level(one["level"]), self.say),
                "due": self.at(one["due"]),
            }
            for one in rows
        ]

    def stopped(self, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
        return [
            {
                "what": self.subject(one["scope"], one["subject"]),
                "until": self.at(one["until"]),
                "reason": one["reason"],
                "by": one["by"],
            }
            for one in rows
        ]
