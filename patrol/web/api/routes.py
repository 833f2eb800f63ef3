"""The routes. Plain `def`: each runs on a thread, with one short unit of work."""

from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request

from patrol.domain.account import ApiKey
from patrol.domain.ids import CameraId, CaseId, FindingId, RoundId
from patrol.domain.round import ADHOC
from patrol.reports.documents import (
    JsonObject,
    camera_document,
    case_document,
    finding_document,
    message_document,
    round_document,
)
from patrol.reports.queries import ReportHeading, ReportPeriod, period_of
from patrol.reports.report import load_report, report_document
from patrol.web.api import documents
from patrol.web.api.auth import BEARER, require_scope
from patrol.web.options import ApiDeps

router = APIRouter(dependencies=[Depends(BEARER)])
Limit = Annotated[int, Query(ge=1, le=1000, description="At most this many, the newest.")]


def _deps(request: Request) -> ApiDeps:
    deps: ApiDeps = request.app.state.deps
    return deps


Deps = Annotated[ApiDeps, Depends(_deps)]


class ResourceNotFound(Exception):
    """There is none; says what."""


class InvalidRequest(Exception):
    """What was sent cannot be so; says why."""


@router.get("/rounds", response_model=list[documents.Round], response_model_exclude_unset=True,
            dependencies=[Depends(require_scope("rounds:read"))])  # fmt: skip
def rounds(deps: Deps, plan: str | None = None, limit: Limit = 20) -> list[JsonObject]:
    """Rounds, the newest first; of one plan, or of all."""
    plans = [plan] if plan is not None else [*deps.site_profile.plans, ADHOC]
    with deps.store.begin_read() as uow:
        found = [one for name in plans for one in uow.rounds.of_plan(name, limit=limit)]
    found.sort(key=lambda one: (one.planned_at, one.id), reverse=True)
    return [round_document(one) for one in found[:limit]]


@router.get("/rounds/{round_id}", response_model=documents.Round,
            dependencies=[Depends(require_scope("rounds:read"))])  # fmt: skip
def one_round(deps: Deps, round_id: str) -> JsonObject:
    """One round with its books: planned = pending + seen + not viewable + missed."""
    with deps.store.begin_read() as uow:
        try:
            found = uow.rounds.get(RoundId(round_id))
        except KeyError:
            raise ResourceNotFound(f"round {round_id}") from None
        return round_document(found, uow.rounds.totals(found.id))


@router.get("/findings", response_model=list[documents.Finding],
            dependencies=[Depends(require_scope("findings:read"))])  # fmt: skip
def findings(
    deps: Deps,
    round_id: Annotated[str | None, Query(alias="round")] = None,
    limit: Limit = 100,
) -> list[JsonObject]:
    """What waits for a person, the worst first; or all of a round, decided or not."""
    with deps.store.begin_read() as uow:
        if round_id is None:
            return [finding_document(one) for one in uow.findings.queue(limit=limit)]
        return [finding_document(one) for one in uow.findings.of_round(RoundId(round_id))[:limit]]


@router.get("/findings/{finding_id}", response_model=documents.Finding,
            dependencies=[Depends(require_scope("findings:read"))])  # fmt: skip
def one_finding(deps: Deps, finding_id: str) -> JsonObject:
    """One finding."""
    with deps.store.begin_read() as uow:
        try:
            return finding_document(uow.findings.get(FindingId(finding_id)))
        except KeyError:
            raise ResourceNotFound(f"finding {finding_id}") from None


@router.post("/findings/{finding_id}/confirm", response_model=documents.Case, status_code=201)
def confirm(
    deps: Deps,
    finding_id: str,
    form: documents.Confirm,
    key: Annotated[ApiKey, Depends(require_scope("findings:decide"))],
) -> JsonObject:
    """Make a case of it; the grid leader is told. 409 when somebody decided before."""
    try:
        case = deps.confirm(
            finding_id,
            by=_decided_by(key),
            category=form.category,
            level=form.level,
            note=form.note,
            phoned=form.phoned,
        )
    except KeyError:
        raise ResourceNotFound(f"finding {finding_id}") from None
    except ValueError as exc:
        raise InvalidRequest(str(exc)) from exc
    return case_document(case)


