"""`plans:`, `calendar:`, `office:` and `health:` of site.yaml, and what each becomes in the domain.

`plans:` and `calendar:` become the calendar of rounds, `office:` the office hours in which limits
of levels III and IV run, `health:` the health policy.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, model_validator

from patrol.domain.health import HealthPolicy
from patrol.domain.ids import camera_id_problem, grid_code_problem
from patrol.domain.office_hours import MONDAY_TO_FRIDAY, OfficeHours
from patrol.domain.registry import Registry
from patrol.domain.round import PatrolPlan
from patrol.domain.schedule import Calendar, Holiday, KeyPeriod, Stoppage, StoppageScope
from patrol.domain.timestamps import parse_day, within_years
from patrol.settings.config_file import ProblemLog
from patrol.settings.yaml_file import read_yaml
from patrol.settings.yaml_types import ClockTime, DailyHoursList, PlainId, SettingsSection

WEEKDAY_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DEFAULT_ACTOR = "site.yaml"  # by whom, where no person is named
ShortText = Annotated[str, Field(min_length=1, max_length=200)]


def local_day(value: object) -> date:
    """`2027-02-06`, with or without quotes."""
    try:
        return parse_day(value.strip() if isinstance(value, str) else "")
    except ValueError:
        raise ValueError(f"{value!r} is not a day, write 2027-02-06") from None


def local_moment(value: object) -> datetime:
    """`2027-02-06 08:00` on the site's wall clock; a day alone is its midnight."""
    try:
        moment = datetime.fromisoformat(value.strip() if isinstance(value, str) else "")
        within_years(moment.date())
    except ValueError:
        raise ValueError(f"{value!r} is not a time, write 2027-02-06 08:00") from None
    if moment.tzinfo is not None:
        raise ValueError(f"{value!r} names a zone, write the site's own wall clock")
    return moment


LocalDay = Annotated[date, BeforeValidator(local_day)]
LocalMoment = Annotated[datetime, BeforeValidator(local_moment)]


class PlanSection(SettingsSection):
    """One plan, of every day or of a key period."""

    start: ClockTime
    finish_by: ClockTime
    after_sunrise_min: int | None = Field(default=None, ge=0, le=600)
    before_sunset_min: int | None = Field(default=None, ge=0, le=600)

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Self:
        if self.finish_by <= self.start:
            raise ValueError(
                f"finish_by {self.finish_by:%H:%M} is not after start {self.start:%H:%M},"
                " a round ends on the day on which it starts"
            )
        return self

    def policy(self, name: str) -> PatrolPlan:
        """The section as a domain PatrolPlan."""
        return PatrolPlan(
            name=name, start=self.start, finish_by=self.finish_by,
            after_sunrise=_minutes(self.after_sunrise_min),
            before_sunset=_minutes(self.before_sunset_min),
        )  # fmt: skip


class _DayRangeSection(SettingsSection):
    name: ShortText
    first: LocalDay = Field(alias="from")
    until: LocalDay  # included

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.until < self.first:
            raise ValueError(f"until {self.until} is before from {self.first}")
        return self


class _HolidaySection(_DayRangeSection):
    skip: Annotated[tuple[PlainId, ...], Field(min_length=1)]

    def policy(self) -> Holiday:
        return Holiday(name=self.name, first=self.first, last=self.until, skip=frozenset(self.skip))


class _KeyPeriodSection(_DayRangeSection):
    plans: Annotated[dict[PlainId, PlanSection], Field(min_length=1)]
    only_key: bool = False
    tags: tuple[str, ...] = ()

    def policy(self) -> KeyPeriod:
        return KeyPeriod(
            name=self.name, first=self.first, last=self.until, only_key=self.only_key,
            plans={name: plan.policy(name) for name, plan in self.plans.items()},
            tags=frozenset(self.tags),
        )  # fmt: skip


class _MaintenanceSection(SettingsSection):
    start: LocalMoment = Field(alias="from")
    until: LocalMoment
    reason: ShortText
    by: ShortText = DEFAULT_ACTOR
    camera: str = ""
    link: str = ""
    village: str = ""

    @model_validator(mode="after")
    def _names_one_thing(self) -> Self:
        if sum(bool(name) for name in (self.camera, self.link, self.village)) != 1:
            raise ValueError("name one of camera, link, village")
        problem = (self.camera and camera_id_problem(self.camera)) or (
            self.village and grid_code_problem(self.village)
        )
        if problem:
            raise ValueError(problem)
        if self.until <= self.start:
            raise ValueError(f"until {self.until:%Y-%m-%d %H:%M} is not after from")
        return self

    def policy(self, zone: ZoneInfo) -> Stoppage:
        named = {
            StoppageScope.CAMERA: self.camera,
            StoppageScope.LINK: self.link,
            StoppageScope.GRID: self.village,
        }
        scope, subject = next((scope, name) for scope, name in named.items() if name)
        start, until = (
            moment.replace(tzinfo=zone).astimezone(UTC) for moment in (self.start, self.until)
        )
        return Stoppage(
            scope=scope, subject=subject, start=start, until=until, reason=self.reason, by=self.by
        )


