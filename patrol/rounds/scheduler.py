"""Keep the timetable of rounds: every few seconds, do what is due for each plan of the day.

Once a day it also records the rounds that never ran because nothing was running: every round of
every day since the last one in the store is missed, with the reason, so no day is simply absent.
The service calls `run_due`; what is due is decided in planner.py.
"""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import structlog

from patrol.domain.round import ADHOC, PatrolPlan, Round, RoundState
from patrol.domain.schedule import Calendar, pause_at
from patrol.files import ProcessBusy
from patrol.logs import LastReason
from patrol.ports import Clock
from patrol.rounds.planner import (
    NOT_IN_WINDOW,
    DueAction,
    RoundWindow,
    SunTimes,
    due_round,
    unrun_rounds,
    window_of,
)
from patrol.rounds.progress import RoundProgress
from patrol.rounds.runner import RoundRunner
from patrol.store import Store

log = structlog.get_logger(__name__)

MISSED_REASON = "the patrol was not running in its window"
RETRY_WHILE_BUSY = timedelta(seconds=15)  # another process runs a round, or rounds are paused
RETRY_AFTER_TROUBLE = timedelta(minutes=1)  # after an interrupted round, for instance a full disk


@dataclass(slots=True, kw_only=True)
class RoundScheduler:
    """Runs each plan's round when it is due, under the round lock, so that no two overlap."""

    calendar: Calendar
    zone: ZoneInfo
    sun: SunTimes
    clock: Clock
    store: Store
    runner: RoundRunner
    stop: threading.Event
    round_lock: Callable[[], AbstractContextManager[None]]  # raises ProcessBusy
    on_progress: Callable[[RoundProgress], None] | None = None
    _paused_until: datetime | None = None
    _caught_up_on: date | None = None
    _waiting_reason: LastReason = field(default_factory=LastReason)

    def run_due(self) -> None:
        """Do what is due for each plan of the day; a round that is due runs to its end. Blocks."""
        if self._is_paused():
            return
        day = self._local_day(self.clock.now())
        if self._caught_up_on != day:
            self._record_missed_days(day)
        for plan in self.calendar.plans_on(day).values():
            if self.stop.is_set() or self._is_paused():
                return
            self._handle_plan(plan, day)

    def _is_paused(self) -> bool:
        return self._paused_until is not None and self.clock.now() < self._paused_until

    def _handle_plan(self, plan: PatrolPlan, day: date) -> None:
        window = window_of(plan, day, self.zone, self.sun)
        due = due_round(window, self._of_window(plan, window), self.clock.now())
        if due is DueAction.MISSED:
            reason = self._missed_reason(window.finish_by, MISSED_REASON)
            self.runner.record_missed(plan.name, window.finish_by, reason)
            log.warning("round missed", plan=plan.name, why=reason)
        elif due is DueAction.CLOSE_UNFINISHED:
            self.runner.close_unfinished(
                plan.name, self._missed_reason(window.finish_by, NOT_IN_WINDOW)
            )
        elif due in (DueAction.START, DueAction.START_LATE, DueAction.RESUME):
            self._run_round(plan, window, due)

    def _run_round(self, plan: PatrolPlan, window: RoundWindow, due: DueAction) -> None:
        try:
            with self.round_lock():
                ended = self._run_under_lock(plan, window, due)
        except ProcessBusy as exc:
            if self._waiting_reason.changes_to(str(exc)):
                log.info("round waits", plan=plan.name, why=str(exc))
            self._paused_until = self.clock.now() + RETRY_WHILE_BUSY
            return
        self._waiting_reason.changes_to("")
        if ended.state is RoundState.INTERRUPTED:
            self._paused_until = self.clock.now() + RETRY_AFTER_TROUBLE
        log.info("round ends", round=ended.id, state=str(ended.state), why=ended.reason)

    def _run_under_lock(self, plan: PatrolPlan, window: RoundWindow, due: DueAction) -> Round:
        begun = self.runner.begin_round(plan.name, window.finish_by)
        log.info("round begins", round=begun.id, why=str(due))
        return self.runner.run(begun, on_progress=self.on_progress, stop=self.stop)

    def _of_window(self, plan: PatrolPlan, window: RoundWindow) -> Round | None:
        """The plan's round of this window; one that a person ran before it does not count."""
        with self.store.begin_read() as uow:
            rounds = uow.rounds.of_plan(plan.name, limit=10)
        day = self._local_day(window.start)
        of_today = (known for known in rounds if known.day == day)
        return next((r for r in of_today if r.planned_at >= window.start or r.is_open), None)

    def _record_missed_days(self, today: date) -> None:
        """Close what an earlier day left open, record the rounds that never ran."""
        plans = self.calendar.all_plans
        with self.store.begin_read() as uow:
            left_open = [uow.rounds.unfinished(plan) for plan in (*plans, ADHOC)]
            newest = [known for plan in plans for known in uow.rounds.of_plan(plan, limit=1)]
            last = max((known.day for known in newest), default=today)
            of_days = uow.rounds.of_days(last, today)
        for unfinished in left_open:
            if unfinished is not None and unfinished.day < today:
                reason = self._missed_reason(unfinished.finish_by, NOT_IN_WINDOW)
                self.runner.close_unfinished(unfinished.plan, reason)
        known = {(a_round.plan, a_round.day) for a_round in of_days}
        run_before = frozenset(a_round.plan for a_round in newest)
        unrun = unrun_rounds(self.calendar, known, run_before, last=last, today=today)
        for day, plan, default_reason in unrun:
            if self.stop.is_set():
                return  # the rest at the next start
            window = window_of(plan, day, self.zone, self.sun)
            reason = self._missed_reason(window.finish_by, default_reason)
            self.runner.record_missed_day(plan.name, day, window, reason)
            log.warning("round missed", plan=plan.name, day=str(day), why=reason)
        self._caught_up_on = today

    def _missed_reason(self, at: datetime, default_reason: str) -> str:
        """The pause that was in force when the window ended, or the default."""
        with self.store.begin_read() as uow:
            pause = pause_at(uow.stoppages.list(), at)
        return default_reason if pause is None else pause.description

    def _local_day(self, at: datetime) -> date:
        return at.astimezone(self.zone).date()
