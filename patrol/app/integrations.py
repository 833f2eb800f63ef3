"""Make the webhooks and notification channels that a site's settings name, with their secrets."""

from collections.abc import Iterator, MutableMapping, Sequence
from dataclasses import dataclass

from patrol.administration.registry_files import RegistryWatcher
from patrol.domain.errors import BadInput
from patrol.domain.outbox import WEBHOOK_EVENT_NAMES
from patrol.domain.private_text import PrivateTextMask
from patrol.integrations.notifications import (
    NotificationChannel,
    NotificationTarget,
    read_addresses,
)
from patrol.integrations.webhooks import Webhook, WebhookQueue
from patrol.operations.metrics import Meters
from patrol.ports import Clock
from patrol.settings import Settings
from patrol.settings.site_town import HandOffSection, SpeakerSection
from patrol.store import StoreObserver


class IntegrationsProblem(BadInput):
    """A webhook or a channel cannot work as it is configured; one line."""


@dataclass(frozen=True, kw_only=True)
class Integrations:
    """The site's webhooks and notification channels."""

    hooks: Sequence[Webhook] = ()
    channels: Sequence[NotificationChannel] = ()

    @property
    def targets(self) -> list[NotificationTarget]:
        """The channels as targets of deliveries."""
        return [NotificationTarget(channel.target, channel.events) for channel in self.channels]


def load_integrations(settings: Settings) -> Integrations:
    """Read the secrets and make hooks and channels. Raises IntegrationsProblem."""
    section = settings.integrations
    try:
        hooks = [
            Webhook(
                name=name,
                url=hook.url,
                secret=hook.secret_file.read_text("utf-8").strip().encode(),
                events=hook.events or frozenset(WEBHOOK_EVENT_NAMES),
                max_tries=hook.tries,
            )
            for name, hook in section.webhooks.items()
        ]
        hooks += _outside_hooks(settings)
    except OSError as exc:
        raise IntegrationsProblem(f"{exc.filename}: {exc.strerror}") from exc
    return Integrations(hooks=hooks, channels=load_channels(settings))


def load_channels(settings: Settings) -> list[NotificationChannel]:
    """The channels of `notify:`, one an address. Raises IntegrationsProblem."""
    try:
        return [
            NotificationChannel(name=f"{name}-{number}", address=address, events=channel.events)
            for name, channel in settings.integrations.notify.items()
            for number, address in enumerate(read_addresses(channel.url_file), start=1)
        ]
    except OSError as exc:
        raise IntegrationsProblem(f"{exc.filename}: {exc.strerror}") from exc


def _outside_hooks(settings: Settings) -> Iterator[Webhook]:
    """Receivers of handed-off cases and broadcasts: signed like webhooks, sent no events."""
    departments = settings.hand_off.items()
    speakers = settings.broadcast.speakers.items()
    sections: list[tuple[str, HandOffSection | SpeakerSection]] = [
        *((f"handoff-{name}", one) for name, one in departments if one.channel == "webhook"),
        *((f"speaker-{name}", one) for name, one in speakers if one.driver == "webhook"),
    ]
    for name, one in sections:
        if one.secret_file is not None:
            secret = one.secret_file.read_text("utf-8").strip().encode()
            yield Webhook(name=name, url=one.url, secret=secret, events=frozenset())


def store_observers(
    integrations: Integrations, meters: Meters, clock: Clock, watcher: RegistryWatcher
) -> list[StoreObserver]:
    """Observers of the store's commits: metrics, and the queue of webhook deliveries."""
    found: list[StoreObserver] = [meters.observe]
    if integrations.hooks:
        found.append(
            WebhookQueue(integrations.hooks, clock.now, PrivateTextMask(watcher.followed)).observe
        )
    return found


def forget_proxies(environment: MutableMapping[str, str]) -> None:
    """Remove `http_proxy` and its like: site.yaml alone says whom the product connects to.

    Apprise's HTTP client and libavformat would follow them; ours do not.
    """
    for name in [name for name in environment if name.lower().endswith("_proxy")]:
        del environment[name]
