"""Execute a round: visit its pending cameras within the connection limits, judge, record.

One event loop waits on hundreds of sockets; judging (decoding, vision) runs in as many threads as
there are cores; recording in one thread, a few visits a transaction. A visit's slot is held until
it is recorded, so the limits bound the memory of a round too. Knows no MQTT and writes nothing
itself: what a sample shows is judge.py's, what is written recorder.py's; the runner hands both in.
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum, auto
from typing import Protocol

from patrol.domain.camera import Camera, Refusal
from patrol.domain.ids import CameraId, RoundId
from patrol.domain.round import PlannedVisit
from patrol.domain.sampling import SamplingPolicy
from patrol.ports import Clock, PictureStoreFull
from patrol.rounds.grouped_writes import WINDOW_S, GroupedWrites
from patrol.rounds.guarded_visit import ConsentGuard
from patrol.rounds.limiter import ConnectionLimiter, ConnectionLimits, PendingVisit, SharedLinkSlots
from patrol.rounds.progress import RecordedVisit, RoundCounters, RoundProgress, ThroughputEstimate
from patrol.rounds.stream_limits import StreamLimits, server_of
from patrol.rounds.visit_judge import EvidenceMissing, JudgedVisit, VisitStart
from patrol.store import StoreFull, StoreUnavailable
from streams.address import StreamChoice
from streams.errors import StreamBusy, StreamError
from streams.model import Sample, VisitOptions

PROGRESS_EVERY_S = 0.25
MAX_WAIT_S = 1.0  # `finish_by` is compared with the clock at least this often


class StopReason(StrEnum):
    """Why the execution of a round ended."""

    COMPLETE = auto()
    OUT_OF_TIME = auto()  # finish-by came; the rest is missed
    STOPPED = auto()  # asked to; resumes
    FULL = auto()  # no space for pictures or rows, or no database; resumes


JudgingStart = tuple[RoundId, CameraId]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorServices:
    """The services that a round's execution calls, and the threads that they run in."""

    clock: Clock
    guard: ConsentGuard
    judge: Callable[[Camera, VisitStart, Sample], JudgedVisit]  # in a judging thread
    # In a judging thread too: the visit with pictures of its evidence stream, or why without.
    add_evidence: Callable[[Camera, JudgedVisit, Sample | EvidenceMissing], JudgedVisit]
    fail: Callable[[Camera, VisitStart, StreamError | Refusal], JudgedVisit]  # pure
    # In the writer's thread, each in one transaction: judged visits, and before these the visits
    # whose pictures are about to be judged.
    record: Callable[[Sequence[JudgedVisit]], Sequence[RecordedVisit]]
    begin_judging: Callable[[Sequence[JudgingStart]], Sequence[None]]
    judges: Executor
    writer: Executor
    rng: random.Random
    shared_writes: "VisitWrites | None" = None  # of all executions of this loop; None: its own


class VisitWrites:
    """Both kinds of a round's grouped writes; executions of one event loop may share them."""

    def __init__(
        self,
        record: Callable[[Sequence[JudgedVisit]], Sequence[RecordedVisit]],
        begin_judging: Callable[[Sequence[JudgingStart]], Sequence[None]],
        writer: Executor,
        *,
        visits_under_way: Callable[[], int],
        window_s: float = WINDOW_S,
    ) -> None:
        """`visits_under_way`: of all executions that use this one."""
        self._visits_under_way = visits_under_way
        self.recording = GroupedWrites(
            record, writer, nobody_else=self._all_wait, window_s=window_s
        )
        self.beginning = GroupedWrites(
            begin_judging, writer, nobody_else=self._all_wait, window_s=window_s
        )

    def start_if_due(self) -> None:
        """Write what waits where no visit is left that could bring more."""
        self.recording.start_if_due()
        self.beginning.start_if_due()

    def _all_wait(self) -> bool:
        """Whether every visit under way waits for the writer."""
        return self._visits_under_way() <= self.recording.waiting + self.beginning.waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorJob:
    """The visits of one round that are still to be made, with their limits."""

    round: RoundId
    plan: str
    planned: int  # of the whole round, visits of an earlier run included
    visits: Sequence[PlannedVisit]
    cameras: Mapping[CameraId, Camera]
    finish_by: datetime
    limits: ConnectionLimits
    options: VisitOptions
    sampling: SamplingPolicy = field(default_factory=SamplingPolicy)
    link_slots: SharedLinkSlots | None = None  # what rechecks and live views use meanwhile
    stream_limits: StreamLimits = field(default_factory=StreamLimits)  # of the recorders


