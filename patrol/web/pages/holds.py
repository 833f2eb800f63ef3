"""The legal holds page (证据保全): what may not be deleted, by whose order; set and ended here."""

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from patrol.administration.legal_holds import NoSuchHold, end_hold, hold_document, set_hold
from patrol.cases.request_keys import remember_request
from patrol.domain.account import Permission
from patrol.domain.legal_hold import (
    MAX_REASON_CHARS,
    MAX_REFERENCE_CHARS,
    BadHold,
    HoldScope,
    LegalHold,
)
from patrol.domain.registry import Registry
from patrol.web.auth import CurrentUser
from patrol.web.context import (
    ContextDep,
    IdempotencyKey,
    MayHoldEvidence,
    MayViewHolds,
    request_key,
)
from patrol.web.errors import InvalidRequest
from patrol.web.i18n import person_name, subject_name

router = APIRouter()


class HoldForm(BaseModel):
    """What to hold, by which order and why."""

    scope: Literal["case", "camera"]
    subject: str = Field(max_length=64)
    reference: str = Field(max_length=MAX_REFERENCE_CHARS)
    reason: str = Field(max_length=MAX_REASON_CHARS)


class EndHoldForm(BaseModel):
    """Which hold to end, and why."""

    number: int = Field(ge=1)
    reason: str = Field(max_length=MAX_REASON_CHARS)


@router.get("/holds")
def holds_page(context: ContextDep, user: MayViewHolds, which: str = "") -> Response:
    """The holds in force, the newest first; or all."""
    registry = context.app.registry
    with context.app.store.begin_read() as uow:
        holds = uow.holds.all(ended=which == "all")
        held = uow.holds.held_pictures()
        names = {account.name: account.shown_as for account in uow.accounts.all()}
    return context.renderer.render_page(
        "holds.html",
        user,
        which=which,
        lines=[_hold_row(one, user, registry, names) for one in holds],
        held=held,
        may_hold=user.has_permission(Permission.SETTLE),
        present=[one.number for one in holds if one.is_in_force],
    )


@router.post("/api/holds")
def add_hold(
    context: ContextDep, user: MayHoldEvidence, form: HoldForm, key: IdempotencyKey = ""
) -> Response:
    """Set a hold: nothing of the case or camera is deleted until a person ends it."""
    with context.app.store.begin() as uow:
        remember_request(uow, request_key(user, key, "set hold", form), user.now)
        try:
            hold = set_hold(
                uow,
                scope=HoldScope(form.scope),
                subject=form.subject.strip(),
                reference=form.reference,
                reason=form.reason,
                by=user.account.name,
                now=user.now,
                cameras=context.app.registry.cameras.keys(),
            )
        except BadHold as exc:
            raise InvalidRequest(str(exc)) from exc
        uow.commit()
    return JSONResponse(hold_document(hold), 201)


@router.post("/api/holds/end")
def finish_hold(
    context: ContextDep, user: MayHoldEvidence, form: EndHoldForm, key: IdempotencyKey = ""
) -> Response:
    """End a hold, with the reason; what is due is deleted by the next sweep."""
    with context.app.store.begin() as uow:
        remember_request(uow, request_key(user, key, f"end hold {form.number}", form), user.now)
        try:
            hold = end_hold(uow, form.number, by=user.account.name, why=form.reason, now=user.now)
        except NoSuchHold as exc:
            raise InvalidRequest(user.t("没有这项生效的保全", "no such hold is in force")) from exc
        except BadHold as exc:
            raise InvalidRequest(str(exc)) from exc
        uow.commit()
    return JSONResponse(hold_document(hold))


def _hold_row(
    hold: LegalHold, user: CurrentUser, registry: Registry, names: dict[str, str]
) -> dict[str, Any]:
    t = user.t
    is_case = hold.scope is HoldScope.CASE
    ended = ""
    if hold.ended_at is not None:
        who = person_name(registry, hold.ended_by, names)
        ended = f"{t.short_datetime(hold.ended_at)} {who}: {hold.ended_why}"
    return {
        "number": hold.number,
        "what": t("案件 ", "case ") + hold.subject
        if is_case
        else subject_name("camera", hold.subject, registry, t),
        "reference": hold.reference,
        "reason": hold.reason,
        "by": person_name(registry, hold.set_by, names),
        "since": t.short_datetime(hold.since),
        "ended": ended,
    }
