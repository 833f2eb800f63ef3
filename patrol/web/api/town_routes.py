"""API routes of supervision, tags, hand-offs and broadcasts; and what comes from outside, signed.

`/inbound/{source}` takes no API key: a department or a loudspeaker signs its request with its own
secret, as our webhooks are signed (docs/mqtt.md). A repeat under its `webhook-id` changes nothing.
"""

from collections.abc import Mapping
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from fastapi.security import APIKeyHeader
from starlette.concurrency import run_in_threadpool

from patrol.app import Application
from patrol.app.town_service import (
    AlreadyOpened,
    BadReply,
    SignedInbox,
    TownService,
    take_answer,
    take_playback,
)
from patrol.cases.supervision import overdue_list
from patrol.domain.account import ApiKey
from patrol.domain.ids import CaseId
from patrol.reports.documents import (
    JsonObject,
    broadcast_document,
    case_document,
    hand_off_document,
    overdue_document,
)
from patrol.reports.meeting import (
    PackHeading,
    load_pack,
    parse_period,
    parse_scope,
)
from patrol.reports.meeting_files import pack_document
from patrol.web.api import documents, town_documents
from patrol.web.api.routes import (
    BEARER,
    App,
    DocumentRoute,
    Limit,
    RequireScope,
    decided_by,
    masked,
)
from patrol.web.context import public
from patrol.web.errors import translate_errors

router = APIRouter(dependencies=[Depends(BEARER)], route_class=DocumentRoute)
SIGNATURE: Final = APIKeyHeader(
    name="webhook-signature",
    scheme_name="WebhookSignature",
    auto_error=False,  # SignedInbox refuses, with what is wrong
    description="`v1,BASE64(HMAC-SHA256(secret, id.timestamp.body))` of the source's own secret, "
    "beside `webhook-id` and `webhook-timestamp` (Standard Webhooks).",
)
inbound = APIRouter(dependencies=[Depends(SIGNATURE)], route_class=DocumentRoute)
Move = Annotated[ApiKey, Depends(RequireScope("cases:move"))]
READ = [Depends(RequireScope("cases:read"))]


@router.get("/overdue", response_model=list[town_documents.OverdueLine], dependencies=READ)
def overdue(app: App, grid: str | None = None) -> list[JsonObject]:
    """The overdue list, of all or of a grid and those below it; the most urgent first."""
    now, tree = app.clock.now(), app.registry.tree
    with app.store.begin_read() as uow:
        lines = overdue_list(uow, now)
    return [
        overdue_document(line, now)
        for line in lines
        if grid is None or tree.is_within(line.case.grid, grid)
    ]


@router.post("/cases/{case_id}/supervise", response_model=documents.Case)
def supervise(app: App, case_id: str, form: town_documents.Supervise, key: Move) -> JsonObject:
    """Put a case under supervision, with reason and clock."""
    with translate_errors(f"case {case_id}"):
        changed = TownService(app).supervise(
            case_id, by=decided_by(key), why=form.why, hours=form.hours
        )
    return masked(app, case_document(changed))


@router.post("/cases/{case_id}/urge", response_model=documents.Case)
def urge(app: App, case_id: str, form: town_documents.Urge, key: Move) -> JsonObject:
    """Tell the person whose move it is again."""
    with translate_errors(f"case {case_id}"):
        return masked(
            app, case_document(TownService(app).urge(case_id, by=decided_by(key), why=form.why))
        )


@router.put("/cases/{case_id}/tags", response_model=documents.Case)
def tag_case(app: App, case_id: str, form: town_documents.Tags, key: Move) -> JsonObject:
    """Give a case exactly these tags."""
    with translate_errors(f"case {case_id}"):
        return masked(
            app, case_document(TownService(app).tag(case_id, form.tags, by=decided_by(key)))
        )


@router.put("/grids/{grid}/tags", response_model=town_documents.GridTags)
def tag_grid(app: App, grid: str, form: town_documents.Tags, key: Move) -> JsonObject:
    """Give a grid exactly these tags."""
    with translate_errors(f"grid {grid}"):
        tags = TownService(app).tag_grid(grid, form.tags, by=decided_by(key))
    return {"grid": grid, "tags": list(tags)}


