"""The fleet's rates: online, intact — each with its whole, and with what it leaves out. Pure.

Left out and said: cameras without consent (paused, withdrawn, expired), indoor or of unknown
placement, in maintenance, and those that no visit has reached yet. Retired ones are not in the
registry; their stories are counted beside it.

A camera's health as a story: what it is, since when, why — moved by visits, with hysteresis.

One failed visit is no outage: a camera that was seen stays what it was until it has failed several
visits in a row, or for long enough. One good visit brings it back. A camera of which nothing good
was ever seen has nothing to stay: it is offline at its first failure. Pure; visits are twice a day.

Trouble: one item of the maintenance queue, on the clock of level IV (domain.md).

A camera that is offline or faulty, or a whole link or village: then its cameras have none of their
own. Troubles close by themselves when a round sees the thing well again; they are never deleted.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum, auto
from typing import Final

from patrol.domain.camera import Camera, Priority
from patrol.domain.errors import Failed
from patrol.domain.ids import CameraId
from patrol.domain.priority import LIMITS_BY_LEVEL, DueLight, Level, due_light
from patrol.domain.round import Visit, VisitOutcome
from patrol.domain.timestamps import rfc3339

# Nobody answered at all: what a dead uplink, a power cut, a pulled plug look like from here.
NO_ANSWER_FAILURES: Final = frozenset({"unreachable", "went_silent"})


class CameraCondition(StrEnum):
    """What a camera is (retained on MQTT, contracts.md)."""

    ONLINE = auto()
    FAULTY = auto()  # it answers, its picture has a fault
    OFFLINE = auto()


class ConnectionGrade(StrEnum):
    """How good its connection was at the last good visit."""

    GOOD = auto()
    FAIR = auto()
    POOR = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthPolicy:
    """The hysteresis, and what makes a group of cameras one outage."""

    offline_after_visits: int = 2  # failed in a row; a visit has its own retries before it fails
    offline_after: timedelta = timedelta(hours=1)  # or failing for so long
    group_share: float = 0.6  # of a link's or village's visited cameras (domain.md: a power cut)
    group_least: int = 3  # two cameras that fail together are two cameras
    back_share: float = 0.4  # a group is back when fewer than this fail; between, it stays
    fair_after_s: float = 5.0  # to the first key frame: cameras send one every 2–4 s
    poor_after_s: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraHealth:
    """What the books know of one camera."""

    state: str  # a Condition
    since: datetime
    why: str = ""
    announced: str = ""  # the state that the maintainer heard last; empty: nothing yet
    failures: int = 0  # failed visits in a row
    failing_since: datetime | None = None
    grade: str = ""  # a Grade; empty: never seen well

    @property
    def is_suspect(self) -> bool:
        """Failed lately, not yet called offline."""
        return self.failures > 0 and self.state != CameraCondition.OFFLINE


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthSample:
    """What one visit says about health."""

    at: datetime
    state: CameraCondition
    why: str = ""
    grade: str = ""


def health_sample(visit: Visit, policy: HealthPolicy) -> HealthSample | None:
    """None when the visit says nothing: it was never made."""
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
    """From retries and the time to the first key frame; an unknown time counts as none."""
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
    """The story after one more look; `told` is left to whoever tells it."""
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
    """Whether the maintainer has to hear it; a camera first seen healthy is no news."""
    return health.state != health.announced and not (
        health.announced == "" and health.state == CameraCondition.ONLINE
    )


NEVER_VISITED = "never_visited"
INTACT_RATE_TARGET_KEY = 0.98  # public targets of the intact rate (domain.md): key areas, elsewhere
INTACT_RATE_TARGET = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetHealth:
    """Counted from the stories of the cameras that are to be seen at all."""

    registered: int
    left_out: Mapping[str, int]  # why → cameras
    online: int  # without a fault
    faulty: int  # online, with one
    offline: int
    suspect: int  # of all three: failed lately, not yet called offline
    grades: Mapping[str, int]  # connection, of those seen well

    @property
    def counted(self) -> int:
        """The whole of both rates."""
        return self.online + self.faulty + self.offline

    @property
    def online_rate(self) -> float | None:
        """在线率; None of nothing."""
        return (self.online + self.faulty) / self.counted if self.counted else None

    @property
    def intact_rate(self) -> float | None:
        """完好率: online and qualified; None of nothing."""
        return self.online / self.counted if self.counted else None


def fleet_health(
    cameras: Iterable[Camera],
    health_by_camera: Mapping[CameraId, CameraHealth],
    left_out_reasons: Mapping[CameraId, str],
) -> FleetHealth:
    """The fleet, or the part of it that `cameras` are."""
    all_cameras = list(cameras)
    left_out: Counter[str] = Counter()
    counted: list[CameraHealth] = []
    for camera in all_cameras:
        health, reason = health_by_camera.get(camera.id), left_out_reasons.get(camera.id)
        if reason is not None or health is None:
            left_out[reason or NEVER_VISITED] += 1
        else:
            counted.append(health)
    states = Counter(story.state for story in counted)
    return FleetHealth(
        registered=len(all_cameras),
        left_out=dict(sorted(left_out.items())),
        online=states[CameraCondition.ONLINE],
        faulty=states[CameraCondition.FAULTY],
        offline=states[CameraCondition.OFFLINE],
        suspect=sum(story.is_suspect for story in counted),
        grades=dict(sorted(Counter(story.grade for story in counted if story.grade).items())),
    )


def split_by_priority(cameras: Iterable[Camera]) -> tuple[list[Camera], list[Camera]]:
    """Key sites have a target of their own."""
    all_cameras = list(cameras)
    key = [camera for camera in all_cameras if camera.priority is Priority.KEY]
    return key, [camera for camera in all_cameras if camera.priority is not Priority.KEY]


NOTE_LIMITS = LIMITS_BY_LEVEL[Level.NOTE]


class TroubleKind(StrEnum):
    """What is in trouble."""

    CAMERA = auto()
    LINK = auto()
    VILLAGE = auto()


class TroubleAlreadyTaken(Failed):
    """Somebody was first; says who and when."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """From the round that found it to the round that saw it gone."""

    kind: TroubleKind
    subject: str  # camera id, link, grid code of the village
    state: str  # offline, faulty; down for a group
    since: datetime
    opened_at: datetime
    why: str
    cameras: tuple[CameraId, ...]  # whom it concerns; the first speaks for a group on MQTT
    number: int = 0  # given by the store
    taken_at: datetime | None = None
    taken_by: str = ""
    closed_at: datetime | None = None
    closed_why: str = ""

    @property
    def due_at(self) -> datetime:
        """Until when it should be gone."""
        return self.opened_at + NOTE_LIMITS.close

    def due_light(self, now: datetime) -> DueLight:
        """The worse of the two limits that still run."""
        if (
            self.taken_at is None
            and due_light(self.opened_at, NOTE_LIMITS.acknowledge, now) is DueLight.RED
        ):
            return DueLight.RED
        return due_light(self.opened_at, NOTE_LIMITS.close, now)

    def take_over(self, *, by: str, now: datetime) -> "Trouble":
        """A maintainer sees to it. Raises AlreadyTaken."""
        if self.closed_at is not None:
            raise TroubleAlreadyTaken(f"trouble {self.number} is over: {self.closed_why}")
        if self.taken_at is not None:
            raise TroubleAlreadyTaken(
                f"trouble {self.number} was taken by {self.taken_by} at {rfc3339(self.taken_at)}"
            )
        return replace(self, taken_at=now, taken_by=by)

    def close(self, why: str, now: datetime) -> "Trouble":
        """It is over."""
        return replace(self, closed_at=now, closed_why=why)
