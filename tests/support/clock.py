"""A clock that moves only when told to."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass
class ManualClock:
    """Fulfils ports.Clock; a test never waits."""

    current: datetime
    monotonic: float = 0.0

    def now(self) -> datetime:
        """Aware UTC, as last set."""
        return self.current

    def monotonic_s(self) -> float:
        """Seconds slept so far."""
        return self.monotonic

    def sleep(self, seconds: float) -> None:
        """Advance both."""
        self.current += timedelta(seconds=seconds)
        self.monotonic += seconds
