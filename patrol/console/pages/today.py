"""Today (今日): one screen that is read from three metres, and the same numbers as it moves."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
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
    state_words,
    village_of,
)
from patrol.console.pages.one_case import time_left
from patrol.console.pages.plan_card import plan_card
from patrol.console.pages.stoppages import subject_name
from patrol.domain.account import Duty
from patrol.domain.case import Case
from patrol.domain.finding import Finding
from patrol.domain.handover import owner_of
from patrol.domain.ids import CameraId, GridCode
from patrol.domain.levels import Lamp
from patrol.domain.observation import Subject
from patrol.domain.registry import Registry
from patrol.domain.stoppage import Scope, Stoppage
from patrol.domain.trouble import Trouble, TroubleKind
from patrol.domain.verdict import awaits_verdict
from patrol.report import words
from patrol.review.queue import ranked
from patrol.rounds.handover import SIGNATURES

SHOWN_CASES: Final = 5
MOST_MARKS: Final = 4
SHOWN_NOTICES: Final = 5
ON_DUTY: Final = (Duty.OPERATOR, Duty.DUTY_LEAD)


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
        cards = [plan_card(uow, plan, day, caller) for plan in facts.plans.values()]
        walked = facts.calendar.plans_on(day)
        plans = [card for card in cards if card.plan in walked or card.round]
        stopped = [*facts.calendar.maintenance, *uow.stoppages.standing(caller.now)]
        upstream = [t for t in uow.troubles.standing() if t.kind is not TroubleKind.CAMERA]
        shift = owner_of(uow.handovers.entries(limit=SIGNATURES))
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
        "marks": _marks(stopped, upstream, caller, registry),
        "no_round": [h.name for h in facts.calendar.holidays if h.first <= day <= h.last],
        "open_cases": len(cases),
        "to_verify": sum(awaits_verdict(case) for case in cases),
        "lamps": [(lamp, say.pair(LAMPS[lamp]), lamps[lamp]) for lamp in reversed(Lamp)],
        "cases": [_case_line(case, caller, registry) for case in _pressing(cases, caller.now)],
        "queue": _queue_card(waiting, len(claimed), caller),
        "villages": _villages(registry, health, day),
        "notices": _notices((*cases, *recent), caller, registry, names),
        "shift_of": names.get(shift, shift),
        "on_duty": [
            names[name]
            for name in sorted(logged_in)
            if name != shift and name in accounts and accounts[name].duty in ON_DUTY
        ],
    }


def _marks(
    stopped: Iterable[Stoppage], upstream: Iterable[Trouble], caller: Caller, registry: Registry
) -> list[tuple[str, str, str, str]]:
    """(kind, what, words, where it leads): what makes today different."""
    say, holding = caller.say, [one for one in stopped if one.holds(caller.now)]
    paused = [one for one in holding if one.scope is Scope.ROUNDS]
    marks = [
        ("bad", say("巡查暂停", "Rounds paused"), f"{one.reason} ({one.by})", "/stoppages")
        for one in paused
    ]
    marks += [
        (
            "bad",
            say("上游故障", "Fault upstream"),
            f"{subject_name(one.kind, one.subject, registry, say)} "
            + say(f"{len(one.cameras)} 路", f"{len(one.cameras)} cameras"),
            "/troubles",
        )
        for one in upstream
    ]
    upkeep = [one for one in holding if one.scope is not Scope.ROUNDS]
    if upkeep:
        named = [subject_name(one.scope, one.subject, registry, say) for one in upkeep[:2]]
        more = say(f" 等 {len(upkeep)} 处", f" … {len(upkeep)} in all") if len(upkeep) > 2 else ""  # noqa: PLR2004  two are named
        words = say("、", ", ").join(named) + more
        marks.append(("warn", say("维护中", "In maintenance"), words, "/stoppages"))
    return marks[:MOST_MARKS]


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
