"""The site's store when a process starts: waited for, made or upgraded, its clock, its key.

The registry's copy in the store is brought up to date here, and the clock is begun from what the
store has seen of it.
"""

import os
import threading
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog

from patrol.app.clock_monitor import ClockMonitor
from patrol.clock import SystemClock, TrustedClock, machine_boot
from patrol.domain.backoff import backoff
from patrol.encryption import SiteKey
from patrol.logs import LastReason
from patrol.ports import Clock
from patrol.settings import Settings, Site
from patrol.settings.site_keys import make_site_key
from patrol.settings.site_paths import check_old_places
from patrol.store import (
    Store,
    StoreOutdated,
    StoreReadOnly,
    StoreUnavailable,
    needs_upgrade,
    open_store,
    upgrade,
)

log = structlog.get_logger(__name__)

FIRST_WAIT_S: Final = 0.5
MAX_WAIT_S: Final = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StartupWait:
    """How long to wait for the database at start, and the event that ends the waiting early."""

    limit_s: float  # `patrol round`: a minute; `patrol run`: for ever
    stop: threading.Event = field(default_factory=threading.Event)


def open_site_store(
    stack: ExitStack,
    site: Site,
    clock: Clock | None,
    startup_wait: StartupWait | None,
    *,
    create: bool,
) -> ClockMonitor:
    """The store with its copy of the registry brought up to date, and the clock from its record."""
    machine = clock or SystemClock()
    check_old_places(site, Path.cwd())
    store = _open_with_retry(stack, site.settings.database, machine, startup_wait, create=create)
    with store.begin_read() as uow:
        before = uow.clock.get()
    seen = before.seen if before else None
    trusted = TrustedClock(machine, seen=seen, boot=machine_boot())
    with store.begin() as uow:
        uow.registry.sync(site.registry, trusted.now())
        uow.commit()
    return ClockMonitor.start(store, trusted, before)


def _open_with_retry(
    stack: ExitStack, url: str, clock: Clock, startup_wait: StartupWait | None, *, create: bool
) -> Store:
    """The store, with `create` made or upgraded. Raises StoreUnavailable when the time is up."""
    deadline_s = clock.monotonic_s() + (startup_wait.limit_s if startup_wait else 0.0)
    failures = 0
    last_problem = LastReason()
    while True:
        try:
            if create and needs_upgrade(url):
                upgrade(url)
            return stack.enter_context(open_store(url))
        except (StoreOutdated, StoreReadOnly):
            raise
        except StoreUnavailable as exc:
            failures += 1
            wait_s = backoff(failures, FIRST_WAIT_S, MAX_WAIT_S)
            left_s = deadline_s - clock.monotonic_s()
            if startup_wait is None or left_s <= 0 or startup_wait.stop.wait(min(wait_s, left_s)):
                raise
            if last_problem.changes_to(str(exc)):
                log.warning("the database cannot be reached, trying again", reason=str(exc))


def adopt_site_key(store: Store, settings: Settings) -> SiteKey:
    """The site's key, made where there is none; the store signs and seals with it from now on.

    Raises KeyProblem: it is gone, unreadable, or another than was used before.
    """
    site_key = make_site_key(settings, os.environ)
    store.adopt_key(site_key)
    return site_key
