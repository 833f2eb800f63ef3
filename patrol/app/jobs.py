"""What the service's jobs do with the application: upkeep, rechecks, the rounds' scheduler.

When they run is service.py's; how, scheduler.py's.
"""

import threading
from collections.abc import Callable

import structlog

from patrol.app.application import Application
from patrol.clock import SiteSun
from patrol.picture_keys import renew_keys
from patrol.review.queue import expire_undecided
from patrol.rounds.progress import RoundProgress
from patrol.rounds.scheduler import RoundScheduler

log = structlog.get_logger(__name__)


def daily_upkeep(app: Application) -> None:
    """Delete what is due in every place with pixels, and keys; expire what nobody decided."""
    now = app.clock.now()
    app.households.sweep()
    renew_keys(app.store, app.evidence, now)
    if app.cluster is not None:
        app.cluster.sweep(now)
    with app.store.begin() as uow:
        uow.report_changes.delete_replaced()
        uow.commit()
    for finding in expire_undecided(app.store, now):
        log.info("nobody decided", finding=finding.id)


def recheck_cases(app: Application) -> None:
    """Recheck the cases that are due, and send at once what that queued."""
    if app.rechecks.cases.run_due():
        app.wake_relays()


def make_round_scheduler(
    app: Application, stop: threading.Event, on_progress: Callable[[RoundProgress], None] | None
) -> RoundScheduler:
    """The scheduler that starts the site's planned rounds when they are due."""
    site = app.site.settings.site
    return RoundScheduler(
        calendar=app.site.settings.calendar,
        zone=site.tz,
        sun=SiteSun(site.latitude, site.longitude, site.tz),
        clock=app.clock,
        store=app.store,
        runner=app.round_runner,
        stop=stop,
        round_lock=app.round_lock,
        on_progress=on_progress,
        holds_history=lambda: app.clock_monitor.holds_history,
        complete_until=lambda: app.clock_monitor.complete_until,
    )
