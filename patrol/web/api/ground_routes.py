"""API routes of patrols on the ground (联动巡防) and of helpers (群防群治)."""

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from patrol.app.ground_service import CheckInForm, GroundService, read_claimed_at, read_location
from patrol.app.helper_service import HelperReport, HelperService
from patrol.domain.account import ApiKey
from patrol.domain.ids import GridCode, PersonId
from patrol.domain.timestamps import parse_day
from patrol.reports.documents import (
    JsonObject,
    case_document,
    check_in_document,
    finding_document,
    ground_patrol_document,
)
from patrol.reports.ground_ledger import coverage_by_area, coverage_by_village
from patrol.reports.queries import days_period, load_material
from patrol.web.api import documents, ground_documents
from patrol.web.api.routes import (
    BEARER,
    App,
    DocumentRoute,
    Limit,
    RequireScope,
    decided_by,
    masked,
)
from patrol.web.errors import translate_errors

router = APIRouter(dependencies=[Depends(BEARER)], route_class=DocumentRoute)
Work = Annotated[ApiKey, Depends(RequireScope("rounds:work"))]
FileFindings = Annotated[ApiKey, Depends(RequireScope("findings:file"))]
Move = Annotated[ApiKey, Depends(RequireScope("cases:move"))]
READ = [Depends(RequireScope("rounds:read"))]


@router.get("/ground-patrols", response_model=list[ground_documents.GroundPatrolDocument],
            dependencies=READ)  # fmt: skip
def ground_patrols(app: App, limit: Limit = 100) -> list[JsonObject]:
    """Patrols on the ground with their points, the newest first."""
    with app.store.begin_read() as uow:
        patrols = uow.ground_patrols.list(limit=limit)
        stops = uow.ground_patrols.stops_of(one.id for one in patrols)
    return [masked(app, ground_patrol_document(one, stops.get(one.id, ()))) for one in patrols]


@router.post("/ground-patrols/plan", response_model=list[ground_documents.GroundPatrolDocument],
             status_code=201)  # fmt: skip
def plan_ground_patrols(app: App, form: ground_documents.PlanDay, _key: Work) -> list[JsonObject]:
    """Plan a local day's patrols at once; those that were planned before are not in the answer."""
    with translate_errors():
        planned = GroundService(app).plan(date.fromisoformat(form.day))
    with app.store.begin_read() as uow:
        stops = uow.ground_patrols.stops_of(one.id for one in planned)
    return [masked(app, ground_patrol_document(one, stops.get(one.id, ()))) for one in planned]


@router.get("/ground-patrols/{patrol_id}", response_model=ground_documents.GroundPatrolDocument,
            dependencies=READ)  # fmt: skip
def one_ground_patrol(app: App, patrol_id: str) -> JsonObject:
    """One patrol with its points and check-ins."""
    with app.store.begin_read() as uow, translate_errors(f"patrol {patrol_id}"):
        patrol = uow.ground_patrols.get(patrol_id)
        stops = uow.ground_patrols.stops(patrol_id)
        check_ins = uow.ground_patrols.check_ins_of([patrol_id]).get(patrol_id, [])
    return masked(app, ground_patrol_document(patrol, stops, check_ins))


@router.post("/ground-patrols/{patrol_id}/check-ins",
             response_model=ground_documents.GroundCheckIn, status_code=201)  # fmt: skip
def check_in(
    app: App, patrol_id: str, form: ground_documents.CheckInAtPoint, key: Work
) -> JsonObject:
    """Check a person in: by code, by location, or entered for one who telephoned (neither).

    409: the point was walked before. 422: the code is none of this site's, or another point's.
    """
    now = app.clock.now()
    with translate_errors(f"patrol {patrol_id}"):
        place: dict[str, Any] | None = form.location.model_dump() if form.location else None
        wanted = CheckInForm(
            key=form.key, patrol=patrol_id, by=PersonId(form.person),
            claimed_at=read_claimed_at(form.client_at, now), code=form.code, point=form.point,
            location=read_location(place), seen=form.seen,
            entered_by="" if form.code or form.location else decided_by(key),
        )  # fmt: skip
        taken = GroundService(app).check_in(wanted)
    return masked(app, check_in_document(taken))


