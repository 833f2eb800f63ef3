"""A round executed by a cluster: submit its shards, record what workers deliver, say what lacks.

Used by the round runner in place of its own executor, and recording through the same recorder: a
visit is whole in one transaction, in which the delivered result is deleted; some visits share one,
as in a round of one process. What is pending and covered by no living shard and no waiting result
is submitted (again): that one rule serves the beginning, a killed service that takes its round up,
a failed job, a picture that did not arrive. Ends when nothing is pending; at finish-by the rest is
missed, and where no worker reaches a link, so says it.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import structlog

from patrol.cluster.exchange import BlobMissing, BlobOwner, Exchange, Folder, visit_owner
from patrol.cluster.queue import LiveShard, ShardQueue
from patrol.cluster.results import ResultUnreadable, VisitResult, result_from_data
from patrol.cluster.shards import Shard, cut_into_shards
from patrol.domain.camera import Camera, Refusal
from patrol.domain.ids import CameraId, LinkId
from patrol.domain.observation import Light
from patrol.domain.round import SAMPLE_PURPOSE, StoredPicture, Visit, VisitOutcome
from patrol.ports import PictureStore, PictureStoreFull
from patrol.rounds.executor import (
    PROGRESS_EVERY_S,
    ExecutorJob,
    ExecutorServices,
    StopReason,
    round_progress,
)
from patrol.rounds.progress import RoundCounters, RoundProgress, ThroughputEstimate
from patrol.rounds.visit_judge import JudgedVisit, VisitStart
from patrol.store import Store, StoreFull, StoreUnavailable
from patrol.store.cluster import DeliveredResult, ResultOutcome

log = structlog.get_logger(__name__)

BATCH: Final = 32  # results read at once; with their pictures some 10 MB
FETCHES: Final = 8  # at once: an object store answers in 50 ms
POLL_S: Final = 0.5  # for delivered results: nobody waits for them, and many make one transaction
COVER_EVERY_S: Final = 5.0  # what is pending and on nobody's way is looked for so often …
COVER_CAMERAS: Final = 3_000  # … and with more cameras as much less often: the look reads them all
MAX_SUBMISSIONS: Final = 5  # of one camera in one run of the round


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterServices:
    """What a cluster's rounds use beside the executor's services."""

    site: str
    store: Store
    new_queue: Callable[[], ShardQueue]
    exchange: Exchange
    evidence: PictureStore
    keep_for: timedelta  # how long an ordinary sample lives; no worker's word counts for it
    shard_cameras: int
    clock_unconfirmed: Callable[[], bool] = lambda: False  # then no time runs out

    def new_execution(
        self,
        job: ExecutorJob,
        deps: ExecutorServices,
        on_progress: Callable[[RoundProgress], None] | None,
        counters: RoundCounters,
    ) -> "ClusterExecution":
        """The execution of one round (rounds.executor.NewExecution)."""
        return ClusterExecution(job, deps, self, on_progress=on_progress, counters=counters)


@dataclass(frozen=True, slots=True)
class _Arrived:
    """A result with the bytes that belong to it, or why it is refused."""

    delivered: DeliveredResult
    result: VisitResult | None = None
    pictures: Sequence[bytes] = ()
    memories: Mapping[Light, bytes] | None = None
    refused: str = ""


class ClusterExecution:
    """Has workers make the pending visits of one round; used once."""

    def __init__(
        self,
        job: ExecutorJob,
        deps: ExecutorServices,
        cluster: ClusterServices,
        *,
        on_progress: Callable[[RoundProgress], None] | None = None,
        counters: RoundCounters,
    ) -> None:
        self._job, self._deps, self._cluster = job, deps, cluster
        self._on_progress = on_progress
        self.counters = counters
        self.reason = ""
        self._pending = {visit.camera for visit in job.visits}
        self._submissions: Counter[CameraId] = Counter()
        self._published: dict[CameraId, set[str]] = {}
        self._throughput = ThroughputEstimate(begun_s=deps.clock.monotonic_s())
        self._changed = asyncio.Event()
        self._stop_reason: StopReason | None = None
        self._under_way = 0
        self._cover_now = True  # a camera is on nobody's way any more

    def stop(self, reason: str) -> None:
        """End early; call it in the event loop."""
        self._finish(StopReason.STOPPED, reason)

    async def run(self) -> StopReason:
        """Record what workers deliver, to the end. Raises what the store raises at a bug alone."""
        reporting = asyncio.create_task(self._report_loop(), name="report progress")
        try:
            async with self._deps.guard, self._cluster.new_queue() as queue:
                try:
                    await self._until_recorded(queue)
                finally:
                    await self._withdraw(queue)
        except (StoreUnavailable, StoreFull, PictureStoreFull) as exc:
            self._finish(StopReason.FULL, str(exc))
        finally:
            reporting.cancel()
            await asyncio.gather(reporting, return_exceptions=True)
        self._report_progress()
        return self._stop_reason or StopReason.COMPLETE

    async def _until_recorded(self, queue: ShardQueue) -> None:
        loop, clock, cover_at_s = asyncio.get_running_loop(), self._deps.clock, -1.0
        with ThreadPoolExecutor(FETCHES, thread_name_prefix="fetch") as fetchers:
            while self._stop_reason is None:
                writer = self._deps.writer
                took = await loop.run_in_executor(writer, self._record_waiting, fetchers)
                if not self._pending:
                    return
                if clock.now() >= self._job.finish_by:
                    if not self._cluster.clock_unconfirmed():  # else the round is taken up again
                        await loop.run_in_executor(writer, self._miss_unserved)
                    self._finish(StopReason.OUT_OF_TIME, "finish_by")
                elif self._cover_now or clock.monotonic_s() >= cover_at_s:
                    self._cover_now = False
                    await self._submit_uncovered(queue)
                    cover_at_s = clock.monotonic_s() + _cover_again_in_s(len(self._pending))
                elif not took:
                    self._changed.clear()
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._changed.wait(), POLL_S)

    # -- submitting -----------------------------------------------------------------------------

    async def _submit_uncovered(self, queue: ShardQueue) -> None:
        """Submit what is pending and neither in a living shard nor delivered."""
        live = await queue.live(self._job.round)  # first: what ends after it has delivered
        delivered = await asyncio.to_thread(self._cameras_delivered)
        self._under_way = sum(len(one.shard.cameras) for one in live if one.is_running)
        uncovered = self._pending - delivered - _cameras_of(live)
        visits = [
            visit
            for visit in self._job.visits
            if visit.camera in uncovered and self._submissions[visit.camera] < MAX_SUBMISSIONS
        ]
        if not visits:
            return
        shards = cut_into_shards(
            visits,
            self._job.cameras,
            site=self._cluster.site,
            plan=self._job.plan,
            finish_by=await asyncio.to_thread(self._finish_by_of_workers),
            most_cameras=self._cluster.shard_cameras,
        )
        for shard in shards:
            known = await asyncio.to_thread(self._publish_references, shard)
            await queue.submit([replace(shard, references=known)])
            self._submissions.update(shard.cameras)
            if self._stop_reason is not None:
                return
        log.info("shards submitted", round=self._job.round, shards=len(shards), cameras=len(visits))

    def _cameras_delivered(self) -> frozenset[CameraId]:
        with self._cluster.store.begin_read() as uow:
            return uow.cluster.cameras_delivered(self._job.round)

    def _finish_by_of_workers(self) -> datetime:
        """Finish-by on the database's clock, by which workers go: ours may be wrong."""
        with self._cluster.store.begin_read() as uow:
            ahead = self._deps.clock.now() - uow.cluster.database_now()
        return self._job.finish_by - ahead

    def _publish_references(self, shard: Shard) -> dict[CameraId, dict[Light, str]]:
        """Put the references of the shard's cameras into the exchange; their versions."""
        exchange, known = self._cluster.exchange, dict[CameraId, dict[Light, str]]()
        with self._cluster.store.begin_read() as uow:
            blobs = list(uow.memories.of_cameras(shard.cameras))
        for camera, light, blob in blobs:
            name = exchange.put(Folder.REFERENCES, blob, BlobOwner(camera))
            self._published.setdefault(camera, set()).add(name)
            known.setdefault(camera, {})[light] = name
        return known

    async def _withdraw(self, queue: ShardQueue) -> None:
        """Take back what nobody needs any more: shards, and references in the exchange."""
        with suppress(StoreUnavailable):
            await queue.cancel(self._job.round)
        await asyncio.to_thread(self._discard_references)

    def _discard_references(self) -> None:
        for camera, names in self._published.items():
            self._cluster.exchange.discard(Folder.REFERENCES, names, BlobOwner(camera))

    # -- recording (in the writer's thread) -----------------------------------------------------

    def _record_waiting(self, fetchers: ThreadPoolExecutor) -> int:
        """Record the results that wait; how many there were."""
        with self._cluster.store.begin_read() as uow:
            waiting = uow.cluster.results(limit=BATCH, of_round=self._job.round)
        group: dict[CameraId, tuple[_Arrived, VisitResult]] = {}
        for arrived in fetchers.map(self._fetch, waiting):
            if self._stop_reason is not None:
                break
            camera, result = arrived.delivered.camera, arrived.result
            if camera not in self._pending or camera in group:
                self._settle(arrived, ResultOutcome.REPEATED)
            elif arrived.refused or result is None:
                log.warning("a result is refused", camera=camera, worker=arrived.delivered.worker,
                            why=arrived.refused)  # fmt: skip
                self._settle(arrived, ResultOutcome.REFUSED)
                self._cover_now = True
            else:
                group[camera] = arrived, result
        together = list(group.values())
        if together:
            self._record_group(together)
        return len(waiting)

    def _fetch(self, delivered: DeliveredResult) -> _Arrived:
        """The result with its pictures and references from the exchange, each checked."""
        exchange, result = self._cluster.exchange, None
        owner = visit_owner(delivered.round, delivered.camera)
        try:
            result = result_from_data(delivered.body, delivered.round, delivered.camera)
            if delivered.camera not in self._pending or self._refusal(delivered.camera):
                return _Arrived(delivered, result)
            pictures = [exchange.get(Folder.RESULTS, one, owner) for one in result.pictures]
            memories = {
                light: exchange.get(Folder.RESULTS, one, owner)
                for light, one in result.taught.items()
            }
        except (ResultUnreadable, BlobMissing) as exc:
            return _Arrived(delivered, result, refused=str(exc.args[0]))
        return _Arrived(delivered, result, pictures, memories)

    def _record_group(self, group: Sequence[tuple[_Arrived, VisitResult]]) -> None:
        """Record visits in one transaction, each with its delivery; else one by one."""
        judged = [self._judged(arrived, result) for arrived, result in group]
        try:
            recorded = self._deps.record(judged)
        except Exception:
            if len(group) == 1:
                raise
            for one in group:  # one that cannot be written takes no other with it
                self._record_group([one])
            return
        for (arrived, _result), visit in zip(group, recorded, strict=True):
            self._pending.discard(arrived.delivered.camera)
            self._discard_blobs(arrived)
            if not visit.is_repeat:
                self.counters.add(visit)
                self._throughput.visit_finished(self._deps.clock.monotonic_s())

    def _judged(self, arrived: _Arrived, result: VisitResult) -> JudgedVisit:
        delivered = arrived.delivered
        refusal = self._refusal(delivered.camera)
        if refusal is not None:  # the household withdrew meanwhile: nothing of it is kept
            camera = self._job.cameras[delivered.camera]
            start = VisitStart(round=self._job.round, at=result.visit.started_at)
            return replace(self._deps.fail(camera, start, refusal), delivery=delivered.number)
        return JudgedVisit(
            visit=replace(result.visit, pictures=self._stored(result, arrived.pictures)),
            observations=result.observations,
            memories=arrived.memories or {},
            sampled_at=result.sampled_at,
            delivery=delivered.number,
            based_on=result.based_on,
        )

    def _stored(self, result: VisitResult, pictures: Sequence[bytes]) -> tuple[StoredPicture, ...]:
        """The visit's pictures, kept durably here; how long is this site's to say."""
        stored = []
        for picture, jpeg in zip(result.visit.pictures, pictures, strict=True):
            until = picture.taken_at + self._cluster.keep_for
            self._cluster.evidence.put(jpeg, until=until)
            kept = replace(picture, purpose=SAMPLE_PURPOSE, delete_after=until, bytes=len(jpeg))
            stored.append(kept)
        return tuple(stored)

    def _refusal(self, camera: CameraId) -> Refusal | None:
        return self._deps.guard.gate.refusal_of(camera)

    def _settle(self, arrived: _Arrived, outcome: ResultOutcome) -> None:
        """Count a result that is not recorded, and drop it with what belongs to it."""
        delivered = arrived.delivered
        with self._cluster.store.begin() as uow:
            uow.cluster.settle(delivered.round, {delivered.number: [outcome]})
            uow.commit()
        self._discard_blobs(arrived)

    def _discard_blobs(self, arrived: _Arrived) -> None:
        if arrived.result is not None:
            delivered = arrived.delivered
            owner = visit_owner(delivered.round, delivered.camera)
            self._cluster.exchange.discard(Folder.RESULTS, arrived.result.blobs, owner)

    def _miss_unserved(self) -> None:
        """At finish-by: cameras that no living worker could reach are missed for that reason."""
        with self._cluster.store.begin_read() as uow:
            served = uow.cluster.served_links()
        now = self._deps.clock.now()
        for camera_id in sorted(self._pending):
            camera = self._job.cameras[camera_id]
            if camera.link in served:
                continue
            missed = Visit(
                round=self._job.round, camera=camera_id, outcome=VisitOutcome.MISSED,
                started_at=now, finished_at=now, tries=0, seen=no_worker_reason(camera.link),
            )  # fmt: skip
            (recorded,) = self._deps.record([JudgedVisit(visit=missed)])
            self._pending.discard(camera_id)
            self.counters.add(recorded)

    # -- progress -------------------------------------------------------------------------------

    async def _report_loop(self) -> None:
        while True:
            self._report_progress()
            await asyncio.sleep(PROGRESS_EVERY_S)

    def _report_progress(self) -> None:
        if self._on_progress is None:
            return
        self._on_progress(
            round_progress(
                self._job, self.counters, self._throughput, self._under_way, self._deps.clock
            )
        )

    def _finish(self, stop_reason: StopReason, reason: str) -> None:
        """End the execution; the first reason given is kept."""
        if self._stop_reason is None:
            self._stop_reason, self.reason = stop_reason, reason
        self._changed.set()


def _cover_again_in_s(pending: int) -> float:
    return COVER_EVERY_S * max(1.0, pending / COVER_CAMERAS)


def no_worker_reason(link: LinkId) -> str:
    """Why a camera was missed that no worker could reach; pages translate it by its beginning."""
    return f"no worker reaches link {link}"


def unserved_links(cameras: Iterable[Camera], served: frozenset[LinkId]) -> list[LinkId]:
    """The links of these cameras that no living worker serves, in order."""
    return sorted({camera.link for camera in cameras} - served)


def _cameras_of(live: Iterable[LiveShard]) -> frozenset[CameraId]:
    return frozenset(camera for one in live for camera in one.shard.cameras)