@router.post("/findings/{finding_id}/dismiss", response_model=documents.Finding)
def dismiss(
    deps: Deps,
    finding_id: str,
    form: documents.Dismiss,
    key: Annotated[ApiKey, Depends(require_scope("findings:decide"))],
) -> JsonObject:
    """It is none. 409 when somebody decided before."""
    try:
        return finding_document(deps.dismiss(finding_id, by=_decided_by(key), reason=form.reason))
    except KeyError:
        raise ResourceNotFound(f"finding {finding_id}") from None


@router.get("/cases", response_model=list[documents.Case],
            dependencies=[Depends(require_scope("cases:read"))])  # fmt: skip
def cases(
    deps: Deps,
    only_open: Annotated[bool, Query(alias="open")] = False,  # noqa: FBT002  a query's switch
    limit: Limit = 100,
) -> list[JsonObject]:
    """Cases, the newest first."""
    with deps.store.begin_read() as uow:
        return [case_document(one) for one in uow.cases.list(open_only=only_open, limit=limit)]


@router.get("/cases/{case_id}", response_model=documents.CaseAndMessages,
            dependencies=[Depends(require_scope("cases:read"))])  # fmt: skip
def one_case(deps: Deps, case_id: str) -> JsonObject:
    """One case, all that happened to it, and how far each message about it got."""
    with deps.store.begin_read() as uow:
        try:
            found = uow.cases.get(CaseId(case_id))
        except KeyError:
            raise ResourceNotFound(f"case {case_id}") from None
        messages = [message_document(message) for message in uow.outbox.of_case(found.id)]
    return {**case_document(found), "messages": messages}


@router.get("/cameras", response_model=list[documents.Camera],
            dependencies=[Depends(require_scope("cameras:read"))])  # fmt: skip
def cameras(deps: Deps, grid: str | None = None) -> list[JsonObject]:
    """All cameras, or those of a grid and of the grids below it."""
    registry = deps.registry
    with deps.store.begin_read() as uow:
        known = uow.health.all()
    return [
        camera_document(camera, known.get(camera.id))
        for camera in registry.cameras.values()
        if grid is None or registry.tree.is_within(camera.grid, grid)
    ]


@router.get("/cameras/{camera_id}", response_model=documents.Camera,
            dependencies=[Depends(require_scope("cameras:read"))])  # fmt: skip
def one_camera(deps: Deps, camera_id: str) -> JsonObject:
    """One camera and its health."""
    camera = deps.registry.cameras.get(CameraId(camera_id))
    if camera is None:
        raise ResourceNotFound(f"camera {camera_id}")
    with deps.store.begin_read() as uow:
        return camera_document(camera, uow.health.get(camera.id))


@router.get("/reports/{kind}/{period}", response_model=documents.Report,
            dependencies=[Depends(require_scope("reports:read"))])  # fmt: skip
def report(deps: Deps, kind: Literal["round", "day", "month"], period: str) -> dict[str, Any]:
    """A round by its id, a day as 2026-11-22, a month as 2026-11: figures and ledger."""
    site, wanted = deps.site_profile, _period(kind, period)
    heading = ReportHeading(
        kind=wanted.kind,
        period=wanted.name,
        site=site.name,
        zone=site.zone,
        made_at=deps.clock.now(),
        registry=deps.registry,
    )
    with deps.store.begin_read() as uow:
        try:
            return report_document(load_report(uow, heading, site.plans, wanted))
        except KeyError:
            raise ResourceNotFound(f"round {period}") from None


def _period(kind: str, text: str) -> ReportPeriod:
    try:
        return period_of(
            a_round=text if kind == "round" else "",
            day=date.fromisoformat(text) if kind == "day" else None,
            month=date.fromisoformat(f"{text}-01") if kind == "month" else None,
        )
    except ValueError:
        right = "2026-11-22" if kind == "day" else "2026-11"
        raise InvalidRequest(f"{text!r} is no {kind}, write {right}") from None


def _decided_by(key: ApiKey) -> str:
    return f"api:{key.name}"
