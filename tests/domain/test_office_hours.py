"""Office hours: nights, weekends, holidays and worked weekends, as a table and as properties."""

import itertools
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patrol.domain.case import Case
from patrol.domain.case_opening import case_id, open_from_finding
from patrol.domain.escalation import escalate_if_due
from patrol.domain.office_hours import OfficeHours
from patrol.domain.priority import (
    LIMITS_BY_LEVEL,
    CaseLimits,
    DueLight,
    Level,
    limits_at,
    silence_of,
)
from simulators import small_site

ZONE = ZoneInfo("Asia/Shanghai")
OFFICE = OfficeHours(
    days_off=frozenset({date(2026, 10, day) for day in range(1, 8)}),  # 国庆
    days_on=frozenset({date(2026, 10, 10)}),  # a Saturday, worked instead
)


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZONE).astimezone(UTC)


@pytest.mark.parametrize(
    ("start", "hours", "end"),
    [
        pytest.param("2026-11-23 09:00", 2, "2026-11-23 11:00", id="within a morning"),
        pytest.param("2026-11-23 11:00", 2, "2026-11-23 15:30", id="over lunch"),
        pytest.param("2026-11-23 17:00", 2, "2026-11-24 09:30", id="over night"),
        pytest.param("2026-11-20 17:00", 2, "2026-11-23 09:30", id="over a weekend"),
        pytest.param("2026-11-21 10:00", 2, "2026-11-23 10:30", id="from a Saturday"),
        pytest.param("2026-11-23 03:00", 1, "2026-11-23 09:30", id="from before the office opens"),
        pytest.param("2026-09-30 17:00", 2, "2026-10-08 09:30", id="over the October holidays"),
        pytest.param("2026-10-09 17:00", 2, "2026-10-10 09:30", id="into a worked Saturday"),
        pytest.param("2026-11-23 16:00", 2, "2026-11-23 18:00", id="to the minute of closing"),
    ],
)
def test_time_runs_while_the_office_is_open(start: str, hours: int, end: str) -> None:
    assert OFFICE.after(local(start), timedelta(hours=hours)) == local(end)
    assert OFFICE.between(local(start), local(end)) == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("moment", "closes"),
    [
        pytest.param("2026-11-23 09:00", "2026-11-23 18:00", id="today"),
        pytest.param("2026-11-23 18:00", "2026-11-23 18:00", id="just closing"),
        pytest.param("2026-11-23 18:01", "2026-11-24 18:00", id="over for today"),
        pytest.param("2026-11-21 09:00", "2026-11-23 18:00", id="weekend"),
    ],
)
def test_same_day_means_the_office_day(moment: str, closes: str) -> None:
    assert OFFICE.end_of_day(local(moment)) == local(closes)


moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001  the bounds are naive by hypothesis' own rule
spans = st.timedeltas(timedelta(0), timedelta(hours=60))


@given(moments, spans, spans)
def test_after_and_between_undo_each_other(
    start: datetime, first: timedelta, second: timedelta
) -> None:
    then = OFFICE.after(start, first)
    assert then >= start
    assert OFFICE.between(start, then) == first
    assert OFFICE.between(start, OFFICE.after(then, second)) == first + second


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"spans": ()}, id="never open"),
        pytest.param({"spans": ((time(12), time(9)),)}, id="backwards"),
        pytest.param({"spans": ((time(8), time(12)), (time(11), time(18)))}, id="overlapping"),
        pytest.param({"weekdays": frozenset()}, id="no weekday"),
        pytest.param({"weekdays": frozenset({7})}, id="an eighth day"),
    ],
)
def test_hours_that_make_no_sense_cannot_be_built(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"office hours|weekdays"):
        OfficeHours(**wrong)  # type: ignore[arg-type]  the table is wrong on purpose


def test_level_three_in_office_hours() -> None:
    friday = local("2026-11-20 17:00")
    clocks = limits_at(Level.ORDINARY, OFFICE, friday)
    assert friday + clocks.acknowledge == local("2026-11-23 09:30")
    assert clocks.arrive is not None
    assert clocks.feedback is not None
    assert friday + clocks.arrive == local("2026-11-23 18:00")
    assert friday + clocks.feedback == local("2026-11-23 18:00")
    assert friday + clocks.close == local("2026-11-25 17:00")


def test_urgent_cases_wait_for_no_office() -> None:
    night = local("2026-11-21 02:00")
    for level in (Level.URGENT, Level.PRESSING):
        assert limits_at(level, OFFICE, night) == LIMITS_BY_LEVEL[level]
        assert silence_of(level, OFFICE) == LIMITS_BY_LEVEL[level].acknowledge


@given(moments)
def test_no_limit_comes_before_the_one_that_it_follows(start: datetime) -> None:
    clocks: CaseLimits = limits_at(Level.ORDINARY, OFFICE, start)
    assert clocks.arrive is not None
    assert clocks.feedback is not None
    assert timedelta() < clocks.acknowledge <= clocks.arrive <= clocks.feedback <= clocks.close


def opened(at: datetime) -> Case:
    registry = replace(small_site.registry(), office=OFFICE)
    finding = small_site.finding(found_at=at)
    return open_from_finding(
        finding,
        case_id(at.date(), 1),
        registry,
        by="op",
        now=at,
        category="dumping",
        level=Level.ORDINARY,
    )


def test_the_light_turns_at_four_fifths_of_the_office_time() -> None:
    friday = local("2026-11-20 17:00")
    case = opened(friday)
    assert case.due_light(local("2026-11-22 23:00")) is DueLight.GREEN, "a weekend uses up nothing"
    assert case.due_light(local("2026-11-23 09:05")) is DueLight.GREEN
    assert case.due_light(local("2026-11-23 09:06")) is DueLight.YELLOW, "96 of 120 minutes"
    assert case.due_light(local("2026-11-23 09:30")) is DueLight.YELLOW
    assert case.due_light(local("2026-11-23 09:31")) is DueLight.RED


def test_the_ladder_rests_at_night_and_climbs_in_the_morning() -> None:
    case = opened(local("2026-11-20 17:00"))
    assert case.ladder_due_at == local("2026-11-23 09:30")
    assert not escalate_if_due(case, local("2026-11-22 12:00")).moved
    seen = []
    while not case.is_on_last_rung:
        assert case.ladder_due_at is not None
        case = escalate_if_due(case, case.ladder_due_at).case
        seen.append(case.ladder_due_at)
    assert seen[0] == local("2026-11-23 11:30")
    assert all(
        OFFICE.between(a, b) == timedelta(hours=2) for a, b in itertools.pairwise(seen) if a and b
    )


def test_a_later_holiday_changes_no_running_case() -> None:
    """The calendar is frozen into the case, cut to the days that it can meet."""
    case = opened(local("2026-11-20 17:00"))
    assert case.policy.office == OFFICE.around(case.dispatched_at)
    assert case.policy.office is not None
    assert not case.policy.office.days_off, "October is over"
