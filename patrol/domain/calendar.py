"""The calendar of rounds: which plans are walked on which local day, over which cameras. Pure.

Holidays take rounds away, key periods (重点时段) add some, perhaps over key sites alone. What is
not planned on a day is not missed on it. Office hours of cases are working_time's, not ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from patrol.domain.camera import Camera, Priority
from patrol.domain.round import PatrolPlan
from patrol.domain.stoppage import Stoppage


@dataclass(frozen=True, slots=True, kw_only=True)
class Holiday:
    """Local days, both ends included, on which some plans are not walked."""

    name: str
    first: date
    last: date
    skip: frozenset[str]  # names of plans

    def __post_init__(self) -> None:
        _in_order(self.name, self.first, self.last)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPeriod:
    """Local days, both ends included, with extra rounds of their own."""

    name: str
    first: date
    last: date
    plans: Mapping[str, PatrolPlan]
    only_key: bool = False  # over key sites (重点部位) alone
    tags: frozenset[str] = frozenset()  # over cameras with one of these; empty: whatever tags

    def __post_init__(self) -> None:
        _in_order(self.name, self.first, self.last)

    def wants(self, camera: Camera) -> bool:
        """Whether its extra rounds visit this camera."""
        if self.only_key and camera.priority is not Priority.KEY:
            return False
        return not self.tags or not self.tags.isdisjoint(camera.tags)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """What site.yaml says of days; `maintenance` are its own windows, people's are in the store."""

    plans: Mapping[str, PatrolPlan] = field(default_factory=dict)  # of every day
    holidays: tuple[Holiday, ...] = ()
    key_periods: tuple[KeyPeriod, ...] = ()
    maintenance: tuple[Stoppage, ...] = ()

    @property
    def all_plans(self) -> Mapping[str, PatrolPlan]:
        """Those of every day, then those of key periods, whenever they are."""
        extra = {n: plan for period in self.key_periods for n, plan in period.plans.items()}
        return {**self.plans, **extra}

    def plans_on(self, day: date) -> Mapping[str, PatrolPlan]:
        """What is walked on that day, earliest first."""
        named = dict(self.plans)
        for period in self.key_periods:
            if period.first <= day <= period.last:
                named |= period.plans
        skipped = {plan for holiday in self._holidays(day) for plan in holiday.skip}
        walked = [plan for plan in named.values() if plan.name not in skipped]
        return {plan.name: plan for plan in sorted(walked, key=lambda p: (p.start, p.name))}

    def wants(self, plan: str, camera: Camera) -> bool:
        """Whether a round of this plan visits this camera at all."""
        period = next((period for period in self.key_periods if plan in period.plans), None)
        return plan in self.plans or period is None or period.wants(camera)

    def _holidays(self, day: date) -> list[Holiday]:
        return [holiday for holiday in self.holidays if holiday.first <= day <= holiday.last]


def _in_order(name: str, first: date, last: date) -> None:
    if last < first:
        raise ValueError(f"{name}: ends on {last} before it begins on {first}")
