"""Moments as text: RFC 3339 in documents and messages; days, months and times that people write.

What people write is bounded to FIRST_YEAR–LAST_YEAR: no round of a patrol lies outside, and the
calendar's ends leave no room for the day before or the month after. Pure.
"""

from datetime import UTC, date, datetime, tzinfo
from typing import Final

FIRST_YEAR: Final = 2000
LAST_YEAR: Final = 2199


def rfc3339(moment: datetime) -> str:
    """`2026-11-22T01:02:03Z` (RFC 3339, section 5.6), whatever zone the moment is in."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def rfc3339_or_none(moment: datetime | None) -> str | None:
    """`rfc3339` of a moment that may be missing: None stays None (null in JSON)."""
    return None if moment is None else rfc3339(moment)


def parse_day(text: str) -> date:
    """The day that is written as `2026-11-22`. Raises ValueError, also outside the years."""
    return within_years(date.fromisoformat(text))


def parse_month(text: str) -> date:
    """The first day of the month that is written as `2026-11`. Raises ValueError."""
    return parse_day(f"{text}-01")


def parse_time(text: str, zone: tzinfo) -> datetime:
    """The moment in UTC that is written as `2026-11-22 18:00`, in `zone` unless it names another.

    Raises ValueError, also outside the years.
    """
    moment = datetime.fromisoformat(text)
    within_years(moment.date())
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)


def within_years(day: date) -> date:
    """The day itself. Raises ValueError outside the years that are accepted."""
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise ValueError(f"{day} is not within the years {FIRST_YEAR} to {LAST_YEAR}")
    return day
