"""The people around a house in chaos: an operator at the store, leaders at the broker.

Leaders say things twice, out of order, late, to the wrong grid, and nonsense; what a broker may
have forgotten they say again (docs/mqtt.md asks it of them). Every word carries a token, so that
afterwards each can be looked for: written down once, or refused with its reason. What is said of a
token depends on the seed and on nothing else.
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

from patrol.clock import SystemClock
from patrol.dispatch.verification import verified
from patrol.dispatch.wire import Wire
from patrol.domain.case import CaseState
from patrol.domain.finding import Finding
from patrol.domain.ids import CaseId, FindingId
from patrol.domain.levels import Level
from patrol.domain.observation import Subject
from patrol.domain.registry import Registry
from patrol.review import confirm
from patrol.store import Store, StoreFull, StoreUnavailable

WORDS: Final = (
    ("received", None), ("opened", None), ("acknowledge", None), ("arrive", None),
    ("feedback", "in_progress"), ("feedback", "handled"), ("extend", None),
)  # fmt: skip
TWICE: Final = 0.3
LATE: Final = 0.15  # said only after everything else
WRONG: Final = 0.1
FALSE_ALARM: Final = 0.15
GONE: Final = 0.8
LATELY_S: Final = 15.0  # longer than anybody's back-off (docs/mqtt.md: repeat until it is seen)
KINDS: Final = ("blocking_vehicle", "dumping", "livestock", "obstruction")
NONSENSE: Final = b'{"v": 1, "key": "half'
STRAY: Final = b'{"v":1,"key":"k","type":"arrive"}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One reply that somebody is going to send."""

    token: str  # empty: nonsense, which need not be found again
    topic: str
    payload: bytes
    place: int  # in the order in which a careful person would say it
    order: float  # in which it is said
    twice: bool
    late: bool


class Crowd:
    """All leaders on one connection with a persistent session."""

    def __init__(self, port: int, site: str, seed: int, toll: Counter[str]) -> None:
        self.said: dict[str, str] = {}  # token → topic, of every word planned
        self.shown: dict[str, int] = {}  # topic → revision
        self.doubled: list[str] = []
        self.pending: list[Word] = []
        self.toll = toll
        self._keys: dict[tuple[str, str], bytes] = {}
        self._seed, self._prefix = seed, f"patrol/v1/{site}/grid"
        self._status = f"patrol/v1/{site}/centre/status"
        self._lock, self._clock = threading.Lock(), SystemClock()
        self._log: list[tuple[float, Word]] = []
        self._furthest: dict[str, int] = {}  # topic → place of the furthest word said
        self._sent = self._taken = 0
        self._client = Client(CallbackAPIVersion.VERSION2, "chaos-leaders", clean_session=False)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda *_: self._connected()
        self._client.on_message = lambda _c, _d, message: self._hear(message)
        self._client.on_publish = lambda *_: self._was_taken()
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    @property
    def waiting(self) -> int:
        """Words that are still to be said, or that the broker has not taken yet."""
        return len(self.pending) + self._sent - self._taken

    def speak(self, count: int, *, late: bool = False) -> None:
        """Say some of what is planned; the `late` words only when asked for."""
        with self._lock:
            ready = sorted((w for w in self.pending if late or not w.late), key=lambda w: w.order)
            now = ready[:count]
            self.pending = [word for word in self.pending if word not in now]
        for word in now:
            self._count(word)
            for _ in range(2 if word.twice else 1):
                self._say(word)

    def _repeat(self) -> None:
        """Broker or centre was away, and may have forgotten: what was said lately is said again."""
        since_s = self._clock.monotonic_s() - LATELY_S
        again = {word.payload: word for said_s, word in self._log if said_s >= since_s}
        self.toll["words said again after a break"] += len(again)
        for word in again.values():
            self._say(word)

    def hang_up(self) -> None:
        """For good."""
        self._client.disconnect()
        self._client.loop_stop()

    def _say(self, word: Word) -> None:
        self._log.append((self._clock.monotonic_s(), word))
        self._sent += 1
        self._client.publish(word.topic, word.payload, qos=1)  # kept by paho until it is taken

    def _connected(self) -> None:
        self._client.subscribe([(f"{self._prefix}/+/case/+", 1), (self._status, 1)])
        self._repeat()

    def _was_taken(self) -> None:
        self._taken += 1  # paho's one thread alone does

    def _count(self, word: Word) -> None:
        furthest = self._furthest.get(word.topic, -1)
        self._furthest[word.topic] = max(furthest, word.place)
        self.toll["words said"] += 1
        self.toll["words said twice"] += word.twice
        self.toll["words out of order"] += word.place < furthest
        self.toll["words late"] += word.late
        self.toll["nonsense"] += not word.token

    def _hear(self, message: MQTTMessage) -> None:
        topic, payload = message.topic, bytes(message.payload)
        if topic == self._status:
            if json.loads(payload)["state"] == "online":
                self._repeat()
            return
        if not payload:
            self.shown.pop(topic, None)
            return
        case: Mapping[str, Any] = json.loads(payload)
        known = self._keys.setdefault((topic, case["key"]), payload)
        if known != payload:
            self.doubled.append(f"{topic}: two words under the key {case['key']}")
        if case["revision"] < self.shown.get(topic, -1):
            return  # a repeat of an older word: its key is known
        self.shown[topic] = case["revision"]
        if case["state"] in ("dispatched", "rework") and case["rung"]["current"]:
            self._plan(topic.replace("/case/", "/reply/"), case)

    def _plan(self, topic: str, case: Mapping[str, Any]) -> None:
        name = f"{case['case']}.{case['revision']}.{case['grid']['code']}"
        dice = random.Random(f"{self._seed}/{name[-30:]}")  # noqa: S311  it must repeat
        with self._lock:
            for place, (kind, result) in enumerate(WORDS):
                token = f"<{name}.{kind}.{result}>"
                if token in self.said:
                    continue
                ends = result == "handled" and dice.random() < FALSE_ALARM
                body = {"v": 1, "key": token, "type": kind, "text": token}
                if result:
                    body["result"] = "false_alarm" if ends else result
                self.said[token] = topic
                payload = json.dumps(body).encode()
                self.pending.append(_word(dice, token, topic, payload, place))
            if dice.random() < WRONG:
                self.pending.append(_word(dice, "", topic, NONSENSE, len(WORDS)))
                self.pending.append(_word(dice, "", f"{topic}x", STRAY, len(WORDS)))


