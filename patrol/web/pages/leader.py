"""The phone page (/leader) of those who act on the ground: own cases, replies, photos, reports.

Grid leaders and cadres have the cases of the grids that they answer for, also while they stand in
for somebody; a maintainer those about cameras that were sent to them (domain/answering.py).

The phone queues every reply under a key of its own and sends it until it was accepted; repeats are
dropped. A reply is handled as one over MQTT is (Application.handle_reply).
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import cv2
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, JSONResponse, Response

from patrol.app.helper_service import HelperService, with_location
from patrol.cases.reply_handler import ReplyOutcome, ReplyResult
from patrol.domain.account import AccountRole, CasePhoto, Permission
from patrol.domain.answering import answered_grids, first_announced, may_see_case, reply_grid_of
from patrol.domain.case import RESTARTING_EVENTS, Case, CaseEntry, CaseEvent, CaseState
from patrol.domain.case_timers import ApprovalKind
from patrol.domain.finding import category_named
from patrol.domain.ground_patrol import distance_between
from patrol.domain.helping import STEPS
from patrol.domain.ids import CameraId, CaseId, GridCode, MessageKey
from patrol.domain.labels import APPROVAL_KINDS, CASE_EVENTS
from patrol.domain.observation import Subject
from patrol.domain.round import FIELD_PHOTO_PURPOSE, StoredPicture
from patrol.domain.teams import owner_of
from patrol.messaging.topics import EquipmentReplyTopic, ReplyTopic, ReportTopic
from patrol.pixels import PictureTooLarge
from patrol.web.auth import CurrentUser, Forbidden
from patrol.web.context import ContextDep, MayAnswerOnSite, WebContext
from patrol.web.errors import (
    NO_STORE,
    InvalidRequest,
    error_document,
    translate_errors,
    translate_rate,
)
from patrol.web.i18n import (
    case_state_label,
    category_label,
    grid_name,
    level_label,
    person_name,
    stored_texts,
)
from patrol.web.pages.case_actions import visible_case
from patrol.web.pages.cases import time_left
from patrol.web.pages.phone import (
    KEY_PATTERN,
    PhonePlace,
    allow_location,
    geo_link,
    geo_link_of_text,
    install_manifest,
    located,
    pictured_categories,
    read_photo,
)
from patrol.web.rendering import STATIC
from patrol.web.thumbnails import normalized_photo

MAX_CASES: Final = 200
router = APIRouter()
_Answered = Mapping[Subject, Sequence[GridCode]]  # the grids that the account answers for
ReplyType = Literal["opened", "acknowledge", "arrive", "extend", "feedback"]
PhoneFeedbackResult = Literal[
    "", "handled", "false_alarm", "not_my_grid", "need_help", "cannot_reach", "in_progress"
]


class ReplyForm(BaseModel):
    """A reply about a case, as the phone queued it."""

    key: str = Field(pattern=f"^{KEY_PATTERN}$")
    case: str
    type: ReplyType
    result: PhoneFeedbackResult = ""
    text: str = Field(default="", max_length=1000)
    client_at: str = Field(default="", max_length=40)
    location: PhonePlace | None = None


class HelpersForm(BaseModel):
    """Whether helpers of the grid are asked to help, as the phone queued it."""

    key: str = Field(pattern=f"^{KEY_PATTERN}$")
    case: str = Field(max_length=64)
    open: bool
    text: str = Field(default="", max_length=500)


class GroundReportForm(BaseModel):
    """A problem that the leader found, as the phone queued it."""

    key: str = Field(pattern=f"^{KEY_PATTERN}$")
    category: str = Field(default="other", max_length=40)
    place: str = Field(default="", max_length=200)
    text: str = Field(default="", max_length=1000)
    client_at: str = Field(default="", max_length=40)
    location: PhonePlace | None = None


@router.get("/leader")
def leader_page(context: ContextDep, user: MayAnswerOnSite) -> Response:
    """The page; its script fetches the cases, and shows cached ones without a connection."""
    registry, account = context.app.registry, user.account
    grid = grid_name(registry, account.grid) if account.grid else user.t("维修", "Maintenance")
    answer = context.renderer.render_page(
        "leader.html", user, grid=grid, categories=pictured_categories(user.t),
        may_report=account.duty is not AccountRole.MAINTAINER,
        may_patrol=user.has_permission(Permission.GROUND_PATROL),
    )  # fmt: skip
    return allow_location(answer)


@router.get("/leader/api/cases")
def own_cases(context: ContextDep, user: MayAnswerOnSite) -> Response:
    """The account's open cases, the own move first, then the most pressing; the last five ended."""
    registry = context.app.registry
    answered = {kind: answered_grids(user.account, registry, kind) for kind in Subject}

    def is_own(case: Case) -> bool:
        if user.account.duty is AccountRole.MAINTAINER:  # those of others are in the queue
            return first_announced(case, answered[case.subject]) is not None
        return may_see_case(user.account, case, registry)

    def urgency(case: Case) -> tuple[bool, str, datetime]:
        return not is_own_move(case, answered), case.level.value, case.due_at

    with context.app.store.begin_read() as uow:
        running = uow.cases.list(open_only=True, limit=2000)
        ended = [case for case in uow.cases.list(limit=200) if not case.is_open]
        mine = [case for case in running if is_own(case)]
        mine = sorted(mine, key=urgency)[:MAX_CASES]
        photos = {case.id: len(uow.case_photos.of_case(case.id)) for case in mine}
    past = [case for case in ended if is_own(case)][:5]
    return JSONResponse(
        {
            "account": user.account.name,
            "cases": [
                _case_document(context, user, case, photos[case.id], answered) for case in mine
            ],
            "ended": [_case_document(context, user, case, 0, answered) for case in past],
            "away": user.account.person in registry.absent,
            "away_text": _leave_text(context, user),
            "phone": context.app.site.settings.centre_phone,
            "at": user.now.isoformat(),
        },
        headers=NO_STORE,
    )


