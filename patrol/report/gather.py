"""The rows of a round, a day or a month, out of the store's doors and into the report's hands."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo

from patrol.domain.case import Case
from patrol.domain.ids import CaseId, RoundId
from patrol.domain.ranking import newest_looks
from patrol.domain.round import ADHOC, Round
from patrol.report.material import Material, RoundSheet
from patrol.store import UnitOfWork

ROUNDS_BACK = 2000  # of one plan: nearly three years of two a day, so that last year is there
CASES_BACK = 100_000
LOOKED_BACK = timedelta(days=365)


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """One round, or the local days from `start` until before `end`."""

    kind: str
    name: str
    start: date = date.min
    end: date = date.max

    def earlier(self) -> "tuple[Period | None, Period | None]":
        """(the period before, for 环比; the same one last year, for 同比)."""
        if self.kind == "round":
            return None, None
        if self.kind == "day":
            return _one_day(self.start - timedelta(days=1)), _one_day(_last_year(self.start))
        before = (self.start - timedelta(days=1)).replace(day=1)
        return _one_month(before), _one_month(_last_year(self.start))


def periods(*, a_round: str, day: date | None, month: date | None) -> Period:
    """The period that the options name."""
    if day is not None:
        return _one_day(day)
    return _one_month(month) if month is not None else Period(kind="round", name=a_round)


def _one_day(day: date) -> Period:
    return Period(kind="day", name=day.isoformat(), start=day, end=day + timedelta(days=1))


def _one_month(day: date) -> Period:
    start = day.replace(day=1)
    end = (start + timedelta(days=32)).replace(day=1)
    return Period(kind="month", name=f"{start:%Y-%m}", start=start, end=end)


def _last_year(day: date) -> date:
    """The same day, the 28th for a leap day."""
    try:
        return day.replace(year=day.year - 1)
    except ValueError:
        return day.replace(year=day.year - 1, day=28)


def gather(uow: UnitOfWork, plans: Iterable[str], zone: tzinfo, period: Period) -> Material:
    """Everything of the period, rounds of these plans. Raises KeyError: there is no such round."""
    sheets = [
        RoundSheet(round=r, visits=uow.rounds.visits(r.id), findings=uow.findings.of_round(r.id))
        for r in _rounds(uow, plans, period)
    ]
    named = {finding.case for sheet in sheets for finding in sheet.findings if finding.case}
    cases = _accepted(uow, zone, period, named)
    known = {case.id for case in cases}
    older = [uow.cases.get(ident) for ident in sorted(named - known)]
    until = _until(sheets, zone, period)
    records = uow.findings.track_records(until - LOOKED_BACK)
    return Material(
        sheets=sheets,
        cases=cases,
        older_cases=older,
        pushed_at=dict(_pushed(uow, [*cases, *older])),
        until=until,
        last_seen=uow.rounds.last_seen(until),
        last_looks=newest_looks(uow.access.last_looks(until), records, until),
    )


def _until(sheets: list[RoundSheet], zone: tzinfo, period: Period) -> datetime:
    if period.kind != "round":
        return datetime.combine(period.end, time(), zone)
    (sheet,) = sheets
    return sheet.round.finished_at or sheet.round.finish_by


def _rounds(uow: UnitOfWork, plans: Iterable[str], period: Period) -> list[Round]:
    if period.kind == "round":
        return [uow.rounds.get(RoundId(period.name))]
    found = [
        a_round
        for plan in (*plans, ADHOC)
        for a_round in uow.rounds.of_plan(plan, limit=ROUNDS_BACK)
        if period.start <= a_round.day < period.end
    ]
    return sorted(found, key=lambda a_round: (a_round.planned_at, a_round.id))


def _accepted(uow: UnitOfWork, zone: tzinfo, period: Period, named: set[CaseId]) -> list[Case]:
    """Cases of the round's findings, or those dispatched within the days."""
    if period.kind == "round":
        return [uow.cases.get(ident) for ident in sorted(named)]
    start, end = (datetime.combine(day, time(), zone) for day in (period.start, period.end))
    found = uow.cases.list(limit=CASES_BACK)
    return sorted((c for c in found if start <= c.dispatched_at < end), key=lambda c: c.id)


def _pushed(uow: UnitOfWork, cases: list[Case]) -> Iterator[tuple[CaseId, datetime]]:
    """When the broker took the first message about each case."""
    for case in cases:
        times = [m.published_at for m in uow.outbox.of_case(case.id) if m.published_at]
        if times:
            yield case.id, min(times)
