"""Ad-hoc rounds: over what is named and nothing else, beside the plans and never instead of one."""

import random
import threading
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from patrol.cases.save_and_send import SEND_AT_ONCE
from patrol.domain.camera import Camera, ConsentState
from patrol.domain.finding import Origin
from patrol.domain.ids import CameraId, LinkId, RoundId, Sha256
from patrol.domain.observation import FindingRules
from patrol.domain.registry import Registry
from patrol.domain.round import ADHOC, PatrolPlan, RoundState, StoredPicture, VisitOutcome
from patrol.domain.sampling import SamplingPolicy
from patrol.domain.schedule import Calendar
from patrol.messaging.payloads import PayloadBuilder
from patrol.review import BlindSample
from patrol.rounds.adhoc import AdhocSelection, NoCameraSelected
from patrol.rounds.limiter import ConnectionLimits
from patrol.rounds.planner import NOT_IN_WINDOW, SUPERSEDED
from patrol.rounds.recorder import HealthNotifier, RecorderPolicy
from patrol.rounds.runner import RoundRunner, RunnerServices
from patrol.rounds.scheduler import RoundScheduler
from patrol.rounds.visit_judge import JudgedVisit
from simulators import small_site
from streams.address import StreamAddress
from streams.model import VisitOptions
from tests.support.clock import ManualClock
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
    """Two groups of one village, one of another; the fourth camera's household refused."""
    plain = small_site.registry()
    other = replace(
        small_site.camera(THIRD, grid=small_site.OTHER_GROUP),
        link=LinkId("v204"),
        main_stream=StreamAddress.parse("rtsp://10.0.0.7/3"),
    )
    refused = replace(other, id=FOURTH, consent=replace(other.consent, state=ConsentState.PENDING))
    return replace(plain, cameras={**plain.cameras, THIRD: other, FOURTH: refused})


@pytest.fixture
def runner_deps(rig: Any, registry: Registry) -> RunnerServices:
    payload_builder = PayloadBuilder(site="shangba", zone=ZONE, registry=registry)
    return RunnerServices(
        store=new_store(),
        clock=ManualClock(NOON),
        zone=ZONE,
        cameras=lambda: registry.cameras,
        refresh_cameras=lambda: None,
        client=rig.camera_client,
        judge=rig.judge,
        add_evidence=rig.add_evidence,
        policy=RecorderPolicy(
            rules=FindingRules(),
            health=HealthNotifier(payloads=payload_builder),
            auto_confirm=lambda *_: 0,
            keep_evidence=timedelta(days=1),
            send_gate=SEND_AT_ONCE,
        ),
        payloads=payload_builder,
        tree=registry.tree,
        limits=ConnectionLimits(ramp_s=0.0, retry_after_s=0.01),
        options=VisitOptions(),
        sampling=SamplingPolicy(),
        rng=random.Random(1),
        calendar=PLANS,
    )


def visited(runner_deps: RunnerServices, ident: RoundId) -> set[CameraId]:
    with runner_deps.store.begin_read() as uow:
        return {camera for camera, _, _ in uow.rounds.outcomes(ident)}


@pytest.mark.parametrize(
    ("selection_args", "expected", "scope"),
    [
        pytest.param(
            {"grids": [small_site.VILLAGE]}, {small_site.CAMERA, small_site.SECOND_CAMERA},
            f"grid {small_site.VILLAGE}", id="a village and its groups",
        ),
        pytest.param(
            {"grids": [small_site.SECOND_GROUP]}, {small_site.SECOND_CAMERA},
            f"grid {small_site.SECOND_GROUP}", id="one group",
        ),
        pytest.param({"links": ["v204"]}, {THIRD}, "link v204", id="a link"),
        pytest.param(
            {"cameras": [THIRD, small_site.CAMERA]}, {small_site.CAMERA, THIRD},
            f"camera {small_site.CAMERA} {THIRD}", id="a list",
        ),
        pytest.param(
            {"links": ["v204"], "cameras": [small_site.CAMERA]}, {small_site.CAMERA, THIRD},
            f"link v204; camera {small_site.CAMERA}", id="all that is named",
        ),
    ],
)  # fmt: skip
def test_it_visits_what_is_named(
    runner_deps: RunnerServices,
    registry: Registry,
    selection_args: Any,
    expected: set[CameraId],
    scope: str,
) -> None:
    runner = RoundRunner(runner_deps)
    selection = AdhocSelection.resolve(registry, **selection_args)
    ended = runner.run(runner.begin_round(ADHOC, NOON + HOUR, at_any_hour=True, adhoc=selection))
    assert visited(runner_deps, ended.id) == expected
    summary = runner.summary(ended)
    assert (summary["plan"], summary["scope"], summary["planned"]) == (ADHOC, scope, len(expected))
    assert summary["refused"] == (1 if "links" in selection_args else 0), (
        "consent is asked all the same"
    )


