"""Simulated people who walk patrols on the ground: points of the town, check-ins, some missed.

`points_table` writes the points of a town, `PATTERN` one meaning of 一三五七. `SimulatedPatrollers`
decides for each point of a patrol when it is checked in at, or that it is missed (8 %); the caller
hands the check-ins in, over MQTT, the phone page or a service.
"""

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from patrol.app import Application
from patrol.app.ground_service import CheckInForm, GroundService
from patrol.app.helper_service import HelperReport, HelperService
from patrol.domain.ground_patrol import (
    CheckInMethod,
    GroundPatrol,
    GroundStop,
    IllegalCheckIn,
    Location,
    count_stops,
)
from patrol.domain.helping import HelperStep
from patrol.domain.ids import PersonId
from patrol.domain.registry import Grid, GridLevel

MISSED: Final = 0.08  # of all points
LATE: Final = 0.1  # of those that are not missed
OFFLINE: Final = 0.15  # check-ins whose phone has no network for a while
PLAN: Final = "beat"
HELPER: Final = "群防群治队员"
COLUMNS: Final = "point_id,name,kind,grid_code"
KINDS: Final = ("grid", "key_site", "railway")


def points_table(grids: Iterable[Grid], each: int = 2) -> str:
    """points.csv: so many points in every grid, their kinds in turn."""
    lines = [COLUMNS]
    for number, grid in enumerate(grids):
        for place in range(each):
            kind = KINDS[(number + place) % len(KINDS)]
            cells = (f"W{number:03d}-{place + 1}", f"{grid.name}点{place + 1}", kind, grid.code)
            lines.append(",".join(cells))
    return "\n".join(lines) + "\n"


def ground_settings(start: str, finish_by: str, *, each: str = "group") -> dict[str, Any]:
    """`ground_patrols:` of site.yaml: 一三五七 as times a week of four kinds of people."""
    kinds = {
        "1": ("town_official", 1), "3": ("village_group_cadre", 3),
        "5": ("village_police", 5), "7": ("village_group_cadre", 7),
    }  # fmt: skip
    pattern = {
        number: {"means": f"每周 {times} 次", "who": [who], "times_a_week": times}
        for number, (who, times) in kinds.items()
    }
    plan = {
        "title": "联动巡防", "pattern": "1357", "start": start, "finish_by": finish_by,
        "each": each,
    }  # fmt: skip
    return {"patterns": {"1357": pattern}, "plans": {PLAN: plan}}


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedCheckIn:
    """One check-in: who, at which point, when; and when the centre gets it."""

    patrol: str
    point: str
    by: PersonId
    claimed_at: datetime
    received_at: datetime


@dataclass
class SimulatedPatrollers:
    """Walks patrols by a seeded random generator."""

    rng: random.Random
    missed: int = field(default=0)

    @classmethod
    def seeded(cls, seed: str) -> "SimulatedPatrollers":
        """Patrollers who do the same for the same seed."""
        return cls(random.Random(seed))  # noqa: S311  a play, and it must repeat  # nosec B311

    def check_ins(
        self, patrol: GroundPatrol, stops: Sequence[GroundStop]
    ) -> Iterator[SimulatedCheckIn]:
        """The check-ins of a patrol, in the order of its points; nobody's patrol has none."""
        before = patrol.planned_at
        for stop in stops:
            if not patrol.people or self.rng.random() < MISSED:
                self.missed += 1
                continue
            at = stop.due_at - timedelta(minutes=self.rng.uniform(2, 15))
            if self.rng.random() < LATE:
                at = stop.due_at + timedelta(minutes=self.rng.uniform(1, 5))
            before = min(max(before + timedelta(minutes=1), at), patrol.finish_by)
            away = self.rng.uniform(10, 120) if self.rng.random() < OFFLINE else 0.0
            yield SimulatedCheckIn(
                patrol=patrol.id, point=stop.point, by=patrol.people[0], claimed_at=before,
                received_at=before + timedelta(minutes=away),
            )  # fmt: skip


def patrol_todays_roster(app: Application, patrols: int = 12) -> None:
    """Plan today's rosters, and check in by code at the points of the first patrols."""
    ground, registry, now = GroundService(app), app.registry, app.clock.now()
    codes = ground.codes()
    ground.plan(now.astimezone(app.site.settings.site.tz).date())
    with app.store.begin_read() as uow:
        begun = [one for one in uow.ground_patrols.open() if one.open_from <= now]
        stops = uow.ground_patrols.stops_of(one.id for one in begun)
    for patrol in begun[:patrols]:
        for one in SimulatedPatrollers.seeded(patrol.id).check_ins(patrol, stops[patrol.id]):
            code = codes.code(registry.points[one.point], CheckInMethod.QR)
            form = CheckInForm(
                key=one.point, patrol=patrol.id, by=one.by, claimed_at=now, code=code
            )
            with suppress(IllegalCheckIn):  # a second round of the same day
                ground.check_in(form)


def report_from_the_ground(app: Application, *, operator: str) -> None:
    """A helper reports what the operator confirms and opens to helpers; the helper was there."""
    helpers, now = HelperService(app), app.clock.now()
    group = min(g.code for g in app.registry.tree.grids.values() if g.level is GridLevel.GROUP)
    report = HelperReport(
        key=f"{now:%Y%m%d%H%M%S}", grid=group, category="dumping", text="随手拍：有人倒垃圾",
        place="村口", location=Location(longitude=98.5, latitude=39.7, accuracy_m=12),
    )  # fmt: skip
    filed = helpers.report(report, by=HELPER)
    if filed is not None:
        case = app.confirm(filed.id, by=operator)
        helpers.set_open(case.id, is_open=True, by=operator, note="请就近队员先到")
        helpers.note_step(case.id, HelperStep.THERE, by=HELPER)


def ground_outcome(app: Application) -> dict[str, Any]:
    """What patrols and helpers did, counted in the store."""
    with app.store.begin_read() as uow:
        patrols = uow.ground_patrols.list(limit=1000)
        stops = uow.ground_patrols.stops_of(one.id for one in patrols)
    points = count_stops(stop for some in stops.values() for stop in some)
    reports = Counter(str(one.outcome) for one in HelperService(app).reports())
    return {
        "ground_patrols": len(patrols),
        "points_checked_in": points.done + points.late,
        "helper_reports": dict(reports),
    }
