"""Ad-hoc rounds: over what is named and nothing else, beside the plans and never instead of one."""

import random
import threading
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from patrol.dispatch.wire import Wire
from patrol.domain.calendar import Calendar
from patrol.domain.camera import Camera, ConsentState
from patrol.domain.finding import Origin
from patrol.domain.ids import CameraId, LinkId, RoundId, Sha256
from patrol.domain.registry import Registry
from patrol.domain.round import ADHOC, PatrolPlan, RoundState, StoredPicture, VisitOutcome
from patrol.domain.rules import Rules
from patrol.review import BlindSample
from patrol.rounds.adhoc import NothingThere, Wanted
from patrol.rounds.begin import ANOTHER_WISH, NOT_IN_WINDOW
from patrol.rounds.conduct import Conductor, RoundHouse
from patrol.rounds.health import HealthDesk
from patrol.rounds.judge import Judged
from patrol.rounds.keeper import Keeper
from patrol.rounds.record import RecordPolicy
from patrol.rounds.seats import Caps
from simulators import hamlet
from simulators.clock import ManualClock
from streams.model import StreamChoice, VisitOptions
from tests.support.store import new_store

ZONE = ZoneInfo("Asia/Shanghai")
NOON = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
PLANS = Calendar(
    plans={"morning": PatrolPlan(name="morning", start=time(9), finish_by=time(10, 30))}
)
THIRD = CameraId("62090204011327000003")
FOURTH = CameraId("62090204011327000004")


@pytest.fixture
def registry() -> Registry:
    """Two groups of one village, one of another; the fourth camera's household said no."""
    plain = hamlet.registry()
    other = replace(
        hamlet.camera(THIRD, grid=hamlet.OTHER_GROUP), link=LinkId("v204"), url="rtsp://10.0.0.7/3"
    )
    refused = replace(other, id=FOURTH, consent=replace(other.consent, state=ConsentState.PENDING))
    return replace(plain, cameras={**plain.cameras, THIRD: other, FOURTH: refused})


@pytest.fixture
def house(rig: Any, registry: Registry) -> RoundHouse:
    wire = Wire(site="shangba", zone=ZONE, registry=registry)
    return RoundHouse(
        store=new_store(),
        clock=ManualClock(NOON),
        zone=ZONE,
        cameras=lambda: registry.cameras,
        refresh_cameras=lambda: None,
        visitor=rig.visitor,
        judge=rig.judge,
        policy=RecordPolicy(
            rules=Rules(),
            health=HealthDesk(announcer=wire, tree=registry.tree),
            auto_confirm=lambda *_: 0,
            keep_evidence=timedelta(days=1),
        ),
        caps=Caps(ramp_s=0.0, retry_after_s=0.01),
        options=VisitOptions(),
        stream=StreamChoice.MAIN,
        rng=random.Random(1),
        calendar=PLANS,
    )


def visited(house: RoundHouse, ident: RoundId) -> set[CameraId]:
    with house.store.begin_read() as uow:
        return {camera for camera, _, _ in uow.rounds.outcomes(ident)}


@pytest.mark.parametrize(
    ("said", "expected", "scope"),
    [
        pytest.param(
            {"grids": [hamlet.VILLAGE]}, {hamlet.CAMERA, hamlet.SECOND_CAMERA},
            f"grid {hamlet.VILLAGE}", id="a village and its groups",
        ),
        pytest.param(
            {"grids": [hamlet.SECOND_GROUP]}, {hamlet.SECOND_CAMERA},
            f"grid {hamlet.SECOND_GROUP}", id="one group",
        ),
        pytest.param({"links": ["v204"]}, {THIRD}, "link v204", id="a link"),
        pytest.param(
            {"cameras": [THIRD, hamlet.CAMERA]}, {hamlet.CAMERA, THIRD},
            f"camera {hamlet.CAMERA} {THIRD}", id="a list",
        ),
        pytest.param(
            {"links": ["v204"], "cameras": [hamlet.CAMERA]}, {hamlet.CAMERA, THIRD},
            f"link v204; camera {hamlet.CAMERA}", id="all that is named",
        ),
    ],
)  # fmt: skip
def test_it_visits_what_is_named(
    house: RoundHouse, registry: Registry, said: Any, expected: set[CameraId], scope: str
) -> None:
    conductor = Conductor(house)
    wanted = Wanted.of(registry, **said)
    ended = conductor.conduct(conductor.begin(ADHOC, NOON + HOUR, at_any_hour=True, wanted=wanted))
    assert visited(house, ended.id) == expected
    summary = conductor.summary(ended)
    assert (summary["plan"], summary["scope"], summary["planned"]) == (ADHOC, scope, len(expected))
    assert summary["refused"] == (1 if "links" in said else 0), "consent is asked all the same"