@router.get("/hand-offs", response_model=list[town_documents.HandOffDocument], dependencies=READ)
def hand_offs(app: App, limit: Limit = 100) -> list[JsonObject]:
    """Hand-offs, the newest first."""
    with app.store.begin_read() as uow:
        return [masked(app, hand_off_document(one)) for one in uow.hand_offs.list(limit=limit)]


@router.post(
    "/cases/{case_id}/hand-off", response_model=town_documents.HandOffDocument, status_code=201
)
def hand_off(app: App, case_id: str, form: town_documents.GiveCase, key: Move) -> JsonObject:
    """Hand a case to a department; it goes out by the department's channel."""
    with translate_errors(f"case {case_id}"):
        given = TownService(app).hand_off(case_id, form.recipient, by=decided_by(key), why=form.why)
    return masked(app, hand_off_document(given))


@router.get(
    "/cases/{case_id}/broadcasts", response_model=list[town_documents.BroadcastDocument],
    dependencies=READ,
)  # fmt: skip
def broadcasts(app: App, case_id: str) -> list[JsonObject]:
    """The broadcasts of a case, the oldest first."""
    with app.store.begin_read() as uow, translate_errors(f"case {case_id}"):
        case = uow.cases.get(CaseId(case_id))
        return [masked(app, broadcast_document(one)) for one in uow.broadcasts.of_case(case.id)]


@router.post(
    "/cases/{case_id}/broadcasts", response_model=town_documents.BroadcastDocument, status_code=201
)
def ask_broadcast(
    app: App, case_id: str, form: town_documents.AskBroadcast, key: Move
) -> JsonObject:
    """Ask for a broadcast; 409 at night below level I."""
    with translate_errors(f"case {case_id}"):
        asked = TownService(app).ask_broadcast(
            case_id, by=decided_by(key), template=form.template, text=form.text,
            speaker=form.speaker,
        )  # fmt: skip
    return masked(app, broadcast_document(asked))


@router.get(
    "/meetings/{scope}/{period}", response_model=town_documents.MeetingPackDocument,
    dependencies=[Depends(RequireScope("meetings:read"))],
)  # fmt: skip
def meeting_pack(app: App, scope: str, period: str) -> JsonObject:
    """A pack: `town`, `centre:ID` or `village:CODE`, of a day, week, month, quarter or year."""
    settings = app.site.settings
    with translate_errors():
        heading = PackHeading(
            scope=parse_scope(scope, app.registry.tree), period=parse_period(period),
            site=settings.site.name, zone=settings.site.tz, made_at=app.clock.now(),
            registry=app.registry,
        )  # fmt: skip
    with app.store.begin_read() as uow:
        return pack_document(load_pack(uow, heading, settings.calendar.all_plans))


@inbound.post(
    "/inbound/{source}", response_model=town_documents.Taken,
    dependencies=public("signed with the source's own secret"),
)  # fmt: skip
async def take_signed(request: Request, source: str) -> JsonObject:
    """A department opens a case or answers one; a loudspeaker says that it played. Signed."""
    body = await request.body()
    return await run_in_threadpool(
        _take, request.app.state.application, source, request.headers, body
    )


def _take(app: Application, source: str, headers: Mapping[str, str], body: bytes) -> JsonObject:
    service = TownService(app)
    key, message = SignedInbox(service).check(source, headers, body)
    kind = str(message.get("type", ""))
    with translate_errors(source):
        if kind == "open":
            try:
                case = service.open_from_department(source, message, key)
            except AlreadyOpened:
                return {"taken": key, "repeated": True}
            return {"taken": case.id, "repeated": False}
        if kind in {"receive", "answer"}:
            ident = str(message.get("id", ""))
            take_answer(service, source, ident, {**message, "key": key})
            return {"taken": ident, "repeated": False}
        if kind in {"played", "failed"}:
            return {"taken": take_playback(service, source, message).id, "repeated": False}
    raise BadReply("type: give open, receive, answer, played or failed")