@router.get("/check-ins/review", response_model=list[ground_documents.GroundCheckIn],
            dependencies=READ)  # fmt: skip
def check_ins_to_review(app: App) -> list[JsonObject]:
    """Check-ins that wait for a person, the oldest first."""
    with app.store.begin_read() as uow:
        return [masked(app, check_in_document(one)) for one in uow.ground_patrols.to_review()]


@router.post("/check-ins/decide", response_model=ground_documents.GroundCheckIn)
def decide_check_in(
    app: App,
    check_in_id: Annotated[str, Query(alias="id", max_length=300)],
    form: ground_documents.DecideCheckIn,
    key: Work,
) -> JsonObject:
    """Believe a check-in that waits, or not; its id holds a slash. 409: it does not wait."""
    with translate_errors(f"check-in {check_in_id}"):
        decided = GroundService(app).decide(
            check_in_id, accept=form.accept, by=decided_by(key), note=form.note
        )
    return masked(app, check_in_document(decided))


@router.put("/cases/{case_id}/helpers", response_model=documents.Case)
def open_to_helpers(
    app: App, case_id: str, form: ground_documents.OpenToHelpers, key: Move
) -> JsonObject:
    """Open a case to the helpers of its grid, or close it to them. 422: it is about a camera."""
    with translate_errors(f"case {case_id}"):
        case = HelperService(app).set_open(
            case_id, is_open=form.open, by=decided_by(key), note=form.note
        )
    return masked(app, case_document(case))


@router.post("/cases/{case_id}/helpers/steps", response_model=documents.Case)
def note_helper_step(
    app: App, case_id: str, form: ground_documents.HelperStepTaken, _key: Move
) -> JsonObject:
    """Enter that a helper goes, or was there. 409: the case is not open to helpers."""
    with translate_errors(f"case {case_id}"):
        if form.person not in app.registry.people:
            raise ValueError(f"person {form.person!r}: not in people.csv")
        case = HelperService(app).note_step(case_id, form.step, by=form.person, note=form.note)
    return masked(app, case_document(case))


@router.get("/check-in-codes", response_model=list[ground_documents.PointCode])
def check_in_codes(app: App, _key: Work) -> list[JsonObject]:
    """What to print as QR codes and to write on NFC tags, a row a point."""
    return GroundService(app).code_documents()


@router.get("/ground-coverage", response_model=ground_documents.GroundCoverage, dependencies=READ)
def ground_coverage(
    app: App,
    start: Annotated[str, Query(alias="from", max_length=10, description="YYYY-MM-DD")],
    until: Annotated[str, Query(max_length=10, description="the last day")],
) -> JsonObject:
    """What cameras and points were covered in these days, by village and by key area."""
    settings, registry = app.site.settings, app.registry
    with translate_errors():
        period = days_period(parse_day(start), parse_day(until))
    with app.store.begin_read() as uow:
        plans = settings.calendar.all_plans
        material = load_material(uow, plans, settings.site.tz, period)
    areas = coverage_by_area(material, registry, settings.ground_patrols.areas)
    return {
        "villages": [one.document for one in coverage_by_village(material, registry)],
        "key_areas": [one.document for one in areas],
    }


@router.get("/helper-reports", response_model=list[ground_documents.HelperReportDocument],
            dependencies=[Depends(RequireScope("findings:read"))])  # fmt: skip
def helper_reports(app: App, limit: Limit = 100) -> list[JsonObject]:
    """Reports from the ground with what became of each, the newest first."""
    return [
        masked(app, {
            "finding": finding_document(one.finding),
            "outcome": str(one.outcome),
            "case": one.case.id if one.case else None,
        })
        for one in HelperService(app).reports(limit=limit)
    ]  # fmt: skip


@router.post("/helper-reports", response_model=ground_documents.HelperReportFiled, status_code=201)
def file_report(app: App, form: ground_documents.EnterReport, key: FileFindings) -> JsonObject:
    """File a report for a helper, into the review queue; a repeat of its key files nothing."""
    with translate_errors(f"grid {form.grid}"):
        filed = HelperService(app).report(
            HelperReport(
                key=form.key, grid=GridCode(form.grid), category=form.category, text=form.text,
                place=form.place,
            ),
            by=decided_by(key),
        )  # fmt: skip
    return {"finding": filed.id if filed else None, "repeated": filed is None}
