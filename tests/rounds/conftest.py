"""A round's execution without a network: scripted cameras, and a judge that finds all normal."""

import asyncio
import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import pytest
from typing_extensions import override

from patrol.clock import SystemClock
from patrol.domain.camera import Camera, Consent, ConsentState, Placement, Refusal
from patrol.domain.ids import CameraId, GridCode, LinkId, RoundId
from patrol.domain.round import PlannedVisit, Visit, VisitOutcome
from patrol.rounds.executor import ExecutorJob, ExecutorServices, JudgingStart
from patrol.rounds.guarded_visit import ConsentGate, ConsentGuard
from patrol.rounds.limiter import ConnectionLimits
from patrol.rounds.progress import RecordedVisit
from patrol.rounds.visit_judge import EvidenceMissing, JudgedVisit, VisitStart, failed_visit
from streams.address import StreamAddress, StreamChoice
from streams.model import (
    Codec,
    Freshness,
    KeyFrame,
    Sample,
    StreamFacts,
    VisitOptions,
)

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
ROUND = RoundId("20261122-morning-1")


def a_camera(number: int, link: str = "a") -> Camera:
    return Camera(
        id=CameraId(f"{number:020}"),
        name=f"camera {number}",
        grid=GridCode("620902104203001"),
        place="村口",
        main_stream=StreamAddress.parse(f"rtsp://127.0.0.1/{number}"),
        link=LinkId(link),
        consent=Consent(state=ConsentState.GRANTED, until=date(2027, 6, 30)),
        placement=Placement.OUTDOOR,
    )


def a_sample() -> Sample:
    key_frame = KeyFrame(
        codec=Codec.H264, data=b"", taken_at=NOW, media_time_s=0.0, sha256="0" * 64
    )
    facts = StreamFacts(transport="rtsp+tcp", codec="h264", bytes_received=1000, visit_s=1.0)
    return Sample(key_frames=(key_frame,), facts=facts, freshness=Freshness.SINGLE)


@dataclass
class ScriptedCameraClient:
    """Answers per camera path with a list of results; the last one repeats."""

    script: dict[str, list[Sample | Exception]] = field(default_factory=dict)
    delay_s: float = 0.0
    calls: list[str] = field(default_factory=list)
    inside: int = 0
    most_inside: int = 0

    async def __call__(self, address: StreamAddress, options: VisitOptions) -> Sample:
        self.calls.append(address.path)
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        try:
            await asyncio.sleep(self.delay_s)
        finally:
            self.inside -= 1
        answers = self.script.get(address.path, [a_sample()])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@dataclass
class VisitRecorder:
    """The recorder's side: what was written, once each."""

    written: dict[CameraId, Visit] = field(default_factory=dict)
    error: Exception | None = None
    judgings: list[CameraId] = field(default_factory=list)

    def begin_judging(self, starts: Sequence[JudgingStart]) -> Sequence[None]:
        self.judgings += [camera for _round, camera in starts]
        return [None] * len(starts)

    def record(self, group: Sequence[JudgedVisit]) -> Sequence[RecordedVisit]:
        if self.error is not None:
            raise self.error
        return [self._record(judged) for judged in group]

    def _record(self, judged: JudgedVisit) -> RecordedVisit:
        assert judged.visit.camera not in self.written
        self.written[judged.visit.camera] = judged.visit
        return RecordedVisit(outcome=judged.visit.outcome)


def judge_all_normal(camera: Camera, start: VisitStart, sample: Sample) -> JudgedVisit:
    return JudgedVisit(
        visit=Visit(
            round=start.round,
            camera=camera.id,
            outcome=VisitOutcome.NORMAL,
            started_at=start.at,
            finished_at=start.at,
            tries=start.tries,
            usable_pictures=len(sample.key_frames),
        )
    )


class ScriptedConsentGate(ConsentGate):
    """Refuses what the test says."""

    def __init__(self, refused: dict[CameraId, Refusal]) -> None:
        self.refused = refused

    @override
    def refresh(self) -> None: ...

    @override
    def refusal_of(self, camera_id: CameraId) -> Refusal | None:
        return self.refused.get(camera_id)


@dataclass
class ExecutorRig:
    """Everything that an execution needs, each part open to the test."""

    camera_client: ScriptedCameraClient
    recorder: VisitRecorder
    judges: ThreadPoolExecutor
    writer: ThreadPoolExecutor
    refused: dict[CameraId, Refusal] = field(default_factory=dict)
    judge: Callable[[Camera, VisitStart, Sample], JudgedVisit] = judge_all_normal
    evidence: dict[CameraId, Sample | EvidenceMissing] = field(default_factory=dict)

    def add_evidence(
        self, camera: Camera, visited: JudgedVisit, fetched: Sample | EvidenceMissing
    ) -> JudgedVisit:
        self.evidence[camera.id] = fetched
        return visited

    def deps(self) -> ExecutorServices:
        clock, gate = SystemClock(), ScriptedConsentGate(self.refused)
        return ExecutorServices(
            clock=clock,
            guard=ConsentGuard(gate, self.camera_client, StreamChoice.MAIN, executor=self.writer),
            judge=self.judge,
            add_evidence=self.add_evidence,
            fail=lambda camera, start, why: failed_visit(camera, start, why, clock.now()),
            record=self.recorder.record,
            begin_judging=self.recorder.begin_judging,
            judges=self.judges,
            writer=self.writer,
            rng=random.Random(1),
        )

    def job(
        self, cameras: list[Camera], *, caps: ConnectionLimits | None = None, window_s: float = 60.0
    ) -> ExecutorJob:
        return ExecutorJob(
            round=ROUND,
            plan="morning",
            planned=len(cameras),
            visits=[
                PlannedVisit(round=ROUND, camera=camera.id, order=i)
                for i, camera in enumerate(cameras)
            ],
            cameras={camera.id: camera for camera in cameras},
            finish_by=SystemClock().now() + timedelta(seconds=window_s),
            limits=caps or ConnectionLimits(ramp_s=0.0, retry_after_s=0.01),
            options=VisitOptions(),
        )


@pytest.fixture
def rig() -> Iterator[ExecutorRig]:
    with ThreadPoolExecutor(2) as judges, ThreadPoolExecutor(1) as writer:
        yield ExecutorRig(
            camera_client=ScriptedCameraClient(),
            recorder=VisitRecorder(),
            judges=judges,
            writer=writer,
        )


@pytest.fixture
def town() -> list[Camera]:
    """Twelve cameras behind three links."""
    return [a_camera(i, link=f"link{i % 3}") for i in range(12)]


@pytest.fixture
def sample() -> Sample:
    return a_sample()
