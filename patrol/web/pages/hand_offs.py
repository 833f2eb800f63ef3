"""Hand-offs (移交) with their printed sheet, and broadcasts (大喇叭) that wait for approval."""

from collections.abc import Mapping
from html import escape
from typing import Any, Final, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from patrol.app.town_service import TownService
from patrol.cases.hand_off import OutsideContacts, hand_off_event
from patrol.domain import labels, town_labels
from patrol.domain.account import Permission
from patrol.domain.answering import may_see_case
from patrol.domain.broadcast import BroadcastEvent, BroadcastState
from patrol.domain.case import Case
from patrol.domain.hand_off import HandOff, HandOffEvent
from patrol.households.qr_code import qr_code_svg
from patrol.store import UnitOfWork
from patrol.web.auth import CurrentUser, Forbidden
from patrol.web.context import (
    ContextDep,
    IdempotencyKey,
    MayHandOff,
    MaySettle,
    WebContext,
    request_key,
)
from patrol.web.errors import NO_STORE, translate_errors
from patrol.web.i18n import category_label, grid_name, person_name, stored_texts

LISTED: Final = 200
router = APIRouter()


class HandOffAnswerForm(BaseModel):
    """A receipt or an answer that a person enters: by telephone, on the printed sheet."""

    event: Literal["receive", "answer"]
    text: str = Field(default="", max_length=1000)


class BroadcastForm(BaseModel):
    """Why a broadcast is refused; nothing for an approval."""

    text: str = Field(default="", max_length=200)


def outside_content(
    uow: UnitOfWork, case: Case, contacts: OutsideContacts, user: CurrentUser
) -> dict[str, Any]:
    """Hand-offs and broadcasts of a case for its page, and what its dialog offers."""
    t = user.t
    may_decide = user.has_permission(Permission.SETTLE)
    return {
        "hand_offs": [_hand_off_row(one, contacts, user) for one in uow.hand_offs.of_case(case.id)],
        "broadcasts": [
            {
                "id": one.id,
                "speaker": _title(contacts.speakers, one.speaker),
                "text": one.text,
                "at": t.short_datetime(one.played_at or one.approved_at or one.at),
                "state": t.pair(labels.label_of(town_labels.BROADCAST_STATES, one.state)),
                "may_decide": may_decide
                and one.state is BroadcastState.ASKED
                and one.by != user.account.name,
            }
            for one in uow.broadcasts.of_case(case.id)
        ],
        "recipients": [(one.name, one.title) for one in contacts.recipients.values()],
        "templates": list(contacts.templates.items()),
    }


def outside_names(contacts: OutsideContacts) -> dict[str, str]:
    """The titles of departments and loudspeakers by the names under which they act in histories."""
    return {
        **{f"department:{name}": one.title for name, one in contacts.recipients.items()},
        **{f"speaker:{name}": one.title for name, one in contacts.speakers.items()},
    }


def _hand_off_row(one: HandOff, contacts: OutsideContacts, user: CurrentUser) -> dict[str, Any]:
    t = user.t
    return {
        "id": one.id,
        "case": one.case,
        "title": _title(contacts.recipients, one.recipient),
        "channel": t.pair(labels.label_of(town_labels.HAND_OFF_CHANNELS, one.channel)),
        "state": t.pair(labels.label_of(town_labels.HAND_OFF_STATES, one.state)),
        "is_open": one.answered_at is None,
        "received": one.received_at is not None,
        "overdue": one.is_overdue(user.now),
        "at": t.short_datetime(one.at),
        "due": t.short_datetime(one.due_at),
        "by": one.by,
        "why": one.why,
        "answer": one.answer,
        "answered": t.short_datetime(one.answered_at) if one.answered_at else "",
    }


def _title(known: Mapping[str, Any], name: str) -> str:
    return str(known[name].title) if name in known else name


