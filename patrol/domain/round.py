"""The patrol round: its plan, its states and transitions, its visits and their totals.

A round's cameras are written down before the first is visited; from then on each is PENDING until
exactly one visit is recorded. Planned = seen + not viewable + missed, always.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from enum import StrEnum, auto
from hashlib import sha256 as sha256_of
from typing import Final, NamedTuple

from patrol.domain.access_log import utc_microseconds_text
from patrol.domain.errors import Failed
from patrol.domain.ids import CameraId, PictureId, RoundId, Sha256

ADHOC = "adhoc"  # the plan of rounds that a person asks for over some cameras; on no calendar


@dataclass(frozen=True, slots=True, kw_only=True)
class PatrolPlan:
    """When a round is due, on the site's wall clock, clamped to the sun where asked."""

    name: str
    start: time  # local
    finish_by: time  # local, same day
    after_sunrise: timedelta | None = None  # not earlier than this after sunrise
    before_sunset: timedelta | None = None  # not later than this before sunset (start only)

    def __post_init__(self) -> None:
        if self.finish_by <= self.start:
            raise ValueError(f"plan {self.name!r}: finish_by is not after start")

    @property
    def length(self) -> timedelta:
        """From its start to its finish-by."""
        return _since_midnight(self.finish_by) - _since_midnight(self.start)


def _since_midnight(at: time) -> timedelta:
    return timedelta(hours=at.hour, minutes=at.minute, seconds=at.second)


class RoundState(StrEnum):
    """The states of a round."""

    PLANNED = auto()
    RUNNING = auto()
    INTERRUPTED = auto()  # stopped with a reason: full disk, Ctrl-C; resumes
    FINISHED = auto()
    MISSED = auto()  # never ran; the reason is kept


class RoundEvent(StrEnum):
    """What moves a round from state to state."""

    START = auto()
    INTERRUPT = auto()
    FINISH = auto()
    MISS = auto()


ENDED_STATES: Final = (RoundState.FINISHED, RoundState.MISSED)

_S, _E = RoundState, RoundEvent
ROUND_TRANSITIONS: Mapping[tuple[RoundState, RoundEvent], RoundState] = {
    (_S.PLANNED, _E.START): _S.RUNNING,
    (_S.PLANNED, _E.MISS): _S.MISSED,
    (_S.RUNNING, _E.START): _S.RUNNING,  # resumed after a kill
    (_S.RUNNING, _E.INTERRUPT): _S.INTERRUPTED,
    (_S.RUNNING, _E.FINISH): _S.FINISHED,
    (_S.INTERRUPTED, _E.START): _S.RUNNING,
    (_S.INTERRUPTED, _E.FINISH): _S.FINISHED,  # its time ran out before it was resumed
}


class IllegalRoundTransition(Failed):
    """ROUND_TRANSITIONS has no transition for the event in this state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One round over all cameras of a plan, with what it cost."""

    id: RoundId
    plan: str
    day: date  # local
    planned_at: datetime
    finish_by: datetime  # UTC
    planned: int
    refused: Mapping[str, int]  # Refusal → cameras; never connected to
    state: RoundState = RoundState.PLANNED
    started_at: datetime | None = None
    finished_at: datetime | None = None
    reason: str = ""  # why interrupted or missed
    misdated: bool = False  # by a clock that was ahead: it is no round of its day's window
    scope: str = ""  # which cameras a person asked for; empty: the plan's own
    wall_s: float = 0.0  # summed over all runs of it
    cpu_s: float = 0.0
    peak_rss_mb: float = 0.0

    @property
    def is_open(self) -> bool:
        """Whether it is still to be run or closed."""
        return self.state not in ENDED_STATES

    @property
    def never_began(self) -> bool:
        """Whether it is recorded as missed, and no camera was visited."""
        return self.state is RoundState.MISSED and self.started_at is None

    def apply_event(self, event: RoundEvent, *, at: datetime, reason: str = "") -> "Round":
        """The round after `event`. Raises IllegalRoundTransition."""
        target = ROUND_TRANSITIONS.get((self.state, event))
        if target is None:
            raise IllegalRoundTransition(
                f"round {self.id} is {self.state}: {event} is not possible"
            )
        started_at = self.started_at or (at if event is _E.START else None)
        ended = target in ENDED_STATES
        return replace(
            self,
            state=target,
            started_at=started_at,
            finished_at=at if ended else None,
            reason=reason,
        )


