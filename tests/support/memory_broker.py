"""A broker in memory: fulfils ports.Publisher, keeps retained messages, delivers to subscribers.

It can be taken down, and it can take messages without acknowledging them, as a broker does whose
PUBACK is lost on the way back.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from patrol.domain.ids import MessageKey
from patrol.domain.outbox import OutboxMessage
from patrol.ports import NotConnected

Subscriber = Callable[[str, bytes], None]


def matches(pattern: str, topic: str) -> bool:
    """Whether an MQTT topic filter takes this topic."""
    wanted, given = pattern.split("/"), topic.split("/")
    for index, level in enumerate(wanted):
        if level == "#":
            return True
        if index >= len(given) or level not in ("+", given[index]):
            return False
    return len(wanted) == len(given)


@dataclass
class MemoryBroker:
    """One broker; `publish` on the calling thread, subscribers called in order."""

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
        """See ports.Publisher; nothing here takes time."""
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
        """Up again after a kill, perhaps with nothing in its memory; subscribers come back."""
        self.is_up, self.refuse_after = True, None
        self.connection_count += 1
        if loses_retained:
            self.retained.clear()

    def send(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """What any client would publish."""
        self.published.append((topic, payload))
        if retain:
            self.retained[topic] = payload
            if not payload:
                del self.retained[topic]
        for pattern, subscriber in list(self._subscribers):
            if matches(pattern, topic):
                subscriber(topic, payload)

    def subscribe(self, pattern: str, subscriber: Subscriber) -> None:
        """Hear retained messages at once, others as they come."""
        self._subscribers.append((pattern, subscriber))
        for topic, payload in list(self.retained.items()):
            if matches(pattern, topic):
                subscriber(topic, payload)
