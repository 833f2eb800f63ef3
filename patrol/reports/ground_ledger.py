"""The ledger of patrols on the ground (联动巡防台账), and their coverage beside the cameras'.

A row a point of each patrol, in the order of the patrols; a row repeats what is stored. The joint
coverage counts, by village and by key area, cameras that rounds were to see and saw, and points
that patrols were to walk and checked_in, over the same days.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from patrol.domain.camera import Priority
from patrol.domain.ground_labels import (
    BY_CENTRE,
    CHECK_IN_METHODS,
    CHECK_IN_PROBLEMS,
    CHECK_IN_STATES,
    CLAIMED,
    POINT_KINDS,
    STOP_STATES,
)
from patrol.domain.ground_patrol import (
    CheckIn,
    GroundCounts,
    GroundPatrol,
    GroundStop,
    count_stops,
)
from patrol.domain.ids import CameraId, GridCode
from patrol.domain.labels import ROLES, label_of
from patrol.domain.registry import GridLevel, Registry
from patrol.domain.roster import KeyArea
from patrol.reports.queries import (
    GroundPatrolRecords,
    ReportHeading,
    ReportMaterial,
    RoundRecords,
)

GROUND_COLUMNS: Final = (
    "日期", "方案", "编号", "时段", "网格", "人员", "人员类别", "点位编码", "点位名称", "类型",
    "应到", "签到", "签到人", "方式", "时间依据", "距离（米）", "结果", "存疑", "复核", "复核人",
    "情况", "线索",
)  # fmt: skip
GroundRow = dict[str, str]


@dataclass(frozen=True, slots=True)
class GroundLedger:
    """The rows of a period, and their counts."""

    rows: Sequence[GroundRow]
    counts: GroundCounts
    patrols: int
    missed_patrols: int


def ground_ledger(material: ReportMaterial, heading: ReportHeading) -> GroundLedger:
    """The ledger of the period's patrols."""
    records = material.ground_patrols
    return GroundLedger(
        rows=[row for one in records for row in _patrol_rows(one, heading, material.names)],
        counts=count_stops(stop for one in records for stop in one.stops),
        patrols=len(records),
        missed_patrols=sum(one.patrol.state == "missed" for one in records),
    )


def _patrol_rows(
    records: GroundPatrolRecords, heading: ReportHeading, names: Mapping[str, str]
) -> Iterator[GroundRow]:
    check_ins = {one.id: one for one in records.check_ins}
    head = _head(records.patrol, heading)
    for stop in records.stops:
        last = check_ins.get(stop.check_in) or _last_of(records.check_ins, stop)
        yield {**head, **_stop_columns(stop, heading), **_check_in_columns(last, heading, names)}


def _last_of(check_ins: Sequence[CheckIn], stop: GroundStop) -> CheckIn | None:
    """A rejected check-in stays in the ledger, beside the point that was not walked."""
    return next((one for one in reversed(check_ins) if one.point == stop.point), None)


def _head(patrol: GroundPatrol, heading: ReportHeading) -> GroundRow:
    registry = heading.registry
    people = [registry.people.get(one) for one in patrol.people]
    kinds = {who.ground_kind for who in people if who is not None and who.ground_kind}
    grid = registry.tree.grids.get(patrol.grid)
    return {
        "日期": f"{patrol.day}",
        "方案": patrol.title,
        "编号": patrol.number,
        "时段": f"{_clock(patrol.planned_at, heading)}–{_clock(patrol.finish_by, heading)}",
        "网格": grid.name if grid else patrol.grid,
        "人员": "、".join(
            who.name if who else ident for who, ident in zip(people, patrol.people, strict=True)
        )
        or "无人",
        "人员类别": "、".join(sorted(label_of(ROLES, kind)[0] for kind in kinds)),
    }


def _stop_columns(stop: GroundStop, heading: ReportHeading) -> GroundRow:
    return {
        "点位编码": stop.point,
        "点位名称": stop.name,
        "类型": label_of(POINT_KINDS, stop.kind)[0],
        "应到": _clock(stop.due_at, heading),
        "签到": _clock(stop.at, heading),
        "结果": label_of(STOP_STATES, stop.state)[0],
    }


