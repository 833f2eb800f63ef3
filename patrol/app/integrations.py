"""Who outside MQTT hears of the house's news: webhooks and second channels, their secrets read."""

from collections.abc import Sequence
from dataclasses import dataclass

from patrol.domain.errors import BadInput
from patrol.integrations.notifications import (
    NotificationChannel,
    NotificationTarget,
    read_addresses,
)
from patrol.integrations.webhooks import WEBHOOK_EVENT_NAMES, Webhook, WebhookQueue
from patrol.operations.metrics import Meters
from patrol.ports import Clock
from patrol.settings import Settings
from patrol.store import StoreObserver


class IntegrationsProblem(BadInput):
    """A webhook or a channel can never work as it is configured; one line."""


@dataclass(frozen=True, kw_only=True)
class Integrations:
    """Hooks and channels as the settings name them, their secrets read."""

    hooks: Sequence[Webhook] = ()
    channels: Sequence[NotificationChannel] = ()

    @property
    def targets(self) -> list[NotificationTarget]:
        """The channels among the deliveries."""
        return [NotificationTarget(channel.target, channel.events) for channel in self.channels]


def load_integrations(settings: Settings) -> Integrations:
    """Raises OutwardProblem."""
    outward = settings.integrations
    try:
        hooks = [
            Webhook(
                name=name,
                url=hook.url,
                secret=hook.secret_file.read_text("utf-8").strip().encode(),
                events=hook.events or frozenset(WEBHOOK_EVENT_NAMES),
                max_tries=hook.tries,
            )
            for name, hook in outward.webhooks.items()
        ]
        channels = [
            NotificationChannel(name=f"{name}-{number}", address=address, events=channel.events)
            for name, channel in outward.notify.items()
            for number, address in enumerate(read_addresses(channel.url_file), start=1)
        ]
    except OSError as exc:
        raise IntegrationsProblem(f"{exc.filename}: {exc.strerror}") from exc
    return Integrations(hooks=hooks, channels=channels)


def store_observers(
    integrations: Integrations, meters: Meters, clock: Clock
) -> list[StoreObserver]:
    """What the store of the house is watched by."""
    found: list[StoreObserver] = [meters.observe]
    if integrations.hooks:
        found.append(WebhookQueue(integrations.hooks, clock.now).observe)
    return found
