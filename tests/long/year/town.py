"""The town of a simulated year: problems, consents, leaders who reply, monthly reports.

Leaders know only what case messages say (simulators.people.reply_profile); what they handle is
gone from the town's truth. Everything draws from one seed and takes `now` as an argument.
"""

import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from patrol.domain.camera import Camera, Consent, ConsentState
from patrol.domain.finding import Finding
from patrol.domain.ids import CameraId, PersonId
from patrol.domain.registry import Registry, Role
from patrol.reports.queries import ReportHeading, ReportMaterial, load_material, period_of
from patrol.reports.report import Report, compose_report, report_document
from patrol.store import Store
from simulators.people.reply_profile import EQUIPMENT as EQUIPMENT_CODE
from simulators.people.reply_profile import ReplyProfile, awaits_reply, plan_replies

RENEWED_BEFORE: Final = timedelta(days=14)  # a consent runs out: somebody calls at the house
RENEWED_FOR: Final = timedelta(days=360)
LAPSES: Final = 0.02  # of those: nobody is at home, and the camera is not visited any more
WITHDRAWS: Final = 0.02  # of the days: some household withdraws
COMES_BACK_AFTER: Final = timedelta(days=30)
SCENES: Final = (
    "blocking_vehicle", "dumping", "livestock", "obstruction", "scene_change", "smoke",
    "open_flame",
)  # fmt: skip
WEIGHTS: Final = (30, 20, 14, 14, 18, 3, 1)
FAULTS: Final = ("blur", "occlusion", "freeze", "artifacts")
EQUIPMENT: Final = "equipment"  # the category of every camera fault
FAULT_SHARE: Final = 0.08  # of what goes wrong
HEALS_SHARE: Final = 0.03  # of the camera faults each hour: rain washes a lens, frost thaws
OUT_OF_ORDER: Final = 0.03  # of replies: the network holds one back
HELD_BACK_MIN: Final = (5, 240)
ASKS_FOR_TIME: Final = 0.02
CALLS_IN_SICK: Final = 0.02  # of the cases that a leader gets
SICK_NOTICE: Final = timedelta(minutes=20)
REPAIR_H: Final = (2, 40)  # after the acknowledgement: the maintainer comes from the county
Schedule = Callable[[datetime, Callable[[], None]], None]  # schedules work
SendReply = Callable[[str, bytes], None]


