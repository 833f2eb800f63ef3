"""An MQTT broker in memory for tests: keeps retained messages, delivers to subscribers.

It can be taken down, and it can take messages without acknowledging them, as a broker does whose
PUBACK is lost on the way back. Passes the same contract tests as the real publisher.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from patrol.domain.ids import MessageKey
from patrol.domain.outbox import OutboxMessage
from patrol.ports import NotConnected

Subscriber = Callable[[str, bytes], None]


def matches(pattern: str, topic: str) -> bool:
    """Whether an MQTT topic filter matches this topic."""
    wanted, given = pattern.split("/"), topic.split("/")
    for index, level in enumerate(wanted):
        if level == "#":
            return True
        if index >= len(given) or level not in ("+", given[index]):
            return False
    return len(wanted) == len(given)


@dataclass
class MemoryBroker:
    """A `patrol.ports.Publisher` and its broker; subscribers run on the calling thread."""

    is_up: bool = True
    retained: dict[str, bytes] = field(default_factory=dict)
    published: list[tuple[str, bytes]] = field(default_factory=list)
    lose_acks: int = 0  # of the next messages: taken, delivered, and not acknowledged
    refuse_after: int | None = None  # the connection breaks after so many more messages
    connection_count: int = 1  # grows with every new connection
    _subscribers: list[tuple[str, Subscriber]] = field(default_factory=list)

    def publish(
        self,
        messages: Sequence[OutboxMessage],
        timeout_s: float,
    ) -> Sequence[MessageKey]:
        """Publish the messages; return the keys of those acknowledged. Raises NotConnected."""
        if not self.is_up:
            raise NotConnected("the broker in memory is down")
        taken: list[MessageKey] = []
        for message in messages:
            if self.refuse_after == 0:
                self.is_up = False
                break
            if self.refuse_after is not None:
                self.refuse_after -= 1
            self.send(message.topic, message.payload, retain=message.retain)
            if self.lose_acks:
                self.lose_acks -= 1
            else:
                taken.append(message.key)
        return taken

    def restart(self, *, loses_retained: bool) -> None:
        """Come up again after a kill, perhaps without retained messages; subscribers stay."""
        self.is_up, self.refuse_after = True, None
        self.connection_count += 1
        if loses_retained:
            self.retained.clear()

    def send(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish one message as any client would."""
        self.published.append((topic, payload))
        if retain:
            self.retained[topic] = payload
            if not payload:
                del self.retained[topic]
        for pattern, subscriber in list(self._subscribers):
            if matches(pattern, topic):
                subscriber(topic, payload)

    def subscribe(self, pattern: str, subscriber: Subscriber) -> None:
        """Deliver retained messages that match at once, later ones as they come."""
        self._subscribers.append((pattern, subscriber))
        for topic, payload in list(self.retained.items()):
            if matches(pattern, topic):
                subscriber(topic, payload)