class CalendarSection(SettingsSection):
    """`calendar:` holidays, key periods and maintenance windows."""

    holidays: tuple[_HolidaySection, ...] = ()
    key_periods: tuple[_KeyPeriodSection, ...] = ()
    maintenance: tuple[_MaintenanceSection, ...] = ()

    def policy(self, plans: Mapping[str, PatrolPlan], zone: ZoneInfo) -> Calendar:
        """The domain's calendar. Raises ValueError: a plan's name is used twice, or unknown."""
        periods = tuple(section.policy() for section in self.key_periods)
        names = [*plans, *(name for period in periods for name in period.plans)]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"key_periods: plan {twice!r} stands twice, each needs its own name")
        skipped = (name for section in self.holidays for name in section.skip)
        unknown = next((name for name in skipped if name not in names), None)
        if unknown is not None:
            raise ValueError(f"holidays: no plan {unknown!r}, give some of {', '.join(names)}")
        return Calendar(
            plans=plans, key_periods=periods,
            holidays=tuple(section.policy() for section in self.holidays),
            maintenance=tuple(section.policy(zone) for section in self.maintenance),
        )  # fmt: skip


class OfficeSection(SettingsSection):
    """`office:`, the opening hours; the defaults are a township's."""

    hours: DailyHoursList = ()
    weekdays: tuple[str, ...] = tuple(WEEKDAY_NAMES[day] for day in sorted(MONDAY_TO_FRIDAY))
    holidays: tuple[LocalDay, ...] = ()  # beside those of `calendar:`
    workdays: tuple[LocalDay, ...] = ()  # 调休: worked although they are no weekday
    always: bool = False  # limits run round the clock

    def policy(self, zone: str, holidays: Iterable[Holiday] = ()) -> OfficeHours | None:
        """The office hours; None: always. `holidays`: the calendar's, offices are closed then, too.

        Raises ValueError: what is wrong.
        """
        if self.always:
            return None
        unknown = [day for day in self.weekdays if day.lower() not in WEEKDAY_NAMES]
        if unknown:
            raise ValueError(
                f"weekdays: {unknown[0]!r} is unknown, give some of {', '.join(WEEKDAY_NAMES)}"
            )
        spans = tuple((span.start, span.end) for span in self.hours)
        return OfficeHours(
            zone=zone,
            spans=spans or OfficeHours().spans,
            weekdays=frozenset(WEEKDAY_NAMES.index(day.lower()) for day in self.weekdays),
            days_off=frozenset(self.holidays) | frozenset(_holiday_dates(holidays)),
            days_on=frozenset(self.workdays),
        )


def _holiday_dates(holidays: Iterable[Holiday]) -> Iterator[date]:
    for holiday in holidays:
        for number in range((holiday.last - holiday.first).days + 1):
            yield holiday.first + timedelta(days=number)


class HealthSection(SettingsSection):
    """`health:` thresholds after which a camera is offline, or a group of cameras an outage."""

    offline_after_visits: int = Field(default=HealthPolicy().offline_after_visits, ge=1, le=20)
    offline_after_min: int = Field(default=60, ge=0, le=10_080)
    group_share: float = Field(default=HealthPolicy().group_share, ge=0.5, le=1)
    group_least: int = Field(default=HealthPolicy().group_least, ge=2, le=1000)

    def policy(self) -> HealthPolicy:
        """The section as the domain's HealthPolicy."""
        return HealthPolicy(
            offline_after_visits=self.offline_after_visits,
            offline_after=timedelta(minutes=self.offline_after_min),
            group_share=self.group_share,
            group_least=self.group_least,
        )


def _minutes(value: int | None) -> timedelta | None:
    return None if value is None else timedelta(minutes=value)


def note_unknown_maintenance(
    calendar: Calendar, registry: Registry, path: Path, notes: ProblemLog
) -> None:
    """Note maintenance of what is in no file: legal, as it may have been removed."""
    known: Mapping[StoppageScope, Collection[str]] = {
        StoppageScope.CAMERA: registry.cameras,
        StoppageScope.LINK: {camera.link for camera in registry.cameras.values()},
        StoppageScope.GRID: registry.tree.grids,
    }
    unknown = [
        (number, window)
        for number, window in enumerate(calendar.maintenance)
        if window.subject not in known[window.scope]
    ]
    document = read_yaml(path, ProblemLog().for_file(path)) if unknown else None
    for number, window in unknown:
        line = document.line(("calendar", "maintenance", number)) if document else 1
        name = f"calendar.maintenance[{number}]"
        text = f"no {window.scope} {window.subject!r} is in the files: nothing is held back"
        notes.for_file(path).add_notice(line, name, text)
