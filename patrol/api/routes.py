"""The routes. Plain `def`: each runs on a thread, with one short unit of work."""

from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request

from patrol.api import models
from patrol.api.doors import ApiDoors
from patrol.api.keys import BEARER, needs
from patrol.domain.account import ApiKey
from patrol.domain.ids import CameraId, CaseId, FindingId, RoundId
from patrol.domain.round import ADHOC
from patrol.report.compose import as_json, compose
from patrol.report.documents import (
    Document,
    camera_document,
    case_document,
    finding_document,
    message_document,
    round_document,
)
from patrol.report.gather import Period, gather, periods
from patrol.report.material import Heading

router = APIRouter(dependencies=[Depends(BEARER)])
Limit = Annotated[int, Query(ge=1, le=1000, description="At most this many, the newest.")]


def _doors(request: Request) -> ApiDoors:
    doors: ApiDoors = request.app.state.doors
    return doors


Doors = Annotated[ApiDoors, Depends(_doors)]


class NotFound(Exception):
    """There is none; says what."""


class CannotBe(Exception):
    """What was sent cannot be so; says why."""


@router.get("/rounds", response_model=list[models.Round], response_model_exclude_unset=True,
            dependencies=[Depends(needs("rounds:read"))])  # fmt: skip
def rounds(doors: Doors, plan: str | None = None, limit: Limit = 20) -> list[Document]:
    """Rounds, the newest first; of one plan, or of all."""
    plans = [plan] if plan is not None else [*doors.facts.plans, ADHOC]
    with doors.store.begin_read() as uow:
        found = [one for name in plans for one in uow.rounds.of_plan(name, limit=limit)]
    found.sort(key=lambda one: (one.planned_at, one.id), reverse=True)
    return [round_document(one) for one in found[:limit]]


@router.get("/rounds/{round_id}", response_model=models.Round,
            dependencies=[Depends(needs("rounds:read"))])  # fmt: skip
def one_round(doors: Doors, round_id: str) -> Document:
    """One round with its books: planned = pending + seen + not viewable + missed."""
    with doors.store.begin_read() as uow:
        try:
            found = uow.rounds.get(RoundId(round_id))
        except KeyError:
            raise NotFound(f"round {round_id}") from None
        return round_document(found, uow.rounds.books(found.id))


@router.get("/findings", response_model=list[models.Finding],
            dependencies=[Depends(needs("findings:read"))])  # fmt: skip
def findings(
    doors: Doors,
    round_id: Annotated[str | None, Query(alias="round")] = None,
    limit: Limit = 100,
) -> list[Document]:
    """What waits for a person, the worst first; or all of a round, decided or not."""
    with doors.store.begin_read() as uow:
        if round_id is None:
            return [finding_document(one) for one in uow.findings.queue(limit=limit)]
        return [finding_document(one) for one in uow.findings.of_round(RoundId(round_id))[:limit]]


@router.get("/findings/{finding_id}", response_model=models.Finding,
            dependencies=[Depends(needs("findings:read"))])  # fmt: skip
def one_finding(doors: Doors, finding_id: str) -> Document:
    """One finding."""
    with doors.store.begin_read() as uow:
        try:
            return finding_document(uow.findings.get(FindingId(finding_id)))
        except KeyError:
            raise NotFound(f"finding {finding_id}") from None


@router.post("/findings/{finding_id}/confirm", response_model=models.Case, status_code=201)
def confirm(
    doors: Doors,
    finding_id: str,
    said: models.Confirm,
    key: Annotated[ApiKey, Depends(needs("findings:decide"))],
) -> Document:
    """Make a case of it; the grid leader is told. 409 when somebody decided before."""
    try:
        case = doors.confirm(
            finding_id,
            by=_by(key),
            category=said.category,
            level=said.level,
            note=said.note,
            phoned=said.phoned,
        )
    except KeyError:
        raise NotFound(f"finding {finding_id}") from None
    except ValueError as exc:
        raise CannotBe(str(exc)) from exc
    return case_document(case)


