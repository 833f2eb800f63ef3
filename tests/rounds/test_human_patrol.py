"""Human patrols: planned from a route, worked camera by camera, ended as what they were."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from patrol.domain.camera import Camera, Consent, ConsentState, Priority
from patrol.domain.finding import FindingState
from patrol.domain.human_patrol import (
    HUMAN_PATROL_TRANSITIONS,
    ChecklistItem,
    CheckOutcome,
    Checkpoint,
    CheckpointKind,
    HumanPatrol,
    HumanPatrolEvent,
    HumanPatrolPlan,
    HumanPatrolState,
    IllegalPatrolMove,
    NotAssigned,
    count_checks,
)
from patrol.domain.ids import CameraId, GridCode
from patrol.domain.registry import Registry
from patrol.rounds.human_patrol import (
    CheckForm,
    HumanPatrolWorker,
    move_patrol,
    plan_patrol,
    record_check,
    tick_item,
)
from patrol.store import Store, UnitOfWork
from simulators import small_site
from tests.support.store import new_store

ZONE = ZoneInfo("Asia/Shanghai")
DAY = date(2026, 11, 22)
START = datetime(2026, 11, 22, 11, tzinfo=UTC)  # 19:00 there
E = HumanPatrolEvent
IDS = [CameraId(f"6209020401132700{number:04}") for number in range(1, 8)]


def registry() -> Registry:
    cameras: dict[CameraId, Camera] = {ident: small_site.camera(ident) for ident in IDS}
    cameras[IDS[5]] = replace(cameras[IDS[5]], priority=Priority.KEY)
    pending = Consent(state=ConsentState.PENDING)
    cameras[IDS[6]] = replace(cameras[IDS[6]], consent=pending)
    return replace(small_site.registry(), cameras=cameras)


REGISTRY = registry()
PLAN = HumanPatrolPlan(
    name="evening",
    title="晚间",
    start=time(19),
    finish_by=time(20),
    checkpoints=(
        Checkpoint(title="渠口", kind=CheckpointKind.CAMERAS, cameras=(IDS[1], IDS[0], IDS[6])),
        Checkpoint(title="重点", kind=CheckpointKind.KEY_SITES, size=1),
        Checkpoint(title="久未看过", kind=CheckpointKind.LONGEST_UNSEEN, count=3, size=9),
    ),
    assigned=("anna",),
    checklist=(
        ChecklistItem(text="烟花", first=date(2026, 11, 20), last=DAY),
        ChecklistItem(text="门窗"),
        ChecklistItem(text="春耕", first=date(2027, 3, 1)),
    ),
)


@pytest.fixture
def store() -> Store:
    return new_store()


@pytest.fixture
def unit(store: Store) -> Iterator[UnitOfWork]:
    with store.begin() as uow:
        yield uow


def planned(uow: UnitOfWork, plan: HumanPatrolPlan = PLAN, now: datetime = START) -> HumanPatrol:
    found = plan_patrol(uow, plan, DAY, registry=REGISTRY, zone=ZONE, now=now)
    assert found is not None
    return found


def move(uow: UnitOfWork, event: HumanPatrolEvent, now: datetime = START, **more: Any) -> Any:
    who = {"by": "anna", "is_supervisor": False, **more}
    return move_patrol(uow, "20261122-evening-h", event, now=now, **who)


def say(uow: UnitOfWork, camera: CameraId, outcome: CheckOutcome, **more: Any) -> Any:
    form = CheckForm(patrol="20261122-evening-h", camera=camera, outcome=outcome)
    who = {"by": "anna", "is_supervisor": False, **more}
    return record_check(uow, form, now=START + timedelta(minutes=1), **who)


def test_the_route_keeps_its_order_and_names_each_camera_once(unit: UnitOfWork) -> None:
    unit.access.append(at=START, who="ben", what="view_picture", camera=IDS[2], why="x")
    patrol = planned(unit, now=START + timedelta(seconds=1))
    checks = unit.human_patrols.checks(patrol.id)
    # Without consent: never planned. Of the longest unseen the first three, less what came before.
    assert [(one.checkpoint, one.camera) for one in checks[:3]] == [
        (0, IDS[1]), (0, IDS[0]), (1, IDS[5]),
    ]  # fmt: skip
    assert IDS[6] not in [one.camera for one in checks]
    assert IDS[2] not in [one.camera for one in checks]
    assert patrol.refused == 1
    assert patrol.checklist == ("门窗", "烟花")
    assert sum(stop.cameras for stop in patrol.stops) == len(checks)
    assert plan_patrol(unit, PLAN, DAY, registry=REGISTRY, zone=ZONE, now=START) is None


def test_a_village_holds_the_cameras_of_its_groups(unit: UnitOfWork) -> None:
    village = REGISTRY.tree.village_of(GridCode(small_site.GROUP))
    stop = Checkpoint(title="村", kind=CheckpointKind.VILLAGE, grid=village)
    patrol = planned(unit, replace(PLAN, checkpoints=(stop,)))
    assert {one.camera for one in unit.human_patrols.checks(patrol.id)} == set(IDS[:6])


def test_all_said_is_completed(unit: UnitOfWork) -> None:
    patrol = planned(unit)
    move(unit, E.START, remark="天晴")
    checks = unit.human_patrols.checks(patrol.id)
    for number, check in enumerate(checks):
        outcome = CheckOutcome.NOT_VIEWABLE if number == 0 else CheckOutcome.ACKNOWLEDGED
        say(unit, check.camera, outcome)
    tick_item(unit, patrol.id, 1, checked=True, by="anna", now=START, is_supervisor=False)
    done = move(unit, E.FINISH, START + timedelta(minutes=5), remark="无异常")
    assert done.state is HumanPatrolState.COMPLETED
    assert (done.start_remark, done.end_remark, done.checked_items) == ("天晴", "无异常", (1,))
    counts = count_checks(unit.human_patrols.checks(patrol.id))
    assert (counts.planned, counts.not_viewable, counts.missed) == (len(checks), 1, 0)
    assert counts.done == len(checks) - 1


def test_what_is_left_is_missed_and_the_task_incomplete(unit: UnitOfWork) -> None:
    patrol = planned(unit)
    move(unit, E.START)
    say(unit, IDS[0], CheckOutcome.ACKNOWLEDGED)
    assert move(unit, E.FINISH).state is HumanPatrolState.INCOMPLETE
    counts = count_checks(unit.human_patrols.checks(patrol.id))
    assert (counts.done, counts.missed, counts.pending) == (1, counts.planned - 1, 0)


def test_nothing_is_said_twice_but_a_finding(unit: UnitOfWork) -> None:
    planned(unit)
    with pytest.raises(IllegalPatrolMove, match="start or resume"):
        say(unit, IDS[0], CheckOutcome.ACKNOWLEDGED)
    move(unit, E.START)
    say(unit, IDS[0], CheckOutcome.ACKNOWLEDGED)
    with pytest.raises(IllegalPatrolMove, match="already"):
        say(unit, IDS[0], CheckOutcome.NOT_VIEWABLE)
    assert say(unit, IDS[0], CheckOutcome.FINDING).outcome is CheckOutcome.FINDING
    move(unit, E.PAUSE)
    with pytest.raises(IllegalPatrolMove):
        say(unit, IDS[1], CheckOutcome.ACKNOWLEDGED)
    with pytest.raises(KeyError):
        say(unit, IDS[6], CheckOutcome.ACKNOWLEDGED)
    with pytest.raises(ValueError, match="outcome"):
        say(unit, IDS[1], CheckOutcome.MISSED)


def test_only_the_assigned_and_a_duty_lead_work_it(unit: UnitOfWork) -> None:
    planned(unit)
    with pytest.raises(NotAssigned, match="anna"):
        move(unit, E.START, by="ben")
    assert move(unit, E.START, by="chief", is_supervisor=True).started_by == "chief"


@pytest.mark.parametrize("minutes", [-31, 60])
def test_it_starts_in_its_window_alone(unit: UnitOfWork, minutes: int) -> None:
    planned(unit)
    with pytest.raises(IllegalPatrolMove, match="may be started"):
        move(unit, E.START, START + timedelta(minutes=minutes))


def test_what_was_decided_that_day_is_not_looked_at_twice(unit: UnitOfWork) -> None:
    decided = replace(
        small_site.finding(), camera=IDS[0], state=FindingState.DISMISSED, decided_by="ben",
        decided_at=START - timedelta(hours=5),
    )  # fmt: skip
    unit.findings.add(decided)
    patrol = planned(unit)
    check = unit.human_patrols.check_of(patrol.id, IDS[0])
    assert (check.outcome, check.by) == (CheckOutcome.SEEN_BEFORE, "ben")
    unit.findings.add(
        replace(decided, id="F000777", camera=IDS[1], decided_at=START - timedelta(minutes=1))
    )
    move(unit, E.START)
    assert unit.human_patrols.check_of(patrol.id, IDS[1]).outcome is CheckOutcome.SEEN_BEFORE
    twice = replace(PLAN, name="again", look_twice=True)
    again = planned(unit, twice)
    assert unit.human_patrols.check_of(again.id, IDS[0]).outcome is CheckOutcome.PENDING


def test_every_pair_of_the_table_and_no_other() -> None:
    assert {state for state, _ in HUMAN_PATROL_TRANSITIONS} == {
        HumanPatrolState.PLANNED, HumanPatrolState.RUNNING, HumanPatrolState.PAUSED,
    }  # fmt: skip


class TestWorker:
    @pytest.fixture
    def run(self, store: Store) -> Callable[[float], int]:
        self.reminded: list[str] = []
        worker = HumanPatrolWorker(
            store=store, plans={"evening": PLAN}, registry=lambda: REGISTRY, zone=ZONE,
            remind=lambda _uow, patrol, _now: self.reminded.append(patrol.id),
        )  # fmt: skip
        return lambda minutes: worker.run_due(START + timedelta(minutes=minutes))

    def test_a_day_that_nobody_works(self, store: Store, run: Callable[[float], int]) -> None:
        assert run(-31) == 0
        assert run(-30) == 1  # planned
        assert run(-29) == 0
        assert run(-10) == 1  # reminded
        assert run(-5) == 0
        assert self.reminded == ["20261122-evening-h"]
        assert run(60) == 1  # its time is over
        assert run(61) == 0
        with store.begin_read() as uow:
            patrol = uow.human_patrols.get("20261122-evening-h")
            outcomes = {one.outcome for one in uow.human_patrols.checks(patrol.id)}
        assert patrol.state is HumanPatrolState.MISSED
        assert outcomes == {CheckOutcome.MISSED}

    def test_a_day_off_plans_nothing(self, store: Store) -> None:
        plan = replace(PLAN, weekdays=frozenset({0}))  # a Monday; the 22nd is a Sunday
        worker = HumanPatrolWorker(
            store=store, plans={"evening": plan}, registry=lambda: REGISTRY, zone=ZONE,
            remind=lambda _uow, _patrol, _now: None,
        )  # fmt: skip
        assert worker.run_due(START) == 0
