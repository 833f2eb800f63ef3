"""The town in which a simulated year passes: what is really wrong where, and who answers.

Leaders know only what the wire tells them (simulators.habits); what they handle is gone from the
town's truth. Everything draws from one seed. No store, no clock of its own.
"""

import json
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from patrol.domain.category import BY_ID
from patrol.domain.finding import Finding
from patrol.domain.ids import CameraId, FindingId
from patrol.domain.levels import Level
from patrol.domain.observation import Subject
from patrol.domain.registry import Registry
from simulators.habits import Habits, is_for_somebody_here, plan

SCENES: Final = (
    ("blocking_vehicle", Level.ORDINARY), ("dumping", Level.ORDINARY),
    ("livestock", Level.ORDINARY), ("obstruction", Level.ORDINARY),
    ("scene_change", Level.ORDINARY), ("smoke", Level.PRESSING), ("open_flame", Level.URGENT),
)  # fmt: skip
SCENE_WEIGHTS: Final = (30, 20, 14, 14, 18, 3, 1)
FAULTS: Final = ("blur", "occlusion", "freeze", "offline")
FAULT_SHARE: Final = 0.15  # of all candidates
DUPLICATE_SHARE: Final = 0.12  # of true findings: seen again while its case is open
OUT_OF_ORDER: Final = 0.03  # of replies: the network holds one back
HELD_BACK_MIN: Final = (5, 240)
ASKS_FOR_TIME: Final = 0.02
At = Callable[[datetime, Callable[[], None]], None]  # schedules work
Sends = Callable[[str, bytes], None]


@dataclass
class Truth:
    """What is wrong in the town just now."""

    registry: Registry
    rng: random.Random
    present: dict[tuple[CameraId, str], bool] = field(default_factory=dict)
    numbers: int = 0

    def candidates(self, now: datetime, count: int, true_ones: int) -> list[Finding]:
        """What one round brings: mostly nothing, some true, some of it known already."""
        cameras = list(self.registry.cameras)
        found = [self._one(self.rng.choice(cameras), now) for _ in range(count)]
        for finding in found[:true_ones]:
            self.present[finding.camera, finding.category] = True
        known = [key for key, there in self.present.items() if there]
        seen_again = sum(self.rng.random() < DUPLICATE_SHARE for _ in range(true_ones))
        for camera, category in self.rng.sample(known, min(len(known), seen_again)):
            found.append(self._one(camera, now, category))
        return found

    def is_true(self, finding: Finding) -> bool:
        """Whether a careful person who stands there would see it."""
        return self.present.get((finding.camera, finding.category), False)

    def is_there(self, camera: CameraId, category: str) -> bool:
        """What a second look shows."""
        return self.present.get((camera, category), False)

    def cleared(self, camera: CameraId, category: str) -> None:
        """Somebody really removed it."""
        self.present[camera, category] = False

    def _one(self, camera: CameraId, now: datetime, category: str = "") -> Finding:
        self.numbers += 1
        kind, level = category, Level.ORDINARY
        if not kind and self.rng.random() < FAULT_SHARE:
            kind, level = self.rng.choice(FAULTS), Level.NOTE
        elif not kind:
            kind, level = self.rng.choices(SCENES, SCENE_WEIGHTS)[0]
        is_fault = kind in FAULTS
        return Finding(
            id=FindingId(f"F{self.numbers:06d}"),
            camera=camera,
            grid=self.registry.cameras[camera].grid,
            round=None,
            subject=Subject.EQUIPMENT if is_fault else Subject.SCENE,
            kind=kind,
            score=round(self.rng.uniform(0.3, 1.0), 3),
            found_at=now,
            why=kind,
            level=Level.NOTE if is_fault else level,
            category=kind if kind in BY_ID else "other",
        )


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
