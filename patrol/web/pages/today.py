"""Today (今日): rounds, cases, review queue and cameras on one screen, read from three metres.

The page and its fragment have the same content, read in one transaction. `round_state_label` and
`forecast_of` are also used by the pages of rounds.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from patrol.domain import labels
from patrol.domain.account import Permission
from patrol.domain.case import Case
from patrol.domain.finding import Finding, WaitingTotal
from patrol.domain.health import Trouble, TroubleKind
from patrol.domain.ids import CameraId, GridCode, LinkId
from patrol.domain.observation import Subject
from patrol.domain.priority import DueLight
from patrol.domain.registry import Registry
from patrol.domain.round import PatrolPlan, Round, RoundState, RoundTotals
from patrol.domain.routing import LEAVE_AHEAD, UnstaffedGrid, unstaffed_within
from patrol.domain.schedule import Stoppage, StoppageScope
from patrol.domain.verification import awaits_person
from patrol.domain.wall_clock import LONGEST_STEP, ClockRecord
from patrol.review.alarms import alarming
from patrol.review.queue import review_queue
from patrol.store import UnitOfWork
from patrol.web.auth import CurrentUser
from patrol.web.context import ContextDep, MayViewToday, WebContext
from patrol.web.i18n import (
    Translator,
    author_name,
    case_state_label,
    category_label,
    grid_name,
    level_label,
    plan_label,
    round_reason,
    subject_name,
    village_of,
)
from patrol.web.pages.attention import alarm_text
from patrol.web.pages.cases import time_left
from patrol.web.pages.first_steps import no_round_was_begun, setup_banners
from patrol.web.pages.presence import presence
from patrol.web.pages.troubles import DUE_LIGHT_ORDER

MIN_ELAPSED_TO_FORECAST_S: Final = 3.0
SHOWN_CASES: Final = 5
STEP_SHOWN: Final = timedelta(days=1)  # a shift later everybody has read it
SYSTEM_PAGE: Final = "/system"
NO_TIME: Final = timedelta(0)
PEOPLE_PAGE, GRID_PAGE = "/people", "/grid"
MAX_BANNERS: Final = 4
GRIDS_NAMED: Final = 3
SHOWN_NOTICES: Final = 5
SHOWN_LINKS: Final = 3
router = APIRouter()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanCard:
    """One of the day's plans and its newest round: state, totals, forecast."""

    plan: str
    name: str
    hours: str
    state: str  # running, finished, missed, interrupted, planned, none
    state_label: str
    round: str | None
    totals: RoundTotals
    forecast: str
    late: bool
    reason: str

    @property
    def coverage(self) -> str:
        """巡查覆盖率: cameras with a usable picture ÷ planned."""
        planned = self.totals.planned
        return f"{100 * self.totals.seen / planned:.1f}" if planned else "—"

    @property
    def visited(self) -> int:
        """Cameras that were visited, viewable or not; a camera that was missed was not."""
        return self.totals.seen + self.totals.not_viewable


@dataclass(frozen=True, slots=True, kw_only=True)
class VillageHealth:
    """A village's cameras by health."""

    name: str
    online: int
    faulty: int
    offline: int
    unknown: int

    @property
    def total(self) -> int:
        """All of its cameras that are patrolled."""
        return self.online + self.faulty + self.offline + self.unknown


@router.get("/")
def today_page(context: ContextDep, user: MayViewToday) -> Response:
    """The page of today."""
    return context.renderer.render_page("today.html", user, **today_content(context, user))


@router.get("/today/part")
def today_fragment(context: ContextDep, user: MayViewToday) -> Response:
    """The content of the page, fetched again as it changes."""
    return context.renderer.fragment_response(
        "today_part.html", user, **today_content(context, user)
    )


