"""The ground patrol (联动巡防): one walk of a roster, its points, and what was said at each. Pure.

A patrol has points to check in at, each with the time by which it should be walked. A check-in is
by QR code, by tag or by location, and carries the phone's time: when it comes at once the centre's
own counts, when the phone had no network its claim does, marked as claimed. A check-in that is not
plausible (a time that cannot be, too far away, too fast) waits for a person. A point whose time has
passed is late, and is told while it can still be walked; at the end it is missed. A plausible claim
that comes after the end still counts: the phone had no network. Times are UTC.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum, auto
from math import cos, hypot, radians
from typing import Final

from patrol.domain.errors import BadInput, Failed
from patrol.domain.ids import FindingId, GridCode, PersonId
from patrol.domain.registry import PatrolPoint
from patrol.domain.roster import GroundPolicy

METRES_A_DEGREE: Final = 111_320.0


class GroundState(StrEnum):
    """States of a ground patrol; the values are public."""

    PLANNED = auto()
    RUNNING = auto()
    COMPLETED = auto()  # every point was walked
    INCOMPLETE = auto()  # over, and points are left
    MISSED = auto()  # over, and no point was walked


class StopState(StrEnum):
    """What became of one point; the values are public."""

    PENDING = auto()
    DONE = auto()
    LATE = auto()  # checked_in, after its time
    REVIEW = auto()  # its check-in waits for a person
    MISSED = auto()


class CheckInMethod(StrEnum):
    """How a check-in proves that a person was there."""

    QR = auto()
    NFC = auto()
    LOCATION = auto()
    OPERATOR = auto()  # entered by the centre, after a telephone call


class CheckInState(StrEnum):
    """What became of a check-in; the values are public."""

    ACCEPTED = auto()
    REVIEW = auto()
    REJECTED = auto()  # by a person


class CheckInProblem(StrEnum):
    """Why a check-in is not plausible; the values are public."""

    AHEAD = auto()  # its time is in the future
    TOO_OLD = auto()  # longer without network than is believed
    OUTSIDE_WINDOW = auto()  # before the patrol could begin, or after its end
    OUT_OF_ORDER = auto()  # earlier than what the phone said before
    TOO_FAST = auto()  # from the last point to this one
    TOO_FAR = auto()
    IMPRECISE = auto()  # the location is not exact enough to say anything
    NO_LOCATION = auto()  # the plan asks for one


ENDED: Final = (GroundState.COMPLETED, GroundState.INCOMPLETE, GroundState.MISSED)
CHECKED_IN: Final = (StopState.DONE, StopState.LATE)
OPEN_STOPS: Final = (StopState.PENDING, StopState.MISSED)  # a claim may still come for these


class CheckInRefused(BadInput, ValueError):
    """The check-in cannot be taken at all; the text names the field and the reason."""


class IllegalCheckIn(Failed):
    """The point was checked_in, or the check-in decided, before; the text says by whom."""


class NotOnRoster(BadInput):
    """Somebody else walks this patrol."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where a phone says that it is; used for the distance, then dropped."""

    longitude: float
    latitude: float
    accuracy_m: float

    def __post_init__(self) -> None:
        inside = -180 <= self.longitude <= 180 and -90 <= self.latitude <= 90  # noqa: PLR2004
        if not (inside and 0 <= self.accuracy_m < 1e7):  # noqa: PLR2004  NaN, too
            raise CheckInRefused("location: is none, give WGS-84 degrees and an accuracy in metres")


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckIn:
    """One check-in; the distance to the point stays, where the person was does not."""

    id: str  # patrol, person and the phone's own key: a repeat is dropped
    patrol: str
    point: str
    by: PersonId
    method: CheckInMethod
    claimed_at: datetime  # by the phone
    received_at: datetime  # by the centre
    at: datetime  # which of both counts
    is_claimed: bool  # the phone's counts
    distance_m: float | None = None
    accuracy_m: float | None = None
    state: CheckInState = CheckInState.ACCEPTED
    problems: tuple[CheckInProblem, ...] = ()
    seen: str = ""  # what was seen there, in words
    finding: FindingId | None = None
    decided_by: str = ""
    decided_at: datetime | None = None
    decision_note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroundStop:
    """One point of a patrol."""

    patrol: str
    place: int  # from 0
    point: str
    name: str
    kind: str
    due_at: datetime
    state: StopState = StopState.PENDING
    check_in: str = ""
    at: datetime | None = None
    late_notified_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroundPatrol:
    """One walk: a plan's number for one grid on one local day."""

    id: str  # 20261122-railway-1-620902104203001-g
    plan: str
    number: str
    title: str
    day: date
    grid: GridCode
    people: tuple[PersonId, ...]
    open_from: datetime
    planned_at: datetime
    finish_by: datetime
    remind_at: datetime
    last_call_at: datetime
    needs_location: bool = False
    key_area: str = ""
    state: GroundState = GroundState.PLANNED
    reminded_at: datetime | None = None
    last_called_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    revision: int = 0  # of what the people's phones show; part of the message key

    @property
    def is_open(self) -> bool:
        """Whether its time is not over."""
        return self.state not in ENDED

    def check_walker(self, person: PersonId) -> None:
        """Raise NotOnRoster unless this person walks it."""
        if person not in self.people:
            raise NotOnRoster(f"patrol {self.id} is walked by {', '.join(self.people) or 'nobody'}")

    def moved_on(self, stops: Sequence[GroundStop], now: datetime) -> "GroundPatrol":
        """The patrol as its points and the time say that it is."""
        checked_in = [stop.at for stop in stops if stop.state in CHECKED_IN and stop.at]
        begun = bool(checked_in) or any(stop.state is StopState.REVIEW for stop in stops)
        if stops and all(stop.state in CHECKED_IN for stop in stops):
            state = GroundState.COMPLETED
        elif now >= self.finish_by or not self.is_open:
            state = GroundState.INCOMPLETE if begun else GroundState.MISSED
        else:
            state = GroundState.RUNNING if begun else GroundState.PLANNED
        ended = None if state not in ENDED else self.ended_at or now
        return replace(self, state=state, started_at=min(checked_in, default=None), ended_at=ended)


