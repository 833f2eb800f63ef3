"""Human patrols (人工巡查): the list of tasks, the viewer of one, and what is said of each camera.

The viewer shows a checkpoint's cameras 1, 4, 9 or 16 at a time: the newest picture of each beside
its reference, or live on demand. The rotation (轮巡) of a wall is the same viewer over a round's
pictures, without a plan: nothing is said there, and what is seen can be filed.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from patrol.app.human_patrol_service import HumanPatrolService, Patroller
from patrol.domain import labels, town_labels
from patrol.domain.account import Permission
from patrol.domain.human_patrol import (
    GRID_SIZES,
    CameraCheck,
    CheckOutcome,
    HumanPatrol,
    HumanPatrolEvent,
    count_checks,
)
from patrol.domain.ids import CameraId, PictureId, RoundId
from patrol.domain.round import StoredPicture
from patrol.rounds.human_patrol import CheckForm
from patrol.store import UnitOfWork
from patrol.web.auth import CurrentUser
from patrol.web.context import (
    ContextDep,
    IdempotencyKey,
    MayPatrol,
    MayViewRounds,
    WebContext,
    request_key,
)
from patrol.web.errors import NO_STORE, ResourceNotFound, translate_errors
from patrol.web.i18n import camera_name, grid_name, paginate, person_name, plan_label, village_of

TASKS_PER_PAGE: Final = 40
MAX_TASKS: Final = 2000
FRESH: Final = timedelta(days=7)  # an older picture is no patrol's
DEFAULT_PACE_S: Final = 10
router = APIRouter()


class PatrolMoveForm(BaseModel):
    """Start, pause, resume or finish, with a remark."""

    remark: str = Field(default="", max_length=1000)


class PatrolCheckForm(BaseModel):
    """What is said of one camera, at which picture."""

    camera: str = Field(max_length=20)
    outcome: Literal["acknowledged", "not_viewable"] = "acknowledged"
    picture: str = Field(default="", max_length=64)


class PatrolItemForm(BaseModel):
    """An item of the checklist, by its number from 0, ticked or not."""

    item: int = Field(ge=0, le=1000)
    checked: bool = True


def patroller(user: CurrentUser, key: str, what: str, form: BaseModel | None = None) -> Patroller:
    """The user as who works a task."""
    return Patroller(
        name=user.account.name,
        is_supervisor=user.has_permission(Permission.SETTLE),
        request=request_key(user, key, what, form),
    )


@router.get("/patrols")
def patrols_page(context: ContextDep, user: MayPatrol, page: int = 1) -> Response:
    """Tasks, today's first; plans that are not planned yet today can be begun at once."""
    with context.app.store.begin_read() as uow:
        tasks = uow.human_patrols.list(limit=MAX_TASKS)
        shown, pager = paginate(tasks, page, TASKS_PER_PAGE)
        checks = uow.human_patrols.checks_of(one.id for one in shown)
        names = {account.name: account.shown_as for account in uow.accounts.all()}
    today = user.now.astimezone(context.site.tz).date()
    planned = {one.plan for one in tasks if one.day == today}
    plans = context.app.site.settings.human_patrols
    return context.renderer.render_page(
        "patrols.html", user,
        tasks=[_task_row(one, checks.get(one.id, ()), user, names) for one in shown],
        unplanned=[(name, one.title) for name, one in plans.items() if name not in planned],
        **pager,
    )  # fmt: skip


def _task_row(
    one: HumanPatrol, checks: Sequence[CameraCheck], user: CurrentUser, names: dict[str, str]
) -> dict[str, Any]:
    counts, t = count_checks(checks), user.t
    return {
        "id": one.id,
        "title": one.title,
        "day": f"{one.day}",
        "window": f"{t.time(one.planned_at)}–{t.time(one.finish_by)}",
        "state": str(one.state),
        "state_label": t.pair(labels.label_of(town_labels.HUMAN_PATROL_STATES, one.state)),
        "counts": counts,
        "coverage": "—" if counts.coverage is None else f"{100 * counts.coverage:.0f} %",
        "assigned": t("、", ", ").join(names.get(name, name) for name in one.assigned),
        "by": names.get(one.started_by, one.started_by),
        "soon": one.is_open and one.open_from <= user.now < one.finish_by,
        "refused": one.refused,
    }


