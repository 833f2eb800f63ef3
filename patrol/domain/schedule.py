"""The calendar of rounds and the stoppages: what is patrolled on which local day, and what is not.

Holidays take rounds away, key periods (重点时段) add some, perhaps over key sites alone; a round
that is not planned for a day is not missed on it. A stoppage pauses all rounds, or takes some
cameras out for maintenance, for a while: always with its author and reason, and kept when it has
ended. A camera that a stoppage covers is left out of a round and counted there with this reason,
never as missed. Pure. Office hours of cases are in office_hours.py.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum, auto

from patrol.domain.camera import Camera, Priority
from patrol.domain.registry import GridTree
from patrol.domain.round import PatrolPlan

IN_MAINTENANCE = "in_maintenance"  # counted beside a round with the refusals of consent


class StoppageScope(StrEnum):
    """What a stoppage stops."""

    ROUNDS = auto()  # paused: no round begins, one under way is interrupted
    CAMERA = auto()  # in maintenance, as are the next two
    LINK = auto()
    GRID = auto()  # a village, or any other grid with all below it


@dataclass(frozen=True, slots=True, kw_only=True)
class Stoppage:
    """Rounds or cameras that are not patrolled from `start` until `until` (None: until ended)."""

    scope: StoppageScope
    start: datetime  # UTC
    reason: str
    by: str
    subject: str = ""  # camera id, link, grid code; empty for rounds
    until: datetime | None = None
    number: int = 0  # given by the store; 0: written in site.yaml
    recorded_at: datetime | None = None
    ended_at: datetime | None = None
    ended_by: str = ""

    def __post_init__(self) -> None:
        if self.until is not None and self.until <= self.start:
            raise ValueError("a stoppage ends after it begins")
        if not self.reason.strip():
            raise ValueError("a stoppage needs its reason")
        if (self.scope is StoppageScope.ROUNDS) != (not self.subject):
            raise ValueError("a stoppage of cameras names them, one of all rounds names none")

    def is_active_at(self, at: datetime) -> bool:
        """Whether the stoppage is in force at `at`."""
        return self.start <= at and not self.has_ended(at)

    def has_ended(self, at: datetime) -> bool:
        """Whether it ran out, or a person ended it, by `at`."""
        ends = [end for end in (self.until, self.ended_at) if end is not None]
        return bool(ends) and min(ends) <= at

    def covers(self, camera: Camera, tree: GridTree) -> bool:
        """Whether it stops this camera; False for a pause of all rounds."""
        if self.scope is StoppageScope.CAMERA:
            return camera.id == self.subject
        if self.scope is StoppageScope.LINK:
            return camera.link == self.subject
        if self.scope is StoppageScope.GRID:
            return tree.is_within(camera.grid, self.subject)
        return False

    @property
    def description(self) -> str:
        """Its scope, author and reason: for logs, and the reason of a missed round."""
        what = (
            "paused"
            if self.scope is StoppageScope.ROUNDS
            else f"{self.scope} {self.subject} stopped"
        )
        return f"{what} by {self.by}: {self.reason}"


def pause_at(stoppages: Iterable[Stoppage], at: datetime) -> Stoppage | None:
    """The pause of all rounds that was in force at `at`, the earliest if there are several."""
    active = [s for s in stoppages if s.scope is StoppageScope.ROUNDS and s.is_active_at(at)]
    return min(active, key=lambda s: s.start, default=None)


def maintenance_of(
    camera: Camera, stoppages: Iterable[Stoppage], tree: GridTree, at: datetime
) -> Stoppage | None:
    """The maintenance that this camera is in at `at`, or None."""
    return next((s for s in stoppages if s.is_active_at(at) and s.covers(camera, tree)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holiday:
    """Local days, both ends included, on which some plans have no round."""

    name: str
    first: date
    last: date
    skip: frozenset[str]  # names of plans

    def __post_init__(self) -> None:
        _check_order(self.name, self.first, self.last)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPeriod:
    """Local days, both ends included, with extra rounds of their own."""

    name: str
    first: date
    last: date
    plans: Mapping[str, PatrolPlan]
    only_key: bool = False  # over key sites (重点部位) alone
    tags: frozenset[str] = frozenset()  # over cameras with one of these; empty: over all

    def __post_init__(self) -> None:
        _check_order(self.name, self.first, self.last)

    def includes(self, camera: Camera) -> bool:
        """Whether its extra rounds visit this camera."""
        if self.only_key and camera.priority is not Priority.KEY:
            return False
        return not self.tags or not self.tags.isdisjoint(camera.tags)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """The calendar of site.yaml; stoppages that people enter are in the store instead."""

    plans: Mapping[str, PatrolPlan] = field(default_factory=dict)  # of every day
    holidays: tuple[Holiday, ...] = ()
    key_periods: tuple[KeyPeriod, ...] = ()
    maintenance: tuple[Stoppage, ...] = ()  # windows written in site.yaml

    @property
    def all_plans(self) -> Mapping[str, PatrolPlan]:
        """All plans by name: those of every day, then those of key periods."""
        extra = {n: plan for period in self.key_periods for n, plan in period.plans.items()}
        return {**self.plans, **extra}

    def plans_on(self, day: date) -> Mapping[str, PatrolPlan]:
        """The plans with a round on that local day, earliest first."""
        named = dict(self.plans)
        for period in self.key_periods:
            if period.first <= day <= period.last:
                named |= period.plans
        skipped = {plan for holiday in self._holidays(day) for plan in holiday.skip}
        planned = [plan for plan in named.values() if plan.name not in skipped]
        return {plan.name: plan for plan in sorted(planned, key=lambda p: (p.start, p.name))}

    def plan_includes(self, plan: str, camera: Camera) -> bool:
        """Whether a round of this plan visits this camera at all."""
        period = next((period for period in self.key_periods if plan in period.plans), None)
        return plan in self.plans or period is None or period.includes(camera)

    def _holidays(self, day: date) -> list[Holiday]:
        return [holiday for holiday in self.holidays if holiday.first <= day <= holiday.last]


def _check_order(name: str, first: date, last: date) -> None:
    if last < first:
        raise ValueError(f"{name}: ends on {last} before it begins on {first}")
