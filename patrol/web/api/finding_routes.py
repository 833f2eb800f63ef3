"""API routes of own findings, decided findings, undone decisions, and duties of rounds."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from patrol.app.finding_service import FindingService
from patrol.app.human_patrol_service import HumanPatrolService, Patroller
from patrol.domain.account import ApiKey
from patrol.domain.ids import CameraId, GridCode, PictureId, RoundId
from patrol.domain.timestamps import parse_day
from patrol.reports.documents import (
    JsonObject,
    case_document,
    finding_document,
    round_duty_document,
)
from patrol.review.decided import decided_filter
from patrol.review.own_findings import FilingForm, FilingTarget
from patrol.rounds import duty
from patrol.web.api import documents, town_documents
from patrol.web.api.routes import (
    BEARER,
    TOTAL_HEADER,
    App,
    DocumentRoute,
    Limit,
    Offset,
    RequireScope,
    decided_by,
    masked,
)
from patrol.web.errors import InvalidRequest, translate_errors

router = APIRouter(dependencies=[Depends(BEARER)], route_class=DocumentRoute)


@router.post("/findings", response_model=town_documents.FiledFindingDocument, status_code=201)
def file_finding(
    app: App,
    form: town_documents.FileFinding,
    key: Annotated[ApiKey, Depends(RequireScope("findings:file"))],
) -> JsonObject:
    """File an own finding: to the review queue, or straight to a case.

    With `patrol` it is a camera's of that human patrol, for the account that works it, and the
    camera's check says so.
    """
    wanted = FilingForm(
        category=form.category,
        source=form.source,
        camera=CameraId(form.camera) if form.camera else None,
        grid=GridCode(form.grid) if form.grid else None,
        level=form.level,
        box=form.box,
        text=form.text,
        picture=PictureId(form.picture) if form.picture else None,
        round=RoundId(form.round) if form.round else None,
        place=form.place,
    )
    target = FilingTarget(form.to)
    with translate_errors("own finding"):
        if form.patrol is not None:
            with app.store.begin_read() as uow:
                duty.check_colleague(uow, form.account or "")
            who = Patroller(name=form.account or "")
            filed = HumanPatrolService(app).file(
                form.patrol, wanted, who, target=target, phoned=form.phoned
            )
        else:
            filed = FindingService(app).file(
                wanted, by=decided_by(key), target=target, phoned=form.phoned
            )
    case = filed.case and masked(app, case_document(filed.case))
    return {"finding": masked(app, finding_document(filed.finding)), "case": case}


@router.get("/findings/decided", response_model=list[documents.Finding],
            dependencies=[Depends(RequireScope("findings:read"))])  # fmt: skip
def decided_findings(  # noqa: PLR0917  each is a filter of the query
    app: App,
    answer: Response,
    by: Annotated[str, Query(max_length=64)] = "",
    day: Annotated[str, Query(max_length=10, description="decided on this local day")] = "",
    text: Annotated[str, Query(max_length=100)] = "",
    limit: Limit = 100,
    offset: Offset = 0,
) -> list[JsonObject]:
    """Decided findings, the latest decision first; X-Total-Count has the number of all."""
    zone = app.site.settings.site.tz
    wanted = decided_filter(text, app.registry.cameras, zone, by=by.strip(), day=_day(day))
    with app.store.begin_read() as uow:
        answer.headers[TOTAL_HEADER] = str(uow.findings.count_decided(wanted))
        found = uow.findings.decided(wanted, limit=limit, offset=offset)
    return [masked(app, finding_document(one)) for one in found]


def _day(text: str) -> date | None:
    """The day; None for an empty text. Raises InvalidRequest: it is none."""
    try:
        return parse_day(text) if text else None
    except ValueError:
        raise InvalidRequest(f"day: {text!r} is no day, write 2026-11-22") from None


@router.post("/findings/{finding_id}/undo", response_model=documents.Finding)
def undo_decision(
    app: App,
    finding_id: str,
    form: town_documents.UndoDecision,
    key: Annotated[ApiKey, Depends(RequireScope("findings:decide"))],
) -> JsonObject:
    """Take back the key's own dismissal or confirmation, before it was sent, within an hour."""
    with translate_errors(f"finding {finding_id}"):
        undone = FindingService(app).undo(
            finding_id, by=decided_by(key), may_undo_others=False, note=form.note
        )
    return masked(app, finding_document(undone))


@router.get("/rounds/{round_id}/duty", response_model=list[town_documents.RoundDuty],
            dependencies=[Depends(RequireScope("rounds:read"))])  # fmt: skip
def round_duty(app: App, round_id: str) -> list[JsonObject]:
    """The signatures on a round, the oldest first; the last one's owner has it."""
    with app.store.begin_read() as uow, translate_errors(f"round {round_id}"):
        entries = uow.round_duties.of_round(uow.rounds.get(RoundId(round_id)).id)
    return [masked(app, round_duty_document(entry)) for entry in entries]


@router.post("/rounds/{round_id}/duty", response_model=town_documents.RoundDuty, status_code=201)
def sign_round(
    app: App,
    round_id: str,
    form: town_documents.SignRound,
    key: Annotated[ApiKey, Depends(RequireScope("rounds:work"))],
) -> JsonObject:
    """Sign an account on to a round, or hand it over to another; 409 when it is not the owner."""
    note, now = f"{decided_by(key)} {form.note}".strip(), app.clock.now()
    ident = RoundId(round_id)
    with translate_errors(f"round {round_id}"), app.store.begin() as uow:
        uow.rounds.get(ident)
        duty.check_colleague(uow, form.account)
        if form.to:
            entry = duty.hand_over(uow, ident, who=form.account, to=form.to, now=now, note=note)
        else:
            entry = duty.sign_on(
                uow, ident, who=form.account, now=now, may_take_over=False, note=note
            )
        uow.commit()
    return masked(app, round_duty_document(entry))