@dataclass
class Households:
    """Consents of the town's cameras; `pass_day` once a day changes some."""

    store: Store
    registry: Registry
    rng: random.Random
    cameras: dict[CameraId, Camera] = field(default_factory=dict)
    _away: list[tuple[datetime, CameraId]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.cameras = dict(self.registry.cameras)

    def visited(self, now: datetime) -> Sequence[CameraId]:
        """Ids of the cameras that a round may visit."""
        today = now.date()
        return [one for one, camera in self.cameras.items() if camera.refusal_on(today) is None]

    def pass_day(self, now: datetime) -> None:
        """Renew or lapse consents that run out; withdraw one now and then, restore it later."""
        today = now.date()
        for camera in list(self.cameras.values()):
            self._renew(camera, today)
        with self.store.begin() as uow:
            if self.rng.random() < WITHDRAWS:
                camera_id = self.rng.choice(sorted(self.cameras))
                uow.consents.withdraw(camera_id, by="household", now=now)
                self._away.append((now + COMES_BACK_AFTER, camera_id))
            while self._away and self._away[0][0] <= now:
                uow.consents.restore(self._away.pop(0)[1], by="household", now=now)
            uow.commit()

    def _renew(self, camera: Camera, today: date) -> None:
        consent = camera.consent
        if consent.state is not ConsentState.GRANTED or consent.until != today + RENEWED_BEFORE:
            return
        if self.rng.random() >= LAPSES:
            renewed = Consent(state=consent.state, until=today + RENEWED_FOR)
            self.cameras[camera.id] = replace(camera, consent=renewed)


@dataclass
class ReportArchive:
    """Writes the report of each month as the command line would, and keeps it."""

    store: Store
    registry: Registry
    zone: ZoneInfo
    plans: Sequence[str]
    reports: list[Report] = field(default_factory=list)
    accepted: int = 0  # cases, voided ones among them
    _last: ReportMaterial | None = None

    def write_month(self, now: datetime) -> None:
        """Write the report of the month that ended yesterday."""
        day = now.astimezone(self.zone).date() - timedelta(days=1)
        period = period_of(a_round="", day=None, month=day)
        with self.store.begin_read() as uow:
            material = load_material(uow, self.plans, self.zone, period)
        heading = ReportHeading(
            kind=period.kind,
            period=period.name,
            site="上坝镇",
            zone=self.zone,
            made_at=now,
            registry=self.registry,
        )
        report = compose_report(heading, material, last=self._last)
        report_document(report)
        self.reports.append(report)
        self.accepted += len(material.cases)
        self._last = material


@dataclass
class TownTruth:
    """The problems that are in the town just now, by camera and category."""

    rng: random.Random
    _present: defaultdict[CameraId, dict[str, str]] = field(
        default_factory=lambda: defaultdict(dict)
    )  # camera → category → kind

    def add_problems(self, cameras: Sequence[CameraId], count: int) -> None:
        """Add new problems at some of the cameras, mostly in the scene, some of the lens."""
        for camera in self.rng.choices(cameras, k=count):
            is_fault = self.rng.random() < FAULT_SHARE
            kind = self.rng.choice(FAULTS) if is_fault else self.rng.choices(SCENES, WEIGHTS)[0]
            self._present[camera][EQUIPMENT if is_fault else kind] = kind

    def heal(self, rng: random.Random) -> None:
        """Let some camera faults go by themselves, whatever their cases wait for."""
        for camera, kinds in self._present.items():
            if EQUIPMENT in kinds and rng.random() < HEALS_SHARE:
                self.clear(camera, EQUIPMENT)

    def kinds_at(self, camera: CameraId) -> Iterable[str]:
        """The kinds of problems that a camera could show."""
        there = self._present.get(camera)
        return there.values() if there else ()

    def is_true(self, finding: Finding) -> bool:
        """Whether a careful person on the spot would confirm the finding."""
        outage = finding.kind.endswith("_down")
        return outage or self.is_present(finding.camera, finding.category)

    def is_present(self, camera: CameraId, category: str) -> bool:
        """Whether a recheck would still see the category."""
        return category in self._present[camera]

    def clear(self, camera: CameraId, category: str) -> None:
        """Remove the problem."""
        self._present[camera].pop(category, None)


@dataclass
class YearLeaders:
    """All leaders' phones: take case messages, plan replies, send them when they are due."""

    truth: TownTruth
    profile: ReplyProfile
    seed: int
    rng: random.Random
    now: Callable[[], datetime]
    at: Schedule
    send: SendReply
    is_away: Callable[[str, datetime], bool] = lambda _person, _at: False  # on leave
    on_sick: Callable[[PersonId], None] = lambda _person: None  # a leader calls in sick
    case_subjects: dict[str, tuple[CameraId, str] | None] = field(default_factory=dict)  # by case
    counts: Counter[str] = field(default_factory=Counter)
    shown: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _keys: set[str] = field(default_factory=set)
    _planned: set[tuple[str, int, int]] = field(default_factory=set)

    def handle_message(self, topic: str, payload: bytes) -> None:
        """Take one message of the broker; repeats by key are dropped."""
        if not payload:
            self.shown.pop(topic, None)
            return
        case = json.loads(payload)
        if case["key"] in self._keys:
            self.counts["repeated"] += 1
            return
        self._keys.add(case["key"])
        self.counts["received"] += 1
        self.shown[topic] = case
        rung = int((case.get("rung") or {}).get("number", 0))
        turn = case["revision"] if case["state"] == "rework" else 0
        if awaits_reply(case) and (topic, rung, turn) not in self._planned:
            self._planned.add((topic, rung, turn))
            self._plan_replies(topic, case)

    def _plan_replies(self, topic: str, case: Mapping[str, Any]) -> None:
        if self._calls_in_sick(case):
            return
        reply = topic.replace("/case/", "/reply/")
        is_about_camera = case["category"]["code"] == EQUIPMENT_CODE
        repair = timedelta(hours=self.rng.uniform(*REPAIR_H) if is_about_camera else 0)
        for planned in plan_replies(case, self.profile, self.seed):
            when = self.now() + timedelta(seconds=planned.after_s)
            if planned.body["type"] in {"arrive", "feedback"}:
                when += repair
            body = {"v": 1, **planned.body}
            if planned.removes_problem:
                self.at(when, lambda: self._clear(case["case"]))
            if self.rng.random() < OUT_OF_ORDER:
                when += timedelta(minutes=self.rng.uniform(*HELD_BACK_MIN))
            for _ in range(2 if planned.sent_twice else 1):
                self._schedule_reply(when, reply, body)
            if body["type"] == "acknowledge" and self.rng.random() < ASKS_FOR_TIME:
                more = {**body, "type": "extend", "key": f"{body['key']}/more", "text": "等配件"}
                self._schedule_reply(when + timedelta(minutes=3), reply, more)

    def _calls_in_sick(self, case: Mapping[str, Any]) -> bool:
        """Whether the leader of the first rung calls the centre instead of answering."""
        rung = case.get("rung") or {}
        is_leaders = rung.get("role") == Role.GRID_LEADER and not self.is_away(
            str(rung["person"]), self.now()
        )
        if not is_leaders or self.rng.random() >= CALLS_IN_SICK:
            return False
        person = PersonId(rung["person"])
        self.counts["called in sick"] += 1
        self.at(self.now() + SICK_NOTICE, lambda: self.on_sick(person))
        return True

    def _schedule_reply(self, when: datetime, topic: str, body: Mapping[str, Any]) -> None:
        self.at(when, lambda: self._send_unless_away(topic, body))

    def _send_unless_away(self, topic: str, body: Mapping[str, Any]) -> None:
        if self.is_away(str(body.get("person", "")), self.now()):
            self.counts["on leave"] += 1
        else:
            self.send(topic, json.dumps(body).encode())

    def _clear(self, case: str) -> None:
        known = self.case_subjects.get(case)
        if known is not None:
            self.truth.clear(*known)
