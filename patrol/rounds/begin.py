"""Begin a round, take it up again, or write it down as missed; every path inside a transaction.

At most one round of a plan is unfinished at a time. One of another day is closed before a new one
begins: what was still pending is missed, with the reason.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from patrol.domain.calendar import Calendar
from patrol.domain.camera import Camera
from patrol.domain.grid import GridTree
from patrol.domain.ids import CameraId
from patrol.domain.round import PlannedVisit, Round, RoundEvent, RoundState, Visit, VisitOutcome
from patrol.domain.stoppage import Stoppage, pause_at, upkeep_of
from patrol.ports import Busy
from patrol.rounds.adhoc import Wanted
from patrol.rounds.plan import Selection, plan_round, round_id
from patrol.store import UnitOfWork

NOT_IN_WINDOW = "not finished in its window"
ANOTHER_WISH = "not finished when another was asked for"
OUT_OF_TIME = "finish_by"
OPEN_CASES = 10_000  # far more than a town can have open


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """When and over which cameras a plan's round is to be begun."""

    plan: str
    day: date  # local
    now: datetime
    finish_by: datetime
    cameras: Mapping[CameraId, Camera]
    rng: random.Random
    calendar: Calendar = field(default_factory=Calendar)
    tree: GridTree = field(default_factory=lambda: GridTree(grids={}))
    wanted: Wanted | None = None  # what somebody asked for; None: the plan's own cameras

    @property
    def scope(self) -> str:
        """What the round is over, where that is not its plan's to say."""
        return self.wanted.scope if self.wanted else ""

    def wants(self, camera: Camera) -> bool:
        """Whether the round is about this camera."""
        if self.wanted is not None:
            return self.wanted.wants(camera, self.tree)
        return self.calendar.wants(self.plan, camera)


class Paused(Busy):
    """Somebody paused all rounds; says who and why."""

    def __init__(self, pause: Stoppage) -> None:
        super().__init__(f"rounds are {pause.words}; `patrol resume` lets them go on")


def begin(uow: UnitOfWork, occasion: Occasion, *, at_any_hour: bool) -> Round:
    """Take up the plan's unfinished round of today, or write down a new one.

    `at_any_hour`: a person asked for it, so an unfinished round gets the occasion's finish-by.
    Raises Paused.
    """
    pause = pause_at(uow.stoppages.standing(occasion.now), occasion.now)
    if pause is not None:
        raise Paused(pause)
    unfinished = uow.rounds.unfinished(occasion.plan)
    if unfinished is None:
        return plan_new(uow, occasion)
    in_window = at_any_hour or occasion.now < unfinished.finish_by
    same = unfinished.scope == occasion.scope
    if unfinished.day != occasion.day or not in_window or not same:
        why = NOT_IN_WINDOW if same else ANOTHER_WISH
        close(uow, unfinished, reason=why, now=occasion.now)
        return plan_new(uow, occasion)
    if at_any_hour:
        unfinished = replace(unfinished, finish_by=occasion.finish_by)
        uow.rounds.put(unfinished)
    return unfinished


def plan_new(uow: UnitOfWork, occasion: Occasion) -> Round:
    """Write a round and its pending visits."""
    known = uow.rounds.of_plan(occasion.plan, limit=1000)
    number = 1 + sum(1 for other in known if other.day == occasion.day)
    planned = plan_round(
        occasion.cameras.values(),
        ident=round_id(occasion.plan, occasion.day, number),
        plan=occasion.plan,
        day=occasion.day,
        now=occasion.now,
        finish_by=occasion.finish_by,
        withdrawn=uow.consents.withdrawn(),
        rng=occasion.rng,
        selection=_selection(uow, occasion),
    )
    a_round = replace(planned.round, scope=occasion.scope)
    uow.rounds.add(a_round, planned.visits)
    return a_round


def _selection(uow: UnitOfWork, occasion: Occasion) -> Selection:
    """Open cases first; what is in maintenance at that time is left out."""
    said = [*occasion.calendar.maintenance, *uow.stoppages.list()]
    holding = [stoppage for stoppage in said if stoppage.holds(occasion.now)]
    open_cases = uow.cases.list(open_only=True, limit=OPEN_CASES)
    return Selection(
        wants=occasion.wants,
        in_maintenance=lambda camera: (
            upkeep_of(camera, holding, occasion.tree, occasion.now) is not None
        ),
        first=frozenset(case.camera for case in open_cases if case.camera is not None),
    )


def write_missed(uow: UnitOfWork, occasion: Occasion, reason: str, now: datetime) -> Round:
    """A round that never ran (misfire): all its cameras are missed, with the reason."""
    planned = plan_new(uow, occasion)
    return close(uow, planned, reason=reason, now=now)


def close(uow: UnitOfWork, a_round: Round, *, reason: str, now: datetime) -> Round:
    """End a round: what is pending is missed; one that never began was missed as a whole."""
    missed = uow.rounds.miss_pending(a_round.id, reason or OUT_OF_TIME, now)
    never_began = a_round.state is RoundState.PLANNED
    event = RoundEvent.MISS if never_began else RoundEvent.FINISH
    closed = a_round.move(event, at=now, reason=reason if missed or never_began else "")
    uow.rounds.put(closed)
    return closed


def left_the_registry(visit: PlannedVisit, now: datetime) -> Visit:
    """Planned, and gone from cameras.csv before anybody came."""
    return Visit(
        round=visit.round,
        camera=visit.camera,
        outcome=VisitOutcome.MISSED,
        started_at=now,
        finished_at=now,
        failure="left_the_registry",
    )