class RoundExecution(Protocol):
    """What makes the pending visits of one round: this process (below), or a cluster's workers."""

    reason: str  # why it ended early; set by the first that ends it

    def stop(self, reason: str) -> None:
        """End early; call it in the event loop."""

    async def run(self) -> StopReason:
        """Until every visit is recorded, or until it is stopped."""


NewExecution = Callable[
    [ExecutorJob, ExecutorServices, Callable[[RoundProgress], None] | None, RoundCounters],
    RoundExecution,
]


class RoundExecutor:
    """Makes the pending visits of one round; used once."""

    def __init__(
        self,
        job: ExecutorJob,
        deps: ExecutorServices,
        *,
        on_progress: Callable[[RoundProgress], None] | None = None,
        counters: RoundCounters | None = None,
    ) -> None:
        self._job = job
        self._deps = deps
        self._on_progress = on_progress
        self.counters = counters or RoundCounters()
        self._limiter = ConnectionLimiter(
            [_pending_visit(job.cameras[visit.camera], job.sampling) for visit in job.visits],
            job.limits,
            job.link_slots,
            job.stream_limits,
        )
        self._turned_away: dict[CameraId, tuple[VisitStart, StreamBusy]] = {}  # each one's last
        self._visits: set[asyncio.Task[None]] = set()
        self._writes = deps.shared_writes or VisitWrites(
            deps.record, deps.begin_judging, deps.writer, visits_under_way=self.visits_under_way
        )
        self._throughput = ThroughputEstimate(begun_s=deps.clock.monotonic_s())
        self._changed = asyncio.Event()
        self._stop_reason: StopReason | None = None
        self._error: BaseException | None = None
        self.reason = ""

    def stop(self, reason: str) -> None:
        """End early; call it in the event loop."""
        self._finish(StopReason.STOPPED, reason)

    async def run(self) -> StopReason:
        """Visit until the end. Cancelled, it ends every visit and raises CancelledError."""
        async with self._deps.guard:
            reporting = asyncio.create_task(self._report_loop(), name="report progress")
            try:
                await self._start_visits()
                await self._record_turned_away()
            finally:
                await _cancel_all({reporting, *self._visits})
                await self._writes.recording.flush()
        if self._error is not None:
            raise self._error
        self._report_progress()
        return self._stop_reason or StopReason.COMPLETE

    async def _start_visits(self) -> None:
        started = 0
        while self._stop_reason is None:
            if self._deps.clock.now() >= self._job.finish_by:
                self._finish(StopReason.OUT_OF_TIME, "finish_by")
                return
            pending = self._limiter.acquire(self._deps.clock.monotonic_s())
            if pending is not None:
                self._start_visit(pending)
                started += 1
                await asyncio.sleep(self._stagger_s(started))
            elif not self._visits and not self._limiter.waiting:
                return
            else:
                await self._wait_for_slot()

    def _stagger_s(self, started: int) -> float:
        """Seconds before the next start: the first wave is spread over `ramp_s`, with jitter."""
        if started >= self._limiter.capacity:
            return 0.0
        mean_s = self._job.limits.ramp_s / self._job.limits.connections
        return self._deps.rng.uniform(0.0, 2.0 * mean_s)

    async def _wait_for_slot(self) -> None:
        retry_in_s = self._limiter.next_retry_in_s(self._deps.clock.monotonic_s())
        wait_s = MAX_WAIT_S if retry_in_s is None else min(MAX_WAIT_S, retry_in_s + 0.01)
        self._changed.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), wait_s)

    def _start_visit(self, pending: PendingVisit) -> None:
        task = asyncio.create_task(self._visit(pending), name=f"visit {pending.camera}")
        self._visits.add(task)
        task.add_done_callback(self._on_visit_done)

    def _on_visit_done(self, task: asyncio.Task[None]) -> None:
        self._visits.discard(task)
        self._writes.start_if_due()
        if not task.cancelled() and (exc := task.exception()) is not None:
            self._error = exc  # a bug: the execution ends, the round can be resumed
            self._finish(StopReason.STOPPED, f"{type(exc).__name__}: {exc}")
        self._changed.set()

    def visits_under_way(self) -> int:
        """How many visits run just now."""
        return len(self._visits)

    async def _visit(self, pending: PendingVisit) -> None:
        camera = self._job.cameras[pending.camera]
        start = VisitStart(round=self._job.round, at=self._deps.clock.now(), tries=pending.attempt)
        mbit_s: float | None = None
        try:
            judged = self._job.sampling.judged_stream(camera)
            got = await self._deps.guard.visit(camera, self._job.options, judged)
            again = isinstance(got, StreamError) and self._queue_again(pending, start, got)
            evidence = self._job.sampling.evidence_stream(camera)
            if evidence is None or not isinstance(got, Sample):
                self._end_stream(pending, got)
            if again:
                return
            if isinstance(got, Sample):
                mbit_s = got.facts.bytes_received * 8e-6 / max(got.facts.visit_s, 0.1)
                visited = await self._judge(camera, start, got)
                if evidence is not None:
                    visited = await self._fetch_evidence(camera, visited, evidence)
                    self._end_stream(pending, got)
            else:
                visited = self._deps.fail(camera, start, got)
            await self._record(visited)
        except (PictureStoreFull, StoreFull, StoreUnavailable) as exc:
            self._finish(StopReason.FULL, str(exc))
        finally:
            self._limiter.release(pending, mbit_s=mbit_s)

    def _end_stream(self, pending: PendingVisit, got: Sample | StreamError | Refusal) -> None:
        now_s = self._deps.clock.monotonic_s()
        self._limiter.end_stream(pending, now_s, served=isinstance(got, Sample))
        self._changed.set()

    async def _fetch_evidence(
        self, camera: Camera, visited: JudgedVisit, stream: StreamChoice
    ) -> JudgedVisit:
        """Where something was found: one picture of the evidence stream, on the same slot."""
        if not visited.observations:
            return visited
        options = replace(self._job.options, pictures=1)
        got = await self._deps.guard.visit(camera, options, stream)
        fetched = got if isinstance(got, Sample) else EvidenceMissing(why=got)
        return await asyncio.get_running_loop().run_in_executor(
            self._deps.judges, self._deps.add_evidence, camera, visited, fetched
        )

    def _queue_again(self, pending: PendingVisit, start: VisitStart, error: StreamError) -> bool:
        """Queue the visit for another try, where the error allows one."""
        now_s = self._deps.clock.monotonic_s()
        if isinstance(error, StreamBusy) and self._limiter.wait_for_stream(pending, error, now_s):
            self._turned_away[pending.camera] = start, error
            return True
        return error.retry and self._limiter.retry_later(pending, now_s)

    async def _record_turned_away(self) -> None:
        """At the end of the window: cameras whose recorder had no stream left were not viewable."""
        if self._stop_reason is not StopReason.OUT_OF_TIME:
            return
        for pending in self._limiter.turned_away():
            camera, (start, busy) = (
                self._job.cameras[pending.camera],
                self._turned_away[pending.camera],
            )
            await self._record(self._deps.fail(camera, start, busy))

    async def _judge(self, camera: Camera, start: VisitStart, sample: Sample) -> JudgedVisit:
        """Judge in a judging thread; that it begins is stored first, should it end the process."""
        loop = asyncio.get_running_loop()
        await self._writes.beginning((self._job.round, camera.id))
        return await loop.run_in_executor(
            self._deps.judges, self._deps.judge, camera, start, sample
        )

    async def _record(self, visited: JudgedVisit) -> None:
        """Write the visit; once the writer has it, also a stop lets it finish."""
        recorded = await self._writes.recording(visited)
        self._throughput.visit_finished(self._deps.clock.monotonic_s())
        self.counters.add(recorded)

    async def _report_loop(self) -> None:
        while True:
            self._report_progress()
            await asyncio.sleep(PROGRESS_EVERY_S)

    def _report_progress(self) -> None:
        if self._on_progress is None:
            return
        under_way = len(self._visits)
        self._on_progress(
            round_progress(self._job, self.counters, self._throughput, under_way, self._deps.clock)
        )

    def _finish(self, stop_reason: StopReason, reason: str) -> None:
        """End the execution; the first reason given is kept."""
        if self._stop_reason is None:
            self._stop_reason, self.reason = stop_reason, reason
        self._changed.set()


def round_progress(
    job: ExecutorJob,
    counters: RoundCounters,
    pace: ThroughputEstimate,
    under_way: int,
    clock: Clock,
) -> RoundProgress:
    """How far the round is just now; of one process's round and of one on workers."""
    now_s, left = clock.monotonic_s(), job.planned - counters.done
    return RoundProgress(
        round=job.round,
        plan=job.plan,
        planned=job.planned,
        done=counters.done,
        seen=counters.seen,
        not_viewable=counters.not_viewable,
        missed=counters.missed,
        findings=counters.findings,
        under_way=under_way,
        per_s=pace.per_s(now_s),
        forecast=pace.forecast(left, now_s, clock.now()),
        finish_by=job.finish_by,
    )


def _pending_visit(camera: Camera, sampling: SamplingPolicy) -> PendingVisit:
    server = server_of(camera.stream(sampling.judged_stream(camera)))
    return PendingVisit(camera=camera.id, link=camera.link, server=server)


async def _cancel_all(tasks: set[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