@pytest.mark.parametrize(
    "said",
    [
        pytest.param({"grids": ["620902104999000"]}, id="no such grid"),
        pytest.param({"links": ["v999"]}, id="no such link"),
        pytest.param({"cameras": ["x"]}, id="no such camera"),
    ],
)
def test_what_is_not_there_is_said(registry: Registry, said: Any) -> None:
    with pytest.raises(NothingThere, match=next(iter(said.values()))[0]):
        Wanted.of(registry, **said)


def test_a_killed_one_is_taken_up_by_the_same_wish_and_closed_by_another(
    house: RoundHouse, registry: Registry
) -> None:
    conductor = Conductor(house)
    village = Wanted.of(registry, grids=[hamlet.VILLAGE])
    begun = conductor.begin(ADHOC, NOON + HOUR, at_any_hour=True, wanted=village)
    again = conductor.begin(ADHOC, NOON + HOUR, at_any_hour=True, wanted=village)
    assert again.id == begun.id
    other = Wanted.of(registry, links=["v204"])
    another = conductor.begin(ADHOC, NOON + HOUR, at_any_hour=True, wanted=other)
    assert another.id != begun.id
    with house.store.begin_read() as uow:
        left = uow.rounds.get(begun.id)
        outcomes = {how for _, how, _ in uow.rounds.outcomes(begun.id)}
    assert (left.state, left.reason) == (RoundState.MISSED, ANOTHER_WISH)
    assert outcomes == {VisitOutcome.MISSED}


def test_no_plan_is_done_by_it_and_it_is_never_due(house: RoundHouse, registry: Registry) -> None:
    """In the plan's window an ad-hoc round was walked: the plan's own is still walked."""
    clock = ManualClock(datetime(2026, 11, 22, 1, 5, tzinfo=UTC))  # 09:05 there
    conductor = Conductor(replace(house, clock=clock))
    wanted = Wanted.of(registry, links=["v204"])
    begun = conductor.begin(ADHOC, clock.now() + HOUR, at_any_hour=True, wanted=wanted)
    keeper = a_keeper(conductor, house, clock)
    keeper.ring()
    with house.store.begin_read() as uow:
        (mornings,) = uow.rounds.of_plan("morning")
        assert mornings.state is RoundState.FINISHED
        assert uow.rounds.get(begun.id).is_open, "the bell does not take it up"
    clock.current += timedelta(days=1)
    keeper.ring()
    with house.store.begin_read() as uow:
        left = uow.rounds.get(begun.id)
        assert len(uow.rounds.of_plan(ADHOC)) == 1, "of no other day is one missed"
    assert (left.state, left.reason) == (RoundState.MISSED, NOT_IN_WINDOW)


def a_keeper(conductor: Conductor, house: RoundHouse, clock: ManualClock) -> Keeper:
    return Keeper(
        calendar=PLANS,
        zone=ZONE,
        sun=lambda _day: (NOON, NOON),
        clock=clock,
        store=house.store,
        conductor=conductor,
        stop=threading.Event(),
        hold=nullcontext,
    )


def test_only_the_plans_rounds_draw_the_blind_sample(
    house: RoundHouse, registry: Registry, rig: Any
) -> None:
    def judge(camera: Camera, start: Any, sample: Any) -> Judged:
        taken = StoredPicture(
            sha256=Sha256(f"{int(camera.id):064x}"), camera=camera.id, taken_at=start.at,
            width_px=8, height_px=8, bytes=8, purpose="sample", delete_after=start.at + HOUR,
        )  # fmt: skip
        judged: Judged = rig.judge(camera, start, sample)
        return replace(judged, visit=replace(judged.visit, pictures=(taken,)))

    sampler = BlindSample(rng=random.Random(2), share=1.0)
    conductor = Conductor(replace(house, judge=judge, sampler=sampler))
    wanted = Wanted.of(registry, grids=[hamlet.TOWN])
    drawn = {}
    for plan, wish in ((ADHOC, wanted), ("morning", None)):
        begun = conductor.begin(plan, NOON + HOUR, at_any_hour=True, wanted=wish)
        summary = conductor.summary(conductor.conduct(begun))
        assert (summary["seen"], summary["findings"]) == (3, 0), "never the machine's findings"
        with house.store.begin_read() as uow:
            drawn[plan] = [lead.origin for lead in uow.findings.of_round(begun.id)]
    assert drawn == {ADHOC: [], "morning": [Origin.SAMPLE] * 3}
