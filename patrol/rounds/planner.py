"""Plan rounds: when a plan's round is due, which cameras it visits in which order, begin, close.

The scheduler asks `due_round` every few seconds. A round is due from its start until its finish-by:
a machine that was off runs it late while the window lasts; after that the round is recorded as
missed, with the reason. `RoundPlanner` begins a round, takes up an unfinished one, or records a
missed one, inside the caller's transaction: at most one round of a plan is unfinished at a time.

Order of visits: cameras with an open case first, then key sites, then the rest; within each part
the cameras of every network link are spread evenly, so that no village uplink and no recorder is
asked for all its cameras at once.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from enum import StrEnum, auto
from zoneinfo import ZoneInfo

from patrol.domain.camera import Camera, Priority
from patrol.domain.consent import ConsentTerms
from patrol.domain.errors import BadInput
from patrol.domain.ids import CameraId, RoundId
from patrol.domain.labels import REFUSALS, label_of
from patrol.domain.registry import GridTree
from patrol.domain.round import (
    PatrolPlan,
    PlannedVisit,
    Round,
    RoundEvent,
    RoundState,
    Visit,
    VisitOutcome,
)
from patrol.domain.schedule import IN_MAINTENANCE, Calendar, Stoppage, maintenance_of, pause_at
from patrol.files import ProcessBusy
from patrol.rounds.adhoc import AdhocSelection
from patrol.store import UnitOfWork

SunTimes = Callable[[date], tuple[datetime, datetime]]  # local day → (sunrise, sunset), UTC
LATE_AFTER = timedelta(minutes=2)  # the scheduler asks every few seconds; later than this is "late"
LONGEST_GAP = timedelta(days=31)  # of a machine that was off: each of these days is recorded
MAX_OPEN_CASES = 10_000  # far more than a town can have open

# Reasons of rounds that did not run, or not to their end.
NOT_RUNNING = "the patrol was not running that day"
NOT_IN_WINDOW = "not finished in its window"
SUPERSEDED = "not finished when another was asked for"
OUT_OF_TIME = "finish_by"
RETRACTED = "a clock that was ahead recorded it before its time was over"
MISDATED = "begun under a clock that was ahead"
ACTOR = "patrol"  # in the access log


class DueAction(StrEnum):
    """What to do about one plan now."""

    NOT_YET = auto()
    START = auto()
    START_LATE = auto()  # the machine was off, its window is still open
    RESUME = auto()
    CLOSE_UNFINISHED = auto()  # begun, and its time ran out
    MISSED = auto()  # never begun, and its time ran out
    DONE = auto()  # finished, or recorded as missed


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundWindow:
    """When a plan's round may run on one local day, in UTC."""

    start: datetime
    finish_by: datetime


def window_of(plan: PatrolPlan, day: date, zone: ZoneInfo, sun: SunTimes) -> RoundWindow:
    """The plan's window on `day`, moved by the sun where the plan asks for it.

    A late sunrise moves the start; an early sunset moves the whole window, so that a round is
    never squeezed into less time than its plan gives it unless both clamps meet.
    """
    start = datetime.combine(day, plan.start, zone).astimezone(UTC)
    finish_by = datetime.combine(day, plan.finish_by, zone).astimezone(UTC)
    sunrise, sunset = sun(day)
    if plan.before_sunset is not None:
        over = finish_by - (sunset - plan.before_sunset)
        if over > timedelta(0):
            start, finish_by = start - over, finish_by - over
    if plan.after_sunrise is not None:
        start = max(start, sunrise + plan.after_sunrise)
    return RoundWindow(start=start, finish_by=max(finish_by, start))


def days_without_window(
    calendar: Calendar, zone: ZoneInfo, sun: SunTimes, days: Iterable[date]
) -> Mapping[str, Sequence[date]]:
    """The local days on which a plan's window has no length, by plan: every round is missed."""
    found: dict[str, list[date]] = {}
    for day in days:
        for name, plan in calendar.plans_on(day).items():
            window = window_of(plan, day, zone, sun)
            if window.start >= window.finish_by:
                found.setdefault(name, []).append(day)
    return found


