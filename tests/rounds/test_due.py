"""When a round is due: clock, sun, lateness, and what was walked already."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from patrol.domain.round import PatrolPlan, Round, RoundState
from patrol.rounds.due import Due, Window, due_round, window_of
from patrol.sun import SiteSun

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
WINDOW = Window(
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


def walked(state: RoundState, finish_by: datetime = WINDOW.finish_by) -> Round:
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
        pytest.param(None, WINDOW.start - MINUTE, Due.NOT_YET, id="before its start"),
        pytest.param(None, WINDOW.start, Due.START, id="on the second"),
        pytest.param(None, WINDOW.start + 5 * MINUTE, Due.START_LATE, id="machine came up late"),
        pytest.param(None, WINDOW.finish_by, Due.MISSED, id="machine came up too late"),
        pytest.param(RoundState.PLANNED, WINDOW.start + MINUTE, Due.RESUME, id="killed at once"),
        pytest.param(RoundState.RUNNING, WINDOW.start + MINUTE, Due.RESUME, id="killed"),
        pytest.param(RoundState.INTERRUPTED, WINDOW.start + MINUTE, Due.RESUME, id="stopped"),
        pytest.param(RoundState.RUNNING, WINDOW.finish_by, Due.CLOSE_UNFINISHED, id="too late"),
        pytest.param(RoundState.FINISHED, WINDOW.start + MINUTE, Due.DONE, id="walked"),
        pytest.param(RoundState.MISSED, WINDOW.finish_by + MINUTE, Due.DONE, id="written missed"),
    ],
)
def test_due_round(today: RoundState | None, now: datetime, expected: Due) -> None:
    known = None if today is None else walked(today)
    assert due_round(WINDOW, known, now) is expected
