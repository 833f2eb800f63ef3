"""Run a round: begin it or take it up, execute its visits, close it, sum it up.

The store is the round's memory: planned visits are written before the first connection, each visit
in a transaction of its own, and whatever is still pending after a kill is visited by the next run.
Called by the scheduler for plans that are due and by `patrol round` for what a person asks for; the
caller holds the round lock.
"""

import asyncio
import os
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import partial
from zoneinfo import ZoneInfo

import structlog

from patrol.allocator import give_back_freed_memory
from patrol.domain.camera import Camera
from patrol.domain.ids import CameraId, ServerId
from patrol.domain.outbox import OutboxMessage
from patrol.domain.registry import GridTree
from patrol.domain.round import ADHOC, PlannedVisit, Round, RoundEvent, RoundState
from patrol.domain.sampling import SamplingPolicy
from patrol.domain.schedule import Calendar
from patrol.domain.wall_clock import LONGEST_STEP
from patrol.messaging.payloads import PayloadBuilder
from patrol.ports import CameraClient, Clock
from patrol.review.blind_sample import BlindSample
from patrol.rounds.adhoc import AdhocSelection
from patrol.rounds.executor import (
    ExecutorJob,
    ExecutorServices,
    JudgingStart,
    NewExecution,
    RoundExecution,
    RoundExecutor,
    StopReason,
)
from patrol.rounds.guarded_visit import ConsentGate, ConsentGuard
from patrol.rounds.limiter import ConnectionLimits, SharedLinkSlots
from patrol.rounds.outages import record_round_health
from patrol.rounds.planner import (
    MISDATED,
    NOT_IN_WINDOW,
    RoundPlanner,
    RoundRequest,
    RoundWindow,
    close_round,
    mark_misdated_rounds,
    missed_visit_of_removed_camera,
    retract_missed_rounds,
)
from patrol.rounds.progress import (
    RecordedVisit,
    ResourceMeter,
    RoundCounters,
    RoundProgress,
    add_round_cost,
    progress_payload,
    round_summary,
)
from patrol.rounds.recorder import RecorderPolicy, record_visit, settle_deliveries
from patrol.rounds.stream_limits import StreamLimits
from patrol.rounds.visit_judge import (
    MAX_JUDGINGS,
    EvidenceMissing,
    JudgedVisit,
    VisitStart,
    failed_visit,
    unjudgeable_visit,
)
from patrol.rounds.weather import propose_shared_findings
from patrol.stage_cost import STAGE_COSTS, Stage
from patrol.store import Store, UnitOfWork
from streams.model import Sample, VisitOptions

log = structlog.get_logger(__name__)

STOP_POLL_S = 0.1  # Ctrl-C takes effect at once, and polling costs nothing at this pace
PROGRESS_MESSAGES_PER_ROUND = 10  # progress messages on MQTT, beside the first and the last


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerServices:
    """The services, policies and limits of all rounds of a site."""

    store: Store
    clock: Clock
    zone: ZoneInfo
    cameras: Callable[[], Mapping[CameraId, Camera]]  # the registry as it stands now
    refresh_cameras: Callable[[], None]  # reads the registry again if its files changed
    client: CameraClient
    judge: Callable[[Camera, VisitStart, Sample], JudgedVisit]  # see VisitJudge
    add_evidence: Callable[[Camera, JudgedVisit, Sample | EvidenceMissing], JudgedVisit]
    policy: RecorderPolicy
    payloads: PayloadBuilder
    tree: GridTree
    limits: ConnectionLimits
    options: VisitOptions
    sampling: SamplingPolicy
    rng: random.Random
    calendar: Calendar = field(default_factory=Calendar)
    link_slots: SharedLinkSlots | None = None
    blind_sample: BlindSample | None = None  # None: nothing is drawn
    clock_unconfirmed: Callable[[], bool] = lambda: False  # then no time runs out
    without: tuple[str, ...] = ()  # what the rounds lack, and why: stands in their summary
    agreed_streams: Mapping[ServerId, int] = field(default_factory=dict)  # of sources.yaml
    cores: int = os.cpu_count() or 1
    new_execution: NewExecution | None = None  # of a cluster; None: this process makes the visits


