"""Two languages side by side: the Chinese and the English stand together where they are used.

Times are the site's, durations are words. Pure.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Final

LANGUAGES: Final = ("zh", "en")
Say = Callable[[str, str], str]
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


@dataclass(frozen=True, slots=True)
class Words:
    """One reader's language and clock."""

    language: str
    zone: tzinfo

    def __call__(self, zh: str, en: str) -> str:
        """The one that this reader reads."""
        return zh if self.language == "zh" else en

    def pair(self, both: tuple[str, str]) -> str:
        """Of a (zh, en) pair."""
        return self(*both)

    def time(self, at: datetime | None) -> str:
        """`09:30`."""
        return "—" if at is None else f"{at.astimezone(self.zone):%H:%M}"

    def moment(self, at: datetime | None) -> str:
        """`11-22 09:30`: enough for the days that a case lives."""
        return "—" if at is None else f"{at.astimezone(self.zone):%m-%d %H:%M}"

    def exactly(self, at: datetime | None) -> str:
        """`2026-11-22 09:30:05`."""
        return "—" if at is None else f"{at.astimezone(self.zone):%Y-%m-%d %H:%M:%S}"

    def lasting(self, span: timedelta) -> str:
        """`3 分钟`, `2 小时 5 分`, `4 天 3 小时`: two units at most."""
        seconds = int(abs(span.total_seconds()))
        if seconds < _MINUTE:
            return self(f"{seconds} 秒", f"{seconds} s")
        if seconds < _HOUR:
            return self(f"{seconds // _MINUTE} 分钟", f"{seconds // _MINUTE} min")
        if seconds < _DAY:
            hours, minutes = seconds // _HOUR, seconds % _HOUR // _MINUTE
            rest = self(f" {minutes} 分", f" {minutes} min") if minutes else ""
            return self(f"{hours} 小时", f"{hours} h") + rest
        days, hours = seconds // _DAY, seconds % _DAY // _HOUR
        rest = self(f" {hours} 小时", f" {hours} h") if hours else ""
        return self(f"{days} 天", f"{days} d") + rest

    def ago(self, at: datetime, now: datetime) -> str:
        """`3 分钟前`."""
        words = self.lasting(now - at)
        return self(f"{words}前", f"{words} ago")

    def left(self, until: datetime, now: datetime) -> str:
        """`还剩 5 分钟` or `已超 2 小时`."""
        words = self.lasting(until - now)
        if until >= now:
            return self(f"还剩 {words}", f"{words} left")
        return self(f"已超 {words}", f"{words} over")
