"""Today (今日): one screen that is read from three metres, and the same numbers as it moves."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import HTMLResponse, Response

from patrol.console.asking import AtDesk, ForToday
from patrol.console.desk import Desk
from patrol.console.gate import Caller
from patrol.console.pages.common import (
    LAMPS,
    category_words,
    grid_name,
    level_words,
    person_name,
    plan_words,
    state_words,
    village_of,
)
from patrol.console.pages.one_case import time_left
from patrol.console.words import Words
from patrol.domain.account import Duty
from patrol.domain.case import Case
from patrol.domain.finding import Finding
from patrol.domain.ids import CameraId, GridCode
from patrol.domain.levels import Lamp
from patrol.domain.observation import Subject
from patrol.domain.registry import Registry
from patrol.domain.round import Round, RoundBooks, RoundState
from patrol.ports import UnitOfWork
from patrol.report import words
from patrol.review.queue import ranked

SHOWN_CASES: Final = 6
SHOWN_NOTICES: Final = 6
ON_DUTY: Final = (Duty.OPERATOR, Duty.DUTY_LEAD)
ENOUGH_TO_FORECAST_S: Final = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanCard:
    """One of the day's rounds."""

    name: str
    hours: str
    state: str  # running, finished, missed, interrupted, planned, none
    state_words: str
    round: str | None
    books: RoundBooks
    forecast: str
    late: bool
    reason: str

    @property
    def coverage(self) -> str:
        """巡查覆盖率: cameras with a usable picture ÷ planned."""
        planned = self.books.planned
        return f"{100 * self.books.seen / planned:.1f}" if planned else "—"

    @property
    def done(self) -> int:
        """Visits in the books."""
        return self.books.planned - self.books.pending


@dataclass(frozen=True, slots=True, kw_only=True)
class VillageLine:
    """A village's cameras: how many can be seen just now."""

    name: str
    online: int
    faulty: int
    offline: int
    unknown: int

    @property
    def total(self) -> int:
        """All of its cameras that are patrolled."""
        return self.online + self.faulty + self.offline + self.unknown


router = APIRouter()


@router.get("/")
def today(desk: AtDesk, caller: ForToday) -> Response:
    """The page."""
    return desk.shell.page("today.html", caller, **content(desk, caller))


@router.get("/today/part")
def part(desk: AtDesk, caller: ForToday) -> Response:
    """Its numbers as they move."""
    html = desk.shell.fragment("today_part.html", caller, **content(desk, caller))
    return HTMLResponse(html, headers={"Cache-Control": "no-store"})


def content(desk: Desk, caller: Caller) -> dict[str, Any]:
    """Everything on the page, from one consistent picture of the books."""
    facts, registry, say = desk.doors.facts, desk.doors.registry, caller.say
    day = caller.now.astimezone(facts.zone).date()
    with desk.doors.store.begin_read() as uow:
        plans = [
            _plan_card(uow, name, f"{plan.start:%H:%M}–{plan.finish_by:%H:%M}", day, caller)
            for name, plan in facts.plans.items()
        ]
        cases = uow.cases.list(open_only=True)
        recent = uow.cases.list(limit=30)
        leads = ranked(uow, uow.findings.queue(), caller.now, cameras=registry.cameras)
        waiting = [one.finding for one in leads]
        claimed = uow.claims.standing(caller.now)
        health = uow.health.all()
        accounts = {account.name: account for account in uow.accounts.all()}
        logged_in = {session.account for session in uow.sessions.of(None, caller.now)}
    names = {name: account.shown_as for name, account in accounts.items()}
    lamps = Counter(case.lamp(caller.now) for case in cases)
    return {
        "now": caller.now,
        "plans": plans,
        "open_cases": len(cases),
        "lamps": [(lamp, say.pair(LAMPS[lamp]), lamps[lamp]) for lamp in reversed(Lamp)],
        "cases": [_case_line(case, caller, registry) for case in _pressing(cases, caller.now)],
        "queue": _queue_card(waiting, len(claimed), caller),
        "villages": _villages(registry, health, day),
        "notices": _notices((*cases, *recent), caller, registry, names),
        "on_duty": [
            accounts[name].shown_as
            for name in sorted(logged_in)
            if name in accounts and accounts[name].duty in ON_DUTY
        ],
    }


def _plan_card(uow: UnitOfWork, name: str, hours: str, day: date, caller: Caller) -> PlanCard:
    newest = next((one for one in uow.rounds.of_plan(name, limit=3) if one.day == day), None)
    say = caller.say
    if newest is None:
        return PlanCard(
            name=plan_words(name, say), hours=hours, state="none",
            state_words=say("未开始", "not begun"), round=None, books=RoundBooks(), forecast="",
            late=False, reason="",
        )  # fmt: skip
    books = uow.rounds.books(newest.id)
    forecast = forecast_of(newest, books, caller.now)
    return PlanCard(
        name=plan_words(name, say),
        hours=hours,
        state=newest.state.value,
        state_words=round_state_words(newest.state, say),
        round=newest.id,
        books=books,
        forecast=_forecast_words(newest, forecast, say),
        late=forecast is not None and forecast > newest.finish_by,
        reason=newest.reason,
    )