@router.get("/hand-offs")
def hand_offs_page(context: ContextDep, user: MayHandOff, which: str = "open") -> Response:
    """Hand-offs without an answer, or all, the newest first."""
    contacts = TownService(context.app).contacts
    with context.app.store.begin_read() as uow:
        found = uow.hand_offs.list(open_only=which != "all", limit=LISTED)
    lines = [_hand_off_row(one, contacts, user) for one in found]
    return context.renderer.render_page("hand_offs.html", user, lines=lines, which=which)


@router.get("/hand-offs/{ident}")
def hand_off_page(context: ContextDep, user: MayHandOff, ident: str) -> Response:
    """One hand-off as a sheet to print: the event, a QR code, room for receipt and answer."""
    service = TownService(context.app)
    given, case = _visible_hand_off(context, user, ident)
    with context.app.store.begin_read() as uow:
        names = {account.name: account.shown_as for account in uow.accounts.all()}
    registry = context.app.registry
    document = hand_off_event(given, case, service.context)
    return context.renderer.render_page(
        "hand_off.html", user, line=_hand_off_row(given, service.contacts, user), case=case,
        document=document, what=category_label(case.category, user.t),
        level=user.t.pair(labels.LEVELS[case.level]),
        description=stored_texts(registry, user.t)(str(document["description"])),
        where=grid_name(registry, case.grid), by=person_name(registry, given.by, names),
        found=user.t.full_datetime(case.found_at),
    )  # fmt: skip


@router.get("/hand-offs/{ident}/qr.svg")
def hand_off_code(context: ContextDep, user: MayHandOff, ident: str) -> Response:
    """The QR code of a sheet: number of the hand-off and of the case, and whom to call back."""
    given, case = _visible_hand_off(context, user, ident)
    phone = context.app.site.settings.centre_phone
    text = f"{context.site.name} {given.id} {case.id} {phone}".strip()
    label = escape(user.t("移交单二维码", "QR code of the sheet"))
    return Response(qr_code_svg(text, label), media_type="image/svg+xml", headers=NO_STORE)


def _visible_hand_off(context: WebContext, user: CurrentUser, ident: str) -> tuple[HandOff, Case]:
    with context.app.store.begin_read() as uow, translate_errors(f"hand-off {ident}"):
        given = uow.hand_offs.get(ident)
        case = uow.cases.get(given.case)
    if not may_see_case(user.account, case, context.app.registry):
        raise Forbidden(f"{ident} lies outside the scope of {user.account.name}")
    return given, case


@router.post("/api/hand-offs/{ident}/answer")
def enter_answer(
    context: ContextDep,
    user: MayHandOff,
    ident: str,
    form: HandOffAnswerForm,
    key: IdempotencyKey = "",
) -> Response:
    """Enter what the department said: that it has it, or its answer."""
    _visible_hand_off(context, user, ident)
    with translate_errors(f"hand-off {ident}"):
        answered = TownService(context.app).answer(
            ident, HandOffEvent(form.event), by=user.account.name, text=form.text,
            request=request_key(user, key, f"hand-off {ident}", form),
        )  # fmt: skip
    return JSONResponse({"id": answered.id, "state": str(answered.state)})


@router.post("/api/broadcasts/{ident}/{decision}")
def decide_broadcast(  # noqa: PLR0917  a path, a form and a key
    context: ContextDep,
    user: MaySettle,
    ident: str,
    decision: Literal["approve", "refuse"],
    form: BroadcastForm,
    key: IdempotencyKey = "",
) -> Response:
    """Approve or refuse a broadcast that somebody else asked for."""
    with translate_errors(f"broadcast {ident}"):
        decided = TownService(context.app).decide_broadcast(
            ident, BroadcastEvent(decision), by=user.account.name, text=form.text,
            request=request_key(user, key, f"broadcast {ident} {decision}", form),
        )  # fmt: skip
    return JSONResponse({"id": decided.id, "state": str(decided.state)})
