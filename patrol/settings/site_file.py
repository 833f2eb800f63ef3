"""site.yaml → Settings.

The models name what may be written; `policies.py` has the defaults and says what they mean.
"""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from patrol.domain.calendar import Calendar
from patrol.domain.round import ADHOC
from patrol.domain.verdict import Verifier
from patrol.settings.calendar import CalendarSection, HealthSection, PlanSection
from patrol.settings.environment import BadReference, expand
from patrol.settings.fields import (
    BrokerUrl,
    DatabaseUrl,
    Division,
    PlainId,
    Proxy,
    Section,
    TilesUrl,
    ZoneName,
)
from patrol.settings.models import validate
from patrol.settings.office import OfficeSection
from patrol.settings.outward import OutwardSections, is_loopback
from patrol.settings.policies import (
    ConsoleSettings,
    Limits,
    MqttSettings,
    Retention,
    Sampling,
    Settings,
    SiteInfo,
    default_plans,
)
from patrol.settings.problems import FileNotes, did_you_mean
from patrol.settings.review import ReviewSection
from patrol.settings.yaml_file import Document, read_yaml
from streams.model import StreamChoice

BROKER_PORTS = {"mqtt": 1883, "mqtts": 8883}


class _SiteSection(Section):
    id: PlainId
    name: Annotated[str, Field(min_length=1)]
    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)
    code: Division = ""
    timezone: ZoneName = "Asia/Shanghai"
    language: Literal["zh", "en"] = "zh"


class _MqttSection(Section):
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


class _SamplingSection(Section):
    pictures: int = Field(default=Sampling().pictures, ge=1, le=10)
    spacing_s: float = Field(default=Sampling().spacing_s, ge=0, le=60)
    stream: StreamChoice = StreamChoice.MAIN


class _LimitsSection(Section):
    connections: int = Field(default=Limits().connections, ge=1, le=10_000)
    per_link: int = Field(default=Limits().per_link, ge=1, le=10_000)
    mbit_s: float = Field(default=Limits().mbit_s, gt=0, le=100_000)
    visit_s: float = Field(default=Limits().visit_s, gt=0, le=600)
    retries: int = Field(default=Limits().retries, ge=0, le=5)


class _RetentionSection(Section):
    sample_days: int = Field(default=Retention().sample_days, ge=1, le=365)
    evidence_days: int = Field(default=Retention().evidence_days, ge=1, le=3650)
    evidence_mb: int | None = Field(default=None, ge=100, le=100_000_000)
    message_days: int = Field(default=Retention().message_days, ge=100, le=3650)


class _CentreSection(Section):
    phone: str = Field(default="", max_length=32)


class _ConsoleSection(Section):
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


class _SiteFile(OutwardSections):
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
                id=site.id, name=site.name, code=site.code, tz=ZoneInfo(site.timezone),
                latitude=site.latitude, longitude=site.longitude, language=site.language,
            ),
            mqtt=self.mqtt.policy(), database=self.database, evidence=self.evidence,
            models=self.models, objects=self.objects,
            plans=calendar.plans, calendar=calendar, health=self.health.policy(),
            sampling=Sampling(**self.sampling.model_dump()),
            limits=Limits(**self.limits.model_dump()),
            retention=Retention(**self.retention.model_dump()),
            quality=dict(self.quality), centre_phone=self.centre.phone,
            console=ConsoleSettings(**self.console.model_dump()),
            office=self.office.policy(site.timezone, calendar.holidays), outward=self.outward(),
            review=self.review.policy(), verification=self.verification,
        )  # fmt: skip


def load_site_file(path: Path, env: Mapping[str, str], notes: FileNotes) -> Settings | None:
    """The settings, or None after problems were noted."""
    document = read_yaml(path, notes)
    if document is None:
        return None
    if isinstance(document.data, dict):
        _prepare(document, env, notes)
    file: _SiteFile | None = validate(_SiteFile, document, notes)
    if file is None:
        return None
    _check_files(file, document, notes)
    for where, wrong in file.outward_problems():
        notes.problem(document.line(where), ".".join(where), wrong)
    _check_quality(file, document, notes)
    settings = file.policy()
    _check_links(settings, document, notes)
    return settings


def _prepare(document: Document, env: Mapping[str, str], notes: FileNotes) -> None:
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
    document: Document,
    env: Mapping[str, str],
    notes: FileNotes,
) -> None:
    text = holder.get(where[-1])
    if not isinstance(text, str):
        return
    try:
        holder[where[-1]] = expand(text, env)
    except BadReference as exc:
        notes.problem(document.line(where), ".".join(where), str(exc))


def _check_files(file: _SiteFile, document: Document, notes: FileNotes) -> None:
    for name in ("password_file", "ca_file"):
        path: Path | None = getattr(file.mqtt, name)
        if path is not None and not path.is_file():
            notes.problem(
                document.line(("mqtt", name)), f"mqtt.{name}", f"no such file: {path}, create it"
            )


def _check_links(settings: Settings, document: Document, notes: FileNotes) -> None:
    """Telephones reach the broker, so they should reach the pictures, too."""
    console = settings.console
    nowhere = console.enabled and is_loopback(console.host) and not is_loopback(settings.mqtt.host)
    if nowhere and not settings.outward.links.base_url:
        said = "the links in cases open on this machine alone, say how telephones reach the console"
        notes.notice(document.line(("links",)), "links.base_url", said)


def _check_quality(file: _SiteFile, document: Document, notes: FileNotes) -> None:
    """Thresholds are the gauges' own names."""
    if not file.quality:
        return
    from patrol.vision.quality.limits import QualityLimits  # noqa: PLC0415  numpy, when needed

    known = [field.name for field in fields(QualityLimits)]
    for name in file.quality:
        if name not in known:
            said = f"unknown threshold{did_you_mean(name, known)}"
            notes.problem(document.line(("quality", name)), f"quality.{name}", said)