def _word(dice: random.Random, token: str, topic: str, payload: bytes, place: int) -> Word:
    return Word(
        token=token,
        topic=topic,
        payload=payload,
        place=place,
        order=place / len(WORDS) + dice.random(),  # mostly in order, often enough not
        twice=dice.random() < TWICE,
        late=dice.random() < LATE,
    )


class Operator:
    """Confirms leads and verifies by eye, beside the service, through the same store."""

    def __init__(
        self, store: Store, registry: Registry, wire: Wire, seed: int, toll: Counter[str]
    ) -> None:
        self.store, self.registry, self.wire, self.toll = store, registry, wire, toll
        self.cameras = list(registry.cameras.values())
        self.postponed: list[Finding] = []  # no room to write it down just now
        self._dice = random.Random(f"operator/{seed}")  # noqa: S311  it must repeat
        self._numbers = 0

    def confirm_one(self) -> None:
        """A new lead, and its case; both or neither."""
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
        self.catch_up()

    def catch_up(self) -> None:
        """Confirm what waits for it, as far as there is room."""
        while self.postponed and self._tries("confirmed", self._confirm, self.postponed[0]):
            self.postponed.pop(0)

    def verify_all(self) -> None:
        """Whatever was fed back, a person looks at."""
        try:
            with self.store.begin_read() as uow:
                open_ones = uow.cases.list(open_only=True)
        except StoreUnavailable:
            return  # it has just hung up
        for case in open_ones:
            if case.state is CaseState.FED_BACK:
                self._tries("verified", self._verify, case.id)

    def _confirm(self, finding: Finding) -> None:
        now = SystemClock().now()
        with self.store.begin() as uow:
            uow.findings.add(finding)
            confirm(uow, finding.id, by="op", now=now, registry=self.registry, announcer=self.wire)
            uow.commit()

    def _verify(self, case: CaseId) -> None:
        gone, now = self._dice.random() < GONE, SystemClock().now()
        with self.store.begin() as uow:
            verified(uow, case, gone=gone, by="op", now=now, announcer=self.wire)
            uow.commit()

    def _tries(self, what: str, work: Callable[[Any], None], on: object) -> bool:
        """Whether it is written; a store that is full or away is met again later."""
        try:
            work(on)
        except (StoreFull, StoreUnavailable) as exc:
            self.toll[f"operator: {type(exc).__name__}"] += 1
            return False
        self.toll[what] += 1
        return True
