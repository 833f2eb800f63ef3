"""Rounds as a whole: begun, killed, resumed, closed; equal totals whatever happens."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from patrol.cases.save_and_send import SEND_AT_ONCE
from patrol.clock import SystemClock
from patrol.domain.camera import Camera, ConsentState
from patrol.domain.ids import GridCode
from patrol.domain.observation import FindingRules, Observation, Subject
from patrol.domain.registry import Grid, GridLevel, GridTree, Registry
from patrol.domain.round import PatrolPlan, RoundState, RoundTotals
from patrol.domain.sampling import SamplingPolicy
from patrol.domain.schedule import Calendar, StoppageScope
from patrol.files import ProcessBusy, process_lock
from patrol.messaging.payloads import PayloadBuilder
from patrol.ports import PictureStoreFull
from patrol.rounds.limiter import ConnectionLimits
from patrol.rounds.planner import NOT_IN_WINDOW, NOT_RUNNING, NothingToVisit, RoundsPaused
from patrol.rounds.progress import round_summary
from patrol.rounds.recorder import HealthNotifier, RecorderPolicy
from patrol.rounds.runner import RoundRunner, RunnerServices
from patrol.rounds.scheduler import MISSED_REASON, RoundScheduler
from patrol.store import Store
from streams.model import VisitOptions
from tests.support.clock import ManualClock
from tests.support.rounds import is_balanced
from tests.support.store import new_store

SHANGHAI = ZoneInfo("Asia/Shanghai")
HOUR = timedelta(hours=1)
GROUP = GridCode("620902104203001")


def make_payload_builder(town: list[Camera]) -> PayloadBuilder:
    grid = Grid(code=GROUP, name="四组", level=GridLevel.TOWN, parent=None)
    cameras = {camera.id: camera for camera in town}
    registry = Registry(cameras=cameras, tree=GridTree(grids={GROUP: grid}), people={})
    return PayloadBuilder(site="shangba", zone=SHANGHAI, registry=registry)


@pytest.fixture
def runner_deps(rig: Any, town: list[Camera]) -> RunnerServices:
    policy = RecorderPolicy(
        rules=FindingRules(),
        health=HealthNotifier(payloads=make_payload_builder(town)),
        auto_confirm=lambda *_: 0,
        keep_evidence=timedelta(days=1),
        send_gate=SEND_AT_ONCE,
    )
    return RunnerServices(
        store=new_store(),
        clock=SystemClock(),
        zone=SHANGHAI,
        cameras=lambda: {camera.id: camera for camera in town},
        refresh_cameras=lambda: None,
        client=rig.camera_client,
        judge=rig.judge,
        add_evidence=rig.add_evidence,
        policy=policy,
        payloads=make_payload_builder(town),
        tree=GridTree(grids={}),
        limits=ConnectionLimits(ramp_s=0.0, retry_after_s=0.01, connections=4),
        options=VisitOptions(),
        sampling=SamplingPolicy(),
        rng=random.Random(1),
    )


def totals_of(store: Store, round_id: Any) -> RoundTotals:
    with store.begin_read() as uow:
        return uow.rounds.totals(round_id)


def run_by_hand(runner: RoundRunner, stop: threading.Event | None = None) -> Any:
    begun = runner.begin_round("morning", SystemClock().now() + HOUR, at_any_hour=True)
    return runner.run(begun, stop=stop)


def test_a_round_to_its_end(runner_deps: RunnerServices) -> None:
    runner = RoundRunner(runner_deps)
    ended = run_by_hand(runner)
    summary = runner.summary(ended)
    assert ended.state is RoundState.FINISHED
    assert (summary["planned"], summary["seen"], summary["missed"]) == (12, 12, 0)
    assert str(summary["round"]).endswith("-morning-1")
    assert run_by_hand(runner).id.endswith("-morning-2")


def test_weather_over_the_whole_town_is_one_finding_of_the_round(
    runner_deps: RunnerServices, rig: Any
) -> None:
    def judge(camera: Camera, start: Any, sample: Any) -> Any:
        wide = Observation(
            camera=camera.id, round=start.round, at=start.at, subject=Subject.SCENE,
            kind="severe_weather", score=0.8, value=0.7, threshold=0.38, gauge="frame_wide/1",
            label="dust",
        )  # fmt: skip
        return replace(rig.judge(camera, start, sample), observations=(wide,))

    runner = RoundRunner(replace(runner_deps, judge=judge))
    summary = runner.summary(run_by_hand(runner))
    assert (summary["seen"], summary["observations"], summary["findings"]) == (12, 12, 1)


def test_stopped_in_the_middle_and_taken_up_without_visiting_twice(
    runner_deps: RunnerServices, rig: Any
) -> None:
    stop = threading.Event()
    done: list[str] = []

    def judge(camera: Camera, start: Any, sample: Any) -> Any:
        done.append(camera.id)
        if len(done) == 5:
            stop.set()
        return rig.judge(camera, start, sample)

    rig.camera_client.delay_s = 0.05
    one_by_one = replace(runner_deps.limits, connections=1)
    runner = RoundRunner(replace(runner_deps, judge=judge, limits=one_by_one))
    stopped = run_by_hand(runner, stop)
    assert (stopped.state, stopped.reason) == (RoundState.INTERRUPTED, "stopped")
    before = totals_of(runner_deps.store, stopped.id)
    assert is_balanced(before)
    assert 0 < before.pending < 12
    rig.camera_client.calls.clear()
    ended = run_by_hand(runner)
    assert (ended.id, ended.state) == (stopped.id, RoundState.FINISHED)
    assert len(rig.camera_client.calls) == before.pending
    assert totals_of(runner_deps.store, ended.id).seen == 12


def test_what_a_killed_run_spent_is_in_the_rounds_sum(
    runner_deps: RunnerServices, rig: Any
) -> None:
    """Written down at every tenth of the way: a kill loses less than that."""
    noted: list[float] = []

    def judge(camera: Camera, start: Any, sample: Any) -> Any:
        with runner_deps.store.begin_read() as uow:
            noted.append(uow.rounds.get(start.round).cpu_s)
        sum(range(20_000))  # something to spend
        return rig.judge(camera, start, sample)

    one_by_one = replace(runner_deps.limits, connections=1)
    ended = run_by_hand(RoundRunner(replace(runner_deps, judge=judge, limits=one_by_one)))
    assert noted[0] == 0.0
    assert noted == sorted(noted)
    assert noted[-1] > 0.0
    with runner_deps.store.begin_read() as uow:
        assert uow.rounds.get(ended.id).cpu_s > noted[-1], "and the rest at its end, once"


class Killed(BaseException):
    """The kernel ended the process in the middle of judging: no more of it ran."""


def test_a_picture_that_kills_the_service_twice_is_not_viewable(
    runner_deps: RunnerServices, rig: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fatal = f"{3:020}"
    calls: list[str] = []

    def judge(camera: Camera, start: Any, sample: Any) -> Any:
        calls.append(camera.id)
        if camera.id == fatal:
            raise Killed
        return rig.judge(camera, start, sample)

    one_by_one = replace(runner_deps.limits, connections=1)
    runner = RoundRunner(replace(runner_deps, judge=judge, limits=one_by_one))
    for _ in range(2):
        with monkeypatch.context() as killed:
            killed.setattr(RoundRunner, "_end", lambda *_: None)  # a killed process ends nothing
            with pytest.raises(Killed):
                run_by_hand(runner)
    ended = run_by_hand(runner)
    assert (ended.state, calls.count(fatal)) == (RoundState.FINISHED, 2)
    totals = totals_of(runner_deps.store, ended.id)
    assert (totals.seen, totals.not_viewable, totals.pending) == (11, 1, 0)
    with runner_deps.store.begin_read() as uow:
        (visit,) = (one for one in uow.rounds.visits(ended.id) if one.camera == fatal)
    assert (visit.failure, visit.tries) == ("unreadable", 2)
    assert visit.seen.startswith("judging its picture did not end, 2 times")


def test_a_round_stopped_in_the_middle_of_judging_blames_no_picture(
    runner_deps: RunnerServices, rig: Any
) -> None:
    judged: list[str] = []

    def stop_while_judging(camera: Camera, start: Any, sample: Any) -> Any:
        judged.append(camera.id)
        if len(judged) <= 4:
            stop.set()
            assert interrupted.wait(20)
        return rig.judge(camera, start, sample)

    one_by_one = replace(runner_deps.limits, connections=1)
    for _ in range(4):
        stop, interrupted = threading.Event(), threading.Event()
        threading.Timer(0.4, interrupted.set).start()
        judged_before = len(judged)
        runner = RoundRunner(replace(runner_deps, judge=stop_while_judging, limits=one_by_one))
        stopped = run_by_hand(runner, stop)
        assert len(judged) == judged_before + 1
        with runner_deps.store.begin_read() as uow:
            assert {one.judgings for one in uow.rounds.pending(stopped.id)} == {0}


def test_a_full_disk_interrupts_with_its_reason_and_resumes(
    runner_deps: RunnerServices, rig: Any
) -> None:
    full = [True]

    def judge(camera: Camera, start: Any, sample: Any) -> Any:
        if full[0]:
            raise PictureStoreFull("var/evidence: 0 MB free")
        return rig.judge(camera, start, sample)

    runner = RoundRunner(replace(runner_deps, judge=judge))
    stopped = run_by_hand(runner)
    assert (stopped.state, stopped.reason) == (RoundState.INTERRUPTED, "var/evidence: 0 MB free")
    full[0] = False
    ended = run_by_hand(runner)
    assert ended.state is RoundState.FINISHED
    assert totals_of(runner_deps.store, ended.id).seen == 12


def test_finish_by_misses_the_rest_with_the_reason(runner_deps: RunnerServices, rig: Any) -> None:
    rig.camera_client.delay_s = 20.0
    runner = RoundRunner(runner_deps)
    begun = runner.begin_round("morning", SystemClock().now() + timedelta(seconds=0.1))
    ended = runner.run(begun)
    counted = totals_of(runner_deps.store, ended.id)
    assert (ended.state, ended.reason) == (RoundState.FINISHED, "finish_by")
    assert (counted.missed, counted.pending, is_balanced(counted)) == (12, 0, True)


def test_a_camera_that_left_the_registry_is_missed(
    runner_deps: RunnerServices, town: list[Camera]
) -> None:
    runner = RoundRunner(runner_deps)
    begun = runner.begin_round("morning", SystemClock().now() + HOUR)
    town.pop()
    ended = runner.run(begun)
    counted = totals_of(runner_deps.store, ended.id)
    assert (counted.seen, counted.missed) == (11, 1)


def test_consent_withdrawn_in_the_store_is_refused_in_the_plan(
    runner_deps: RunnerServices, town: list[Camera]
) -> None:
    with runner_deps.store.begin() as uow:
        uow.consents.withdraw(town[0].id, by="household", now=SystemClock().now())
        uow.commit()
    ended = run_by_hand(RoundRunner(runner_deps))
    assert (ended.planned, dict(ended.refused)) == (11, {"consent_withdrawn": 1})


def test_consent_withdrawn_in_the_registry_after_planning_is_not_visited(
    runner_deps: RunnerServices, town: list[Camera], rig: Any
) -> None:
    runner = RoundRunner(runner_deps)
    begun = runner.begin_round("morning", SystemClock().now() + HOUR)
    gone = replace(town[2].consent, state=ConsentState.WITHDRAWN)
    town[2] = replace(town[2], consent=gone)
    ended = runner.run(begun)
    assert "/2" not in rig.camera_client.calls
    assert totals_of(runner_deps.store, ended.id).missed == 1


# --- the scheduler ----------------------------------------------------------------------------

PLAN = PatrolPlan(name="morning", start=time(9), finish_by=time(10, 30))
NINE = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)  # 09:00 in the town


class SchedulerSetup:
    """A scheduler on a clock that the test moves."""

    def __init__(self, runner_deps: RunnerServices, lock: Path) -> None:
        self.clock = ManualClock(NINE - timedelta(minutes=1))
        self.deps = replace(runner_deps, clock=self.clock)
        self.runner = RoundRunner(self.deps)
        self.lock = lock
        self.scheduler = RoundScheduler(
            calendar=Calendar(plans={"morning": PLAN}),
            zone=SHANGHAI,
            sun=lambda _day: (NINE - 3 * HOUR, NINE + 9 * HOUR),
            clock=self.clock,
            store=runner_deps.store,
            runner=self.runner,
            stop=threading.Event(),
            round_lock=self.hold,
        )

    @contextmanager
    def hold(self) -> Iterator[None]:
        with process_lock(self.lock):
            yield

    def run_due_at(self, at: datetime) -> list[tuple[RoundState, str]]:
        self.clock.current = at
        self.scheduler.run_due()
        with self.deps.store.begin_read() as uow:
            return [(r.state, r.reason) for r in uow.rounds.of_plan("morning")]


@pytest.fixture
def scheduler_setup(runner_deps: RunnerServices, tmp_path: Path) -> SchedulerSetup:
    return SchedulerSetup(runner_deps, tmp_path / "round.lock")


def test_the_scheduler_starts_a_round_once(scheduler_setup: SchedulerSetup) -> None:
    assert scheduler_setup.run_due_at(NINE - timedelta(seconds=1)) == []
    assert scheduler_setup.run_due_at(NINE) == [(RoundState.FINISHED, "")]
    assert scheduler_setup.run_due_at(NINE + HOUR) == [(RoundState.FINISHED, "")]


def test_a_machine_that_came_up_late_runs_late(scheduler_setup: SchedulerSetup) -> None:
    assert scheduler_setup.run_due_at(NINE + HOUR) == [(RoundState.FINISHED, "")]


def test_a_machine_that_came_up_too_late_records_it(scheduler_setup: SchedulerSetup) -> None:
    assert scheduler_setup.run_due_at(NINE + 2 * HOUR) == [(RoundState.MISSED, MISSED_REASON)]
    assert scheduler_setup.run_due_at(NINE + 3 * HOUR) == [(RoundState.MISSED, MISSED_REASON)]


def test_a_round_by_hand_earlier_in_the_day_does_not_count(scheduler_setup: SchedulerSetup) -> None:
    scheduler_setup.clock.current = NINE - 2 * HOUR
    begun = scheduler_setup.runner.begin_round("morning", NINE, at_any_hour=True)
    scheduler_setup.runner.run(begun)
    assert len(scheduler_setup.run_due_at(NINE)) == 2


def test_a_round_killed_in_its_window_is_taken_up(scheduler_setup: SchedulerSetup) -> None:
    scheduler_setup.clock.current = NINE
    begun = scheduler_setup.runner.begin_round("morning", NINE + HOUR)
    scheduler_setup.runner._start(begun)  # and then the power went
    assert scheduler_setup.run_due_at(NINE + timedelta(minutes=5)) == [(RoundState.FINISHED, "")]


def test_a_round_killed_and_found_too_late_is_closed(scheduler_setup: SchedulerSetup) -> None:
    scheduler_setup.clock.current = NINE
    begun = scheduler_setup.runner.begin_round("morning", NINE + HOUR)
    scheduler_setup.runner._start(begun)
    assert scheduler_setup.run_due_at(NINE + 5 * HOUR) == [(RoundState.FINISHED, NOT_IN_WINDOW)]
    assert totals_of(scheduler_setup.deps.store, begun.id).missed == 12


def test_while_another_process_runs_a_round_the_scheduler_waits(
    scheduler_setup: SchedulerSetup,
) -> None:
    with process_lock(scheduler_setup.lock):
        assert scheduler_setup.run_due_at(NINE) == []
    assert (
        scheduler_setup.run_due_at(NINE + timedelta(seconds=5)) == []
    )  # it rests before it asks again
    assert scheduler_setup.run_due_at(NINE + timedelta(seconds=20)) == [(RoundState.FINISHED, "")]


def test_the_lock_names_its_holder(tmp_path: Path) -> None:
    lock = tmp_path / "a"
    with (
        process_lock(lock),
        pytest.raises(ProcessBusy, match="another patrol process"),
        process_lock(lock),
    ):
        pytest.fail("two holders of one lock")


# --- pauses, maintenance, days off ------------------------------------------------------------


def stop_rounds(scheduler_setup: SchedulerSetup, at: datetime, **fields: Any) -> int:
    with scheduler_setup.deps.store.begin() as uow:
        stoppage = uow.stoppages.add(
            **{
                "scope": StoppageScope.ROUNDS,
                "subject": "",
                "start": at,
                "until": None,
                "reason": "沙尘暴",
                "by": "值班长",
                "now": at,
                **fields,
            }
        )
        uow.commit()
    return stoppage.number


def go_on(scheduler_setup: SchedulerSetup, number: int, at: datetime) -> None:
    with scheduler_setup.deps.store.begin() as uow:
        assert uow.stoppages.end(number, by="值班长", now=at)
        uow.commit()


def test_a_pause_holds_a_round_back_until_it_is_ended(scheduler_setup: SchedulerSetup) -> None:
    number = stop_rounds(scheduler_setup, NINE - HOUR)
    assert scheduler_setup.run_due_at(NINE) == []
    go_on(scheduler_setup, number, NINE + HOUR)
    assert scheduler_setup.run_due_at(NINE + HOUR) == [(RoundState.FINISHED, "")]


def test_a_window_that_passed_in_a_pause_is_missed_for_that_reason(
    scheduler_setup: SchedulerSetup,
) -> None:
    stop_rounds(scheduler_setup, NINE - HOUR)
    assert scheduler_setup.run_due_at(NINE + 2 * HOUR) == [
        (RoundState.MISSED, "paused by 值班长: 沙尘暴")
    ]


def test_a_pause_interrupts_the_round_under_way_and_nobody_is_visited_twice(
    scheduler_setup: SchedulerSetup, rig: Any
) -> None:
    paused: list[int] = []

    def judge(camera: Camera, start: Any, sample: Any) -> Any:
        if not paused:
            paused.append(stop_rounds(scheduler_setup, NINE))
        return rig.judge(camera, start, sample)

    rig.camera_client.delay_s = 0.1
    slow = replace(
        scheduler_setup.deps,
        judge=judge,
        limits=replace(scheduler_setup.deps.limits, connections=1),
    )
    scheduler_setup.scheduler.runner = RoundRunner(slow)
    assert scheduler_setup.run_due_at(NINE) == [
        (RoundState.INTERRUPTED, "paused by 值班长: 沙尘暴")
    ]
    go_on(scheduler_setup, paused[0], NINE + timedelta(minutes=5))
    with scheduler_setup.deps.store.begin_read() as uow:
        (stopped,) = uow.rounds.of_plan("morning")
    pending = totals_of(scheduler_setup.deps.store, stopped.id).pending
    assert 0 < pending < 12
    rig.camera_client.delay_s = 0.0
    rig.camera_client.calls.clear()
    assert scheduler_setup.run_due_at(NINE + timedelta(minutes=6)) == [(RoundState.FINISHED, "")]
    assert len(rig.camera_client.calls) == len(set(rig.camera_client.calls)) == pending
    assert totals_of(scheduler_setup.deps.store, stopped.id).seen == 12


def test_a_round_by_hand_is_refused_while_paused(scheduler_setup: SchedulerSetup) -> None:
    stop_rounds(scheduler_setup, NINE)
    scheduler_setup.clock.current = NINE
    with pytest.raises(RoundsPaused, match="值班长: 沙尘暴, until somebody resumes"):
        scheduler_setup.runner.begin_round("morning", NINE + HOUR, at_any_hour=True)


def test_a_refusal_says_until_when_on_the_local_clock(scheduler_setup: SchedulerSetup) -> None:
    until = NINE + 3 * HOUR
    stop_rounds(scheduler_setup, NINE, until=until)
    scheduler_setup.clock.current = NINE
    local = f"{until.astimezone(scheduler_setup.deps.zone):%Y-%m-%d %H:%M}"
    with pytest.raises(RoundsPaused, match=f"until {local}") as refused:
        scheduler_setup.runner.begin_round("morning", NINE + HOUR, at_any_hour=True)
    assert refused.value.pause.until == until


def test_a_round_by_hand_without_any_camera_is_refused_and_counted_by_reason(
    scheduler_setup: SchedulerSetup,
) -> None:
    scheduler_setup.clock.current = NINE
    with scheduler_setup.deps.store.begin() as uow:
        for camera in scheduler_setup.deps.cameras():
            uow.consents.withdraw(camera, by="test", now=NINE)
        uow.commit()
    with pytest.raises(NothingToVisit, match="consent withdrawn 12") as refused:
        scheduler_setup.runner.begin_round(
            "morning", NINE + HOUR, at_any_hour=True, may_be_empty=False
        )
    assert sum(refused.value.refused.values()) == 12
    with scheduler_setup.deps.store.begin_read() as uow:
        assert uow.rounds.of_plan("morning") == []
    by_clock = scheduler_setup.runner.begin_round("morning", NINE + HOUR)
    assert by_clock.planned == 0, "the plan's own round of the day is on record all the same"


def test_a_link_in_maintenance_is_not_planned_and_not_missed(
    scheduler_setup: SchedulerSetup,
) -> None:
    stop_rounds(
        scheduler_setup, NINE - HOUR, scope=StoppageScope.LINK, subject="link1", until=NINE + HOUR
    )
    assert scheduler_setup.run_due_at(NINE) == [(RoundState.FINISHED, "")]
    with scheduler_setup.deps.store.begin_read() as uow:
        (a_round,) = uow.rounds.of_plan("morning")
        summary = round_summary(uow, a_round, NINE)
    wanted = {"planned": 8, "seen": 8, "missed": 0, "refused": 0, "in_maintenance": 4}
    assert {name: summary[name] for name in wanted} == wanted
    assert summary["without"] == []


def test_what_a_round_goes_without_stands_in_its_summary(runner_deps: RunnerServices) -> None:
    lacks = ("不做目标检测 no objects are looked for: model mine: no file",)
    runner = RoundRunner(replace(runner_deps, without=lacks))
    assert runner.summary(run_by_hand(runner))["without"] == list(lacks)


def test_days_without_a_machine_are_recorded(scheduler_setup: SchedulerSetup) -> None:
    scheduler_setup.run_due_at(NINE)
    day = timedelta(days=1)
    states = scheduler_setup.run_due_at(NINE + 3 * day)
    assert states == [
        (RoundState.FINISHED, ""),
        (RoundState.MISSED, NOT_RUNNING),
        (RoundState.MISSED, NOT_RUNNING),
        (RoundState.FINISHED, ""),
    ]
    with scheduler_setup.deps.store.begin_read() as uow:
        days = [
            (r.day.day, r.id, uow.rounds.totals(r.id).missed) for r in uow.rounds.of_plan("morning")
        ]
    assert days[1:3] == [(24, "20261124-morning-1", 12), (23, "20261123-morning-1", 12)]
    assert scheduler_setup.run_due_at(NINE + 3 * day + HOUR) == states
