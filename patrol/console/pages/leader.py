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

from patrol.console.asking import AtDesk, ForGround
from patrol.console.desk import Desk
from patrol.console.gate import Caller, Forbidden
from patrol.console.pages.common import (
    CannotBe,
    NotFound,
    category_words,
    grid_name,
    level_words,
    state_words,
)
from patrol.console.pages.one_case import time_left
from patrol.console.shell import STATIC, static_address
from patrol.console.thumbs import photo as as_photo
from patrol.dispatch.inbox import Handled, Outcome
from patrol.dispatch.topics import ReplyTopic, ReportTopic
from patrol.domain import category as categories
from patrol.domain.account import CasePhoto, answers_as, may_see_case
from patrol.domain.case import Case
from patrol.domain.ids import CameraId, CaseId, GridCode, MessageKey
from patrol.domain.round import GROUND, StoredPicture
from patrol.report.words import CASE_EVENTS

LARGEST_PHOTO_BYTES: Final = 12 * 1024 * 1024
MOST_CASES: Final = 200
KEY: Final = r"[A-Za-z0-9-]{8,64}"
router = APIRouter()
Type = Literal["opened", "acknowledge", "arrive", "feedback"]
Result = Literal[
    "", "handled", "false_alarm", "not_my_grid", "need_help", "cannot_reach", "in_progress"
]


class Say(BaseModel):
    """One word about a case, as the phone queued it."""

    key: str = Field(pattern=f"^{KEY}$")
    case: str
    type: Type
    result: Result = ""
    text: str = Field(default="", max_length=1000)
    client_at: str = Field(default="", max_length=40)


class Tell(BaseModel):
    """A problem first seen on the ground."""

    key: str = Field(pattern=f"^{KEY}$")
    category: str = Field(default="other", max_length=40)
    place: str = Field(default="", max_length=200)
    text: str = Field(default="", max_length=1000)
    client_at: str = Field(default="", max_length=40)


@router.get("/leader")
def page(desk: AtDesk, caller: ForGround) -> Response:
    """The page itself; it asks for its cases, and works from what it kept without a link."""
    grid = grid_name(desk.doors.registry, caller.account.grid or GridCode(""))
    choices = [(one.id, caller.say(one.zh, one.en)) for one in categories.ALL]
    answer = desk.shell.page("leader.html", caller, grid=grid, categories=choices)
    answer.headers["Cache-Control"] = "private, no-cache"  # the phone keeps it to open offline
    return answer


@router.get("/leader/api/cases")
def cases(desk: AtDesk, caller: ForGround) -> Response:
    """Open cases that this account is told of, most pressing first; then the last ended."""
    tree = desk.doors.registry.tree
    with desk.doors.store.begin_read() as uow:
        running = uow.cases.list(open_only=True, limit=2000)
        ended = [case for case in uow.cases.list(limit=200) if not case.is_open]
        mine = [case for case in running if may_see_case(caller.account, case, tree)]
        mine = sorted(mine, key=lambda case: (case.level.value, case.due_at))[:MOST_CASES]
        photos = {case.id: len(uow.case_photos.of_case(case.id)) for case in mine}
    past = [case for case in ended if may_see_case(caller.account, case, tree)][:5]
    return JSONResponse(
        {
            "cases": [_line(desk, caller, case, photos[case.id]) for case in mine],
            "ended": [_line(desk, caller, case, 0) for case in past],
            "phone": desk.doors.facts.phone,
            "at": caller.now.isoformat(),
        },
        headers={"Cache-Control": "no-store"},
    )


@router.post("/leader/api/say")
def say(desk: AtDesk, caller: ForGround, said: Say) -> Response:
    """One word; sent twice is heard once."""
    case = _case(desk, caller, said.case)
    grid = answers_as(caller.account, case)
    if grid is None:
        raise Forbidden(f"{case.id} was not told to the grid of {caller.account.name}")
    body = {"type": said.type, "text": said.text, "client_at": said.client_at}
    if said.type == "feedback":
        body["result"] = said.result
    topic = str(ReplyTopic(desk.doors.facts.id, grid, case.id))
    return _answer(desk.doors.hear(topic, _payload(caller, said.key, body)))


@router.post("/leader/api/report")
def report(desk: AtDesk, caller: ForGround, said: Tell) -> Response:
    """A problem that was seen on the ground first; it becomes a case at once."""
    grid = caller.account.grid
    if grid is None:
        raise Forbidden(f"{caller.account.name} answers for no grid")
    body = {
        "category": said.category,
        "place": said.place,
        "text": said.text,
        "client_at": said.client_at,
    }
    topic = str(ReportTopic(desk.doors.facts.id, grid))
    return _answer(desk.doors.hear(topic, _payload(caller, said.key, body)))


@router.post("/leader/api/photo/{case_id}/{key}")
async def photo(
    desk: AtDesk, caller: ForGround, request: Request, case_id: str, key: str
) -> Response:
    """A picture from the ground: turned upright, made smaller, all metadata dropped."""
    upload = await _body(request)
    kept = await run_in_threadpool(_keep, desk, caller, case_id, key, upload)
    return JSONResponse({"kept": kept}, 201 if kept else 200)