class VisitOutcome(StrEnum):
    """The outcome of a visit: 正常 / 发现问题 / 无法查看, not yet made, or missed."""

    PENDING = auto()
    NORMAL = auto()
    PROBLEM = auto()
    NOT_VIEWABLE = auto()
    MISSED = auto()

    @property
    def is_seen(self) -> bool:
        """Whether at least one usable picture was got."""
        return self in SEEN_OUTCOMES


SEEN_OUTCOMES: Final = (VisitOutcome.NORMAL, VisitOutcome.PROBLEM)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedVisit:
    """A camera's place in a round, stored before the first visit."""

    round: RoundId
    camera: CameraId
    order: int
    judgings: int = 0  # how often its picture was judged without an end: the service was killed


AREA_HASH_FACT: Final = (
    "visible_area"  # among a visit's facts: the hash of the area that could be seen
)
MEMORY_DISCARDED_FACT: Final = "memory_discarded"  # why what was learnt of the camera was dropped
# Purposes of stored pictures (StoredPicture.purpose).
SAMPLE_PURPOSE: Final = "sample"  # of a visit that showed nothing
FIELD_PHOTO_PURPOSE: Final = "ground"  # a photo sent by a person at the place: no camera's
SPACE_NEEDED: Final = "sample, room was needed"
CONSENT_ENDED: Final = ", consent ended"  # ends the purpose of what goes with the consent …
CAMERA_RETIRED: Final = ", camera retired"  # … or with the camera


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPicture:
    """A picture that one look at one camera took; its bytes lie in the picture store.

    `sha256` names the bytes, which pictures of other cameras and other looks may have as well (a
    "no signal" slide); `id` names the picture: whose it is and when it was taken.
    """

    sha256: Sha256
    camera: CameraId
    taken_at: datetime
    width_px: int
    height_px: int
    bytes: int
    purpose: str  # "sample", "evidence", "before", "after", "reference"
    delete_after: datetime

    @property
    def id(self) -> PictureId:
        """The picture's identity, by which findings, cases, addresses and the index name it."""
        return picture_id(self.camera, self.taken_at, self.sha256)


def picture_id(camera: CameraId, taken_at: datetime, sha256: Sha256) -> PictureId:
    """Hash over whose picture it is, when it was taken and its content; 64 lower-case hex digits.

    A function of the picture alone, so that it is known before the visit has a row. `camera` is
    empty for a photo from the ground whose case has no camera.
    """
    text = f"{camera}|{utc_microseconds_text(taken_at)}|{sha256}"
    return PictureId(sha256_of(text.encode()).hexdigest())


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One visit of one camera as it is stored: outcome, failure, measurements, pictures."""

    round: RoundId | None
    camera: CameraId
    outcome: VisitOutcome
    started_at: datetime
    finished_at: datetime
    tries: int = 1
    failure: str = ""  # StreamError.kind, or "unusable_picture"; empty when seen
    seen: str = ""  # what was observed, in one line, when it failed
    usable_pictures: int = 0
    faults: tuple[str, ...] = ()  # picture faults by name
    readings: Mapping[str, float] | None = None  # gauge → number
    facts: Mapping[str, object] | None = None  # StreamFacts as plain data
    freshness: str = ""
    light: str = ""
    pictures: tuple[StoredPicture, ...] = ()

    @property
    def first_taken_at(self) -> datetime | None:
        """When its first picture was taken; None without one."""
        return self.pictures[0].taken_at if self.pictures else None


class VisitOutline(NamedTuple):
    """What a ledger says of a visit: a report of a month holds 100,000 of them."""

    camera: CameraId
    outcome: VisitOutcome
    failure: str
    seen: str
    usable_pictures: int
    faults: tuple[str, ...]
    first_taken_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundTotals:
    """A round's totals, counted from its stored visits."""

    planned: int = 0
    pending: int = 0
    normal: int = 0
    problem: int = 0
    not_viewable: int = 0
    missed: int = 0
    pictures: int = 0
    observations: int = 0
    findings: int = 0
    failures: Mapping[str, int] | None = None

    @property
    def seen(self) -> int:
        """Cameras with at least one usable picture."""
        return self.normal + self.problem
