"""Queries of a report: the rounds, findings and cases of a round, a day or a month.

Read from the repositories by `load_material`, so that a report costs what its period holds and not
what the store holds. ledger.py, figures.py and report.py compute from a `ReportMaterial` and read
no store.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Final

from patrol.domain.case import Case, CaseEntry, CaseEvent
from patrol.domain.finding import Finding, Origin
from patrol.domain.ground_patrol import CheckIn, GroundPatrol, GroundStop
from patrol.domain.human_patrol import CameraCheck, HumanPatrol
from patrol.domain.ids import CameraId, CaseId, RoundId
from patrol.domain.registry import Registry
from patrol.domain.round import ADHOC, Round, Visit, VisitOutline
from patrol.domain.round_duty import owners_of
from patrol.store import UnitOfWork


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundRecords:
    """One round with its visits and findings as stored."""

    round: Round
    visits: Sequence[Visit | VisitOutline] = ()  # in the order of the plan; pending ones are absent
    findings: Sequence[Finding] = ()
    owners: Sequence[str] = ()  # who signed on to it (巡查员), by shown name, in their order


@dataclass(frozen=True, slots=True, kw_only=True)
class HumanPatrolRecords:
    """One task of a human patrol with what was said of its cameras."""

    patrol: HumanPatrol
    checks: Sequence[CameraCheck] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GroundPatrolRecords:
    """One patrol on the ground with its points and check-ins."""

    patrol: GroundPatrol
    stops: Sequence[GroundStop] = ()
    check_ins: Sequence[CheckIn] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportMaterial:
    """The rows of a period."""

    rounds: Sequence[RoundRecords] = ()
    cases: Sequence[Case] = ()  # accepted in the period
    older_cases: Sequence[Case] = ()  # accepted before it; findings of the period count in them
    # When the broker acknowledged the first message of each case.
    pushed_at: Mapping[CaseId, datetime] = field(default_factory=dict)
    # Own findings (人工发现) of the period, those of its rounds and those of none.
    own_findings: Sequence[Finding] = ()
    human_patrols: Sequence[HumanPatrolRecords] = ()  # 人工巡查 of the period's days
    ground_patrols: Sequence[GroundPatrolRecords] = ()  # 联动巡防 of the period's days
    names: Mapping[str, str] = field(default_factory=dict)  # accounts by their shown names
    until: datetime | None = None  # the period's end, where it has one
    # Before that end, of each camera that was planned: its last usable picture, …
    last_seen: Mapping[CameraId, datetime] = field(default_factory=dict)
    # … and when a person last opened its picture or decided a finding of it.
    last_person_views: Mapping[CameraId, datetime] = field(default_factory=dict)

    @property
    def planned_rounds(self) -> Sequence[RoundRecords]:
        """Without the rounds that a person asked for (专项): they cover what was asked."""
        return [records for records in self.rounds if records.round.plan != ADHOC]

    @property
    def case_by_id(self) -> Mapping[CaseId, Case]:
        """Cases by their id."""
        return {case.id: case for case in (*self.older_cases, *self.cases)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportHeading:
    """Heading of a report: site, period, time of making."""

    kind: str  # round, day, month
    period: str  # 20261122-morning-1, 2026-11-22, 2026-11
    site: str  # the site's name
    zone: tzinfo
    made_at: datetime  # UTC
    registry: Registry


LAST_DECIDED_WINDOW = timedelta(days=365)  # a decision about an older finding is not searched for


def first_entry(case: Case, event: CaseEvent) -> CaseEntry | None:
    """The first entry of that event in the case's history, or None."""
    return next((entry for entry in case.entries if entry.what is event), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportPeriod:
    """One round, or the local days from `start` until before `end`."""

    kind: str
    name: str
    start: date = date.min
    end: date = date.max

    def earlier(self) -> "tuple[ReportPeriod | None, ReportPeriod | None]":
        """(the period before, for 环比; the same one last year, for 同比)."""
        if self.kind == "round":
            return None, None
        if self.kind == "day":
            return _one_day(self.start - timedelta(days=1)), _one_day(_last_year(self.start))
        before = (self.start - timedelta(days=1)).replace(day=1)
        return _one_month(before), _one_month(_last_year(self.start))


def period_of(*, a_round: str, day: date | None, month: date | None) -> ReportPeriod:
    """The period that one of the three names; `month` is any day of it."""
    if day is not None:
        return _one_day(day)
    return _one_month(month) if month is not None else ReportPeriod(kind="round", name=a_round)


MAX_DAYS: Final = 366


def days_period(first: date, last: date) -> ReportPeriod:
    """The local days from `first` to `last`, both included. Raises ValueError."""
    if not timedelta() <= last - first < timedelta(days=MAX_DAYS):
        raise ValueError(f"until: {last} is before {first}, or {MAX_DAYS} days after it or more")
    name = f"{first}" if first == last else f"{first}..{last}"
    return ReportPeriod(kind="days", name=name, start=first, end=last + timedelta(days=1))


def _one_day(day: date) -> ReportPeriod:
    return ReportPeriod(kind="day", name=day.isoformat(), start=day, end=day + timedelta(days=1))


def _one_month(day: date) -> ReportPeriod:
    start = day.replace(day=1)
    end = (start + timedelta(days=32)).replace(day=1)
    return ReportPeriod(kind="month", name=f"{start:%Y-%m}", start=start, end=end)


def _last_year(day: date) -> date:
    """The same day, the 28th for a leap day."""
    try:
        return day.replace(year=day.year - 1)
    except ValueError:
        return day.replace(year=day.year - 1, day=28)


def load_material(
    uow: UnitOfWork, plans: Iterable[str], zone: tzinfo, period: ReportPeriod
) -> ReportMaterial:
    """Read the rows of the period, with rounds of `plans`. Raises KeyError: no such round."""
    names = {account.name: account.shown_as for account in uow.accounts.all()}
    rounds = _round_records(uow, _rounds(uow, plans, period), names)
    own_findings = _own_findings(uow, rounds, zone, period)
    listed = [*own_findings, *(finding for records in rounds for finding in records.findings)]
    named = {finding.case for finding in listed if finding.case}
    cases = _accepted_cases(uow, zone, period, named)
    older = uow.cases.with_ids(named - {case.id for case in cases})
    until = _period_end(rounds, zone, period)
    return ReportMaterial(
        rounds=rounds,
        cases=cases,
        older_cases=older,
        own_findings=own_findings,
        human_patrols=_human_patrols(uow, period),
        ground_patrols=ground_records(uow, period),
        names=names,
        pushed_at=uow.outbox.first_published_at(case.id for case in (*cases, *older)),
        until=until,
        last_seen=uow.rounds.last_seen((records.round.id for records in rounds), until),
        last_person_views=_last_person_views(uow, until) if rounds else {},
    )


def _round_records(
    uow: UnitOfWork, rounds: Sequence[Round], names: Mapping[str, str]
) -> list[RoundRecords]:
    duties = uow.round_duties.of_rounds(one.id for one in rounds)
    return [
        RoundRecords(
            round=one,
            visits=uow.rounds.visit_outlines(one.id),
            findings=uow.findings.of_round(one.id),
            owners=[names.get(who, who) for who in owners_of(duties.get(one.id, ()))],
        )
        for one in rounds
    ]


def _human_patrols(uow: UnitOfWork, period: ReportPeriod) -> list[HumanPatrolRecords]:
    """Those of the days; a report of one round has none."""
    if period.kind == "round":
        return []
    patrols = uow.human_patrols.of_days(period.start, period.end)
    checks = uow.human_patrols.checks_of(one.id for one in patrols)
    return [HumanPatrolRecords(patrol=one, checks=checks.get(one.id, ())) for one in patrols]


def ground_records(uow: UnitOfWork, period: ReportPeriod) -> list[GroundPatrolRecords]:
    """Patrols on the ground of the days; a report of one round has none."""
    if period.kind == "round":
        return []
    patrols = uow.ground_patrols.of_days(period.start, period.end)
    stops = uow.ground_patrols.stops_of(one.id for one in patrols)
    check_ins = uow.ground_patrols.check_ins_of(one.id for one in patrols)
    return [
        GroundPatrolRecords(
            patrol=one, stops=stops.get(one.id, ()), check_ins=check_ins.get(one.id, ())
        )
        for one in patrols
    ]


def _own_findings(
    uow: UnitOfWork, rounds: Sequence[RoundRecords], zone: tzinfo, period: ReportPeriod
) -> Sequence[Finding]:
    """Those of the round, or those filed within the days."""
    if period.kind == "round":
        found = [finding for records in rounds for finding in records.findings]
        return [finding for finding in found if finding.origin is Origin.OPERATOR]
    start, end = (datetime.combine(day, time(), zone) for day in (period.start, period.end))
    return uow.findings.filed_between(start, end)


def _rounds(uow: UnitOfWork, plans: Iterable[str], period: ReportPeriod) -> list[Round]:
    if period.kind == "round":
        return [uow.rounds.get(RoundId(period.name))]
    counted = {*plans, ADHOC}
    return [one for one in uow.rounds.of_days(period.start, period.end) if one.plan in counted]


def _accepted_cases(
    uow: UnitOfWork, zone: tzinfo, period: ReportPeriod, named: set[CaseId]
) -> Sequence[Case]:
    """Cases of the round's findings, or those dispatched within the days, by id."""
    if period.kind == "round":
        return uow.cases.with_ids(named)
    start, end = (datetime.combine(day, time(), zone) for day in (period.start, period.end))
    return sorted(uow.cases.dispatched_between(start, end), key=lambda case: case.id)


def _period_end(rounds: Sequence[RoundRecords], zone: tzinfo, period: ReportPeriod) -> datetime:
    if period.kind != "round":
        return datetime.combine(period.end, time(), zone)
    (records,) = rounds
    return records.round.finished_at or records.round.finish_by


def _last_person_views(uow: UnitOfWork, until: datetime) -> dict[CameraId, datetime]:
    """When a person last opened each camera's picture, or decided one of its findings."""
    newest = dict(uow.access.last_viewed(until))
    for camera, at in uow.findings.last_decided(until - LAST_DECIDED_WINDOW, until).items():
        newest[camera] = max(at, newest.get(camera, at))
    return newest
