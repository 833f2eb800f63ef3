"""Camera health: each camera's state moved by visits, the fleet's rates, the maintenance queue.

State (`CameraHealth`): one failed visit is no outage. A camera keeps its state until it has failed
several visits in a row, or for long enough; one good visit brings it back. A camera without any
good visit is offline at its first failure. Visits are twice a day.

Rates (`FleetHealth`): online and intact, each with the number of cameras counted and of those left
out: without consent, indoor or of unknown placement, in maintenance, not visited yet. Retired
cameras are not in the registry; the caller counts them.

Queue (`Trouble`): a camera that is offline or faulty, or a whole link or village, whose cameras
then have none of their own. Its limits are those of level IV. Troubles close by
themselves when a round sees the thing well again; they are never deleted. Pure.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum, auto
from typing import Final

from patrol.domain.camera import Camera, Priority
from patrol.domain.errors import Failed
from patrol.domain.ids import CameraId, CaseId
from patrol.domain.priority import LIMITS_BY_LEVEL, DueLight, Level, due_light
from patrol.domain.round import Visit, VisitOutcome
from patrol.domain.timestamps import rfc3339

# No answer at all: what a dead uplink, a power cut, a pulled plug look like from the centre.
NO_ANSWER_FAILURES: Final = frozenset({"unreachable", "went_silent"})
NEVER_VISITED = "never_visited"
INTACT_RATE_TARGET_KEY = 0.98  # public targets of the intact rate: key areas, elsewhere
INTACT_RATE_TARGET = 0.95
NOTE_LIMITS = LIMITS_BY_LEVEL[Level.NOTE]


class CameraCondition(StrEnum):
    """A camera's state of health (retained on MQTT, docs/mqtt.md)."""

    ONLINE = auto()
    FAULTY = auto()  # it answers, its picture has a fault
    OFFLINE = auto()


class ConnectionGrade(StrEnum):
    """The grade of a camera's connection at its last good visit."""

    GOOD = auto()
    FAIR = auto()
    POOR = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthPolicy:
    """The hysteresis, and what makes a group of cameras one outage."""

    offline_after_visits: int = 2  # failed in a row; a visit has its own retries before it fails
    offline_after: timedelta = timedelta(hours=1)  # or failing for so long
    group_share: float = 0.6  # of a link's or village's visited cameras: a power cut
    group_least: int = 3  # two cameras that fail together are two cameras
    back_share: float = 0.4  # a group is back when fewer than this fail; between, it stays
    fair_after_s: float = 5.0  # to the first key frame: cameras send one every 2–4 s
    poor_after_s: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraHealth:
    """One camera's health as stored: its state, since when, why."""

    state: str  # a CameraCondition
    since: datetime
    why: str = ""
    announced: str = ""  # the state last announced to the maintainer; empty: none yet
    failures: int = 0  # failed visits in a row
    failing_since: datetime | None = None
    grade: str = ""  # a ConnectionGrade; empty: no good visit yet

    @property
    def is_suspect(self) -> bool:
        """Whether its last visits failed and it is not offline yet."""
        return self.failures > 0 and self.state != CameraCondition.OFFLINE


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthSample:
    """What one visit shows about a camera's health."""

    at: datetime
    state: CameraCondition
    why: str = ""
    grade: str = ""


def health_sample(visit: Visit, policy: HealthPolicy) -> HealthSample | None:
    """What the visit shows; None when it was not made."""
    if visit.outcome in (VisitOutcome.PENDING, VisitOutcome.MISSED):
        return None
    if visit.outcome is VisitOutcome.NOT_VIEWABLE and not visit.faults:
        return HealthSample(at=visit.finished_at, state=CameraCondition.OFFLINE, why=visit.failure)
    state = CameraCondition.FAULTY if visit.faults else CameraCondition.ONLINE
    grade = connection_grade(visit.tries, visit.facts or {}, policy)
    return HealthSample(at=visit.finished_at, state=state, why=" ".join(visit.faults), grade=grade)


def connection_grade(
    tries: int, facts: Mapping[str, object], policy: HealthPolicy
) -> ConnectionGrade:
    """The grade by retries and seconds to the first key frame; an unknown time counts as 0."""
    waited = facts.get("first_key_frame_s")
    waited_s = float(waited) if isinstance(waited, int | float) else 0.0
    if waited_s > policy.poor_after_s or (tries > 1 and waited_s > policy.fair_after_s):
        return ConnectionGrade.POOR
    return (
        ConnectionGrade.FAIR
        if tries > 1 or waited_s > policy.fair_after_s
        else ConnectionGrade.GOOD
    )


def next_health(
    known: CameraHealth | None, sample: HealthSample, policy: HealthPolicy
) -> CameraHealth:
    """The health after one more visit; the caller sets `announced`."""
    if sample.state is CameraCondition.OFFLINE:
        return _after_failure(known, sample, policy)
    same = known is not None and known.state == sample.state
    return CameraHealth(
        state=sample.state,
        since=known.since if known and same else sample.at,
        why=sample.why,
        announced=known.announced if known else "",
        grade=sample.grade,
    )


