"""The people of a chaos run: an operator at the store, leaders at the broker.

Leaders send replies twice, out of order, late, to the wrong grid, and nonsense; what a broker may
have lost they send again, as docs/mqtt.md asks. Every reply carries a token, so that afterwards
each can be looked for: written down once, or refused with its reason. The content of a reply
depends on the seed and on nothing else.
"""

import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from patrol.cases.actions import apply_recheck
from patrol.clock import SystemClock
from patrol.domain.case import CaseState
from patrol.domain.finding import Finding
from patrol.domain.ids import CaseId, FindingId, MessageKey
from patrol.domain.observation import Subject
from patrol.domain.outbox import OutboxMessage
from patrol.domain.priority import Level
from patrol.domain.registry import Registry
from patrol.messaging.payloads import PayloadBuilder
from patrol.messaging.refused_messages import retry_refused
from patrol.messaging.topics import round_topic
from patrol.review import confirm
from patrol.store import Store, StoreFull, StoreUnavailable

REPLY_KINDS: Final = (
    ("received", None), ("opened", None), ("acknowledge", None), ("arrive", None),
    ("feedback", "in_progress"), ("feedback", "handled"), ("extend", None),
)  # fmt: skip
SENT_TWICE_SHARE: Final = 0.3
SENT_LATE_SHARE: Final = 0.15  # sent only after everything else
NONSENSE_SHARE: Final = 0.1
FALSE_ALARM_SHARE: Final = 0.15
VERIFIED_SHARE: Final = 0.8
RESEND_WINDOW_S: Final = (
    15.0  # longer than anybody's back-off (docs/mqtt.md: repeat until it is seen)
)
KINDS: Final = ("blocking_vehicle", "dumping", "livestock", "obstruction")
NONSENSE: Final = b'{"v": 1, "key": "half'
UNKNOWN_CASE_REPLY: Final = b'{"v":1,"key":"k","type":"arrive"}'


@dataclass(frozen=True, slots=True, kw_only=True)
class ChaosReply:
    """One reply that a leader is going to send."""

    token: str  # empty: nonsense, which need not be found again
    topic: str
    payload: bytes
    position: int  # in the order in which a careful person would send it
    order: float  # in which it is sent
    twice: bool
    late: bool


