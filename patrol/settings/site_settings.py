"""What the rooms get of the settings: small frozen policies, checked once, then the files vanish.

Times of day are local to the site; durations end in `_s`, days in `_days`. Defaults stand here,
beside the reason for each number; `site_file.py` only reads.

How people judge, as site.yaml writes it: the blind sample, and who verifies a handled case.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import Field

from patrol.domain.health import HealthPolicy
from patrol.domain.observation import FindingRules
from patrol.domain.office_hours import OfficeHours
from patrol.domain.registry import Registry
from patrol.domain.round import PatrolPlan
from patrol.domain.schedule import Calendar
from patrol.domain.verification import Verifier
from patrol.inference.manifest import ModelSpec
from patrol.settings.problems import ConfigProblem
from patrol.settings.site_integrations import IntegrationSettings
from patrol.settings.yaml_types import SettingsSection
from streams.address import StreamChoice


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewSettings:
    """What stands in the review queue beside the machine's leads."""

    # Of a round's normal views, rounded down: a town of nine cameras gets none (domain.md: 10 %).
    blind_sample: float = 0.1
    known_positives: float = 0.0  # of what a round plans: earlier real leads, shown again


class ReviewSection(SettingsSection):
    """`review:`."""

    blind_sample: float = Field(default=ReviewSettings().blind_sample, ge=0, le=1)
    known_positives: float = Field(default=ReviewSettings().known_positives, ge=0, le=0.1)

    def policy(self) -> ReviewSettings:
        """As the rooms get it."""
        return ReviewSettings(**self.model_dump())


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteInfo:
    """Which town this is, and where the sun stands over it."""

    id: str  # part of every MQTT topic
    name: str
    code: str  # administrative division, 9 digits for a township
    tz: ZoneInfo
    latitude: float
    longitude: float
    language: str  # "zh" or "en": what comes first on screen and paper


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttSettings:
    """How to reach the broker; `embedded` means: run one inside this process, on loopback."""

    url: str  # mqtt://host:port, mqtts://host:port; never with a password
    host: str
    port: int
    tls: bool
    embedded: bool = False
    username: str = ""
    password_file: Path | None = None  # its first line
    ca_file: Path | None = None  # None: the system's own authorities
    broker_files: Path | None = None  # where the broker's accounts lie, for `patrol check`


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingSettings:
    """What one visit takes home."""

    pictures: int = 2  # two prove that the stream lives
    spacing_s: float = 3.0
    stream: StreamChoice = StreamChoice.MAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundLimits:
    """Caps of a round."""

    connections: int = 200  # sockets at once
    per_link: int = 32  # at once behind one village uplink or NVR
    mbit_s: float = 400.0  # received, all together
    visit_s: float = 20.0  # wall clock of one visit
    retries: int = 1  # where the kind of failure allows one


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionSettings:
    """How long pictures live; the deletion is written down. And how long messages do."""

    sample_days: int = 7  # an ordinary look that showed nothing
    evidence_days: int = 180  # what a finding or a case stands on
    evidence_mb: int | None = None  # of all pictures; beyond it the oldest samples go early
    # Reports look back a year for when a case was pushed. Never less than what the relay tells a
    # broker again that forgot everything (90 days).
    message_days: int = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleSettings:
    """The command centre's pages; loopback unless told otherwise."""

    enabled: bool = True  # served by `patrol run` when the extra `console` is installed
    host: str = "127.0.0.1"
    port: int = 8624
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    behind_tls: bool = False  # a proxy in front speaks https
    trusted_proxies: tuple[str, ...] = ()  # whose X-Forwarded-For is believed
    session_h: float = 12.0  # a shift and its hand-over
    live_s: float = 60.0  # a live look ends by itself
    live_at_once: int = 3  # of the whole house: two operators and a duty lead
    tiles: str = ""  # https://…/{z}/{x}/{y}.png: a background of the map, from elsewhere
    assets: Path = Path("var/assets")  # scripts of the map and the charts (`patrol assets install`)

    @property
    def is_https(self) -> bool:
        """Whether browsers reach the console over https: by its own certificate or a proxy's."""
        return self.behind_tls or self.tls_certificate is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything of site.yaml."""

    site: SiteInfo
    mqtt: MqttSettings
    plans: Mapping[str, PatrolPlan]
    database: str = field(default="sqlite:///var/patrol.db", repr=False)  # may hold a password
    evidence: Path = Path("var/evidence")
    models: Path = Path("var/models")
    objects: bool = True  # look for objects when their weights are installed
    own_models: tuple[ModelSpec, ...] = ()  # of models.yaml, at most one for each purpose
    sampling: SamplingSettings = SamplingSettings()
    limits: RoundLimits = RoundLimits()
    retention: RetentionSettings = RetentionSettings()
    quality: Mapping[str, float] = field(
        default_factory=dict
    )  # thresholds that differ from the house's
    centre_phone: str = ""  # printed on every case
    integrations: IntegrationSettings = field(default_factory=IntegrationSettings)
    console: ConsoleSettings = ConsoleSettings()
    office: OfficeHours | None = field(default_factory=OfficeHours)  # None: round the clock
    calendar: Calendar = field(default_factory=Calendar)
    health: HealthPolicy = field(default_factory=HealthPolicy)
    review: ReviewSettings = field(default_factory=ReviewSettings)
    verification: Verifier = Verifier.MACHINE  # who decides whether a handled case is done


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A configuration directory that was read whole, without a problem."""

    settings: Settings
    registry: Registry
    rules: FindingRules
    notices: tuple[ConfigProblem, ...] = ()  # legal, and worth a look
    shapes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # GeoJSON, by grid


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
