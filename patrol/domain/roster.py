"""Rosters of ground patrols (巡防排班): points to check in at, plans, and who walks on which day.

A plan says where (grids, kinds of points), at which hours, and by which pattern. A pattern is a
list of numbers, such as 一三五七; the site says what each number means: whose number it is, on
which days it is due, how many people walk. Days are weekdays, days of the month, every so many
days, or so many times a week or a month; the latter are spread, so that not every grid is walked on
the same day. Pure: the local day is an argument.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Final

from patrol.domain.ids import GridCode, PersonId
from patrol.domain.registry import (
    GridLevel,
    GridTree,
    PatrolPoint,
    Person,
    PointKind,
    Registry,
    Role,
)

WEEK_DAYS: Final = 7
MONTH_DAYS: Final = 28  # every month has them


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterNumber:
    """One number of a pattern, and what the site says that it means."""

    number: str
    means: str
    roles: frozenset[Role]
    people: int = 1  # who walk together
    weekdays: frozenset[int] = frozenset()  # Monday is 0
    month_days: frozenset[int] = frozenset()
    every_days: int = 0
    times_a_week: int = 0
    times_a_month: int = 0

    def is_due(self, day: date, shift: int) -> bool:
        """Whether it is walked on that local day; `shift`: the place of the grid in its plan."""
        if self.weekdays:
            return day.weekday() in self.weekdays
        if self.month_days:
            return day.day in self.month_days
        if self.every_days:
            return day.toordinal() % self.every_days == shift % self.every_days
        if self.times_a_week:
            return day.weekday() in _spread_days(self.times_a_week, WEEK_DAYS, shift)
        return day.day - 1 in _spread_days(self.times_a_month, MONTH_DAYS, shift)


def _spread_days(times: int, days: int, shift: int) -> frozenset[int]:
    return frozenset((number * days // times + shift) % days for number in range(times))


@dataclass(frozen=True, slots=True, kw_only=True)
class GroundPatrolPlan:
    """A plan of site.yaml; clock times are the site's."""

    name: str
    title: str
    numbers: tuple[RosterNumber, ...]
    start: time
    finish_by: time
    grids: tuple[GridCode, ...] = ()  # empty: the whole town
    each: GridLevel = GridLevel.GROUP  # one patrol for each grid of this level
    kinds: frozenset[PointKind] = frozenset(PointKind)
    points: tuple[str, ...] = ()  # by id, instead of by kind
    people: tuple[PersonId, ...] = ()  # by id, instead of by role
    early: timedelta = timedelta(minutes=30)  # it may be begun so long before
    remind: timedelta = timedelta(minutes=30)  # who walks it is told so long before
    last_call: timedelta = timedelta(minutes=20)  # what is left is told so long before the end
    needs_location: bool = False  # a code without a location waits for review
    key_area: str = ""

    def window(self, day: date, zone: tzinfo) -> tuple[datetime, datetime]:
        """(start, end) of a local day, aware; one that ends before it starts ends the next day."""
        start = datetime.combine(day, self.start, zone)
        last = day if self.finish_by > self.start else day + timedelta(days=1)
        return start, datetime.combine(last, self.finish_by, zone)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyArea:
    """A key area (重点区域、时段、部位): one plan for rounds online and patrols on the ground."""

    name: str
    title: str
    grids: tuple[GridCode, ...]
    start: time
    finish_by: time
    kinds: frozenset[PointKind]
    rounds: tuple[str, ...] = ()  # plans of rounds that look at it
    key_cameras_only: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class GroundPolicy:
    """Which check-ins are plausible."""

    live_within: timedelta = timedelta(minutes=2)  # the phone's time counts as the centre's
    offline_for: timedelta = timedelta(hours=12)  # an older claim waits for review
    worst_accuracy_m: float = 150.0
    fastest_km_h: float = 60.0  # between two points


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterEntry:
    """One patrol that a plan asks for on a day: where, whose number, who, at which points."""

    plan: GroundPatrolPlan
    number: RosterNumber
    grid: GridCode
    points: tuple[PatrolPoint, ...]
    people: tuple[PersonId, ...]  # empty: nobody of these roles is there


