"""Office hours: how much office time lies between two moments, and when so much of it has passed.

A limit of an ordinary case (level III) runs only while the office is open: not at night, not at the
weekend, not on a public holiday, but on a weekend day that is worked instead (调休). Moments are
UTC, opening hours are on the site's wall clock. Without office hours time runs round the clock.
Pure.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

OfficeSpan = tuple[time, time]  # from, until; on one day
MONDAY_TO_FRIDAY: Final = frozenset(range(5))
KNOWN_AHEAD: Final = timedelta(days=400)  # how far a case's own copy of the calendar reaches


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficeHours:
    """When the town's offices are open; the defaults are a township's."""

    zone: str = "Asia/Shanghai"
    spans: tuple[OfficeSpan, ...] = ((time(8, 30), time(12)), (time(14, 30), time(18)))
    weekdays: frozenset[int] = MONDAY_TO_FRIDAY  # 0 is Monday
    days_off: frozenset[date] = frozenset()  # public holidays
    days_on: frozenset[date] = frozenset()  # worked although they are no weekday; wins

    def __post_init__(self) -> None:
        edges = [edge for span in self.spans for edge in span]
        if not edges or edges != sorted(set(edges)):
            raise ValueError(f"office hours must follow one another: {_spans_text(self.spans)}")
        if not self.weekdays or not self.weekdays <= frozenset(range(7)):
            raise ValueError(f"weekdays are 0 (Monday) to 6: {sorted(self.weekdays)}")
        if any(edge.tzinfo for edge in edges):
            raise ValueError("office hours are on the wall clock, without a zone")
        ZoneInfo(self.zone)  # raises here, not in the middle of a case

    @property
    def day_length(self) -> timedelta:
        """The office time of one working day."""
        return sum((_span_length(span) for span in self.spans), timedelta())

    def is_open_on(self, day: date) -> bool:
        """Whether the office is open on that day."""
        if day in self.days_on:
            return True
        return day.weekday() in self.weekdays and day not in self.days_off

    def after(self, start: datetime, work: timedelta) -> datetime:
        """The first moment at which `work` of office time has passed since `start`."""
        left = work
        for opens, closes in self._open_from(start):
            if opens + left <= closes:
                return opens + left
            left -= closes - opens
        raise AssertionError("unreachable: the office opens again and again")

    def between(self, start: datetime, end: datetime) -> timedelta:
        """The office time between two moments; zero when `end` is not later."""
        passed = timedelta()
        for opens, closes in self._open_from(start):
            if opens >= end:
                break
            passed += min(closes, end) - opens
        return passed

    def end_of_day(self, moment: datetime) -> datetime:
        """When the office next closes for the day: that day, or the next one that is worked."""
        day = self._local_day(moment)
        while not (spans := self._open_spans_on(day)) or spans[-1][1] < moment:
            day += timedelta(days=1)
        return spans[-1][1]

    def around(self, moment: datetime) -> "OfficeHours":
        """These hours with only the special days that matter to a case opened at `moment`."""
        first = (moment - timedelta(days=1)).date()
        last = (moment + KNOWN_AHEAD).date()
        return replace(
            self,
            days_off=frozenset(day for day in self.days_off if first <= day <= last),
            days_on=frozenset(day for day in self.days_on if first <= day <= last),
        )

    def _open_from(self, start: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Every stretch of open time from `start` on, the first one cut where it begins."""
        day = self._local_day(start)
        while True:
            for opens, closes in self._open_spans_on(day):
                if closes >= start:
                    yield max(opens, start), closes
            day += timedelta(days=1)

    def _open_spans_on(self, day: date) -> list[tuple[datetime, datetime]]:
        if not self.is_open_on(day):
            return []
        zone = ZoneInfo(self.zone)
        return [
            (_local_time_in_utc(day, opens, zone), _local_time_in_utc(day, closes, zone))
            for opens, closes in self.spans
            # A span that the change to summer time leaves out has no length.
            if _local_time_in_utc(day, opens, zone) < _local_time_in_utc(day, closes, zone)
        ]

    def _local_day(self, moment: datetime) -> date:
        return moment.astimezone(ZoneInfo(self.zone)).date()


def office_time_after(office: OfficeHours | None, start: datetime, work: timedelta) -> datetime:
    """`OfficeHours.after`; round the clock where there are none."""
    return start + work if office is None else office.after(start, work)


def office_time_between(office: OfficeHours | None, start: datetime, end: datetime) -> timedelta:
    """`OfficeHours.between`; round the clock where there are none."""
    return max(end - start, timedelta()) if office is None else office.between(start, end)


def _local_time_in_utc(day: date, at: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, at, zone).astimezone(UTC)


def _span_length(span: OfficeSpan) -> timedelta:
    day = date.min
    return datetime.combine(day, span[1]) - datetime.combine(day, span[0])


def _spans_text(spans: tuple[OfficeSpan, ...]) -> str:
    return ", ".join(f"{opens:%H:%M}-{closes:%H:%M}" for opens, closes in spans) or "none given"
