"""Keep the timetable of rounds: every few seconds, do what is due for each plan of the day.

Once a day it also records the rounds that never ran because nothing was running: every round of
every day since the last one in the store is missed, with the reason, so no day is simply absent.
The service calls `run_due`; what is due is decided in planner.py.

A clock that was ahead may have left rounds in the future. None of them stands in the way: one that
is recorded as missed before its time is over is retracted, with a line in the access log, and runs
when it is due; one that was begun is marked as misdated, and is no round of its day's window. While
the clock is not believed (`holds_history`), nothing is recorded as missed.
"""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import structlog

from patrol.domain.round import ADHOC, PatrolPlan, Round, RoundState
from patrol.domain.schedule import Calendar, pause_at
from patrol.domain.wall_clock import LONGEST_STEP
from patrol.files import ProcessBusy
from patrol.logs import LastReason
from patrol.ports import Clock
from patrol.rounds.planner import (
    NOT_IN_WINDOW,
    RETRACTED,
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
HELD_REASON = "the clock is not believed, nothing is recorded as missed"
RETRY_WHILE_BUSY_S = 15.0  # another process runs a round, or rounds are paused
RETRY_AFTER_TROUBLE_S = 60.0  # after an interrupted round, for instance a full disk


@dataclass(frozen=True, slots=True, kw_only=True)
class _PauseEnd:
    at: datetime
    monotonic_s: float


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
    holds_history: Callable[[], bool] = lambda: False
    # When nothing had been held back for the last time: days since then may lack their records.
    complete_until: Callable[[], datetime | None] = lambda: None
    _paused_until: "_PauseEnd | None" = None
    _last_now: datetime | None = None
    _has_retracted: bool = False
    _completed_from: datetime | None = None
    _caught_up_on: date | None = None
    _waiting_reason: LastReason = field(default_factory=LastReason)
    _held_reason: LastReason = field(default_factory=LastReason)

    def run_due(self) -> None:
        """Do what is due for each plan of the day; a round that is due runs to its end. Blocks."""
        if self._is_paused():
            return
        now = self.clock.now()
        day = self._local_day(now)
        self._put_future_right(now)
        if self._caught_up_on != day and self._may_record():
            self._record_missed_days(day)
        for plan in self.calendar.plans_on(day).values():
            if self.stop.is_set() or self._is_paused():
                return
            self._handle_plan(plan, day)

    def _is_paused(self) -> bool:
        """Until the sooner of the two clocks says that it is over: neither can hold rounds back."""
        until = self._paused_until
        return (
            until is not None
            and self.clock.now() < until.at
            and self.clock.monotonic_s() < until.monotonic_s
        )

    def _pause(self, seconds: float) -> None:
        self._paused_until = _PauseEnd(
            at=self.clock.now() + timedelta(seconds=seconds),
            monotonic_s=self.clock.monotonic_s() + seconds,
        )

    def _may_record(self) -> bool:
        """Whether a round may be recorded as missed just now; says when that changes."""
        held = self.holds_history()
        if self._held_reason.changes_to(HELD_REASON if held else "") and held:
            log.info("no round is missed for now", why=HELD_REASON)
        return not held

    def _put_future_right(self, now: datetime) -> None:
        """At the start and after the clock went back: nothing in the future stays as it is."""
        if self._last_now is None or now < self._last_now:
            self._has_retracted = False
            self._caught_up_on = None
            self.runner.mark_misdated(now + LONGEST_STEP)
        self._last_now = now
        if not self._has_retracted and self._may_record():
            for retracted in self.runner.retract_missed(now):
                log.warning("a missed round is taken back", round=retracted.id, why=RETRACTED)
            self._has_retracted = True

    def _handle_plan(self, plan: PatrolPlan, day: date) -> None:
        window = window_of(plan, day, self.zone, self.sun)
        now = self.clock.now()
        due = due_round(window, self._of_window(plan, window, now), now)
        if due in (DueAction.MISSED, DueAction.CLOSE_UNFINISHED) and not self._may_record():
            return
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
            self._pause(RETRY_WHILE_BUSY_S)
            return
        self._waiting_reason.changes_to("")
        if ended.state is RoundState.INTERRUPTED:
            self._pause(RETRY_AFTER_TROUBLE_S)
        log.info("round ends", round=ended.id, state=str(ended.state), why=ended.reason)

    def _run_under_lock(self, plan: PatrolPlan, window: RoundWindow, due: DueAction) -> Round:
        begun = self.runner.begin_round(plan.name, window.finish_by)
        log.info("round begins", round=begun.id, why=str(due))
        return self.runner.run(begun, on_progress=self.on_progress, stop=self.stop)

    def _of_window(self, plan: PatrolPlan, window: RoundWindow, now: datetime) -> Round | None:
        """The plan's round of this window; one that a person ran before it does not count.

        Nor does one that a clock which was ahead has begun, or recorded as missed.
        """
        with self.store.begin_read() as uow:
            rounds = uow.rounds.of_plan(plan.name, limit=10, before=now + LONGEST_STEP)
        day = self._local_day(window.start)
        of_today = (known for known in rounds if known.day == day and not known.misdated)
        return next(
            (
                known
                for known in of_today
                if (known.planned_at >= window.start or known.is_open)
                and not (known.never_began and now < known.finish_by)
            ),
            None,
        )

    def _record_missed_days(self, today: date) -> None:
        """Close what an earlier day left open, record the rounds that never ran."""
        plans = self.calendar.all_plans
        midnight = datetime.combine(today, time(), self.zone).astimezone(UTC)
        with self.store.begin_read() as uow:
            left_open = [uow.rounds.unfinished(plan) for plan in (*plans, ADHOC)]
            newest = [
                known
                for plan in plans
                for known in uow.rounds.of_plan(plan, limit=1, before=midnight)
            ]
            last = min(
                max((known.day for known in newest), default=today), self._complete_until(today)
            )
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

    def _complete_until(self, today: date) -> date:
        """The last day whose records are complete, as far as the clock kept us from more."""
        until = self.complete_until()
        if until is None or until == self._completed_from:
            return today
        self._completed_from = until
        return self._local_day(until)

    def _missed_reason(self, at: datetime, default_reason: str) -> str:
        """The pause that was in force when the window ended, or the default."""
        with self.store.begin_read() as uow:
            pause = pause_at(uow.stoppages.list(), at)
        return default_reason if pause is None else pause.description

    def _local_day(self, at: datetime) -> date:
        return at.astimezone(self.zone).date()
