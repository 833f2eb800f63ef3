"""Own findings (人工发现), decided ones (已判线索), their undo, the alarm of unreviewed ones.

Every page of those who may file has the dialog (templates/own_finding.html); it asks here what it
may show. A picture is named by its id, a frame of a live view by the hash under which this server
sent it to this session.
"""

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from patrol.app.finding_service import FindingService
from patrol.app.human_patrol_service import HumanPatrolService
from patrol.cases.request_keys import RequestRepeated
from patrol.domain import labels, town_labels
from patrol.domain.account import Permission
from patrol.domain.finding import CATEGORIES, FilingSource, Finding
from patrol.domain.ids import CameraId, GridCode, PictureId, RoundId
from patrol.domain.priority import Level
from patrol.domain.round import StoredPicture
from patrol.review.alarms import alarming
from patrol.review.decided import decided_filter
from patrol.review.own_findings import FilingForm, FilingTarget, usual_level
from patrol.review.undo import undo_refusal
from patrol.web.access_logger import PictureDeleted
from patrol.web.auth import CurrentUser, Forbidden
from patrol.web.context import (
    ContextDep,
    IdempotencyKey,
    MayFileFindings,
    MayReview,
    WebContext,
    request_key,
)
from patrol.web.errors import NO_STORE, InvalidRequest, ResourceNotFound, translate_errors
from patrol.web.i18n import (
    camera_name,
    category_label,
    grid_name,
    level_label,
    paginate,
    person_name,
)
from patrol.web.pages.attention import alarm_text
from patrol.web.pages.human_patrols import patroller
from patrol.web.pages.pictures import refuse_withdrawn

DECIDED_PER_PAGE: Final = 50
MAX_DECIDED: Final = 5000
CATEGORY_KEYS: Final = "abcdefghijklmnopqrstuvwxyz0123456789"
Share = Annotated[float, Field(ge=0, le=1)]
router = APIRouter()


class OwnFindingForm(BaseModel):
    """What the dialog sends."""

    category: str = Field(max_length=64)
    source: FilingSource
    camera: str = Field(default="", max_length=20)
    grid: str = Field(default="", max_length=15)
    level: Level | None = None
    box: tuple[Share, Share, Share, Share] | None = None
    text: str = Field(default="", max_length=500)
    picture: str = Field(default="", max_length=64)
    frame: str = Field(default="", max_length=64)  # X-Frame of a live view's picture
    round: str = Field(default="", max_length=64)
    place: str = Field(default="", max_length=200)
    patrol: str = Field(default="", max_length=80)  # the human patrol whose camera it is
    to: Literal["queue", "case"] = "queue"
    phoned: str = Field(default="", max_length=200)


class UndoForm(BaseModel):
    """Why a decision is taken back."""

    note: str = Field(default="", max_length=500)


@router.get("/api/findings/own/choices")
def filing_choices(context: ContextDep, user: MayFileFindings) -> Response:
    """Categories with their keys and usual levels, levels, grids and cameras, for the dialog."""
    registry, t = context.app.registry, user.t
    rules = context.app.site.rules
    categories = [
        {
            "id": one.id,
            "key": key,
            "label": t(one.zh, one.en),
            "level": str(usual_level(one.id, rules)),
        }
        for one, key in zip(CATEGORIES, CATEGORY_KEYS, strict=False)
    ]
    grids = [[grid.code, grid.name] for grid in registry.tree.grids.values()]
    cameras = [[one.id, one.name, one.grid] for one in registry.cameras.values()]
    body = {
        "categories": categories,
        "levels": [[str(one), f"{one} {level_label(one, t)}"] for one in Level],
        "grids": sorted(grids),
        "cameras": cameras,
    }
    return JSONResponse(body, headers=NO_STORE)


