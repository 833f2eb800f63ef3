"""Notifications on second channels (a text message, WeCom, DingTalk, mail): who was not reached.

One is queued when the acknowledgement limit of a case ran out and not even the device of the person
concerned has confirmed the message: a person's silence is the escalation's affair, a telephone's
silence is this module's. And when the canary fails. Text only: no picture, no household.

`AppriseSender` hands queued notifications to one address (an optional extra, `pip install
'patrol[notify]'`; the only importer of apprise). Addresses are Apprise's URLs; they hold tokens and
passwords, live in a file of their own and never print. `{phone}` and `{person}` in one are filled
with the person concerned, so that a gateway for text messages reaches the leader; without such a
placeholder it is a fixed group or mailbox.
"""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import structlog

from patrol.domain.case import Case
from patrol.domain.escalation import current_rung
from patrol.domain.ids import CaseId
from patrol.domain.outbox import Delivery, DeliveryState, OutboxMessage
from patrol.domain.registry import Registry
from patrol.integrations.delivery_worker import SendOutcome, SendResult
from patrol.review.alarms import ReviewAlarm
from patrol.store import Store, UnitOfWork

if TYPE_CHECKING:
    from apprise import Apprise


log = structlog.get_logger(__name__)

UNREACHED, ALARM, UNREVIEWED, REMINDER = "unheard", "alarm", "unreviewed", "reminder"
NOTIFICATION_LIFETIME: Final = timedelta(hours=24)
_PLACEHOLDERS: Final = ("phone", "person")
_UNRECEIVED_STATES: Final = (
    DeliveryState.QUEUED, DeliveryState.PUBLISHED, DeliveryState.EXPIRED, DeliveryState.QUARANTINED,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One notification and the person concerned, whose telephone number a channel may need."""

    key: str
    event: str
    title: str
    body: str
    person: str = ""
    phone: str = ""
    case: CaseId | None = None


@dataclass(frozen=True, slots=True)
class NotificationTarget:
    """A channel's name among the deliveries, and the events that it gets."""

    name: str
    events: frozenset[str]


def queue_notification(
    uow: UnitOfWork,
    notification: Notification,
    targets: Sequence[NotificationTarget],
    now: datetime,
) -> int:
    """Queue it for every target that gets its event, in the caller's transaction; how many."""
    body = {
        "title": notification.title,
        "body": notification.body,
        "person": notification.person,
        "phone": notification.phone,
    }
    payload = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
    wanted = [target for target in targets if notification.event in target.events]
    for target in wanted:
        uow.deliveries.add(
            Delivery(
                key=notification.key,
                target=target.name,
                event=notification.event,
                payload=payload,
                queued_at=now,
                due_at=now,
                expires_at=now + NOTIFICATION_LIFETIME,
                case=notification.case,
            )
        )
    return len(wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreachedNotifier:
    """Finds cases that no device received. Runs right before the escalator moves them up."""

    store: Store
    registry: Registry
    targets: Sequence[NotificationTarget]

    def run_due(self, now: datetime) -> int:
        """Queue one per due case that was not received; how many. Raises StoreUnavailable."""
        with self.store.begin_read() as uow:
            due = [case.id for case in uow.cases.escalation_due(now)] if self.targets else []
        return sum(self._notify_if_unreached(case_id, now) for case_id in due)

    def _notify_if_unreached(self, case_id: CaseId, now: datetime) -> bool:
        with self.store.begin() as uow:
            case = uow.cases.get(case_id)
            if case.ladder_due_at is None or now < case.ladder_due_at:
                return False  # an answer came meanwhile
            topic_part = f"/grid/{current_rung(case).grid}/"
            sent = [m for m in uow.outbox.of_case(case.id) if topic_part in m.topic and m.payload]
            if not sent or sent[-1].state not in _UNRECEIVED_STATES:
                return False
            queue_notification(uow, self._notification(case, sent[-1]), self.targets, now)
            uow.commit()
        log.warning("not received within its clock", case=case.id, rung=case.rung)
        return True

    def _notification(self, case: Case, sent: OutboxMessage) -> Notification:
        step = current_rung(case)
        person = self.registry.people.get(step.person)
        who = f"{person.name}（{person.id}）" if person else f"网格 {step.grid}"
        state = "代理尚未收到" if sent.state is not DeliveryState.PUBLISHED else "手机尚未收到"
        summary = str(json.loads(sent.payload).get("summary", case.id))
        return Notification(
            key=f"{case.id}-rung{case.rung}-r{case.revision}-unheard",
            event=UNREACHED,
            title=f"【巡查推送未送达】{case.id}",
            body=f"{summary}\n{who}：{state}，请电话联系。",
            person=str(step.person),
            phone=person.phone if person else "",
            case=case.id,
        )


def queue_review_alarm(
    targets: Sequence[NotificationTarget],
) -> Callable[[UnitOfWork, ReviewAlarm, datetime], int]:
    """The queue of review alarms (review/alarms.py) on these channels."""

    def queue(uow: UnitOfWork, alarm: ReviewAlarm, now: datetime) -> int:
        notification = Notification(
            key=alarm.key,
            event=UNREVIEWED,
            title=alarm.title,
            body=alarm.body,
            person=alarm.recipient.person,
            phone=alarm.recipient.phone,
        )
        return queue_notification(uow, notification, targets, now)

    return queue


class ChannelUnusable(Exception):
    """The channel cannot work as it is configured; says what to change, without the address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationChannel:
    """One address; `name` is its section's, with its number where there are several."""

    name: str
    address: str = field(repr=False)
    events: frozenset[str]

    @property
    def target(self) -> str:
        """Its name among the deliveries."""
        return f"notify:{self.name}"


def read_addresses(path: Path) -> list[str]:
    """The addresses of a file, one a line, `#` before comments. Raises OSError."""
    lines = (line.strip() for line in path.read_text("utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


class AppriseSender:
    """Sends notifications to one channel. Raises ChannelUnusable when it is made."""

    def __init__(self, channel: NotificationChannel) -> None:
        self._channel = channel
        # Apprise's own log lines quote what a server answered, and some quote the address.
        logging.getLogger("apprise").setLevel(logging.CRITICAL)
        self._opened(_fill_placeholders(channel.address, {"phone": "13800000000", "person": "x"}))

    def send(self, delivery: Delivery) -> SendResult:
        """Hand one notification to the channel; a SendDelivery of the delivery worker."""
        notice = json.loads(delivery.payload)
        values = {placeholder: str(notice.get(placeholder, "")) for placeholder in _PLACEHOLDERS}
        if missing := self.unfilled(values):
            return SendResult(
                SendOutcome.NEVER, f"people.csv: no {missing[0]} for {values['person'] or '?'}"
            )
        apprise = self._opened(_fill_placeholders(self._channel.address, values))
        if apprise.notify(title=str(notice["title"]), body=str(notice["body"])):
            return SendResult(SendOutcome.TAKEN)
        return SendResult(SendOutcome.LATER, "the service did not take it")

    def unfilled(self, values: Mapping[str, str]) -> list[str]:
        """The placeholders of its address for which `values` has nothing."""
        return [name for name in _placeholders_in(self._channel.address) if not values.get(name)]

    def _opened(self, address: str) -> "Apprise":
        try:
            from apprise import Apprise, AppriseAsset  # noqa: PLC0415  an optional extra
        except ImportError:
            raise ChannelUnusable("apprise is missing, pip install 'patrol[notify]'") from None
        # No redirects: the file of addresses alone says where notifications go. Without a storage
        # path Apprise keeps what it learns in memory.
        apprise = Apprise(asset=AppriseAsset(http_redirects=False))
        if not apprise.add(address):
            raise ChannelUnusable(f"notify.{self._channel.name}: its address is none of Apprise's")
        return apprise


def _placeholders_in(address: str) -> Sequence[str]:
    return [placeholder for placeholder in _PLACEHOLDERS if f"{{{placeholder}}}" in address]


def _fill_placeholders(address: str, values: dict[str, str]) -> str:
    for placeholder, value in values.items():
        address = address.replace(f"{{{placeholder}}}", quote(value, safe=""))
    return address
