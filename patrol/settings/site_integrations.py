"""What goes out, as site.yaml writes it: metrics, canary, webhooks, second channels, limits."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from patrol.domain.send_policy import SendLimits
from patrol.settings.yaml_types import PlainId, SettingsSection

WEBHOOK_EVENTS = Literal[
    "round.started", "round.finished", "round.interrupted", "round.missed",
    "finding.opened", "finding.decided", "case.opened", "case.moved",
]  # fmt: skip
NOTIFY_EVENTS = Literal["unheard", "alarm"]
MIN_SECRET_CHARS: Final = 24  # characters: fewer could be guessed from one signed message


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsSettings:
    """Prometheus and /healthz; on loopback, because both tell much and ask nobody's name."""

    enabled: bool = True
    host: str = "127.0.0.1"
    port: int = 9624


@dataclass(frozen=True, slots=True, kw_only=True)
class CanarySettings:
    """The hourly test of the whole way to a leader."""

    enabled: bool = True
    every: timedelta = timedelta(hours=1)
    within: timedelta = timedelta(seconds=60)  # relay and inbox are done in well under one
    username: str = ""  # the test leader's own account; empty: the centre's
    password_file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSettings:
    """One receiver."""

    url: str = field(repr=False)
    secret_file: Path
    events: frozenset[str] = frozenset()  # empty: all
    tries: int = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifySettings:
    """One second channel; its file has an Apprise address on each line."""

    url_file: Path
    events: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureLinkSettings:
    """One-time links to pictures, as they stand in a case's message."""

    base_url: str = ""  # how a telephone reaches the console; empty: as it is served
    lasts: timedelta = timedelta(hours=72)  # a weekend: an ordinary case may wait for Monday


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrationSettings:
    """All of it."""

    metrics: MetricsSettings = MetricsSettings()
    canary: CanarySettings = CanarySettings()
    webhooks: Mapping[str, WebhookSettings] = field(default_factory=dict)
    notify: Mapping[str, NotifySettings] = field(default_factory=dict)
    sending: SendLimits = field(default_factory=SendLimits)
    links: PictureLinkSettings = PictureLinkSettings()


def webhook_url(value: str) -> str:
    """An https address; http only within this machine. The words never quote it."""
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("the host or the port cannot be read, write https://HOST/PATH") from None
    if parts.scheme not in ("https", "http") or not host:
        raise ValueError("not an address, write https://HOST/PATH")
    if parts.username is not None:
        raise ValueError("holds credentials, use secret_file: the receiver checks the signature")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError("goes beyond this machine unencrypted, write https://HOST/PATH")
    return value


def console_base_url(value: str) -> str:
    """Where telephones reach the console: no credentials, no query; without the last slash."""
    if not value:
        return value
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("the host or the port cannot be read, write https://HOST[:PORT]") from None
    if parts.scheme not in ("https", "http") or not host:
        raise ValueError("not an address, write https://HOST[:PORT]")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("holds more than host, port and path, write https://HOST[:PORT]")
    return value.rstrip("/")


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class MetricsSection(SettingsSection):
    """`metrics:`."""

    enabled: bool = True
    host: str = MetricsSettings().host
    port: int = Field(default=MetricsSettings().port, ge=0, le=65535)

    def policy(self) -> MetricsSettings:
        """For the house."""
        return MetricsSettings(**self.model_dump())


class CanarySection(SettingsSection):
    """`canary:`."""

    enabled: bool = True
    every_min: float = Field(default=60, gt=0, le=1440)
    within_s: float = Field(default=60, ge=1, le=600)
    username: str = ""
    password_file: Path | None = None

    def policy(self) -> CanarySettings:
        """For the house."""
        return CanarySettings(
            enabled=self.enabled,
            every=timedelta(minutes=self.every_min),
            within=timedelta(seconds=self.within_s),
            username=self.username,
            password_file=self.password_file,
        )


class WebhookSection(SettingsSection):
    """One of `webhooks:`."""

    url: Annotated[str, AfterValidator(webhook_url)]
    secret_file: Path
    events: tuple[WEBHOOK_EVENTS, ...] = ()
    tries: int = Field(default=12, ge=1, le=100)

    def policy(self) -> WebhookSettings:
        """For the house."""
        return WebhookSettings(
            url=self.url,
            secret_file=self.secret_file,
            events=frozenset(self.events),
            tries=self.tries,
        )


class NotifySection(SettingsSection):
    """One of `notify:`."""

    url_file: Path
    events: tuple[NOTIFY_EVENTS, ...] = ("unheard", "alarm")

    def policy(self) -> NotifySettings:
        """For the house."""
        return NotifySettings(url_file=self.url_file, events=frozenset(self.events))


class SendingSection(SettingsSection):
    """`sending:`."""

    new_per_hour: int = Field(default=SendLimits().new_per_hour, ge=0, le=100_000)
    repeat_every_min: float = Field(
        default=SendLimits().repeat_every / timedelta(minutes=1), ge=0, le=1440
    )

    def policy(self) -> SendLimits:
        """For the house."""
        every = timedelta(minutes=self.repeat_every_min)
        return SendLimits(new_per_hour=self.new_per_hour, repeat_every=every)


class LinksSection(SettingsSection):
    """`links:`."""

    base_url: Annotated[str, AfterValidator(console_base_url)] = ""
    hours: float = Field(default=PictureLinkSettings().lasts / timedelta(hours=1), gt=0, le=720)

    def policy(self) -> PictureLinkSettings:
        """For the house."""
        return PictureLinkSettings(base_url=self.base_url, lasts=timedelta(hours=self.hours))


class IntegrationSections(SettingsSection):
    """What the site's file has of all of it; mixed into its model."""

    metrics: MetricsSection = MetricsSection()
    canary: CanarySection = CanarySection()
    webhooks: dict[PlainId, WebhookSection] = Field(default_factory=dict)
    notify: dict[PlainId, NotifySection] = Field(default_factory=dict)
    sending: SendingSection = SendingSection()
    links: LinksSection = LinksSection()

    def integrations(self) -> IntegrationSettings:
        """For the house."""
        return IntegrationSettings(
            metrics=self.metrics.policy(),
            canary=self.canary.policy(),
            webhooks={name: hook.policy() for name, hook in self.webhooks.items()},
            notify={name: channel.policy() for name, channel in self.notify.items()},
            sending=self.sending.policy(),
            links=self.links.policy(),
        )

    def integration_file_problems(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """(where, what) is wrong with the files that are named; their content is never quoted."""
        if self.canary.password_file is not None:
            yield from _missing_file(("canary", "password_file"), self.canary.password_file)
        for name, channel in self.notify.items():
            yield from _missing_file(("notify", name, "url_file"), channel.url_file)
        for name, hook in self.webhooks.items():
            where = ("webhooks", name, "secret_file")
            missing = list(_missing_file(where, hook.secret_file))
            yield from missing
            if not missing and len(hook.secret_file.read_text("utf-8").strip()) < MIN_SECRET_CHARS:
                yield where, f"is too short, put {MIN_SECRET_CHARS} random characters in it or more"


def _missing_file(where: tuple[str, ...], path: Path) -> Iterator[tuple[tuple[str, ...], str]]:
    if not path.is_file():
        yield where, f"no such file: {path}, create it"
