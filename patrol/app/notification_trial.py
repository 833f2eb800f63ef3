"""A trial of the notification channels: one test message by each, sent at once, not by the queue.

`patrol notify test` asks for it. Nothing is stored, so it needs no database and no service. The
message says that it is a test; it names the site and who sent it, no camera and no household.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from patrol.domain.outbox import Delivery
from patrol.integrations.delivery_worker import SendOutcome
from patrol.integrations.notifications import (
    AppriseSender,
    ChannelUnusable,
    NotificationChannel,
    read_addresses,
)
from patrol.settings import Settings

TRIAL_EVENT: Final = "test"
_LIFETIME: Final = timedelta(minutes=1)  # it is sent at once or not at all


class TrialOutcome(StrEnum):
    """What became of the test message of one channel; the values are public."""

    SENT = "sent"  # the service took it; whether somebody reads it is for that person to say
    FAILED = "failed"  # unreachable, refused, or it did not answer in time
    SKIPPED = "skipped"  # its address needs a person's number, and none was given
    UNUSABLE = "unusable"  # as configured it can never work; `patrol check` says so, too


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialMessage:
    """The words of the test message, and the person whose number fills `{phone}`, if any."""

    title: str
    body: str
    person: str = ""
    phone: str = ""
    sent_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """One channel's outcome; `problem` says why it was not sent, without the address."""

    notifier: str
    outcome: TrialOutcome
    problem: str = ""


def sections_without_address(settings: Settings) -> Iterator[TrialResult]:
    """A result for every section of `notify:` whose file holds no address. Raises OSError."""
    for name, section in settings.integrations.notify.items():
        if not read_addresses(section.url_file):
            problem = f"{section.url_file} holds no address, write one a line"
            yield TrialResult(notifier=name, outcome=TrialOutcome.UNUSABLE, problem=problem)


def unusable_channels(channels: Sequence[NotificationChannel]) -> Iterator[TrialResult]:
    """A result for every channel that `patrol run` would refuse; nothing is sent."""
    for channel in channels:
        try:
            AppriseSender(channel)
        except ChannelUnusable as exc:
            yield _unusable(channel, exc)


def try_channels(
    channels: Sequence[NotificationChannel], message: TrialMessage
) -> Iterator[TrialResult]:
    """Send the message by every channel, one after the other; a result as soon as each is known.

    A channel that does not answer takes as long as Apprise waits for it, some 8 seconds.
    """
    for channel in channels:
        yield _try_channel(channel, message)


def _try_channel(channel: NotificationChannel, message: TrialMessage) -> TrialResult:
    try:
        sender = AppriseSender(channel)
    except ChannelUnusable as exc:
        return _unusable(channel, exc)
    if missing := sender.unfilled({"person": message.person, "phone": message.phone}):
        problem = f"its address has {{{missing[0]}}}: name somebody with --person ID"
        return TrialResult(notifier=channel.name, outcome=TrialOutcome.SKIPPED, problem=problem)
    sent = sender.send(_delivery(channel, message))
    outcome = TrialOutcome.SENT if sent.outcome is SendOutcome.TAKEN else TrialOutcome.FAILED
    return TrialResult(notifier=channel.name, outcome=outcome, problem=sent.problem)


def _unusable(channel: NotificationChannel, reason: ChannelUnusable) -> TrialResult:
    return TrialResult(notifier=channel.name, outcome=TrialOutcome.UNUSABLE, problem=str(reason))


def _delivery(channel: NotificationChannel, message: TrialMessage) -> Delivery:
    body = {
        "title": message.title,
        "body": message.body,
        "person": message.person,
        "phone": message.phone,
    }
    return Delivery(
        key=f"{TRIAL_EVENT}-{channel.name}",
        target=channel.target,
        event=TRIAL_EVENT,
        payload=json.dumps(body, ensure_ascii=False).encode(),
        queued_at=message.sent_at,
        due_at=message.sent_at,
        expires_at=message.sent_at + _LIFETIME,
    )
