"""Troubles (运维队列): cameras, links and villages out of order, the queue of the maintainer.

A camera with an open case about its fault has one number in both lists: the case's.
"""

from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from patrol.cases.equipment import take_trouble as take_with_case
from patrol.domain import labels
from patrol.domain.account import Permission
from patrol.domain.health import Trouble, TroubleKind
from patrol.domain.ids import CameraId, GridCode
from patrol.domain.priority import DueLight
from patrol.web.auth import CurrentUser
from patrol.web.context import (
    ContextDep,
    MayViewTroubles,
    WebContext,
)
from patrol.web.errors import translate_errors
from patrol.web.i18n import (
    camera_name,
    grid_name,
    paginate,
    person_name,
    stored_texts,
    subject_name,
)
from patrol.web.pages.camera_filter import subject_url

TROUBLES_PER_PAGE: Final = 50
CAMERAS_NAMED: Final = 5  # of a link's or a village's; the others are counted
MAX_TROUBLES: Final = 2000
DUE_LIGHT_ORDER: Final = {DueLight.RED: 0, DueLight.YELLOW: 1, DueLight.GREEN: 2}
router = APIRouter()


@router.get("/troubles")
def troubles_page(
    context: ContextDep, user: MayViewTroubles, page: int = 1, which: str = ""
) -> Response:
    """Open troubles, the most pressing first; or closed ones, the newest first."""
    with context.app.store.begin_read() as uow:
        still_open = uow.troubles.list_open()
        over = [one for one in uow.troubles.list(limit=MAX_TROUBLES) if one.closed_at is not None]
        names = {account.name: account.shown_as for account in uow.accounts.all()}
    waiting = sorted(
        still_open, key=lambda one: (DUE_LIGHT_ORDER[one.due_light(user.now)], one.due_at)
    )
    found = over if which == "over" else waiting
    shown, pager = paginate(found, page, TROUBLES_PER_PAGE)
    return context.renderer.render_page(
        "troubles.html", user, which=which, still_open=len(still_open), over=len(over),
        upstream=sum(one.kind is not TroubleKind.CAMERA for one in still_open),
        lines=[_trouble_row(one, context, user, names) for one in shown],
        **pager,
    )  # fmt: skip


@router.post("/api/troubles/{number}/take")
def take_trouble(context: ContextDep, user: MayViewTroubles, number: int) -> Response:
    """Take a trouble over with its case; the second user gets 409 with who was first."""
    with translate_errors(), context.app.store.begin() as uow:
        by = user.account.person or user.account.name
        found = take_with_case(uow, number, by=by, now=user.now, payloads=context.app.payloads)
        uow.commit()
    context.app.wake_relays()
    return JSONResponse({"taken": number, "case": found.case})


def _trouble_row(
    one: Trouble, context: WebContext, user: CurrentUser, names: dict[str, str]
) -> dict[str, Any]:
    t, registry = user.t, context.app.registry
    due_light, read = one.due_light(user.now), stored_texts(registry, t)
    camera = registry.cameras.get(CameraId(one.subject))
    return {
        "number": one.number,
        "label": one.label,
        "case": one.case or "",
        "what": subject_name(one.kind, one.subject, registry, t),
        "url": _cameras_url(one.kind, one.subject, user),
        "upstream": one.kind is not TroubleKind.CAMERA,
        "where": grid_name(registry, camera.grid) if camera else _village_name(one, context),
        "state": t.pair(labels.label_of(labels.TROUBLE_STATES, one.state)),
        "why": read(one.why),
        "cameras": len(one.cameras),
        "named": [
            (camera_name(registry, ident), _cameras_url(TroubleKind.CAMERA, ident, user))
            for ident in one.cameras[:CAMERAS_NAMED]
        ],
        "since": t.short_datetime(one.since),
        "duration": t.duration((one.closed_at or user.now) - one.since),
        "due_light": due_light.value,
        "due_light_label": t.pair(labels.DUE_LIGHTS[due_light]),
        "left": t.time_left(one.due_at, user.now),
        "taken": person_name(registry, one.taken_by, names) if one.taken_by else "",
        "taken_at": t.short_datetime(one.taken_at),
        "closed": f"{t.short_datetime(one.closed_at)} {read(one.closed_why)}"
        if one.closed_at
        else "",
    }


def _cameras_url(kind: TroubleKind, subject: str, user: CurrentUser) -> str:
    return subject_url(kind, subject) if user.has_permission(Permission.CAMERAS) else ""


def _village_name(one: Trouble, context: WebContext) -> str:
    if one.kind is TroubleKind.VILLAGE:
        return grid_name(context.app.registry, GridCode(one.subject))
    return ""
