"""Patrols on the ground in the simulated year: planned, walked with 8 % missed, and their books.

A patrol for each village some days a week (一三五七 as times a week), by the product's own worker;
simulated people check in, some hours later when their phone had no network. The audit counts every
point once: planned = done + late + review + missed, and nothing is left when its time is over.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from patrol.domain.ground_patrol import CheckInClaim, CheckInMethod, count_stops
from patrol.domain.ids import PersonId
from patrol.domain.registry import GridLevel, PatrolPoint, PointKind, Registry
from patrol.domain.roster import GroundPolicy
from patrol.rounds.ground_messages import GroundMessages
from patrol.rounds.ground_patrol import GroundContext, take_check_in
from patrol.rounds.ground_worker import GroundPatrolWorker
from patrol.settings.site_ground import GroundPatrolSettings
from patrol.store import Store, UnitOfWork
from simulators.people.patrollers import (
    SimulatedCheckIn,
    SimulatedPatrollers,
    ground_settings,
)

Schedule = Callable[[datetime, Callable[[], None]], None]
IsAway = Callable[[PersonId, datetime], bool]


@dataclass
class YearRosters:
    """The worker, the people who walk, and what became of their patrols."""

    store: Store
    registry: Registry
    zone: ZoneInfo
    rng: random.Random
    now: Callable[[], datetime]
    schedule: Schedule
    is_away: IsAway
    on_queued: Callable[[], None]
    counts: Counter[str] = field(default_factory=Counter)
    _known: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        settings = GroundPatrolSettings.model_validate(
            ground_settings("18:00", "20:00", each="village")
        )
        self.context = GroundContext(
            registry=self.registry, policy=GroundPolicy(),
            messages=GroundMessages(site="shangba", scrub=lambda text: text),
        )  # fmt: skip
        self.people = SimulatedPatrollers(self.rng)
        self.worker = GroundPatrolWorker(
            store=self.store, plans=settings.plans, context=lambda: self.context, zone=self.zone,
            notify=lambda _uow, _patrol, late, _now: self._count_notice(bool(late)),
            absent=self._absent, on_queued=self.on_queued,
        )  # fmt: skip

    def run(self) -> None:
        """One poll of the worker, and the check-ins of what it planned."""
        self.worker.run_due(self.now())
        with self.store.begin_read() as uow:
            patrols = [one for one in uow.ground_patrols.open() if one.id not in self._known]
            stops = uow.ground_patrols.stops_of(one.id for one in patrols)
        for patrol in patrols:
            self._known.add(patrol.id)
            for one in self.people.check_ins(patrol, stops[patrol.id]):
                self.schedule(one.received_at, lambda one=one: self._check_in(one))  # type: ignore[misc]

    def _check_in(self, one: SimulatedCheckIn) -> None:
        with self.store.begin() as uow:
            people = uow.ground_patrols.get(one.patrol).people  # others, where somebody is away
            if not people:
                return
            claim = CheckInClaim(
                key=one.point, patrol=one.patrol, point=one.point, by=people[0],
                method=CheckInMethod.QR, claimed_at=one.claimed_at,
            )  # fmt: skip
            taken = take_check_in(uow, claim, context=self.context, now=self.now())
            uow.commit()
        self.on_queued()
        self.counts[f"check-in {taken.state}"] += 1

    def _count_notice(self, late: bool) -> None:  # noqa: FBT001  a callback's argument
        self.counts["late" if late else "reminded"] += 1

    def _absent(self, day: date) -> frozenset[PersonId]:
        evening = datetime(day.year, day.month, day.day, 18, tzinfo=self.zone)
        return frozenset(who for who in self.registry.people if self.is_away(who, evening))

    def problems(self, uow: UnitOfWork) -> Iterator[str]:
        """Patrols that nobody ended, and points that are counted twice or nowhere."""
        patrols = uow.ground_patrols.of_days(date.min, date.max)
        stops = uow.ground_patrols.stops_of(one.id for one in patrols)
        check_ins = uow.ground_patrols.check_ins_of(one.id for one in patrols)
        over = self.now() - timedelta(hours=1)
        for patrol in (one for one in patrols if one.finish_by < over):
            counts = count_stops(stops[patrol.id])
            self.counts.update({str(patrol.state): 1, "points": counts.planned})
            if patrol.is_open or counts.pending:
                yield f"patrol {patrol.id} is {patrol.state}, and its time is over"
            ended = counts.done + counts.late + counts.review + counts.missed
            taken = sum(one.state != "rejected" for one in check_ins.get(patrol.id, ()))
            if ended != counts.planned or taken != ended - counts.missed:
                yield f"patrol {patrol.id} does not balance: {counts}, {taken} check-ins"


def with_points(registry: Registry) -> Registry:
    """The registry with two points in every village."""
    villages = [g for g in registry.tree.grids.values() if g.level is GridLevel.VILLAGE]
    points = [
        PatrolPoint(
            id=f"W-{village.code}-{place}", name=f"{village.name}点{place}", grid=village.code,
            kind=PointKind.RAILWAY if place else PointKind.GRID,
        )
        for village in villages
        for place in range(2)
    ]  # fmt: skip
    return replace(registry, points={point.id: point for point in points})
