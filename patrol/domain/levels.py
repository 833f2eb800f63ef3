"""Levels and the clocks that they start (domain.md, defaults of the house)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum, auto


class Level(StrEnum):
    """How urgent a case is."""

    URGENT = "I"  # 特急: the operator phones first, then sends
    PRESSING = "II"  # 紧急
    ORDINARY = "III"  # 一般, office hours
    NOTE = "IV"  # 提示: camera faults, to the maintainer

    @property
    def zh(self) -> str:
        """As an operator and a leader read it."""
        return {"I": "特急", "II": "紧急", "III": "一般", "IV": "提示"}[self.value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """Limits counted from dispatch; None where the level sets none."""

    acknowledge: timedelta
    arrive: timedelta | None
    feedback: timedelta | None
    close: timedelta


CLOCKS: dict[Level, Clocks] = {
    Level.URGENT: Clocks(
        acknowledge=timedelta(minutes=3),
        arrive=timedelta(minutes=15),
        feedback=timedelta(minutes=30),
        close=timedelta(hours=24),
    ),
    Level.PRESSING: Clocks(
        acknowledge=timedelta(minutes=10),
        arrive=timedelta(minutes=30),
        feedback=timedelta(hours=2),
        close=timedelta(hours=24),
    ),
    Level.ORDINARY: Clocks(
        acknowledge=timedelta(hours=2),
        arrive=timedelta(hours=8),
        feedback=timedelta(days=1),
        close=timedelta(days=3),
    ),
    Level.NOTE: Clocks(
        acknowledge=timedelta(days=1),
        arrive=None,
        feedback=None,
        close=timedelta(days=7),
    ),
}

YELLOW_FROM = 0.8  # of a limit: the light turns before it is too late to act


class Lamp(StrEnum):
    """The light beside a limit (红黄绿灯)."""

    GREEN = auto()
    YELLOW = auto()
    RED = auto()


def lamp(started: datetime, limit: timedelta, now: datetime) -> Lamp:
    """Green below 80 % of the limit, yellow up to it, red beyond."""
    used = now - started
    if used > limit:
        return Lamp.RED
    return Lamp.YELLOW if used >= limit * YELLOW_FROM else Lamp.GREEN
