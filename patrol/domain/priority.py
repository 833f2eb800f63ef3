"""Levels of urgency, the time limits that they set, the light beside a limit. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum, auto

from patrol.domain.office_hours import OfficeHours


class Level(StrEnum):
    """How urgent a case is."""

    URGENT = "I"  # the operator phones first, then sends
    PRESSING = "II"
    ORDINARY = "III"  # office hours
    NOTE = "IV"  # camera faults, to the maintainer


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseLimits:
    """Limits counted from dispatch; None where the level sets none."""

    acknowledge: timedelta
    arrive: timedelta | None
    feedback: timedelta | None
    close: timedelta


LIMITS_BY_LEVEL: dict[Level, CaseLimits] = {
    Level.URGENT: CaseLimits(
        acknowledge=timedelta(minutes=3),
        arrive=timedelta(minutes=15),
        feedback=timedelta(minutes=30),
        close=timedelta(hours=24),
    ),
    Level.PRESSING: CaseLimits(
        acknowledge=timedelta(minutes=10),
        arrive=timedelta(minutes=30),
        feedback=timedelta(hours=2),
        close=timedelta(hours=24),
    ),
    Level.ORDINARY: CaseLimits(
        acknowledge=timedelta(hours=2),
        arrive=timedelta(hours=8),
        feedback=timedelta(days=1),
        close=timedelta(days=3),
    ),
    Level.NOTE: CaseLimits(
        acknowledge=timedelta(days=1),
        arrive=None,
        feedback=None,
        close=timedelta(days=7),
    ),
}

OFFICE_HOURS_LEVELS = frozenset({Level.ORDINARY, Level.NOTE})  # the others run round the clock


def limits_at(level: Level, office: OfficeHours | None, start: datetime) -> CaseLimits:
    """The limits of a case dispatched at `start`, each as the time from then to its moment.

    III in office hours: 2 h, the same working day, 1 working day, 3 working days. IV: 1 working
    day, and 7 days of the calendar. No limit comes before the one that it follows.
    """
    plain = LIMITS_BY_LEVEL[level]
    if office is None or level not in OFFICE_HOURS_LEVELS:
        return plain
    day = office.day_length
    if level is Level.NOTE:
        acknowledge = office.after(start, day) - start
        return CaseLimits(acknowledge=acknowledge, arrive=None, feedback=None, close=plain.close)
    acknowledge_at = office.after(start, plain.acknowledge)
    arrive_at = office.end_of_day(acknowledge_at)
    feedback_at = max(arrive_at, office.after(start, day))
    return CaseLimits(
        acknowledge=acknowledge_at - start,
        arrive=arrive_at - start,
        feedback=feedback_at - start,
        close=max(feedback_at, office.after(start, 3 * day)) - start,
    )


def silence_of(level: Level, office: OfficeHours | None) -> timedelta:
    """How long the person of a rung may stay silent, in the time that counts for the level."""
    if office is not None and level is Level.NOTE:
        return office.day_length
    return LIMITS_BY_LEVEL[level].acknowledge


YELLOW_FROM = 0.8  # of a limit: the light turns before it is too late to act


class DueLight(StrEnum):
    """The light beside a limit (红黄绿灯)."""

    GREEN = auto()
    YELLOW = auto()
    RED = auto()


def due_light(started: datetime, limit: timedelta, now: datetime) -> DueLight:
    """Green below 80 % of the limit, yellow up to it, red beyond."""
    used = now - started
    if used > limit:
        return DueLight.RED
    return DueLight.YELLOW if used >= limit * YELLOW_FROM else DueLight.GREEN