def _leave_text(context: WebContext, user: CurrentUser) -> str:
    """That the person is on leave, until when, and who stands in; empty where nobody is."""
    registry, person, t = context.app.registry, user.account.person, user.t
    if person is None or person not in registry.absent:
        return ""
    mine = (one for one in registry.leaves if one.person == person)
    end = t.short_datetime(max(one.ends for one in mine if one.begins <= user.now))
    instead = registry.absent[person]
    name = person_name(registry, instead, {}) if instead else ""
    return t(
        f"您在请假中，至 {end}，案件由{name or '上一级'}办理。",
        f"You are on leave until {end}; {name or 'the next above'} has the cases.",
    )


@router.post("/leader/api/say")
def send_reply(context: ContextDep, user: MayAnswerOnSite, form: ReplyForm) -> Response:
    """Accept a reply; a repeat of its key changes nothing."""
    case = visible_case(context, user, CaseId(form.case))
    grid = reply_grid_of(user.account, case, context.app.registry)
    if grid is None:
        raise Forbidden(f"{case.id} was not announced to the grid of {user.account.name}")
    text = _text_with_place(context, case, form)
    body = {"type": form.type, "text": text, "client_at": form.client_at}
    if form.type == "feedback":
        body["result"] = form.result
    reply_topic = EquipmentReplyTopic if user.account.duty is AccountRole.MAINTAINER else ReplyTopic
    topic = str(reply_topic(context.site.id, grid, case.id))
    payload = _reply_payload(user, form.key, body)
    return _handled_response(context.app.handle_reply(topic, payload, sender=_person(user)))


@router.post("/leader/api/helpers")
def ask_helpers(context: ContextDep, user: MayAnswerOnSite, form: HelpersForm) -> Response:
    """Open a case to the helpers of the grid (群防群治), or close it to them."""
    case = visible_case(context, user, CaseId(form.case))
    if reply_grid_of(user.account, case, context.app.registry) is None:
        raise Forbidden(f"{case.id} was not announced to the grid of {user.account.name}")
    with translate_errors():
        changed = HelperService(context.app).set_open(
            case.id, is_open=form.open, by=_person(user), note=form.text
        )
    return JSONResponse({"case": changed.id, "open": changed.open_to_helpers})


@router.post("/leader/api/report")
def send_ground_report(
    context: ContextDep, user: MayAnswerOnSite, form: GroundReportForm
) -> Response:
    """Accept a report; it becomes a case at once."""
    answered = answered_grids(user.account, context.app.registry, Subject.SCENE)
    if not answered:
        raise Forbidden(f"{user.account.name} answers for no grid")
    grid = answered[0]
    body = {
        "category": form.category,
        "place": with_location(
            form.place.strip(), located(form.location) if form.location else None
        ),
        "text": form.text,
        "client_at": form.client_at,
    }
    topic = str(ReportTopic(context.site.id, grid))
    payload = _reply_payload(user, form.key, body)
    return _handled_response(context.app.handle_reply(topic, payload, sender=_person(user)))


