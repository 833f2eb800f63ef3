"""Keep the rounds: asked by the bell every few seconds, does what is due about each plan."""

import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import structlog

from patrol.domain.round import PatrolPlan, Round, RoundState
from patrol.ports import Busy, Clock, Store
from patrol.rounds.conduct import Conductor
from patrol.rounds.due import Due, SunTimes, Window, due_round, window_of
from patrol.rounds.progress import RoundProgress

log = structlog.get_logger(__name__)

MISSED_REASON = "the patrol was not running in its window"


REST_WHILE_BUSY = timedelta(seconds=15)  # a round walked by hand ends by itself
REST_AFTER_TROUBLE = timedelta(minutes=1)  # a full disk is looked at again after this


@dataclass(slots=True, kw_only=True)
class Keeper:
    """Answers the bell. The caller holds the round lock, so no two rounds ever overlap."""

    plans: Mapping[str, PatrolPlan]
    zone: ZoneInfo
    sun: SunTimes
    clock: Clock
    store: Store
    conductor: Conductor
    stop: threading.Event
    hold: Callable[[], AbstractContextManager[None]]  # the round lock; raises Busy
    on_progress: Callable[[RoundProgress], None] | None = None
    _rest_until: datetime | None = None

    def ring(self) -> None:
        """Look at every plan; walk the first round that is due to its end."""
        for plan in self.plans.values():
            if self.stop.is_set() or self._is_resting():
                return
            self._answer(plan)

    def _is_resting(self) -> bool:
        return self._rest_until is not None and self.clock.now() < self._rest_until

    def _answer(self, plan: PatrolPlan) -> None:
        now = self.clock.now()
        window = window_of(plan, now.astimezone(self.zone).date(), self.zone, self.sun)
        due = due_round(window, self._of_window(plan, window), now)
        if due is Due.MISSED:
            self.conductor.write_missed(plan.name, window.finish_by, MISSED_REASON)
            log.warning("round missed", plan=plan.name, why=MISSED_REASON)
        elif due is Due.CLOSE_UNFINISHED:
            self.conductor.close_unfinished(plan.name)
        elif due in (Due.START, Due.START_LATE, Due.RESUME):
            self._walk(plan, window, due)

    def _walk(self, plan: PatrolPlan, window: Window, due: Due) -> None:
        try:
            with self.hold():
                ended = self._walk_alone(plan, window, due)
        except Busy as exc:
            log.info("round waits", plan=plan.name, why=str(exc))
            self._rest_until = self.clock.now() + REST_WHILE_BUSY
            return
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
        day = window.start.astimezone(self.zone).date()
        of_today = (known for known in rounds if known.day == day)
        return next((r for r in of_today if r.planned_at >= window.start or r.is_open), None)
