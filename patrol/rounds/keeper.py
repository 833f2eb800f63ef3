"""Keep the rounds: asked by the bell every few seconds, does what is due about each plan.

Once a day it also writes down what nobody could walk because nothing was running: every round of
every day since the last one in the books is missed, with the reason — no day is simply absent.
"""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import structlog

from patrol.domain.calendar import Calendar
from patrol.domain.round import ADHOC, PatrolPlan, Round, RoundState
from patrol.domain.stoppage import pause_at
from patrol.ports import Busy, Clock
from patrol.rounds.begin import NOT_IN_WINDOW
from patrol.rounds.conduct import Conductor
from patrol.rounds.due import Due, SunTimes, Window, absent_rounds, due_round, window_of
from patrol.rounds.progress import RoundProgress
from patrol.store import Store

log = structlog.get_logger(__name__)

MISSED_REASON = "the patrol was not running in its window"


REST_WHILE_BUSY = timedelta(seconds=15)  # a round walked by hand ends by itself, a pause by word
REST_AFTER_TROUBLE = timedelta(minutes=1)  # a full disk is looked at again after this


@dataclass(slots=True, kw_only=True)
class Keeper:
    """Answers the bell. The caller holds the round lock, so no two rounds ever overlap."""

    calendar: Calendar
    zone: ZoneInfo
    sun: SunTimes
    clock: Clock
    store: Store
    conductor: Conductor
    stop: threading.Event
    hold: Callable[[], AbstractContextManager[None]]  # the round lock; raises Busy
    on_progress: Callable[[RoundProgress], None] | None = None
    _rest_until: datetime | None = None
    _caught_up: date | None = None
    _waits: str = ""  # why, as last said

    def ring(self) -> None:
        """Look at every plan of the day; walk the first round that is due to its end."""
        if self._is_resting():
            return
        day = self._local(self.clock.now())
        if self._caught_up != day:
            self._catch_up(day)
        for plan in self.calendar.plans_on(day).values():
            if self.stop.is_set() or self._is_resting():
                return
            self._answer(plan, day)

    def _is_resting(self) -> bool:
        return self._rest_until is not None and self.clock.now() < self._rest_until

    def _answer(self, plan: PatrolPlan, day: date) -> None:
        window = window_of(plan, day, self.zone, self.sun)
        due = due_round(window, self._of_window(plan, window), self.clock.now())
        if due is Due.MISSED:
            why = self._why(window.finish_by, MISSED_REASON)
            self.conductor.write_missed(plan.name, window.finish_by, why)
            log.warning("round missed", plan=plan.name, why=why)
        elif due is Due.CLOSE_UNFINISHED:
            self.conductor.close_unfinished(plan.name, self._why(window.finish_by, NOT_IN_WINDOW))
        elif due in (Due.START, Due.START_LATE, Due.RESUME):
            self._walk(plan, window, due)

    def _walk(self, plan: PatrolPlan, window: Window, due: Due) -> None:
        try:
            with self.hold():
                ended = self._walk_alone(plan, window, due)
        except Busy as exc:
            if self._waits != str(exc):
                log.info("round waits", plan=plan.name, why=str(exc))
            self._waits = str(exc)
            self._rest_until = self.clock.now() + REST_WHILE_BUSY
            return
        self._waits = ""
        if ended.state is RoundState.INTERRUPTED:
            self._rest_until = self.clock.now() + REST_AFTER_TROUBLE
        log.info("round ends", round=ended.id, state=str(ended.state), why=ended.reason)

    def _walk_alone(self, plan: PatrolPlan, window: Window, due: Due) -> Round:
        begun = self.conductor.begin(plan.name, window.finish_by)
        log.info("round begins", round=begun.id, why=str(due))
        return self.conductor.conduct(begun, on_progress=self.on_progress, stop=self.stop)

    def _of_window(self, plan: PatrolPlan, window: Window) -> Round | None:
        """The plan's round of this window; one walked by hand earlier in the day does not count."""
        with self.store.begin_read() as uow:
            rounds = uow.rounds.of_plan(plan.name, limit=10)
        day = self._local(window.start)
        of_today = (known for known in rounds if known.day == day)
        return next((r for r in of_today if r.planned_at >= window.start or r.is_open), None)

    def _catch_up(self, today: date) -> None:
        """Close what an earlier day left open, write down the rounds that never were."""
        plans = self.calendar.all_plans
        with self.store.begin_read() as uow:
            left_open = [uow.rounds.unfinished(plan) for plan in (*plans, ADHOC)]
            newest = [known for plan in plans for known in uow.rounds.of_plan(plan, limit=1)]
            last = max((known.day for known in newest), default=today)
            of_days = uow.rounds.of_days(last, today)
        for unfinished in left_open:
            if unfinished is not None and unfinished.day < today:
                why = self._why(unfinished.finish_by, NOT_IN_WINDOW)
                self.conductor.close_unfinished(unfinished.plan, why)
        known = {(a_round.plan, a_round.day) for a_round in of_days}
        walked_before = frozenset(a_round.plan for a_round in newest)
        absent = absent_rounds(self.calendar, known, walked_before, last=last, today=today)
        for day, plan, otherwise in absent:
            if self.stop.is_set():
                return  # the rest at the next start: what is written is known by then
            window = window_of(plan, day, self.zone, self.sun)
            why = self._why(window.finish_by, otherwise)
            self.conductor.write_missed_day(plan.name, day, window, why)
            log.warning("round missed", plan=plan.name, day=str(day), why=why)
        self._caught_up = today

    def _why(self, at: datetime, otherwise: str) -> str:
        """A pause that was in force when the window ended is the reason."""
        with self.store.begin_read() as uow:
            pause = pause_at(uow.stoppages.list(), at)
        return otherwise if pause is None else pause.words

    def _local(self, at: datetime) -> date:
        return at.astimezone(self.zone).date()
