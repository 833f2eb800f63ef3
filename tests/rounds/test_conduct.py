"""Rounds as a whole: begun, killed, taken up, closed; equal books whatever happens."""

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

from patrol.clock import SystemClock
from patrol.dispatch.wire import Wire
from patrol.domain.calendar import Calendar
from patrol.domain.camera import Camera, ConsentState
from patrol.domain.grid import Grid, GridLevel, GridTree
from patrol.domain.ids import GridCode
from patrol.domain.observation import Observation, Subject
from patrol.domain.registry import Registry
from patrol.domain.round import PatrolPlan, RoundBooks, RoundState
from patrol.domain.rules import Rules
from patrol.domain.stoppage import Scope
from patrol.lock import exclusive
from patrol.ports import Busy, EvidenceFull
from patrol.rounds.begin import NOT_IN_WINDOW, Paused
from patrol.rounds.conduct import Conductor, RoundHouse
from patrol.rounds.due import NOT_RUNNING
from patrol.rounds.health import HealthDesk
from patrol.rounds.keeper import MISSED_REASON, Keeper
from patrol.rounds.record import RecordPolicy
from patrol.rounds.seats import Caps
from patrol.rounds.summary import summarise
from patrol.store import Store
from simulators.clock import ManualClock
from streams.model import StreamChoice, VisitOptions
from tests.support.store import new_store

SHANGHAI = ZoneInfo("Asia/Shanghai")
HOUR = timedelta(hours=1)
GROUP = GridCode("620902104203001")


def a_wire(town: list[Camera]) -> Wire:
    grid = Grid(code=GROUP, name="四组", level=GridLevel.TOWN, parent=None)
    cameras = {camera.id: camera for camera in town}
    registry = Registry(cameras=cameras, tree=GridTree(grids={GROUP: grid}), people={})
    return Wire(site="shangba", zone=SHANGHAI, registry=registry)


@pytest.fixture
def house(rig: Any, town: list[Camera]) -> RoundHouse:
    policy = RecordPolicy(
        rules=Rules(),
        health=HealthDesk(announcer=a_wire(town)),
        auto_confirm=lambda *_: 0,
        keep_evidence=timedelta(days=1),
    )
    return RoundHouse(
        store=new_store(),
        clock=SystemClock(),
        zone=SHANGHAI,
        cameras=lambda: {camera.id: camera for camera in town},
        refresh_cameras=lambda: None,
        visitor=rig.visitor,
        judge=rig.judge,
        policy=policy,
        caps=Caps(ramp_s=0.0, retry_after_s=0.01, connections=4),
        options=VisitOptions(),
        stream=StreamChoice.MAIN,
        rng=random.Random(1),
    )


def books(store: Store, round_id: Any) -> RoundBooks:
    with store.begin_read() as uow:
        return uow.rounds.books(round_id)


def by_hand(conductor: Conductor, stop: threading.Event | None = None) -> Any:
    begun = conductor.begin("morning", SystemClock().now() + HOUR, at_any_hour=True)
    return conductor.conduct(begun, stop=stop)


def test_a_round_to_its_end(house: RoundHouse) -> None:
    conductor = Conductor(house)
    ended = by_hand(conductor)
    summary = conductor.summary(ended)
    assert ended.state is RoundState.FINISHED
    assert (summary["planned"], summary["seen"], summary["missed"]) == (12, 12, 0)
    assert str(summary["round"]).endswith("-morning-1")
    assert by_hand(conductor).id.endswith("-morning-2")


def test_weather_over_the_whole_town_is_one_finding_of_the_round(
    house: RoundHouse, rig: Any
) -> None:
    def judge(camera: Camera, start: Any, sample: Any) -> Any:
        wide = Observation(
            camera=camera.id, round=start.round, at=start.at, subject=Subject.SCENE,
            kind="severe_weather", score=0.8, value=0.7, threshold=0.38, gauge="frame_wide/1",
            label="dust",
        )  # fmt: skip
        return replace(rig.judge(camera, start, sample), observations=(wide,))

    conductor = Conductor(replace(house, judge=judge))
    summary = conductor.summary(by_hand(conductor))
    assert (summary["seen"], summary["observations"], summary["findings"]) == (12, 12, 1)


