"""Whatever hours the machine is on, whatever is paused: every plan of every day is in the books."""

import random
import threading
from collections import Counter
from contextlib import nullcontext
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from patrol.cases.save_and_send import SEND_AT_ONCE
from patrol.domain.observation import FindingRules
from patrol.domain.registry import GridTree, Registry
from patrol.domain.round import PatrolPlan, RoundState
from patrol.domain.schedule import Calendar, Holiday, KeyPeriod, StoppageScope
from patrol.messaging.payloads import PayloadBuilder
from patrol.rounds.limiter import ConnectionLimits
from patrol.rounds.recorder import HealthNotifier, RecorderPolicy
from patrol.rounds.runner import RoundRunner, RunnerServices
from patrol.rounds.scheduler import RoundScheduler
from patrol.store import Store
from streams.address import StreamChoice
from streams.model import VisitOptions
from tests.support.clock import ManualClock
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
        stream=StreamChoice.MAIN,
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