def _after_failure(
    known: CameraHealth | None, sample: HealthSample, policy: HealthPolicy
) -> CameraHealth:
    if known is None:
        return CameraHealth(
            state=sample.state, since=sample.at, why=sample.why, failures=1, failing_since=sample.at
        )
    failures, since = known.failures + 1, known.failing_since or sample.at
    failing = replace(known, failures=failures, failing_since=since)
    if known.state == CameraCondition.OFFLINE:
        return replace(failing, why=sample.why)
    long_enough = sample.at - since >= policy.offline_after
    if failures < policy.offline_after_visits and not long_enough:
        return failing
    return replace(failing, state=CameraCondition.OFFLINE, since=since, why=sample.why)


def should_announce(health: CameraHealth) -> bool:
    """Whether the state is to be announced; a camera first seen healthy is not."""
    return health.state != health.announced and not (
        health.announced == "" and health.state == CameraCondition.ONLINE
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetHealth:
    """The online and intact rates of some cameras, and which are left out of both."""

    registered: int
    left_out: Mapping[str, int]  # why → cameras
    online: int  # without a fault
    faulty: int  # online, with one
    offline: int
    suspect: int  # of all three: see CameraHealth.is_suspect
    grades: Mapping[str, int]  # ConnectionGrade → cameras with a good visit

    @property
    def counted(self) -> int:
        """The number of cameras that both rates are of."""
        return self.online + self.faulty + self.offline

    @property
    def online_rate(self) -> float | None:
        """在线率, 0..1; None where no camera counts."""
        return (self.online + self.faulty) / self.counted if self.counted else None

    @property
    def intact_rate(self) -> float | None:
        """完好率, 0..1: online without a fault; None where no camera counts."""
        return self.online / self.counted if self.counted else None


def fleet_health(
    cameras: Iterable[Camera],
    health_by_camera: Mapping[CameraId, CameraHealth],
    left_out_reasons: Mapping[CameraId, str],
) -> FleetHealth:
    """The rates of `cameras`: of all, or of some."""
    all_cameras = list(cameras)
    left_out: Counter[str] = Counter()
    counted: list[CameraHealth] = []
    for camera in all_cameras:
        health, reason = health_by_camera.get(camera.id), left_out_reasons.get(camera.id)
        if reason is not None or health is None:
            left_out[reason or NEVER_VISITED] += 1
        else:
            counted.append(health)
    states = Counter(health.state for health in counted)
    return FleetHealth(
        registered=len(all_cameras),
        left_out=dict(sorted(left_out.items())),
        online=states[CameraCondition.ONLINE],
        faulty=states[CameraCondition.FAULTY],
        offline=states[CameraCondition.OFFLINE],
        suspect=sum(health.is_suspect for health in counted),
        grades=dict(sorted(Counter(health.grade for health in counted if health.grade).items())),
    )


def split_by_priority(cameras: Iterable[Camera]) -> tuple[list[Camera], list[Camera]]:
    """(key sites, the others): each has a target of its own."""
    all_cameras = list(cameras)
    key = [camera for camera in all_cameras if camera.priority is Priority.KEY]
    return key, [camera for camera in all_cameras if camera.priority is not Priority.KEY]


RECOVERED: Final = "recovered"  # why a trouble is over: a visit saw the camera well again


class TroubleKind(StrEnum):
    """The kinds of things that a trouble is about."""

    CAMERA = auto()
    LINK = auto()
    VILLAGE = auto()


class TroubleAlreadyTaken(Failed):
    """The trouble is closed, or was taken before; the message names by whom and when."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """One item of the maintenance queue, from the round that found it to the one that did not."""

    kind: TroubleKind
    subject: str  # camera id, link, grid code of the village
    state: str  # offline, faulty; down for a group
    since: datetime
    opened_at: datetime
    why: str
    cameras: tuple[CameraId, ...]  # the first stands for a group on MQTT
    number: int = 0  # given by the store
    taken_at: datetime | None = None
    taken_by: str = ""
    closed_at: datetime | None = None
    closed_why: str = ""
    case: CaseId | None = None  # about the same fault: then this is its number for people

    @property
    def label(self) -> str:
        """The number by which people call it: the case's where it has one."""
        return self.case or f"№{self.number}"

    @property
    def due_at(self) -> datetime:
        """When the limit for closing it runs out."""
        return self.opened_at + NOTE_LIMITS.close

    def due_light(self, now: datetime) -> DueLight:
        """The worse light of the two limits, taking and closing, that still run."""
        if (
            self.taken_at is None
            and due_light(self.opened_at, NOTE_LIMITS.acknowledge, now) is DueLight.RED
        ):
            return DueLight.RED
        return due_light(self.opened_at, NOTE_LIMITS.close, now)

    def take_over(self, *, by: str, now: datetime) -> "Trouble":
        """The trouble, taken by a maintainer. Raises TroubleAlreadyTaken."""
        if self.closed_at is not None:
            raise TroubleAlreadyTaken(f"trouble {self.number} is over: {self.closed_why}")
        if self.taken_at is not None:
            raise TroubleAlreadyTaken(
                f"trouble {self.number} was taken by {self.taken_by} at {rfc3339(self.taken_at)}"
            )
        return replace(self, taken_at=now, taken_by=by)

    def close(self, why: str, now: datetime) -> "Trouble":
        """The trouble, closed with its reason."""
        return replace(self, closed_at=now, closed_why=why)
