"""A worker: visits and judges the shards of its links, delivers results, tells that it lives.

It reads which visits are pending and what households and the centre said (consent, pauses), writes
results and its own row, and nothing else: its database role can do no more (grants.py). Pictures go
to the exchange before the result that names them. It visits under the same caps and through the
same executor, consent guard and judge as a round of one process. Times are the database's: a wrong
clock of its machine dates nothing, and is told.
"""

import asyncio
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

import structlog

from patrol.cluster.exchange import ExchangeRefused, Folder, visit_owner
from patrol.cluster.queue import ShardInterrupted, ShardWorker
from patrol.cluster.results import result_of, result_to_data
from patrol.cluster.shards import NotAShard, Shard
from patrol.cluster.worker_services import WorkerServices
from patrol.domain.camera import Camera
from patrol.domain.errors import Failed
from patrol.domain.ids import CameraId, LinkId, RoundId
from patrol.domain.round import PlannedVisit, Visit, VisitOutcome
from patrol.logs import LastReason
from patrol.rounds.executor import (
    ExecutorJob,
    ExecutorServices,
    JudgingStart,
    RoundExecutor,
    StopReason,
    VisitWrites,
)
from patrol.rounds.progress import RecordedVisit
from patrol.rounds.visit_judge import (
    MAX_JUDGINGS,
    EvidenceMissing,
    JudgedVisit,
    VisitStart,
    failed_visit,
    unjudgeable_visit,
)
from patrol.store import Store, StoreFull, StoreUnavailable
from streams.model import Sample

log = structlog.get_logger(__name__)

BEAT_EVERY_S: Final = 5.0
SKEW_REPORTED_S: Final = 5.0  # of its machine's clock against the database's
STOP_POLL_S: Final = 0.25
WRITES_WINDOW_S: Final = 0.5  # visits of all shards that end within it are one transaction
SAME_NAME_WAIT_S: Final = 2 * BEAT_EVERY_S + 1.0  # whether another of this name still beats


class WorkerRefused(Failed):
    """This worker may not work here; the text says why and what to do."""


