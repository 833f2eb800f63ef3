"""Canary: an hourly case to a test leader, over the whole path that real cases take.

Outbox → relay → broker → the test leader's own connection → its answer on a reply topic → our inbox
→ the receipt in the store. When it does not come back in time, some part of that path is dead,
whatever each part reports of itself: an alarm in the log, in the metrics, in /healthz, on the
second channel. Its topics lie beside the grids' and it has no row among the cases: nothing counts
it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import structlog

from patrol.domain.ids import CaseId, MessageKey
from patrol.domain.outbox import DeliveryEvent, DeliveryState, OutboxMessage, payload_object
from patrol.domain.stored_texts import stored_zh
from patrol.domain.timestamps import rfc3339
from patrol.integrations.notifications import (
    ALARM,
    Notification,
    NotificationTarget,
    queue_notification,
)
from patrol.messaging.payloads import encode_payload
from patrol.messaging.topics import VERSION, canary_topics
from patrol.store import Store

log = structlog.get_logger(__name__)

RETRY_AFTER: Final = timedelta(minutes=5)  # while it fails: so that a recovery is noticed soon
_FAILURE_REASONS: Final = {
    DeliveryState.QUEUED: "it still waits in the outbox: the broker is not reached",
    DeliveryState.EXPIRED: "the broker was not reached in time",
    DeliveryState.PUBLISHED: "the broker took it and no answer came back to the inbox",
}


@dataclass(frozen=True, slots=True)
class _CanaryInFlight:
    key: MessageKey
    sent_at: datetime
    sent_s: float | None  # monotonic


@dataclass
class Canary:
    """Sends canaries and judges them; ticked by the scheduler, fed with replies by the inbox."""

    store: Store
    site: str
    every: timedelta = timedelta(hours=1)
    within: timedelta = timedelta(seconds=60)
    targets: Sequence[NotificationTarget] = ()
    on_queued: Callable[[], None] = lambda: None  # wakes the relay
    failing: str = ""  # why the last one did not come back; empty while they do
    last_return: datetime | None = None
    round_trip_s: float | None = None
    sent: int = 0
    lost: int = 0
    _flight: _CanaryInFlight | None = None
    _returned: dict[MessageKey, datetime] = field(default_factory=dict)

    @property
    def filters(self) -> tuple[str, ...]:
        """The topics that the inbox subscribes to for it."""
        return (canary_topics(self.site)[1],)

    def tick(self, now: datetime, now_s: float | None = None) -> None:
        """Send when it is due, judge the one in flight. Raises StoreUnavailable, StoreFull.

        `now_s`: the monotonic clock, which times the flight; without it `now` does.
        """
        flight = self._flight
        if flight is None:
            self._send(now, now_s)
            return
        flown = _flown(flight, now, now_s)
        message = self._message(flight)
        if message.state is DeliveryState.ACKNOWLEDGED:
            self._came_back(flight, now)
        elif flown >= self.within:
            reason = _FAILURE_REASONS.get(message.state, f"it is {message.state}")
            self._did_not_return(flight, message.problem or reason, now)
        if flown >= (RETRY_AFTER if self.failing else self.every):
            self._send(now, now_s)

    def handle_reply(self, topic: str, payload: bytes, now: datetime) -> bool:
        """Whether the message was the test leader's; if so, its receipt is in the store."""
        sent_on, answered_on = canary_topics(self.site)
        if topic != answered_on:
            return False
        key = _answered_key(payload)
        with self.store.begin() as uow:
            about = uow.outbox.of_case(CaseId(key)) if key else ()
            ours = [message.key for message in about if message.topic == sent_on]
            if ours and uow.inbox.remember_key(MessageKey(f"canary/{key}"), now):
                uow.outbox.apply_event(ours, DeliveryEvent.PERSON_ANSWERED, now)
                self._returned[MessageKey(key)] = now
                uow.commit()
        return True

    def _send(self, now: datetime, now_s: float | None) -> None:
        key = MessageKey(f"canary-{now:%Y%m%dT%H%M%S%f}")
        message = OutboxMessage(
            key=key,
            topic=canary_topics(self.site)[0],
            payload=encode_payload({"v": VERSION, "key": key, "at": rfc3339(now), "test": True}),
            queued_at=now,
            # Retained like a case, on one topic: each one replaces the one before.
            retain=True,
            case=CaseId(key),
            expires_at=now + self.within,
        )
        with self.store.begin() as uow:
            uow.outbox.add(message)
            uow.commit()
        self._flight = _CanaryInFlight(key, now, now_s)
        self._returned.clear()
        self.sent += 1
        self.on_queued()

    def _message(self, flight: _CanaryInFlight) -> OutboxMessage:
        with self.store.begin_read() as uow:
            return uow.outbox.of_case(CaseId(flight.key))[0]

    def _came_back(self, flight: _CanaryInFlight, now: datetime) -> None:
        landed = self._returned.pop(flight.key, None)
        if landed is not None:
            self.last_return = landed
            self.round_trip_s = (landed - flight.sent_at).total_seconds()
        if self.failing:
            text = "自检恢复，推送通路正常。"
            self._notify(flight, ("recovered", "恢复"), text, now)
            log.info("the canary is back", round_trip_s=self.round_trip_s)
        self.failing = ""

    def _did_not_return(self, flight: _CanaryInFlight, why: str, now: datetime) -> None:
        if not self.failing:
            self.lost += 1
            text = f"自检未返回，网格长可能收不到推送：{stored_zh(why)}。"
            self._notify(flight, ("alarm", "告警"), text, now)
            log.error("the canary did not come back", reason=why)
        self.failing = why

    def _notify(
        self, flight: _CanaryInFlight, kind: tuple[str, str], text: str, now: datetime
    ) -> None:
        """`kind`: its word in the key, and in the title."""
        notification = Notification(
            key=f"{flight.key}-{kind[0]}",
            event=ALARM,
            title=f"【巡查推送自检】{kind[1]} {self.site}",
            body=text,
        )
        with self.store.begin() as uow:
            if queue_notification(uow, notification, self.targets, now):
                uow.commit()


def _flown(flight: _CanaryInFlight, now: datetime, now_s: float | None) -> timedelta:
    if now_s is None or flight.sent_s is None:
        return now - flight.sent_at
    return timedelta(seconds=now_s - flight.sent_s)


def _answered_key(payload: bytes) -> str:
    about = payload_object(payload).get("about")
    return about if isinstance(about, str) else ""
