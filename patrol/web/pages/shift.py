"""Three pages of the shift: hand-over (交接班), stoppages (暂停与维护), troubles (运维队列).

A hand-over sheet is signed by who gives the shift and by who takes it. Stoppages are what is
deliberately not patrolled: pauses of all rounds, maintenance, days without plans. Troubles are
cameras, links and villages out of order: the queue of the maintainer, without findings of a scene.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from patrol.cases import shift_handover
from patrol.domain import labels
from patrol.domain.account import Permission
from patrol.domain.health import Trouble, TroubleKind
from patrol.domain.ids import CameraId, GridCode
from patrol.domain.priority import DueLight, Level
from patrol.domain.registry import Registry
from patrol.domain.schedule import Calendar, Stoppage, StoppageScope
from patrol.domain.shift_handover import HandoverEntry, handover_refusal, pending_sheet, shift_owner
from patrol.domain.timestamps import parse_time
from patrol.web.auth import CurrentUser, Forbidden
from patrol.web.context import (
    ContextDep,
    MaySignHandover,
    MayStop,
    MayViewStoppages,
    MayViewTroubles,
    WebContext,
)
from patrol.web.errors import InvalidRequest, translate_errors
from patrol.web.i18n import (
    Translator,
    camera_name,
    category_label,
    grid_name,
    level_label,
    paginate,
    person_name,
    plan_label,
)

DAYS_SHOWN: Final = 14
STOPPAGES_PER_PAGE: Final = 50
MAX_STOPPAGES: Final = 2000
SIGNATURES_PER_PAGE: Final = 30
MAX_SIGNATURES: Final = 3000  # some two years of two shifts a day
TROUBLES_PER_PAGE: Final = 50
MAX_TROUBLES: Final = 2000
DUE_LIGHT_ORDER: Final = {DueLight.RED: 0, DueLight.YELLOW: 1, DueLight.GREEN: 2}
router = APIRouter()


class StoppageForm(BaseModel):
    """The scope, the times and the reason of a stoppage."""

    scope: Literal["rounds", "camera", "link", "grid"]
    subject: str = Field(default="", max_length=64)
    start: str = Field(default="", max_length=16)  # 2026-11-22T18:00 on the site's clock
    until: str = Field(default="", max_length=16)
    reason: str = Field(max_length=200)


class HandoverForm(BaseModel):
    """The account that takes over, and a note; signed by the user, who gives the shift."""

    to: str = Field(max_length=64)
    note: str = Field(default="", max_length=1000)


class TakeoverForm(BaseModel):
    """A note; signed by the user, who takes the shift."""

    note: str = Field(default="", max_length=1000)


@dataclass(frozen=True, slots=True)
class _SheetReader:
    """Turns the plain JSON of a sheet into labels."""

    registry: Registry
    t: Translator

    def at(self, text: str | None) -> str:
        return self.t.short_datetime(datetime.fromisoformat(text)) if text else "—"

    def subject(self, scope: str, subject: str) -> str:
        return subject_name(scope, subject, self.registry, self.t)

    def cases(self, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
        return [
            {
                "id": one["case"],
                "what": category_label(one["category"], self.t),
                "where": grid_name(self.registry, GridCode(one["grid"])),
                "level": level_label(Level(one["level"]), self.t),
                "due": self.at(one["due"]),
            }
            for one in rows
        ]

    def stopped(self, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
        return [
            {
                "what": self.subject(one["scope"], one["subject"]),
                "until": self.at(one["until"]),
                "reason": one["reason"],
                "by": one["by"],
            }
            for one in rows
        ]


@router.get("/stoppages")
def stoppages_page(context: ContextDep, user: MayViewStoppages, page: int = 1) -> Response:
    """Present and past stoppages, and the plans of the days to come."""
    registry, calendar = context.app.registry, context.calendar
    with context.app.store.begin_read() as uow:
        known = uow.stoppages.list(limit=MAX_STOPPAGES)
    present = [s for s in (*calendar.maintenance, *known) if not s.has_ended(user.now)]
    over, pager = paginate([s for s in known if s.has_ended(user.now)], page, STOPPAGES_PER_PAGE)
    today = user.now.astimezone(context.site.tz).date()
    return context.renderer.render_page(
        "stoppages.html",
        user,
        present=[_stoppage_row(one, user, registry) for one in present],
        over=[_stoppage_row(one, user, registry) for one in over],
        **pager,
        days=[_day_row(today + timedelta(days=n), calendar, user.t) for n in range(DAYS_SHOWN)],
        links=sorted({camera.link for camera in registry.cameras.values() if camera.link}),
        grids=sorted((g.name, g.code) for g in registry.tree.grids.values()),
        may_stop=user.has_permission(Permission.STOP),
        may_pause=may_pause(user),
        paused=any(
            one.scope is StoppageScope.ROUNDS and one.is_active_at(user.now) for one in present
        ),
    )


@router.post("/api/stoppages")
def add_stoppage(context: ContextDep, user: MayStop, form: StoppageForm) -> Response:
    """Add a stoppage; only a shift supervisor may pause all rounds."""
    scope, zone = StoppageScope(form.scope), context.site.tz
    if scope is StoppageScope.ROUNDS and not may_pause(user):
        raise Forbidden(f"{user.account.name} may not pause all rounds")
    if scope is not StoppageScope.ROUNDS and form.subject not in _subjects_of(
        scope, context.app.registry
    ):
        raise InvalidRequest(user.t("没有这个对象", f"there is no {scope} {form.subject!r}"))
    with translate_errors(), context.app.store.begin() as uow:
        added = uow.stoppages.add(
            scope=scope,
            subject="" if scope is StoppageScope.ROUNDS else form.subject,
            start=_local_time(form.start, user, zone) or user.now,
            until=_local_time(form.until, user, zone),
            reason=form.reason,
            by=user.account.name,
            now=user.now,
        )
        uow.commit()
    return JSONResponse({"number": added.number}, 201)


@router.post("/api/stoppages/{number}/end")
def end_stoppage(context: ContextDep, user: MayStop, number: int) -> Response:
    """End a stoppage before its time; an interrupted round goes on by itself."""
    with context.app.store.begin() as uow:
        found = next((s for s in uow.stoppages.active(user.now) if s.number == number), None)
        if found is not None and found.scope is StoppageScope.ROUNDS and not may_pause(user):
            raise Forbidden(f"{user.account.name} may not resume the rounds")
        if not uow.stoppages.end(number, by=user.account.name, now=user.now):
            raise InvalidRequest(user.t("已经结束", "it is over already"))
        uow.commit()
    return JSONResponse({"ended": number})


def may_pause(user: CurrentUser) -> bool:
    """Whether this user may pause and resume all rounds."""
    return user.has_permission(Permission.STOP) and user.has_permission(Permission.SETTLE)


def subject_name(scope: str, subject: str, registry: Registry, t: Translator) -> str:
    """`点位 小沟村五组…`, `village 旧墩村`, `全部巡查`."""
    kind = t.pair(labels.label_of(labels.SUBJECT_KINDS, scope))
    if scope == StoppageScope.CAMERA:
        return f"{kind} {camera_name(registry, CameraId(subject))}"
    if scope in (StoppageScope.GRID, "village"):
        return f"{kind} {grid_name(registry, GridCode(subject))}"
    return f"{kind} {subject}".rstrip()


def _stoppage_row(one: Stoppage, user: CurrentUser, registry: Registry) -> dict[str, Any]:
    t = user.t
    return {
        "number": one.number,
        "what": subject_name(one.scope, one.subject, registry, t),
        "rounds": one.scope is StoppageScope.ROUNDS,
        "active": one.is_active_at(user.now),
        "start": t.short_datetime(one.start),
        "until": t.short_datetime(one.until) if one.until else t("直到有人结束", "until ended"),
        "reason": one.reason,
        "by": one.by,
        "ended": f"{t.short_datetime(one.ended_at)} {one.ended_by}" if one.ended_at else "",
        "may_end": one.number > 0
        and user.has_permission(Permission.STOP)
        and (one.scope is not StoppageScope.ROUNDS or may_pause(user)),
    }


def _day_row(day: date, calendar: Calendar, t: Translator) -> dict[str, Any]:
    plans_of_day = calendar.plans_on(day)
    notes = [h.name for h in calendar.holidays if h.first <= day <= h.last]
    notes += [p.name for p in calendar.key_periods if p.first <= day <= p.last]
    return {
        "day": f"{day:%m-%d}",
        "weekday": t("一二三四五六日"[day.weekday()], f"{day:%a}"),
        "plans": [
            (plan_label(plan.name, t), f"{plan.start:%H:%M}–{plan.finish_by:%H:%M}")
            for plan in plans_of_day.values()
        ],
        "left_out": [
            plan_label(name, t) for name in calendar.plans if name not in plans_of_day
        ],
        "notes": notes,
    }  # fmt: skip


def _subjects_of(scope: StoppageScope, registry: Registry) -> set[str]:
    if scope is StoppageScope.CAMERA:
        return set(registry.cameras)
    if scope is StoppageScope.GRID:
        return set(registry.tree.grids)
    return {camera.link for camera in registry.cameras.values()}


def _local_time(text: str, user: CurrentUser, zone: Any) -> datetime | None:
    if not text:
        return None
    try:
        return parse_time(text, zone)
    except ValueError as exc:
        raise InvalidRequest(user.t("时间写作 2026-11-22 18:00", "write 2026-11-22 18:00")) from exc


@router.get("/shift")
def shift_page(context: ContextDep, user: MaySignHandover, page: int = 1) -> Response:
    """The present sheet, who has to sign it, and the signatures so far."""
    with context.app.store.begin_read() as uow:
        sheet = shift_handover.handover_sheet(uow, user.now, context.calendar.maintenance)
        entries = uow.handovers.entries(limit=MAX_SIGNATURES)
        broken = uow.handovers.first_broken()
        accounts = uow.accounts.all()
    names = {account.name: account.shown_as for account in accounts}
    signed, pager = paginate(entries, page, SIGNATURES_PER_PAGE)
    me, given = user.account.name, pending_sheet(entries)
    may_take = given is not None and given.to == me
    shown = given.sheet if given is not None and may_take else sheet
    return context.renderer.render_page(
        "shift.html",
        user,
        sheet=_sheet_content(shown, context, user),
        names=names,
        owner=shift_owner(entries),
        given=given,
        may_take=may_take,
        why_not=handover_refusal(entries, me, ""),
        others=[
            (a.name, a.shown_as)
            for a in accounts
            if a.has_permission(Permission.SHIFT) and a.name != me
        ],
        entries=signed,
        broken=broken,
        **pager,
    )


@router.post("/api/shift/give")
def give_shift(context: ContextDep, user: MaySignHandover, form: HandoverForm) -> Response:
    """Sign the sheet as it is now, and name who takes over."""
    now, who = user.now, user.account.name
    with context.app.store.begin() as uow:
        known = {account.name: account for account in uow.accounts.all()}
        if form.to not in known or not known[form.to].has_permission(Permission.SHIFT):
            raise InvalidRequest(user.t("请选择接班人", "choose who takes over"))
        sheet = shift_handover.handover_sheet(uow, now, context.calendar.maintenance)
        given = shift_handover.give_shift(
            uow, who=who, to=form.to, note=form.note, sheet=sheet, now=now
        )
        uow.commit()
    return _signature_response(given)


@router.post("/api/shift/take")
def take_shift(context: ContextDep, user: MaySignHandover, form: TakeoverForm) -> Response:
    """Sign the sheet that the other user gave."""
    with context.app.store.begin() as uow:
        taken = shift_handover.take_shift(uow, who=user.account.name, note=form.note, now=user.now)
        uow.commit()
    return _signature_response(taken)


def _signature_response(entry: HandoverEntry) -> Response:
    return JSONResponse({"number": entry.number, "digest": entry.digest}, 201)


def _sheet_content(
    sheet: Mapping[str, Any], context: WebContext, user: CurrentUser
) -> dict[str, Any]:
    """The stored sheet with the labels of the reader's language."""
    t, findings = user.t, sheet["findings"]
    reader = _SheetReader(context.app.registry, t)
    return {
        "at": reader.at(sheet["at"]),
        "levels": [
            (level_label(Level(level), t), count) for level, count in findings["by_level"].items()
        ],
        "findings": findings["open"],
        "open_cases": sheet["open_cases"],
        "cases": [
            (t("未签收", "not acknowledged"), reader.cases(sheet["unacknowledged"])),
            (t("已超时", "overdue"), reader.cases(sheet["overdue"])),
            (t("已退回", "returned"), reader.cases(sheet["returned"])),
        ],
        "upstream": [
            {
                "what": reader.subject(one["kind"], one["subject"]),
                "since": reader.at(one["since"]),
                "cameras": one["cameras"],
            }
            for one in sheet["upstream"]
        ],
        "cameras": sheet["cameras"],
        "stopped": reader.stopped([*sheet["paused"], *sheet["suspended"]]),
        "messages": sheet["messages_waiting"],
    }


