"""site.yaml → Settings: which sections it may have, how they fit together, and its `office:` hours.

The sections themselves, with their defaults, are in site_settings.py, site_integrations.py and
site_calendar.py; `office:` becomes the office hours in which limits of levels III and IV run.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Self
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from patrol.domain.office_hours import MONDAY_TO_FRIDAY, OfficeHours
from patrol.domain.round import ADHOC
from patrol.domain.schedule import Calendar, Holiday
from patrol.domain.verification import Verifier
from patrol.settings.problems import FileProblemLog, did_you_mean
from patrol.settings.site_calendar import CalendarSection, HealthSection, LocalDay, PlanSection
from patrol.settings.site_integrations import (
    FileProblem,
    IntegrationSettings,
    is_loopback,
    missing_file,
)
from patrol.settings.site_settings import (
    ConsoleSettings,
    MqttSettings,
    RetentionSettings,
    ReviewSettings,
    RoundLimits,
    SamplingSettings,
    Settings,
    SiteInfo,
    default_plans,
)
from patrol.settings.text_file import BadEnvReference, expand_env
from patrol.settings.yaml_file import YamlDocument, read_yaml, validate
from patrol.settings.yaml_types import (
    DailyHoursList,
    DatabaseUrl,
    PlainId,
    SettingsSection,
)

WEEKDAY_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


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


class _CentreSection(SettingsSection):
    phone: str = Field(default="", max_length=32)


class _SiteFile(IntegrationSettings):
    site: SiteInfo
    database: DatabaseUrl = "sqlite:///var/patrol.db"
    evidence: Path = Path("var/evidence")
    models: Path = Path("var/models")
    objects: bool = True
    mqtt: MqttSettings = MqttSettings()
    plans: dict[PlainId, PlanSection] | None = Field(default=None, min_length=1)
    sampling: SamplingSettings = SamplingSettings()
    limits: RoundLimits = RoundLimits()
    retention: RetentionSettings = RetentionSettings()
    quality: dict[PlainId, float] = Field(default_factory=dict)
    centre: _CentreSection = _CentreSection()
    console: ConsoleSettings = ConsoleSettings()
    office: OfficeSection = OfficeSection()
    calendar: CalendarSection = CalendarSection()
    health: HealthSection = HealthSection()
    review: ReviewSettings = ReviewSettings()
    verification: Verifier = Verifier.MACHINE

    @model_validator(mode="after")
    def _office_hours_make_sense(self) -> Self:
        self.office.policy(self.site.timezone)  # its ValueError says what is wrong
        return self

    @model_validator(mode="after")
    def _calendar_makes_sense(self) -> Self:
        if ADHOC in self._calendar().all_plans:  # its ValueError says what is wrong
            raise ValueError(f"a plan cannot be named {ADHOC!r}, rounds by hand are; rename it")
        return self

    def _calendar(self) -> Calendar:
        written = {n: plan.policy(n) for n, plan in (self.plans or {}).items()}
        return self.calendar.policy(written or default_plans(), ZoneInfo(self.site.timezone))

    def settings(self) -> Settings:
        """The sections as one Settings."""
        calendar = self._calendar()
        return Settings(
            site=self.site,
            mqtt=self.mqtt,
            database=self.database,
            evidence=self.evidence,
            models=self.models,
            objects=self.objects,
            plans=calendar.plans,
            calendar=calendar,
            health=self.health.policy(),
            sampling=self.sampling,
            limits=self.limits,
            retention=self.retention,
            quality=self.quality,
            centre_phone=self.centre.phone,
            console=self.console,
            office=self.office.policy(self.site.timezone, calendar.holidays),
            integrations=IntegrationSettings(
                **{name: getattr(self, name) for name in IntegrationSettings.model_fields}
            ),
            review=self.review,
            verification=self.verification,
        )


def load_site_file(path: Path, env: Mapping[str, str], notes: FileProblemLog) -> Settings | None:
    """The settings, or None after problems were noted."""
    document = read_yaml(path, notes)
    if document is None:
        return None
    if isinstance(document.data, dict):
        _expand_short_forms(document, env, notes)
    file: _SiteFile | None = validate(_SiteFile, document, notes)
    if file is None:
        return None
    for where, wrong in _file_problems(file):
        notes.add_problem(document.line(where), ".".join(where), wrong)
    _check_quality(file, document, notes)
    settings = file.settings()
    _check_links(settings, document, notes)
    return settings


def _expand_short_forms(
    document: YamlDocument, env: Mapping[str, str], notes: FileProblemLog
) -> None:
    """`${NAME}` in the two URLs; `mqtt: embedded` and `mqtt: mqtt://…` as short forms."""
    data = document.data
    if isinstance(data.get("mqtt"), str):
        data["mqtt"] = {"url": data["mqtt"]}
    _expand(data, ("database",), document, env, notes)
    hooks = data.get("webhooks")
    for name, hook in hooks.items() if isinstance(hooks, dict) else ():
        if isinstance(hook, dict):
            _expand(hook, ("webhooks", str(name), "url"), document, env, notes)
    if isinstance(data.get("mqtt"), dict):
        _expand(data["mqtt"], ("mqtt", "url"), document, env, notes)


def _expand(
    holder: dict[str, Any],
    where: tuple[str, ...],
    document: YamlDocument,
    env: Mapping[str, str],
    notes: FileProblemLog,
) -> None:
    text = holder.get(where[-1])
    if not isinstance(text, str):
        return
    try:
        holder[where[-1]] = expand_env(text, env)
    except BadEnvReference as exc:
        notes.add_problem(document.line(where), ".".join(where), str(exc))


def _file_problems(file: _SiteFile) -> Iterator[FileProblem]:
    """What is wrong with the files that site.yaml names."""
    for name in ("password_file", "ca_file"):
        path: Path | None = getattr(file.mqtt, name)
        if path is not None:
            yield from missing_file(("mqtt", name), path)
    yield from file.integration_file_problems()


def _check_links(settings: Settings, document: YamlDocument, notes: FileProblemLog) -> None:
    """Note `links:` without an address that telephones can reach."""
    console = settings.console
    nowhere = console.enabled and is_loopback(console.host) and not is_loopback(settings.mqtt.host)
    if nowhere and not settings.integrations.links.base_url:
        text = "the links in cases open on this machine alone, say how telephones reach the console"
        notes.add_notice(document.line(("links",)), "links.base_url", text)


def _check_quality(file: _SiteFile, document: YamlDocument, notes: FileProblemLog) -> None:
    """Note thresholds whose name no gauge has."""
    if not file.quality:
        return
    from patrol.vision.quality.thresholds import QualityThresholds  # noqa: PLC0415  numpy, OpenCV

    known = [field.name for field in fields(QualityThresholds)]
    for name in file.quality:
        if name not in known:
            text = f"unknown threshold{did_you_mean(name, known)}"
            notes.add_problem(document.line(("quality", name)), f"quality.{name}", text)
