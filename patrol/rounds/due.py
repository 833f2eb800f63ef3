"""Which round is due: wall clock, sun, and what has already been walked. Pure.

The bell only wakes us; this module decides. A round is due from its start until its finish-by. A
machine that was off runs it late while the window lasts; after that the round is written down as
missed, with the reason.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum, auto
from zoneinfo import ZoneInfo

from patrol.domain.calendar import Calendar
from patrol.domain.round import PatrolPlan, Round, RoundState

SunTimes = Callable[[date], tuple[datetime, datetime]]  # local day → (sunrise, sunset), UTC
LATE_AFTER = timedelta(minutes=2)  # the bell rings every few seconds; later than this is "late"
LONGEST_GAP = timedelta(days=31)  # of a machine that was off: each day of it is written down
NOT_RUNNING = "the patrol was not running that day"


class Due(StrEnum):
    """What to do about one plan now, and why."""

    NOT_YET = auto()
    START = auto()
    START_LATE = auto()  # the machine was off, its window is still open
    RESUME = auto()
    CLOSE_UNFINISHED = auto()  # begun, and its time ran out
    MISSED = auto()  # never begun, and its time ran out
    DONE = auto()  # finished, missed and written down, or another process has it


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """When a plan's round runs on one local day; UTC."""

    start: datetime
    finish_by: datetime


def window_of(plan: PatrolPlan, day: date, zone: ZoneInfo, sun: SunTimes) -> Window:
    """The plan's window on `day`, moved by the sun where the plan asks for it.

    A late sunrise moves the start; an early sunset moves the whole window, so that a round is
    never squeezed into less time than its plan gives it unless both clamps meet.
    """
    start = datetime.combine(day, plan.start, zone).astimezone(UTC)
    finish_by = datetime.combine(day, plan.finish_by, zone).astimezone(UTC)
    sunrise, sunset = sun(day)
    if plan.before_sunset is not None:
        over = finish_by - (sunset - plan.before_sunset)
        if over > timedelta(0):
            start, finish_by = start - over, finish_by - over
    if plan.after_sunrise is not None:
        start = max(start, sunrise + plan.after_sunrise)
    return Window(start=start, finish_by=max(finish_by, start))


def due_round(window: Window, today: Round | None, now: datetime) -> Due:
    """What to do now about the plan whose round of the day is `today` (None: none was begun)."""
    if today is None:
        return _due_unbegun(window, now)
    if today.state in (RoundState.FINISHED, RoundState.MISSED):
        return Due.DONE
    return Due.RESUME if now < today.finish_by else Due.CLOSE_UNFINISHED


def _due_unbegun(window: Window, now: datetime) -> Due:
    if now < window.start:
        return Due.NOT_YET
    if now >= window.finish_by:
        return Due.MISSED
    return Due.START_LATE if now - window.start > LATE_AFTER else Due.START


def absent_rounds(
    calendar: Calendar,
    known: Collection[tuple[str, date]],
    walked_before: Collection[str],
    *,
    last: date,
    today: date,
) -> list[tuple[date, PatrolPlan, str]]:
    """Rounds that the calendar had from the `last` known day until before `today`, oldest first.

    (day, plan, why); at most a month back, and the first then says how many days are not listed.
    A plan of every day that never was walked is new: it is not missed in days before it existed.
    """
    first = max(last, today - LONGEST_GAP)
    days = [first + timedelta(days=n) for n in range((today - first).days)]
    absent = [
        (day, plan, NOT_RUNNING)
        for day in days
        for plan in calendar.plans_on(day).values()
        if (plan.name, day) not in known
        and (plan.name in walked_before or plan.name not in calendar.plans)
    ]
    if absent and first > last:
        day, plan, why = absent[0]
        absent[0] = (day, plan, f"{why}, nor on the {(first - last).days} days before it")
    return absent
