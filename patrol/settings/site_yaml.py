"""`office:` of site.yaml → the town's office hours, in which limits of levels III and IV run.

site.yaml → Settings.

The models name what may be written; `policies.py` has the defaults and says what they mean.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from patrol.domain.office_hours import MONDAY_TO_FRIDAY, OfficeHours
from patrol.domain.round import ADHOC
from patrol.domain.schedule import Calendar, Holiday
from patrol.domain.verification import Verifier
from patrol.settings.problems import FileProblemLog, did_you_mean
from patrol.settings.site_calendar import CalendarSection, HealthSection, LocalDay, PlanSection
from patrol.settings.site_integrations import IntegrationSections, is_loopback
from patrol.settings.site_settings import (
    ConsoleSettings,
    MqttSettings,
    RetentionSettings,
    ReviewSection,
    RoundLimits,
    SamplingSettings,
    Settings,
    SiteInfo,
    default_plans,
)
from patrol.settings.text_file import BadEnvReference, expand_env
from patrol.settings.yaml_file import YamlDocument, read_yaml, validate
from patrol.settings.yaml_types import (
    BrokerUrl,
    DailyHoursList,
    DatabaseUrl,
    Division,
    PlainId,
    Proxy,
    SettingsSection,
    TilesUrl,
    ZoneName,
)
from patrol.vision.quality.thresholds import QualityThresholds
from streams.address import StreamChoice

WEEKDAY_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class OfficeSection(SettingsSection):
    """What may be written; a site that writes nothing has a township's usual hours."""

    hours: DailyHoursList = ()
    weekdays: tuple[str, ...] = tuple(WEEKDAY_NAMES[day] for day in sorted(MONDAY_TO_FRIDAY))
    holidays: tuple[LocalDay, ...] = ()  # beside those of `calendar:`
    workdays: tuple[LocalDay, ...] = ()  # 调休: worked although they are no weekday
    always: bool = False  # limits run round the clock

    def policy(self, zone: str, holidays: Iterable[Holiday] = ()) -> OfficeHours | None:
        """`holidays`: the calendar's; offices are closed, too. Raises ValueError: what is wrong."""
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


BROKER_PORTS = {"mqtt": 1883, "mqtts": 8883}


class _SiteSection(SettingsSection):
    id: PlainId
    name: Annotated[str, Field(min_length=1)]
    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)
    code: Division = ""
    timezone: ZoneName = "Asia/Shanghai"
    language: Literal["zh", "en"] = "zh"


class _MqttSection(SettingsSection):
    url: BrokerUrl = "mqtt://127.0.0.1:1883"
    embedded: bool = False
    username: str = ""
    password_file: Path | None = None
    ca_file: Path | None = None
    broker_files: Path | None = None

    def policy(self) -> MqttSettings:
        if self.embedded or self.url == "embedded":
            return MqttSettings(
                url="embedded", host="127.0.0.1", port=0, tls=False, embedded=True,
                broker_files=self.broker_files,
            )  # fmt: skip
        parts = urlsplit(self.url)
        return MqttSettings(
            url=self.url, host=parts.hostname or "", port=parts.port or BROKER_PORTS[parts.scheme],
            tls=parts.scheme == "mqtts", username=self.username,
            password_file=self.password_file, ca_file=self.ca_file,
            broker_files=self.broker_files,
        )  # fmt: skip


class _SamplingSection(SettingsSection):
    pictures: int = Field(default=SamplingSettings().pictures, ge=1, le=10)
    spacing_s: float = Field(default=SamplingSettings().spacing_s, ge=0, le=60)
    stream: StreamChoice = StreamChoice.MAIN


class _LimitsSection(SettingsSection):
    connections: int = Field(default=RoundLimits().connections, ge=1, le=10_000)
    per_link: int = Field(default=RoundLimits().per_link, ge=1, le=10_000)
    mbit_s: float = Field(default=RoundLimits().mbit_s, gt=0, le=100_000)
    visit_s: float = Field(default=RoundLimits().visit_s, gt=0, le=600)
    retries: int = Field(default=RoundLimits().retries, ge=0, le=5)


class _RetentionSection(SettingsSection):
    sample_days: int = Field(default=RetentionSettings().sample_days, ge=1, le=365)
    evidence_days: int = Field(default=RetentionSettings().evidence_days, ge=1, le=3650)
    evidence_mb: int | None = Field(default=None, ge=100, le=100_000_000)
    message_days: int = Field(default=RetentionSettings().message_days, ge=100, le=3650)