@pytest.mark.parametrize(
    "selection_args",
    [
        pytest.param({"grids": ["620902104999000"]}, id="no such grid"),
        pytest.param({"links": ["v999"]}, id="no such link"),
        pytest.param({"cameras": ["x"]}, id="no such camera"),
    ],
)
def test_what_is_not_there_is_refused_by_name(registry: Registry, selection_args: Any) -> None:
    with pytest.raises(NoCameraSelected, match=next(iter(selection_args.values()))[0]):
        AdhocSelection.resolve(registry, **selection_args)


def test_a_killed_one_is_resumed_by_the_same_selection_and_closed_by_another(
    runner_deps: RunnerServices, registry: Registry
) -> None:
    runner = RoundRunner(runner_deps)
    village = AdhocSelection.resolve(registry, grids=[small_site.VILLAGE])
    begun = runner.begin_round(ADHOC, NOON + HOUR, at_any_hour=True, adhoc=village)
    again = runner.begin_round(ADHOC, NOON + HOUR, at_any_hour=True, adhoc=village)
    assert again.id == begun.id
    other = AdhocSelection.resolve(registry, links=["v204"])
    another = runner.begin_round(ADHOC, NOON + HOUR, at_any_hour=True, adhoc=other)
    assert another.id != begun.id
    with runner_deps.store.begin_read() as uow:
        left = uow.rounds.get(begun.id)
        outcomes = {how for _, how, _ in uow.rounds.outcomes(begun.id)}
    assert (left.state, left.reason) == (RoundState.MISSED, SUPERSEDED)
    assert outcomes == {VisitOutcome.MISSED}


def test_no_plan_is_done_by_it_and_it_is_never_due(
    runner_deps: RunnerServices, registry: Registry
) -> None:
    """In the plan's window an ad-hoc round ran: the plan's own still runs."""
    clock = ManualClock(datetime(2026, 11, 22, 1, 5, tzinfo=UTC))  # 09:05 there
    runner = RoundRunner(replace(runner_deps, clock=clock))
    selection = AdhocSelection.resolve(registry, links=["v204"])
    begun = runner.begin_round(ADHOC, clock.now() + HOUR, at_any_hour=True, adhoc=selection)
    scheduler = make_scheduler(runner, runner_deps, clock)
    scheduler.run_due()
    with runner_deps.store.begin_read() as uow:
        (mornings,) = uow.rounds.of_plan("morning")
        assert mornings.state is RoundState.FINISHED
        assert uow.rounds.get(begun.id).is_open, "the scheduler does not resume it"
    clock.current += timedelta(days=1)
    scheduler.run_due()
    with runner_deps.store.begin_read() as uow:
        left = uow.rounds.get(begun.id)
        assert len(uow.rounds.of_plan(ADHOC)) == 1, "of no other day is one missed"
    assert (left.state, left.reason) == (RoundState.MISSED, NOT_IN_WINDOW)


def make_scheduler(
    runner: RoundRunner, runner_deps: RunnerServices, clock: ManualClock
) -> RoundScheduler:
    return RoundScheduler(
        calendar=PLANS,
        zone=ZONE,
        sun=lambda _day: (NOON, NOON),
        clock=clock,
        store=runner_deps.store,
        runner=runner,
        stop=threading.Event(),
        round_lock=nullcontext,
    )


def test_only_the_plans_rounds_draw_the_blind_sample(
    runner_deps: RunnerServices, registry: Registry, rig: Any
) -> None:
    def judge(camera: Camera, start: Any, sample: Any) -> JudgedVisit:
        taken = StoredPicture(
            sha256=Sha256(f"{int(camera.id):064x}"), camera=camera.id, taken_at=start.at,
            width_px=8, height_px=8, bytes=8, purpose="sample", delete_after=start.at + HOUR,
        )  # fmt: skip
        judged_visit: JudgedVisit = rig.judge(camera, start, sample)
        return replace(judged_visit, visit=replace(judged_visit.visit, pictures=(taken,)))

    sampler = BlindSample(rng=random.Random(2), share=1.0)
    runner = RoundRunner(replace(runner_deps, judge=judge, blind_sample=sampler))
    selection = AdhocSelection.resolve(registry, grids=[small_site.TOWN])
    drawn = {}
    for plan, request in ((ADHOC, selection), ("morning", None)):
        begun = runner.begin_round(plan, NOON + HOUR, at_any_hour=True, adhoc=request)
        summary = runner.summary(runner.run(begun))
        assert (summary["seen"], summary["findings"]) == (3, 0), "never the machine's findings"
        with runner_deps.store.begin_read() as uow:
            drawn[plan] = [finding.origin for finding in uow.findings.of_round(begun.id)]
    assert drawn == {ADHOC: [], "morning": [Origin.SAMPLE] * 3}
