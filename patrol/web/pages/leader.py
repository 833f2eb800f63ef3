"""The grid leader's phone page (/leader): own cases, big buttons, photos, a flaky link.

The phone keeps what was said in a queue of its own, each word under its key, and sends it until it
was taken; the inbox drops repeats. Every word goes through the same inbox as one over MQTT.
"""

import json
from collections.abc import Sequence
from typing import Any, Final, Literal

import cv2
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, JSONResponse, Response

from patrol.cases.reply_handler import ReplyOutcome, ReplyResult
from patrol.domain.account import CasePhoto, may_see_case, reply_grid_of
from patrol.domain.case import Case
from patrol.domain.category import CATEGORIES, category_named
from patrol.domain.ids import CameraId, CaseId, GridCode, MessageKey
from patrol.domain.labels import CASE_EVENTS
from patrol.domain.round import FIELD_PHOTO_PURPOSE, StoredPicture
from patrol.messaging.topics import ReplyTopic, ReportTopic
from patrol.web.auth import CurrentUser, Forbidden
from patrol.web.context import ContextDep, MayAnswerOnSite, WebContext
from patrol.web.i18n import (
    InvalidForm,
    PageNotFound,
    case_state_label,
    category_label,
    grid_name,
    level_label,
)
from patrol.web.pages.case_detail import time_left
from patrol.web.rendering import STATIC, static_url
from patrol.web.thumbnails import normalized_photo as as_photo

MAX_PHOTO_BYTES: Final = 12 * 1024 * 1024
MAX_CASES: Final = 200
KEY_PATTERN: Final = r"[A-Za-z0-9-]{8,64}"
router = APIRouter()
ReplyType = Literal["opened", "acknowledge", "arrive", "feedback"]
PhoneFeedbackResult = Literal[
    "", "handled", "false_alarm", "not_my_grid", "need_help", "cannot_reach", "in_progress"
]


class ReplyForm(BaseModel):
    """One word about a case, as the phone queued it."""

    key: str = Field(pattern=f"^{KEY_PATTERN}$")
    case: str
    type: ReplyType
    result: PhoneFeedbackResult = ""
    text: str = Field(default="", max_length=1000)
    client_at: str = Field(default="", max_length=40)


class GroundReportForm(BaseModel):
    """A problem first seen on the ground."""

    key: str = Field(pattern=f"^{KEY_PATTERN}$")
    category: str = Field(default="other", max_length=40)
    place: str = Field(default="", max_length=200)
    text: str = Field(default="", max_length=1000)
    client_at: str = Field(default="", max_length=40)


@router.get("/leader")
def leader_page(context: ContextDep, user: MayAnswerOnSite) -> Response:
    """The page itself; it asks for its cases, and works from what it kept without a link."""
    grid = grid_name(context.deps.registry, user.account.grid or GridCode(""))
    choices = [(one.id, user.t(one.zh, one.en)) for one in CATEGORIES]
    answer = context.renderer.render_page("leader.html", user, grid=grid, categories=choices)
    answer.headers["Cache-Control"] = "private, no-cache"  # the phone keeps it to open offline
    return answer


@router.get("/leader/api/cases")
def own_cases(context: ContextDep, user: MayAnswerOnSite) -> Response:
    """Open cases that this account is told of, most pressing first; then the last ended."""
    tree = context.deps.registry.tree
    with context.deps.store.begin_read() as uow:
        running = uow.cases.list(open_only=True, limit=2000)
        ended = [case for case in uow.cases.list(limit=200) if not case.is_open]
        mine = [case for case in running if may_see_case(user.account, case, tree)]
        mine = sorted(mine, key=lambda case: (case.level.value, case.due_at))[:MAX_CASES]
        photos = {case.id: len(uow.case_photos.of_case(case.id)) for case in mine}
    past = [case for case in ended if may_see_case(user.account, case, tree)][:5]
    return JSONResponse(
        {
            "cases": [_case_document(context, user, case, photos[case.id]) for case in mine],
            "ended": [_case_document(context, user, case, 0) for case in past],
            "phone": context.deps.site_profile.phone,
            "at": user.now.isoformat(),
        },
        headers={"Cache-Control": "no-store"},
    )


@router.post("/leader/api/say")
def send_reply(context: ContextDep, user: MayAnswerOnSite, form: ReplyForm) -> Response:
    """One word; sent twice is heard once."""
    case = _visible_case(context, user, form.case)
    grid = reply_grid_of(user.account, case)
    if grid is None:
        raise Forbidden(f"{case.id} was not told to the grid of {user.account.name}")
    body = {"type": form.type, "text": form.text, "client_at": form.client_at}
    if form.type == "feedback":
        body["result"] = form.result
    topic = str(ReplyTopic(context.deps.site_profile.id, grid, case.id))
    return _handled_response(context.deps.handle_reply(topic, _reply_payload(user, form.key, body)))


@router.post("/leader/api/report")
def send_ground_report(
    context: ContextDep, user: MayAnswerOnSite, form: GroundReportForm
) -> Response:
    """A problem that was seen on the ground first; it becomes a case at once."""
    grid = user.account.grid
    if grid is None:
        raise Forbidden(f"{user.account.name} answers for no grid")
    body = {
        "category": form.category,
        "place": form.place,
        "text": form.text,
        "client_at": form.client_at,
    }
    topic = str(ReportTopic(context.deps.site_profile.id, grid))
    return _handled_response(context.deps.handle_reply(topic, _reply_payload(user, form.key, body)))