@router.get("/troubles")
def troubles_page(
    context: ContextDep, user: MayViewTroubles, page: int = 1, which: str = ""
) -> Response:
    """Open troubles, the most pressing first; or closed ones, the newest first."""
    with context.app.store.begin_read() as uow:
        still_open = uow.troubles.list_open()
        over = [one for one in uow.troubles.list(limit=MAX_TROUBLES) if one.closed_at is not None]
        names = {account.name: account.shown_as for account in uow.accounts.all()}
    waiting = sorted(
        still_open, key=lambda one: (DUE_LIGHT_ORDER[one.due_light(user.now)], one.due_at)
    )
    found = over if which == "over" else waiting
    shown, pager = paginate(found, page, TROUBLES_PER_PAGE)
    return context.renderer.render_page(
        "troubles.html", user, which=which, still_open=len(still_open), over=len(over),
        upstream=sum(one.kind is not TroubleKind.CAMERA for one in still_open),
        lines=[_trouble_row(one, context, user, names) for one in shown],
        **pager,
    )  # fmt: skip


@router.post("/api/troubles/{number}/take")
def take_trouble(context: ContextDep, user: MayViewTroubles, number: int) -> Response:
    """Take a trouble over; the second user gets 409 with who was first."""
    with translate_errors(), context.app.store.begin() as uow:
        found = uow.troubles.get(number).take_over(by=user.account.name, now=user.now)
        uow.troubles.put(found)
        uow.commit()
    return JSONResponse({"taken": number})