class RoundRunner:
    """Begins, executes and ends rounds. One at a time: the caller holds the round lock."""

    def __init__(self, deps: RunnerServices) -> None:
        self._deps = deps
        self._planner = RoundPlanner(
            cameras=deps.cameras,
            tree=deps.tree,
            calendar=deps.calendar,
            rng=deps.rng,
            zone=deps.zone,
        )
        self._consent_gate = ConsentGate(
            store=deps.store,
            clock=deps.clock,
            zone=deps.zone,
            cameras=deps.cameras,
            refresh_cameras=deps.refresh_cameras,
        )

    def begin_round(
        self,
        plan: str,
        finish_by: datetime,
        *,
        at_any_hour: bool = False,
        may_be_empty: bool = True,
        adhoc: AdhocSelection | None = None,
    ) -> Round:
        """Take up the plan's unfinished round of today, or plan a new one.

        Raises RoundsPaused; NothingToVisit unless a round without cameras `may_be_empty`.
        """
        plain = self._request(plan, finish_by)
        request = replace(plain, adhoc=adhoc, may_be_empty=may_be_empty)
        with self._deps.store.begin() as uow:
            begun = self._planner.begin_round(uow, request, at_any_hour=at_any_hour)
            uow.commit()
            return begun

    def record_missed(self, plan: str, finish_by: datetime, reason: str) -> Round:
        """Record a round of today that never ran (misfire), with the reason."""
        return self._record_missed(self._request(plan, finish_by), reason)

    def record_missed_day(self, plan: str, day: date, window: RoundWindow, reason: str) -> Round:
        """Record a round of an earlier day that never ran, planned as it would have been then."""
        today = self._request(plan, window.finish_by)
        return self._record_missed(replace(today, day=day, now=window.start), reason)

    def close_unfinished(self, plan: str, reason: str = NOT_IN_WINDOW) -> None:
        """Close the plan's unfinished round, if any: what is pending is missed, with the reason."""
        with self._deps.store.begin() as uow:
            unfinished = uow.rounds.unfinished(plan)
            if unfinished is not None:
                now = self._deps.clock.now()
                self._close(uow, unfinished, reason, now)
                uow.commit()

    def retract_missed(self, now: datetime) -> Sequence[Round]:
        """Take back the rounds recorded as missed whose time is not over at `now`; those."""
        with self._deps.store.begin() as uow:
            retracted = retract_missed_rounds(uow, now)
            if retracted:
                uow.commit()
            return retracted

    def mark_misdated(self, after: datetime) -> Sequence[Round]:
        """Mark the rounds that a clock which was ahead began after that moment; those."""
        with self._deps.store.begin() as uow:
            misdated = mark_misdated_rounds(uow, after, self._deps.clock.now())
            if misdated:
                uow.commit()
        for one in misdated:
            log.warning("a round is misdated", round=one.id, why=MISDATED)
        return misdated

    def _record_missed(self, request: RoundRequest, reason: str) -> Round:
        with self._deps.store.begin() as uow:
            missed = self._planner.record_missed_round(uow, request, reason, self._deps.clock.now())
            uow.commit()
            return missed

    def run(
        self,
        a_round: Round,
        *,
        on_progress: Callable[[RoundProgress], None] | None = None,
        stop: threading.Event | None = None,
    ) -> Round:
        """Make the pending visits of the round, to its end or until `stop`; blocks."""
        try:
            return asyncio.run(self._run(a_round, on_progress, stop or threading.Event()))
        finally:
            self._deps.store.close_idle()  # with their page caches, some MB each
            give_back_freed_memory()

    def summary(self, a_round: Round) -> dict[str, object]:
        """The document of `patrol round --json`, from the store."""
        with self._deps.store.begin_read() as uow:
            return round_summary(uow, a_round, self._deps.clock.now(), self._deps.without)

    async def _run(
        self,
        a_round: Round,
        on_progress: Callable[[RoundProgress], None] | None,
        stop: threading.Event,
    ) -> Round:
        meter = ResourceMeter()
        started, visits, counters = self._start(a_round)
        with ExitStack() as stack:
            judges = stack.enter_context(
                ThreadPoolExecutor(self._deps.cores, thread_name_prefix="judge")
            )
            writer = stack.enter_context(ThreadPoolExecutor(1, thread_name_prefix="writer"))
            job = self._executor_job(started, visits)
            deps = self._executor_deps(started, judges, writer, _RunCounts(counters, meter))
            executor = self._new_execution(job, deps, on_progress, counters)
            stop_watcher = asyncio.create_task(
                self._stop_when(stop, executor, started.planned_at - LONGEST_STEP),
                name="watch for stop",
            )
            try:
                end = await executor.run()
            finally:
                stop_watcher.cancel()
                await asyncio.to_thread(self._record_cost, job, meter)
        return self._end(started, end, executor.reason)

    def _start(self, a_round: Round) -> tuple[Round, Sequence[PlannedVisit], RoundCounters]:
        self._consent_gate.refresh()
        now, cameras = self._deps.clock.now(), self._deps.cameras()
        with self._deps.store.begin() as uow:
            started = uow.rounds.get(a_round.id).apply_event(RoundEvent.START, at=now)
            uow.rounds.put(started)
            pending = uow.rounds.pending(started.id)
            for gone in (visit for visit in pending if visit.camera not in cameras):
                uow.rounds.record_visit(missed_visit_of_removed_camera(gone, now))
            totals = uow.rounds.totals(started.id)
            left = [visit for visit in pending if visit.camera in cameras]
            if self._deps.new_execution is None:  # a cluster's workers judge on, and say it
                for fatal in (visit for visit in left if visit.judgings >= MAX_JUDGINGS):
                    uow.rounds.record_visit(unjudgeable_visit(fatal, now))
                left = [visit for visit in left if visit.judgings < MAX_JUDGINGS]
            to_visit = [visit.camera for visit in left]
            if sampler := self._blind_sample(started):
                sampler.begin_round(uow, to_visit, now)
            uow.outbox.add(
                self._progress_message(started, progress_payload(started, totals), "start", now)
            )
            uow.commit()
        return started, left, RoundCounters.from_totals(totals)

    def _executor_job(self, a_round: Round, visits: Sequence[PlannedVisit]) -> ExecutorJob:
        return ExecutorJob(
            round=a_round.id,
            plan=a_round.plan,
            planned=a_round.planned,
            visits=visits,
            cameras=self._deps.cameras(),
            finish_by=a_round.finish_by,
            limits=self._deps.limits,
            options=self._deps.options,
            sampling=self._deps.sampling,
            link_slots=self._deps.link_slots,
            stream_limits=self._stream_limits(),
        )

    def _new_execution(
        self,
        job: ExecutorJob,
        deps: ExecutorServices,
        on_progress: Callable[[RoundProgress], None] | None,
        counters: RoundCounters,
    ) -> RoundExecution:
        if self._deps.new_execution is not None:
            return self._deps.new_execution(job, deps, on_progress, counters)
        return RoundExecutor(job, deps, on_progress=on_progress, counters=counters)

    def _executor_deps(
        self,
        a_round: Round,
        judges: ThreadPoolExecutor,
        writer: ThreadPoolExecutor,
        totals: "_RunCounts",
    ) -> ExecutorServices:
        return ExecutorServices(
            clock=self._deps.clock,
            guard=ConsentGuard(
                self._consent_gate, self._deps.client, self._deps.sampling, executor=writer
            ),
            judge=self._deps.judge,
            add_evidence=self._deps.add_evidence,
            fail=lambda camera, start, why: failed_visit(
                camera, start, why, self._deps.clock.now()
            ),
            record=partial(self._record_visits, a_round, totals),
            begin_judging=self._begin_judging,
            judges=judges,
            writer=writer,
            rng=self._deps.rng,
        )

    def _record_visits(
        self, a_round: Round, totals: "_RunCounts", group: Sequence[JudgedVisit]
    ) -> Sequence[RecordedVisit]:
        """Write judged visits in one transaction; a tenth of the round on, its progress too."""
        now, cameras = self._deps.clock.now(), self._deps.cameras()
        of_visits = [cameras[visited.visit.camera] for visited in group]
        sampler, policy = self._blind_sample(a_round), self._deps.policy
        hints = [
            sampler.hint_box(visited.visit, camera) if sampler else None
            for visited, camera in zip(group, of_visits, strict=True)
        ]
        recorded: list[RecordedVisit] = []
        with STAGE_COSTS.measure(Stage.WRITING), self._deps.store.begin() as uow:
            for visited, camera, hint_box in zip(group, of_visits, hints, strict=True):
                recorded.append(record_visit(uow, visited, camera=camera, now=now, policy=policy))
                if sampler:
                    sampler.record_visit(uow, visited.visit, camera, hint_box)
            settle_deliveries(uow, a_round.id, zip(group, recorded, strict=True))
            every = max(1, a_round.planned // PROGRESS_MESSAGES_PER_ROUND)
            before = totals.counters.done
            if (done := before + len(group)) // every > before // every:
                add_round_cost(uow, a_round, totals.meter)  # a kill loses a tenth of it at most
                payload = progress_payload(a_round, uow.rounds.totals(a_round.id))
                uow.outbox.add(self._progress_message(a_round, payload, str(done), now))
            uow.commit()
        return recorded

    def _begin_judging(self, starts: Sequence[JudgingStart]) -> Sequence[None]:
        with STAGE_COSTS.measure(Stage.WRITING), self._deps.store.begin() as uow:
            for round_id, camera in starts:
                uow.rounds.begin_judging(round_id, camera)
            uow.commit()
        return [None] * len(starts)

    def _record_cost(self, job: ExecutorJob, meter: ResourceMeter) -> None:
        """What the run used, and what it learned of the recorders' stream limits."""
        with self._deps.store.begin() as uow:
            add_round_cost(uow, uow.rounds.get(job.round), meter)
            uow.rounds.save_stream_limits(job.stream_limits.learned(), self._deps.clock.now())
            uow.commit()

    def _stream_limits(self) -> StreamLimits:
        with self._deps.store.begin_read() as uow:
            return StreamLimits.of(uow.rounds.stream_limits(), self._deps.agreed_streams)

    def _blind_sample(self, a_round: Round) -> BlindSample | None:
        """The blind sample of a plan's round; an ad-hoc round is about something, and has none."""
        return None if a_round.plan == ADHOC else self._deps.blind_sample

    def _end(self, a_round: Round, stop_reason: StopReason, reason: str) -> Round:
        now = self._deps.clock.now()
        with self._deps.store.begin() as uow:
            stored = uow.rounds.get(a_round.id)
            may_close = stop_reason is StopReason.COMPLETE or not self._deps.clock_unconfirmed()
            if stop_reason in (StopReason.STOPPED, StopReason.FULL) or not may_close:
                ended = stored.apply_event(RoundEvent.INTERRUPT, at=now, reason=reason)
                uow.rounds.put(ended)
                uow.rounds.forget_judgings(a_round.id)
            else:
                ended = self._close(uow, stored, reason, now)
            payload = round_summary(uow, ended, now, self._deps.without)
            uow.outbox.add(self._progress_message(ended, payload, f"end-{now:%H%M%S%f}", now))
            uow.commit()
        return ended

    def _close(self, uow: UnitOfWork, a_round: Round, reason: str, now: datetime) -> Round:
        """End the round: one finding for what many cameras show, one notice for an outage."""
        cameras, policy, tree = self._deps.cameras(), self._deps.policy, self._deps.tree
        ended = close_round(uow, a_round, reason=reason, now=now)
        propose_shared_findings(uow, ended, cameras, tree, policy=policy, now=now)
        record_round_health(uow, ended.id, cameras, tree, notifier=policy.health, now=now)
        sampler = self._blind_sample(ended)
        if sampler and ended.state is RoundState.FINISHED:
            sampler.end_round(uow, ended.id, cameras, now)
        return ended

    def _request(self, plan: str, finish_by: datetime) -> RoundRequest:
        return RoundRequest(
            plan=plan,
            day=self._today(),
            now=self._deps.clock.now(),
            finish_by=finish_by,
        )

    def _progress_message(
        self, a_round: Round, payload: Mapping[str, object], key: str, now: datetime
    ) -> OutboxMessage:
        return self._deps.payloads.round_message(a_round.plan, f"{a_round.id}/{key}", payload, now)

    async def _stop_when(
        self, stop: threading.Event, executor: RoundExecution, earliest: datetime
    ) -> None:
        """Stop when asked to, at a pause, and when the clock went back before `earliest`."""
        while not (reason := self._stop_reason(stop, earliest)):  # noqa: ASYNC110  threads set it
            await asyncio.sleep(STOP_POLL_S)
        executor.stop(reason)

    def _stop_reason(self, stop: threading.Event, earliest: datetime) -> str:
        if pause := self._consent_gate.pause:
            return pause.description
        if self._deps.clock.now() < earliest:
            return MISDATED
        return "stopped" if stop.is_set() else ""

    def _today(self) -> date:
        return self._deps.clock.now().astimezone(self._deps.zone).date()


@dataclass(frozen=True, slots=True)
class _RunCounts:
    """What is added up while a round is executed."""

    counters: RoundCounters
    meter: ResourceMeter
