"""Sunrise and sunset at the site, by astral (NOAA's algorithm)."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from astral import LocationInfo
from astral.sun import sun


class SiteSun:
    """`SunTimes` of one place; where the sun does not rise or set that day, the clock decides."""

    def __init__(self, latitude: float, longitude: float, zone: ZoneInfo) -> None:
        self._zone = zone  # the day is a local one: at 98.75° E a June sunrise is yesterday in UTC
        self._observer = LocationInfo(latitude=latitude, longitude=longitude).observer

    def __call__(self, day: date) -> tuple[datetime, datetime]:
        """(sunrise, sunset) of the local day `day`, UTC."""
        try:
            times = sun(self._observer, date=day, tzinfo=self._zone)
        except ValueError:  # polar day or night
            midnight = datetime.combine(day, time(0), UTC)
            return midnight - timedelta(days=1), midnight + timedelta(days=2)
        return times["sunrise"].astimezone(UTC), times["sunset"].astimezone(UTC)
