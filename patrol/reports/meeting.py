"""Meeting packs (会议材料): a village's month (一月一议), the joint meeting's month (月度联席会议).

One composed `MeetingPack` for a village, a centre or the town, and a day, week, month, quarter or
year: figures beside the last period (环比) and last year's (同比), cases by category, village, hour
and tag, precision per kind, the overdue list and the cases; never every visit. Visits and decisions
are counted by the database, so that a month of a year's data costs a fraction of a second. Villages
stand in the order of their codes: no table ranks them.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Final

from patrol.cases.supervision import overdue_list
from patrol.domain.case import Case, CaseEvent, CaseState
from patrol.domain.errors import BadInput
from patrol.domain.finding import REAL_STATES, FindingState, Origin, category_named
from patrol.domain.human_patrol import count_checks
from patrol.domain.ids import CameraId, CaseId, GridCode
from patrol.domain.registry import GridLevel, GridTree, Registry
from patrol.domain.round import VisitOutcome
from patrol.domain.statistics import wilson_interval
from patrol.domain.supervision import OverdueCase
from patrol.domain.town_labels import PACK_PERIODS
from patrol.reports.figures import Figure, case_figures, change_text
from patrol.reports.ledger import is_late
from patrol.reports.queries import ReportMaterial, first_entry
from patrol.store import UnitOfWork

_WEEK, _QUARTER = re.compile(r"(\d{4})-W(\d\d)"), re.compile(r"(\d{4})-Q([1-4])")
_MONTH, _YEAR = re.compile(r"(\d{4})-(\d\d)"), re.compile(r"(\d{4})")
REWORK_EVENTS: Final = (CaseEvent.NOT_VERIFIED, CaseEvent.REOPEN)


class BadPeriod(BadInput, ValueError):
    """A text that names no day, week, month, quarter or year."""


class BadScope(BadInput, ValueError):
    """A scope that names no village or centre of the site."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackPeriod:
    """The local days from `start` until before `end`."""

    kind: str  # day, week, month, quarter, year
    name: str
    start: date
    end: date

    def before(self) -> "PackPeriod":
        """The period before, of the same kind."""
        return _period_at(self.kind, self.start - timedelta(days=1))

    def last_year(self) -> "PackPeriod":
        """The same period a year earlier."""
        day = self.start + timedelta(days=3) if self.kind == "week" else self.start
        try:
            return _period_at(self.kind, day.replace(year=day.year - 1))
        except ValueError:  # the 29th of February
            return _period_at(self.kind, day.replace(year=day.year - 1, day=28))


def parse_period(text: str) -> PackPeriod:
    """`2026-11-22`, `2026-W47`, `2026-11`, `2026-Q4` or `2026`. Raises BadPeriod."""
    try:
        if match := _WEEK.fullmatch(text):
            return _period_at("week", date.fromisocalendar(int(match[1]), int(match[2]), 1))
        if match := _QUARTER.fullmatch(text):
            return _period_at("quarter", date(int(match[1]), 3 * int(match[2]) - 2, 1))
        if match := _MONTH.fullmatch(text):
            return _period_at("month", date(int(match[1]), int(match[2]), 1))
        if match := _YEAR.fullmatch(text):
            return _period_at("year", date(int(match[1]), 1, 1))
        return _period_at("day", date.fromisoformat(text))
    except (ValueError, OverflowError):
        raise BadPeriod(
            f"period {text!r}: write 2026-11-22, 2026-W47, 2026-11, 2026-Q4 or 2026"
        ) from None


