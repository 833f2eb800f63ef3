"""Deliveries: what goes to other programs and second channels, over HTTP instead of MQTT. Pure.

Queued in the transaction that made the news, under a key that is queued at most once per target;
tried with growing pauses; dead after so many tries or when its time is over, with the reason.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum, auto
from typing import Final

from patrol.domain.ids import CaseId

FIRST_PAUSE: Final = timedelta(seconds=10)
LONGEST_PAUSE: Final = timedelta(hours=1)
MOST_TRIES: Final = 12  # with these pauses about five hours: a server's update, a night's outage


class Fate(StrEnum):
    """What became of a delivery."""

    WAITING = auto()
    DELIVERED = auto()
    DEAD = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One piece of news for one target, e.g. `webhook:county`, `notify:duty`."""

    key: str  # what happened; (target, key) is queued once
    target: str
    event: str
    payload: bytes
    queued_at: datetime
    due_at: datetime  # not tried before
    expires_at: datetime | None = None
    case: CaseId | None = None
    tries: int = 0
    fate: Fate = Fate.WAITING
    problem: str = ""  # of the last try
    ended_at: datetime | None = None

    def delivered(self, now: datetime) -> "Delivery":
        """The other side took it."""
        return replace(self, fate=Fate.DELIVERED, tries=self.tries + 1, problem="", ended_at=now)

    def refused(self, problem: str, now: datetime) -> "Delivery":
        """The other side will never take it."""
        return replace(self, fate=Fate.DEAD, tries=self.tries + 1, problem=problem, ended_at=now)

    def failed(self, problem: str, now: datetime, most_tries: int = MOST_TRIES) -> "Delivery":
        """Not this time: later, or dead when that was the last time."""
        tries = self.tries + 1
        due_at = now + min(FIRST_PAUSE * 2 ** min(tries - 1, 16), LONGEST_PAUSE)
        if tries >= most_tries:
            return self.refused(f"{problem}; given up after {tries} tries", now)
        if self.is_over(due_at):
            return self.refused(f"{problem}; its time is over before another try", now)
        return replace(self, tries=tries, due_at=due_at, problem=problem)

    def expired(self, now: datetime) -> "Delivery":
        """No longer worth sending."""
        problem = f"{self.problem}; its time is over".lstrip("; ")
        return replace(self, fate=Fate.DEAD, problem=problem, ended_at=now)

    def is_over(self, now: datetime) -> bool:
        """Whether nobody wants it any more."""
        return self.expires_at is not None and now >= self.expires_at
