"""API routes of what operators begin and take: rounds by hand, the maintenance queue, doubts.

As the console's pages /rounds, /troubles and /review do. A round connects to cameras under the same
consent, maintenance and connection limits as a planned one.
"""

from typing import Annotated

from fastapi import APIRouter, Depends

from patrol.app.application import UnknownPlan
from patrol.cases.equipment import take_trouble
from patrol.domain.account import ApiKey
from patrol.domain.health import Trouble
from patrol.domain.ids import FindingId, PersonId
from patrol.reports.documents import (
    JsonObject,
    finding_document,
    finding_entry_document,
    round_document,
)
from patrol.reports.waiting_documents import trouble_document
from patrol.rounds.adhoc import AdhocSelection
from patrol.rounds.planner import NothingToVisit
from patrol.web.api import documents, town_documents
from patrol.web.api.routes import (
    BEARER,
    App,
    DocumentRoute,
    RequireScope,
    decided_by,
    masked,
)
from patrol.web.errors import InvalidRequest, translate_errors

router = APIRouter(dependencies=[Depends(BEARER)], route_class=DocumentRoute)
Work = Annotated[ApiKey, Depends(RequireScope("rounds:work"))]
Decide = Annotated[ApiKey, Depends(RequireScope("findings:decide"))]
Move = Annotated[ApiKey, Depends(RequireScope("cases:move"))]


@router.post("/rounds", response_model=documents.Round, status_code=202)
def start_round(app: App, form: town_documents.StartRound, key: Work) -> JsonObject:
    """Begin a round now: of a plan, or ad hoc over grids, links and cameras; it runs by itself.

    409: rounds are paused, or one is under way. 422: no such plan, no camera may be visited.
    """
    if not (form.plan or form.grids or form.links or form.cameras):
        raise InvalidRequest("plan: missing; give a plan, or grids, links or cameras")
    with translate_errors():
        chosen = None
        if form.grids or form.links or form.cameras:
            chosen = AdhocSelection.resolve(
                app.registry, grids=form.grids, links=form.links, cameras=form.cameras
            )
    try:
        if form.plan:
            app.plan(form.plan)
        begun = app.start_round(form.plan, by=decided_by(key), adhoc=chosen)
    except (UnknownPlan, NothingToVisit) as exc:
        raise InvalidRequest(str(exc)) from exc
    return round_document(begun)


@router.post("/findings/{finding_id}/unsure", response_model=documents.Finding)
def leave_unsure(
    app: App, finding_id: str, form: town_documents.LeaveUnsure, key: Decide
) -> JsonObject:
    """Leave it to somebody else; its camera is visited again within a minute. 409: decided."""
    with translate_errors(f"finding {finding_id}"):
        decided = app.unsure(finding_id, by=decided_by(key), reason=form.reason)
    return masked(app, finding_document(decided))


@router.get("/findings/{finding_id}/history", response_model=list[town_documents.FindingEvent],
            dependencies=[Depends(RequireScope("findings:read"))])  # fmt: skip
def finding_history(app: App, finding_id: str) -> list[JsonObject]:
    """What happened to a finding beside its decision: filed, alarmed, undone."""
    with app.store.begin_read() as uow, translate_errors(f"finding {finding_id}"):
        entries = uow.finding_history.of_finding(uow.findings.get(FindingId(finding_id)).id)
    return [masked(app, finding_entry_document(one)) for one in entries]


@router.get("/troubles", response_model=list[town_documents.TroubleDocument],
            dependencies=[Depends(RequireScope("cameras:read"))])  # fmt: skip
def troubles(app: App) -> list[JsonObject]:
    """The maintenance queue: open entries, each with the number of its case."""
    with app.store.begin_read() as uow:
        return [_document(app, one) for one in uow.troubles.list_open()]


@router.post("/troubles/{number}/take", response_model=town_documents.TroubleDocument)
def take_open_trouble(
    app: App, number: int, form: town_documents.TakeTrouble, key: Move
) -> JsonObject:
    """Take an entry for a person of people.csv, or for the key; its case is acknowledged with it.

    409: it was taken before, or is closed.
    """
    if form.person and PersonId(form.person) not in app.registry.people:
        raise InvalidRequest(f"person {form.person!r}: not in people.csv")
    by, now = form.person or decided_by(key), app.clock.now()
    with translate_errors(f"trouble {number}"), app.store.begin() as uow:
        taken = take_trouble(uow, number, by=by, now=now, payloads=app.payloads)
        uow.commit()
    app.wake_relays()
    return _document(app, taken)


def _document(app: App, one: Trouble) -> JsonObject:
    return masked(app, trouble_document(one, app.clock.now()))
