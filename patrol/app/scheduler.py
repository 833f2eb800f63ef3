"""Run the service's jobs in a pool of threads (APScheduler 3.x), whatever the wall clock does.

Every job runs at an interval. APScheduler compares moments of the wall clock; so one moment a job
is all that is ever planned, and when the wall clock has moved otherwise than the monotonic one,
every job is planned anew. What is due at a time of day asks the service's own clock each time.

Jobs decide themselves what is due. A job that still runs is not started again (`max_instances=1`),
and no run is too late: lateness is judged by patrol/rounds, not here. When the thread that starts
jobs ends, `on_failure` is told; when it or a job is stuck, `frozen` names it.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from apscheduler.events import EVENT_JOB_ERROR, JobExecutionEvent
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.base import STATE_STOPPED, BaseScheduler
from apscheduler.triggers.base import BaseTrigger
from typing_extensions import override

from patrol.clock import SystemClock
from patrol.ports import Clock

Job = Callable[[], object]
Failed = Callable[[str, BaseException], None]

log = logging.getLogger(__name__)

THREADS: Final = 10  # one for each job, and one to spare
MAX_TURN_S: Final = 1.0  # so long a step of the clock may go unnoticed
STEP_S: Final = 0.5  # a turn takes milliseconds; what one clock gains more was set
DAILY_EVERY_S: Final = 20.0
LIVENESS: Final = "liveness"
LIVENESS_EVERY_S: Final = 5.0
FROZEN_AFTER_S: Final = 120.0  # a machine that swaps may stall for a minute


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledJob:
    """A named job: run every so many seconds, or daily at a time of the site's zone."""

    name: str
    run: Job
    every_s: float | None = None
    daily_at: time | None = None
    may_run: Callable[[], bool] = lambda: True  # daily: while not, it stays due
    longest_s: float | None = None  # of one run; longer: it is stuck


