"""Conduct a round: begin it or take it up, walk it, close its books, sum it up.

The store is the round's memory: planned visits are written before the first connection, each visit
in a transaction of its own, and whatever is still pending after a kill is walked by the next run.
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
from zoneinfo import ZoneInfo

from patrol.domain.calendar import Calendar
from patrol.domain.camera import Camera
from patrol.domain.ids import CameraId
from patrol.domain.message import OutboxMessage
from patrol.domain.round import ADHOC, PlannedVisit, Round, RoundEvent, RoundState
from patrol.ports import Clock, Visitor
from patrol.review.sample import BlindSample
from patrol.rounds.adhoc import Wanted
from patrol.rounds.begin import (
    NOT_IN_WINDOW,
    Occasion,
    begin,
    close,
    left_the_registry,
    write_missed,
)
from patrol.rounds.beside import Beside
from patrol.rounds.consent import ConsentGate
from patrol.rounds.cost import Meter, add_cost
from patrol.rounds.due import Window
from patrol.rounds.grouping import gather
from patrol.rounds.judge import Judged, VisitStart, failed_visit
from patrol.rounds.outages import settle
from patrol.rounds.progress import Recorded, RoundProgress, Tally
from patrol.rounds.record import RecordPolicy, record
from patrol.rounds.seats import Caps
from patrol.rounds.summary import progress_facts, summarise
from patrol.rounds.walk import Walk, WalkDoors, WalkEnd, WalkOrder
from patrol.store import Store, UnitOfWork
from streams.model import Sample, StreamChoice, VisitOptions

STOP_POLL_S = 0.1  # Ctrl-C must be felt at once, and costs nothing at this pace
NEWS_PER_ROUND = 10  # progress messages on MQTT, beside the first and the last


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundHouse:
    """What rounds need of the house; handed in once."""

    store: Store
    clock: Clock
    zone: ZoneInfo
    cameras: Callable[[], Mapping[CameraId, Camera]]  # the registry as it stands now
    refresh_cameras: Callable[[], None]  # looks whether the registry on disk changed
    visitor: Visitor
    judge: Callable[[Camera, VisitStart, Sample], Judged]  # see judge.Judge
    policy: RecordPolicy
    caps: Caps
    options: VisitOptions
    stream: StreamChoice
    rng: random.Random
    calendar: Calendar = field(default_factory=Calendar)
    beside: Beside | None = None
    sampler: BlindSample | None = None  # None: nothing is drawn
    without: tuple[str, ...] = ()  # what the rounds go without, and why: said in their summary
    cores: int = os.cpu_count() or 1


class Conductor:
    """Begins, walks and ends rounds. One at a time: the caller holds the round lock."""

    def __init__(self, house: RoundHouse) -> None:
        self._house = house
        self._gate = ConsentGate(house.store, self._today, lambda ident: house.cameras().get(ident))

    def begin(
        self,
        plan: str,
        finish_by: datetime,
        *,
        at_any_hour: bool = False,
        wanted: Wanted | None = None,
    ) -> Round:
        """Take up the plan's unfinished round of today, or write down a new one. Raises Paused."""
        occasion = replace(self._occasion(plan, finish_by), wanted=wanted)
        with self._house.store.begin() as uow:
            begun = begin(uow, occasion, at_any_hour=at_any_hour)
            uow.commit()
            return begun

    def write_missed(self, plan: str, finish_by: datetime, reason: str) -> Round:
        """A round of today that never ran, with the reason (misfire)."""
        return self._write_missed(self._occasion(plan, finish_by), reason)

    def write_missed_day(self, plan: str, day: date, window: Window, reason: str) -> Round:
        """A round of an earlier day that never ran; planned as it would have been then."""
        today = self._occasion(plan, window.finish_by)
        return self._write_missed(replace(today, day=day, now=window.start), reason)

    def close_unfinished(self, plan: str, reason: str = NOT_IN_WINDOW) -> None:
        """Its time ran out before anyone took it up: what is pending is missed."""
        with self._house.store.begin() as uow:
            unfinished = uow.rounds.unfinished(plan)
            if unfinished is not None:
                now = self._house.clock.now()
                self._close(uow, unfinished, reason, now)
                uow.commit()

    def _write_missed(self, occasion: Occasion, reason: str) -> Round:
        with self._house.store.begin() as uow:
            missed = write_missed(uow, occasion, reason, self._house.clock.now())
            uow.commit()
            return missed

    def conduct(
        self,
        a_round: Round,
        *,
        on_progress: Callable[[RoundProgress], None] | None = None,
        stop: threading.Event | None = None,
    ) -> Round:
        """Walk what is pending of the round, to its end or until `stop`; blocks."""
        return asyncio.run(self._conduct(a_round, on_progress, stop or threading.Event()))

    def summary(self, a_round: Round) -> dict[str, object]:
        """`patrol round --json` (contracts.md), from the books."""
        with self._house.store.begin_read() as uow:
            return summarise(uow, a_round, self._house.clock.now(), self._house.without)

    async def _conduct(
        self,
        a_round: Round,
        on_progress: Callable[[RoundProgress], None] | None,
        stop: threading.Event,
    ) -> Round:
        meter = Meter()
        started, visits, tally = self._start(a_round)
        with ExitStack() as stack:
            judges = stack.enter_context(
                ThreadPoolExecutor(self._house.cores, thread_name_prefix="judge")
            )
            writer = stack.enter_context(ThreadPoolExecutor(1, thread_name_prefix="writer"))
            walk = Walk(
                self._order(started, visits),
                self._doors(started, judges, writer, _Sums(tally, meter)),
                on_progress=on_progress,
                tally=tally,
            )
            watch = asyncio.create_task(self._stop_when(stop, walk), name="watch for stop")
            try:
                end = await walk.run()
            finally:
                watch.cancel()
                await asyncio.to_thread(self._note_cost, started, meter)
        return self._end(started, end, walk.reason)

    def _start(self, a_round: Round) -> tuple[Round, Sequence[PlannedVisit], Tally]:
        self._refresh()
        now, cameras = self._house.clock.now(), self._house.cameras()
        with self._house.store.begin() as uow:
            started = uow.rounds.get(a_round.id).move(RoundEvent.START, at=now)
            uow.rounds.put(started)
            pending = uow.rounds.pending(started.id)
            for gone in (visit for visit in pending if visit.camera not in cameras):
                uow.rounds.record(left_the_registry(gone, now))
            books = uow.rounds.books(started.id)
            walked = [visit.camera for visit in pending if visit.camera in cameras]
            if sampler := self._sampler(started):
                sampler.begin(uow, walked, now)
            uow.outbox.add(self._news(started, progress_facts(started, books), "start", now))
            uow.commit()
        left = [visit for visit in pending if visit.camera in cameras]
        return started, left, Tally.of(books)

    def _order(self, a_round: Round, visits: Sequence[PlannedVisit]) -> WalkOrder:
        return WalkOrder(
            round=a_round.id,
            plan=a_round.plan,
            planned=a_round.planned,
            visits=visits,
            cameras=self._house.cameras(),
            finish_by=a_round.finish_by,
            caps=self._house.caps,
            options=self._house.options,
            stream=self._house.stream,
            beside=self._house.beside,
        )

    def _doors(
        self, a_round: Round, judges: ThreadPoolExecutor, writer: ThreadPoolExecutor, sums: "_Sums"
    ) -> WalkDoors:
        every, sampler = max(1, a_round.planned // NEWS_PER_ROUND), self._sampler(a_round)

        def record_one(judged: Judged) -> Recorded:
            now = self._house.clock.now()
            camera = self._house.cameras()[judged.visit.camera]
            look_at = sampler.point(judged.visit, camera) if sampler else None
            with self._house.store.begin() as uow:
                recorded = record(uow, judged, camera=camera, now=now, policy=self._house.policy)
                if sampler:
                    sampler.record(uow, judged.visit, camera, look_at)
                if (done := sums.tally.done + 1) % every == 0:
                    add_cost(uow, a_round, sums.meter)  # a kill loses a tenth of it at most
                    facts = progress_facts(a_round, uow.rounds.books(a_round.id))
                    uow.outbox.add(self._news(a_round, facts, str(done), now))
                uow.commit()
            return recorded

        return WalkDoors(
            clock=self._house.clock,
            visitor=self._house.visitor,
            judge=self._house.judge,
            fail=lambda camera, start, why: failed_visit(
                camera, start, why, self._house.clock.now()
            ),
            record=record_one,
            why_refused=self._gate.why_refused,
            refresh_consent=self._refresh,
            judges=judges,
            writer=writer,
            rng=self._house.rng,
        )

    def _note_cost(self, a_round: Round, meter: Meter) -> None:
        with self._house.store.begin() as uow:
            add_cost(uow, a_round, meter)
            uow.commit()

    def _sampler(self, a_round: Round) -> BlindSample | None:
        """What somebody asked for is about something; only the plans' rounds draw."""
        return None if a_round.plan == ADHOC else self._house.sampler

    def _end(self, a_round: Round, end: WalkEnd, reason: str) -> Round:
        now = self._house.clock.now()
        with self._house.store.begin() as uow:
            stored = uow.rounds.get(a_round.id)
            if end in (WalkEnd.STOPPED, WalkEnd.FULL):
                ended = stored.move(RoundEvent.INTERRUPT, at=now, reason=reason)
                uow.rounds.put(ended)
            else:
                ended = self._close(uow, stored, reason, now)
            facts = summarise(uow, ended, now, self._house.without)
            uow.outbox.add(self._news(ended, facts, f"end-{now:%H%M%S%f}", now))
            uow.commit()
        return ended

    def _close(self, uow: UnitOfWork, a_round: Round, reason: str, now: datetime) -> Round:
        """Close its books: what many cameras showed is one lead, what one link lost one notice."""
        cameras, policy = self._house.cameras(), self._house.policy
        ended = close(uow, a_round, reason=reason, now=now)
        gather(uow, ended, cameras, policy, now)
        settle(uow, ended.id, cameras, policy.health, now)
        sampler = self._sampler(ended)
        if sampler and ended.state is RoundState.FINISHED:
            sampler.end(uow, ended.id, cameras, now)
        return ended

    def _occasion(self, plan: str, finish_by: datetime) -> Occasion:
        return Occasion(
            plan=plan,
            day=self._today(),
            now=self._house.clock.now(),
            finish_by=finish_by,
            cameras=self._house.cameras(),
            rng=self._house.rng,
            calendar=self._house.calendar,
            tree=self._house.policy.health.tree,
        )

    def _news(
        self, a_round: Round, facts: Mapping[str, object], key: str, now: datetime
    ) -> OutboxMessage:
        return self._house.policy.health.announcer.round(
            a_round.plan, f"{a_round.id}/{key}", facts, now
        )

    def _refresh(self) -> None:
        self._house.refresh_cameras()
        self._gate.refresh(self._house.clock.now())

    async def _stop_when(self, stop: threading.Event, walk: Walk) -> None:
        while not stop.is_set() and self._gate.pause is None:  # noqa: ASYNC110  threads set these
            await asyncio.sleep(STOP_POLL_S)
        walk.stop(self._gate.pause.words if self._gate.pause else "stopped")

    def _today(self) -> date:
        return self._house.clock.now().astimezone(self._house.zone).date()


@dataclass(frozen=True, slots=True)
class _Sums:
    """What is added up while a round is walked."""

    tally: Tally
    meter: Meter