class ChaosLeaders:
    """All leaders on one connection with a persistent session."""

    def __init__(self, port: int, site: str, seed: int, counts: Counter[str]) -> None:
        self.topic_by_token: dict[str, str] = {}  # token → topic, of every reply planned
        self.shown: dict[str, int] = {}  # topic → revision
        self.conflicting_messages: list[str] = []
        self.pending: list[ChaosReply] = []
        self.counts = counts
        self._keys: dict[tuple[str, str], bytes] = {}
        self._seed, self._prefix = seed, f"patrol/v1/{site}/grid"
        self._status = f"patrol/v1/{site}/centre/status"
        self._lock, self._clock = threading.Lock(), SystemClock()
        self._log: list[tuple[float, ChaosReply]] = []
        self._furthest: dict[str, int] = {}  # topic → furthest position sent
        self._sent = self._acknowledged = 0
        self._client = Client(CallbackAPIVersion.VERSION2, "chaos-leaders", clean_session=False)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda *_: self._on_connect()
        self._client.on_message = lambda _c, _d, message: self._on_message(message)
        self._client.on_publish = lambda *_: self._on_publish()
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    @property
    def unsent(self) -> int:
        """Replies that are still to be sent, or that the broker has not acknowledged yet."""
        return len(self.pending) + self._sent - self._acknowledged

    def send_replies(self, count: int, *, late: bool = False) -> None:
        """Send `count` of the planned replies; the late ones only with `late`."""
        with self._lock:
            ready = sorted(
                (reply for reply in self.pending if late or not reply.late),
                key=lambda reply: reply.order,
            )
            now = ready[:count]
            self.pending = [reply for reply in self.pending if reply not in now]
        for reply in now:
            self._count(reply)
            for _ in range(2 if reply.twice else 1):
                self._publish(reply)

    def _resend_recent(self) -> None:
        """Send recent replies again: broker or centre was away and may have lost them."""
        since_s = self._clock.monotonic_s() - RESEND_WINDOW_S
        again = {reply.payload: reply for sent_s, reply in self._log if sent_s >= since_s}
        self.counts["replies sent again after a break"] += len(again)
        for reply in again.values():
            self._publish(reply)

    def disconnect(self) -> None:
        """Disconnect for good."""
        self._client.disconnect()
        self._client.loop_stop()

    def _publish(self, reply: ChaosReply) -> None:
        self._log.append((self._clock.monotonic_s(), reply))
        self._sent += 1
        self._client.publish(reply.topic, reply.payload, qos=1)  # kept by paho until it is taken

    def _on_connect(self) -> None:
        self._client.subscribe([(f"{self._prefix}/+/case/+", 1), (self._status, 1)])
        self._resend_recent()

    def _on_publish(self) -> None:
        self._acknowledged += 1  # paho's one thread alone does

    def _count(self, reply: ChaosReply) -> None:
        furthest = self._furthest.get(reply.topic, -1)
        self._furthest[reply.topic] = max(furthest, reply.position)
        self.counts["replies sent"] += 1
        self.counts["replies sent twice"] += reply.twice
        self.counts["replies out of order"] += reply.position < furthest
        self.counts["replies late"] += reply.late
        self.counts["nonsense"] += not reply.token

    def _on_message(self, message: MQTTMessage) -> None:
        topic, payload = message.topic, bytes(message.payload)
        if topic == self._status:
            if json.loads(payload)["state"] == "online":
                self._resend_recent()
            return
        if not payload:
            self.shown.pop(topic, None)
            return
        case: Mapping[str, Any] = json.loads(payload)
        known = self._keys.setdefault((topic, case["key"]), payload)
        if known != payload:
            self.conflicting_messages.append(f"{topic}: two messages under the key {case['key']}")
        if case["revision"] < self.shown.get(topic, -1):
            return  # a repeat of an older message: its key is known
        self.shown[topic] = case["revision"]
        if case["state"] in ("dispatched", "rework") and case["rung"]["current"]:
            self._plan_replies(topic.replace("/case/", "/reply/"), case)

    def _plan_replies(self, topic: str, case: Mapping[str, Any]) -> None:
        name = f"{case['case']}.{case['revision']}.{case['grid']['code']}"
        dice = random.Random(f"{self._seed}/{name[-30:]}")
        with self._lock:
            for position, (kind, result) in enumerate(REPLY_KINDS):
                token = f"<{name}.{kind}.{result}>"
                if token in self.topic_by_token:
                    continue
                ends = result == "handled" and dice.random() < FALSE_ALARM_SHARE
                body = {"v": 1, "key": token, "type": kind, "text": token}
                if result:
                    body["result"] = "false_alarm" if ends else result
                self.topic_by_token[token] = topic
                payload = json.dumps(body).encode()
                self.pending.append(_make_reply(dice, token, topic, payload, position))
            if dice.random() < NONSENSE_SHARE:
                self.pending.append(_make_reply(dice, "", topic, NONSENSE, len(REPLY_KINDS)))
                self.pending.append(
                    _make_reply(dice, "", f"{topic}x", UNKNOWN_CASE_REPLY, len(REPLY_KINDS))
                )


def _make_reply(
    dice: random.Random, token: str, topic: str, payload: bytes, position: int
) -> ChaosReply:
    return ChaosReply(
        token=token,
        topic=topic,
        payload=payload,
        position=position,
        order=position / len(REPLY_KINDS) + dice.random(),  # mostly in order, often enough not
        twice=dice.random() < SENT_TWICE_SHARE,
        late=dice.random() < SENT_LATE_SHARE,
    )


