"""Patrols on the ground in the console (/rosters): today's, what waits for review, joint coverage.

Also the sheets of QR codes to print, the ledger as a file, and opening a case to helpers from the
case's page. Operators see all and enter what was telephoned; a duty lead decides on doubtful
check-ins.
"""

from datetime import date, timedelta
from html import escape
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from patrol.app.ground_service import CheckInForm, GroundService
from patrol.app.helper_service import HelperService
from patrol.domain.account import Permission
from patrol.domain.ground_labels import (
    BY_CENTRE,
    CHECK_IN_METHODS,
    CHECK_IN_PROBLEMS,
    CHECK_IN_STATES,
    CLAIMED,
    GROUND_STATES,
    POINT_KINDS,
    REPORT_OUTCOMES,
    STOP_STATES,
)
from patrol.domain.ground_patrol import (
    CheckIn,
    CheckInMethod,
    GroundCounts,
    GroundPatrol,
    GroundStop,
    count_stops,
)
from patrol.domain.ids import PersonId
from patrol.domain.labels import label_of
from patrol.domain.roster import roster_gaps
from patrol.domain.timestamps import parse_day
from patrol.households.qr_code import qr_code_svg
from patrol.reports.ground_files import GROUND_FORMATS
from patrol.reports.ground_ledger import (
    JointCoverage,
    coverage_by_area,
    coverage_by_village,
    ground_ledger,
)
from patrol.reports.queries import (
    ReportHeading,
    ReportMaterial,
    ReportPeriod,
    days_period,
    ground_records,
    load_material,
)
from patrol.web.auth import CurrentUser
from patrol.web.context import (
    ContextDep,
    IdempotencyKey,
    MaySettle,
    MayViewRosters,
    WebContext,
    request_key,
)
from patrol.web.errors import NO_STORE, ResourceNotFound, translate_errors
from patrol.web.i18n import category_label, grid_name, paginate, person_name

PATROLS_PER_PAGE: Final = 60
LISTED_REPORTS: Final = 60
MEDIA_TYPES: Final = {
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
}
router = APIRouter()


class PlanDayForm(BaseModel):
    """Which day's rosters are to be planned at once."""

    day: str = Field(max_length=10)


class TelephonedCheckInForm(BaseModel):
    """A check-in that was telephoned."""

    person: str = Field(max_length=64)
    point: str = Field(max_length=64)
    seen: str = Field(default="", max_length=500)


class DecideForm(BaseModel):
    """A person's word on a doubtful check-in."""

    check_in: str = Field(max_length=300)
    note: str = Field(default="", max_length=500)


@router.get("/rosters")
def rosters_page(
    context: ContextDep, user: MayViewRosters, day: str = "", page: int = 1
) -> Response:
    """A day's patrols, check-ins that wait for review, gaps of the rosters, joint coverage."""
    with translate_errors():
        chosen = parse_day(day) if day else user.now.astimezone(context.site.tz).date()
    registry, settings = context.app.registry, context.app.site.settings.ground_patrols
    material, _ = _material(context, user, chosen, chosen)
    with context.app.store.begin_read() as uow:
        waiting = uow.ground_patrols.to_review()
    records = sorted(
        material.ground_patrols, key=lambda one: (one.patrol.planned_at, one.patrol.id)
    )
    shown, pager = paginate(records, page, PATROLS_PER_PAGE)
    lines = [_patrol_row(context, user, one.patrol, one.stops) for one in shown]
    villages = coverage_by_village(material, registry)
    areas = coverage_by_area(material, registry, settings.areas)
    gaps = [
        (plan, grid_name(registry, grid), what)
        for plan, grid, what in roster_gaps(settings.plans.values(), registry)
    ]
    return context.renderer.render_page(
        "rosters.html", user, day=f"{chosen}", lines=lines,
        counts=count_stops(stop for one in records for stop in one.stops),
        before=f"{chosen - timedelta(days=1)}", after=f"{chosen + timedelta(days=1)}",
        waiting=[_check_in_row(context, user, one, material) for one in waiting],
        coverage=[_coverage_row(one) for one in (*areas, *villages) if _is_shown(one)],
        gaps=gaps[:20], gap_count=len(gaps), has_plans=bool(settings.plans),
        may_decide=user.has_permission(Permission.SETTLE), **pager,
    )  # fmt: skip


@router.get("/rosters/codes")
def codes_page(context: ContextDep, user: MayViewRosters) -> Response:
    """The QR codes of all points, to print; each with what to write on its tag."""
    codes, t = GroundService(context.app).codes(), user.t
    points = [
        {
            "id": point.id,
            "name": point.name,
            "kind": t.pair(label_of(POINT_KINDS, point.kind)),
            "grid": grid_name(context.app.registry, point.grid),
            "version": point.code_version,
            "nfc": codes.address(point, CheckInMethod.NFC),
        }
        for point in context.app.registry.points.values()
    ]
    return context.renderer.render_page("point_codes.html", user, points=points)