@router.post("/leader/api/photo/{case_id}/{key}")
async def upload_photo(
    context: ContextDep, user: MayAnswerOnSite, request: Request, case_id: str, key: str
) -> Response:
    """A picture from the ground: turned upright, made smaller, all metadata dropped."""
    upload = await _read_photo(request)
    kept = await run_in_threadpool(_store_photo, context, user, case_id, key, upload)
    return JSONResponse({"kept": kept}, 201 if kept else 200)


@router.get("/leader/manifest.webmanifest")
def web_manifest(context: ContextDep, user: MayAnswerOnSite) -> Response:
    """What makes it installable."""
    name = user.t("网格长", "Grid leader")
    icons = [{"src": static_url("icon.svg"), "type": "image/svg+xml", "sizes": "any"}]
    for size in (192, 512):  # what telephones want for their home screens
        icons += [
            {"src": static_url(f"icon-{size}.png"), "type": "image/png",
             "sizes": f"{size}x{size}", "purpose": purpose}
            for purpose in ("any", "maskable")
        ]  # fmt: skip
    return JSONResponse(
        {
            "name": f"{context.deps.site_profile.name} {name}",
            "short_name": name,
            "lang": "zh-CN" if user.t.language == "zh" else "en",
            "start_url": "/leader",
            "scope": "/leader",
            "display": "standalone",
            "background_color": "#f4f6f7",
            "theme_color": "#0f3d5c",
            "id": "/leader",
            "icons": icons,
        },
        media_type="application/manifest+json",
    )


@router.get("/leader/worker.js")
def service_worker(_context: ContextDep, _user: MayAnswerOnSite) -> Response:
    """The service worker; it lies here so that it may only speak for /leader."""
    headers = {"Service-Worker-Allowed": "/leader", "Cache-Control": "no-cache"}
    return FileResponse(STATIC / "worker.js", media_type="text/javascript", headers=headers)


def _reply_payload(user: CurrentUser, key: str, body: dict[str, Any]) -> bytes:
    person = user.account.person or user.account.name
    message = {"v": 1, "key": key, "at": user.now.isoformat(), "person": person, **body}
    if not message.get("client_at"):
        message.pop("client_at", None)
    return json.dumps(message, ensure_ascii=False).encode()


def _handled_response(handled: ReplyResult) -> Response:
    if handled.outcome is ReplyOutcome.REFUSED:
        return JSONResponse({"error": 409, "words": handled.reason, "detail": ""}, 409)
    return JSONResponse({"outcome": handled.outcome.value, "case": handled.case})


def _visible_case(context: WebContext, user: CurrentUser, ident: str) -> Case:
    with context.deps.store.begin_read() as uow:
        try:
            case = uow.cases.get(CaseId(ident))
        except KeyError:
            raise PageNotFound(ident) from None
    if not may_see_case(user.account, case, context.deps.registry.tree):
        raise Forbidden(f"{ident} lies outside the grid of {user.account.name}")
    return case


def _case_document(
    context: WebContext, user: CurrentUser, case: Case, photos: int
) -> dict[str, Any]:
    t, known = user.t, category_named(case.category)
    viewed_for = f"case:{case.id}"
    return {
        "id": case.id,
        "what": category_label(case.category, t),
        "level": level_label(case.level, t),
        "urgent": case.level.value in ("I", "II"),
        "grid": grid_name(context.deps.registry, case.grid),
        "place": context.deps.payloads.scrub(case.place),
        "check": known.check if t.language == "zh" else "",
        "note": context.deps.payloads.scrub(case.note),
        "state": case.state.value,
        "state_words": case_state_label(case.state, t),
        "open": case.is_open,
        "lamp": case.due_light(user.now).value,
        "left": time_left(case, user),
        "found": t.short_datetime(case.found_at),
        "mine": reply_grid_of(user.account, case) is not None,
        "escalated": case.rung > 0,
        "picture": user.picture_url(case.before, "full", viewed_for) if case.before else "",
        "photos": photos,
        "history": _case_history(case, user),
    }


def _case_history(case: Case, user: CurrentUser) -> Sequence[tuple[str, str, str]]:
    """When, what, and what was said, newest first."""
    return [
        (user.t.short_datetime(one.at), user.t.pair(CASE_EVENTS[one.what]), one.note)
        for one in reversed(case.entries[-6:])
    ]


async def _read_photo(request: Request) -> bytes:
    """The upload, never more of it than we would keep."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_PHOTO_BYTES:
            raise HTTPException(413, "too large")
        chunks.append(chunk)
    return b"".join(chunks)


def _store_photo(
    context: WebContext, user: CurrentUser, case_id: str, key: str, upload: bytes
) -> bool:
    case = _visible_case(context, user, case_id)
    if reply_grid_of(user.account, case) is None:
        raise Forbidden(f"{case.id} was not told to the grid of {user.account.name}")
    try:
        jpeg, width, height = as_photo(upload)
    except (ValueError, cv2.error) as exc:
        raise InvalidForm(user.t("不是照片", "not a picture")) from exc
    sha256 = context.deps.evidence.put(jpeg)
    stored = StoredPicture(
        sha256=sha256,
        camera=case.camera or CameraId(""),
        taken_at=user.now,
        width_px=width,
        height_px=height,
        bytes=len(jpeg),
        purpose=FIELD_PHOTO_PURPOSE,
        delete_after=user.now + context.deps.site_profile.keep_evidence,
    )
    kept = CasePhoto(
        key=MessageKey(f"{case.id}/{key}"[:128]),
        case=case.id,
        sha256=sha256,
        by=user.account.person or user.account.name,
        at=user.now,
    )
    with context.deps.store.begin() as uow:
        new = uow.case_photos.add(kept)
        if new:
            uow.pictures.add(stored)
        uow.commit()
    return new