def due_round(window: RoundWindow, today: Round | None, now: datetime) -> DueAction:
    """What to do at `now` about a plan; `today` is its round of the day, None before it began."""
    if today is None:
        return _due_unbegun(window, now)
    if not today.is_open:
        return DueAction.DONE
    return DueAction.RESUME if now < today.finish_by else DueAction.CLOSE_UNFINISHED


def _due_unbegun(window: RoundWindow, now: datetime) -> DueAction:
    if now < window.start:
        return DueAction.NOT_YET
    if now >= window.finish_by:
        return DueAction.MISSED
    return DueAction.START_LATE if now - window.start > LATE_AFTER else DueAction.START


def unrun_rounds(
    calendar: Calendar,
    known: Collection[tuple[str, date]],
    run_before: Collection[str],
    *,
    last: date,
    today: date,
) -> list[tuple[date, PatrolPlan, str]]:
    """(day, plan, reason) of the rounds since the `last` known day that never ran, oldest first.

    `known`: (plan, day) of the recorded rounds; `run_before`: plans with any round at all. A plan
    of every day without one is new, and is not missed on days before it existed. At most
    LONGEST_GAP back; the first reason then says how many days are not listed.
    """
    first = max(last, today - LONGEST_GAP)
    days = [first + timedelta(days=n) for n in range((today - first).days)]
    unrun = [
        (day, plan, NOT_RUNNING)
        for day in days
        for plan in calendar.plans_on(day).values()
        if (plan.name, day) not in known
        and (plan.name in run_before or plan.name not in calendar.plans)
    ]
    if unrun and first > last:
        day, plan, reason = unrun[0]
        unrun[0] = (day, plan, f"{reason}, nor on the {(first - last).days} days before it")
    return unrun


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRound:
    """A new round with its visits in order and its refusals, not yet stored."""

    round: Round
    visits: tuple[PlannedVisit, ...]
    refused: Mapping[CameraId, str]  # a Refusal, or IN_MAINTENANCE


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundSelection:
    """Which cameras a round visits, consent apart, and which of them first."""

    includes: Callable[[Camera], bool] = lambda _: True  # others are not counted at all
    in_maintenance: Callable[[Camera], bool] = lambda _: False
    first: frozenset[CameraId] = frozenset()  # with an open case


def round_id(plan: str, day: date, number: int) -> RoundId:
    """The identifier of the plan's round `number` (from 1) of that day: `20261122-morning-1`."""
    return RoundId(f"{day:%Y%m%d}-{plan}-{number}")


def _number_of(a_round: Round) -> int:
    number = a_round.id.rpartition("-")[2]
    return int(number) if number.isdecimal() else 0


def plan_round(
    cameras: Iterable[Camera],
    *,
    ident: RoundId,
    plan: str,
    day: date,
    now: datetime,
    finish_by: datetime,
    local: datetime,
    terms: ConsentTerms,
    rng: random.Random,
    selection: RoundSelection | None = None,
) -> PlannedRound:
    """The round over those cameras that may be visited, in order; the others with their reasons."""
    chosen = selection or RoundSelection()
    allowed: list[Camera] = []
    refused: dict[CameraId, str] = {}
    for camera in filter(chosen.includes, cameras):
        reason: str | None = terms.refusal_of(camera.id, local) or camera.refusal_on(day)
        if reason is None and chosen.in_maintenance(camera):
            reason = IN_MAINTENANCE
        if reason is None:
            allowed.append(camera)
        else:
            refused[camera.id] = reason
    visits = tuple(
        PlannedVisit(round=ident, camera=camera.id, order=order)
        for order, camera in enumerate(visit_order(allowed, rng, chosen.first))
    )
    planned = Round(
        id=ident,
        plan=plan,
        day=day,
        planned_at=now,
        finish_by=finish_by,
        planned=len(visits),
        refused=dict(Counter(str(reason) for reason in refused.values())),
    )
    return PlannedRound(round=planned, visits=visits, refused=refused)