@router.post("/api/patrols/plan/{name}")
def plan_patrol_now(context: ContextDep, _user: MayPatrol, name: str) -> Response:
    """Plan today's task of a plan at once."""
    with translate_errors(f"plan {name}"):
        planned = HumanPatrolService(context.app).plan_now(name)
    return JSONResponse({"patrol": planned.id if planned else None}, 201 if planned else 200)


@router.get("/patrols/{patrol_id}")
def patrol_page(context: ContextDep, user: MayPatrol, patrol_id: str) -> Response:
    """The viewer of a task; its report when it has ended."""
    registry, t = context.app.registry, user.t
    with context.app.store.begin_read() as uow, translate_errors(f"patrol {patrol_id}"):
        patrol = uow.human_patrols.get(patrol_id)
        checks = uow.human_patrols.checks(patrol.id)
        names = {account.name: account.shown_as for account in uow.accounts.all()}
    lines = [
        {
            "camera": check.camera,
            "name": camera_name(registry, check.camera),
            "stop": patrol.stops[check.checkpoint].title,
            "outcome": str(check.outcome),
            "label": t.pair(labels.label_of(town_labels.CHECK_OUTCOMES, check.outcome)),
            "by": person_name(registry, check.by, names),
            "at": t.short_datetime(check.at),
            "picture_at": t.full_datetime(check.picture_at) if check.picture_at else "",
            "finding": check.finding,
        }
        for check in checks
    ]
    items = [(n, text, n in patrol.checked_items) for n, text in enumerate(patrol.checklist)]
    return context.renderer.render_page(
        "patrol.html", user, patrol=patrol, task=_task_row(patrol, checks, user, names),
        lines=lines, items=items,
    )  # fmt: skip


@router.get("/api/patrols/{patrol_id}/cells")
def patrol_cells(context: ContextDep, user: MayPatrol, patrol_id: str) -> Response:
    """Every camera of the task with its newest picture and reference, by checkpoint."""
    with context.app.store.begin_read() as uow, translate_errors(f"patrol {patrol_id}"):
        patrol = uow.human_patrols.get(patrol_id)
        patrol.check_assigned(
            user.account.name, is_supervisor=user.has_permission(Permission.SETTLE)
        )
        checks = uow.human_patrols.checks(patrol.id)
        withdrawn = uow.consents.withdrawn()
        pictures = {
            check.camera: _newest_stored(uow, user, check.camera)
            for check in checks
            if check.camera not in withdrawn
        }
    viewed_for = f"patrol:{patrol.id}"
    cells = [
        {
            **_cell(context, user, check.camera, pictures.get(check.camera), viewed_for),
            "outcome": str(check.outcome),
            "stop": check.checkpoint,
        }
        for check in checks
    ]
    stops = [{"title": stop.title, "size": stop.size} for stop in patrol.stops]
    return JSONResponse(
        {"state": str(patrol.state), "stops": stops, "cells": cells}, headers=NO_STORE
    )


def _newest_stored(
    uow: UnitOfWork, user: CurrentUser, camera: CameraId
) -> tuple[StoredPicture, str] | None:
    """The camera's newest picture that is stored, with the light it was taken in."""
    for visit in uow.rounds.latest_visits(camera, limit=6):
        for picture in reversed(visit.pictures):
            if user.now - picture.taken_at < FRESH and uow.pictures.get(picture.id):
                return picture, visit.light or "day"
    return None


def _cell(
    context: WebContext,
    user: CurrentUser,
    camera: CameraId,
    found: tuple[StoredPicture, str] | None,
    viewed_for: str,
) -> dict[str, Any]:
    registry = context.app.registry
    known = registry.cameras.get(camera)
    picture, light = found or (None, "day")
    reference = f"reference.{light}.{camera}"
    return {
        "camera": camera,
        "name": camera_name(registry, camera),
        "grid": grid_name(registry, known.grid) if known else "",
        "picture": picture.id if picture else "",
        "url": user.picture_url(picture.id, "full", viewed_for) if picture else "",
        "taken": user.t.ago(picture.taken_at, user.now) if picture else "",
        "reference": user.picture_url(reference, "full", viewed_for) if found else "",
    }