def _trouble_row(
    one: Trouble, context: WebContext, user: CurrentUser, names: dict[str, str]
) -> dict[str, Any]:
    t, registry = user.t, context.app.registry
    due_light = one.due_light(user.now)
    camera = registry.cameras.get(CameraId(one.subject))
    return {
        "number": one.number,
        "what": subject_name(one.kind, one.subject, registry, t),
        "upstream": one.kind is not TroubleKind.CAMERA,
        "where": grid_name(registry, camera.grid) if camera else _village_name(one, context),
        "state": t.pair(labels.label_of(labels.TROUBLE_STATES, one.state)),
        "why": one.why,
        "cameras": len(one.cameras),
        "named": [camera_name(registry, ident) for ident in one.cameras[:5]],
        "since": t.short_datetime(one.since),
        "duration": t.duration((one.closed_at or user.now) - one.since),
        "due_light": due_light.value,
        "due_light_label": t.pair(labels.DUE_LIGHTS[due_light]),
        "left": t.time_left(one.due_at, user.now),
        "taken": person_name(registry, one.taken_by, names) if one.taken_by else "",
        "taken_at": t.short_datetime(one.taken_at),
        "closed": f"{t.short_datetime(one.closed_at)} {one.closed_why}" if one.closed_at else "",
    }


def _village_name(one: Trouble, context: WebContext) -> str:
    if one.kind is TroubleKind.VILLAGE:
        return grid_name(context.app.registry, GridCode(one.subject))
    return ""
