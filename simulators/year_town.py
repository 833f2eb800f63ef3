"""The town in which a simulated year passes: what is really wrong where, and who answers.

Leaders know only what the wire tells them (simulators.habits); what they handle is gone from the
town's truth. Everything draws from one seed. No store, no clock of its own.
"""

import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from patrol.domain.finding import Finding
from patrol.domain.ids import CameraId
from simulators.habits import Habits, is_for_somebody_here, plan

SCENES: Final = (
    "blocking_vehicle", "dumping", "livestock", "obstruction", "scene_change", "smoke",
    "open_flame",
)  # fmt: skip
WEIGHTS: Final = (30, 20, 14, 14, 18, 3, 1)
FAULTS: Final = ("blur", "occlusion", "freeze", "artifacts")
EQUIPMENT: Final = "equipment"  # the category of every camera fault
FAULT_SHARE: Final = 0.08  # of what goes wrong
OUT_OF_ORDER: Final = 0.03  # of replies: the network holds one back
HELD_BACK_MIN: Final = (5, 240)
ASKS_FOR_TIME: Final = 0.02
At = Callable[[datetime, Callable[[], None]], None]  # schedules work
Sends = Callable[[str, bytes], None]


@dataclass
class Truth:
    """What is wrong in the town just now."""

    rng: random.Random
    _present: defaultdict[CameraId, dict[str, str]] = field(
        default_factory=lambda: defaultdict(dict)
    )  # camera → category → kind

    def goes_wrong(self, cameras: Sequence[CameraId], count: int) -> None:
        """Something new at some of the cameras; a lens now and then, mostly what it looks at."""
        for camera in self.rng.choices(cameras, k=count):
            is_fault = self.rng.random() < FAULT_SHARE
            kind = self.rng.choice(FAULTS) if is_fault else self.rng.choices(SCENES, WEIGHTS)[0]
            self._present[camera][EQUIPMENT if is_fault else kind] = kind

    def at(self, camera: CameraId) -> Iterable[str]:
        """The kinds that there are to be seen at a camera."""
        there = self._present.get(camera)
        return there.values() if there else ()

    def is_true(self, finding: Finding) -> bool:
        """Whether a careful person who stands there would see it."""
        outage = finding.kind.endswith("_down")
        return outage or self.is_there(finding.camera, finding.category)

    def is_there(self, camera: CameraId, category: str) -> bool:
        """What a second look shows."""
        return category in self._present[camera]

    def cleared(self, camera: CameraId, category: str) -> None:
        """Somebody really removed it."""
        self._present[camera].pop(category, None)


@dataclass
class Leaders:
    """Everybody's telephone: hears the wire, plans replies, sends them when their time comes."""

    truth: Truth
    habits: Habits
    seed: int
    rng: random.Random
    now: Callable[[], datetime]
    at: At
    send: Sends
    about: dict[str, tuple[CameraId, str] | None] = field(default_factory=dict)  # by case
    heard: Counter[str] = field(default_factory=Counter)
    shown: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _keys: set[str] = field(default_factory=set)
    _planned: set[tuple[str, int, int]] = field(default_factory=set)

    def hear(self, topic: str, payload: bytes) -> None:
        """One message of the broker; repeats by key are dropped."""
        if not payload:
            self.shown.pop(topic, None)
            return
        case = json.loads(payload)
        if case["key"] in self._keys:
            self.heard["repeated"] += 1
            return
        self._keys.add(case["key"])
        self.heard["told"] += 1
        self.shown[topic] = case
        rung = int((case.get("rung") or {}).get("number", 0))
        turn = case["revision"] if case["state"] == "rework" else 0
        if is_for_somebody_here(case) and (topic, rung, turn) not in self._planned:
            self._planned.add((topic, rung, turn))
            self._plan(topic, case)

    def _plan(self, topic: str, case: Mapping[str, Any]) -> None:
        reply = topic.replace("/case/", "/reply/")
        for step in plan(case, self.habits, self.seed):
            when = self.now() + timedelta(seconds=step.after_s)
            body = {"v": 1, **step.body}
            if step.clears:
                self.at(when, lambda: self._clear(case["case"]))
            if self.rng.random() < OUT_OF_ORDER:
                when += timedelta(minutes=self.rng.uniform(*HELD_BACK_MIN))
            for _ in range(2 if step.twice else 1):
                self._say(when, reply, body)
            if body["type"] == "acknowledge" and self.rng.random() < ASKS_FOR_TIME:
                more = {**body, "type": "extend", "key": f"{body['key']}/more", "text": "等配件"}
                self._say(when + timedelta(minutes=3), reply, more)

    def _say(self, when: datetime, topic: str, body: Mapping[str, Any]) -> None:
        payload = json.dumps(body).encode()
        self.at(when, lambda: self.send(topic, payload))

    def _clear(self, case: str) -> None:
        known = self.about.get(case)
        if known is not None:
            self.truth.cleared(*known)