def test_stopped_in_the_middle_and_taken_up_without_visiting_twice(
    house: RoundHouse, rig: Any
) -> None:
    stop = threading.Event()
    done: list[str] = []

    def judge(camera: Camera, start: Any, sample: Any) -> Any:
        done.append(camera.id)
        if len(done) == 5:
            stop.set()
        return rig.judge(camera, start, sample)

    rig.visitor.delay_s = 0.05
    one_by_one = replace(house.caps, connections=1)
    conductor = Conductor(replace(house, judge=judge, caps=one_by_one))
    stopped = by_hand(conductor, stop)
    assert (stopped.state, stopped.reason) == (RoundState.INTERRUPTED, "stopped")
    before = books(house.store, stopped.id)
    assert before.balanced
    assert 0 < before.pending < 12
    rig.visitor.calls.clear()
    ended = by_hand(conductor)
    assert (ended.id, ended.state) == (stopped.id, RoundState.FINISHED)
    assert len(rig.visitor.calls) == before.pending
    assert books(house.store, ended.id).seen == 12


def test_what_a_killed_run_spent_is_in_the_rounds_sum(house: RoundHouse, rig: Any) -> None:
    """Written down at every tenth of the way: a kill loses less than that."""
    noted: list[float] = []

    def judge(camera: Camera, start: Any, sample: Any) -> Any:
        with house.store.begin_read() as uow:
            noted.append(uow.rounds.get(start.round).cpu_s)
        sum(range(20_000))  # something to spend
        return rig.judge(camera, start, sample)

    one_by_one = replace(house.caps, connections=1)
    ended = by_hand(Conductor(replace(house, judge=judge, caps=one_by_one)))
    assert noted[0] == 0.0
    assert noted == sorted(noted)
    assert noted[-1] > 0.0
    with house.store.begin_read() as uow:
        assert uow.rounds.get(ended.id).cpu_s > noted[-1], "and the rest at its end, once"


def test_a_full_disk_interrupts_with_its_reason_and_resumes(house: RoundHouse, rig: Any) -> None:
    full = [True]

    def judge(camera: Camera, start: Any, sample: Any) -> Any:
        if full[0]:
            raise EvidenceFull("var/evidence: 0 MB free")
        return rig.judge(camera, start, sample)

    conductor = Conductor(replace(house, judge=judge))
    stopped = by_hand(conductor)
    assert (stopped.state, stopped.reason) == (RoundState.INTERRUPTED, "var/evidence: 0 MB free")
    full[0] = False
    ended = by_hand(conductor)
    assert ended.state is RoundState.FINISHED
    assert books(house.store, ended.id).seen == 12


def test_finish_by_misses_the_rest_and_says_so(house: RoundHouse, rig: Any) -> None:
    rig.visitor.delay_s = 20.0
    conductor = Conductor(house)
    begun = conductor.begin("morning", SystemClock().now() + timedelta(seconds=0.1))
    ended = conductor.conduct(begun)
    counted = books(house.store, ended.id)
    assert (ended.state, ended.reason) == (RoundState.FINISHED, "finish_by")
    assert (counted.missed, counted.pending, counted.balanced) == (12, 0, True)


def test_a_camera_that_left_the_registry_is_missed(house: RoundHouse, town: list[Camera]) -> None:
    conductor = Conductor(house)
    begun = conductor.begin("morning", SystemClock().now() + HOUR)
    town.pop()
    ended = conductor.conduct(begun)
    counted = books(house.store, ended.id)
    assert (counted.seen, counted.missed) == (11, 1)


def test_consent_withdrawn_in_the_store_is_refused_in_the_plan(
    house: RoundHouse, town: list[Camera]
) -> None:
    with house.store.begin() as uow:
        uow.consents.withdraw(town[0].id, by="household", now=SystemClock().now())
        uow.commit()
    ended = by_hand(Conductor(house))
    assert (ended.planned, dict(ended.refused)) == (11, {"consent_withdrawn": 1})


def test_consent_withdrawn_in_the_registry_after_planning_is_not_visited(
    house: RoundHouse, town: list[Camera], rig: Any
) -> None:
    conductor = Conductor(house)
    begun = conductor.begin("morning", SystemClock().now() + HOUR)
    gone = replace(town[2].consent, state=ConsentState.WITHDRAWN)
    town[2] = replace(town[2], consent=gone)
    ended = conductor.conduct(begun)
    assert "/2" not in rig.visitor.calls
    assert books(house.store, ended.id).missed == 1


