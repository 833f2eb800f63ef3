"""Messages that the broker does not take: what health says of them, and a person's retry or drop.

The relay refuses and quarantines them (outbox_relay.py); `/healthz`, the system page and
`patrol health` say so here; `patrol deliveries` retries or drops one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from patrol.domain.errors import BadInput
from patrol.domain.ids import MessageKey
from patrol.domain.outbox import DeliveryEvent, DeliveryState, OutboxMessage, topic_problem
from patrol.store import UnitOfWork

NAMED_AT_MOST: Final = 3  # in one line of text


class NotRefused(BadInput):
    """There is no such message, or a retry cannot help it; says what would."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedMessages:
    """How many messages the broker refuses just now, and the first of them."""

    retrying: int  # refused, and tried again later
    quarantined: int  # given up: a person retries or drops them
    first: Sequence[OutboxMessage]

    @property
    def text(self) -> str:
        """One line for a person; empty when the broker takes everything."""
        if not self.retrying + self.quarantined:
            return ""
        named = "; ".join(f"{m.key} on {m.topic[:120]}: {m.problem}" for m in self.first)
        return (
            f"the broker refuses {self.retrying + self.quarantined} messages,"
            f" {self.quarantined} of them are given up: {named}"
            " (`patrol deliveries list`, then retry or drop)"
        )


def read_refused(uow: UnitOfWork) -> RefusedMessages:
    """What the broker refuses, quarantined messages first."""
    retrying, quarantined = uow.outbox.count_refused()
    first: list[OutboxMessage] = []
    if retrying or quarantined:
        first = [
            *uow.outbox.quarantined(limit=NAMED_AT_MOST),
            *uow.outbox.refused(limit=NAMED_AT_MOST),
        ][:NAMED_AT_MOST]
    return RefusedMessages(retrying=retrying, quarantined=quarantined, first=first)


def retry_refused(uow: UnitOfWork, key: MessageKey, now: datetime) -> None:
    """Let the relay try a refused message again, from the start. Raises NotRefused."""
    message = _refused_message(uow, key)
    if problem := retry_problem(uow, message):
        raise NotRefused(f"{key}: {problem}; drop it")
    if message.state is DeliveryState.QUARANTINED:
        uow.outbox.apply_event([key], DeliveryEvent.PERSON_RETRIES, now)
    else:
        uow.outbox.hurry(key)


def retry_problem(uow: UnitOfWork, message: OutboxMessage) -> str:
    """Why a retry cannot help this message; empty when it can."""
    if problem := topic_problem(message.topic):
        return f"no broker can take it, {problem}"
    if message.retain and uow.outbox.has_newer(message):
        return "a newer message of its topic has gone out or waits"
    return ""


def drop_refused(uow: UnitOfWork, key: MessageKey, *, by: str, why: str, now: datetime) -> None:
    """Give a refused message up for good, with the reason. Raises NotRefused."""
    message = _refused_message(uow, key)
    uow.outbox.apply_event([key], DeliveryEvent.PERSON_DROPS, now)
    uow.outbox.note_problem(key, f"{message.problem}; dropped by {by}: {why}")


def _refused_message(uow: UnitOfWork, key: MessageKey) -> OutboxMessage:
    message = uow.outbox.find(key)
    if message is not None:
        if message.state is DeliveryState.QUARANTINED:
            return message
        if message.state is DeliveryState.QUEUED and message.tries:
            return message
    raise NotRefused(f"{key}: no broker refused such a message, `patrol deliveries list` has them")
