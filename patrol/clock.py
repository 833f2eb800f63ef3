"""The system's clock: the one place that reads it (the manual one is in simulators.clock)."""

import time
from datetime import UTC, datetime


class SystemClock:
    """Wall time in UTC; durations from the monotonic clock."""

    def now(self) -> datetime:
        """Aware UTC."""
        return datetime.now(UTC)  # noqa: TID251  the one place

    def monotonic_s(self) -> float:
        """Seconds that never step."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Block this thread."""
        time.sleep(seconds)  # noqa: TID251  the one place