def today_content(context: WebContext, user: CurrentUser) -> dict[str, Any]:
    """The content of the page's template, read in one transaction."""
    registry, calendar = context.app.registry, context.calendar
    day = user.now.astimezone(context.site.tz).date()
    with context.app.store.begin_read() as uow:
        plans = _plan_cards(uow, context, day, user)
        stopped = [*calendar.maintenance, *uow.stoppages.active(user.now)]
        upstream = [one for one in uow.troubles.list_open() if one.kind is not TroubleKind.CAMERA]
        cases, recent = uow.cases.list(open_only=True), uow.cases.list(limit=30)
        queue = review_queue(uow, user.now, cameras=registry.cameras, limit=1).lines
        totals, open_count = uow.findings.waiting_totals(), uow.cases.count(open_only=True)
        claimed = uow.claims.active(user.now)
        unreviewed = _unreviewed(uow, context, user)
        health = uow.health.all()
        accounts = {account.name: account for account in uow.accounts.all()}
        present = presence(uow, accounts, day, context, user)
        cluster = context.app.cluster
        unserved = cluster.unserved(uow) if cluster is not None else []
        is_new = no_round_was_begun(uow, context.plans)
    names = {name: account.shown_as for name, account in accounts.items()}
    counts = Counter(case.due_light(user.now) for case in cases)
    villages = _village_healths(registry, health, day)
    return {
        "now": user.now,
        "plans": plans,
        "banners": [
            *_clock_banners(context.app.clock_monitor.record, user),
            *_unserved_banners(unserved, user),
            *_alarm_banners(unreviewed, user),
            *_unstaffed_banners(registry, user),
            *_banners(stopped, upstream, user, registry),
            *setup_banners(context, user, sum(v.total for v in villages), is_new=is_new),
        ][:MAX_BANNERS],
        "no_round": [h.name for h in calendar.holidays if h.first <= day <= h.last],
        "open_cases": open_count,
        "to_verify": sum(awaits_person(case) for case in cases),
        "due_lights": [
            (one, user.t.pair(labels.DUE_LIGHTS[one]), counts[one]) for one in reversed(DueLight)
        ],
        "cases": [_case_row(case, user, registry) for case in _most_urgent(cases, user.now)],
        "queue": _queue_card(totals, queue[0].finding if queue else None, len(claimed), user),
        "villages": villages,
        "notices": _notices((*cases, *recent), user, registry, names),
        **present,
    }


def plan_card(uow: UnitOfWork, plan: PatrolPlan, day: date, user: CurrentUser) -> PlanCard:
    """The card of a plan with its newest round of that day, if there is one."""
    name, hours = plan.name, f"{plan.start:%H:%M}–{plan.finish_by:%H:%M}"
    rounds = uow.rounds.of_plan(name, limit=3, before=user.now + LONGEST_STEP)
    newest = next((one for one in rounds if one.day == day and not one.misdated), None)
    t = user.t
    if newest is None:
        return PlanCard(
            plan=name, name=plan_label(name, t), hours=hours, state="none",
            state_label=t("未开始", "not begun"), round=None, totals=RoundTotals(), forecast="",
            late=False, reason="",
        )  # fmt: skip
    totals = uow.rounds.totals(newest.id)
    forecast = forecast_of(newest, totals, user.now)
    return PlanCard(
        plan=name,
        name=plan_label(name, t),
        hours=hours,
        state=newest.state.value,
        state_label=round_state_label(newest.state, t),
        round=newest.id,
        totals=totals,
        forecast=_forecast_text(newest, forecast, t),
        late=forecast is not None and forecast > newest.finish_by,
        reason=round_reason(newest.reason, t),
    )


def round_state_label(state: RoundState, t: Translator) -> str:
    """`巡查中`, `running`."""
    return t.pair(labels.ROUND_STATES[state])


def forecast_of(a_round: Round, totals: RoundTotals, now: datetime) -> datetime | None:
    """When a running round will end at its pace so far; None while that is unknown."""
    if a_round.state is not RoundState.RUNNING or a_round.started_at is None:
        return None
    done, elapsed_s = totals.planned - totals.pending, (now - a_round.started_at).total_seconds()
    if not done or elapsed_s < MIN_ELAPSED_TO_FORECAST_S:
        return None
    return now + timedelta(seconds=totals.pending * elapsed_s / done)


def _forecast_text(a_round: Round, forecast: datetime | None, t: Translator) -> str:
    limit = t.time(a_round.finish_by)
    if a_round.state is RoundState.MISSED:
        return t(f"没有巡查 · 时限 {limit}", f"did not run · was due {limit}")
    if a_round.finished_at is not None:
        at = t.time(a_round.finished_at)
        return t(f"{at} 结束 · 时限 {limit}", f"ended {at} · due {limit}")
    if forecast is None:
        return t(f"须在 {limit} 前完成", f"due by {limit}")
    return t(f"预计 {t.time(forecast)} · 时限 {limit}", f"at {t.time(forecast)} · due {limit}")