@router.get("/api/findings/own/picture")
def filing_picture(
    context: ContextDep,
    user: MayFileFindings,
    camera: Annotated[str, Query(max_length=20)],
    a_round: Annotated[str, Query(alias="round", max_length=64)] = "",
) -> Response:
    """The camera's name, and the picture that a finding of it may stand on, if this user sees it.

    Of a round: that of its visit. Without a round: the newest, for who may see it on the camera's
    page; others file without a picture.
    """
    ident = CameraId(camera)
    known = context.app.registry.cameras.get(ident)
    if known is None:
        raise ResourceNotFound(camera)
    picture, viewed_for = _shown_picture(context, user, ident, a_round)
    url = user.picture_url(picture.id, "full", viewed_for) if picture else ""
    return JSONResponse(
        {
            "camera": camera,
            "name": known.name,
            "grid": grid_name(context.app.registry, known.grid),
            "picture": picture.id if picture else "",
            "url": url,
            "taken": user.t.full_datetime(picture.taken_at) if picture else "",
        },
        headers=NO_STORE,
    )


def _shown_picture(
    context: WebContext, user: CurrentUser, camera: CameraId, a_round: str
) -> tuple[StoredPicture | None, str]:
    try:
        refuse_withdrawn(context, camera)
    except PictureDeleted:
        return None, ""
    if a_round and not user.has_permission(Permission.ROUND):
        raise Forbidden(f"{user.account.name} may not see rounds")
    if not a_round and not user.has_permission(Permission.AREAS):
        return None, ""
    with context.app.store.begin_read() as uow, translate_errors():
        if a_round:
            uow.rounds.get(RoundId(a_round))
        visits = uow.rounds.latest_visits(camera, limit=30)
        for visit in visits:
            if a_round and visit.round != a_round:
                continue
            stored = [one for one in visit.pictures if uow.pictures.get(one.id)]
            if stored:
                viewed_for = f"round:{a_round}" if a_round else f"camera:{camera}"
                return stored[-1], viewed_for
    return None, ""


@router.post("/api/findings/own")
def file_own_finding(
    context: ContextDep, user: MayFileFindings, form: OwnFindingForm, key: IdempotencyKey = ""
) -> Response:
    """File the finding; 201 with its id, and the case's where it went straight to one."""
    t = user.t
    camera = CameraId(form.camera) if form.camera else None
    if form.picture and form.round and not user.has_permission(Permission.ROUND):
        raise Forbidden(f"{user.account.name} may not see rounds")
    with translate_errors():
        picture = PictureId(form.picture) if form.picture else None
        if form.frame:
            picture = _keep_live_frame(context, user, form, camera)
        wanted = FilingForm(
            category=form.category, source=form.source, camera=camera,
            grid=GridCode(form.grid) if form.grid else None, level=form.level, box=form.box,
            text=form.text, picture=picture, round=RoundId(form.round) if form.round else None,
            place=form.place,
        )  # fmt: skip
        target = FilingTarget(form.to)
        if form.patrol:
            filed = HumanPatrolService(context.app).file(
                form.patrol, wanted, patroller(user, key, "file", form), target=target,
                phoned=form.phoned,
            )  # fmt: skip
        else:
            filed = FindingService(context.app).file(
                wanted, by=user.account.name, target=target, phoned=form.phoned,
                request=request_key(user, key, "file", form),
            )  # fmt: skip
    case = filed.case
    message = (
        t(f"已立案 {case.id}", f"case {case.id} opened")
        if case
        else t(f"{filed.finding.id} 已进入研判队列", f"{filed.finding.id} waits in the queue")
    )
    body = {"finding": filed.finding.id, "case": case.id if case else None, "words": message}
    return JSONResponse(body, 201)


def _keep_live_frame(
    context: WebContext, user: CurrentUser, form: OwnFindingForm, camera: CameraId | None
) -> PictureId:
    """Store the frame that was on this session's screen. Raises InvalidRequest."""
    frame = context.live_frames.find(user.session.id, form.frame, user.now)
    if frame is None or frame.camera != camera:
        raise InvalidRequest(
            user.t("画面已不在，请重新查看后再登记", "the frame is gone: look again, then file")
        )
    try:
        refuse_withdrawn(context, frame.camera)
    except PictureDeleted:
        context.live_frames.forget_camera(frame.camera)
        raise InvalidRequest(
            user.t("住户已撤回同意，画面不能留存", "consent was withdrawn: no picture is kept")
        ) from None
    return FindingService(context.app).keep_frame(frame.camera, frame.jpeg, frame.taken_at)


