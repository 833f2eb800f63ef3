"""Outgoing messages and what came of them: the MQTT outbox, HTTP deliveries, dead letters. Pure.

An `OutboxMessage` is queued in the transaction of the change that it announces, under a key that is
queued once, ever; messaging/outbox_relay.py publishes it, replies move its state by
`MESSAGE_TRANSITIONS`. One that the broker refuses is tried again with growing pauses and then lies
in quarantine with the reason, until a person retries or drops it; later messages of other topics
never wait for it. A `Delivery` is the same for one HTTP target (integrations/): tried with growing
pauses, dead after MAX_TRIES or when its time is over, with the reason.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum, auto
from typing import Any, Final, Literal, get_args

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
FIRST_REFUSAL_DELAY: Final = timedelta(seconds=1)  # of a message that the broker refused
MAX_REFUSAL_DELAY: Final = timedelta(minutes=10)
MAX_TOPIC_BYTES: Final = 65_535  # MQTT 5, 1.5.4: the length of a UTF-8 string has two bytes


class DeliveryState(StrEnum):
    """State of an outgoing message; the values are public: in the API and the store."""

    QUEUED = auto()
    PUBLISHED = auto()  # the broker acknowledged it (PUBACK)
    RECEIVED = auto()  # the leader's device said so
    OPENED = auto()
    ACKNOWLEDGED = auto()
    OVERDUE = auto()  # no answer in time; another message went to the next person
    EXPIRED = auto()  # no longer worth sending
    QUARANTINED = auto()  # the broker does not take it; waits for a person


class DeliveryEvent(StrEnum):
    """What moves the state of an outgoing message."""

    BROKER_TOOK_IT = auto()
    DEVICE_HAS_IT = auto()
    PERSON_OPENED = auto()
    PERSON_ANSWERED = auto()
    NO_ANSWER = auto()
    TOO_OLD = auto()
    BROKER_REFUSES_IT = auto()  # for the last time
    PERSON_RETRIES = auto()
    PERSON_DROPS = auto()


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
    (_S.QUEUED, _E.BROKER_REFUSES_IT): _S.QUARANTINED,
    (_S.QUARANTINED, _E.PERSON_RETRIES): _S.QUEUED,
    (_S.QUARANTINED, _E.PERSON_DROPS): _S.EXPIRED,
    (_S.QUEUED, _E.PERSON_DROPS): _S.EXPIRED,
}


# Field for the time of the first such event; a repeat changes nothing.
EVENT_TIME_FIELDS: Mapping[DeliveryEvent, str] = {
    _E.BROKER_TOOK_IT: "published_at",
    _E.DEVICE_HAS_IT: "received_at",
    _E.PERSON_OPENED: "opened_at",
    _E.PERSON_ANSWERED: "answered_at",
}


class RefusalKind(StrEnum):
    """How certain it is that a refused message itself is at fault: so often it is tried."""

    IMPOSSIBLE = auto()  # cannot be sent as it is: no broker, or not this one, can take it
    MESSAGE = auto()  # this broker names the message as the reason, or falls over it alone
    BROKER = auto()  # rights, a quota: may be put right at the broker
    UNPROVEN = auto()  # nothing else was taken meanwhile: the broker itself may be at fault


# With pauses of 1 s, doubled to 10 minutes: at once, after 7 s, after 9 minutes, never.
MAX_REFUSALS: Final[Mapping[RefusalKind, int | None]] = {
    RefusalKind.IMPOSSIBLE: 1,
    RefusalKind.MESSAGE: 4,
    RefusalKind.BROKER: 10,
    RefusalKind.UNPROVEN: None,
}


@dataclass(frozen=True, slots=True)
class PublishRefusal:
    """Why a broker did not take a message, as text for a person, and how certain that is."""

    reason: str
    kind: RefusalKind


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
    tries: int = 0  # that the broker refused
    due_at: datetime | None = None  # of the next try after a refusal; None: at once
    problem: str = ""  # of the last refusal
    order: int = 0  # given by the store: messages of one topic leave in this order

    def refused(self, refusal: PublishRefusal, now: datetime) -> "OutboxMessage":
        """The message after a refusal: due later, or in quarantine when that was the last try.

        One that expires before another try is not kept for a person, it expires.
        """
        tries, most = self.tries + 1, MAX_REFUSALS[refusal.kind]
        due_at = now + backoff(tries, FIRST_REFUSAL_DELAY, MAX_REFUSAL_DELAY)
        is_last = most is not None and tries >= most
        state, next_due_at = self.state, None if is_last else due_at
        if self.expires_at is not None and (is_last or due_at >= self.expires_at):
            state, next_due_at = DeliveryState.EXPIRED, None
        elif is_last:
            state = DeliveryState.QUARANTINED
        return replace(self, state=state, tries=tries, due_at=next_due_at, problem=refusal.reason)


def topic_problem(topic: str) -> str:
    """Why nothing can be published on this topic; empty when it can.

    MQTT 5 and 3.1.1, sections 1.5.4 and 4.7: a topic name has 1 to 65,535 bytes of UTF-8 without
    NUL, no wildcard, no surrogate; control characters and non-characters may end the connection.
    """
    if not topic:
        return "the topic is empty"
    try:
        size_bytes = len(topic.encode())
    except UnicodeEncodeError:
        return "the topic is no valid UTF-8"
    if size_bytes > MAX_TOPIC_BYTES:
        return f"the topic has {size_bytes} bytes, {MAX_TOPIC_BYTES} at most"
    wrong = next((letter for letter in topic if _is_forbidden(letter)), None)
    return "" if wrong is None else f"the topic has {wrong!r} in it, which no topic may have"


def _is_forbidden(letter: str) -> bool:
    """Wildcards, control characters, Unicode's non-characters."""
    number = ord(letter)
    is_control = number <= 0x1F or 0x7F <= number <= 0x9F  # noqa: PLR2004  also DEL
    is_no_character = 0xFDD0 <= number <= 0xFDEF or number & 0xFFFE == 0xFFFE  # noqa: PLR2004
    return letter in "+#" or is_control or is_no_character


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


def payload_object(payload: bytes) -> Mapping[str, Any]:
    """The JSON object of a message; an empty one where it is none, or its nesting has no end.

    For those who only look for a field; replies are read by messaging/reply_parser.py.
    """
    try:
        return read_object(payload, len(payload))
    except ValueError:
        return {}


def read_object(payload: bytes, largest_bytes: int) -> Mapping[str, Any]:
    """The JSON object of a message. Raises ValueError, whose text says what is wrong with it."""
    if len(payload) > largest_bytes:
        raise ValueError(f"has {len(payload)} bytes, at most {largest_bytes}")
    try:
        body = json.loads(payload)
    except (ValueError, RecursionError):  # the latter: brackets within brackets
        raise ValueError("is no JSON") from None
    if not isinstance(body, dict):
        raise ValueError("is no JSON object")  # noqa: TRY004  of what came, not of our call
    return body