@router.get("/leader/manifest.webmanifest")
def manifest(desk: AtDesk, caller: ForGround) -> Response:
    """What makes it installable."""
    name = caller.say("网格长", "Grid leader")
    icons = [{"src": static_address("icon.svg"), "type": "image/svg+xml", "sizes": "any"}]
    for size in (192, 512):  # what telephones want for their home screens
        icons += [
            {"src": static_address(f"icon-{size}.png"), "type": "image/png",
             "sizes": f"{size}x{size}", "purpose": purpose}
            for purpose in ("any", "maskable")
        ]  # fmt: skip
    return JSONResponse(
        {
            "name": f"{desk.doors.facts.name} {name}",
            "short_name": name,
            "lang": "zh-CN" if caller.say.language == "zh" else "en",
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
def worker(_desk: AtDesk, _caller: ForGround) -> Response:
    """The service worker; it lies here so that it may only speak for /leader."""
    headers = {"Service-Worker-Allowed": "/leader", "Cache-Control": "no-cache"}
    return FileResponse(STATIC / "worker.js", media_type="text/javascript", headers=headers)


def _payload(caller: Caller, key: str, body: dict[str, Any]) -> bytes:
    person = caller.account.person or caller.account.name
    said = {"v": 1, "key": key, "at": caller.now.isoformat(), "person": person, **body}
    if not said.get("client_at"):
        said.pop("client_at", None)
    return json.dumps(said, ensure_ascii=False).encode()


def _answer(handled: Handled) -> Response:
    if handled.outcome is Outcome.REFUSED:
        return JSONResponse({"error": 409, "words": handled.reason, "detail": ""}, 409)
    return JSONResponse({"outcome": handled.outcome.value, "case": handled.case})


def _case(desk: Desk, caller: Caller, ident: str) -> Case:
    with desk.doors.store.begin_read() as uow:
        try:
            case = uow.cases.get(CaseId(ident))
        except KeyError:
            raise NotFound(ident) from None
    if not may_see_case(caller.account, case, desk.doors.registry.tree):
        raise Forbidden(f"{ident} lies outside the grid of {caller.account.name}")
    return case


def _line(desk: Desk, caller: Caller, case: Case, photos: int) -> dict[str, Any]:
    say, known = caller.say, categories.named(case.category)
    context = f"case:{case.id}"
    return {
        "id": case.id,
        "what": category_words(case.category, say),
        "level": level_words(case.level, say),
        "urgent": case.level.value in ("I", "II"),
        "grid": grid_name(desk.doors.registry, case.grid),
        "place": desk.doors.wire.clean(case.place),
        "check": known.check if say.language == "zh" else "",
        "note": desk.doors.wire.clean(case.note),
        "state": case.state.value,
        "state_words": state_words(case.state, say),
        "open": case.is_open,
        "lamp": case.lamp(caller.now).value,
        "left": time_left(case, caller),
        "found": say.moment(case.found_at),
        "mine": answers_as(caller.account, case) is not None,
        "escalated": case.rung > 0,
        "picture": caller.picture(case.before, "full", context) if case.before else "",
        "photos": photos,
        "history": _words_of(case, caller),
    }


def _words_of(case: Case, caller: Caller) -> Sequence[tuple[str, str, str]]:
    """When, what, and what was said, newest first."""
    return [
        (caller.say.moment(one.at), caller.say.pair(CASE_EVENTS[one.what]), one.note)
        for one in reversed(case.entries[-6:])
    ]


async def _body(request: Request) -> bytes:
    """The upload, never more of it than we would keep."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > LARGEST_PHOTO_BYTES:
            raise HTTPException(413, "too large")
        parts.append(part)
    return b"".join(parts)


def _keep(desk: Desk, caller: Caller, case_id: str, key: str, upload: bytes) -> bool:
    case = _case(desk, caller, case_id)
    if answers_as(caller.account, case) is None:
        raise Forbidden(f"{case.id} was not told to the grid of {caller.account.name}")
    try:
        jpeg, width, height = as_photo(upload)
    except (ValueError, cv2.error) as exc:
        raise CannotBe(caller.say("不是照片", "not a picture")) from exc
    sha256 = desk.doors.evidence.put(jpeg)
    stored = StoredPicture(
        sha256=sha256,
        camera=case.camera or CameraId(""),
        taken_at=caller.now,
        width_px=width,
        height_px=height,
        bytes=len(jpeg),
        purpose=GROUND,
        delete_after=caller.now + desk.doors.facts.keep_evidence,
    )
    kept = CasePhoto(
        key=MessageKey(f"{case.id}/{key}"[:128]),
        case=case.id,
        sha256=sha256,
        by=caller.account.person or caller.account.name,
        at=caller.now,
    )
    with desk.doors.store.begin() as uow:
        new = uow.case_photos.add(kept)
        if new:
            uow.pictures.add(stored)
        uow.commit()
    return new