def visit_order(
    cameras: Sequence[Camera], rng: random.Random, first: frozenset[CameraId] = frozenset()
) -> list[Camera]:
    """Cameras with an open case first, then key sites, then the rest; each part mixed by link."""
    priority_groups: tuple[list[Camera], list[Camera], list[Camera]] = ([], [], [])
    for camera in cameras:
        is_key = camera.priority is Priority.KEY
        priority_groups[0 if camera.id in first else 1 if is_key else 2].append(camera)
    return [camera for group in priority_groups for camera in _interleave_links(group, rng)]


def _interleave_links(cameras: Sequence[Camera], rng: random.Random) -> list[Camera]:
    """Camera i of a link with k cameras stands at (i + jitter) / k of the way."""
    by_link: dict[str, list[Camera]] = defaultdict(list)
    for camera in cameras:
        by_link[camera.link].append(camera)
    placed: list[tuple[float, Camera]] = []
    for members in by_link.values():
        rng.shuffle(members)
        spacing = 1.0 / len(members)
        placed += [((i + rng.random()) * spacing, camera) for i, camera in enumerate(members)]
    return [camera for _, camera in sorted(placed, key=lambda pair: pair[0])]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundRequest:
    """Which plan's round is asked for, for which day, and until when it may run."""

    plan: str
    day: date  # local
    now: datetime
    finish_by: datetime
    adhoc: AdhocSelection | None = None  # what a person selected; None: the plan's own cameras
    may_be_empty: bool = True  # without any camera it is on record; else refused

    @property
    def scope(self) -> str:
        """The selection as text; empty for the plan's own cameras."""
        return self.adhoc.scope if self.adhoc else ""


class RoundsPaused(ProcessBusy):
    """All rounds are paused; the message names who paused them, why and until when (local)."""

    def __init__(self, pause: Stoppage, zone: tzinfo) -> None:
        until = "somebody resumes them"
        if pause.until is not None:
            until = f"{pause.until.astimezone(zone):%Y-%m-%d %H:%M}"
        super().__init__(
            f"rounds are {pause.description}, until {until}; `patrol resume` lets them go on"
        )
        self.pause = pause


