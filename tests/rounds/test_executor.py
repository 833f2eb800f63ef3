"""The executor: every camera exactly once, limits kept, retries, endings, consent in mid-visit."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from patrol.domain.camera import Camera, Refusal
from patrol.domain.observation import Observation, Subject
from patrol.domain.round import VisitOutcome
from patrol.domain.sampling import CameraSampling, SamplingPolicy
from patrol.ports import PictureStoreFull
from patrol.rounds.executor import RoundExecutor, StopReason
from patrol.rounds.limiter import ConnectionLimits
from patrol.rounds.progress import RecordedVisit, RoundProgress
from patrol.rounds.visit_judge import EvidenceMissing, JudgedVisit
from patrol.store import StoreFull
from streams.address import StreamAddress, StreamChoice
from streams.errors import BadAddress, RefusedUs, StreamError, Unreachable, WentSilent
from streams.model import Sample

ExecutorRig = Any  # conftest.Rig; test folders are no packages


def run_executor(
    rig: ExecutorRig, town: list[Camera], **order: Any
) -> tuple[RoundExecutor, StopReason]:
    executor = RoundExecutor(rig.job(town, **order), rig.deps())
    return executor, asyncio.run(executor.run())


def test_every_camera_once(rig: ExecutorRig, town: list[Camera]) -> None:
    executor, end = run_executor(rig, town)
    assert end is StopReason.COMPLETE
    assert set(rig.recorder.written) == {camera.id for camera in town}
    assert (executor.counters.done, executor.counters.seen) == (12, 12)


def test_nothing_to_do_is_complete(rig: ExecutorRig) -> None:
    assert run_executor(rig, [])[1] is StopReason.COMPLETE


def test_connections_are_never_exceeded(rig: ExecutorRig, town: list[Camera]) -> None:
    rig.camera_client.delay_s = 0.01
    run_executor(rig, town, caps=ConnectionLimits(connections=4, ramp_s=0.0))
    assert rig.camera_client.most_inside == 4


@pytest.mark.parametrize(
    ("problem", "tries"),
    [
        pytest.param(Unreachable("no route"), 2, id="network: once more"),
        pytest.param(WentSilent("no packets"), 2, id="silence: once more"),
        pytest.param(RefusedUs("401"), 1, id="a no is a no"),
    ],
)
def test_retry_where_the_kind_allows(
    rig: ExecutorRig, town: list[Camera], problem: StreamError, tries: int
) -> None:
    rig.camera_client.script["/3"] = [problem]
    run_executor(rig, town)
    assert rig.camera_client.calls.count("/3") == tries
    visit = rig.recorder.written[town[3].id]
    assert (visit.outcome, visit.failure, visit.tries) == (
        VisitOutcome.NOT_VIEWABLE,
        problem.kind,
        tries,
    )


def test_a_retry_that_succeeds_is_seen(
    rig: ExecutorRig, town: list[Camera], sample: Sample
) -> None:
    rig.camera_client.script["/0"] = [Unreachable("flaky"), sample]
    executor, _ = run_executor(rig, town)
    assert executor.counters.seen == 12


def test_a_bad_address_is_the_visits_failure(rig: ExecutorRig, town: list[Camera]) -> None:
    rig.camera_client.script["/5"] = [BadAddress("no such file")]
    run_executor(rig, town)
    assert rig.recorder.written[town[5].id].failure == "bad_address"


def test_finish_by_ends_the_execution_and_leaves_the_rest_pending(
    rig: ExecutorRig, town: list[Camera]
) -> None:
    rig.camera_client.delay_s = 30.0
    executor, end = run_executor(
        rig, town, window_s=0.05, caps=ConnectionLimits(connections=3, ramp_s=0.0)
    )
    assert (end, executor.reason) == (StopReason.OUT_OF_TIME, "finish_by")
    assert not rig.recorder.written
    assert rig.camera_client.inside == 0


@pytest.mark.parametrize("trouble", [PictureStoreFull("disk full"), StoreFull("disk full")])
def test_a_full_disk_ends_the_execution_with_its_reason(
    rig: ExecutorRig, town: list[Camera], trouble: Exception
) -> None:
    rig.recorder.error = trouble
    executor, end = run_executor(rig, town)
    assert (end, executor.reason) == (StopReason.FULL, "disk full")


def test_stop_ends_visits_at_once(rig: ExecutorRig, town: list[Camera]) -> None:
    rig.camera_client.delay_s = 30.0

    async def stopped() -> StopReason:
        executor = RoundExecutor(rig.job(town), rig.deps())
        asyncio.get_running_loop().call_later(0.05, executor.stop, "asked to")
        return await executor.run()

    assert asyncio.run(asyncio.wait_for(stopped(), 5.0)) is StopReason.STOPPED
    assert rig.camera_client.inside == 0


def test_a_bug_ends_the_execution_and_is_raised(rig: ExecutorRig, town: list[Camera]) -> None:
    rig.recorder.error = RuntimeError("a bug")
    with pytest.raises(RuntimeError, match="a bug"):
        run_executor(rig, town)


def test_a_refused_camera_is_not_connected_to(rig: ExecutorRig, town: list[Camera]) -> None:
    rig.refused[town[4].id] = Refusal.CONSENT_WITHDRAWN
    run_executor(rig, town)
    assert "/4" not in rig.camera_client.calls
    visit = rig.recorder.written[town[4].id]
    assert (visit.outcome, visit.failure) == (VisitOutcome.MISSED, "consent_withdrawn")


def test_withdrawal_ends_a_visit_under_way_within_a_second(
    rig: ExecutorRig, town: list[Camera]
) -> None:
    rig.camera_client.delay_s = 30.0

    async def withdrawn() -> StopReason:
        executor = RoundExecutor(rig.job(town[:1]), rig.deps())
        asyncio.get_running_loop().call_later(
            0.05, rig.refused.update, {town[0].id: Refusal.CONSENT_WITHDRAWN}
        )
        return await executor.run()

    assert asyncio.run(asyncio.wait_for(withdrawn(), 1.0)) is StopReason.COMPLETE
    assert rig.recorder.written[town[0].id].failure == "consent_withdrawn"


def test_progress_counts_up_to_the_plan(rig: ExecutorRig, town: list[Camera]) -> None:
    reports: list[RoundProgress] = []
    asyncio.run(RoundExecutor(rig.job(town), rig.deps(), on_progress=reports.append).run())
    assert (reports[0].done, reports[-1].done, reports[-1].planned) == (0, 12, 12)
    assert reports[-1].under_way == 0


def test_the_evidence_stream_is_fetched_where_something_was_found_and_nowhere_else(
    rig: ExecutorRig, town: list[Camera], sample: Sample
) -> None:
    cameras = [
        replace(camera, sub_stream=StreamAddress.parse(f"rtsp://192.0.2.1/sub{number}"))
        for number, camera in enumerate(town[:3])
    ]
    plain = rig.judge
    found_at = {cameras[1].id, cameras[2].id}

    def judge(camera: Camera, start: Any, got: Sample) -> JudgedVisit:
        visited: JudgedVisit = plain(camera, start, got)
        return with_finding(visited) if camera.id in found_at else visited

    rig.judge = judge
    rig.camera_client.script["/2"] = [WentSilent("the main stream is silent")]
    policy = SamplingPolicy(
        site=CameraSampling(stream=StreamChoice.SUB, evidence=StreamChoice.MAIN)
    )
    job = replace(rig.job(cameras), sampling=policy)
    executor = RoundExecutor(job, rig.deps())
    assert asyncio.run(executor.run()) is StopReason.COMPLETE
    assert sorted(rig.camera_client.calls) == ["/1", "/2", "/sub0", "/sub1", "/sub2"]
    assert set(rig.evidence) == {cameras[1].id, cameras[2].id}
    assert isinstance(rig.evidence[cameras[1].id], Sample)
    assert isinstance(rig.evidence[cameras[2].id], EvidenceMissing)
    assert set(rig.recorder.written) == {camera.id for camera in cameras}


def with_finding(visited: JudgedVisit) -> JudgedVisit:
    seen = Observation(
        camera=visited.visit.camera, round=visited.visit.round, at=visited.visit.started_at,
        subject=Subject.SCENE, kind="dumping", score=0.9, value=0.9, threshold=0.5, gauge="test/1",
    )  # fmt: skip
    return replace(visited, observations=(seen,))


def test_one_visit_that_cannot_be_written_takes_no_other_with_it(
    rig: ExecutorRig, town: list[Camera]
) -> None:
    bad = town[4].id

    def record(group: Sequence[JudgedVisit]) -> Sequence[RecordedVisit]:
        if any(visited.visit.camera == bad for visited in group):
            raise KeyError(bad)
        return rig.recorder.record(group)

    executor = RoundExecutor(rig.job(town), replace(rig.deps(), record=record))
    with pytest.raises(KeyError):
        asyncio.run(executor.run())
    assert set(rig.recorder.written) == {camera.id for camera in town} - {bad}


def test_visits_are_written_in_groups_each_once(rig: ExecutorRig, town: list[Camera]) -> None:
    groups: list[int] = []

    def record(group: Sequence[JudgedVisit]) -> Sequence[RecordedVisit]:
        groups.append(len(group))
        return rig.recorder.record(group)

    executor = RoundExecutor(rig.job(town), replace(rig.deps(), record=record))
    assert asyncio.run(executor.run()) is StopReason.COMPLETE
    assert sum(groups) == len(town) == len(rig.recorder.written)
    assert len(groups) < len(town)
