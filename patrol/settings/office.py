"""`office:` of site.yaml → the town's office hours, in which limits of levels III and IV run."""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta

from patrol.domain.calendar import Holiday
from patrol.domain.working_time import MONDAY_TO_FRIDAY, OfficeHours
from patrol.settings.calendar import Day
from patrol.settings.fields import HoursList, Section

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class OfficeSection(Section):
    """What may be written; a site that writes nothing has a township's usual hours."""

    hours: HoursList = ()
    weekdays: tuple[str, ...] = tuple(DAYS[day] for day in sorted(MONDAY_TO_FRIDAY))
    holidays: tuple[Day, ...] = ()  # beside those of `calendar:`
    workdays: tuple[Day, ...] = ()  # 调休: worked although they are no weekday
    always: bool = False  # limits run round the clock

    def policy(self, zone: str, holidays: Iterable[Holiday] = ()) -> OfficeHours | None:
        """`holidays`: the calendar's; offices are closed, too. Raises ValueError: what is wrong."""
        if self.always:
            return None
        unknown = [day for day in self.weekdays if day.lower() not in DAYS]
        if unknown:
            raise ValueError(f"weekdays: {unknown[0]!r} is unknown, give some of {', '.join(DAYS)}")
        spans = tuple((span.start, span.end) for span in self.hours)
        return OfficeHours(
            zone=zone,
            spans=spans or OfficeHours().spans,
            weekdays=frozenset(DAYS.index(day.lower()) for day in self.weekdays),
            days_off=frozenset(self.holidays) | frozenset(_days_of(holidays)),
            days_on=frozenset(self.workdays),
        )


def _days_of(holidays: Iterable[Holiday]) -> Iterator[date]:
    for holiday in holidays:
        for number in range((holiday.last - holiday.first).days + 1):
            yield holiday.first + timedelta(days=number)
