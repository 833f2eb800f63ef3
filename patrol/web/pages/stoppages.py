"""The stoppages page (暂停与维护): what is deliberately not patrolled.

Pauses of all rounds, maintenance of cameras, links and grids, and days without plans.
"""

from datetime import date, datetime, timedelta
from typing import Any, Final, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from patrol.cases.request_keys import remember_request
from patrol.domain.account import Permission
from patrol.domain.registry import Registry
from patrol.domain.schedule import Calendar, Stoppage, StoppageScope
from patrol.domain.timestamps import parse_time
from patrol.web.auth import CurrentUser, Forbidden
from patrol.web.context import (
    ContextDep,
    IdempotencyKey,
    MayStop,
    MayViewStoppages,
    request_key,
)
from patrol.web.errors import InvalidRequest, translate_errors
from patrol.web.i18n import (
    Translator,
    paginate,
    plan_label,
    subject_name,
)
from patrol.web.pages.camera_filter import subject_url

DAYS_SHOWN: Final = 14
STOPPAGES_PER_PAGE: Final = 50
MAX_STOPPAGES: Final = 2000
router = APIRouter()


class StoppageForm(BaseModel):
    """The scope, the times and the reason of a stoppage."""

    scope: Literal["rounds", "camera", "link", "grid"]
    subject: str = Field(default="", max_length=64)
    start: str = Field(default="", max_length=16)  # 2026-11-22T18:00 on the site's clock
    until: str = Field(default="", max_length=16)
    reason: str = Field(max_length=200)


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
        grids=[
            (g.name, g.code) for g in sorted(registry.tree.grids.values(), key=lambda one: one.code)
        ],
        may_stop=user.has_permission(Permission.STOP),
        may_pause=_may_pause(user),
        paused=any(
            one.scope is StoppageScope.ROUNDS and one.is_active_at(user.now) for one in present
        ),
    )


@router.post("/api/stoppages")
def add_stoppage(
    context: ContextDep, user: MayStop, form: StoppageForm, key: IdempotencyKey = ""
) -> Response:
    """Add a stoppage; only a shift supervisor may pause all rounds."""
    scope, zone = StoppageScope(form.scope), context.site.tz
    if scope is StoppageScope.ROUNDS and not _may_pause(user):
        raise Forbidden(f"{user.account.name} may not pause all rounds")
    if scope is not StoppageScope.ROUNDS and form.subject not in _subjects_of(
        scope, context.app.registry
    ):
        raise InvalidRequest(user.t("没有这个对象", f"there is no {scope} {form.subject!r}"))
    with translate_errors(), context.app.store.begin() as uow:
        remember_request(uow, request_key(user, key, "add a stoppage", form), user.now)
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
def end_stoppage(
    context: ContextDep, user: MayStop, number: int, key: IdempotencyKey = ""
) -> Response:
    """End a stoppage before its time; an interrupted round goes on by itself."""
    with context.app.store.begin() as uow:
        remember_request(uow, request_key(user, key, f"end stoppage {number}"), user.now)
        found = next((s for s in uow.stoppages.active(user.now) if s.number == number), None)
        if found is not None and found.scope is StoppageScope.ROUNDS and not _may_pause(user):
            raise Forbidden(f"{user.account.name} may not resume the rounds")
        if not uow.stoppages.end(number, by=user.account.name, now=user.now):
            raise InvalidRequest(user.t("已经结束", "it is over already"))
        uow.commit()
    return JSONResponse({"ended": number})


def _may_pause(user: CurrentUser) -> bool:
    return user.has_permission(Permission.STOP) and user.has_permission(Permission.SETTLE)


def _stoppage_row(one: Stoppage, user: CurrentUser, registry: Registry) -> dict[str, Any]:
    t = user.t
    return {
        "number": one.number,
        "what": subject_name(one.scope, one.subject, registry, t),
        "url": subject_url(one.scope, one.subject)
        if user.has_permission(Permission.CAMERAS)
        else "",
        "rounds": one.scope is StoppageScope.ROUNDS,
        "ask": _ending_question(one, subject_name(one.scope, one.subject, registry, t), user),
        "done": t("巡查已恢复", "rounds go on")
        if one.scope is StoppageScope.ROUNDS
        else t("维护已结束", "maintenance ended"),
        "active": one.is_active_at(user.now),
        "start": t.short_datetime(one.start),
        "until": t.short_datetime(one.until) if one.until else t("直到有人结束", "until ended"),
        "reason": one.reason,
        "by": one.by,
        "ended": f"{t.short_datetime(one.ended_at)} {one.ended_by}" if one.ended_at else "",
        "may_end": one.number > 0
        and user.has_permission(Permission.STOP)
        and (one.scope is not StoppageScope.ROUNDS or _may_pause(user)),
    }


def _ending_question(one: Stoppage, what: str, user: CurrentUser) -> str:
    """What ending the stoppage does, as a question: its reason, and what is patrolled again."""
    t, is_pause = user.t, one.scope is StoppageScope.ROUNDS
    if not one.is_active_at(user.now):
        since = t.short_datetime(one.start)
        planned = t("暂停巡查", "pause of all rounds") if is_pause else t(f"{what} 的维护", what)
        return t(f"取消 {since} 起的{planned}（{one.reason}）？",
                 f"Cancel what is planned from {since}: {planned} ({one.reason})?")  # fmt: skip
    if is_pause:
        return t(f"恢复全部巡查？暂停（{one.reason}）到此为止，中断的一轮接着巡。",
                 f"Let all rounds go on? The pause ({one.reason}) ends, an interrupted round resumes.")  # fmt: skip  # noqa: E501
    return t(f"结束 {what} 的维护（{one.reason}）？下一轮起照常巡查。",
             f"End the maintenance of {what} ({one.reason})? It is patrolled from the next round on.")  # fmt: skip  # noqa: E501


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
