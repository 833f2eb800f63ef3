"""`office:` of site.yaml → the town's office hours, in which limits of levels III and IV run."""

from datetime import date

from pydantic import Field

from patrol.domain.working_time import MONDAY_TO_FRIDAY, OfficeHours
from patrol.settings.fields import HoursList, Section

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class OfficeSection(Section):
    """What may be written; a site that writes nothing has a township's usual hours."""

    hours: HoursList = ()
    weekdays: tuple[str, ...] = tuple(DAYS[day] for day in sorted(MONDAY_TO_FRIDAY))
    holidays: tuple[date, ...] = ()
    workdays: tuple[date, ...] = Field(default=())  # 调休: worked although they are no weekday
    always: bool = False  # limits run round the clock

    def policy(self, zone: str) -> OfficeHours | None:
        """Raises ValueError: says what is wrong."""
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
            days_off=frozenset(self.holidays),
            days_on=frozenset(self.workdays),
        )
