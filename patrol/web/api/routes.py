"""The routes of the API, and the API key with its scopes that each of them needs.

Plain `def`: each runs in a thread, with one short transaction.
"""

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer

from patrol.administration.legal_holds import end_hold, hold_document, set_hold
from patrol.app import Application
from patrol.domain.access_labels import NOTE_MASKED
from patrol.domain.account import API_KEY_PREFIX, API_SCOPES, ApiKey, hash_api_secret
from patrol.domain.consent import TermsAction, TermsChange, parse_hours, parse_until
from patrol.domain.ids import CameraId, CaseId, FindingId, RoundId
from patrol.domain.labels import bilingual
from patrol.domain.legal_hold import HoldScope
from patrol.domain.private_text import PrivateTextMask
from patrol.domain.round import ADHOC
from patrol.domain.timestamps import parse_day, parse_month
from patrol.households.documents import terms_document
from patrol.reports.documents import (
    JsonObject,
    camera_document,
    case_document,
    finding_document,
    masked_document,
    message_document,
    round_document,
)
from patrol.reports.queries import ReportHeading, ReportPeriod, period_of
from patrol.reports.report import load_report, report_document
from patrol.web.api import documents
from patrol.web.errors import InvalidRequest, ResourceNotFound, translate_errors

BEARER: Final = HTTPBearer(auto_error=False, description="A key of `patrol key add`.")


class NoKey(Exception):
    """The request has no key, or its key is unknown or revoked."""


class NoScope(Exception):
    """The key lacks the scope that the text names."""


class RequireScope:
    """A route's dependency: a key of `patrol key add` that has the scope."""

    def __init__(self, scope: str) -> None:
        assert scope in API_SCOPES  # noqa: S101  a misspelt scope would let no key in  # nosec B101
        self.scope = scope

    def __call__(self, request: Request) -> ApiKey:
        """The request's key. Raises NoKey, NoScope."""
        app: Application = request.app.state.application
        kind, _, secret = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not secret.startswith(API_KEY_PREFIX):
            raise NoKey
        with app.store.begin_read() as uow:
            key = uow.api_keys.by_secret(hash_api_secret(secret.strip()))
        if key is None:
            raise NoKey
        if self.scope not in key.scopes:
            raise NoScope(self.scope)
        return key