@router.get("/rosters/codes/{point_id}/qr.svg")
def point_code(context: ContextDep, user: MayViewRosters, point_id: str) -> Response:
    """The QR code of a point."""
    point = context.app.registry.points.get(point_id)
    if point is None:
        raise ResourceNotFound(f"point {point_id}")
    text = GroundService(context.app).codes().address(point, CheckInMethod.QR)
    label = escape(user.t(f"{point.name} 签到码", f"check-in code of {point.name}"))
    return Response(qr_code_svg(text, label), media_type="image/svg+xml", headers=NO_STORE)


@router.get("/rosters/ledger.{kind}")
def ledger_file(
    context: ContextDep,
    user: MayViewRosters,
    kind: Literal["xlsx", "csv", "json"],
    start: Annotated[str, Query(alias="from", max_length=10)],
    until: Annotated[str, Query(max_length=10)],
) -> Response:
    """The ledger of the days from `from` to `until`, both included."""
    with translate_errors():
        first, last = parse_day(start), parse_day(until)
        heading, period = _heading(context, user, first, last)
    with context.app.store.begin_read() as uow:
        names = {account.name: account.shown_as for account in uow.accounts.all()}
        records = ground_records(uow, period)
    ledger = ground_ledger(ReportMaterial(ground_patrols=records, names=names), heading)
    name = f"ground-{first}-{last}.{kind}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', **NO_STORE}
    body = GROUND_FORMATS[kind](ledger, heading)
    return Response(body, media_type=MEDIA_TYPES[kind], headers=headers)


@router.get("/rosters/reports")
def reports_page(context: ContextDep, user: MayViewRosters) -> Response:
    """Reports from the ground (随手拍) with what became of each, the newest first."""
    t, registry = user.t, context.app.registry
    with context.app.store.begin_read() as uow:
        names = {account.name: account.shown_as for account in uow.accounts.all()}
    lines = [
        {
            "id": one.finding.id,
            "at": t.short_datetime(one.finding.found_at),
            "by": names.get(one.finding.filed_by, one.finding.filed_by),
            "grid": grid_name(registry, one.finding.grid),
            "what": category_label(one.finding.category or one.finding.kind, t),
            "place": one.finding.place,
            "text": one.finding.why,
            "photo": one.finding.picture is not None,
            "outcome": t.pair(label_of(REPORT_OUTCOMES, one.outcome)),
            "case": one.case.id if one.case else "",
        }
        for one in HelperService(context.app).reports(limit=LISTED_REPORTS)
    ]
    return context.renderer.render_page("helper_reports.html", user, lines=lines)


@router.get("/rosters/{patrol_id}")
def roster_page(context: ContextDep, user: MayViewRosters, patrol_id: str) -> Response:
    """One patrol, point by point, with every check-in."""
    with context.app.store.begin_read() as uow, translate_errors(f"patrol {patrol_id}"):
        patrol = uow.ground_patrols.get(patrol_id)
        stops = uow.ground_patrols.stops(patrol_id)
        check_ins = uow.ground_patrols.check_ins_of([patrol_id]).get(patrol_id, [])
        names = {account.name: account.shown_as for account in uow.accounts.all()}
    material, t, registry = ReportMaterial(names=names), user.t, context.app.registry
    points = [
        {
            "point": stop.point,
            "name": stop.name,
            "kind": t.pair(label_of(POINT_KINDS, stop.kind)),
            "due": t.time(stop.due_at),
            "at": t.time(stop.at),
            "state": str(stop.state),
            "label": t.pair(label_of(STOP_STATES, stop.state)),
            "notified": t.time(stop.late_notified_at) if stop.late_notified_at else "",
        }
        for stop in stops
    ]
    return context.renderer.render_page(
        "roster.html", user, patrol=patrol, line=_patrol_row(context, user, patrol, stops),
        points=points, is_open=patrol.is_open,
        people=[(one, person_name(registry, one, names)) for one in patrol.people],
        check_ins=[_check_in_row(context, user, one, material) for one in check_ins],
    )  # fmt: skip


@router.post("/api/rosters/plan")
def plan_day(
    context: ContextDep, user: MayViewRosters, form: PlanDayForm, key: IdempotencyKey = ""
) -> Response:
    """Plan a day's rosters at once; what is planned already stays."""
    with translate_errors():
        planned = GroundService(context.app).plan(
            parse_day(form.day), request=request_key(user, key, "plan rosters", form)
        )
    return JSONResponse({"planned": [one.id for one in planned]}, 201 if planned else 200)


@router.post("/api/rosters/{patrol_id}/check-in")
def enter_check_in(
    context: ContextDep,
    user: MayViewRosters,
    patrol_id: str,
    form: TelephonedCheckInForm,
    key: IdempotencyKey = "",
) -> Response:
    """Enter a check-in that was telephoned; the ledger says so."""
    with translate_errors(f"patrol {patrol_id}"):
        taken = GroundService(context.app).check_in(
            CheckInForm(
                key=key or f"phoned-{form.point}-{user.now:%H%M%S%f}", patrol=patrol_id,
                by=PersonId(form.person), claimed_at=user.now, point=form.point, seen=form.seen,
                entered_by=user.account.name,
            )
        )  # fmt: skip
    return JSONResponse({"check_in": taken.id, "state": str(taken.state)}, 201)