def _period_at(kind: str, day: date) -> PackPeriod:
    """The period of that kind in which the day lies."""
    if kind == "day":
        start, end, name = day, day + timedelta(days=1), day.isoformat()
    elif kind == "week":
        start = day - timedelta(days=day.weekday())
        end, (year, week, _) = start + timedelta(days=7), start.isocalendar()
        name = f"{year}-W{week:02}"
    elif kind == "month":
        start, name = day.replace(day=1), f"{day:%Y-%m}"
        end = (start + timedelta(days=32)).replace(day=1)
    elif kind == "quarter":
        quarter = (day.month - 1) // 3
        start, name = date(day.year, 3 * quarter + 1, 1), f"{day.year}-Q{quarter + 1}"
        end = (start + timedelta(days=93)).replace(day=1)
    else:
        start, end, name = date(day.year, 1, 1), date(day.year + 1, 1, 1), f"{day.year}"
    return PackPeriod(kind=kind, name=name, start=start, end=end)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackScope:
    """Whose pack it is: the town, a centre, or a village."""

    id: str  # town, centre:east, village:620902104203000
    kind: str
    name: str
    grids: tuple[GridCode, ...]

    def holds(self, tree: GridTree, code: GridCode) -> bool:
        """Whether the grid lies within."""
        return any(tree.is_within(code, grid) for grid in self.grids)


def parse_scope(text: str, tree: GridTree) -> PackScope:
    """`town`, `centre:ID` or `village:CODE`. Raises BadScope."""
    kind, _, ident = text.partition(":")
    if kind == "town":
        town = next(grid for grid in tree.grids.values() if grid.level is GridLevel.TOWN)
        return PackScope(id="town", kind="town", name=town.name, grids=(town.code,))
    if kind == "centre":
        found = next((one for one in tree.centres if one.id == ident), None)
        if found is not None:
            return PackScope(id=text, kind="centre", name=found.name, grids=found.grids)
    grid = tree.grids.get(GridCode(ident))
    if kind == "village" and grid is not None:
        return PackScope(id=text, kind="village", name=grid.name, grids=(grid.code,))
    raise BadScope(f"scope {text!r}: give town, centre:ID or village:CODE of this site")