@dataclass(slots=True)
class Worker:
    """Works until it is told to stop; `run` blocks."""

    services: WorkerServices
    _running: set[RoundExecutor] = field(default_factory=set)
    _shards: int = 0
    _is_draining: bool = False
    _last_note: LastReason = field(default_factory=LastReason)
    _note: str = ""
    _replaced: bool = False
    _writes: VisitWrites | None = None  # of the running event loop

    def run(self, stop: threading.Event, *, ready: Callable[[], None] = lambda: None) -> None:
        """Serve the links until `stop`, then drain. Raises WorkerRefused, StoreUnavailable."""
        refuse_wrong_site(self.services.store, self.services.record.site)
        self._register(stop)
        if stop.is_set():
            return
        ready()
        asyncio.run(self._run(stop))
        if self._replaced:
            name = self.services.record.name
            raise WorkerRefused(f"another worker took the name {name!r}; give --name another")

    def _register(self, stop: threading.Event) -> None:
        """Take the name, unless another that lives has it. Raises WorkerRefused."""
        services = self.services
        with services.store.begin_read() as uow:
            known = uow.cluster.worker(services.record.name)
        if known is not None and known.lives:
            stop.wait(SAME_NAME_WAIT_S)
            with services.store.begin_read() as uow:
                known = uow.cluster.worker(services.record.name)
            if known is not None and known.lives and known.silent_s < SAME_NAME_WAIT_S - 1.0:
                raise WorkerRefused(
                    f"a worker named {known.name!r} works already, on {known.host};"
                    " give --name another name"
                )
        with services.store.begin() as uow:
            uow.cluster.register(services.record)
            uow.commit()
        self._beat()

    async def _run(self, stop: threading.Event) -> None:
        services, record = self.services, self.services.record
        self._writes = None
        queue = ShardWorker(
            services.database, site=record.site, links=record.links, slots=record.slots,
            name=record.name, handle=self.handle,
        )  # fmt: skip
        working = asyncio.create_task(queue.run(), name="fetch shards")
        beating = asyncio.create_task(self._beat_forever(), name="tell that it lives")
        try:
            while not (stop.is_set() or self._replaced or working.done()):  # noqa: ASYNC110  threads set it
                await asyncio.sleep(STOP_POLL_S)
        finally:
            self._drain()
            working.cancel()
            beating.cancel()
            results = await asyncio.gather(working, beating, return_exceptions=True)
            await services.guard.close()
            await asyncio.to_thread(self._leave)
        for result in results:
            if isinstance(result, Exception):
                raise result

    def _drain(self) -> None:
        """Begin no further visit: those under way are recorded, the rest goes back."""
        self._is_draining = True
        for execution in self._running:
            execution.stop("draining")

    # -- one shard ------------------------------------------------------------------------------

    async def handle(self, shard: Shard) -> None:
        """Visit the shard's pending cameras; deliver each. Raises ShardInterrupted, NotAShard."""
        if shard.site != self.services.record.site:
            raise NotAShard(f"it is of site {shard.site!r}")
        if self.services.clock.now() >= shard.finish_by:
            return
        if self._is_draining:
            raise ShardInterrupted("draining")
        self._shards += 1
        self.services.references.hold(shard)
        try:
            await self._visit_pending(shard)
        except (StoreUnavailable, StoreFull, ExchangeRefused) as exc:
            self._note_problem(str(exc))
            raise ShardInterrupted(str(exc)) from exc
        finally:
            self._shards -= 1
            self.services.references.drop(shard)

    async def _visit_pending(self, shard: Shard) -> None:
        await self.services.guard.ensure()
        visits = await self._in_writer(self._pending_visits, shard)
        execution = self._execution(shard, visits)
        self._running.add(execution)
        try:
            ended = await execution.run()
        finally:
            self._running.discard(execution)
        if ended in (StopReason.STOPPED, StopReason.FULL):
            await self._in_writer(self._forget_judgings, shard)
            if ended is StopReason.FULL:
                self._note_problem(execution.reason)
            raise ShardInterrupted(execution.reason)
        self._note_problem("")

    def _execution(self, shard: Shard, visits: Sequence[PlannedVisit]) -> RoundExecutor:
        services = self.services
        job = ExecutorJob(
            round=shard.round,
            plan=shard.plan,
            planned=len(visits),
            visits=visits,
            cameras=services.cameras(),
            finish_by=shard.finish_by,
            limits=services.limits,
            options=services.options,
            sampling=services.sampling,
            stream_limits=services.stream_limits,
        )
        deps = ExecutorServices(
            clock=services.clock,
            guard=services.guard,
            judge=self._judge,
            add_evidence=self._add_evidence,
            fail=lambda camera, start, why: failed_visit(camera, start, why, services.clock.now()),
            record=self._deliver,
            begin_judging=self._begin_judging,
            judges=services.judges,
            writer=services.writer,
            rng=services.rng,
            shared_writes=self._shared_writes(),
        )
        return RoundExecutor(job, deps)

    def _shared_writes(self) -> VisitWrites:
        """One for all shards, of which each alone would bring a visit at a time."""
        if self._writes is None:
            self._writes = VisitWrites(
                self._deliver, self._begin_judging, self.services.writer,
                visits_under_way=lambda: sum(one.visits_under_way() for one in self._running),
                window_s=WRITES_WINDOW_S,
            )  # fmt: skip
        return self._writes

    # -- in a judging thread --------------------------------------------------------------------

    def _judge(self, camera: Camera, start: VisitStart, sample: Sample) -> JudgedVisit:
        with self.services.pictures.of_visit(start.round, camera.id):
            return self.services.judge(camera, start, sample)

    def _add_evidence(
        self, camera: Camera, visited: JudgedVisit, fetched: Sample | EvidenceMissing
    ) -> JudgedVisit:
        with self.services.pictures.of_visit(visited.visit.round, camera.id):
            return self.services.add_evidence(camera, visited, fetched)

    # -- in the writer's thread -----------------------------------------------------------------

    def _pending_visits(self, shard: Shard) -> list[PlannedVisit]:
        """What is left of the shard; what cannot be visited from here is delivered as such."""
        services, known = self.services, self.services.cameras()
        with services.store.begin_read() as uow:
            left = uow.cluster.undelivered(shard.round, shard.cameras)
        now = services.clock.now()
        strangers = [visit for visit in left if visit.camera not in known]
        fatal = [
            visit for visit in left if visit.camera in known and visit.judgings >= MAX_JUDGINGS
        ]
        why = f"worker {services.record.name} does not have this camera in its cameras.csv"
        self._deliver(
            [
                *(JudgedVisit(visit=_missed(visit, why, now)) for visit in strangers),
                *(JudgedVisit(visit=unjudgeable_visit(visit, now)) for visit in fatal),
            ]
        )
        done = {visit.camera for visit in (*strangers, *fatal)}
        return [visit for visit in left if visit.camera not in done]

    def _deliver(self, group: Sequence[JudgedVisit]) -> Sequence[RecordedVisit]:
        """Hand judged visits to the recorder, in one transaction; their pictures are sent."""
        services, rows = self.services, list[tuple[RoundId, CameraId, dict[str, Any]]]()
        for visited in group:
            owner = visit_owner(str(visited.visit.round), visited.visit.camera)
            taught = {
                light: services.exchange.put(Folder.RESULTS, blob, owner)
                for light, blob in visited.memories.items()
            }
            based_on = services.references.versions(visited.visit.camera)
            body = result_to_data(result_of(visited, taught=taught, based_on=based_on))
            visit = visited.visit
            assert visit.round is not None  # noqa: S101  a shard's visits are a round's  # nosec B101
            rows.append((visit.round, visit.camera, body))
        if rows:
            with services.store.begin() as uow:
                uow.cluster.deliver(services.record.name, rows)
                uow.commit()
        return [RecordedVisit(outcome=visited.visit.outcome) for visited in group]

    def _begin_judging(self, starts: Sequence[JudgingStart]) -> Sequence[None]:
        with self.services.store.begin() as uow:
            for round_id, camera in starts:
                uow.rounds.begin_judging(round_id, camera)
            uow.commit()
        return [None] * len(starts)

    def _forget_judgings(self, shard: Shard) -> None:
        with self.services.store.begin() as uow:
            uow.rounds.forget_judgings(shard.round, shard.cameras)
            uow.commit()

    async def _in_writer(
        self, work: Callable[[Shard], object], shard: Shard
    ) -> "list[PlannedVisit]":
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self.services.writer, work, shard)
        return found if isinstance(found, list) else []

    # -- telling that it lives ------------------------------------------------------------------

    async def _beat_forever(self) -> None:
        while True:
            await asyncio.sleep(BEAT_EVERY_S)
            try:
                await asyncio.to_thread(self._beat)
            except (StoreUnavailable, StoreFull) as exc:
                self._note_problem(str(exc))

    def _beat(self) -> None:
        services = self.services
        with services.store.begin() as uow:
            services.clock.set(uow.cluster.database_now())
            skew_s = services.clock.skew_s
            note = self._note or (_skew_note(skew_s) if abs(skew_s) > SKEW_REPORTED_S else "")
            state = replace(services.record, running=self._shards, skew_s=skew_s, note=note)
            self._replaced = not uow.cluster.beat(state)
            uow.commit()

    def _leave(self) -> None:
        try:
            with self.services.store.begin() as uow:
                uow.cluster.leave(self.services.record)
                uow.commit()
        except (StoreUnavailable, StoreFull) as exc:
            log.info("could not say good-bye", reason=str(exc))

    def _note_problem(self, problem: str) -> None:
        """What is wrong, or nothing; logged when it changes, and in the worker's row."""
        self._note = problem
        if self._last_note.changes_to(problem) and problem:
            log.warning("a shard goes back to the queue", reason=problem)


def refuse_wrong_site(store: Store, site: str) -> None:
    """Raise WorkerRefused where the database is another site's, or no cluster's."""
    with store.begin_read() as uow:
        led = [leader.site for leader in uow.cluster.leaders()]
    if not led:
        raise WorkerRefused(
            f"{store.name}: no `patrol run` with `cluster:` has led here yet; start it first"
        )
    if site not in led:
        raise WorkerRefused(
            f"{store.name}: is the database of site {', '.join(led)}, this worker is of {site};"
            " correct `site.id` or `database` in site.yaml"
        )


def unknown_links(wanted: Sequence[str], cameras: Collection[Camera]) -> list[str]:
    """Those of `--links` that no camera of cameras.csv has."""
    there = {camera.link for camera in cameras}
    return [link for link in wanted if LinkId(link) not in there]


def _missed(visit: PlannedVisit, why: str, now: datetime) -> Visit:
    return Visit(
        round=visit.round, camera=visit.camera, outcome=VisitOutcome.MISSED,
        started_at=now, finished_at=now, tries=0, seen=why,
    )  # fmt: skip


def _skew_note(skew_s: float) -> str:
    return f"its machine's clock is {skew_s:+.0f} s off the database's"