def ended_stop(stop: GroundStop) -> GroundStop:
    """The point when the patrol's time is over."""
    return replace(stop, state=StopState.MISSED) if stop.state is StopState.PENDING else stop


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckInClaim:
    """What a phone, a program or an operator claims: who, where, when."""

    key: str
    patrol: str
    point: str
    by: PersonId
    method: CheckInMethod
    claimed_at: datetime
    location: Location | None = None
    seen: str = ""

    @property
    def id(self) -> str:
        """The id of its check-in: a key is one phone's own, within one patrol."""
        return f"{self.patrol}/{self.by}/{self.key}"


def judge_check_in(
    claim: CheckInClaim,
    patrol: GroundPatrol,
    point: PatrolPoint,
    *,
    now: datetime,
    before: Sequence[tuple[CheckIn, PatrolPoint | None]],
    policy: GroundPolicy,
) -> CheckIn:
    """The check-in with its time, its distance and what makes it implausible.

    `before`: the person's earlier check-ins of this patrol with their points.
    Raises CheckInRefused: by location, where the point has none or the phone gave none.
    """
    distance = distance_m(point, claim.location)
    if claim.method is CheckInMethod.LOCATION and distance is None:
        what = "give the phone's" if point.position else f"point {point.id} was never measured"
        raise CheckInRefused(f"location: is missing, {what}; or check in by code")
    is_live = abs(now - claim.claimed_at) <= policy.live_within
    at = now if is_live else claim.claimed_at
    problems = [
        *_problems_of_time(claim, patrol, at, now=now, before=before, policy=policy),
        *_problems_of_place(claim, patrol, point, distance, policy),
    ]
    if _is_too_fast(point, at, before, policy):
        problems.append(CheckInProblem.TOO_FAST)
    return CheckIn(
        id=claim.id, patrol=patrol.id, point=point.id, by=claim.by,
        method=claim.method, claimed_at=claim.claimed_at, received_at=now, at=at,
        is_claimed=not is_live, distance_m=distance,
        accuracy_m=claim.location.accuracy_m if claim.location else None,
        state=CheckInState.REVIEW if problems else CheckInState.ACCEPTED, problems=tuple(problems),
        seen=claim.seen.strip(),
    )  # fmt: skip


def _problems_of_time(
    claim: CheckInClaim,
    patrol: GroundPatrol,
    at: datetime,
    *,
    now: datetime,
    before: Sequence[tuple[CheckIn, PatrolPoint | None]],
    policy: GroundPolicy,
) -> Iterable[CheckInProblem]:
    if claim.claimed_at - now > policy.live_within:
        yield CheckInProblem.AHEAD
    if now - claim.claimed_at > policy.offline_for:
        yield CheckInProblem.TOO_OLD
    if not patrol.open_from <= at < patrol.finish_by:
        yield CheckInProblem.OUTSIDE_WINDOW
    if any(one.at > at for one, _ in before if one.state is not CheckInState.REJECTED):
        yield CheckInProblem.OUT_OF_ORDER


