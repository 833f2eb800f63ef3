"""What is deliberately not patrolled (暂停与维护): pauses, maintenance, the days."""

from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from patrol.console.asking import AtDesk, ForStopped, ForStops
from patrol.console.gate import Caller, Forbidden
from patrol.console.pages.common import CannotBe, camera_name, grid_name, paged, plan_words, said
from patrol.console.words import Words
from patrol.domain.account import Right
from patrol.domain.calendar import Calendar
from patrol.domain.ids import CameraId, GridCode
from patrol.domain.registry import Registry
from patrol.domain.stoppage import Scope, Stoppage

DAYS: Final = 14
PER_PAGE: Final = 50
MOST: Final = 2000
SCOPES: Final = {
    Scope.ROUNDS: ("全部巡查", "all rounds"),
    Scope.CAMERA: ("点位", "camera"),
    Scope.LINK: ("链路", "link"),
    Scope.GRID: ("网格", "grid"),
}
router = APIRouter()


class Stop(BaseModel):
    """What is to be left alone, from when until when, and why."""

    scope: Literal["rounds", "camera", "link", "grid"]
    subject: str = Field(default="", max_length=64)
    start: str = Field(default="", max_length=16)  # 2026-11-22T18:00 on the site's clock
    until: str = Field(default="", max_length=16)
    reason: str = Field(max_length=200)


@router.get("/stoppages")
def stoppages(desk: AtDesk, caller: ForStopped, page: int = 1) -> Response:
    """What stands, what stood, and the days to come."""
    registry, facts = desk.doors.registry, desk.doors.facts
    with desk.doors.store.begin_read() as uow:
        known = uow.stoppages.list(limit=MOST)
    standing = [s for s in (*facts.calendar.maintenance, *known) if not s.is_over(caller.now)]
    over, pager = paged([s for s in known if s.is_over(caller.now)], page, PER_PAGE)
    today = caller.now.astimezone(facts.zone).date()
    return desk.shell.page(
        "stoppages.html", caller,
        standing=[_line(one, caller, registry) for one in standing],
        over=[_line(one, caller, registry) for one in over],
        **pager,
        days=[_day(today + timedelta(days=n), facts.calendar, caller.say) for n in range(DAYS)],
        links=sorted({camera.link for camera in registry.cameras.values() if camera.link}),
        grids=sorted((g.name, g.code) for g in registry.tree.grids.values()),
        may_stop=caller.may(Right.STOP), may_pause=may_pause(caller),
        paused=any(one.scope is Scope.ROUNDS and one.holds(caller.now) for one in standing),
    )  # fmt: skip


@router.post("/api/stoppages")
def stop(desk: AtDesk, caller: ForStops, asked: Stop) -> Response:
    """Leave something alone; all rounds only by the duty lead."""
    scope, zone = Scope(asked.scope), desk.doors.facts.zone
    if scope is Scope.ROUNDS and not may_pause(caller):
        raise Forbidden(f"{caller.account.name} may not pause all rounds")
    if scope is not Scope.ROUNDS and asked.subject not in _there(scope, desk.doors.registry):
        raise CannotBe(caller.say("没有这个对象", f"there is no {scope} {asked.subject!r}"))
    with said(), desk.doors.store.begin() as uow:
        added = uow.stoppages.add(
            scope=scope,
            subject="" if scope is Scope.ROUNDS else asked.subject,
            start=_moment(asked.start, caller, zone) or caller.now,
            until=_moment(asked.until, caller, zone),
            reason=asked.reason,
            by=caller.account.name,
            now=caller.now,
        )
        uow.commit()
    return JSONResponse({"number": added.number}, 201)


@router.post("/api/stoppages/{number}/end")
def end(desk: AtDesk, caller: ForStops, number: int) -> Response:
    """Before its time; an interrupted round goes on by itself."""
    with desk.doors.store.begin() as uow:
        found = next((s for s in uow.stoppages.standing(caller.now) if s.number == number), None)
        if found is not None and found.scope is Scope.ROUNDS and not may_pause(caller):
            raise Forbidden(f"{caller.account.name} may not resume the rounds")
        if not uow.stoppages.end(number, by=caller.account.name, now=caller.now):
            raise CannotBe(caller.say("已经结束", "it is over already"))
        uow.commit()
    return JSONResponse({"ended": number})


def may_pause(caller: Caller) -> bool:
    """All rounds are the duty lead's."""
    return caller.may(Right.STOP) and caller.may(Right.SETTLE)


def subject_name(scope: str, subject: str, registry: Registry, say: Words) -> str:
    """`点位 小沟村五组…`, `village 旧墩村`, `全部巡查`."""
    known = {str(key): pair for key, pair in SCOPES.items()} | {"village": ("村", "village")}
    kind = say.pair(known.get(scope, (scope, scope)))
    if scope == Scope.CAMERA:
        return f"{kind} {camera_name(registry, CameraId(subject))}"
    if scope in (Scope.GRID, "village"):
        return f"{kind} {grid_name(registry, GridCode(subject))}"
    return f"{kind} {subject}".rstrip()


def _line(one: Stoppage, caller: Caller, registry: Registry) -> dict[str, Any]:
    say = caller.say
    return {
        "number": one.number,
        "what": subject_name(one.scope, one.subject, registry, say),
        "rounds": one.scope is Scope.ROUNDS,
        "holds": one.holds(caller.now),
        "start": say.moment(one.start),
        "until": say.moment(one.until) if one.until else say("直到有人结束", "until ended"),
        "reason": one.reason,
        "by": one.by,
        "ended": f"{say.moment(one.ended_at)} {one.ended_by}" if one.ended_at else "",
        "may_end": one.number > 0
        and caller.may(Right.STOP)
        and (one.scope is not Scope.ROUNDS or may_pause(caller)),
    }


def _day(day: date, calendar: Calendar, say: Words) -> dict[str, Any]:
    walked = calendar.plans_on(day)
    marks = [h.name for h in calendar.holidays if h.first <= day <= h.last]
    marks += [p.name for p in calendar.key_periods if p.first <= day <= p.last]
    return {
        "day": f"{day:%m-%d}",
        "weekday": say("一二三四五六日"[day.weekday()], f"{day:%a}"),
        "plans": [
            (plan_words(plan.name, say), f"{plan.start:%H:%M}–{plan.finish_by:%H:%M}")
            for plan in walked.values()
        ],
        "left_out": [
            plan_words(name, say) for name in calendar.plans if name not in walked
        ],
        "marks": marks,
    }  # fmt: skip


def _there(scope: Scope, registry: Registry) -> set[str]:
    if scope is Scope.CAMERA:
        return set(registry.cameras)
    if scope is Scope.GRID:
        return set(registry.tree.grids)
    return {camera.link for camera in registry.cameras.values()}


def _moment(text: str, caller: Caller, zone: Any) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)
    except ValueError as exc:
        raise CannotBe(caller.say("时间写作 2026-11-22 18:00", "write 2026-11-22 18:00")) from exc
