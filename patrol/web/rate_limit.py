"""Count events by key in a sliding window, in the process, within MAX_TRACKED keys. Any thread."""

import threading
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

MAX_TRACKED: Final = 20_000  # keys; the longest untouched go first


PAGES_A_MINUTE: Final = 60  # of one address: a village may share one
CHANGES_AN_HOUR: Final = 30  # of one link: a child plays with the telephone


PHOTOS_AN_HOUR: Final = 60  # of one account, from the ground: a patrol has some twenty points
REPORTS_AN_HOUR: Final = 30  # of one helper's account; a person reads each of them


class RateExceeded(Exception):
    """Too many events of one key; the next is free at `until`."""

    def __init__(self, until: datetime) -> None:
        super().__init__(f"rests until {until:%H:%M:%S}Z")
        self.until = until


@dataclass
class SlidingWindowLimit:
    """At most `most` events of a key within `window`."""

    most: int
    window: timedelta
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _events: "OrderedDict[str, deque[datetime]]" = field(default_factory=OrderedDict)

    def count(self, key: str, now: datetime) -> None:
        """Count an event. Raises RateExceeded, and does not count it then."""
        with self._lock:
            recent = self._events.setdefault(key, deque(maxlen=self.most))
            self._events.move_to_end(key)
            if len(recent) == self.most and now - recent[0] < self.window:
                raise RateExceeded(recent[0] + self.window)
            recent.append(now)
            while len(self._events) > MAX_TRACKED:
                self._events.popitem(last=False)


@dataclass(frozen=True)
class HouseholdLimits:
    """The limits of households' own pages: requests by address, changes by link."""

    by_address: SlidingWindowLimit = field(
        default_factory=lambda: SlidingWindowLimit(PAGES_A_MINUTE, timedelta(minutes=1))
    )
    by_link: SlidingWindowLimit = field(
        default_factory=lambda: SlidingWindowLimit(CHANGES_AN_HOUR, timedelta(hours=1))
    )


@dataclass(frozen=True)
class FieldLimits:
    """The limits of what people on the ground send over their pages, by account."""

    photos: SlidingWindowLimit = field(
        default_factory=lambda: SlidingWindowLimit(PHOTOS_AN_HOUR, timedelta(hours=1))
    )
    reports: SlidingWindowLimit = field(
        default_factory=lambda: SlidingWindowLimit(REPORTS_AN_HOUR, timedelta(hours=1))
    )
