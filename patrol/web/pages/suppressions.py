"""The suppressions page (抑制): what dismissals hold back, for how long and by whom."""

from typing import Any, Final

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from patrol.domain import labels
from patrol.domain.registry import Registry
from patrol.domain.suppression import Suppression
from patrol.review.decisions import extend_suppression
from patrol.review.suppressed import suppressed_count
from patrol.web.auth import CurrentUser
from patrol.web.context import (
    ContextDep,
    MayManageSuppressions,
)
from patrol.web.errors import InvalidRequest, translate_errors
from patrol.web.i18n import camera_name, grid_name, kind_label, paginate, person_name

SUPPRESSIONS_PER_PAGE: Final = 50
MAX_SUPPRESSIONS: Final = 5000
router = APIRouter()


class ExtendSuppressionForm(BaseModel):
    """How many days longer."""

    days: int = Field(ge=1, le=90)


@router.get("/suppressions")
def suppressions_page(
    context: ContextDep, user: MayManageSuppressions, page: int = 1, which: str = ""
) -> Response:
    """The active suppressions, the next to end first; or all, the newest first."""
    registry = context.app.registry
    with context.app.store.begin_read() as uow:
        active = sorted(uow.suppressions.active(user.now), key=lambda one: one.until)
        found = uow.suppressions.list(limit=MAX_SUPPRESSIONS) if which == "all" else active
        shown, pager = paginate(found, page, SUPPRESSIONS_PER_PAGE)
        counted = {one.number: suppressed_count(uow, one) for one in shown}
        names = {account.name: account.shown_as for account in uow.accounts.all()}
    lines = [_suppression_row(one, counted[one.number], user, registry, names) for one in shown]
    return context.renderer.render_page(
        "suppressions.html", user, lines=lines, which=which, active=len(active),
        **pager,
    )  # fmt: skip


@router.post("/api/suppressions/{number}/end")
def end_suppression(context: ContextDep, user: MayManageSuppressions, number: int) -> Response:
    """End a suppression: similar findings are proposed again from the next round on."""
    with context.app.store.begin() as uow:
        if not uow.suppressions.revoke(number, by=user.account.name, now=user.now):
            raise InvalidRequest(user.t("已经结束", "it is over already"))
        uow.commit()
    return JSONResponse({"ended": number})


@router.post("/api/suppressions/{number}/extend")
def lengthen_suppression(
    context: ContextDep, user: MayManageSuppressions, number: int, form: ExtendSuppressionForm
) -> Response:
    """Extend a suppression, under one's own name."""
    with translate_errors(), context.app.store.begin() as uow:
        made = extend_suppression(uow, number, by=user.account.name, now=user.now, days=form.days)
        uow.commit()
    return JSONResponse({"number": made.number, "until": made.until.isoformat()}, 201)


def _suppression_row(
    one: Suppression, count: int, user: CurrentUser, registry: Registry, names: dict[str, str]
) -> dict[str, Any]:
    t = user.t
    camera = registry.cameras.get(one.camera)
    reasons = {key: t.pair(pair) for key, pair in labels.DISMISS_REASONS.items()}
    is_active = one.revoked_at is None and user.now < one.until
    return {
        "number": one.number,
        "camera": camera_name(registry, one.camera),
        "grid": grid_name(registry, camera.grid) if camera else "",
        "kind": kind_label(one.kind, t),
        "area": t("画面一处", "one place") if one.box else t("全画面", "whole picture"),
        "reason": reasons.get(one.reason, one.reason),
        "owner": person_name(registry, one.owner, names),
        "since": t.short_datetime(one.created_at),
        "until": t.short_datetime(one.until),
        "left": t.time_left(one.until, user.now) if is_active else "",
        "active": is_active,
        "ended": f"{t.short_datetime(one.revoked_at)} "
        f"{person_name(registry, one.revoked_by, names)}"
        if one.revoked_at
        else "",
        "suppressed": count,
    }