def _check_in_columns(
    check_in: CheckIn | None, heading: ReportHeading, names: Mapping[str, str]
) -> GroundRow:
    if check_in is None:
        blank = (
            "签到人",
            "方式",
            "时间依据",
            "距离（米）",
            "存疑",
            "复核",
            "复核人",
            "情况",
            "线索",
        )
        return dict.fromkeys(blank, "")
    who = heading.registry.people.get(check_in.by)
    distance = check_in.distance_m
    return {
        "签到人": who.name if who else check_in.by,
        "方式": label_of(CHECK_IN_METHODS, check_in.method)[0],
        "时间依据": (CLAIMED if check_in.is_claimed else BY_CENTRE)[0],
        "距离（米）": "" if distance is None else f"{distance:.0f}",
        "存疑": "、".join(label_of(CHECK_IN_PROBLEMS, one)[0] for one in check_in.problems),
        "复核": label_of(CHECK_IN_STATES, check_in.state)[0] if check_in.problems else "",
        "复核人": names.get(check_in.decided_by, check_in.decided_by),
        "情况": check_in.seen,
        "线索": check_in.finding or "",
    }


def _clock(at: datetime | None, heading: ReportHeading) -> str:
    return "" if at is None else f"{at.astimezone(heading.zone):%H:%M}"


@dataclass(frozen=True, slots=True, kw_only=True)
class JointCoverage:
    """What was covered in one place over some days: looked at online, walked on the ground."""

    id: str  # a village's code, or a key area's name
    name: str
    cameras_planned: int
    cameras_seen: int
    points: GroundCounts

    @property
    def document(self) -> dict[str, Any]:
        """The line as JSON."""
        online = self.cameras_seen / self.cameras_planned if self.cameras_planned else None
        return {
            "id": self.id,
            "name": self.name,
            "cameras_planned": self.cameras_planned,
            "cameras_seen": self.cameras_seen,
            "camera_coverage": online,
            "points_planned": self.points.planned,
            "points_walked": self.points.done + self.points.late,
            "points_late": self.points.late,
            "points_review": self.points.review,
            "points_missed": self.points.missed,
            "points_pending": self.points.pending,
            "ground_coverage": self.points.coverage,
        }


def coverage_by_village(material: ReportMaterial, registry: Registry) -> list[JointCoverage]:
    """A line a village, and one of the town's own points where there are any."""
    tree = registry.tree
    places = [g for g in tree.grids.values() if g.level is GridLevel.VILLAGE]

    def village(code: GridCode) -> str:
        return tree.village_of(code) or ""

    looked = _looked_at(material.planned_rounds, registry, lambda camera: village(camera.grid))
    stops: dict[str, list[GroundStop]] = {}
    for records in material.ground_patrols:
        for stop in records.stops:
            point = registry.points.get(stop.point)
            where = village(point.grid if point else records.patrol.grid)
            stops.setdefault(where, []).append(stop)
    lines = [(str(grid.code), grid.name) for grid in sorted(places, key=lambda one: one.code)]
    if "" in stops or looked[""][0]:
        lines.append(("", "镇级"))
    return [_coverage(ident, name, looked, stops.get(ident, ())) for ident, name in lines]


def coverage_by_area(
    material: ReportMaterial, registry: Registry, areas: Mapping[str, KeyArea]
) -> list[JointCoverage]:
    """A line a key area: its rounds' cameras, its patrols' points."""
    lines = []
    for name, area in areas.items():
        rounds = [one for one in material.rounds if one.round.plan in area.rounds]

        def within(camera: Any, area: KeyArea = area, name: str = name) -> str | None:
            wanted = camera.priority is Priority.KEY or not area.key_cameras_only
            inside = any(registry.tree.is_within(camera.grid, grid) for grid in area.grids)
            return name if wanted and inside else None

        stops = [
            stop
            for records in material.ground_patrols
            if records.patrol.key_area == name
            for stop in records.stops
            if stop.kind in area.kinds
        ]
        lines.append(_coverage(name, area.title, _looked_at(rounds, registry, within), stops))
    return lines


def _looked_at(
    rounds: Sequence[RoundRecords], registry: Registry, place: Callable[[Any], str | None]
) -> Mapping[str, tuple[int, int]]:
    """(visits planned, seen) by place; visits of cameras that are gone count nowhere."""
    planned, seen = Counter[str](), Counter[str]()
    for records in rounds:
        for visit in records.visits:
            camera = registry.cameras.get(CameraId(visit.camera))
            where = place(camera) if camera is not None else None
            if where is not None:
                planned[where] += 1
                seen[where] += visit.outcome.is_seen
    return _Pairs({where: (planned[where], seen[where]) for where in planned})


class _Pairs(dict[str, tuple[int, int]]):
    def __missing__(self, _place: str) -> tuple[int, int]:
        return 0, 0


def _coverage(
    ident: str, name: str, looked: Mapping[str, tuple[int, int]], stops: Sequence[GroundStop]
) -> JointCoverage:
    planned, seen = looked[ident]
    return JointCoverage(
        id=ident, name=name, cameras_planned=planned, cameras_seen=seen, points=count_stops(stops)
    )