class JobScheduler:
    """Runs jobs until stopped; `on_failure` gets the name of a job and what it raised."""

    def __init__(self, zone: ZoneInfo, on_failure: Failed, clock: Clock | None = None) -> None:
        """`clock`: what daily jobs go by; its monotonic side times the intervals."""
        self._on_failure = on_failure
        self._zone = zone
        self._clock = clock or SystemClock()
        self._running: dict[str, tuple[float, float]] = {}  # job → (since, longest_s)
        self._alive_s = self._clock.monotonic_s()
        self._scheduler = _SteplessScheduler(
            on_death=lambda why: on_failure("scheduler", why),
            monotonic_s=self._clock.monotonic_s,
            timezone=UTC,
            # A round occupies one thread for an hour; rechecks, escalation and upkeep need theirs.
            executors={"default": ThreadPoolExecutor(THREADS)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        self._scheduler.add_listener(self._on_job_error, EVENT_JOB_ERROR)
        self.add(ScheduledJob(name=LIVENESS, run=self._mark_alive, every_s=LIVENESS_EVERY_S))
        # While a round runs, the scheduler would log every skipped run of its job.
        logging.getLogger("apscheduler").setLevel(logging.ERROR)

    def add(self, job: ScheduledJob) -> None:
        """Schedule the job."""
        run = job.run
        if job.longest_s is not None:
            run = self._timed(job.name, run, job.longest_s)
        if job.every_s is None:
            at = job.daily_at or time(0, 0)
            run = DailyJob(run, at, self._zone, self._clock, job.may_run).run_if_due
        every_s = DAILY_EVERY_S if job.every_s is None else job.every_s
        self._scheduler.add_job(run, trigger=_Every(every_s), id=job.name, name=job.name)

    def start(self) -> None:
        """Start running jobs."""
        self._alive_s = self._clock.monotonic_s()
        self._scheduler.start()

    def stop(self, *, wait: bool = True) -> None:
        """Start no more jobs; wait for those that run."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=wait)

    def frozen(self) -> str:
        """What has not moved for too long, in one line; empty while all does."""
        now_s = self._clock.monotonic_s()
        for what, since_s in (
            ("the scheduler", self._scheduler.turned_s),
            ("its pool", self._alive_s),
        ):
            if now_s - since_s > FROZEN_AFTER_S:
                return f"{what} has stood still for {now_s - since_s:.0f} s"
        for name, (since_s, longest_s) in tuple(self._running.items()):
            if now_s - since_s > longest_s:
                return f"{name} has been running for {now_s - since_s:.0f} s"
        return ""

    def _mark_alive(self) -> None:
        self._alive_s = self._clock.monotonic_s()

    def _timed(self, name: str, run: Job, longest_s: float) -> Job:
        def timed() -> None:
            self._running[name] = self._clock.monotonic_s(), longest_s
            try:
                run()
            finally:
                del self._running[name]

        return timed

    def _on_job_error(self, event: JobExecutionEvent) -> None:
        self._on_failure(str(event.job_id), event.exception)


class DailyJob:
    """Runs a job once after each passing of a time of day, on the service's clock.

    A clock that goes back lets the time pass again: what runs daily may run twice.
    """

    def __init__(
        self, run: Job, at: time, zone: ZoneInfo, clock: Clock, may_run: Callable[[], bool]
    ) -> None:
        self._run = run
        self._at = at
        self._zone = zone
        self._clock = clock
        self._may_run = may_run
        self._done_until = clock.now()

    def run_if_due(self) -> None:
        """Run it if the time has passed since the last run, and it may."""
        now = self._clock.now()
        self._done_until = min(self._done_until, now)
        if self._last_passing(now) > self._done_until and self._may_run():
            self._done_until = now
            self._run()

    def _last_passing(self, now: datetime) -> datetime:
        day = now.astimezone(self._zone).date()
        today = datetime.combine(day, self._at, self._zone).astimezone(UTC)
        if today <= now:
            return today
        yesterday = datetime.combine(day - timedelta(days=1), self._at, self._zone)
        return yesterday.astimezone(UTC)


class _Every(BaseTrigger):  # type: ignore[misc]  # apscheduler has no types
    """So many seconds after the run before: never a moment that is past, so never a second one."""

    def __init__(self, every_s: float) -> None:
        self._every = timedelta(seconds=every_s)

    @override
    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        return now + self._every


class _SteplessScheduler(BaseScheduler):  # type: ignore[misc]  # apscheduler has no types
    """A thread that starts what is due, and plans anew when the wall clock was set."""

    def __init__(
        self,
        *,
        on_death: Callable[[BaseException], None],
        monotonic_s: Callable[[], float],
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._on_death = on_death
        self._monotonic_s = monotonic_s
        self._woken = threading.Event()
        self._thread = threading.Thread(target=self._main_loop, name="APScheduler", daemon=True)
        self.turned_s = monotonic_s()  # when the thread last looked for what is due

    @override
    def start(self, paused: bool = False) -> None:
        super().start(paused)
        self.turned_s = self._monotonic_s()
        self._thread.start()

    @override
    def shutdown(self, wait: bool = True) -> None:
        super().shutdown(wait)
        self._woken.set()
        if self._thread is not threading.current_thread():
            self._thread.join()

    @override
    def wakeup(self) -> None:
        self._woken.set()

    def _main_loop(self) -> None:
        try:
            offset_s = self._wall_offset_s()
            while self.state != STATE_STOPPED:
                offset_s = self._plan_anew_if_set(offset_s)
                wait_s = self._process_jobs()
                self.turned_s = self._monotonic_s()
                self._woken.wait(MAX_TURN_S if wait_s is None else min(wait_s, MAX_TURN_S))
                self._woken.clear()
        except BaseException as exc:  # noqa: BLE001  whatever it is: without this thread nothing runs
            self._on_death(exc)

    def _plan_anew_if_set(self, before_s: float) -> float:
        """Run every job now, where the wall clock gained or lost since the turn before."""
        offset_s = self._wall_offset_s()
        if abs(offset_s - before_s) >= STEP_S:
            now = SystemClock().now()
            for job in self.get_jobs():
                job.modify(next_run_time=now)
        return offset_s

    def _wall_offset_s(self) -> float:
        """How far the wall clock, which APScheduler reads itself, is ahead of the monotonic one."""
        monotonic_s = SystemClock().monotonic_s()
        return SystemClock().now().timestamp() - monotonic_s
