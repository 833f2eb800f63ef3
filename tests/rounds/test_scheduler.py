"""Whatever hours the machine is on, whatever is paused: every plan of every day is in the books."""

import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from patrol.cases.save_and_send import SEND_AT_ONCE
from patrol.domain.observation import FindingRules
from patrol.domain.registry import GridTree, Registry
from patrol.domain.round import PatrolPlan, RoundState
from patrol.domain.sampling import SamplingPolicy
from patrol.domain.schedule import Calendar, Holiday, KeyPeriod, StoppageScope
from patrol.files import ProcessBusy
from patrol.messaging.payloads import PayloadBuilder
from patrol.rounds.limiter import ConnectionLimits
from patrol.rounds.recorder import HealthNotifier, RecorderPolicy
from patrol.rounds.runner import RoundRunner, RunnerServices
from patrol.rounds.scheduler import RoundScheduler
from patrol.store import Store
from streams.model import VisitOptions
from tests.support.clock import ManualClock
from tests.support.logs import captured_logs
from tests.support.store import new_store

ZONE = ZoneInfo("Asia/Shanghai")
START = datetime(2027, 2, 1, 1, 30, tzinfo=UTC)  # 09:30 in the town: a morning round is due
HOUR = timedelta(hours=1)
CALENDAR = Calendar(
    plans={
        "morning": PatrolPlan(name="morning", start=time(9), finish_by=time(10, 30)),
        "afternoon": PatrolPlan(name="afternoon", start=time(15), finish_by=time(17, 30)),
    },
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
            first=date(2027, 2, 4),
            last=date(2027, 2, 7),
            plans={"noon": PatrolPlan(name="noon", start=time(12), finish_by=time(13))},
        ),
    ),
)
EMPTY = Registry(cameras={}, tree=GridTree(grids={}), people={})


def make_scheduler(store: Store, clock: ManualClock, camera_client: Any) -> RoundScheduler:
    payload_builder = PayloadBuilder(site="shangba", zone=ZONE, registry=EMPTY)
    runner_deps = RunnerServices(
        store=store,
        clock=clock,
        zone=ZONE,
        cameras=dict,
        refresh_cameras=lambda: None,
        client=camera_client,
        judge=camera_client,
        add_evidence=camera_client,
        policy=RecorderPolicy(
            rules=FindingRules(),
            health=HealthNotifier(payloads=payload_builder),
            auto_confirm=lambda *_: 0,
            keep_evidence=HOUR,
            send_gate=SEND_AT_ONCE,
        ),
        payloads=payload_builder,
        tree=EMPTY.tree,
        limits=ConnectionLimits(),
        options=VisitOptions(),
        sampling=SamplingPolicy(),
        rng=random.Random(1),
        calendar=CALENDAR,
    )
    return RoundScheduler(
        calendar=CALENDAR,
        zone=ZONE,
        sun=lambda _day: (START, START),  # no plan asks for it
        clock=clock,
        store=store,
        runner=RoundRunner(runner_deps),
        stop=threading.Event(),
        round_lock=nullcontext,
    )