@router.post("/leader/api/photo/{case_id}/{key}")
async def upload_photo(
    context: ContextDep, user: MayAnswerOnSite, request: Request, case_id: str, key: str
) -> Response:
    """Accept a photo: turned upright, scaled down, without its metadata."""
    with translate_rate():
        context.field_limits.photos.count(user.account.name, user.now)
    upload = await read_photo(request)
    is_new = await run_in_threadpool(_store_photo, context, user, case_id, key, upload)
    return JSONResponse({"kept": is_new}, 201 if is_new else 200)


@router.get("/leader/manifest.webmanifest")
def web_manifest(context: ContextDep, user: MayAnswerOnSite) -> Response:
    """The web manifest that makes the page installable."""
    return install_manifest(context, user, "/leader", ("网格长", "Grid leader"))


@router.get("/leader/worker.js")
def service_worker(_context: ContextDep, _user: MayAnswerOnSite) -> Response:
    """The service worker; its address limits it to /leader."""
    headers = {"Service-Worker-Allowed": "/leader", "Cache-Control": "no-cache"}
    return FileResponse(STATIC / "worker.js", media_type="text/javascript", headers=headers)


def _person(user: CurrentUser) -> str:
    """The person whom the session proves."""
    return user.account.person or user.account.name


def _reply_payload(user: CurrentUser, key: str, body: dict[str, Any]) -> bytes:
    message = {"v": 1, "key": key, "at": user.now.isoformat(), "person": _person(user), **body}
    if not message.get("client_at"):
        message.pop("client_at", None)
    return json.dumps(message, ensure_ascii=False).encode()


def _handled_response(handled: ReplyResult) -> Response:
    if handled.outcome is ReplyOutcome.REFUSED:
        return error_document(409, handled.reason, detail="")
    return JSONResponse({"outcome": handled.outcome.value, "case": handled.case})


def _case_document(
    context: WebContext, user: CurrentUser, case: Case, photos: int, answered: _Answered
) -> dict[str, Any]:
    registry, owner = context.app.registry, owner_of(case)
    t, known = user.t, category_named(case.category)
    viewed_for = f"case:{case.id}"
    return {
        "id": case.id,
        "what": category_label(case.category, t),
        "level": level_label(case.level, t),
        "urgent": case.level.value in ("I", "II"),
        "grid": grid_name(registry, case.grid),
        "place": context.app.payloads.scrub(case.place),
        "check": known.check if t.language == "zh" else "",
        "note": context.app.payloads.scrub(stored_texts(context.app.registry, t)(case.note)),
        "state": case.state.value,
        "state_words": case_state_label(case.state, t),
        "open": case.is_open,
        "lamp": case.due_light(user.now).value,
        "left": time_left(case, user),
        "rework": _rework_reason(context, case),
        "extension": _extension_state(case, user),
        "move": is_own_move(case, answered),
        "helpers": case.open_to_helpers,
        "may_ask_helpers": case.subject is Subject.SCENE and not case.is_unannounced,
        "map": _map_of(context, case),
        "found": t.short_datetime(case.found_at),
        "mine": first_announced(case, answered[case.subject]) is not None,
        "owner": person_name(registry, owner, {}) if owner else "",
        "escalated": case.rung > 0,
        "picture": user.picture_url(case.before, "ground", viewed_for) if case.before else "",
        "photos": photos,
        "history": _case_history(context, case, user),
    }


MOVABLE: Final = (
    CaseState.DISPATCHED, CaseState.REWORK, CaseState.ACKNOWLEDGED, CaseState.ARRIVED,
    CaseState.HANDLED,
)  # fmt: skip


def is_own_move(case: Case, answered: _Answered) -> bool:
    """Whether the case waits for who answers for these grids: on the ground, and no pause runs."""
    mine = first_announced(case, answered[case.subject]) is not None
    return mine and case.state in MOVABLE and case.suspension is None


