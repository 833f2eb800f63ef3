"""The shift (交接班): its hand-over sheet, signed by who gives it and by who takes it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from patrol.cases import shift_handover
from patrol.cases.request_keys import remember_request
from patrol.domain.account import Permission
from patrol.domain.ids import GridCode
from patrol.domain.priority import Level
from patrol.domain.registry import Registry
from patrol.domain.shift_handover import HandoverEntry, handover_refusal, pending_sheet, shift_owner
from patrol.web.auth import CurrentUser
from patrol.web.context import (
    ContextDep,
    IdempotencyKey,
    MaySignHandover,
    WebContext,
    request_key,
)
from patrol.web.errors import InvalidRequest, error_document
from patrol.web.i18n import (
    Translator,
    category_label,
    grid_name,
    level_label,
    paginate,
    subject_name,
)
from patrol.web.pages.camera_filter import subject_url

SIGNATURES_PER_PAGE: Final = 30
MAX_SIGNATURES: Final = 3000  # some two years of two shifts a day
router = APIRouter()


class HandoverForm(BaseModel):
    """The account that takes over, and a note; signed by the user, who gives the shift."""

    to: str = Field(max_length=64)
    note: str = Field(default="", max_length=1000)


class TakeoverForm(BaseModel):
    """A note; signed by the user, who takes the shift. `given`: the signature that he was shown."""

    given: int = Field(default=0, ge=0)
    note: str = Field(default="", max_length=1000)


@dataclass(frozen=True, slots=True)
class _SheetReader:
    """Turns the plain JSON of a sheet into labels."""

    registry: Registry
    t: Translator

    def at(self, text: str | None) -> str:
        return self.t.short_datetime(datetime.fromisoformat(text)) if text else "—"

    def subject(self, scope: str, subject: str) -> str:
        return subject_name(scope, subject, self.registry, self.t)

    def cases(self, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
        return [
            {
                "id": one["case"],
                "what": category_label(one["category"], self.t),
                "where": grid_name(self.registry, GridCode(one["grid"])),
                "level": level_label(Level(one["level"]), self.t),
                "due": self.at(one["due"]),
            }
            for one in rows
        ]

    def stopped(self, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
        return [
            {
                "what": self.subject(one["scope"], one["subject"]),
                "url": subject_url(one["scope"], one["subject"]),
                "until": self.at(one["until"]),
                "reason": one["reason"],
                "by": one["by"],
            }
            for one in rows
        ]


@router.get("/shift")
def shift_page(context: ContextDep, user: MaySignHandover, page: int = 1) -> Response:
    """The present sheet, who has to sign it, and the signatures so far."""
    with context.app.store.begin_read() as uow:
        sheet = shift_handover.handover_sheet(uow, user.now, context.calendar.maintenance)
        entries = uow.handovers.entries(limit=MAX_SIGNATURES)
        broken = uow.handovers.first_broken()
        accounts = uow.accounts.all()
    names = {account.name: account.shown_as for account in accounts}
    signed, pager = paginate(entries, page, SIGNATURES_PER_PAGE)
    me, given = user.account.name, pending_sheet(entries)
    may_take = given is not None and given.to == me
    shown = given.sheet if given is not None and may_take else sheet
    return context.renderer.render_page(
        "shift.html",
        user,
        sheet=_sheet_content(shown, context, user),
        names=names,
        owner=shift_owner(entries),
        given=given,
        may_take=may_take,
        why_not=handover_refusal(entries, me, ""),
        others=[
            (a.name, a.shown_as)
            for a in accounts
            if a.has_permission(Permission.SHIFT) and a.name != me
        ],
        entries=signed,
        broken=broken,
        **pager,
    )


@router.post("/api/shift/give")
def give_shift(
    context: ContextDep, user: MaySignHandover, form: HandoverForm, key: IdempotencyKey = ""
) -> Response:
    """Sign the sheet as it is now, and name who takes over."""
    now, who = user.now, user.account.name
    with context.app.store.begin() as uow:
        remember_request(uow, request_key(user, key, "give the shift", form), now)
        known = {account.name: account for account in uow.accounts.all()}
        if form.to not in known or not known[form.to].has_permission(Permission.SHIFT):
            raise InvalidRequest(user.t("请选择接班人", "choose who takes over"))
        sheet = shift_handover.handover_sheet(uow, now, context.calendar.maintenance)
        given = shift_handover.give_shift(
            uow, who=who, to=form.to, note=form.note, sheet=sheet, now=now
        )
        uow.commit()
    return _signature_response(given)


@router.post("/api/shift/take")
def take_shift(
    context: ContextDep, user: MaySignHandover, form: TakeoverForm, key: IdempotencyKey = ""
) -> Response:
    """Sign the sheet that the other user gave; 409 when another one was given meanwhile."""
    with context.app.store.begin() as uow:
        remember_request(uow, request_key(user, key, "take the shift", form), user.now)
        given = pending_sheet(uow.handovers.entries(limit=shift_handover.SIGNATURES_READ))
        if form.given and given is not None and given.number != form.given:
            message = user.t("交接单已换，请看过再签", "another sheet was given: read it first")
            return error_document(409, message, detail="")
        taken = shift_handover.take_shift(uow, who=user.account.name, note=form.note, now=user.now)
        uow.commit()
    return _signature_response(taken)


def _signature_response(entry: HandoverEntry) -> Response:
    return JSONResponse({"number": entry.number, "digest": entry.digest}, 201)


def _sheet_content(
    sheet: Mapping[str, Any], context: WebContext, user: CurrentUser
) -> dict[str, Any]:
    """The stored sheet with the labels of the reader's language."""
    t, findings = user.t, sheet["findings"]
    reader = _SheetReader(context.app.registry, t)
    return {
        "at": reader.at(sheet["at"]),
        "levels": [
            (level_label(Level(level), t), count) for level, count in findings["by_level"].items()
        ],
        "findings": findings["open"],
        "open_cases": sheet["open_cases"],
        "cases": [
            (t("未签收", "not acknowledged"), reader.cases(sheet["unacknowledged"])),
            (t("已超时", "overdue"), reader.cases(sheet["overdue"])),
            (t("已退回", "returned"), reader.cases(sheet["returned"])),
        ],
        "upstream": [
            {
                "what": reader.subject(one["kind"], one["subject"]),
                "url": subject_url(one["kind"], one["subject"]),
                "since": reader.at(one["since"]),
                "cameras": one["cameras"],
            }
            for one in sheet["upstream"]
        ],
        "cameras": sheet["cameras"],
        "stopped": reader.stopped([*sheet["paused"], *sheet["suspended"]]),
        "messages": sheet["messages_waiting"],
    }