# --- the keeper: what the bell starts -------------------------------------------------------

PLAN = PatrolPlan(name="morning", start=time(9), finish_by=time(10, 30))
NINE = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)  # 09:00 in the town


class Bells:
    """A keeper on a clock that the test moves."""

    def __init__(self, house: RoundHouse, lock: Path) -> None:
        self.clock = ManualClock(NINE - timedelta(minutes=1))
        self.house = replace(house, clock=self.clock)
        self.conductor = Conductor(self.house)
        self.lock = lock
        self.keeper = Keeper(
            calendar=Calendar(plans={"morning": PLAN}),
            zone=SHANGHAI,
            sun=lambda _day: (NINE - 3 * HOUR, NINE + 9 * HOUR),
            clock=self.clock,
            store=house.store,
            conductor=self.conductor,
            stop=threading.Event(),
            hold=self.hold,
        )

    @contextmanager
    def hold(self) -> Iterator[None]:
        with exclusive(self.lock):
            yield

    def ring_at(self, at: datetime) -> list[tuple[RoundState, str]]:
        self.clock.current = at
        self.keeper.ring()
        with self.house.store.begin_read() as uow:
            return [(r.state, r.reason) for r in uow.rounds.of_plan("morning")]


@pytest.fixture
def bells(house: RoundHouse, tmp_path: Path) -> Bells:
    return Bells(house, tmp_path / "round.lock")


def test_the_bell_starts_a_round_once(bells: Bells) -> None:
    assert bells.ring_at(NINE - timedelta(seconds=1)) == []
    assert bells.ring_at(NINE) == [(RoundState.FINISHED, "")]
    assert bells.ring_at(NINE + HOUR) == [(RoundState.FINISHED, "")]


def test_a_machine_that_came_up_late_walks_late(bells: Bells) -> None:
    assert bells.ring_at(NINE + HOUR) == [(RoundState.FINISHED, "")]


def test_a_machine_that_came_up_too_late_writes_it_down(bells: Bells) -> None:
    assert bells.ring_at(NINE + 2 * HOUR) == [(RoundState.MISSED, MISSED_REASON)]
    assert bells.ring_at(NINE + 3 * HOUR) == [(RoundState.MISSED, MISSED_REASON)]


def test_a_round_by_hand_earlier_in_the_day_does_not_count(bells: Bells) -> None:
    bells.clock.current = NINE - 2 * HOUR
    begun = bells.conductor.begin("morning", NINE, at_any_hour=True)
    bells.conductor.conduct(begun)
    assert len(bells.ring_at(NINE)) == 2


def test_a_round_killed_in_its_window_is_taken_up(bells: Bells) -> None:
    bells.clock.current = NINE
    begun = bells.conductor.begin("morning", NINE + HOUR)
    bells.conductor._start(begun)  # and then the power went
    assert bells.ring_at(NINE + timedelta(minutes=5)) == [(RoundState.FINISHED, "")]


def test_a_round_killed_and_found_too_late_is_closed(bells: Bells) -> None:
    bells.clock.current = NINE
    begun = bells.conductor.begin("morning", NINE + HOUR)
    bells.conductor._start(begun)
    assert bells.ring_at(NINE + 5 * HOUR) == [(RoundState.FINISHED, NOT_IN_WINDOW)]
    assert books(bells.house.store, begun.id).missed == 12


def test_while_another_process_walks_the_bell_waits(bells: Bells) -> None:
    with exclusive(bells.lock):
        assert bells.ring_at(NINE) == []
    assert bells.ring_at(NINE + timedelta(seconds=5)) == []  # it rests before it asks again
    assert bells.ring_at(NINE + timedelta(seconds=20)) == [(RoundState.FINISHED, "")]


def test_the_lock_says_who_has_it(tmp_path: Path) -> None:
    lock = tmp_path / "a"
    with (
        exclusive(lock),
        pytest.raises(Busy, match="another patrol process"),
        exclusive(lock),
    ):
        pytest.fail("two holders of one lock")


# --- pauses, maintenance, days off ------------------------------------------------------------