def _problems_of_place(
    claim: CheckInClaim, patrol: GroundPatrol, point: PatrolPoint, distance: float | None,
    policy: GroundPolicy,
) -> Iterable[CheckInProblem]:  # fmt: skip
    if claim.method is CheckInMethod.OPERATOR:
        return
    if claim.location is None:
        if patrol.needs_location:
            yield CheckInProblem.NO_LOCATION
        return
    accuracy = claim.location.accuracy_m
    if distance is not None and distance - min(accuracy, policy.worst_accuracy_m) > point.radius_m:
        yield CheckInProblem.TOO_FAR
    elif accuracy > policy.worst_accuracy_m and (
        patrol.needs_location or claim.method is CheckInMethod.LOCATION
    ):
        yield CheckInProblem.IMPRECISE


def _is_too_fast(
    point: PatrolPoint, at: datetime, before: Sequence[tuple[CheckIn, PatrolPoint | None]],
    policy: GroundPolicy,
) -> bool:  # fmt: skip
    """Whether nobody gets here in that time from where the person was checked in last."""
    for one, there in before:
        if there is None or one.state is CheckInState.REJECTED or there.id == point.id:
            continue
        metres = distance_between(there.position, point.position)
        hours = abs((at - one.at).total_seconds()) / 3600
        near = point.radius_m + there.radius_m
        if metres is not None and metres - near > hours * policy.fastest_km_h * 1000:
            return True
    return False


def distance_m(point: PatrolPoint, location: Location | None) -> float | None:
    """Metres from the point; None where one of both is not known."""
    here = (location.longitude, location.latitude) if location else None
    return distance_between(point.position, here)


def distance_between(
    first: tuple[float, float] | None, second: tuple[float, float] | None
) -> float | None:
    """Metres between two places (longitude, latitude) of one town: flat, to some metres."""
    if first is None or second is None:
        return None
    middle = radians((first[1] + second[1]) / 2)
    east = (second[0] - first[0]) * METRES_A_DEGREE * cos(middle)
    return round(hypot(east, (second[1] - first[1]) * METRES_A_DEGREE), 1)


def checked_stop(stop: GroundStop, check_in: CheckIn) -> GroundStop:
    """The point after a check-in. Raises IllegalCheckIn: it was walked before."""
    if stop.state in CHECKED_IN:
        raise IllegalCheckIn(f"point {stop.point}: was checked in at before")
    if check_in.state is CheckInState.REJECTED:
        raise IllegalCheckIn(f"check-in {check_in.id}: was rejected by {check_in.decided_by}")
    if check_in.state is CheckInState.REVIEW:
        return replace(stop, state=StopState.REVIEW, check_in=check_in.id, at=check_in.at)
    state = StopState.LATE if check_in.at > stop.due_at else StopState.DONE
    return replace(stop, state=state, check_in=check_in.id, at=check_in.at)


def decide_check_in(
    check_in: CheckIn, *, accept: bool, by: str, now: datetime, note: str = ""
) -> CheckIn:
    """The check-in after a person decided on it.

    Raises IllegalCheckIn: it does not wait, or is one's own; CheckInRefused: no reason.
    """
    if check_in.state is not CheckInState.REVIEW:
        who = check_in.decided_by or "the rules"
        raise IllegalCheckIn(f"check-in {check_in.id}: was {check_in.state} by {who} before")
    if by == check_in.by:
        raise IllegalCheckIn(f"check-in {check_in.id}: is your own, another person decides")
    if not accept and not note.strip():
        raise CheckInRefused("note: is missing, say why it is not believed")
    state = CheckInState.ACCEPTED if accept else CheckInState.REJECTED
    return replace(check_in, state=state, decided_by=by, decided_at=now, decision_note=note.strip())


@dataclass(frozen=True, slots=True)
class GroundCounts:
    """How many points ended how; planned = done + late + review + missed + pending."""

    planned: int
    done: int
    late: int
    review: int
    missed: int
    pending: int

    @property
    def coverage(self) -> float | None:
        """Walked ÷ planned; None where nothing was planned."""
        return (self.done + self.late) / self.planned if self.planned else None


def count_stops(stops: Iterable[GroundStop]) -> GroundCounts:
    """The counts of these points."""
    counted = Counter(stop.state for stop in stops)
    return GroundCounts(
        planned=counted.total(),
        **{str(state): counted[state] for state in StopState},
    )


def late_stops(stops: Iterable[GroundStop], now: datetime) -> list[GroundStop]:
    """Points whose time has passed and that nobody has walked."""
    return [stop for stop in stops if stop.state is StopState.PENDING and stop.due_at <= now]
