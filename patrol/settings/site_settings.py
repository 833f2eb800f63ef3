"""site.yaml → the settings of a site: frozen sections, each default beside its reason and range.

A section is checked by pydantic when site.yaml is read, and is itself what the application gets;
those of other programs and of days are in site_integrations.py and site_calendar.py. Times of day
are local to the site; names end in their unit (`_s`, `_h`, `_days`). `load_site_file` also knows
the short forms, and looks for the files that site.yaml names.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import time, timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from patrol.domain.health import HealthPolicy
from patrol.domain.observation import FindingRules
from patrol.domain.office_hours import OfficeHours
from patrol.domain.registry import Registry
from patrol.domain.round import ADHOC, PatrolPlan
from patrol.domain.schedule import Calendar
from patrol.domain.verification import Verifier
from patrol.inference.manifest import ModelSpec
from patrol.settings.config_file import (
    SITE_ENV_PREFIX,
    BadEnvReference,
    ConfigProblem,
    FileProblemLog,
    expand_env,
)
from patrol.settings.quality_thresholds import check_threshold_names
from patrol.settings.site_calendar import (
    CalendarSection,
    HealthSection,
    OfficeSection,
    PlanSection,
)
from patrol.settings.site_cluster import ClusterSettings
from patrol.settings.site_integrations import (
    FileProblem,
    IntegrationSettings,
    is_loopback,
    missing_file,
    missing_text,
)
from patrol.settings.site_paths import Defaults, HomeNotExpanded, resolve_paths
from patrol.settings.site_retention import BackupSettings, RetentionSettings
from patrol.settings.site_sampling import SamplingSettings
from patrol.settings.site_town import AttentionSection, ReviewAlarmSection, TownSettings
from patrol.settings.sources_yaml import SourcesSettings
from patrol.settings.yaml_file import YamlDocument, read_yaml
from patrol.settings.yaml_types import (
    BrokerUrl,
    DatabaseUrl,
    Division,
    PlainId,
    Proxy,
    SettingsSection,
    TilesUrl,
    ZoneName,
)
from patrol.settings.yaml_validation import validate

EMBEDDED: Final = "embedded"
DEFAULT_MODELS: Final = Path(Defaults.MODELS)
DEFAULT_ASSETS: Final = Path(Defaults.ASSETS)


class SiteInfo(SettingsSection):
    """Identity of the town: id, name, time zone, and coordinates for sunrise and sunset."""

    id: PlainId  # part of every MQTT topic
    name: Annotated[str, Field(min_length=1)]
    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)
    code: Division = ""  # administrative division, 9 digits for a township
    timezone: ZoneName = Defaults.ZONE
    language: Literal["zh", "en"] = "zh"  # what comes first on screen and paper

    @property
    def tz(self) -> ZoneInfo:
        """Its time zone."""
        return ZoneInfo(self.timezone)


class MqttSettings(SettingsSection):
    """The broker's address and login; `embedded` starts one on loopback instead."""

    url: BrokerUrl = "mqtt://127.0.0.1:1883"  # never with a password
    embedded: bool = False
    username: str = ""
    password_file: Path | None = None  # its first line
    ca_file: Path | None = None  # None: the system's own authorities
    certificate: Path | None = None  # the centre's own, for a broker that asks for one; with `key`
    key: Path | None = None
    broker_files: Path | None = None  # where the broker's accounts lie, for `patrol check`

    @model_validator(mode="before")
    @classmethod
    def _embedded_in_either_spelling(cls, data: Any) -> Any:
        if isinstance(data, dict) and (data.get("embedded") is True or data.get("url") == EMBEDDED):
            return {**data, "url": EMBEDDED, "embedded": True}
        return data

    @model_validator(mode="after")
    def _certificate_with_its_key(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together, give both files or neither")
        if self.certificate is not None and urlsplit(self.url).scheme != "mqtts":
            raise ValueError("a client certificate needs TLS, write mqtts://HOST:8883")
        return self

    @property
    def host(self) -> str:
        """The broker's host."""
        return "127.0.0.1" if self.embedded else urlsplit(self.url).hostname or ""


class KeySettings(SettingsSection):
    """The site's key: signs the logs, seals passwords of streams, encrypts pictures."""

    # None: systemd's credential `patrol.key`, else `patrol.key` in `evidence.keys`.
    file: Path | None = None


class CameraTlsSettings(SettingsSection):
    """How certificates of cameras and platforms are checked: https, HLS, RTSPS, RTMPS."""

    verify: bool = True
    ca_file: Path | None = None  # authorities beside the system's: a recorder's, the county's


class RoundLimits(SettingsSection):
    """Upper limits of a round, and of a picture."""

    connections: int = Field(default=200, ge=1, le=10_000)  # sockets at once
    per_link: int = Field(default=32, ge=1, le=10_000)  # at once behind one village uplink or NVR
    mbit_s: float = Field(default=400.0, gt=0, le=100_000)  # received, all together
    visit_s: float = Field(default=20.0, gt=0, le=600)  # wall clock of one visit
    retries: int = Field(default=1, ge=0, le=5)  # where the kind of failure allows one
    # Of one picture, a camera's or a telephone's; a larger one is not decoded.
    picture_mp: float = Field(default=32.0, ge=1, le=100)


class ReviewSettings(SettingsSection):
    """Blind sample and known positives: what is reviewed beside the machine's findings."""

    # Of a round's normal views, rounded down: at 10 % a town of nine cameras gets none.
    blind_sample: float = Field(default=0.1, ge=0, le=1)
    # Of what a round plans: earlier confirmed findings, shown again.
    known_positives: float = Field(default=0.0, ge=0, le=0.1)
    alarm: ReviewAlarmSection = ReviewAlarmSection()  # of unreviewed findings, levels I and II


class ConsoleSettings(SettingsSection):
    """The command centre's pages; on loopback unless the site says otherwise."""

    enabled: bool = True  # served by `patrol run` when the extra `console` is installed
    host: str = Field(default="127.0.0.1", min_length=1)
    port: int = Field(default=8624, ge=0, le=65535)
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    behind_tls: bool = False  # a proxy in front speaks https
    trusted_proxies: tuple[Proxy, ...] = ()  # whose X-Forwarded-For is believed
    session_h: float = Field(default=12.0, gt=0, le=168)  # a shift and its hand-over
    live_s: float = Field(default=60.0, ge=5, le=300)  # a live view ends by itself
    live_at_once: int = Field(default=3, ge=1, le=20)  # two operators and a shift supervisor
    tiles: TilesUrl = ""  # https://…/{z}/{x}/{y}.png: a background of the map, from elsewhere
    assets: Path = DEFAULT_ASSETS  # scripts of the map and charts (`patrol assets install`)
    attention: AttentionSection = AttentionSection()  # an account's own choice comes before it

    @property
    def is_https(self) -> bool:
        """Whether browsers reach the console over https: by its own certificate or a proxy's."""
        return self.behind_tls or self.tls_certificate is not None


class CentreSettings(SettingsSection):
    """The command centre, as leaders reach it."""

    phone: str = Field(default="", max_length=32)  # printed on every case


class Settings(IntegrationSettings, TownSettings, ClusterSettings):
    """Everything of site.yaml: each field is a key of the file, under its alias where it has one.

    A `…_section` is what the file writes; the property of the key's name is what it means.
    """

    site: SiteInfo
    database: DatabaseUrl = Field(default=Defaults.DATABASE, repr=False)  # with a password
    evidence: Path = Path(Defaults.EVIDENCE)
    models: Path = DEFAULT_MODELS
    objects: bool = True  # look for objects when their weights are installed
    mqtt: MqttSettings = MqttSettings()
    plan_sections: dict[PlainId, PlanSection] | None = Field(
        default=None, min_length=1, alias="plans"
    )
    # A town's own households: rounds need an impact assessment (个人信息保护影响评估) before.
    production: bool = False
    impact_assessment: str = Field(default="", max_length=200)  # its reference: 文号, date
    keys: KeySettings = KeySettings()
    backup: BackupSettings = BackupSettings()
    camera_tls: CameraTlsSettings = CameraTlsSettings()
    sampling: SamplingSettings = SamplingSettings()
    limits: RoundLimits = RoundLimits()
    retention: RetentionSettings = RetentionSettings()
    quality: dict[PlainId, float] = Field(default_factory=dict)  # the site's own thresholds
    centre: CentreSettings = CentreSettings()
    console: ConsoleSettings = ConsoleSettings()
    office_section: OfficeSection = Field(default=OfficeSection(), alias="office")
    calendar_section: CalendarSection = Field(default=CalendarSection(), alias="calendar")
    health_section: HealthSection = Field(default=HealthSection(), alias="health")
    review: ReviewSettings = ReviewSettings()
    verification: Verifier = Verifier.MACHINE  # who decides whether a handled case is done

    @model_validator(mode="after")
    def _office_hours_make_sense(self) -> Self:
        self.office_section.policy(self.site.timezone)  # its ValueError says what is wrong
        return self

    @model_validator(mode="after")
    def _calendar_makes_sense(self) -> Self:
        if ADHOC in self.calendar.all_plans:  # the ValueError of `calendar` says what is wrong
            raise ValueError(f"a plan cannot be named {ADHOC!r}, rounds by hand are; rename it")
        return self

    @property
    def calendar(self) -> Calendar:
        """The calendar of rounds, with the plans."""
        written = {n: plan.policy(n) for n, plan in (self.plan_sections or {}).items()}
        return self.calendar_section.policy(written or default_plans(), self.site.tz)

    @property
    def plans(self) -> Mapping[str, PatrolPlan]:
        """The plans of an ordinary day, by name."""
        return self.calendar.plans

    @property
    def office(self) -> OfficeHours | None:
        """The office hours; None: round the clock."""
        return self.office_section.policy(self.site.timezone, self.calendar.holidays)

    @property
    def health(self) -> HealthPolicy:
        """When a camera counts as offline, and a group of cameras as an outage."""
        return self.health_section.policy()

    @property
    def centre_phone(self) -> str:
        """The command centre's telephone number."""
        return self.centre.phone

    @property
    def integrations(self) -> IntegrationSettings:
        """The sections that site_integrations.py declares: those for what is outside the centre."""
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One site: its settings and registry, loaded from a configuration directory."""

    settings: Settings
    registry: Registry
    rules: FindingRules
    sources: SourcesSettings = field(default_factory=SourcesSettings)  # platforms and gateways
    own_models: tuple[ModelSpec, ...] = ()  # of models.yaml, at most one for each purpose
    notices: tuple[ConfigProblem, ...] = ()  # legal, and worth a look
    shapes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # GeoJSON, by grid
    config_dir: Path = Path()  # where relative paths of its files count from
    relative_paths: Mapping[str, Path] = field(default_factory=dict)  # as written, by setting


def default_plans() -> dict[str, PatrolPlan]:
    """The two rounds a day that the town needs."""
    half_hour = timedelta(minutes=30)
    return {
        "morning": PatrolPlan(
            name="morning", start=time(9), finish_by=time(10, 30), after_sunrise=half_hour
        ),
        "afternoon": PatrolPlan(
            name="afternoon", start=time(15), finish_by=time(17, 30), before_sunset=half_hour
        ),
    }


def load_site_file(
    path: Path,
    base: Path,
    env: Mapping[str, str],
    notes: FileProblemLog,
    *,
    with_named_files: bool = True,
) -> tuple[Settings, Mapping[str, Path]] | None:
    """The settings, and the relative paths in them as written; None after problems were noted.

    `base`: the directory that relative paths count from. `with_named_files`: False where the files
    of passwords and certificates that it names need not be there yet.
    """
    document = read_yaml(path, notes)
    if document is None:
        return None
    if isinstance(document.data, dict):
        _expand_short_forms(document, env, notes)
    validated: Settings | None = validate(Settings, document, notes)
    if validated is None:
        return None
    try:
        settings, relative_paths = resolve_paths(validated, base)
    except HomeNotExpanded as exc:
        notes.add_problem(document.line(exc.where), ".".join(exc.where), str(exc))
        return None
    for where, wrong in _file_problems(settings) if with_named_files else ():
        old = Path.cwd() / relative_paths.get(".".join(where), "")
        hint = f"; {old} is there, but relative paths count from site.yaml's directory"
        text = wrong + hint if old.is_file() else wrong
        notes.add_problem(document.line(where), ".".join(where), text)
    check_threshold_names(settings.quality, document, notes)
    _check_links(settings, document, notes)
    _check_production(settings, document, notes)
    _check_broker(settings, document, notes)
    return settings, relative_paths


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
        holder[where[-1]] = expand_env(text, env, SITE_ENV_PREFIX)
    except BadEnvReference as exc:
        notes.add_problem(document.line(where), ".".join(where), str(exc))


def _file_problems(settings: Settings) -> Iterator[FileProblem]:
    """What is wrong with the files that site.yaml names."""
    for name in ("password_file", "ca_file", "certificate", "key"):
        path: Path | None = getattr(settings.mqtt, name)
        if path is not None:
            missing = missing_text if name == "password_file" else missing_file
            yield from missing(("mqtt", name), path)
    if settings.camera_tls.ca_file is not None:
        yield from missing_file(("camera_tls", "ca_file"), settings.camera_tls.ca_file)
    yield from settings.cluster_file_problems()
    yield from settings.integration_file_problems()
    yield from settings.town_file_problems()


def _check_links(settings: Settings, document: YamlDocument, notes: FileProblemLog) -> None:
    """Note `links:` without an address that telephones can reach."""
    console = settings.console
    nowhere = console.enabled and is_loopback(console.host) and not is_loopback(settings.mqtt.host)
    if nowhere and not settings.integrations.links.base_url:
        text = "the links in cases open on this machine alone, say how telephones reach the console"
        notes.add_notice(document.line(("links",)), "links.base_url", text)


def _check_production(settings: Settings, document: YamlDocument, notes: FileProblemLog) -> None:
    """Note a town in production without its impact assessment, and certificates left unchecked."""
    if settings.production and not settings.impact_assessment.strip():
        text = (
            "is missing: in production no round begins before the impact assessment;"
            " fill in docs/impact-assessment.md and give its reference here"
        )
        notes.add_problem(document.line(("production",)), "impact_assessment", text)
    if not settings.camera_tls.verify:
        text = (
            "certificates of cameras are not checked: whoever is on the way reads their passwords,"
            " give camera_tls.ca_file instead"
        )
        notes.add_notice(document.line(("camera_tls",)), "camera_tls.verify", text)


def _check_broker(settings: Settings, document: YamlDocument, notes: FileProblemLog) -> None:
    """Note a broker's password that would cross a network in clear text."""
    mqtt = settings.mqtt
    has_password = bool(mqtt.username or mqtt.password_file)
    in_clear = urlsplit(mqtt.url).scheme == "mqtt" and not is_loopback(mqtt.host)
    if has_password and in_clear and not mqtt.embedded:
        text = (
            "the password and every case cross the network in clear text, write mqtts://HOST:8883"
        )
        notes.add_notice(document.line(("mqtt", "url")), "mqtt.url", text)