@router.post("/api/patrols/{patrol_id}/check")
def check_camera(
    context: ContextDep,
    user: MayPatrol,
    patrol_id: str,
    form: PatrolCheckForm,
    key: IdempotencyKey = "",
) -> Response:
    """Acknowledge a camera, or say that it cannot be viewed."""
    wanted = CheckForm(
        patrol=patrol_id, camera=CameraId(form.camera), outcome=CheckOutcome(form.outcome),
        picture=PictureId(form.picture) if form.picture else None,
    )  # fmt: skip
    with translate_errors(f"patrol {patrol_id}, camera {form.camera}"):
        check = HumanPatrolService(context.app).check(
            wanted, patroller(user, key, f"check {patrol_id}", form)
        )
    return JSONResponse({"camera": check.camera, "outcome": str(check.outcome)})


@router.post("/api/patrols/{patrol_id}/item")
def tick_checklist(
    context: ContextDep,
    user: MayPatrol,
    patrol_id: str,
    form: PatrolItemForm,
    key: IdempotencyKey = "",
) -> Response:
    """Tick an item of the checklist, or take the tick back."""
    with translate_errors(f"patrol {patrol_id}"):
        ticked = HumanPatrolService(context.app).tick(
            patrol_id, form.item, patroller(user, key, f"item {patrol_id}", form),
            checked=form.checked,
        )  # fmt: skip
    return JSONResponse({"checked": list(ticked.checked_items)})


@router.post("/api/patrols/{patrol_id}/{event}")
def move_patrol(  # noqa: PLR0917  a path, a form and a key
    context: ContextDep,
    user: MayPatrol,
    patrol_id: str,
    event: HumanPatrolEvent,
    form: PatrolMoveForm,
    key: IdempotencyKey = "",
) -> Response:
    """Start, pause, resume or finish the task."""
    with translate_errors(f"patrol {patrol_id}"):
        moved = HumanPatrolService(context.app).move(
            patrol_id, event, patroller(user, key, f"{event} {patrol_id}", form),
            remark=form.remark,
        )  # fmt: skip
    return JSONResponse({"patrol": moved.id, "state": str(moved.state)})


@router.get("/rounds/{round_id}/rotation")
def rotation_page(  # noqa: PLR0917  each is a choice of the viewer
    context: ContextDep,
    user: MayViewRounds,
    round_id: str,
    village: str = "",
    size: int = 9,
    pace: Annotated[float, Query(ge=1, le=600)] = DEFAULT_PACE_S,
) -> Response:
    """The rotation of a round's wall, of one village or all."""
    with context.app.store.begin_read() as uow, translate_errors(f"round {round_id}"):
        a_round = uow.rounds.get(RoundId(round_id))
        visits = uow.rounds.visits(a_round.id)
    registry = context.app.registry
    villages = {
        village_of(registry, registry.cameras[visit.camera].grid)
        for visit in visits
        if visit.camera in registry.cameras
    }
    return context.renderer.render_page(
        "rotation.html", user, round=a_round, plan=plan_label(a_round.plan, user.t),
        size=size if size in GRID_SIZES else 9, pace=pace, village=village,
        villages=sorted((code, grid_name(registry, code)) for code in villages if code),  # type: ignore[arg-type]  # village_of gives codes as text
    )  # fmt: skip


@router.get("/api/rounds/{round_id}/cells")
def rotation_cells(
    context: ContextDep, user: MayViewRounds, round_id: str, village: str = ""
) -> Response:
    """The cameras of a round with their pictures of it; of one village, or all."""
    registry = context.app.registry
    with context.app.store.begin_read() as uow, translate_errors(f"round {round_id}"):
        a_round = uow.rounds.get(RoundId(round_id))
        visits = uow.rounds.visits(a_round.id)
        withdrawn = uow.consents.withdrawn()
    if village and village not in registry.tree.grids:
        raise ResourceNotFound(village)
    cells = []
    for visit in visits:
        known = registry.cameras.get(visit.camera)
        if known is None or visit.camera in withdrawn or not visit.pictures:
            continue
        if village and not registry.tree.is_within(known.grid, village):
            continue
        found = (visit.pictures[-1], visit.light or "day")
        cell = _cell(context, user, visit.camera, found, f"round:{a_round.id}")
        cells.append({**cell, "outcome": "", "stop": 0})
    return JSONResponse({"state": "rotation", "stops": [], "cells": cells}, headers=NO_STORE)