def _plan_cards(
    uow: UnitOfWork, context: WebContext, day: date, user: CurrentUser
) -> list[PlanCard]:
    """The plans of the day, and others that have a round on it."""
    plans_of_day = context.calendar.plans_on(day)
    cards = [plan_card(uow, plan, day, user) for plan in context.plans.values()]
    return [card for card in cards if card.plan in plans_of_day or card.round]


def _banners(
    stopped: Iterable[Stoppage], upstream: Iterable[Trouble], user: CurrentUser, registry: Registry
) -> list[tuple[str, str, str, str]]:
    """(kind, title, text, address) of pauses, troubles of links and villages, and maintenance."""
    t, holding = user.t, [one for one in stopped if one.is_active_at(user.now)]
    paused = [one for one in holding if one.scope is StoppageScope.ROUNDS]

    def until(one: Stoppage) -> str:
        end = t.short_datetime(one.until)
        return t(f" 至 {end}", f" until {end}") if one.until else ""

    banners = [
        (
            "bad",
            t("巡查暂停", "Rounds paused"),
            one.reason + t(f"（{one.by}）", f" ({one.by})") + until(one),
            "/stoppages",
        )
        for one in paused
    ]
    banners += [
        (
            "bad",
            t("链路（整村）中断", "Fault upstream"),
            f"{subject_name(one.kind, one.subject, registry, t)} "
            + t(f"{len(one.cameras)} 路", f"{len(one.cameras)} cameras"),
            "/troubles",
        )
        for one in upstream
    ]
    upkeep = [one for one in holding if one.scope is not StoppageScope.ROUNDS]
    if upkeep:
        named = [subject_name(one.scope, one.subject, registry, t) for one in upkeep[:2]]
        more = t(f" 等 {len(upkeep)} 处", f" … {len(upkeep)} in all") if len(upkeep) > 2 else ""  # noqa: PLR2004  two are named
        text = t("、", ", ").join(named) + more
        banners.append(("warn", t("维护中", "In maintenance"), text, "/stoppages"))
    return banners[:MAX_BANNERS]


def _unserved_banners(
    links: Sequence[LinkId], user: CurrentUser
) -> list[tuple[str, str, str, str]]:
    """Links of a cluster that no living worker serves: their cameras will be missed."""
    if not links:
        return []
    t, named = user.t, ", ".join(links[:SHOWN_LINKS])
    more = t(f" 等 {len(links)} 条", f" … {len(links)} in all") if len(links) > SHOWN_LINKS else ""
    title = t("没有工作机可达链路", "No worker reaches link")
    return [("bad", title, f"{named}{more}", SYSTEM_PAGE)]


def _unreviewed(uow: UnitOfWork, context: WebContext, user: CurrentUser) -> list[Finding]:
    """Findings of levels I and II without a review, for who has no strip of alarms: a display."""
    if not user.is_display:
        return []
    policy = context.app.site.settings.review.alarm.policy
    return alarming(uow.findings.queue(), policy, user.now)


def _alarm_banners(
    unreviewed: Sequence[Finding], user: CurrentUser
) -> list[tuple[str, str, str, str]]:
    """(kind, title, text, address) of urgent findings that nobody has reviewed."""
    if not unreviewed:
        return []
    return [("bad", user.t("告警", "Alarm"), alarm_text(unreviewed, user.t, user.now), "/review")]


def _unstaffed_banners(registry: Registry, user: CurrentUser) -> list[tuple[str, str, str, str]]:
    """(kind, title, text, address) of grids in which nobody is told, or soon will be nobody."""
    t = user.t
    found = unstaffed_within(registry, user.now, LEAVE_AHEAD)
    address = PEOPLE_PAGE if user.has_permission(Permission.PEOPLE) else GRID_PAGE
    banners = []
    for title, kind, ones in (
        (t("网格无人", "Nobody for a grid"), "bad", [one for one in found if one.since is None]),
        (t("网格将无人", "Soon nobody for a grid"), "warn", [one for one in found if one.since]),
    ):
        if not ones:
            continue
        named = [_unstaffed_name(one, registry, t) for one in ones[:GRIDS_NAMED]]
        more = len(ones) - len(named)
        text = t("、", ", ").join(named) + (t(f" 等 {len(ones)} 个", " …") if more else "")
        banners.append((kind, title, text, address))
    return banners


