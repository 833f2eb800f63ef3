"""A step of the clock moves every timer with it; a jump moves nothing until it is confirmed."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from patrol.app.clock_monitor import ClockMonitor, clock_check
from patrol.clock import TrustedClock, kernel_is_synchronised
from patrol.domain.case import CaseState
from patrol.domain.wall_clock import LONGEST_STEP, SETTLE_S, ClockTrust
from patrol.store import Store
from simulators import small_site
from tests.support.case_system import CaseSystem
from tests.support.clock import ManualClock
from tests.support.logs import captured_logs

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
DAY = timedelta(days=1)


@dataclass
class Rig:
    """A case system whose clock is watched, and whose machine's clock can be set."""

    system: CaseSystem
    machine: ManualClock
    clock: TrustedClock
    monitor: ClockMonitor
    ntp: list[bool]

    def run(self, span: timedelta) -> None:
        """Let time pass in looks of a second at most a minute apart."""
        while span > timedelta(0):
            part = min(span, MINUTE)
            self.machine.sleep(part.total_seconds())
            self.monitor.check()
            span -= part

    def set_by(self, by: timedelta) -> None:
        """Set the machine's clock, between two looks."""
        self.machine.current += by


def rig_of(store: Store, system: CaseSystem, machine: ManualClock, boot: str = "b") -> Rig:
    ntp = [False]
    with store.begin_read() as uow:
        before = uow.clock.get()
    clock = TrustedClock(
        machine, seen=before.seen if before else None, boot=boot,
        is_synchronised=lambda _wall: ntp[0],
    )  # fmt: skip
    monitor = ClockMonitor.start(store, clock, before)
    return Rig(system, machine, clock, monitor, ntp)


@pytest.fixture
def rig(case_system: CaseSystem) -> Rig:
    """Believed, at noon."""
    seconds = timedelta(seconds=SETTLE_S)
    made = rig_of(case_system.store, case_system, ManualClock(small_site.NOON - seconds))
    made.run(seconds)
    assert made.clock.state.trust is ClockTrust.TRUSTED
    assert made.clock.now() == small_site.NOON
    return made


def test_a_clock_that_settled_is_shown_as_trusted(rig: Rig) -> None:
    with rig.system.store.begin_read() as uow:
        kept = uow.clock.get()
    assert kept is not None
    assert (kept.trust, kept.since) == (ClockTrust.TRUSTED, small_site.NOON)
    assert clock_check(rig.monitor.record).message == "trusted"


def ladder_left(rig: Rig, case_id: str) -> timedelta | None:
    due = rig.system.case(case_id).ladder_due_at
    return due and due - rig.clock.now()


@pytest.mark.parametrize("step", [-6 * MINUTE, 6 * MINUTE, -HOUR, HOUR])
def test_a_silence_lasts_as_long_as_without_the_step(rig: Rig, step: timedelta) -> None:
    case = rig.system.confirm()
    before = ladder_left(rig, case.id)
    assert before is not None
    rig.set_by(step)
    assert ladder_left(rig, case.id) == before, "nothing has moved before it is adopted"
    rig.run(SECOND)
    assert rig.clock.now() == rig.machine.now()
    assert ladder_left(rig, case.id) == before - SECOND


def test_what_is_over_does_not_begin_again(rig: Rig) -> None:
    """A session that has ended stays ended when the clock goes forward; a due rung stays due."""
    case = rig.system.confirm()
    left = ladder_left(rig, case.id)
    assert left is not None
    rig.run(left + MINUTE)
    rig.set_by(30 * MINUTE)
    rig.run(SECOND)
    assert (ladder_left(rig, case.id) or timedelta(1)) < timedelta(0)


def test_a_jump_is_said_once_and_moves_nothing(rig: Rig) -> None:
    case = rig.system.confirm()
    left = ladder_left(rig, case.id)
    assert left is not None
    with captured_logs() as lines:
        rig.set_by(40 * DAY)
        rig.run(10 * MINUTE)
        assert ladder_left(rig, case.id) == left - 10 * MINUTE
        assert rig.monitor.clock_unconfirmed
        assert rig.monitor.holds_history
        assert not clock_check(rig.monitor.record).ok
        rig.set_by(-40 * DAY)
        rig.run(SECOND)
    assert [line["event"] for line in lines] == [
        "the clock is not believed", "the clock is believed again",
    ]  # fmt: skip
    assert not rig.monitor.holds_history
    assert ladder_left(rig, case.id) == left - 10 * MINUTE - SECOND