@router.post("/api/rosters/review/{decision}")
def decide_check_in(
    context: ContextDep,
    user: MaySettle,
    decision: Literal["accept", "reject"],
    form: DecideForm,
    key: IdempotencyKey = "",
) -> Response:
    """Believe a check-in that waits, or not; a reason is needed to reject."""
    with translate_errors(f"check-in {form.check_in}"):
        decided = GroundService(context.app).decide(
            form.check_in, accept=decision == "accept", by=user.account.name,
            person=user.account.person, note=form.note,
            request=request_key(user, key, f"check-in {decision}", form),
        )  # fmt: skip
    return JSONResponse({"check_in": decided.id, "state": str(decided.state)})


def _heading(
    context: WebContext, user: CurrentUser, first: date, last: date
) -> tuple[ReportHeading, ReportPeriod]:
    period = days_period(first, last)
    heading = ReportHeading(
        kind=period.kind, period=period.name, site=context.site.name, zone=context.site.tz,
        made_at=user.now, registry=context.app.registry,
    )  # fmt: skip
    return heading, period


def _material(
    context: WebContext, user: CurrentUser, first: date, last: date
) -> tuple[ReportMaterial, ReportHeading]:
    heading, period = _heading(context, user, first, last)
    with context.app.store.begin_read() as uow:
        return load_material(uow, context.plans, context.site.tz, period), heading


def _patrol_row(
    context: WebContext, user: CurrentUser, patrol: GroundPatrol, stops: Any
) -> dict[str, Any]:
    t, registry = user.t, context.app.registry
    counts: GroundCounts = count_stops(stops)
    late = sum(_is_late(stop, user) for stop in stops) if patrol.is_open else 0
    return {
        "id": patrol.id,
        "title": patrol.title,
        "number": patrol.number,
        "means": _number_meaning(context, patrol),
        "grid": grid_name(registry, patrol.grid),
        "window": f"{t.time(patrol.planned_at)}–{t.time(patrol.finish_by)}",
        "people": t("、", ", ").join(person_name(registry, one, {}) for one in patrol.people),
        "state": str(patrol.state),
        "label": t.pair(label_of(GROUND_STATES, patrol.state)),
        "counts": counts,
        "checked_in": counts.done + counts.late,
        "late_now": late,
    }


def _number_meaning(context: WebContext, patrol: GroundPatrol) -> str:
    """What the site says that the patrol's number of 一三五七 means; empty: not any more."""
    plan = context.app.site.settings.ground_patrols.plans.get(patrol.plan)
    numbers = plan.numbers if plan else ()
    return next((one.means for one in numbers if one.number == patrol.number), "")


def _is_late(stop: GroundStop, user: CurrentUser) -> bool:
    return str(stop.state) == "pending" and stop.due_at <= user.now


def _check_in_row(
    context: WebContext, user: CurrentUser, one: CheckIn, material: ReportMaterial
) -> dict[str, Any]:
    t, registry = user.t, context.app.registry
    point = registry.points.get(one.point)
    return {
        "id": one.id,
        "patrol": one.patrol,
        "point": point.name if point else one.point,
        "by": person_name(registry, one.by, material.names),
        "method": t.pair(label_of(CHECK_IN_METHODS, one.method)),
        "at": t.short_datetime(one.at),
        "received": t.short_datetime(one.received_at),
        "basis": t.pair(CLAIMED if one.is_claimed else BY_CENTRE),
        "distance": "" if one.distance_m is None else f"{one.distance_m:.0f} m",
        "problems": t("、", ", ").join(
            t.pair(label_of(CHECK_IN_PROBLEMS, d)) for d in one.problems
        ),
        "state": str(one.state),
        "label": t.pair(label_of(CHECK_IN_STATES, one.state)),
        "seen": one.seen,
        "decided": person_name(registry, one.decided_by, material.names) if one.decided_by else "",
        "note": one.decision_note,
    }


def _coverage_row(one: JointCoverage) -> dict[str, Any]:
    online = f"{100 * one.cameras_seen / one.cameras_planned:.0f} %" if one.cameras_planned else "—"
    ground = "—" if one.points.coverage is None else f"{100 * one.points.coverage:.0f} %"
    return {
        "name": one.name,
        "cameras": f"{one.cameras_seen}/{one.cameras_planned}",
        "online": online,
        "points": f"{one.points.done + one.points.late}/{one.points.planned}",
        "ground": ground,
        "missed": one.points.missed,
        "late": one.points.late,
        "review": one.points.review,
    }


def _is_shown(one: JointCoverage) -> bool:
    return bool(one.cameras_planned or one.points.planned)
