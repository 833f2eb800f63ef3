"""`ground_patrols:` of site.yaml: patterns, plans and key areas of patrols on the ground.

```yaml
ground_patrols:
  patterns:
    "1357":                         # what the numbers mean is the site's to say
      "1": {means: 镇机关干部每周一次, who: [town_official], times_a_week: 1}
      "3": {means: 村组干部每周三次, who: [village_group_cadre], times_a_week: 3}
      "5": {means: 驻村民警逢五, who: [village_police], month_days: [5, 15, 25]}
      "7": {means: 联户联防员每天, who: [联户联防员], every_days: 1, people: 2}
  plans:
    railway:
      title: 铁路护路联动巡防
      pattern: "1357"
      start: "19:00"
      finish_by: "21:00"
      grids: ["620902104203000"]    # left out: the whole town
      each: group                   # one patrol for each group; or village, town
      kinds: [railway, key_site]    # or points: [W-0001]
      needs_location: true
  areas:
    railway:
      title: 铁路沿线夜间
      grids: ["620902104203000"]
      from: "18:00"
      until: "22:00"
      kinds: [railway]
      rounds: [afternoon]           # online rounds that look at it
      ground: [railway]             # plans above
  offline_h: 12
```
"""

from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Final, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from patrol.domain.ids import GridCode, PersonId
from patrol.domain.labels import ROLES
from patrol.domain.registry import GROUND_KINDS, GridLevel, PointKind, Registry, Role
from patrol.domain.roster import GroundPatrolPlan, GroundPolicy, KeyArea, RosterNumber, roster_gaps
from patrol.settings.config_file import did_you_mean
from patrol.settings.site_calendar import WEEKDAY_NAMES, ShortText
from patrol.settings.site_patrols import Weekday
from patrol.settings.yaml_types import ClockTime, GridText, PlainId, SettingsSection

MAX_GAPS: Final = 12  # grids that nobody can walk, named one by one
Level = Literal["group", "village", "town"]
Kind = Literal["grid", "key_site", "railway"]


def _role(value: object) -> Role:
    named = {role.value: role for role in Role} | {ROLES[role][0]: role for role in Role}
    if str(value) not in named:
        names = [role.value for role in GROUND_KINDS]
        raise ValueError(f"{value!r} is no role of people.csv{did_you_mean(str(value), names)}")
    return named[str(value)]


RoleName = Annotated[Role, BeforeValidator(_role)]


class RosterNumberSection(SettingsSection):
    """What one number of a pattern means; exactly one way says on which days it is due."""

    means: ShortText
    who: Annotated[tuple[RoleName, ...], Field(min_length=1)]
    people: int = Field(default=1, ge=1, le=20)
    days: tuple[Weekday, ...] = ()
    month_days: tuple[Annotated[int, Field(ge=1, le=31)], ...] = ()
    every_days: int = Field(default=0, ge=0, le=366)
    times_a_week: int = Field(default=0, ge=0, le=7)
    times_a_month: int = Field(default=0, ge=0, le=28)

    @model_validator(mode="after")
    def _is_due_one_way(self) -> Self:
        ways = (self.days, self.month_days, self.every_days, self.times_a_week, self.times_a_month)
        if sum(bool(way) for way in ways) != 1:
            raise ValueError(
                "give one of days, month_days, every_days, times_a_week, times_a_month"
            )
        return self

    def policy(self, number: str) -> RosterNumber:
        """The section as the domain's number."""
        return RosterNumber(
            number=number, means=self.means, roles=frozenset(self.who), people=self.people,
            weekdays=frozenset(WEEKDAY_NAMES.index(day) for day in self.days),
            month_days=frozenset(self.month_days), every_days=self.every_days,
            times_a_week=self.times_a_week, times_a_month=self.times_a_month,
        )  # fmt: skip


class GroundPlanSection(SettingsSection):
    """One plan of patrols on the ground."""

    title: ShortText
    pattern: PlainId
    start: ClockTime
    finish_by: ClockTime
    grids: tuple[GridText, ...] = ()
    each: Level = "group"
    kinds: tuple[Kind, ...] = ()
    points: tuple[PlainId, ...] = ()
    people: tuple[PlainId, ...] = ()
    early_min: float = Field(default=30, ge=0, le=720)
    remind_min: float = Field(default=30, ge=0, le=1440)
    last_call_min: float = Field(default=20, ge=0, le=720)
    needs_location: bool = False

    @model_validator(mode="after")
    def _has_a_window(self) -> Self:
        if self.finish_by == self.start:
            raise ValueError("finish_by is start: a patrol takes its time")
        if self.kinds and self.points:
            raise ValueError("kinds and points: give one of both")
        return self

    def policy(self, name: str, numbers: tuple[RosterNumber, ...]) -> GroundPatrolPlan:
        """The section as the domain's plan."""
        return GroundPatrolPlan(
            name=name, title=self.title, numbers=numbers, start=self.start,
            finish_by=self.finish_by, grids=tuple(map(GridCode, self.grids)),
            each=GridLevel(self.each), kinds=frozenset(map(PointKind, self.kinds or PointKind)),
            points=self.points, people=tuple(map(PersonId, self.people)),
            early=timedelta(minutes=self.early_min), remind=timedelta(minutes=self.remind_min),
            last_call=timedelta(minutes=self.last_call_min), needs_location=self.needs_location,
        )  # fmt: skip