class NothingToVisit(BadInput):
    """A person asked for a round of which no camera may be visited; the message counts why."""

    def __init__(self, planned: PlannedRound) -> None:
        self.refused = planned.round.refused
        reasons = "; ".join(
            f"{label_of(REFUSALS, reason)[1]} {count}" for reason, count in self.refused.items()
        )
        super().__init__(f"no camera of this round may be visited: {reasons or 'it has none'}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundPlanner:
    """Begins rounds over the registry's cameras; writes in the caller's transaction."""

    cameras: Callable[[], Mapping[CameraId, Camera]]  # the registry as it stands now
    tree: GridTree
    calendar: Calendar
    rng: random.Random
    zone: tzinfo = UTC  # of the times in messages

    def begin_round(self, uow: UnitOfWork, request: RoundRequest, *, at_any_hour: bool) -> Round:
        """The plan's unfinished round of that day, or a new one.

        An unfinished round of another day, window or selection is closed first: what was pending is
        missed, with the reason. `at_any_hour`: a person asked for it, so an unfinished round gets
        the request's finish-by. Raises RoundsPaused, NothingToVisit.
        """
        pause = pause_at(uow.stoppages.active(request.now), request.now)
        if pause is not None:
            raise RoundsPaused(pause, self.zone)
        unfinished = uow.rounds.unfinished(request.plan)
        if unfinished is None:
            return self._plan_new_round(uow, request)
        in_window = at_any_hour or request.now < unfinished.finish_by
        same = unfinished.scope == request.scope
        if unfinished.day != request.day or not in_window or not same:
            reason = NOT_IN_WINDOW if same else SUPERSEDED
            close_round(uow, unfinished, reason=reason, now=request.now)
            return self._plan_new_round(uow, request)
        if at_any_hour:
            unfinished = replace(unfinished, finish_by=request.finish_by)
            uow.rounds.put(unfinished)
        return unfinished

    def record_missed_round(
        self, uow: UnitOfWork, request: RoundRequest, reason: str, now: datetime
    ) -> Round:
        """A round that never ran: all its cameras are missed, with the reason."""
        planned = self._plan_new_round(uow, request)
        return close_round(uow, planned, reason=reason, now=now)

    def _plan_new_round(self, uow: UnitOfWork, request: RoundRequest) -> Round:
        of_day = uow.rounds.of_days(request.day, request.day + timedelta(days=1))
        number = 1 + max(
            (_number_of(known) for known in of_day if known.plan == request.plan), default=0
        )
        planned = plan_round(
            self.cameras().values(),
            ident=round_id(request.plan, request.day, number),
            plan=request.plan,
            day=request.day,
            now=request.now,
            finish_by=request.finish_by,
            local=request.now.astimezone(self.zone),
            terms=uow.consents.terms(request.now),
            rng=self.rng,
            selection=self._selection(uow, request),
        )
        if not (planned.visits or request.may_be_empty):
            raise NothingToVisit(planned)
        a_round = replace(planned.round, scope=request.scope)
        uow.rounds.add(a_round, planned.visits)
        return a_round

    def _selection(self, uow: UnitOfWork, request: RoundRequest) -> RoundSelection:
        """Open cases first; what is in maintenance at that time is left out."""
        stoppages = [*self.calendar.maintenance, *uow.stoppages.list()]
        in_force = [stoppage for stoppage in stoppages if stoppage.is_active_at(request.now)]
        open_cases = uow.cases.list(open_only=True, limit=MAX_OPEN_CASES)
        return RoundSelection(
            includes=lambda camera: self._includes(request, camera),
            in_maintenance=lambda camera: (
                maintenance_of(camera, in_force, self.tree, request.now) is not None
            ),
            first=frozenset(case.camera for case in open_cases if case.camera is not None),
        )

    def _includes(self, request: RoundRequest, camera: Camera) -> bool:
        if request.adhoc is not None:
            return request.adhoc.includes(camera, self.tree)
        return self.calendar.plan_includes(request.plan, camera)


def close_round(uow: UnitOfWork, a_round: Round, *, reason: str, now: datetime) -> Round:
    """End a round: what is pending is missed; one that never began was missed as a whole."""
    missed = uow.rounds.miss_pending(a_round.id, reason or OUT_OF_TIME, now)
    never_began = a_round.state is RoundState.PLANNED
    event = RoundEvent.MISS if never_began else RoundEvent.FINISH
    closed = a_round.apply_event(event, at=now, reason=reason if missed or never_began else "")
    uow.rounds.put(closed)
    return closed


def retract_missed_rounds(uow: UnitOfWork, now: datetime) -> list[Round]:
    """Take back every missed round whose time is not over yet; the access log keeps each."""
    retracted = [
        one for one in uow.rounds.missed_too_early(now) if uow.rounds.retract_missed(one.id)
    ]
    for one in retracted:
        why = f"{one.id} ({one.reason}): {RETRACTED}"
        uow.access.append(at=now, who=ACTOR, what="retract_missed_round", camera=None, why=why)
    return retracted


def mark_misdated_rounds(uow: UnitOfWork, after: datetime, now: datetime) -> list[Round]:
    """Mark the rounds that were begun after that moment, and end those which are open."""
    misdated = uow.rounds.begun_after(after)
    for one in misdated:
        open_still = replace(one, misdated=True, reason=one.reason or MISDATED)
        uow.rounds.put(open_still)
        if one.is_open:
            close_round(uow, open_still, reason=MISDATED, now=now)
    return list(misdated)


def missed_visit_of_removed_camera(visit: PlannedVisit, now: datetime) -> Visit:
    """The missed visit of a camera that left cameras.csv after the round was planned."""
    return Visit(
        round=visit.round,
        camera=visit.camera,
        outcome=VisitOutcome.MISSED,
        started_at=now,
        finished_at=now,
        failure="left_the_registry",
    )
