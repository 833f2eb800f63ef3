"""Run the service's jobs on time in a pool of threads (APScheduler 3.x).

Jobs decide themselves what is due. A job that still runs is not started again (`max_instances=1`),
runs missed while busy or asleep become one run (`coalesce`), and no run is too late: lateness is
judged by patrol/rounds, not here.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import time
from zoneinfo import ZoneInfo

from apscheduler.events import EVENT_JOB_ERROR, JobExecutionEvent
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

Job = Callable[[], object]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledJob:
    """A named job: run every so many seconds, or daily at a time of the site's zone."""

    name: str
    run: Job
    every_s: float | None = None
    daily_at: time | None = None


class JobScheduler:
    """Runs jobs until stopped; `on_failure` gets the name of a job and what it raised."""

    def __init__(self, zone: ZoneInfo, on_failure: Callable[[str, BaseException], None]) -> None:
        self._on_failure = on_failure
        self._scheduler = BackgroundScheduler(
            timezone=zone,
            # A round occupies one thread for an hour; rechecks, escalation and upkeep need theirs.
            executors={"default": ThreadPoolExecutor(6)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        self._scheduler.add_listener(self._on_job_error, EVENT_JOB_ERROR)
        # While a round runs, the scheduler would log every skipped run of its job.
        logging.getLogger("apscheduler").setLevel(logging.ERROR)

    def add(self, job: ScheduledJob) -> None:
        """Schedule the job."""
        if job.every_s is not None:
            timing: dict[str, object] = {"trigger": "interval", "seconds": job.every_s}
        else:
            at = job.daily_at or time(0, 0)
            timing = {"trigger": "cron", "hour": at.hour, "minute": at.minute}
        self._scheduler.add_job(job.run, id=job.name, name=job.name, **timing)

    def start(self) -> None:
        """Start running jobs."""
        self._scheduler.start()

    def stop(self) -> None:
        """Start no more jobs; wait for those that run."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)

    def _on_job_error(self, event: JobExecutionEvent) -> None:
        self._on_failure(str(event.job_id), event.exception)
