"""Who outside MQTT hears of the house's news: webhooks and second channels, their secrets read."""

from collections.abc import Sequence
from dataclasses import dataclass

from patrol.dispatch.notices import Target
from patrol.metrics import Meters
from patrol.notify import Channel, read_addresses
from patrol.ports import Clock
from patrol.settings import Settings
from patrol.store import Observer
from patrol.webhooks import EVENTS, Hook, Hooks


class OutwardProblem(Exception):
    """A webhook or a channel can never work as it is configured; one line."""


@dataclass(frozen=True, kw_only=True)
class News:
    """Hooks and channels as the settings name them, their secrets read."""

    hooks: Sequence[Hook] = ()
    channels: Sequence[Channel] = ()

    @property
    def targets(self) -> list[Target]:
        """The channels among the deliveries."""
        return [Target(channel.target, channel.events) for channel in self.channels]


def read_news(settings: Settings) -> News:
    """Raises OutwardProblem."""
    outward = settings.outward
    try:
        hooks = [
            Hook(
                name=name,
                url=hook.url,
                secret=hook.secret_file.read_text("utf-8").strip().encode(),
                events=hook.events or frozenset(EVENTS),
                most_tries=hook.tries,
            )
            for name, hook in outward.webhooks.items()
        ]
        channels = [
            Channel(name=f"{name}-{number}", address=address, events=channel.events)
            for name, channel in outward.notify.items()
            for number, address in enumerate(read_addresses(channel.url_file), start=1)
        ]
    except OSError as exc:
        raise OutwardProblem(f"{exc.filename}: {exc.strerror}") from exc
    return News(hooks=hooks, channels=channels)


def observers(news: News, meters: Meters, clock: Clock) -> list[Observer]:
    """What the store of the house is watched by."""
    watching: list[Observer] = [meters.observe]
    if news.hooks:
        watching.append(Hooks(news.hooks, clock.now).observe)
    return watching
