"""`metrics:`, `canary:`, `webhooks:`, `notify:`, `sending:` and `links:` of site.yaml.

Each section is checked by pydantic and is, frozen, what the application gets. Names end in the
unit that the file writes; properties give durations. No error quotes an address or a secret.
"""

import getpass
import os
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Final, Literal, get_args
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Field

from patrol.domain.outbox import MAX_TRIES, WebhookEvent
from patrol.domain.send_policy import SendLimits
from patrol.settings.yaml_types import PlainId, SettingsSection

NOTIFY_EVENTS = Literal["unheard", "alarm", "unreviewed", "reminder"]
MIN_SECRET_CHARS: Final = 24  # fewer could be guessed from one signed message
FileProblem = tuple[tuple[str, ...], str]  # where in the file, what is wrong


def webhook_url(value: str) -> str:
    """An https address; http only within this machine. Raises ValueError, never quoting it."""
    parts, host = _split_url(value, "https://HOST/PATH")
    if parts.username is not None:
        raise ValueError("holds credentials, use secret_file: the receiver checks the signature")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError("goes beyond this machine unencrypted, write https://HOST/PATH")
    return value


def timestamp_url(value: str) -> str:
    """A time-stamp authority's address; plain http is common, as stamps are signed."""
    parts, _ = _split_url(value, "https://HOST/PATH")
    if parts.username is not None:
        raise ValueError("holds credentials, which a time-stamp authority does not ask for")
    return value


def console_base_url(value: str) -> str:
    """Where telephones reach the console: no credentials, no query; without the last slash."""
    if not value:
        return value
    parts, _ = _split_url(value, "https://HOST[:PORT]")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("holds more than host, port and path, write https://HOST[:PORT]")
    return value.rstrip("/")


def is_loopback(host: str) -> bool:
    """Whether the host is a loopback address, reachable only from this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class MetricsSettings(SettingsSection):
    """Prometheus and /healthz; on loopback by default, because neither asks for a login."""

    enabled: bool = True
    host: str = "127.0.0.1"
    port: int = Field(default=9624, ge=0, le=65535)


class CanarySettings(SettingsSection):
    """The hourly test of the whole path to a leader."""

    enabled: bool = True
    every_min: float = Field(default=60, gt=0, le=1440)
    within_s: float = Field(default=60, ge=1, le=600)  # relay and inbox take well under one second
    username: str = ""  # the test leader's own account; empty: the centre's
    password_file: Path | None = None

    @property
    def every(self) -> timedelta:
        """The interval between two canaries."""
        return timedelta(minutes=self.every_min)

    @property
    def within(self) -> timedelta:
        """The longest time from sending a canary to its receipt."""
        return timedelta(seconds=self.within_s)


class WebhookSettings(SettingsSection):
    """One receiver of `webhooks:`."""

    url: Annotated[str, AfterValidator(webhook_url)] = Field(repr=False)
    secret_file: Path
    events: frozenset[WebhookEvent] = frozenset()  # empty: all
    tries: int = Field(default=MAX_TRIES, ge=1, le=100)


class NotifySettings(SettingsSection):
    """One second channel of `notify:`; its file has an Apprise address on each line."""

    url_file: Path
    events: frozenset[NOTIFY_EVENTS] = frozenset(get_args(NOTIFY_EVENTS))


class SendingSettings(SettingsSection):
    """How much is sent to one grid at once."""

    new_per_hour: int = Field(default=SendLimits().new_per_hour, ge=0, le=100_000)
    repeat_every_min: float = Field(
        default=SendLimits().repeat_every / timedelta(minutes=1), ge=0, le=1440
    )

    @property
    def limits(self) -> SendLimits:
        """These settings as the send gate's SendLimits."""
        every = timedelta(minutes=self.repeat_every_min)
        return SendLimits(new_per_hour=self.new_per_hour, repeat_every=every)


class PictureLinkSettings(SettingsSection):
    """One-time links to pictures, as they stand in a case's message."""

    # How a telephone reaches the console; empty: as it is served.
    base_url: Annotated[str, AfterValidator(console_base_url)] = ""
    hours: float = Field(default=72, gt=0, le=720)  # a weekend: an ordinary case waits for Monday

    @property
    def lasts(self) -> timedelta:
        """How long a link can be opened."""
        return timedelta(hours=self.hours)


class TimestampSettings(SettingsSection):
    """A time-stamp authority (RFC 3161) that signs when a day's audit heads were made."""

    url: Annotated[str, AfterValidator(timestamp_url)]
    ca_file: Path  # certificates (PEM) that its stamps must lead to
    timeout_s: float = Field(default=20.0, ge=1, le=300)


class IntegrationSettings(SettingsSection):
    """All settings of integrations, section by section."""

    metrics: MetricsSettings = MetricsSettings()
    canary: CanarySettings = CanarySettings()
    webhooks: dict[PlainId, WebhookSettings] = Field(default_factory=dict)
    notify: dict[PlainId, NotifySettings] = Field(default_factory=dict)
    sending: SendingSettings = SendingSettings()
    links: PictureLinkSettings = PictureLinkSettings()
    timestamp: TimestampSettings | None = None

    def integration_file_problems(self) -> Iterator[FileProblem]:
        """What is wrong with the files that are named; their content is never quoted."""
        if self.canary.password_file is not None:
            yield from missing_text(("canary", "password_file"), self.canary.password_file)
        if self.timestamp is not None:
            yield from missing_file(("timestamp", "ca_file"), self.timestamp.ca_file)
        for name, channel in self.notify.items():
            yield from missing_text(("notify", name, "url_file"), channel.url_file)
        for name, hook in self.webhooks.items():
            where = ("webhooks", name, "secret_file")
            missing = list(missing_text(where, hook.secret_file))
            yield from missing
            if not missing and len(hook.secret_file.read_text("utf-8").strip()) < MIN_SECRET_CHARS:
                yield where, f"is too short, put {MIN_SECRET_CHARS} random characters in it or more"


def missing_file(where: tuple[str, ...], path: Path) -> Iterator[FileProblem]:
    """A problem when there is no such file, or it is not for the user of this process to read."""
    if not path.is_file():
        yield where, f"no such file: {path}, create it"
    elif not os.access(path, os.R_OK):
        user = getpass.getuser()
        yield where, f"{path}: the user {user} may not read it: chown {user} {path}"


def missing_text(where: tuple[str, ...], path: Path) -> Iterator[FileProblem]:
    """As `missing_file`, and a problem when the file holds no UTF-8 text; it is never quoted."""
    missing = list(missing_file(where, path))
    yield from missing
    if not missing:
        try:
            path.read_text("utf-8")
        except UnicodeDecodeError:
            yield where, f"{path}: is not UTF-8 text, write it anew"


def _split_url(value: str, example: str) -> tuple[SplitResult, str]:
    """(parts, host) of an http address. Raises ValueError."""
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError(f"the host or the port cannot be read, write {example}") from None
    if parts.scheme not in ("https", "http") or not host:
        raise ValueError(f"not an address, write {example}")
    return parts, host
