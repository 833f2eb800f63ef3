"""What a town tells its county: rounds, days with their figures, and the state of now.

Least: numbers, times, identifiers of rounds and cases, and words of closed lists. No camera, grid,
household, person, picture or place, and nothing that a person typed: the reason of a round is told
by its kind, the category of a case only where it is one of the product's own. The API's models
(patrol/web/api/county_documents.py) admit no other text.

A day has its figures as part and whole, and the minutes of its cases, so that the county can add
days up to exact shares and medians of a month.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Final

from patrol.cases.supervision import overdue_list
from patrol.domain.case import CaseEvent, CaseState
from patrol.domain.finding import CATEGORIES
from patrol.domain.health import fleet_health
from patrol.domain.ids import RoundId
from patrol.domain.priority import DueLight
from patrol.domain.registry import Registry
from patrol.domain.round import ADHOC, Round, RoundTotals
from patrol.domain.schedule import Calendar
from patrol.domain.supervision import OverdueCase
from patrol.domain.timestamps import rfc3339, rfc3339_or_none, within_years
from patrol.reports.documents import JsonObject
from patrol.reports.figures import Figure, minutes_until, report_figures
from patrol.reports.fleet import left_out_reasons
from patrol.reports.queries import load_material, period_of
from patrol.rounds import planner
from patrol.rounds.scheduler import MISSED_REASON
from patrol.store import UnitOfWork
from patrol.store.report_changes import DAY_CHANGE, ROUND_CHANGE, ReportChange

MAX_OVERDUE_LISTED: Final = 200  # the numbers are of all; a county reads the first ones
OTHER: Final = "other"
_REASON_KINDS: Final[Mapping[str, str]] = {
    planner.NOT_RUNNING: "not_running",
    MISSED_REASON: "not_running",
    planner.NOT_IN_WINDOW: "not_in_window",
    planner.SUPERSEDED: "superseded",
    planner.OUT_OF_TIME: "out_of_time",
    "stopped": "stopped",
}
_PAUSED: Final = "paused by "  # Stoppage.description: a name and a text follow
_CATEGORY_IDS: Final = frozenset(category.id for category in CATEGORIES)
_CODE: Final = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
_MINUTES_OF: Final = (("ack", CaseEvent.ACKNOWLEDGE), ("close", CaseEvent.CLOSE))


@dataclass(frozen=True, slots=True, kw_only=True)
class CountySource:
    """What of the site the county's documents are made with."""

    registry: Registry
    calendar: Calendar
    zone: tzinfo


def changed_documents(
    uow: UnitOfWork, source: CountySource, changes: Sequence[ReportChange], now: datetime
) -> JsonObject:
    """`rounds`, `gone` (ids of rounds that are no more) and `days` of the changes, each once."""
    rounds: list[JsonObject] = []
    gone: list[str] = []
    days: dict[date, None] = {}
    for change in changes:
        if change.kind == ROUND_CHANGE:
            try:
                found = uow.rounds.get(RoundId(change.subject))
            except KeyError:
                gone.append(change.subject)
                continue
            rounds.append(county_round(found, uow.rounds.totals(found.id)))
            days[found.day] = None
        else:
            days[_day_of(change, source.zone)] = None
    return {
        "rounds": rounds,
        "gone": gone,
        "days": [county_day(uow, source, day, now) for day in sorted(days) if _is_a_day(day)],
    }


def _day_of(change: ReportChange, zone: tzinfo) -> date:
    if change.kind == DAY_CHANGE:
        return date.fromisoformat(change.subject)
    try:
        return datetime.fromisoformat(change.subject).astimezone(zone).date()
    except OverflowError:  # at an end of the calendar: `_is_a_day` leaves it out
        return date.min


def _is_a_day(day: date) -> bool:
    """Whether reports can be made of it: a clock that was far off dated rounds elsewhere."""
    try:
        within_years(day - timedelta(days=1))
        within_years(day + timedelta(days=1))
    except (ValueError, OverflowError):
        return False
    return True