def round_state_words(state: RoundState, say: Words) -> str:
    """`巡查中`, `running`."""
    return {
        RoundState.PLANNED: say("待开始", "planned"),
        RoundState.RUNNING: say("巡查中", "running"),
        RoundState.INTERRUPTED: say("已中断", "interrupted"),
        RoundState.FINISHED: say("已完成", "finished"),
        RoundState.MISSED: say("漏巡", "missed"),
    }[state]


def forecast_of(a_round: Round, books: RoundBooks, now: datetime) -> datetime | None:
    """When it will be done at its pace so far; None while that cannot be said."""
    if a_round.state is not RoundState.RUNNING or a_round.started_at is None:
        return None
    done, elapsed_s = books.planned - books.pending, (now - a_round.started_at).total_seconds()
    if not done or elapsed_s < ENOUGH_TO_FORECAST_S:
        return None
    return now + timedelta(seconds=books.pending * elapsed_s / done)


def _forecast_words(a_round: Round, forecast: datetime | None, say: Words) -> str:
    limit = say.time(a_round.finish_by)
    if a_round.finished_at is not None:
        at = say.time(a_round.finished_at)
        return say(f"{at} 结束 · 时限 {limit}", f"ended {at} · due {limit}")
    if forecast is None:
        return say(f"须在 {limit} 前完成", f"due by {limit}")
    return say(
        f"预计 {say.time(forecast)} · 时限 {limit}", f"at {say.time(forecast)} · due {limit}"
    )


def _pressing(cases: Iterable[Case], now: datetime) -> list[Case]:
    def urgency(case: Case) -> tuple[int, str, datetime]:
        order = {Lamp.RED: 0, Lamp.YELLOW: 1, Lamp.GREEN: 2}[case.lamp(now)]
        return order, case.level.value, case.due_at

    return sorted(cases, key=urgency)[:SHOWN_CASES]


def _case_line(case: Case, caller: Caller, registry: Registry) -> dict[str, Any]:
    say = caller.say
    return {
        "id": case.id,
        "lamp": case.lamp(caller.now),
        "what": category_words(case.category, say),
        "where": grid_name(registry, case.grid),
        "state": state_words(case.state, say),
        "level": level_words(case.level, say),
        "left": time_left(case, caller),
    }


def _queue_card(waiting: Sequence[Finding], claimed: int, caller: Caller) -> dict[str, Any]:
    scenes = [finding for finding in waiting if finding.subject is Subject.SCENE]
    oldest = min((finding.found_at for finding in waiting), default=None)
    worst = waiting[0] if waiting else None  # they come in the queue's order
    return {
        "scenes": len(scenes),
        "faults": len(waiting) - len(scenes),
        "claimed": claimed,
        "oldest": caller.say.ago(oldest, caller.now) if oldest else "",
        "worst": category_words(worst.category, caller.say) if worst else "",
    }


def _villages(
    registry: Registry, health: Mapping[CameraId, tuple[str, datetime, str]], day: date
) -> list[VillageLine]:
    counts: dict[str, Counter[str]] = {}
    for camera in registry.cameras.values():
        if camera.why_not(day) is None:
            known = health.get(camera.id)
            line = counts.setdefault(village_of(registry, camera.grid), Counter())
            line[known[0] if known else "unknown"] += 1
    return [
        VillageLine(
            name=grid_name(registry, GridCode(code)),
            online=line["online"],
            faulty=line["faulty"],
            offline=line["offline"],
            unknown=line["unknown"],
        )
        for code, line in sorted(counts.items())
        if code
    ]


def _notices(
    cases: Iterable[Case], caller: Caller, registry: Registry, names: Mapping[str, str]
) -> list[Mapping[str, str]]:
    lines = {
        (entry.at, case.id, entry.what): (entry, case) for case in cases for entry in case.entries
    }
    newest = sorted(lines.items(), key=lambda item: item[0], reverse=True)[:SHOWN_NOTICES]
    return [
        {
            "at": caller.say.time(entry.at),
            "case": case.id,
            "what": caller.say.pair(words.CASE_EVENTS[entry.what]),
            "who": person_name(registry, entry.by, names),
            "about": f"{grid_name(registry, case.grid)} "
            f"{category_words(case.category, caller.say)}",
        }
        for _, (entry, case) in newest
    ]
