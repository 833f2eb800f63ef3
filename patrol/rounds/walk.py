"""The walk: visit cameras under caps, hand pictures to judges and verdicts to the one recorder.

One event loop waits on hundreds of sockets; judging (decode, vision) runs in as many threads as
there are cores; recording in one thread, one transaction a visit. Knows no database and no MQTT:
what a sample means is in judge.py, what becomes of it is in record.py, both handed in.
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, auto

from patrol.domain.camera import Camera, Refusal
from patrol.domain.ids import CameraId, RoundId
from patrol.domain.round import PlannedVisit
from patrol.ports import Clock, EvidenceFull, Visitor
from patrol.rounds.beside import Beside
from patrol.rounds.forecast import Pace
from patrol.rounds.judge import Judged, VisitStart
from patrol.rounds.progress import Recorded, RoundProgress, Tally
from patrol.rounds.seats import Caps, Seats, Seeker
from patrol.store import StoreFull, StoreUnavailable
from streams.address import StreamAddress
from streams.errors import StreamError, WentSilent
from streams.model import Sample, StreamChoice, VisitOptions

CONSENT_POLL_S = 0.4  # a withdrawal has effect within a second, on visits under way too
PROGRESS_EVERY_S = 0.25
GRACE_S = 1.5  # beyond a visit's own limit, for its TEARDOWN
MAX_PAUSE_S = 1.0  # the walk looks at the time at least this often


class WalkEnd(StrEnum):
    """Why a walk ended."""

    COMPLETE = auto()
    OUT_OF_TIME = auto()  # finish-by came; the rest is missed
    STOPPED = auto()  # asked to; resumes
    FULL = auto()  # no room for evidence or books; resumes


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkDoors:
    """What a walk needs of the house."""

    clock: Clock
    visitor: Visitor
    judge: Callable[[Camera, VisitStart, Sample], Judged]  # in a judging thread
    fail: Callable[[Camera, VisitStart, StreamError | Refusal], Judged]  # pure
    record: Callable[[Judged], Recorded]  # in the writer's thread
    why_refused: Callable[[Camera], Refusal | None]  # cheap, in the event loop
    refresh_consent: Callable[[], None]  # reads the store; in the writer's thread
    judges: Executor
    writer: Executor
    rng: random.Random


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkOrder:
    """What is to be walked."""

    round: RoundId
    plan: str
    planned: int  # of the whole round, visits of an earlier run included
    visits: Sequence[PlannedVisit]
    cameras: Mapping[CameraId, Camera]
    finish_by: datetime
    caps: Caps
    options: VisitOptions
    stream: StreamChoice = StreamChoice.MAIN
    beside: Beside | None = None  # what second looks take of the caps meanwhile


class Walk:
    """One walk over the pending visits of one round; used once."""

    def __init__(
        self,
        order: WalkOrder,
        doors: WalkDoors,
        *,
        on_progress: Callable[[RoundProgress], None] | None = None,
        tally: Tally | None = None,
    ) -> None:
        self._order = order
        self._doors = doors
        self._on_progress = on_progress
        self.tally = tally or Tally()
        self._seats = Seats(
            (Seeker(camera=v.camera, link=order.cameras[v.camera].link) for v in order.visits),
            order.caps,
            order.beside,
        )
        self._visits: set[asyncio.Task[None]] = set()
        self._looks: dict[CameraId, asyncio.Task[Sample]] = {}
        self._pace = Pace(begun_s=doors.clock.monotonic_s())
        self._changed = asyncio.Event()
        self._end: WalkEnd | None = None
        self._broken: BaseException | None = None
        self.reason = ""

    def stop(self, reason: str) -> None:
        """End early; call it in the event loop."""
        self._finish(WalkEnd.STOPPED, reason)

    async def run(self) -> WalkEnd:
        """Walk to an end. Cancelled, it puts every visit away and raises CancelledError."""
        helpers = {
            asyncio.create_task(self._watch_consent(), name="watch consent"),
            asyncio.create_task(self._tell_progress(), name="tell progress"),
        }
        try:
            await self._hand_out_seats()
        finally:
            await _put_away(helpers | self._visits)
        if self._broken is not None:
            raise self._broken
        self._say_progress()
        return self._end or WalkEnd.COMPLETE

    async def _hand_out_seats(self) -> None:
        started = 0
        while self._end is None:
            if self._doors.clock.now() >= self._order.finish_by:
                self._finish(WalkEnd.OUT_OF_TIME, "finish_by")
                return
            seeker = self._seats.take(self._doors.clock.monotonic_s())
            if seeker is not None:
                self._start(seeker)
                started += 1
                await asyncio.sleep(self._stagger_s(started))
            elif not self._visits and not self._seats.waiting:
                return
            else:
                await self._pause()

    def _stagger_s(self, started: int) -> float:
        """The first wave is spread over `ramp_s`, jittered; later starts follow departures."""
        if started >= self._seats.capacity:
            return 0.0
        mean_s = self._order.caps.ramp_s / self._order.caps.connections
        return self._doors.rng.uniform(0.0, 2.0 * mean_s)

    async def _pause(self) -> None:
        retry_in_s = self._seats.next_retry_in_s(self._doors.clock.monotonic_s())
        wait_s = MAX_PAUSE_S if retry_in_s is None else min(MAX_PAUSE_S, retry_in_s + 0.01)
        self._changed.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), wait_s)

    def _start(self, seeker: Seeker) -> None:
        task = asyncio.create_task(self._visit(seeker), name=f"visit {seeker.camera}")
        self._visits.add(task)
        task.add_done_callback(self._visit_over)

    def _visit_over(self, task: asyncio.Task[None]) -> None:
        self._visits.discard(task)
        if not task.cancelled() and (exc := task.exception()) is not None:
            self._broken = exc  # a bug: the walk ends, the round can be taken up again
            self._finish(WalkEnd.STOPPED, f"{type(exc).__name__}: {exc}")
        self._changed.set()

    async def _visit(self, seeker: Seeker) -> None:
        camera = self._order.cameras[seeker.camera]
        start = VisitStart(
            round=self._order.round, at=self._doors.clock.now(), tries=seeker.attempt
        )
        mbit_s: float | None = None
        try:
            got = await self._look(camera)
            if isinstance(got, Sample):
                mbit_s = got.facts.bytes_received * 8e-6 / max(got.facts.visit_s, 0.1)
                judged = await self._judge(camera, start, got)
            elif isinstance(got, StreamError) and got.retry and self._again(seeker):
                return
            else:
                judged = self._doors.fail(camera, start, got)
            await self._write_down(judged)
        except (EvidenceFull, StoreFull, StoreUnavailable) as exc:
            self._finish(WalkEnd.FULL, str(exc))
        finally:
            self._seats.leave(seeker, mbit_s=mbit_s)

    async def _look(self, camera: Camera) -> Sample | StreamError | Refusal:
        """The sample, or the reason why there is none."""
        refusal = self._doors.why_refused(camera)
        if refusal is not None:
            return refusal
        look = asyncio.create_task(self._bounded_look(camera), name=f"look {camera.id}")
        self._looks[camera.id] = look
        try:
            await asyncio.wait({look})
        except asyncio.CancelledError:
            look.cancel()
            await asyncio.wait({look})  # its TEARDOWN is said before we go
            raise
        finally:
            del self._looks[camera.id]
        refusal = self._doors.why_refused(camera)
        if look.cancelled() or refusal is not None:
            # Withdrawn while we looked: what was got is dropped unopened.
            return refusal or Refusal.CONSENT_WITHDRAWN
        problem = look.exception()
        return problem if isinstance(problem, StreamError) else look.result()

    async def _bounded_look(self, camera: Camera) -> Sample:
        limit_s = self._order.options.visit_timeout_s + GRACE_S
        address = StreamAddress.parse(self._url(camera))
        try:
            async with asyncio.timeout(limit_s):
                return await self._doors.visitor(address, self._order.options)
        except TimeoutError:
            raise WentSilent(f"the visit did not end within {limit_s:.0f} s") from None

    def _url(self, camera: Camera) -> str:
        wants_sub = self._order.stream is StreamChoice.SUB
        return camera.sub_url if wants_sub and camera.sub_url else camera.url

    def _again(self, seeker: Seeker) -> bool:
        return self._seats.again(seeker, self._doors.clock.monotonic_s())

    async def _judge(self, camera: Camera, start: VisitStart, sample: Sample) -> Judged:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._doors.judges, self._doors.judge, camera, start, sample
        )

    async def _write_down(self, judged: Judged) -> None:
        """Once handed to the writer it is finished, also while we are being stopped."""
        loop = asyncio.get_running_loop()
        writing = loop.run_in_executor(self._doors.writer, self._doors.record, judged)
        recorded = await asyncio.shield(writing)
        self._pace.finished(self._doors.clock.monotonic_s())
        self.tally.add(recorded)

    async def _watch_consent(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(CONSENT_POLL_S)
            try:
                await loop.run_in_executor(self._doors.writer, self._doors.refresh_consent)
            except (StoreFull, StoreUnavailable) as exc:
                self._finish(WalkEnd.FULL, str(exc))
            for camera_id, look in list(self._looks.items()):
                if self._doors.why_refused(self._order.cameras[camera_id]) is not None:
                    look.cancel()

    async def _tell_progress(self) -> None:
        while True:
            self._say_progress()
            await asyncio.sleep(PROGRESS_EVERY_S)

    def _say_progress(self) -> None:
        if self._on_progress is None:
            return
        now_s, left = self._doors.clock.monotonic_s(), self._order.planned - self.tally.done
        self._on_progress(
            RoundProgress(
                round=self._order.round,
                plan=self._order.plan,
                planned=self._order.planned,
                done=self.tally.done,
                seen=self.tally.seen,
                not_viewable=self.tally.not_viewable,
                missed=self.tally.missed,
                findings=self.tally.findings,
                under_way=len(self._visits),
                per_s=self._pace.per_s(now_s),
                forecast=self._pace.forecast(left, now_s, self._doors.clock.now()),
                finish_by=self._order.finish_by,
            )
        )

    def _finish(self, end: WalkEnd, reason: str) -> None:
        """The first reason to end is the reason."""
        if self._end is None:
            self._end, self.reason = end, reason
        self._changed.set()


async def _put_away(tasks: set[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
