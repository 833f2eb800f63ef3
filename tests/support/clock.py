"""A clock for tests that only `sleep` advances."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass
class ManualClock:
    """A `patrol.ports.Clock` whose `sleep` returns at once and advances both times."""

    current: datetime
    monotonic: float = 0.0

    def now(self) -> datetime:
        """The present moment, aware UTC."""
        return self.current

    def monotonic_s(self) -> float:
        """Seconds slept so far."""
        return self.monotonic

    def sleep(self, seconds: float) -> None:
        """Advance both times by `seconds`."""
        self.current += timedelta(seconds=seconds)
        self.monotonic += seconds