def _unstaffed_name(one: UnstaffedGrid, registry: Registry, t: Translator) -> str:
    name = grid_name(registry, one.grid)
    if one.since is None:
        return name
    at = t.short_datetime(one.since)
    return name + t(f"（{at} 起）", f" (from {at})")


def _clock_banners(record: ClockRecord, user: CurrentUser) -> list[tuple[str, str, str, str]]:
    """(kind, title, text, address) of a clock that waits for confirmation, or was just set."""
    t = user.t
    if record.is_unconfirmed:
        off = t.duration(timedelta(seconds=abs(record.jump_s)))
        title = t("本机时钟不可信", "The machine's clock is not believed")
        text = t(
            f"与应有时间相差 {off}；不写入漏巡与清理，请校时或执行 patrol clock accept",
            f"{off} from where it should be; no missed rounds, no deletions until it is set right "
            "or confirmed by patrol clock accept",
        )
        return [("bad", title, text, SYSTEM_PAGE)]
    if record.step_at is None or not NO_TIME <= user.now - record.step_at < STEP_SHOWN:
        return []
    by = t.duration(timedelta(seconds=abs(record.step_s)))
    at = t.time(record.step_at)
    ahead = record.step_s > 0
    text = t(
        f"{at} 拨{'快' if ahead else '慢'} {by}，计时已随之调整",
        f"at {at} by {by} {'ahead' if ahead else 'back'}; all timers moved with it",
    )
    return [("warn", t("本机时钟被拨动", "The machine's clock was set"), text, SYSTEM_PAGE)]


def _most_urgent(cases: Iterable[Case], now: datetime) -> list[Case]:
    def urgency(case: Case) -> tuple[int, str, datetime]:
        return DUE_LIGHT_ORDER[case.due_light(now)], case.level.value, case.due_at

    return sorted(cases, key=urgency)[:SHOWN_CASES]


def _case_row(case: Case, user: CurrentUser, registry: Registry) -> dict[str, Any]:
    t = user.t
    return {
        "id": case.id,
        "due_light": case.due_light(user.now),
        "what": category_label(case.category, t),
        "where": grid_name(registry, case.grid),
        "state": case_state_label(case.state, t),
        "level": level_label(case.level, t),
        "left": time_left(case, user),
    }


def _queue_card(
    totals: Sequence[WaitingTotal], worst: Finding | None, claimed: int, user: CurrentUser
) -> dict[str, Any]:
    """The card of the queue: all that wait are counted, `worst` is the first of them."""
    oldest = min((total.oldest for total in totals), default=None)
    return {
        "scenes": sum(one.count for one in totals if one.subject is Subject.SCENE),
        "faults": sum(one.count for one in totals if one.subject is not Subject.SCENE),
        "claimed": claimed,
        "oldest": user.t.ago(oldest, user.now) if oldest else "",
        "worst": category_label(worst.category, user.t) if worst else "",
    }


def _village_healths(
    registry: Registry, health: Mapping[CameraId, tuple[str, datetime, str]], day: date
) -> list[VillageHealth]:
    counts: dict[str, Counter[str]] = {}
    for camera in registry.cameras.values():
        if camera.refusal_on(day) is None:
            known = health.get(camera.id)
            line = counts.setdefault(village_of(registry, camera.grid), Counter())
            line[known[0] if known else "unknown"] += 1
    return [
        VillageHealth(
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
    cases: Iterable[Case], user: CurrentUser, registry: Registry, names: Mapping[str, str]
) -> list[Mapping[str, str]]:
    lines = {
        (entry.at, case.id, entry.what): (entry, case) for case in cases for entry in case.entries
    }
    newest = sorted(lines.items(), key=lambda item: item[0], reverse=True)[:SHOWN_NOTICES]
    return [
        {
            "at": user.t.time(entry.at),
            "case": case.id,
            "what": user.t.pair(labels.CASE_EVENTS[entry.what]),
            "who": author_name(registry, entry, names, user.t),
            "about": f"{grid_name(registry, case.grid)} {category_label(case.category, user.t)}",
        }
        for _, (entry, case) in newest
    ]
