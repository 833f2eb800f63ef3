"""When the round will be done, at the pace seen so far. Pure."""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta

WINDOW_S = 20.0  # recent pace; long enough to hold several waves of visits


@dataclass(slots=True)
class Pace:
    """Fed with each finished visit; times are monotonic seconds."""

    begun_s: float
    done: int = 0
    _recent: deque[float] = field(default_factory=deque)

    def finished(self, at_s: float) -> None:
        """One more visit is in the books."""
        self.done += 1
        self._recent.append(at_s)
        while self._recent and at_s - self._recent[0] > WINDOW_S:
            self._recent.popleft()

    def per_s(self, now_s: float) -> float | None:
        """Visits a second over the recent window; None before the first."""
        if not self.done:
            return None
        span_s = min(WINDOW_S, now_s - self.begun_s)
        return len(self._recent) / span_s if span_s > 0.0 and self._recent else None

    def forecast(self, left: int, now_s: float, now: datetime) -> datetime | None:
        """When `left` more visits will be done; None while that cannot be said."""
        pace = self.per_s(now_s)
        return now + timedelta(seconds=left / pace) if pace else None
