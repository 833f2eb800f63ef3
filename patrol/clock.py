"""The real clock, the only reader of the system's time, and the sun's times at the site.

Sunrise and sunset are computed by astral (NOAA's algorithm). The manual clock of tests is in
tests.support.clock.
"""

import time
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from astral import LocationInfo
from astral.sun import sun


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


class SiteSun:
    """`SunTimes` of one place; a day without sunrise or sunset counts as light throughout."""

    def __init__(self, latitude: float, longitude: float, zone: ZoneInfo) -> None:
        self._zone = zone  # the day is a local one: at 98.75° E a June sunrise is yesterday in UTC
        self._observer = LocationInfo(latitude=latitude, longitude=longitude).observer

    def __call__(self, day: date) -> tuple[datetime, datetime]:
        """(sunrise, sunset) of the local day `day`, UTC."""
        try:
            times = sun(self._observer, date=day, tzinfo=self._zone)
        except ValueError:  # polar day or night
            midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
            return midnight - timedelta(days=1), midnight + timedelta(days=2)
        return times["sunrise"].astimezone(UTC), times["sunset"].astimezone(UTC)
