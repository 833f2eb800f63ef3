"""A wall clock that was set: what is believed, what is adopted, and when a person has to say."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patrol.domain.wall_clock import (
    EARLIEST,
    LONGEST_STEP,
    SETTLE_S,
    STEP,
    ClockSample,
    ClockState,
    ClockTrust,
    SeenTime,
    confirmed_state,
    first_state,
    next_state,
)

NOON = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
SECOND, MINUTE, HOUR, DAY = (
    timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1),
)  # fmt: skip


class Machine:
    """A machine whose wall clock can be set, and what is believed of it."""

    def __init__(
        self, seen: SeenTime | None = None, boot: str = "b", wall: datetime = NOON
    ) -> None:
        self.wall, self.running_s = wall, 50.0
        self.steps: list[timedelta] = []
        self.state: ClockState = first_state(self.reading, boot, seen)

    @property
    def reading(self) -> ClockSample:
        return ClockSample(wall=self.wall, running_s=self.running_s)

    @property
    def now(self) -> datetime:
        return self.state.now(self.reading)

    def set_by(self, by: timedelta) -> None:
        self.wall += by
        self._look()

    def run(self, span: timedelta) -> None:
        """Let time pass, a look a minute."""
        while span > timedelta(0):
            part = min(span, MINUTE)
            self.wall += part
            self.running_s += part.total_seconds()
            self._look()
            span -= part

    def confirm(self) -> None:
        change = confirmed_state(self.state, self.reading)
        self.steps += [change.step] if change.step else []
        self.state = change.state

    def _look(self) -> None:
        change = next_state(self.state, self.reading)
        self.steps += [change.step] if change.step else []
        self.state = change.state


def trusted() -> Machine:
    machine = Machine()
    machine.run(timedelta(seconds=SETTLE_S))
    assert machine.state.trust is ClockTrust.TRUSTED
    return machine


@pytest.mark.parametrize("step", [6 * MINUTE, -6 * MINUTE, STEP, -STEP, HOUR, -HOUR])
def test_a_step_within_the_hour_is_adopted_at_once(step: timedelta) -> None:
    machine = trusted()
    machine.set_by(step)
    assert (machine.state.trust, machine.steps) == (ClockTrust.TRUSTED, [step])
    assert machine.now == machine.wall


@pytest.mark.parametrize("jump", [HOUR + SECOND, -HOUR - SECOND, 40 * DAY, 400 * DAY, -30 * DAY])
def test_a_jump_beyond_it_is_not_followed_until_confirmed(jump: timedelta) -> None:
    machine = trusted()
    before = machine.now
    machine.set_by(jump)
    machine.run(3 * HOUR)
    assert (machine.state.trust, machine.steps) == (ClockTrust.JUMPED, [])
    assert machine.now == before + 3 * HOUR
    machine.confirm()
    assert (machine.state.trust, machine.steps) == (ClockTrust.TRUSTED, [jump])
    assert machine.now == machine.wall


def test_a_jump_that_is_taken_back_leaves_nothing() -> None:
    machine = trusted()
    machine.set_by(40 * DAY)
    machine.run(HOUR)
    machine.set_by(-40 * DAY)
    assert (machine.state.trust, machine.steps) == (ClockTrust.TRUSTED, [])
    assert machine.now == machine.wall


def test_a_jump_that_is_taken_back_all_but_a_step_is_that_step() -> None:
    machine = trusted()
    machine.set_by(40 * DAY)
    machine.set_by(-40 * DAY + 20 * MINUTE)
    assert (machine.state.trust, machine.steps) == (ClockTrust.TRUSTED, [20 * MINUTE])


def test_an_hour_in_small_steps_is_an_hour() -> None:
    machine = trusted()
    machine.set_by(40 * MINUTE)
    machine.set_by(40 * MINUTE)
    assert (machine.state.trust, machine.now) == (ClockTrust.JUMPED, machine.wall - 40 * MINUTE)
    machine.set_by(-70 * MINUTE)
    assert (machine.state.trust, machine.now) == (ClockTrust.TRUSTED, machine.wall)


def test_drift_is_followed_and_is_no_step() -> None:
    machine = trusted()
    for _ in range(1000):
        machine.wall += SECOND  # a second an hour would be a poor clock; this is far worse
        machine.run(MINUTE)
    assert (machine.steps, machine.now) == ([], machine.wall)


def test_the_seconds_are_counted_over_a_restart_of_the_service() -> None:
    seen = SeenTime(at=NOON - 2 * DAY, running_s=50.0 - 2 * 86400 + 172800 - 50, boot="b")
    kept = SeenTime(at=NOON - 30 * SECOND, running_s=20.0, boot="b")
    machine = Machine(kept, wall=NOON - 6 * MINUTE)
    assert machine.now == NOON, "as if the service had run on"
    machine.run(SECOND)
    assert machine.steps == [-6 * MINUTE]
    assert Machine(seen, boot="another", wall=NOON).state.trust is ClockTrust.AHEAD


def test_the_machine_was_off_for_days() -> None:
    """The wall clock is followed, but nobody has confirmed it."""
    machine = Machine(SeenTime(at=NOON - 3 * DAY, running_s=9.0, boot="a"))
    machine.run(HOUR)
    assert (machine.state.trust, machine.now, machine.state.jump) == (
        ClockTrust.AHEAD, machine.wall, 3 * DAY,
    )  # fmt: skip
    machine.confirm()
    assert (machine.state.trust, machine.steps) == (ClockTrust.TRUSTED, [])


def test_four_hours_ahead_for_ten_seconds_at_boot() -> None:
    seen = SeenTime(at=NOON - 20 * MINUTE, running_s=9.0, boot="a")
    machine = Machine(seen, wall=NOON + 4 * HOUR)
    machine.run(10 * SECOND)
    assert machine.state.trust is ClockTrust.AHEAD
    machine.set_by(-4 * HOUR)
    assert (machine.state.trust, machine.now) == (ClockTrust.TRUSTED, machine.wall)


def test_a_dead_battery_does_not_lead_into_the_past() -> None:
    seen = SeenTime(at=NOON, running_s=9.0, boot="a")
    machine = Machine(seen, wall=datetime(1970, 1, 1, tzinfo=UTC))
    machine.run(5 * MINUTE)
    assert (machine.state.trust, machine.now) == (ClockTrust.JUMPED, NOON + 5 * MINUTE)
    machine.set_by(NOON + 6 * MINUTE - machine.wall)
    machine.run(SECOND)
    assert (machine.state.trust, machine.now) == (ClockTrust.TRUSTED, machine.wall)


def test_minutes_back_at_boot_is_a_step() -> None:
    machine = Machine(SeenTime(at=NOON, running_s=9.0, boot="a"), wall=NOON - 6 * MINUTE)
    assert machine.now == NOON
    machine.run(SECOND)
    assert (machine.state.trust, machine.steps) == (ClockTrust.TRUSTED, [-6 * MINUTE])


def test_a_store_that_has_seen_nothing_goes_by_what_stands() -> None:
    machine = Machine(wall=NOON + 4 * HOUR)
    machine.run(10 * SECOND)
    machine.set_by(-4 * HOUR)
    assert (machine.state.trust, machine.now) == (ClockTrust.SETTLING, machine.wall + 4 * HOUR)
    machine.run(timedelta(seconds=SETTLE_S))
    assert (machine.state.trust, machine.now) == (ClockTrust.TRUSTED, machine.wall)


@pytest.mark.parametrize("seen", [None, SeenTime(at=NOON - 3 * DAY, running_s=9.0, boot="a")])
@pytest.mark.parametrize("jump", [40 * DAY, -2 * HOUR, 400 * DAY])
def test_nor_does_it_leave_for_a_moment(seen: SeenTime | None, jump: timedelta) -> None:
    machine = Machine(seen, boot="b")
    machine.run(10 * SECOND)
    before = machine.now
    machine.set_by(jump)
    machine.run(timedelta(seconds=SETTLE_S - 1))
    machine.set_by(-jump)
    machine.run(MINUTE)
    assert machine.now == machine.wall == before + timedelta(seconds=SETTLE_S - 1) + MINUTE
    assert machine.steps == []


def test_before_this_software_was_made_no_clock_is_right() -> None:
    machine = Machine(wall=datetime(2000, 1, 1, tzinfo=UTC))
    machine.run(MINUTE)
    assert (machine.state.trust, machine.now) == (ClockTrust.JUMPED, EARLIEST + MINUTE)


@given(
    st.lists(
        st.tuples(
            st.timedeltas(min_value=-500 * DAY, max_value=500 * DAY),
            st.timedeltas(min_value=SECOND, max_value=2 * HOUR),
        ),
        max_size=8,
    )
)
def test_whatever_is_set_the_steps_add_up_and_none_is_beyond_the_hour(
    sets: list[tuple[timedelta, timedelta]],
) -> None:
    machine = trusted()
    begun, started_s = machine.now, machine.running_s
    for number, (by, span) in enumerate(sets, 1):
        machine.set_by(by)
        machine.run(span)
        counted = begun + timedelta(seconds=machine.running_s - started_s)
        drift = machine.now - counted - sum(machine.steps, timedelta(0))
        assert abs(drift) < number * STEP, "what is below a step is followed silently, no more"
    assert all(abs(step) <= LONGEST_STEP for step in machine.steps)