def stop_rounds(bells: Bells, at: datetime, **fields: Any) -> int:
    with bells.house.store.begin() as uow:
        stoppage = uow.stoppages.add(
            **{
                "scope": Scope.ROUNDS,
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


def go_on(bells: Bells, number: int, at: datetime) -> None:
    with bells.house.store.begin() as uow:
        assert uow.stoppages.end(number, by="值班长", now=at)
        uow.commit()


def test_a_pause_holds_a_round_back_until_it_is_ended(bells: Bells) -> None:
    number = stop_rounds(bells, NINE - HOUR)
    assert bells.ring_at(NINE) == []
    go_on(bells, number, NINE + HOUR)
    assert bells.ring_at(NINE + HOUR) == [(RoundState.FINISHED, "")]


def test_a_window_that_passed_in_a_pause_is_missed_for_that_reason(bells: Bells) -> None:
    stop_rounds(bells, NINE - HOUR)
    assert bells.ring_at(NINE + 2 * HOUR) == [(RoundState.MISSED, "paused by 值班长: 沙尘暴")]


def test_a_pause_interrupts_the_round_under_way_and_nobody_is_visited_twice(
    bells: Bells, rig: Any
) -> None:
    paused: list[int] = []

    def judge(camera: Camera, start: Any, sample: Any) -> Any:
        if not paused:
            paused.append(stop_rounds(bells, NINE))
        return rig.judge(camera, start, sample)

    rig.visitor.delay_s = 0.1
    slow = replace(bells.house, judge=judge, caps=replace(bells.house.caps, connections=1))
    bells.keeper.conductor = Conductor(slow)
    assert bells.ring_at(NINE) == [(RoundState.INTERRUPTED, "paused by 值班长: 沙尘暴")]
    go_on(bells, paused[0], NINE + timedelta(minutes=5))
    with bells.house.store.begin_read() as uow:
        (stopped,) = uow.rounds.of_plan("morning")
    pending = books(bells.house.store, stopped.id).pending
    assert 0 < pending < 12
    rig.visitor.delay_s = 0.0
    rig.visitor.calls.clear()
    assert bells.ring_at(NINE + timedelta(minutes=6)) == [(RoundState.FINISHED, "")]
    assert len(rig.visitor.calls) == len(set(rig.visitor.calls)) == pending
    assert books(bells.house.store, stopped.id).seen == 12


def test_a_round_by_hand_is_refused_while_paused(bells: Bells) -> None:
    stop_rounds(bells, NINE)
    bells.clock.current = NINE
    with pytest.raises(Paused, match="值班长: 沙尘暴"):
        bells.conductor.begin("morning", NINE + HOUR, at_any_hour=True)


def test_a_link_in_maintenance_is_not_planned_and_not_missed(bells: Bells) -> None:
    stop_rounds(bells, NINE - HOUR, scope=Scope.LINK, subject="link1", until=NINE + HOUR)
    assert bells.ring_at(NINE) == [(RoundState.FINISHED, "")]
    with bells.house.store.begin_read() as uow:
        (a_round,) = uow.rounds.of_plan("morning")
        summary = summarise(uow, a_round, NINE)
    wanted = {"planned": 8, "seen": 8, "missed": 0, "refused": 0, "in_maintenance": 4}
    assert {name: summary[name] for name in wanted} == wanted
    assert summary["without"] == []


def test_what_a_round_goes_without_stands_in_its_summary(house: RoundHouse) -> None:
    lacks = ("不做目标检测 no objects are looked for: model mine: no file",)
    conductor = Conductor(replace(house, without=lacks))
    assert conductor.summary(by_hand(conductor))["without"] == list(lacks)


def test_days_without_a_machine_are_in_the_books(bells: Bells) -> None:
    bells.ring_at(NINE)
    day = timedelta(days=1)
    states = bells.ring_at(NINE + 3 * day)
    assert states == [
        (RoundState.FINISHED, ""),
        (RoundState.MISSED, NOT_RUNNING),
        (RoundState.MISSED, NOT_RUNNING),
        (RoundState.FINISHED, ""),
    ]
    with bells.house.store.begin_read() as uow:
        days = [
            (r.day.day, r.id, uow.rounds.books(r.id).missed) for r in uow.rounds.of_plan("morning")
        ]
    assert days[1:3] == [(24, "20261124-morning-1", 12), (23, "20261123-morning-1", 12)]
    assert bells.ring_at(NINE + 3 * day + HOUR) == states