@dataclass(frozen=True, slots=True)
class RosterIndex:
    """Who and what lies in each grid, found once for all grids of all plans of a day."""

    registry: Registry
    points: Mapping[GridCode, Sequence[PatrolPoint]]  # in the grid and below it
    people: Mapping[GridCode, Sequence[Person]]  # in the grid and below it
    people_at: Mapping[GridCode, Sequence[Person]]  # of the grid itself

    @classmethod
    def of(cls, registry: Registry) -> "RosterIndex":
        """The index of a registry."""
        points: dict[GridCode, list[PatrolPoint]] = defaultdict(list)
        people: dict[GridCode, list[Person]] = defaultdict(list)
        people_at: dict[GridCode, list[Person]] = defaultdict(list)
        for point in registry.points.values():
            for grid in registry.tree.path_up(point.grid):
                points[grid.code].append(point)
        for who in sorted(registry.people.values(), key=lambda one: one.id):
            people_at[who.grid].append(who)
            for grid in registry.tree.path_up(who.grid):
                people[grid.code].append(who)
        return cls(registry, points, people, people_at)

    def points_of(self, plan: GroundPatrolPlan, grid: GridCode) -> tuple[PatrolPoint, ...]:
        """The points of one of the plan's grids, in the order of points.csv."""
        there = self.points.get(grid, ())
        if plan.points:
            return tuple(point for point in there if point.id in plan.points)
        return tuple(point for point in there if point.kind in plan.kinds)

    def walkers(
        self,
        plan: GroundPatrolPlan,
        number: RosterNumber,
        grid: GridCode,
        absent: frozenset[PersonId] = frozenset(),
    ) -> list[PersonId]:
        """Who may walk: of these roles, in the grid or below it, else of the next grid above."""
        if plan.people:
            known = self.registry.people
            return [one for one in plan.people if one in known and one not in absent]

        def fit(people: Iterable[Person]) -> list[PersonId]:
            return [
                who.id
                for who in people
                if who.id not in absent
                and (who.role in number.roles or who.ground_kind in number.roles)
            ]

        above = list(self.registry.tree.path_up(grid))[1:]
        steps = [self.people.get(grid, ()), *(self.people_at.get(one.code, ()) for one in above)]
        return next(filter(None, map(fit, steps)), [])


def roster_of(
    plan: GroundPatrolPlan,
    day: date,
    index: RosterIndex,
    absent: frozenset[PersonId] = frozenset(),
) -> list[RosterEntry]:
    """The patrols that a plan asks for on a local day; grids without a point have none."""
    entries = []
    for shift, grid in enumerate(grids_of(plan, index.registry.tree)):
        points = index.points_of(plan, grid)
        for number in plan.numbers if points else ():
            if number.is_due(day, shift):
                who = index.walkers(plan, number, grid, absent)
                people = _in_turn(who, number.people, day.toordinal() + shift)
                entries.append(
                    RosterEntry(plan=plan, number=number, grid=grid, points=points, people=people)
                )
    return entries


def grids_of(plan: GroundPatrolPlan, tree: GridTree) -> list[GridCode]:
    """The grids that the plan walks, in the order of their codes."""
    return sorted(
        grid.code
        for grid in tree.grids.values()
        if grid.level is plan.each
        and (not plan.grids or any(tree.is_within(grid.code, one) for one in plan.grids))
    )


def _in_turn(who: Sequence[PersonId], count: int, turn: int) -> tuple[PersonId, ...]:
    """So many of them, each day others."""
    if not who:
        return ()
    return tuple(who[(turn + number) % len(who)] for number in range(min(count, len(who))))


def roster_gaps(
    plans: Iterable[GroundPatrolPlan], registry: Registry
) -> list[tuple[str, GridCode, str]]:
    """(plan, grid, what is missing) of grids that nobody can walk: no point, or nobody."""
    gaps, index = [], RosterIndex.of(registry)
    for plan in plans:
        for grid in grids_of(plan, registry.tree):
            if not index.points_of(plan, grid):
                gaps.append((plan.name, grid, "no point of points.csv to check in at"))
                continue
            gaps += [
                (plan.name, grid, f"number {one.number}: nobody of {', '.join(sorted(one.roles))}")
                for one in plan.numbers
                if not index.walkers(plan, one, grid)
            ]
    return gaps


def parts_of_day(start: datetime, end: datetime, count: int) -> list[datetime]:
    """`count` moments that divide the span evenly, the last before its end."""
    step = (end - start) / (count + 1)
    return [start + step * number for number in range(1, count + 1)]