@pytest.mark.parametrize("jump", [-2 * HOUR, 5 * HOUR, 400 * DAY, -30 * DAY])
def test_a_person_confirms_the_clock_that_is_shown(rig: Rig, jump: timedelta) -> None:
    case = rig.system.confirm()
    left = ladder_left(rig, case.id)
    assert left is not None
    rig.set_by(jump)
    rig.run(MINUTE)
    with rig.system.store.begin() as uow:
        uow.clock.accept(rig.machine.now(), by="值班长")
        uow.commit()
    rig.run(MINUTE)
    assert rig.clock.now() == rig.machine.now()
    assert ladder_left(rig, case.id) == left - 2 * MINUTE
    with rig.system.store.begin_read() as uow:
        record = uow.clock.get()
    assert record is not None
    assert (record.trust, record.accepted_at) == (ClockTrust.TRUSTED, None), "used up"


def test_a_confirmation_is_of_that_clock_and_no_other(rig: Rig) -> None:
    with rig.system.store.begin() as uow:
        uow.clock.accept(rig.machine.now(), by="值班长")
        uow.commit()
    rig.set_by(3 * HOUR)
    rig.run(MINUTE)
    assert rig.monitor.clock_unconfirmed, "what was confirmed is another time"


def test_ntp_confirms(rig: Rig) -> None:
    rig.set_by(-3 * DAY)
    rig.run(MINUTE)
    assert rig.monitor.clock_unconfirmed
    rig.ntp[0] = True
    rig.run(SECOND)
    assert not rig.monitor.clock_unconfirmed
    assert rig.clock.now() == rig.machine.now()


def test_the_kernel_vouches_only_for_the_time_that_it_shows() -> None:
    assert not kernel_is_synchronised(datetime.now(UTC) + 4 * HOUR)  # noqa: TID251


def test_a_restart_goes_on_where_the_clock_was_believed(rig: Rig) -> None:
    case = rig.system.confirm()
    left = ladder_left(rig, case.id)
    assert left is not None
    rig.set_by(40 * DAY)
    rig.run(MINUTE)
    again = rig_of(rig.system.store, rig.system, rig.machine)
    again.run(MINUTE)
    assert again.monitor.clock_unconfirmed
    assert ladder_left(again, case.id) == left - 2 * MINUTE


def test_another_start_of_the_machine_counts_from_the_newest_time(rig: Rig) -> None:
    """It was off for a day: the wall clock is followed, and history waits."""
    rig.monitor.keep()
    machine = ManualClock(rig.machine.now() + DAY)
    again = rig_of(rig.system.store, rig.system, machine, boot="another")
    again.run(MINUTE)
    assert (again.clock.state.trust, again.clock.now()) == (ClockTrust.AHEAD, machine.now())
    assert again.monitor.holds_history
    assert again.monitor.complete_until == small_site.NOON
    again.ntp[0] = True
    again.run(SECOND)
    assert not again.monitor.holds_history


def test_timers_of_messages_move_and_calendar_stays(rig: Rig) -> None:
    case = rig.system.confirm()
    with rig.system.store.begin() as uow:
        assert uow.outbox.lease(holder="a", now=rig.clock.now(), lease_s=30, limit=10)
        uow.commit()
    due_before = rig.system.case(case.id).due_at
    rig.set_by(-6 * MINUTE)
    rig.run(SECOND)
    rig.run(30 * SECOND)
    with rig.system.store.begin() as uow:
        assert uow.outbox.lease(holder="b", now=rig.clock.now(), lease_s=30, limit=10)
    assert rig.system.case(case.id).due_at == due_before
    assert rig.system.case(case.id).state is CaseState.DISPATCHED
    assert LONGEST_STEP == HOUR