class KeyAreaSection(SettingsSection):
    """A key area, its hours and its kinds of sites, looked at online and walked on the ground."""

    title: ShortText
    grids: Annotated[tuple[GridText, ...], Field(min_length=1)]
    start: ClockTime = Field(alias="from")
    finish_by: ClockTime = Field(alias="until")
    kinds: tuple[Kind, ...] = ()
    rounds: tuple[PlainId, ...] = ()
    ground: tuple[PlainId, ...] = ()
    key_cameras_only: bool = True

    def policy(self, name: str) -> KeyArea:
        """The section as the domain's key area."""
        return KeyArea(
            name=name, title=self.title, grids=tuple(map(GridCode, self.grids)), start=self.start,
            finish_by=self.finish_by, kinds=frozenset(map(PointKind, self.kinds or PointKind)),
            rounds=self.rounds, key_cameras_only=self.key_cameras_only,
        )  # fmt: skip


class GroundPatrolSettings(SettingsSection):
    """`ground_patrols:`: patterns, plans, key areas, and which check-ins are believed."""

    patterns: dict[PlainId, dict[PlainId, RosterNumberSection]] = Field(default_factory=dict)
    plan_sections: dict[PlainId, GroundPlanSection] = Field(default_factory=dict, alias="plans")
    area_sections: dict[PlainId, KeyAreaSection] = Field(default_factory=dict, alias="areas")
    live_min: float = Field(default=2, gt=0, le=60)
    offline_h: float = Field(default=12, gt=0, le=168)
    accuracy_m: float = Field(default=150, gt=0, le=10_000)
    fastest_km_h: float = Field(default=60, gt=0, le=1000)

    @model_validator(mode="after")
    def _names_what_is_there(self) -> Self:
        for name, plan in self.plan_sections.items():
            if not self.patterns.get(plan.pattern):
                known = ", ".join(self.patterns) or "none"
                raise ValueError(
                    f"plans.{name}.pattern: {plan.pattern!r} is no pattern, there are: {known}"
                )
        owners: dict[str, str] = {}
        for area, section in self.area_sections.items():
            for plan_name in section.ground:
                if plan_name not in self.plan_sections:
                    raise ValueError(f"areas.{area}.ground: {plan_name!r} is no plan of plans")
                if (owner := owners.setdefault(plan_name, area)) != area:
                    raise ValueError(
                        f"areas.{area}.ground: {plan_name!r} belongs to {owner}, keep one"
                    )
        return self

    @property
    def plans(self) -> Mapping[str, GroundPatrolPlan]:
        """The plans by name, each with the key area that it belongs to."""
        areas = {plan: name for name, one in self.area_sections.items() for plan in one.ground}
        numbers = {
            name: tuple(one.policy(number) for number, one in pattern.items())
            for name, pattern in self.patterns.items()
        }
        return {
            name: replace(one.policy(name, numbers[one.pattern]), key_area=areas.get(name, ""))
            for name, one in self.plan_sections.items()
        }

    @property
    def areas(self) -> Mapping[str, KeyArea]:
        """The key areas by name."""
        return {name: section.policy(name) for name, section in self.area_sections.items()}

    @property
    def policy(self) -> GroundPolicy:
        """Which check-ins are plausible."""
        return GroundPolicy(
            live_within=timedelta(minutes=self.live_min),
            offline_for=timedelta(hours=self.offline_h),
            worst_accuracy_m=self.accuracy_m, fastest_km_h=self.fastest_km_h,
        )  # fmt: skip

    def unknown_names(
        self, registry: Registry, round_plans: Collection[str]
    ) -> Iterator[tuple[tuple[str, ...], str]]:
        """(place in the file, text) of what names something that no file has."""
        grids = (registry.tree.grids, "grids.csv")
        for name, plan in self.plan_sections.items():
            at = ("ground_patrols", "plans", name)
            yield from _unknown((*at, "grids"), plan.grids, *grids)
            yield from _unknown((*at, "points"), plan.points, registry.points, "points.csv")
            yield from _unknown((*at, "people"), plan.people, registry.people, "people.csv")
        gaps = roster_gaps(self.plans.values(), registry)
        for number, (name, grid, what) in enumerate(gaps):
            at = ("ground_patrols", "plans", name)
            if number == MAX_GAPS:
                yield at, f"and {len(gaps) - number} more grids that nobody can walk"
                break
            yield at, f"grid {grid}: {what}"
        for name, area in self.area_sections.items():
            at = ("ground_patrols", "areas", name)
            yield from _unknown((*at, "grids"), area.grids, *grids)
            yield from _unknown((*at, "rounds"), area.rounds, round_plans, "the plans of rounds")


def _unknown(
    where: tuple[str, ...], named: Iterable[str], known: Container[str], source: str
) -> Iterator[tuple[tuple[str, ...], str]]:
    for one in named:
        if one not in known:
            yield where, f"{one!r} is not in {source}: nothing follows from it"