class _CentreSection(SettingsSection):
    phone: str = Field(default="", max_length=32)


class _ConsoleSection(SettingsSection):
    enabled: bool = True
    host: str = Field(default="127.0.0.1", min_length=1)
    port: int = Field(default=ConsoleSettings().port, ge=0, le=65535)
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    behind_tls: bool = False
    trusted_proxies: tuple[Proxy, ...] = ()
    session_h: float = Field(default=ConsoleSettings().session_h, gt=0, le=168)
    live_s: float = Field(default=ConsoleSettings().live_s, ge=5, le=300)
    live_at_once: int = Field(default=ConsoleSettings().live_at_once, ge=1, le=20)
    tiles: TilesUrl = ""
    assets: Path = ConsoleSettings().assets


class _SiteFile(IntegrationSections):
    site: _SiteSection
    database: DatabaseUrl = "sqlite:///var/patrol.db"
    evidence: Path = Path("var/evidence")
    models: Path = Path("var/models")
    objects: bool = True
    mqtt: _MqttSection = _MqttSection()
    plans: dict[PlainId, PlanSection] | None = Field(default=None, min_length=1)
    sampling: _SamplingSection = _SamplingSection()
    limits: _LimitsSection = _LimitsSection()
    retention: _RetentionSection = _RetentionSection()
    quality: dict[PlainId, float] = Field(default_factory=dict)
    centre: _CentreSection = _CentreSection()
    console: _ConsoleSection = _ConsoleSection()
    office: OfficeSection = OfficeSection()
    calendar: CalendarSection = CalendarSection()
    health: HealthSection = HealthSection()
    review: ReviewSection = ReviewSection()
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

    def policy(self) -> Settings:
        site, calendar = self.site, self._calendar()
        return Settings(
            site=SiteInfo(
                id=site.id,
                name=site.name,
                code=site.code,
                tz=ZoneInfo(site.timezone),
                latitude=site.latitude,
                longitude=site.longitude,
                language=site.language,
            ),
            mqtt=self.mqtt.policy(),
            database=self.database,
            evidence=self.evidence,
            models=self.models,
            objects=self.objects,
            plans=calendar.plans,
            calendar=calendar,
            health=self.health.policy(),
            sampling=SamplingSettings(**self.sampling.model_dump()),
            limits=RoundLimits(**self.limits.model_dump()),
            retention=RetentionSettings(**self.retention.model_dump()),
            quality=dict(self.quality),
            centre_phone=self.centre.phone,
            console=ConsoleSettings(**self.console.model_dump()),
            office=self.office.policy(site.timezone, calendar.holidays),
            integrations=self.integrations(),
            review=self.review.policy(),
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
    _check_files(file, document, notes)
    for where, wrong in file.integration_file_problems():
        notes.add_problem(document.line(where), ".".join(where), wrong)
    _check_quality(file, document, notes)
    settings = file.policy()
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


def _check_files(file: _SiteFile, document: YamlDocument, notes: FileProblemLog) -> None:
    for name in ("password_file", "ca_file"):
        path: Path | None = getattr(file.mqtt, name)
        if path is not None and not path.is_file():
            notes.add_problem(
                document.line(("mqtt", name)), f"mqtt.{name}", f"no such file: {path}, create it"
            )


def _check_links(settings: Settings, document: YamlDocument, notes: FileProblemLog) -> None:
    """Telephones reach the broker, so they should reach the pictures, too."""
    console = settings.console
    nowhere = console.enabled and is_loopback(console.host) and not is_loopback(settings.mqtt.host)
    if nowhere and not settings.integrations.links.base_url:
        text = "the links in cases open on this machine alone, say how telephones reach the console"
        notes.add_notice(document.line(("links",)), "links.base_url", text)


def _check_quality(file: _SiteFile, document: YamlDocument, notes: FileProblemLog) -> None:
    """Thresholds are the gauges' own names."""
    if not file.quality:
        return
    known = [field.name for field in fields(QualityThresholds)]
    for name in file.quality:
        if name not in known:
            text = f"unknown threshold{did_you_mean(name, known)}"
            notes.add_problem(document.line(("quality", name)), f"quality.{name}", text)