DAY_STEPS = st.lists(
    st.tuples(st.sampled_from(["ring", "restart", "pause", "resume"]), st.integers(1, 60)),
    min_size=1,
    max_size=25,
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(DAY_STEPS)
def test_no_day_is_simply_absent(rig: Any, steps: list[tuple[str, int]]) -> None:
    store, clock = new_store(), ManualClock(START)
    scheduler = make_scheduler(store, clock, rig.camera_client)
    scheduler.run_due()
    for what, hours in [*steps, ("restart", 24)]:
        clock.current += hours * HOUR
        if what == "restart":
            scheduler = make_scheduler(store, clock, rig.camera_client)
        with store.begin() as uow:
            if what == "pause":
                uow.stoppages.add(
                    scope=StoppageScope.ROUNDS, subject="", start=clock.current, until=None,
                    reason="沙尘暴", by="甲", now=clock.current,
                )  # fmt: skip
            elif what == "resume":
                for one in uow.stoppages.active(clock.current):
                    uow.stoppages.end(one.number, by="甲", now=clock.current)
            uow.commit()
        if what in ("ring", "restart"):
            for _ in range(4):  # a few times, past any pause
                scheduler.run_due()
                clock.current += timedelta(seconds=20)
    today = clock.current.astimezone(ZONE).date()
    first = START.astimezone(ZONE).date()
    with store.begin_read() as uow:
        rounds = uow.rounds.of_days(first, today)
    counted = Counter((a_round.day, a_round.plan) for a_round in rounds)
    oldest_kept = max(first, today - timedelta(days=31))
    days = [oldest_kept + timedelta(days=n) for n in range((today - oldest_kept).days)]
    due = {(day, plan) for day in days for plan in CALENDAR.plans_on(day)}
    begun = {plan: min(day for day, name in counted if name == plan) for _, plan in counted}
    new = {(day, plan) for day, plan in due if plan != "noon" and day < begun.get(plan, today)}
    assert due - new <= counted.keys()  # a plan may be new until it ran or was missed once
    assert all(number == 1 for number in counted.values())
    assert all(a_round.state in (RoundState.FINISHED, RoundState.MISSED) for a_round in rounds)


def run_often(scheduler: RoundScheduler, clock: ManualClock, seconds: int = 120) -> None:
    """Ask as the service does, every two seconds."""
    for _ in range(seconds // 2):
        scheduler.run_due()
        clock.sleep(2.0)


def states_of(store: Store, day: date) -> list[tuple[str, RoundState, bool]]:
    """(plan, state, whether it is misdated) of the day's rounds, oldest first."""
    with store.begin_read() as uow:
        found = uow.rounds.of_days(day, day + timedelta(days=1))
    return [(a_round.plan, a_round.state, a_round.misdated) for a_round in found]


TODAY = START.astimezone(ZONE).date()
MORNING_WALKED = ("morning", RoundState.FINISHED, False)


def test_future_missed_rounds_do_not_stand_in_the_way(rig: Any) -> None:
    """Forty days ahead once, as an earlier version wrote it: found at the next start."""
    store, clock = new_store(), ManualClock(START - 24 * HOUR)
    make_scheduler(store, clock, rig.camera_client).run_due()
    clock.current += timedelta(days=41)
    make_scheduler(store, clock, rig.camera_client).run_due()
    with store.begin_read() as uow:
        assert len(uow.rounds.of_days(TODAY + timedelta(days=1), date.max)) > 30
    clock = ManualClock(START)
    scheduler = make_scheduler(store, clock, rig.camera_client)
    with captured_logs() as lines:
        run_often(scheduler, clock)
    assert states_of(store, TODAY) == [MORNING_WALKED]
    assert not [line for line in lines if line["event"] == "round missed"]
    with store.begin_read() as uow:
        future = uow.rounds.of_days(TODAY + timedelta(days=1), date.max)
        retracted = list(uow.access.entries(what="retract_missed_round", limit=1000))
    assert [(a_round.state, a_round.misdated) for a_round in future] == [
        (RoundState.FINISHED, True)  # it was walked, whatever day it was
    ]
    assert len(retracted) > 30
    assert uow_is_whole(store)


def uow_is_whole(store: Store) -> bool:
    with store.begin_read() as uow:
        return uow.access.first_broken() is None


@pytest.mark.parametrize("held", [True, False])
def test_hours_ahead_for_a_moment(rig: Any, held: bool) -> None:  # noqa: FBT001  a parameter
    """The morning is not over; with a clock that was believed it was written, and is taken back."""
    store, clock = new_store(), ManualClock(START + 4 * HOUR)
    scheduler = make_scheduler(store, clock, rig.camera_client)
    is_held = [held]
    scheduler.holds_history = lambda: is_held[0]
    run_often(scheduler, clock, 10)
    missed = [("morning", RoundState.MISSED, False)]
    assert states_of(store, TODAY) == ([] if held else missed)
    clock.current -= 4 * HOUR
    run_often(scheduler, clock)
    assert states_of(store, TODAY) == [MORNING_WALKED]
    is_held[0] = False
    clock.current += 4 * HOUR  # later that day, in truth
    run_often(scheduler, clock)
    assert states_of(store, TODAY) == [MORNING_WALKED]


def test_a_round_of_the_wrong_hour_is_none_of_its_day(rig: Any) -> None:
    """Six hours ahead in the morning: the afternoon is walked, and again when it comes."""
    store, clock = new_store(), ManualClock(START + 6 * HOUR)
    scheduler = make_scheduler(store, clock, rig.camera_client)
    scheduler.holds_history = lambda: True
    run_often(scheduler, clock, 10)
    assert states_of(store, TODAY) == [("afternoon", RoundState.FINISHED, False)]
    clock.current -= 6 * HOUR
    run_often(scheduler, clock)
    misdated = ("afternoon", RoundState.FINISHED, True)
    assert sorted(states_of(store, TODAY)) == [misdated, MORNING_WALKED]
    clock.current += 6 * HOUR
    run_often(scheduler, clock)
    walked = ("afternoon", RoundState.FINISHED, False)
    assert sorted(states_of(store, TODAY)) == [walked, misdated, MORNING_WALKED]


def test_nothing_is_missed_while_the_clock_is_not_believed(rig: Any) -> None:
    store, clock = new_store(), ManualClock(START)
    scheduler = make_scheduler(store, clock, rig.camera_client)
    run_often(scheduler, clock, 10)
    clock.current += 6 * HOUR
    run_often(scheduler, clock, 10)  # so that the afternoon is no new plan
    walked = [MORNING_WALKED, ("afternoon", RoundState.FINISHED, False)]
    assert states_of(store, TODAY) == walked
    held = [True]
    scheduler.holds_history = lambda: held[0]
    clock.current = START + timedelta(days=3)
    with captured_logs() as lines:
        run_often(scheduler, clock)
    assert states_of(store, TODAY) == walked
    assert [line["event"] for line in lines].count("no round is missed for now") == 1
    held[0] = False
    run_often(scheduler, clock)
    with store.begin_read() as uow:
        days = uow.rounds.of_days(TODAY, TODAY + timedelta(days=3))
    assert [a_round.state for a_round in days].count(RoundState.MISSED) == 4


@pytest.mark.parametrize("back", [timedelta(minutes=6), HOUR, 5 * HOUR, timedelta(days=400)])
def test_no_pause_outlasts_a_clock_that_was_set_back(rig: Any, back: timedelta) -> None:
    store, clock = new_store(), ManualClock(START)
    scheduler = make_scheduler(store, clock, rig.camera_client)
    busy = [True]

    @contextmanager
    def lock() -> Iterator[None]:
        if busy[0]:
            raise ProcessBusy("another")
        yield

    scheduler.round_lock = lock
    scheduler.run_due()
    busy[0] = False
    clock.current -= back
    clock.sleep(15.0)
    scheduler.run_due()
    clock.current = START + timedelta(minutes=1)
    scheduler.run_due()
    assert states_of(store, TODAY) == [MORNING_WALKED]


def test_rounds_that_ran_unconfirmed_hide_no_day_that_did_not(rig: Any) -> None:
    """Days unconfirmed, one round in each; believed again, the rest is in the books."""
    store, clock = new_store(), ManualClock(START)
    scheduler = make_scheduler(store, clock, rig.camera_client)
    run_often(scheduler, clock, 10)
    clock.current += 6 * HOUR
    run_often(scheduler, clock, 10)
    unconfirmed_since = clock.now()
    scheduler.holds_history = lambda: True
    for _ in range(3):
        clock.current += timedelta(days=1)
        run_often(scheduler, clock, 10)
    scheduler = make_scheduler(store, clock, rig.camera_client)  # the service starts anew
    scheduler.complete_until = lambda: unconfirmed_since
    run_often(scheduler, clock, 10)
    for day in range(3):
        plans = [plan for plan, _, _ in states_of(store, TODAY + timedelta(days=day))]
        assert sorted(plans) == sorted(CALENDAR.plans_on(TODAY + timedelta(days=day)))