@router.post("/api/findings/{ident}/undo")
def undo_finding(
    context: ContextDep, user: MayReview, ident: str, form: UndoForm, key: IdempotencyKey = ""
) -> Response:
    """Take the own decision back; a duty lead may take anybody's back."""
    try:
        with translate_errors():
            undone = FindingService(context.app).undo(
                ident, by=user.account.name,
                may_undo_others=user.has_permission(Permission.SETTLE), note=form.note,
                request=request_key(user, key, f"undo {ident}", form),
            )  # fmt: skip
    except RequestRepeated:
        return JSONResponse({"finding": ident, "repeated": True})
    return JSONResponse({"finding": undone.id, "state": str(undone.state)})


@router.get("/decided")
def decided_page(  # noqa: PLR0917  each is a filter of the page
    context: ContextDep, user: MayReview, mine: str = "", day: str = "today", text: str = "",
    page: int = 1,
) -> Response:  # fmt: skip
    """Decided findings: mine or everybody's, today's or all, with a text."""
    zone = context.site.tz
    chosen = decided_filter(
        text.strip()[:100], context.app.registry.cameras, zone,
        by=user.account.name if mine else "",
        day=user.now.astimezone(zone).date() if day == "today" else None,
    )  # fmt: skip
    with context.app.store.begin_read() as uow:
        total = uow.findings.count_decided(chosen)
        found = uow.findings.decided(chosen, limit=min(total, MAX_DECIDED))
        names = {account.name: account.shown_as for account in uow.accounts.all()}
    shown, pager = paginate(found, page, DECIDED_PER_PAGE)
    lines = [_decided_row(context, user, one, names) for one in shown]
    return context.renderer.render_page(
        "decided.html", user, lines=lines, total=total, mine=mine, day=day, text=chosen.text,
        **pager,
    )  # fmt: skip


def _decided_row(
    context: WebContext, user: CurrentUser, one: Finding, names: dict[str, str]
) -> dict[str, Any]:
    registry, t = context.app.registry, user.t
    own = one.decided_by == user.account.name or user.has_permission(Permission.SETTLE)
    reason = t.pair(labels.label_of(labels.DISMISS_REASONS, one.reason)) if one.reason else ""
    source = town_labels.FILING_SOURCES.get(one.filed_from)
    return {
        "id": one.id,
        "at": t.short_datetime(one.decided_at),
        "what": category_label(one.category, t),
        "level": level_label(one.level, t),
        "gauge": one.gauge,
        "camera": camera_name(registry, one.camera) if one.camera else one.place or "—",
        "grid": grid_name(registry, one.grid),
        "state": one.state.value,
        "state_label": t.pair(labels.label_of(town_labels.FINDING_STATES, one.state)),
        "by": person_name(registry, one.decided_by, names),
        "reason": reason,
        "case": one.case,
        "source": t.pair(source) if source else "",
        "may_undo": own and not undo_refusal(one, user.now),
    }


@router.get("/api/alarms")
def review_alarms(context: ContextDep, user: MayReview) -> Response:
    """Unreviewed findings of levels I and II, for the sound and the title of every page."""
    section = context.app.site.settings.review.alarm
    with context.app.store.begin_read() as uow:
        waiting = alarming(uow.findings.queue(), section.policy, user.now)
    lines = [
        {
            "id": one.id,
            "level": str(one.level),
            "what": category_label(one.category, user.t),
            "waiting_s": round((user.now - one.found_at).total_seconds()),
        }
        for one in waiting[:20]
    ]
    text = alarm_text(waiting, user.t, user.now)
    body = {"count": len(waiting), "sound": section.sound, "findings": lines, "words": text}
    return JSONResponse(body, headers=NO_STORE)
