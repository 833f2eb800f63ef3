"""Outgoing messages and what came of them: the MQTT outbox, HTTP deliveries, dead letters. Pure.

An `OutboxMessage` is queued in the transaction of the change that it announces, under a key that is
queued once, ever; messaging/outbox_relay.py publishes it, replies move its state by
`MESSAGE_TRANSITIONS`. A `Delivery` is the same for one HTTP target (integrations/): tried with
growing pauses, dead after MAX_TRIES or when its time is over, with the reason.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum, auto
from typing import Final, Literal, get_args

from patrol.domain.backoff import backoff
from patrol.domain.ids import CaseId, MessageKey

# Topic suffix of the test leader, beside and not below the grids': its messages pass the whole
# path, a subscriber of all grids does not receive them, and no statistics count them.
CANARY_TOPIC: Final = "/canary/case"

WebhookEvent = Literal[
    "round.started", "round.finished", "round.interrupted", "round.missed",
    "finding.opened", "finding.decided", "case.opened", "case.moved",
]  # fmt: skip
WEBHOOK_EVENT_NAMES: Final[tuple[WebhookEvent, ...]] = get_args(WebhookEvent)

FIRST_RETRY_DELAY: Final = timedelta(seconds=10)
MAX_RETRY_DELAY: Final = timedelta(hours=1)
MAX_TRIES: Final = 12  # with these pauses about five hours: a server's update, a night's outage


class DeliveryState(StrEnum):
    """State of an outgoing message; the values are public: in the API and the store."""

    QUEUED = auto()
    PUBLISHED = auto()  # the broker acknowledged it (PUBACK)
    RECEIVED = auto()  # the leader's device said so
    OPENED = auto()
    ACKNOWLEDGED = auto()
    OVERDUE = auto()  # no answer in time; another message went to the next person
    EXPIRED = auto()  # no longer worth sending


class DeliveryEvent(StrEnum):
    """What moves the state of an outgoing message."""

    BROKER_TOOK_IT = auto()
    DEVICE_HAS_IT = auto()
    PERSON_OPENED = auto()
    PERSON_ANSWERED = auto()
    NO_ANSWER = auto()
    TOO_OLD = auto()


_S, _E = DeliveryState, DeliveryEvent
MESSAGE_TRANSITIONS: Mapping[tuple[DeliveryState, DeliveryEvent], DeliveryState] = {
    (_S.QUEUED, _E.BROKER_TOOK_IT): _S.PUBLISHED,
    (_S.QUEUED, _E.DEVICE_HAS_IT): _S.RECEIVED,  # an answer can outrun our own mark
    (_S.QUEUED, _E.PERSON_OPENED): _S.OPENED,
    (_S.QUEUED, _E.PERSON_ANSWERED): _S.ACKNOWLEDGED,
    (_S.QUEUED, _E.TOO_OLD): _S.EXPIRED,
    (_S.PUBLISHED, _E.DEVICE_HAS_IT): _S.RECEIVED,
    (_S.PUBLISHED, _E.PERSON_OPENED): _S.OPENED,
    (_S.PUBLISHED, _E.PERSON_ANSWERED): _S.ACKNOWLEDGED,
    (_S.PUBLISHED, _E.NO_ANSWER): _S.OVERDUE,
    (_S.RECEIVED, _E.PERSON_OPENED): _S.OPENED,
    (_S.RECEIVED, _E.PERSON_ANSWERED): _S.ACKNOWLEDGED,
    (_S.RECEIVED, _E.NO_ANSWER): _S.OVERDUE,
    (_S.OPENED, _E.PERSON_ANSWERED): _S.ACKNOWLEDGED,
    (_S.OPENED, _E.NO_ANSWER): _S.OVERDUE,
    (_S.OVERDUE, _E.PERSON_ANSWERED): _S.ACKNOWLEDGED,  # late is still an answer
    (_S.RECEIVED, _E.BROKER_TOOK_IT): _S.RECEIVED,  # ... and our mark may come last
    (_S.OPENED, _E.BROKER_TOOK_IT): _S.OPENED,
    (_S.ACKNOWLEDGED, _E.BROKER_TOOK_IT): _S.ACKNOWLEDGED,
}


# Field for the time of the first such event; a repeat changes nothing.
EVENT_TIME_FIELDS: Mapping[DeliveryEvent, str] = {
    _E.BROKER_TOOK_IT: "published_at",
    _E.DEVICE_HAS_IT: "received_at",
    _E.PERSON_OPENED: "opened_at",
    _E.PERSON_ANSWERED: "answered_at",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxMessage:
    """One MQTT message to publish; `key` is queued at most once, ever."""

    key: MessageKey
    topic: str
    payload: bytes  # empty and retained: clears the topic
    queued_at: datetime
    retain: bool = False
    case: CaseId | None = None
    expires_at: datetime | None = None
    state: DeliveryState = DeliveryState.QUEUED
    tried_at: datetime | None = None  # first leased by a relay
    published_at: datetime | None = None  # the broker's PUBACK
    received_at: datetime | None = None
    opened_at: datetime | None = None
    answered_at: datetime | None = None
    order: int = 0  # given by the store: messages of one topic leave in this order


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """An incoming message that was refused, with the reason."""

    at: datetime
    topic: str
    reason: str
    payload: bytes  # the first 4 KiB
    size_bytes: int


class DeliveryOutcome(StrEnum):
    """Outcome of a delivery; the values are public (`patrol deliveries`)."""

    WAITING = auto()
    DELIVERED = auto()
    DEAD = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event for one target, e.g. `webhook:county`, `notify:duty`."""

    key: str  # of the event; (target, key) is queued once
    target: str
    event: str
    payload: bytes
    queued_at: datetime
    due_at: datetime  # of the next try
    expires_at: datetime | None = None
    case: CaseId | None = None
    tries: int = 0
    outcome: DeliveryOutcome = DeliveryOutcome.WAITING
    problem: str = ""  # of the last try
    ended_at: datetime | None = None

    def delivered(self, now: datetime) -> "Delivery":
        """The delivery after the target accepted it."""
        return replace(
            self, outcome=DeliveryOutcome.DELIVERED, tries=self.tries + 1, problem="", ended_at=now
        )

    def refused(self, problem: str, now: datetime) -> "Delivery":
        """The delivery after the target refused it for good: dead."""
        return replace(
            self, outcome=DeliveryOutcome.DEAD, tries=self.tries + 1, problem=problem, ended_at=now
        )

    def failed(self, problem: str, now: datetime, max_tries: int = MAX_TRIES) -> "Delivery":
        """The delivery after a failed try: due later, or dead when that was the last one."""
        tries = self.tries + 1
        due_at = now + backoff(tries, FIRST_RETRY_DELAY, MAX_RETRY_DELAY)
        if tries >= max_tries:
            return self.refused(f"{problem}; given up after {tries} tries", now)
        if self.has_expired(due_at):
            return self.refused(f"{problem}; its time is over before another try", now)
        return replace(self, tries=tries, due_at=due_at, problem=problem)

    def expired(self, now: datetime) -> "Delivery":
        """The delivery after its time: dead."""
        problem = f"{self.problem}; its time is over".lstrip("; ")
        return replace(self, outcome=DeliveryOutcome.DEAD, problem=problem, ended_at=now)

    def has_expired(self, now: datetime) -> bool:
        """Whether its time is over."""
        return self.expires_at is not None and now >= self.expires_at
