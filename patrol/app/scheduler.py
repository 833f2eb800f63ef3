"""The bell: rings the house's rooms on time; what is due they decide themselves.

APScheduler 3.x in a thread pool. A ring that is still being answered is not rung again
(`max_instances=1`), rings missed while busy or asleep are one ring (`coalesce`), and no ring is too
late to be answered: what to do about lateness is a rule of the domain (rounds/due.py), not ours.
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
    """One thing to ring for: every so many seconds, or daily at a local time."""

    name: str
    run: Job
    every_s: float | None = None
    daily_at: time | None = None


class JobScheduler:
    """Rings until stopped. `on_failure` hears of the first exception that a ring lets out."""

    def __init__(self, zone: ZoneInfo, on_failure: Callable[[str, BaseException], None]) -> None:
        self._on_failure = on_failure
        self._scheduler = BackgroundScheduler(
            timezone=zone,
            # A round occupies one thread for an hour; looks, ladder and upkeep need theirs.
            executors={"default": ThreadPoolExecutor(6)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        self._scheduler.add_listener(self._on_job_error, EVENT_JOB_ERROR)
        # A round in progress makes the scheduler say so at every skipped ring: that is no news.
        logging.getLogger("apscheduler").setLevel(logging.ERROR)

    def add(self, job: ScheduledJob) -> None:
        """Ring for it from now on."""
        if job.every_s is not None:
            timing: dict[str, object] = {"trigger": "interval", "seconds": job.every_s}
        else:
            at = job.daily_at or time(0, 0)
            timing = {"trigger": "cron", "hour": at.hour, "minute": at.minute}
        self._scheduler.add_job(job.run, id=job.name, name=job.name, **timing)

    def start(self) -> None:
        """Begin to ring."""
        self._scheduler.start()

    def stop(self) -> None:
        """Ring no more; waits for rings that are being answered."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)

    def _on_job_error(self, event: JobExecutionEvent) -> None:
        self._on_failure(str(event.job_id), event.exception)