def _rework_reason(context: WebContext, case: Case) -> str:
    """Why it came back, while it has to be done again; empty otherwise."""
    if case.state is not CaseState.REWORK:
        return ""
    again = (one for one in reversed(case.entries) if one.what in RESTARTING_EVENTS)
    entry = next(again, None)
    return context.app.payloads.scrub(entry.note) if entry else ""


def _extension_state(case: Case, user: CurrentUser) -> str:
    """What became of the last request for more time; empty where none was made."""
    request, t = case.request, user.t
    if request is not None and request.kind is ApprovalKind.EXTENSION:
        return t("延期待批准", "more time: waits for approval")
    decided = (
        one.what
        for one in reversed(case.entries)
        if one.what in (CaseEvent.GRANT, CaseEvent.REFUSE)
        and one.note.startswith(APPROVAL_KINDS[ApprovalKind.EXTENSION][0])
    )
    last = next(decided, None)
    if last is None:
        return ""
    return (
        t("已延期", "more time was granted")
        if last is CaseEvent.GRANT
        else t("延期未批准", "more time was refused")
    )


def _map_of(context: WebContext, case: Case) -> str:
    """A link that opens the phone's map where the case is; empty where nobody measured it."""
    camera = context.app.registry.cameras.get(case.camera) if case.camera else None
    if camera is not None:
        return geo_link(camera.longitude, camera.latitude)
    return geo_link_of_text(case.place)


def _text_with_place(context: WebContext, case: Case, form: ReplyForm) -> str:
    """The words of a reply with how far from the case's place it was said.

    Only the distance stays, or, where the case has no measured place, the place itself.
    """
    if form.location is None:
        return form.text
    here = located(form.location)
    camera = context.app.registry.cameras.get(case.camera) if case.camera else None
    there = (camera.longitude, camera.latitude) if camera else (None, None)
    if there[0] is None or there[1] is None:
        return with_location(form.text.strip(), here)
    metres = distance_between((there[0], there[1]), (here.longitude, here.latitude)) or 0.0
    distance = f"位置距点位约 {metres:.0f} 米 (±{here.accuracy_m:.0f})"
    return f"{form.text.strip()} {distance}".strip()[:1000]


def _case_history(
    context: WebContext, case: Case, user: CurrentUser
) -> Sequence[tuple[str, str, str]]:
    """(when, what, note) of the last entries, the newest first; of a helper's step, who it was."""
    scrub, read = context.app.payloads.scrub, stored_texts(context.app.registry, user.t)

    def note_of(one: CaseEntry) -> str:
        who = person_name(context.app.registry, one.by, {}) if one.what in STEPS else ""
        return f"{who} {scrub(read(one.note))}".strip()

    return [
        (user.t.short_datetime(one.at), user.t.pair(CASE_EVENTS[one.what]), note_of(one))
        for one in reversed(case.entries[-6:])
    ]


def _store_photo(
    context: WebContext, user: CurrentUser, case_id: str, key: str, upload: bytes
) -> bool:
    case = visible_case(context, user, CaseId(case_id))
    if reply_grid_of(user.account, case, context.app.registry) is None:
        raise Forbidden(f"{case.id} was not announced to the grid of {user.account.name}")
    try:
        jpeg, width, height = normalized_photo(upload)
    except PictureTooLarge as exc:
        raise InvalidRequest(user.t("照片像素太多", "the photo has too many pixels")) from exc
    except (ValueError, cv2.error) as exc:
        raise InvalidRequest(user.t("不是照片", "not a picture")) from exc
    photo_key = MessageKey(f"{case.id}/{key}"[:128])
    due_at = user.now + timedelta(days=context.app.site.settings.retention.evidence_days)
    with context.app.store.begin() as uow:
        if any(known.key == photo_key for known in uow.case_photos.of_case(case.id)):
            return False  # a repeat, or another photo under the same key: no file of it is left
        stored = StoredPicture(
            sha256=context.app.evidence.put(
                jpeg, until=due_at
            ),  # durable before its row is committed
            camera=case.camera or CameraId(""),
            taken_at=user.now,
            width_px=width,
            height_px=height,
            bytes=len(jpeg),
            purpose=FIELD_PHOTO_PURPOSE,
            delete_after=due_at,
        )
        photo = CasePhoto(
            key=photo_key, case=case.id, sha256=stored.sha256, by=_person(user), at=user.now,
            picture=stored.id,
        )  # fmt: skip
        uow.case_photos.add(photo)
        uow.pictures.add(stored)
        uow.commit()
    return True
