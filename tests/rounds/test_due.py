"""When a round is due: clock, sun, lateness, and what ran already."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from patrol.clock import SiteSun
from patrol.domain.round import PatrolPlan, Round, RoundState
from patrol.domain.schedule import Calendar, Holiday, KeyPeriod
from patrol.rounds.planner import (
    LONGEST_GAP,
    DueAction,
    RoundWindow,
    due_round,
    unrun_rounds,
    window_of,
)

SHANGHAI = ZoneInfo("Asia/Shanghai")
JIUQUAN = SiteSun(39.6, 98.75, SHANGHAI)
MORNING = PatrolPlan(
    name="morning",
    start=time(9, 0),
    finish_by=time(10, 30),
    after_sunrise=timedelta(minutes=30),
)
AFTERNOON = PatrolPlan(
    name="afternoon",
    start=time(15, 0),
    finish_by=time(17, 50),
    before_sunset=timedelta(minutes=30),
)
WINDOW = RoundWindow(
    start=datetime(2026, 11, 22, 1, 0, tzinfo=UTC),
    finish_by=datetime(2026, 11, 22, 2, 30, tzinfo=UTC),
)


def local(moment: datetime) -> str:
    return f"{moment.astimezone(SHANGHAI):%H:%M}"


def test_in_june_the_clock_decides() -> None:
    window = window_of(MORNING, date(2026, 6, 21), SHANGHAI, JIUQUAN)
    assert (local(window.start), local(window.finish_by)) == ("09:00", "10:30")


def test_in_december_the_sun_is_waited_for() -> None:
    window = window_of(MORNING, date(2026, 12, 21), SHANGHAI, JIUQUAN)
    assert "09:10" <= local(window.start) <= "09:16"  # sunrise 08:43 + 30 min
    assert local(window.finish_by) == "10:30"


def test_an_early_sunset_moves_the_whole_window() -> None:
    window = window_of(AFTERNOON, date(2026, 12, 21), SHANGHAI, JIUQUAN)
    assert "17:28" <= local(window.finish_by) <= "17:36"  # sunset 18:04 − 30 min
    assert window.finish_by - window.start == timedelta(hours=2, minutes=50)


def test_polar_night_leaves_the_clock() -> None:
    oslo = ZoneInfo("Europe/Oslo")
    window = window_of(MORNING, date(2026, 12, 21), oslo, SiteSun(78.2, 15.6, oslo))
    assert window.start.astimezone(oslo).time() == time(9, 0)


def round_of_today(state: RoundState, finish_by: datetime = WINDOW.finish_by) -> Round:
    return Round(
        id="r",  # type: ignore[arg-type]  # any text will do
        plan="morning",
        day=date(2026, 11, 22),
        planned_at=WINDOW.start,
        finish_by=finish_by,
        planned=1,
        refused={},
        state=state,
    )


MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("today", "now", "expected"),
    [
        pytest.param(None, WINDOW.start - MINUTE, DueAction.NOT_YET, id="before its start"),
        pytest.param(None, WINDOW.start, DueAction.START, id="on the second"),
        pytest.param(
            None, WINDOW.start + 5 * MINUTE, DueAction.START_LATE, id="machine came up late"
        ),
        pytest.param(None, WINDOW.finish_by, DueAction.MISSED, id="machine came up too late"),
        pytest.param(
            RoundState.PLANNED, WINDOW.start + MINUTE, DueAction.RESUME, id="killed at once"
        ),
        pytest.param(RoundState.RUNNING, WINDOW.start + MINUTE, DueAction.RESUME, id="killed"),
        pytest.param(RoundState.INTERRUPTED, WINDOW.start + MINUTE, DueAction.RESUME, id="stopped"),
        pytest.param(
            RoundState.RUNNING, WINDOW.finish_by, DueAction.CLOSE_UNFINISHED, id="too late"
        ),
        pytest.param(RoundState.FINISHED, WINDOW.start + MINUTE, DueAction.DONE, id="ran"),
        pytest.param(
            RoundState.MISSED, WINDOW.finish_by + MINUTE, DueAction.DONE, id="written missed"
        ),
    ],
)
def test_due_round(today: RoundState | None, now: datetime, expected: DueAction) -> None:
    known = None if today is None else round_of_today(today)
    assert due_round(WINDOW, known, now) is expected


# --- the calendar, and days on which nothing ran --------------------------------------------------

NOON_PLAN = PatrolPlan(name="noon", start=time(12), finish_by=time(13))
FESTIVAL = Calendar(
    plans={"morning": MORNING, "afternoon": AFTERNOON},
    holidays=(
        Holiday(
            name="春节",
            first=date(2027, 2, 6),
            last=date(2027, 2, 8),
            skip=frozenset({"afternoon"}),
        ),
    ),
    key_periods=(
        KeyPeriod(
            name="春运",
            first=date(2027, 2, 8),
            last=date(2027, 2, 9),
            plans={"noon": NOON_PLAN},
        ),
    ),
)


@pytest.mark.parametrize(
    ("day", "plans"),
    [
        pytest.param(date(2027, 2, 5), ["morning", "afternoon"], id="any day"),
        pytest.param(date(2027, 2, 6), ["morning"], id="first day of the holiday"),
        pytest.param(date(2027, 2, 8), ["morning", "noon"], id="both meet"),
        pytest.param(date(2027, 2, 9), ["morning", "noon", "afternoon"], id="last of the period"),
        pytest.param(date(2027, 2, 10), ["morning", "afternoon"], id="over"),
    ],
)
def test_plans_of_a_day(day: date, plans: list[str]) -> None:
    assert list(FESTIVAL.plans_on(day)) == plans


BOTH = ("morning", "afternoon")


def absent(last: date, today: date, *known: tuple[str, date]) -> list[tuple[date, str]]:
    rounds = unrun_rounds(FESTIVAL, known, BOTH, last=last, today=today)
    return [(day, plan.name) for day, plan, _ in rounds]


def test_a_machine_that_was_off_for_days_missed_each_round_of_each_day() -> None:
    last = date(2027, 2, 7)
    assert absent(last, date(2027, 2, 10), ("morning", last)) == [
        (date(2027, 2, 8), "morning"),
        (date(2027, 2, 8), "noon"),
        (date(2027, 2, 9), "morning"),
        (date(2027, 2, 9), "noon"),
        (date(2027, 2, 9), "afternoon"),
    ]


def test_the_rest_of_the_last_day_is_missed_too() -> None:
    last = date(2027, 1, 7)
    assert absent(last, date(2027, 1, 8), ("morning", last)) == [(last, "afternoon")]
    assert absent(last, last) == []


def test_a_plan_that_is_new_was_not_missed_before_it_existed() -> None:
    last = date(2027, 1, 7)
    rounds = unrun_rounds(FESTIVAL, (), ("morning",), last=last, today=date(2027, 1, 8))
    assert [plan.name for _, plan, _ in rounds] == ["morning"]


def test_a_gap_is_listed_for_a_month_with_the_number_of_days_left_out() -> None:
    last, today = date(2026, 1, 1), date(2026, 12, 31)
    rounds = unrun_rounds(FESTIVAL, (), BOTH, last=last, today=today)
    assert len(rounds) == 2 * LONGEST_GAP.days
    assert rounds[0][2].endswith("nor on the 333 days before it")
    assert "before" not in rounds[1][2]
