"""The phone page of who walks patrols and of helpers (/ground): check in, help, report.

As the leader's page it works without a connection: what is done is queued on the phone under a key
of its own and sent until it was accepted. A QR code opens the page by its address, with the code
behind `#`, which no server sees; the page queues the check-in with the phone's time. A helper sees
of a case what and where it is: no picture, no note, no history.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import cv2
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, JSONResponse, Response

from patrol.app.ground_service import (
    CheckInForm,
    GroundService,
    patrol_for,
    read_claimed_at,
)
from patrol.app.helper_service import HelperReport, HelperService
from patrol.domain.account import Permission
from patrol.domain.answering import may_help
from patrol.domain.case import Case
from patrol.domain.finding import category_named
from patrol.domain.ground_labels import (
    CHECK_IN_PROBLEMS,
    CHECK_IN_STATES,
    GROUND_STATES,
    REPORT_OUTCOMES,
    STOP_STATES,
)
from patrol.domain.ground_patrol import (
    CheckInRefused,
    GroundPatrol,
    GroundStop,
    StopState,
)
from patrol.domain.helping import FiledReport, HelperStep, has_done
from patrol.domain.ids import CaseId, GridCode, PersonId, PictureId
from patrol.domain.labels import label_of
from patrol.domain.registry import PatrolPoint
from patrol.pixels import PictureTooLarge
from patrol.web.auth import CurrentUser, Forbidden
from patrol.web.context import ContextDep, MayHelp, MayPatrolGround, WebContext
from patrol.web.errors import NO_STORE, InvalidRequest, translate_errors, translate_rate
from patrol.web.i18n import category_label, grid_name, level_label
from patrol.web.pages.case_actions import visible_case
from patrol.web.pages.phone import (
    KEY_PATTERN,
    PhonePlace,
    allow_location,
    geo_link,
    install_manifest,
    located,
    pictured_categories,
    read_photo,
)
from patrol.web.rendering import STATIC
from patrol.web.thumbnails import normalized_photo

MAX_CASES: Final = 100
MAX_REPORTS: Final = 20
router = APIRouter()


class PhoneCheckIn(BaseModel):
    """A check-in, as the phone queued it: a code that was read, or a point by location."""

    key: str = Field(pattern=f"^{KEY_PATTERN}$")
    code: str = Field(default="", max_length=400)
    patrol: str = Field(default="", max_length=200)
    point: str = Field(default="", max_length=64)
    client_at: str = Field(default="", max_length=40)
    location: PhonePlace | None = None
    seen: str = Field(default="", max_length=500)


class HelperStepForm(BaseModel):
    """A helper goes to a case, or was there."""

    key: str = Field(pattern=f"^{KEY_PATTERN}$")
    case: str = Field(max_length=64)
    step: HelperStep
    note: str = Field(default="", max_length=500)


class HelperReportForm(BaseModel):
    """A report (随手拍), as the phone queued it; `photo`: the name that its upload was given."""

    key: str = Field(pattern=f"^{KEY_PATTERN}$")
    category: str = Field(default="other", max_length=40)
    place: str = Field(default="", max_length=200)
    text: str = Field(default="", max_length=500)
    photo: str = Field(default="", max_length=64)
    location: PhonePlace | None = None
    client_at: str = Field(default="", max_length=40)


@router.get("/ground")
def ground_page(context: ContextDep, user: MayPatrolGround) -> Response:
    """The page; its script fetches patrols, cases and reports, and shows cached ones offline."""
    grid = grid_name(context.app.registry, user.account.grid or GridCode(""))
    answer = context.renderer.render_page(
        "ground.html", user, grid=grid, categories=pictured_categories(user.t),
        helps=user.has_permission(Permission.HELP),
        is_leader=user.has_permission(Permission.GROUND),
    )  # fmt: skip
    return allow_location(answer)


@router.get("/ground/api/state")
def ground_state(context: ContextDep, user: MayPatrolGround) -> Response:
    """The own patrols; for helpers the open cases of the own grid, and the own reports."""
    patrols = GroundService(context.app).patrols_of(_person(user))
    body: dict[str, Any] = {
        "account": user.account.name,
        "patrols": [_patrol_document(context, user, *one) for one in patrols],
        "cases": [],
        "reports": [],
        "phone": context.app.site.settings.centre_phone,
        "at": user.now.isoformat(),
    }
    if user.has_permission(Permission.HELP):
        body["cases"] = [_case_document(context, user, case) for case in _cases(context, user)]
        reports = HelperService(context.app).reports(user.account.name, limit=MAX_REPORTS)
        body["reports"] = [_report_document(context, user, one) for one in reports]
    return JSONResponse(body, headers=NO_STORE)


def _cases(context: WebContext, user: CurrentUser) -> Sequence[Case]:
    tree = context.app.registry.tree
    with context.app.store.begin_read() as uow:
        running = uow.cases.list(open_only=True, limit=2000)
    mine = [case for case in running if may_help(user.account, case, tree)]
    return sorted(mine, key=lambda case: (case.level.value, case.found_at))[:MAX_CASES]


@router.post("/ground/api/check-in")
def check_in(context: ContextDep, user: MayPatrolGround, form: PhoneCheckIn) -> Response:
    """Take a check-in; a repeat of its key gives the same answer.

    A code alone says which point; the patrol is the one of this person that has it, by its hours.
    """
    service, person, t = GroundService(context.app), _person(user), user.t
    with translate_errors(f"patrol {form.patrol}"):
        claimed_at = read_claimed_at(form.client_at, user.now)
        patrol = form.patrol or _patrol_of_code(context, service, person, form.code, claimed_at)
        taken = service.check_in(
            CheckInForm(
                key=form.key,
                patrol=patrol,
                by=person,
                claimed_at=claimed_at,
                code=form.code,
                point=form.point,
                seen=form.seen,
                location=located(form.location) if form.location else None,
            )
        )
    problems = t("、", ", ").join(
        t.pair(label_of(CHECK_IN_PROBLEMS, one)) for one in taken.problems
    )
    state = t.pair(label_of(CHECK_IN_STATES, taken.state))
    text = f"{state}{t.colon if problems else ''}{problems}"
    return JSONResponse({"state": str(taken.state), "point": taken.point, "words": text})


def _patrol_of_code(
    context: WebContext, service: GroundService, person: PersonId, code: str, at: datetime
) -> str:
    point, _ = service.codes().read(code, context.app.registry.points)
    patrol = patrol_for(service.patrols_of(person), point.id, at)
    if not patrol:
        raise CheckInRefused(f"code: no patrol of yours has the point {point.name}")
    return patrol


@router.post("/ground/api/say")
def note_helper_step(context: ContextDep, user: MayHelp, form: HelperStepForm) -> Response:
    """A helper goes, or was there; said twice it stands once. 409: it is not open any more."""
    case = visible_case(context, user, CaseId(form.case))
    HelperService(context.app).note_step(case.id, form.step, by=_person(user), note=form.note)
    return JSONResponse({"case": case.id, "step": str(form.step)})


@router.post("/ground/api/photo")
async def upload_photo(context: ContextDep, user: MayHelp, request: Request) -> Response:
    """Store the photo of a report: turned upright, scaled down, without its metadata."""
    with translate_rate():
        context.field_limits.photos.count(user.account.name, user.now)
    upload = await read_photo(request)
    picture = await run_in_threadpool(_store_photo, context, user, upload)
    return JSONResponse({"photo": picture}, 201)


def _store_photo(context: WebContext, user: CurrentUser, upload: bytes) -> PictureId:
    try:
        jpeg, width, height = normalized_photo(upload)
    except PictureTooLarge as exc:
        raise InvalidRequest(user.t("照片像素太多", "the photo has too many pixels")) from exc
    except (ValueError, cv2.error) as exc:
        raise InvalidRequest(user.t("不是照片", "not a picture")) from exc
    return HelperService(context.app).keep_photo(jpeg, width, height)


@router.post("/ground/api/report")
def send_report(context: ContextDep, user: MayHelp, form: HelperReportForm) -> Response:
    """Take a report into the review queue; a repeat of its key files nothing."""
    grid = user.account.grid
    if grid is None:
        raise Forbidden(f"{user.account.name} has no grid")
    with translate_rate():
        context.field_limits.reports.count(user.account.name, user.now)
    with translate_errors():
        filed = HelperService(context.app).report(
            HelperReport(
                key=form.key, grid=grid, category=form.category, text=form.text,
                place=form.place, photo=PictureId(form.photo) if form.photo else None,
                location=located(form.location) if form.location else None,
            ),
            by=user.account.name,
        )  # fmt: skip
    return JSONResponse({"finding": filed.id if filed else None}, 201 if filed else 200)


@router.get("/ground/manifest.webmanifest")
def web_manifest(context: ContextDep, user: MayPatrolGround) -> Response:
    """The web manifest that makes the page installable."""
    return install_manifest(context, user, "/ground", ("巡防与协助", "Patrol and help"))


@router.get("/ground/worker.js")
def service_worker(_context: ContextDep, _user: MayPatrolGround) -> Response:
    """The service worker; its address limits it to /ground."""
    headers = {"Service-Worker-Allowed": "/ground", "Cache-Control": "no-cache"}
    return FileResponse(STATIC / "worker.js", media_type="text/javascript", headers=headers)


def _person(user: CurrentUser) -> PersonId:
    """The person whom the session proves."""
    return PersonId(user.account.person or user.account.name)


def _patrol_document(
    context: WebContext, user: CurrentUser, patrol: GroundPatrol, stops: Sequence[GroundStop]
) -> dict[str, Any]:
    t, points = user.t, context.app.registry.points
    scrub = context.app.payloads.scrub
    return {
        "id": patrol.id,
        "title": scrub(patrol.title),
        "grid": grid_name(context.app.registry, patrol.grid),
        "window": f"{t.short_datetime(patrol.planned_at)}–{t.time(patrol.finish_by)}",
        "state": str(patrol.state),
        "state_words": t.pair(label_of(GROUND_STATES, patrol.state)),
        "now": patrol.is_open and patrol.open_from <= user.now < patrol.finish_by,
        "last_call": patrol.is_open and patrol.last_call_at <= user.now,
        "left": t.time_left(patrol.finish_by, user.now) if patrol.is_open else "",
        "points": [
            {
                "point": stop.point,
                "name": scrub(stop.name),
                "due": t.time(stop.due_at),
                "state": str(stop.state),
                "words": t.pair(label_of(STOP_STATES, stop.state)),
                "late": stop.state is StopState.PENDING and stop.due_at <= user.now,
                "open": stop.state is StopState.PENDING and patrol.is_open,
                "map": _map_link(points.get(stop.point)),
            }
            for stop in stops
        ],
    }


def _map_link(point: PatrolPoint | None) -> str:
    return geo_link(point.longitude, point.latitude) if point is not None else ""


def _case_document(context: WebContext, user: CurrentUser, case: Case) -> dict[str, Any]:
    """What a helper sees of a case: what, where, what to check; no picture, no history."""
    t, person = user.t, _person(user)
    return {
        "id": case.id,
        "what": category_label(case.category, t),
        "level": level_label(case.level, t),
        "urgent": case.level.value in ("I", "II"),
        "where": grid_name(context.app.registry, case.grid),
        "place": context.app.payloads.scrub(case.place),
        "check": category_named(case.category).check if t.language == "zh" else "",
        "found": t.short_datetime(case.found_at),
        "going": has_done(case, HelperStep.GOING, person),
        "there": has_done(case, HelperStep.THERE, person),
    }


def _report_document(context: WebContext, user: CurrentUser, report: FiledReport) -> dict[str, Any]:
    finding, t = report.finding, user.t
    return {
        "id": finding.id,
        "what": category_label(finding.category or finding.kind, t),
        "place": context.app.payloads.scrub(finding.place),
        "at": t.short_datetime(finding.found_at),
        "outcome": str(report.outcome),
        "words": t.pair(label_of(REPORT_OUTCOMES, report.outcome)),
        "case": report.case.id if report.case else "",
    }