@router.post("/findings/{finding_id}/dismiss", response_model=models.Finding)
def dismiss(
    doors: Doors,
    finding_id: str,
    said: models.Dismiss,
    key: Annotated[ApiKey, Depends(needs("findings:decide"))],
) -> Document:
    """It is none. 409 when somebody decided before."""
    try:
        return finding_document(doors.dismiss(finding_id, by=_by(key), reason=said.reason))
    except KeyError:
        raise NotFound(f"finding {finding_id}") from None


@router.get("/cases", response_model=list[models.Case],
            dependencies=[Depends(needs("cases:read"))])  # fmt: skip
def cases(
    doors: Doors,
    only_open: Annotated[bool, Query(alias="open")] = False,  # noqa: FBT002  a query's switch
    limit: Limit = 100,
) -> list[Document]:
    """Cases, the newest first."""
    with doors.store.begin_read() as uow:
        return [case_document(one) for one in uow.cases.list(open_only=only_open, limit=limit)]


@router.get("/cases/{case_id}", response_model=models.CaseAndMessages,
            dependencies=[Depends(needs("cases:read"))])  # fmt: skip
def one_case(doors: Doors, case_id: str) -> Document:
    """One case, all that happened to it, and how far each message about it got."""
    with doors.store.begin_read() as uow:
        try:
            found = uow.cases.get(CaseId(case_id))
        except KeyError:
            raise NotFound(f"case {case_id}") from None
        messages = [message_document(message) for message in uow.outbox.of_case(found.id)]
    return {**case_document(found), "messages": messages}


@router.get("/cameras", response_model=list[models.Camera],
            dependencies=[Depends(needs("cameras:read"))])  # fmt: skip
def cameras(doors: Doors, grid: str | None = None) -> list[Document]:
    """All cameras, or those of a grid and of the grids below it."""
    registry = doors.registry
    with doors.store.begin_read() as uow:
        known = uow.health.all()
    return [
        camera_document(camera, known.get(camera.id))
        for camera in registry.cameras.values()
        if grid is None or any(here.code == grid for here in registry.tree.path_up(camera.grid))
    ]


@router.get("/cameras/{camera_id}", response_model=models.Camera,
            dependencies=[Depends(needs("cameras:read"))])  # fmt: skip
def one_camera(doors: Doors, camera_id: str) -> Document:
    """One camera and its health."""
    camera = doors.registry.cameras.get(CameraId(camera_id))
    if camera is None:
        raise NotFound(f"camera {camera_id}")
    with doors.store.begin_read() as uow:
        return camera_document(camera, uow.health.get(camera.id))


@router.get("/reports/{kind}/{period}", response_model=models.Report,
            dependencies=[Depends(needs("reports:read"))])  # fmt: skip
def report(doors: Doors, kind: Literal["round", "day", "month"], period: str) -> dict[str, Any]:
    """A round by its id, a day as 2026-11-22, a month as 2026-11: figures and ledger."""
    facts, wanted = doors.facts, _period(kind, period)
    heading = Heading(
        kind=wanted.kind,
        period=wanted.name,
        site=facts.name,
        zone=facts.zone,
        made_at=doors.clock.now(),
        registry=doors.registry,
    )
    with doors.store.begin_read() as uow:
        try:
            material = gather(uow, facts.plans, facts.zone, wanted)
        except KeyError:
            raise NotFound(f"round {period}") from None
        last, year_ago = (
            gather(uow, facts.plans, facts.zone, one) if one else None for one in wanted.earlier()
        )
    return as_json(compose(heading, material, last=last, year_ago=year_ago))


def _period(kind: str, text: str) -> Period:
    try:
        return periods(
            a_round=text if kind == "round" else "",
            day=date.fromisoformat(text) if kind == "day" else None,
            month=date.fromisoformat(f"{text}-01") if kind == "month" else None,
        )
    except ValueError:
        right = "2026-11-22" if kind == "day" else "2026-11"
        raise CannotBe(f"{text!r} is no {kind}, write {right}") from None


def _by(key: ApiKey) -> str:
    return f"api:{key.name}"
