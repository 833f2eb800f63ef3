"""The people around a house in chaos: an operator at the store, leaders at the broker.

Leaders say things twice, out of order, late, to the wrong grid, and nonsense. Every word carries a
token, so that afterwards each can be looked for: written down once, or refused with its reason.
"""

import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from patrol.clock import SystemClock
from patrol.dispatch.verification import verified
from patrol.dispatch.wire import Wire
from patrol.domain.case import CaseState
from patrol.domain.finding import Finding
from patrol.domain.ids import CaseId, FindingId
from patrol.domain.levels import Level
from patrol.domain.observation import Subject
from patrol.domain.registry import Registry
from patrol.ports import Store, StoreFull, StoreUnavailable
from patrol.review import confirm

WORDS: Final = (
    ("received", None), ("opened", None), ("acknowledge", None), ("arrive", None),
    ("feedback", "in_progress"), ("feedback", "handled"), ("extend", None),
)  # fmt: skip
TWICE: Final = 0.3
WRONG: Final = 0.1
FALSE_ALARM: Final = 0.15
GONE: Final = 0.8
KINDS: Final = ("blocking_vehicle", "dumping", "livestock", "obstruction")


class Crowd:
    """All leaders on one connection with a persistent session."""

    def __init__(self, port: int, site: str, rng: random.Random) -> None:
        self.said: dict[str, str] = {}  # token → topic
        self.shown: dict[str, int] = {}  # topic → revision
        self.keys: dict[tuple[str, str], bytes] = {}
        self.doubled: list[str] = []
        self.pending: list[tuple[str, bytes]] = []
        self._prefix = f"patrol/v1/{site}/grid"
        self._rng, self._lock = rng, threading.Lock()
        self._client = Client(CallbackAPIVersion.VERSION2, "chaos-leaders", clean_session=False)
        self._client.on_connect = lambda c, *_: c.subscribe(f"{self._prefix}/+/case/+", 1)
        self._client.on_message = lambda _c, _d, message: self._hear(message)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def speak(self, count: int) -> None:
        """Send some of what is planned, not always in its order."""
        with self._lock:
            self._rng.shuffle(self.pending)
            now, self.pending = self.pending[:count], self.pending[count:]
        for topic, payload in now:
            for _ in range(2 if self._rng.random() < TWICE else 1):
                self._client.publish(topic, payload, qos=1).wait_for_publish(10)

    def hang_up(self) -> None:
        """For good."""
        self._client.disconnect()
        self._client.loop_stop()

    def _hear(self, message: MQTTMessage) -> None:
        topic, payload = message.topic, bytes(message.payload)
        if not payload:
            self.shown.pop(topic, None)
            return
        case: Mapping[str, Any] = json.loads(payload)
        known = self.keys.setdefault((topic, case["key"]), payload)
        if known != payload:
            self.doubled.append(f"{topic}: two words under the key {case['key']}")
        if case["revision"] < self.shown.get(topic, -1):
            return  # a repeat of an older word: its key is known
        self.shown[topic] = case["revision"]
        if case["state"] in ("dispatched", "rework") and case["rung"]["current"]:
            self._plan(topic.replace("/case/", "/reply/"), case)

    def _plan(self, topic: str, case: Mapping[str, Any]) -> None:
        name = f"{case['case']}.{case['revision']}.{case['grid']['code'][-3:]}.{topic[-30:-22]}"
        with self._lock:
            for kind, result in WORDS:
                token = f"<{name}.{kind}.{result}>"
                if token in self.said:
                    continue
                ends = result == "handled" and self._rng.random() < FALSE_ALARM
                body = {"v": 1, "key": token, "type": kind, "text": token}
                if result:
                    body["result"] = "false_alarm" if ends else result
                self.said[token] = topic
                self.pending.append((topic, json.dumps(body).encode()))
            if self._rng.random() < WRONG:
                self.pending.append((topic, b'{"v": 1, "key": "half'))
                self.pending.append((f"{topic}x", b'{"v":1,"key":"k","type":"arrive"}'))


class Operator:
    """Confirms leads and verifies by eye, beside the service, through the same store."""

    def __init__(self, store: Store, registry: Registry, wire: Wire, rng: random.Random) -> None:
        self.store, self.registry, self.wire, self.rng = store, registry, wire, rng
        self.cameras = list(registry.cameras.values())
        self.did: Counter[str] = Counter()
        self._numbers = 0

    def confirm_one(self) -> None:
        """A new lead, and its case; both or neither."""
        self._numbers += 1
        camera = self.rng.choice(self.cameras)
        now, kind = SystemClock().now(), self.rng.choice(KINDS)
        finding = Finding(
            id=FindingId(f"F{self._numbers:06d}"),
            camera=camera.id,
            grid=camera.grid,
            round=None,
            subject=Subject.SCENE,
            kind=kind,
            score=0.9,
            found_at=now,
            why="chaos",
            level=self.rng.choice([Level.URGENT, Level.PRESSING, Level.ORDINARY]),
            category=kind,
        )
        self._surely("confirmed", lambda: self._confirm(finding))

    def verify_all(self) -> None:
        """Whatever was fed back, a person looks at."""
        with self.store.begin_read() as uow:
            found = [c.id for c in uow.cases.list(open_only=True) if c.state is CaseState.FED_BACK]
        for case in found:
            self._verify_one(case, gone=self.rng.random() < GONE)

    def _verify_one(self, case: CaseId, *, gone: bool) -> None:
        self._surely("verified", lambda: self._verify(case, gone=gone))

    def _confirm(self, finding: Finding) -> None:
        now = SystemClock().now()
        with self.store.begin() as uow:
            uow.findings.add(finding)
            confirm(uow, finding.id, by="op", now=now, registry=self.registry, announcer=self.wire)
            uow.commit()

    def _verify(self, case: CaseId, *, gone: bool) -> None:
        now = SystemClock().now()
        with self.store.begin() as uow:
            verified(uow, case, gone=gone, by="op", now=now, announcer=self.wire)
            uow.commit()

    def _surely(self, what: str, work: Callable[[], None]) -> None:
        """Again until it is written: a full or busy store is waited for."""
        pause = threading.Event()
        for _ in range(100):
            try:
                work()
            except (StoreFull, StoreUnavailable):
                self.did["waited"] += 1
                pause.wait(0.1)
            else:
                self.did[what] += 1
                return
        raise AssertionError(f"the store never answered: {what}")
