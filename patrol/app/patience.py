"""A database that cannot be reached at start: one clear line, then tried again with back-off."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import structlog

from patrol.ports import Clock
from patrol.store import Store, StoreOutdated, StoreUnavailable, needs_upgrade, open_store, upgrade

log = structlog.get_logger(__name__)

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait, and what ends the waiting early."""

    limit_s: float  # `patrol round`: a minute; `patrol run`: for ever
    stop: threading.Event = field(default_factory=threading.Event)


@contextmanager
def open_patiently(url: str, clock: Clock, patience: Patience | None) -> Iterator[Store]:
    """The store, its tables made or brought up to date. Raises StoreUnavailable at the end."""
    with ExitStack() as stack:
        yield _opened(stack, url, clock, patience)


def _opened(stack: ExitStack, url: str, clock: Clock, patience: Patience | None) -> Store:
    deadline_s = clock.monotonic_s() + (patience.limit_s if patience else 0.0)
    wait_s = FIRST_WAIT_S
    told = ""
    while True:
        try:
            if needs_upgrade(url):
                upgrade(url)
            return stack.enter_context(open_store(url))
        except StoreOutdated:
            raise
        except StoreUnavailable as exc:
            left_s = deadline_s - clock.monotonic_s()
            if patience is None or left_s <= 0 or patience.stop.wait(min(wait_s, left_s)):
                raise
            if told != str(exc):
                log.warning("the database cannot be reached, trying again", reason=str(exc))
                told = str(exc)
            wait_s = min(LONGEST_WAIT_S, wait_s * 2)