def scopes_of(tree: GridTree, own: GridCode | None = None) -> list[PackScope]:
    """Every scope of the site; with `own` those that a cadre of that grid may have."""
    texts = ["town", *(f"centre:{one.id}" for one in tree.centres)]
    villages = [grid.code for grid in tree.grids.values() if grid.level is GridLevel.VILLAGE]
    texts += [f"village:{code}" for code in sorted(villages)]
    found = [parse_scope(text, tree) for text in texts]
    if own is None:
        return found
    mine = tree.scope_of(own)
    return [
        scope
        for scope in found
        if all(any(tree.is_within(grid, one) for one in mine) for grid in scope.grids)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedValue:
    """A figure with its changes against the last period and last year."""

    figure: Figure
    mom: str
    yoy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CountRow:
    """One row of a table: what, how many cases, closed, late; a share is part of whole."""

    key: str
    name: str
    count: int
    closed: int = 0
    late: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PrecisionRow:
    """What people decided of the machine's findings of one kind."""

    kind: str
    real: int
    decided: int

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's interval, 95 %."""
        return wilson_interval(self.real, self.decided)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeetingPack:
    """One composed pack; reports/meeting_files.py writes it in any format."""

    scope: PackScope
    period: PackPeriod
    site: str
    zone: tzinfo
    made_at: datetime
    registry: Registry
    figures: tuple[ComparedValue, ...]
    categories: tuple[CountRow, ...]
    villages: tuple[CountRow, ...]
    hours: tuple[int, ...]  # 24, by when it was found
    tags: tuple[CountRow, ...]
    precision: tuple[PrecisionRow, ...]
    overdue: tuple[OverdueCase, ...]
    cases: tuple[Case, ...]

    @property
    def title(self) -> str:
        """`上坝镇 月度联席会议材料 2026-11`."""
        kind = (self.scope.kind, self.period.kind)
        what = TITLES.get(kind) or f"{PACK_PERIODS[self.period.kind][0]}材料"
        return f"{self.scope.name} {what} {self.period.name}"


TITLES: Final = {
    ("town", "month"): "月度联席会议材料",
    ("centre", "month"): "综治中心月度材料",
    ("village", "month"): "一月一议材料",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PackHeading:
    """What a pack is made for: scope, period, site, clock."""

    scope: PackScope
    period: PackPeriod
    site: str
    zone: tzinfo
    made_at: datetime
    registry: Registry


def load_pack(uow: UnitOfWork, heading: PackHeading, plans: Iterable[str]) -> MeetingPack:
    """Read and compose one pack; `plans`: the calendar's, whose rounds count as coverage."""
    tree, scope, period = heading.registry.tree, heading.scope, heading.period
    plans = tuple(plans)
    cases = _cases(uow, heading, period)
    current = _figures(uow, heading, period, plans, cases)
    old, older = (
        {f.id: f for f in _figures(uow, heading, one, plans, _cases(uow, heading, one))}
        for one in (period.before(), period.last_year())
    )
    return MeetingPack(
        scope=scope, period=period, site=heading.site, zone=heading.zone,
        made_at=heading.made_at, registry=heading.registry,
        figures=tuple(
            ComparedValue(
                figure=f, mom=change_text(f, old.get(f.id)), yoy=change_text(f, older.get(f.id))
            )
            for f in current
        ),
        categories=tuple(_by_category(cases, heading)),
        villages=tuple(_by_village(cases, heading)),
        hours=_by_hour(cases, heading.zone),
        tags=tuple(_by_tag(cases, heading, uow.grid_tags.all())),
        precision=tuple(_precision(uow, heading)),
        overdue=tuple(
            line
            for line in overdue_list(uow, heading.made_at)
            if scope.holds(tree, line.case.grid)
        ),
        cases=tuple(sorted(cases, key=lambda case: (case.level, case.id))),
    )  # fmt: skip


def _bounds(period: PackPeriod, zone: tzinfo) -> tuple[datetime, datetime]:
    start, end = (datetime.combine(day, time(), zone) for day in (period.start, period.end))
    return start, end


def _cases(uow: UnitOfWork, heading: PackHeading, period: PackPeriod) -> list[Case]:
    tree, scope = heading.registry.tree, heading.scope
    found = uow.cases.dispatched_between(*_bounds(period, heading.zone))
    return [case for case in found if scope.holds(tree, case.grid)]


def _figures(
    uow: UnitOfWork,
    heading: PackHeading,
    period: PackPeriod,
    plans: Sequence[str],
    cases: Sequence[Case],
) -> list[Figure]:
    mine = _cameras_within(heading)
    pushed: Mapping[CaseId, datetime] = uow.outbox.first_published_at(case.id for case in cases)
    material = ReportMaterial(cases=cases, pushed_at=pushed)
    return [
        *_coverage(uow, period, plans, mine),
        *_people(uow, heading, period, mine),
        *case_figures(material, heading.made_at),
        _rework(cases),
    ]


def _coverage(
    uow: UnitOfWork, period: PackPeriod, plans: Sequence[str], mine: Collection[CameraId]
) -> list[Figure]:
    """Of the plans' rounds: how many cameras of the scope gave a usable picture."""
    counts = uow.rounds.outcome_counts(period.start, period.end, plans)
    total: Counter[str] = Counter()
    for (camera, outcome), number in counts.items():
        if camera in mine:
            total[outcome] += number
    seen = total[VisitOutcome.NORMAL] + total[VisitOutcome.PROBLEM]
    planned = total.total() - total[VisitOutcome.PENDING]
    return [
        Figure(id="coverage", zh="巡查覆盖率", en="patrol coverage", part=seen, whole=planned),
        Figure(id="not_viewable", zh="无法查看", en="not viewable",
               part=total[VisitOutcome.NOT_VIEWABLE], whole=planned),
    ]  # fmt: skip


def _cameras_within(heading: PackHeading) -> set[CameraId]:
    tree, scope = heading.registry.tree, heading.scope
    held = {code for code in tree.grids if scope.holds(tree, code)}
    return {one.id for one in heading.registry.cameras.values() if one.grid in held}


def _people(
    uow: UnitOfWork, heading: PackHeading, period: PackPeriod, mine: Collection[CameraId]
) -> list[Figure]:
    """What people saw by themselves: own findings, human patrols."""
    tree, scope = heading.registry.tree, heading.scope
    own = [
        one
        for one in uow.findings.filed_between(*_bounds(period, heading.zone))
        if scope.holds(tree, one.grid)
    ]
    patrols = uow.human_patrols.of_days(period.start, period.end)
    checks = uow.human_patrols.checks_of(one.id for one in patrols)
    counts = count_checks(c for found in checks.values() for c in found if c.camera in mine)
    real = sum(one.state in REAL_STATES for one in own)
    return [
        Figure(id="own_findings", zh="人工发现", en="own findings", part=len(own),
               note=f"属实 {real} 条"),
        Figure(id="human_coverage", zh="人工巡查覆盖率", en="human patrol coverage",
               part=counts.done, whole=counts.planned - counts.pending),
    ]  # fmt: skip


def _rework(cases: Sequence[Case]) -> Figure:
    """退回重办率: of the cases that were fed back, how many went back to the ground."""
    fed_back = [case for case in cases if first_entry(case, CaseEvent.FEED_BACK)]
    again = sum(any(first_entry(case, what) for what in REWORK_EVENTS) for case in fed_back)
    return Figure(
        id="rework", zh="退回重办率", en="rework rate", part=again, whole=len(fed_back),
        note="核查未通过或重开 ÷ 已反馈",
    )  # fmt: skip


def _counted(cases: Iterable[Case]) -> list[Case]:
    return [case for case in cases if case.state is not CaseState.VOIDED]


def _row(key: str, name: str, cases: Sequence[Case], now: datetime) -> CountRow:
    return CountRow(
        key=key, name=name, count=len(cases),
        closed=sum(case.state is CaseState.CLOSED for case in cases),
        late=sum(is_late(case, now) for case in cases),
    )  # fmt: skip


def _by_category(cases: Sequence[Case], heading: PackHeading) -> list[CountRow]:
    """A row a category, most cases first."""
    groups: dict[str, list[Case]] = {}
    for case in _counted(cases):
        groups.setdefault(case.category, []).append(case)
    now = heading.made_at
    rows = [_row(key, category_named(key).zh, found, now) for key, found in groups.items()]
    return sorted(rows, key=lambda row: (-row.count, row.key))


def _by_village(cases: Sequence[Case], heading: PackHeading) -> list[CountRow]:
    """A row a village of the scope, in the order of the codes; also those without a case."""
    tree, scope = heading.registry.tree, heading.scope
    villages = [
        grid
        for grid in sorted(tree.grids.values(), key=lambda one: one.code)
        if grid.level is GridLevel.VILLAGE and scope.holds(tree, grid.code)
    ]
    counted = _counted(cases)
    return [
        _row(
            grid.code, grid.name,
            [case for case in counted if tree.is_within(case.grid, grid.code)], heading.made_at,
        )
        for grid in villages
    ]  # fmt: skip


def _by_hour(cases: Sequence[Case], zone: tzinfo) -> tuple[int, ...]:
    counted = Counter(case.found_at.astimezone(zone).hour for case in _counted(cases))
    return tuple(counted[hour] for hour in range(24))


def _by_tag(
    cases: Sequence[Case], heading: PackHeading, of_grids: Mapping[GridCode, tuple[str, ...]]
) -> list[CountRow]:
    """A row a tag; a case has its own and those of its grid and the grids above."""
    tree, groups = heading.registry.tree, dict[str, list[Case]]()
    for case in _counted(cases):
        above = tree.path_up(case.grid) if case.grid in tree.grids else ()
        inherited = {tag for grid in above for tag in of_grids.get(grid.code, ())}
        for tag in sorted({*case.tags, *inherited}):
            groups.setdefault(tag, []).append(case)
    return [_row(tag, tag, found, heading.made_at) for tag, found in sorted(groups.items())]


def _precision(uow: UnitOfWork, heading: PackHeading) -> list[PrecisionRow]:
    """Pre-screen precision of each kind, from people's decisions on the machine's findings."""
    tree, scope = heading.registry.tree, heading.scope
    real, decided = Counter[str](), Counter[str]()
    for row in uow.findings.decision_counts(*_bounds(heading.period, heading.zone)):
        if row.origin is not Origin.MACHINE or not scope.holds(tree, row.grid):
            continue
        is_real = row.state in REAL_STATES
        real[row.kind] += row.count if is_real else 0
        decided[row.kind] += row.count if is_real or row.state is FindingState.DISMISSED else 0
    rows = [PrecisionRow(kind=k, real=real[k], decided=n) for k, n in decided.items() if n]
    return sorted(rows, key=lambda row: row.kind)