class ChaosOperator:
    """Confirms findings and verifies cases through the store that the service uses."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        payload_builder: PayloadBuilder,
        seed: int,
        counts: Counter[str],
    ) -> None:
        self.store, self.registry, self.payload_builder, self.counts = (
            store,
            registry,
            payload_builder,
            counts,
        )
        self.cameras = list(registry.cameras.values())
        self.postponed: list[Finding] = []  # no room to write it down just now
        self._dice = random.Random(f"operator/{seed}")
        self._numbers = 0

    def confirm_one(self) -> None:
        """Add a finding and confirm it in one transaction."""
        self._numbers += 1
        camera, kind = self._dice.choice(self.cameras), self._dice.choice(KINDS)
        finding = Finding(
            id=FindingId(f"F{self._numbers:06d}"),
            camera=camera.id,
            grid=camera.grid,
            round=None,
            subject=Subject.SCENE,
            kind=kind,
            score=0.9,
            found_at=SystemClock().now(),
            why="chaos",
            level=self._dice.choice([Level.URGENT, Level.PRESSING, Level.ORDINARY]),
            category=kind,
        )
        self.postponed.append(finding)
        self.confirm_postponed()

    def queue_large(self, size_bytes: int) -> None:
        """Queue a message that a broker with a limit does not take, on a topic of its own."""
        self._numbers += 1
        now = SystemClock().now()
        message = OutboxMessage(
            key=MessageKey(f"large-{self._numbers}"),
            topic=round_topic(self.payload_builder.site, f"large-{self._numbers}"),
            payload=b"x" * size_bytes,
            queued_at=now,
            retain=True,
        )
        self._try("large messages queued", self._queue, message)

    def retry_refused(self) -> None:
        """Retry what the broker refused, as a person does once it takes it."""
        try:
            with self.store.begin_read() as uow:
                kept = [m.key for m in uow.outbox.quarantined(limit=100)]
        except StoreUnavailable:
            return
        for key in kept:
            self._try("refused messages retried", self._retry, key)

    def _queue(self, message: OutboxMessage) -> None:
        with self.store.begin() as uow:
            uow.outbox.add(message)
            uow.commit()

    def _retry(self, key: MessageKey) -> None:
        with self.store.begin() as uow:
            retry_refused(uow, key, SystemClock().now())
            uow.commit()

    def confirm_postponed(self) -> None:
        """Confirm the findings that waited, as far as the disk has room."""
        while self.postponed and self._try("confirmed", self._confirm, self.postponed[0]):
            self.postponed.pop(0)

    def verify_all(self) -> None:
        """Verify every case that was fed back."""
        try:
            with self.store.begin_read() as uow:
                open_ones = uow.cases.list(open_only=True)
        except StoreUnavailable:
            return  # it has just hung up
        for case in open_ones:
            if case.state is CaseState.FED_BACK:
                self._try("verified", self._verify, case.id)

    def _confirm(self, finding: Finding) -> None:
        now = SystemClock().now()
        with self.store.begin() as uow:
            uow.findings.add(finding)
            confirm(
                uow,
                finding.id,
                by="op",
                now=now,
                registry=self.registry,
                payloads=self.payload_builder,
            )
            uow.commit()

    def _verify(self, case: CaseId) -> None:
        gone, now = self._dice.random() < VERIFIED_SHARE, SystemClock().now()
        with self.store.begin() as uow:
            apply_recheck(uow, case, gone=gone, by="op", now=now, payloads=self.payload_builder)
            uow.commit()

    def _try(self, what: str, work: Callable[[Any], None], on: object) -> bool:
        """Do the work; False when the store is full or away, to be tried again later."""
        try:
            work(on)
        except (StoreFull, StoreUnavailable) as exc:
            self.counts[f"operator: {type(exc).__name__}"] += 1
            return False
        self.counts[what] += 1
        return True