class DocumentRoute(APIRoute):
    """A route that answers with the document as it was made: a field that it lacks is not added.

    Of every router of the API, so that a case is the same in a list, alone and when it changes.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{**options, "response_model_exclude_unset": True})


router = APIRouter(dependencies=[Depends(BEARER)], route_class=DocumentRoute)
Limit = Annotated[int, Query(ge=1, le=1000, description="At most this many, the first.")]
Offset = Annotated[
    int, Query(ge=0, le=10_000_000, description="Leave out so many, for the next page.")
]
TOTAL_HEADER: Final = "X-Total-Count"  # of a list: how many there are on all pages together


def _application(request: Request) -> Application:
    app: Application = request.app.state.application
    return app


App = Annotated[Application, Depends(_application)]


@router.get("/rounds", response_model=list[documents.Round],
            dependencies=[Depends(RequireScope("rounds:read"))])  # fmt: skip
def rounds(app: App, plan: str | None = None, limit: Limit = 20) -> list[JsonObject]:
    """Rounds, the newest first; of one plan, or of all."""
    plans = [plan] if plan is not None else [*app.site.settings.calendar.all_plans, ADHOC]
    with app.store.begin_read() as uow:
        found = [one for name in plans for one in uow.rounds.of_plan(name, limit=limit)]
    found.sort(key=lambda one: (one.planned_at, one.id), reverse=True)
    return [round_document(one) for one in found[:limit]]


@router.get("/rounds/{round_id}", response_model=documents.Round,
            dependencies=[Depends(RequireScope("rounds:read"))])  # fmt: skip
def one_round(app: App, round_id: str) -> JsonObject:
    """One round with its totals: planned = pending + seen + not viewable + missed."""
    with app.store.begin_read() as uow, translate_errors(f"round {round_id}"):
        found = uow.rounds.get(RoundId(round_id))
        return round_document(found, uow.rounds.totals(found.id))


@router.get("/findings", response_model=list[documents.Finding],
            dependencies=[Depends(RequireScope("findings:read"))])  # fmt: skip
def findings(
    app: App,
    answer: Response,
    round_id: Annotated[str | None, Query(alias="round")] = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> list[JsonObject]:
    """Findings that wait for a person, the worst first; or all of a round, decided or not.

    The header X-Total-Count has the number of all; `offset` leads to the next ones.
    """
    with app.store.begin_read() as uow:
        if round_id is None:
            total = sum(one.count for one in uow.findings.waiting_totals())
            found = uow.findings.queue(limit=limit, offset=offset)
        else:
            of_round = uow.findings.of_round(RoundId(round_id))
            total, found = len(of_round), of_round[offset : offset + limit]
    answer.headers[TOTAL_HEADER] = str(total)
    return [masked(app, finding_document(one)) for one in found]


@router.get("/findings/{finding_id}", response_model=documents.Finding,
            dependencies=[Depends(RequireScope("findings:read"))])  # fmt: skip
def one_finding(app: App, finding_id: str) -> JsonObject:
    """One finding."""
    with app.store.begin_read() as uow, translate_errors(f"finding {finding_id}"):
        return masked(app, finding_document(uow.findings.get(FindingId(finding_id))))


@router.post(
    "/findings/{finding_id}/confirm", response_model=documents.ConfirmedCase, status_code=201
)
def confirm(
    app: App,
    finding_id: str,
    form: documents.Confirm,
    key: Annotated[ApiKey, Depends(RequireScope("findings:decide"))],
) -> JsonObject:
    """Confirm: open a case and notify the grid leader. 409 when it was decided before."""
    with translate_errors(f"finding {finding_id}"):
        case = app.confirm(
            finding_id,
            by=decided_by(key),
            category=form.category,
            level=form.level,
            note=form.note,
            phoned=form.phoned,
        )
    parts = app.payloads.masked_parts(f"{form.note}\n{form.phoned}")
    if not parts:
        return masked(app, case_document(case))
    warning = f"{bilingual(NOTE_MASKED)}: {'; '.join(dict.fromkeys(parts))}"
    return {**masked(app, case_document(case)), "warnings": [warning]}


@router.post("/findings/{finding_id}/dismiss", response_model=documents.Finding)
def dismiss(
    app: App,
    finding_id: str,
    form: documents.Dismiss,
    key: Annotated[ApiKey, Depends(RequireScope("findings:decide"))],
) -> JsonObject:
    """Dismiss the finding. 409 when it was decided before."""
    with translate_errors(f"finding {finding_id}"):
        decided = app.dismiss(finding_id, by=decided_by(key), reason=form.reason)
    return masked(app, finding_document(decided))


@router.get("/cases", response_model=list[documents.Case],
            dependencies=[Depends(RequireScope("cases:read"))])  # fmt: skip
def cases(
    app: App,
    answer: Response,
    only_open: Annotated[bool, Query(alias="open")] = False,  # noqa: FBT002  a query's switch
    limit: Limit = 100,
    offset: Offset = 0,
) -> list[JsonObject]:
    """Cases, the newest first. The header X-Total-Count has the number of all."""
    with app.store.begin_read() as uow:
        answer.headers[TOTAL_HEADER] = str(uow.cases.count(open_only=only_open))
        found = uow.cases.list(open_only=only_open, limit=limit, offset=offset)
    return [masked(app, case_document(one)) for one in found]


@router.get("/cases/{case_id}", response_model=documents.CaseAndMessages,
            dependencies=[Depends(RequireScope("cases:read"))])  # fmt: skip
def one_case(app: App, case_id: str) -> JsonObject:
    """One case with its history and its messages."""
    with app.store.begin_read() as uow, translate_errors(f"case {case_id}"):
        found = uow.cases.get(CaseId(case_id))
        messages = [message_document(message) for message in uow.outbox.of_case(found.id)]
        seen_by = {"gauge": uow.findings.gauge_of(found.finding) or None}
    return {**masked(app, case_document(found)), **seen_by, "messages": messages}


@router.get("/cameras", response_model=list[documents.Camera],
            dependencies=[Depends(RequireScope("cameras:read"))])  # fmt: skip
def cameras(app: App, grid: str | None = None) -> list[JsonObject]:
    """All cameras, or those of a grid and of the grids below it."""
    registry = app.registry
    with app.store.begin_read() as uow:
        known = uow.health.all()
    return [
        camera_document(camera, known.get(camera.id))
        for camera in registry.cameras.values()
        if grid is None or registry.tree.is_within(camera.grid, grid)
    ]


@router.get("/cameras/{camera_id}", response_model=documents.Camera,
            dependencies=[Depends(RequireScope("cameras:read"))])  # fmt: skip
def one_camera(app: App, camera_id: str) -> JsonObject:
    """One camera and its health."""
    camera = app.registry.cameras[_registered_camera(app, camera_id)]
    with app.store.begin_read() as uow:
        return camera_document(camera, uow.health.get(camera.id))


@router.get("/cameras/{camera_id}/consent", response_model=documents.CameraConsent,
            dependencies=[Depends(RequireScope("cameras:read"))])  # fmt: skip
def consent(app: App, camera_id: str) -> JsonObject:
    """What the household said beside the registry: withdrawal, pause, hours."""
    camera = _registered_camera(app, camera_id)
    with app.store.begin_read() as uow:
        terms = uow.consents.of_camera(camera, app.clock.now())
    return {"camera": camera, **terms_document(terms)}


@router.post("/cameras/{camera_id}/consent", response_model=documents.CameraConsent)
def change_consent(
    app: App,
    camera_id: str,
    form: documents.ConsentChange,
    key: Annotated[ApiKey, Depends(RequireScope("consents:change"))],
) -> JsonObject:
    """Withdraw, restore, pause, resume or set hours; in force within a second.

    A withdrawal deletes the pictures, references and photos of the camera.
    """
    camera = _registered_camera(app, camera_id)
    action = TermsAction(form.action)
    with translate_errors():
        zone = app.site.settings.site.tz
        change = TermsChange(
            action=action,
            until=parse_until(form.until, zone) if form.until else None,
            hours=parse_hours(form.hours),
            why=form.why.strip(),
        )
        terms = app.households.change_consent(camera, change, by=decided_by(key), channel="api")
    return {"camera": camera, **terms_document(terms)}


def _registered_camera(app: Application, camera_id: str) -> CameraId:
    if CameraId(camera_id) not in app.registry.cameras:
        raise ResourceNotFound(f"camera {camera_id}")
    return CameraId(camera_id)


@router.get("/reports/{kind}/{period}", response_model=documents.Report,
            dependencies=[Depends(RequireScope("reports:read"))])  # fmt: skip
def report(app: App, kind: Literal["round", "day", "month"], period: str) -> dict[str, Any]:
    """A round by its id, a day as 2026-11-22, a month as 2026-11: figures and ledger."""
    settings, wanted = app.site.settings, _period(kind, period)
    heading = ReportHeading(
        kind=wanted.kind,
        period=wanted.name,
        site=settings.site.name,
        zone=settings.site.tz,
        made_at=app.clock.now(),
        registry=app.registry,
    )
    with app.store.begin_read() as uow:
        try:
            return report_document(load_report(uow, heading, settings.calendar.all_plans, wanted))
        except KeyError:
            raise ResourceNotFound(f"round {period}") from None


@router.get("/holds", response_model=list[documents.HoldOrder],
            dependencies=[Depends(RequireScope("holds:read"))])  # fmt: skip
def holds(app: App, every: Annotated[bool, Query(alias="all")] = False) -> list[JsonObject]:  # noqa: FBT002  a query's switch
    """Legal holds in force, the newest first; with `all` those that were ended, too."""
    with app.store.begin_read() as uow:
        return [masked(app, hold_document(one)) for one in uow.holds.all(ended=every)]


@router.post("/holds", response_model=documents.HoldOrder, status_code=201)
def add_hold(
    app: App,
    form: documents.SetHold,
    key: Annotated[ApiKey, Depends(RequireScope("holds:write"))],
) -> JsonObject:
    """Hold a case or a camera: nothing of it is deleted until a person ends it."""
    with translate_errors(), app.store.begin() as uow:
        hold = set_hold(
            uow,
            scope=HoldScope(form.scope),
            subject=form.subject,
            reference=form.reference,
            reason=form.reason,
            by=decided_by(key),
            now=app.clock.now(),
            cameras=app.registry.cameras.keys(),
        )
        uow.commit()
    return masked(app, hold_document(hold))


@router.post("/holds/{number}/end", response_model=documents.HoldOrder)
def finish_hold(
    app: App,
    number: int,
    form: documents.EndHold,
    key: Annotated[ApiKey, Depends(RequireScope("holds:write"))],
) -> JsonObject:
    """End a hold; 404 when none of this number is in force."""
    with translate_errors(f"hold {number}"), app.store.begin() as uow:
        hold = end_hold(uow, number, by=decided_by(key), why=form.reason, now=app.clock.now())
        uow.commit()
    return masked(app, hold_document(hold))


def masked(app: Application, document: JsonObject) -> JsonObject:
    """What people typed names no household to a program."""
    return masked_document(document, PrivateTextMask(app.payloads.registry))


def _period(kind: str, text: str) -> ReportPeriod:
    try:
        return period_of(
            a_round=text if kind == "round" else "",
            day=parse_day(text) if kind == "day" else None,
            month=parse_month(text) if kind == "month" else None,
        )
    except ValueError:
        right = "2026-11-22" if kind == "day" else "2026-11"
        raise InvalidRequest(f"{text!r} is no {kind}, write {right}") from None


def decided_by(key: ApiKey) -> str:
    """Who a program's key acts as in histories."""
    return f"api:{key.name}"
