"""An MQTT broker in memory for tests: keeps retained messages, delivers to subscribers.

It can be taken down, and it can take messages without acknowledging them, as a broker does whose
PUBACK is lost on the way back; it can refuse the messages of some topics, ignore them, or close the
connection at them. Passes the same contract tests as the real publisher.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from patrol.domain.ids import MessageKey
from patrol.domain.outbox import OutboxMessage, PublishRefusal, RefusalKind, topic_problem
from patrol.ports import NotConnected, PublishResult

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
    refuses: dict[str, PublishRefusal] = field(default_factory=dict)  # topic → PUBACK's failure
    ignores: set[str] = field(default_factory=set)  # topics that it never acknowledges
    falls_over: set[str] = field(default_factory=set)  # topics at which the connection ends
    connection_count: int = 1  # grows with every new connection
    _subscribers: list[tuple[str, Subscriber]] = field(default_factory=list)

    def publish(self, messages: Sequence[OutboxMessage], timeout_s: float) -> PublishResult:
        """Publish the messages; say which were acknowledged. Raises NotConnected."""
        if not self.is_up:
            raise NotConnected("the broker in memory is down")
        taken: list[MessageKey] = []
        refused: dict[MessageKey, PublishRefusal] = {}
        unanswered: list[MessageKey] = []
        for number, message in enumerate(messages):
            if problem := topic_problem(message.topic):
                refused[message.key] = PublishRefusal(problem, RefusalKind.IMPOSSIBLE)
            elif message.topic in self.falls_over:
                self.connection_count += 1
                unanswered += [later.key for later in messages[number:]]
                return PublishResult(
                    taken=taken, refused=refused, unanswered=unanswered, ended="hung up"
                )
            elif self.refuse_after == 0:
                self.is_up = False
                return PublishResult(taken=taken, refused=refused, ended="hung up")
            elif message.topic in self.refuses:
                refused[message.key] = self.refuses[message.topic]
            elif self._take(message):
                taken.append(message.key)
            else:
                unanswered.append(message.key)
        return PublishResult(taken=taken, refused=refused, unanswered=unanswered)

    def _take(self, message: OutboxMessage) -> bool:
        """Whether it is acknowledged, too."""
        if message.topic in self.ignores:
            return False
        if self.refuse_after is not None:
            self.refuse_after -= 1
        self.send(message.topic, message.payload, retain=message.retain)
        self.lose_acks, is_lost = max(self.lose_acks - 1, 0), self.lose_acks > 0
        return not is_lost

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