def county_round(a_round: Round, totals: RoundTotals) -> JsonObject:
    """One round with its totals; of its reason the kind alone."""
    return {
        "round": a_round.id,
        "plan": a_round.plan,
        "adhoc": a_round.plan == ADHOC,
        "day": a_round.day.isoformat(),
        "state": str(a_round.state),
        "reason": reason_kind(a_round.reason),
        "planned_at": rfc3339(a_round.planned_at),
        "started_at": rfc3339_or_none(a_round.started_at),
        "finished_at": rfc3339_or_none(a_round.finished_at),
        "finish_by": rfc3339(a_round.finish_by),
        "planned": a_round.planned,
        "refused": sum(a_round.refused.values()),
        "pending": totals.pending,
        "seen": totals.seen,
        "not_viewable": totals.not_viewable,
        "missed": totals.missed,
        "failures": _by_code(totals.failures or {}),
    }


def reason_kind(reason: str) -> str:
    """The kind of a round's reason, which may name people: one of a closed list; "": none."""
    if not reason:
        return ""
    if reason.startswith(_PAUSED):
        return "paused"
    return _REASON_KINDS.get(reason.partition(",")[0], OTHER)


def _by_code(counts: Mapping[str, int]) -> dict[str, int]:
    """The counts under their identifiers; whatever is no identifier counts as other."""
    counted: Counter[str] = Counter()
    for name, count in counts.items():
        counted[name if _CODE.fullmatch(name) else OTHER] += count
    return dict(sorted(counted.items()))


def county_day(uow: UnitOfWork, source: CountySource, day: date, now: datetime) -> JsonObject:
    """A local day's figures, each as part and whole, and the minutes of its cases."""
    period = period_of(a_round="", day=day, month=None)
    material = load_material(uow, source.calendar.all_plans, source.zone, period)
    counted = [case for case in material.cases if case.state is not CaseState.VOIDED]
    figures = [one for one in report_figures(material, now) if not one.minutes]
    end = datetime.combine(period.end, time(), tzinfo=source.zone)
    return {
        "day": day.isoformat(),
        "over": now >= end,
        "refused": sum(sum(one.round.refused.values()) for one in material.planned_rounds),
        "figures": [_figure(one) for one in figures],
        "minutes": {
            name: [round(minutes, 1) for minutes in minutes_until(counted, event)]
            for name, event in _MINUTES_OF
        },
    }


def _figure(figure: Figure) -> JsonObject:
    return {"id": figure.id, "part": figure.part, "n": figure.whole}


def county_now(uow: UnitOfWork, source: CountySource, now: datetime) -> JsonObject:
    """What is so just now: rounds under way, overdue cases, health, the maintenance queue."""
    open_rounds = (uow.rounds.unfinished(plan, before=now) for plan in _plans(source))
    return {
        "rounds": [
            county_round(one, uow.rounds.totals(one.id)) for one in open_rounds if one is not None
        ],
        "cases": {"open": uow.cases.count(open_only=True)},
        "overdue": _overdue(overdue_list(uow, now), now),
        "health": _health(uow, source, now),
    }


def _plans(source: CountySource) -> Iterable[str]:
    return (*source.calendar.all_plans, ADHOC)


def _overdue(lines: Sequence[OverdueCase], now: datetime) -> JsonObject:
    return {
        "count": len(lines),
        "by_level": dict(sorted(Counter(str(line.case.level) for line in lines).items())),
        "by_step": dict(sorted(Counter(str(line.step) for line in lines).items())),
        "supervised": sum(line.case.supervision is not None for line in lines),
        "cases": [_overdue_case(line, now) for line in lines[:MAX_OVERDUE_LISTED]],
    }


def _overdue_case(line: OverdueCase, now: datetime) -> JsonObject:
    category = line.case.category
    return {
        "case": line.case.id,
        "level": str(line.case.level),
        "category": category if category in _CATEGORY_IDS else OTHER,
        "step": str(line.step),
        "since": rfc3339(line.since),
        "overdue_min": int((now - line.since).total_seconds() // 60),
        "supervised": line.case.supervision is not None,
    }


def _health(uow: UnitOfWork, source: CountySource, now: datetime) -> JsonObject:
    cameras = source.registry.cameras
    left_out = left_out_reasons(uow, source.registry, source.calendar.maintenance, source.zone, now)
    fleet = fleet_health(cameras.values(), uow.health.current_by_camera(), left_out)
    troubles = uow.troubles.list_open()
    return {
        "registered": fleet.registered,
        "left_out": sum(fleet.left_out.values()),
        "online": fleet.online,
        "faulty": fleet.faulty,
        "offline": fleet.offline,
        "troubles": len(troubles),
        "troubles_overdue": sum(one.due_light(now) is DueLight.RED for one in troubles),
    }
