"""Upkeep of what was said: messages, remembered keys, dead letters and deliveries past their time.

In small transactions, so that whoever confirms a case meanwhile waits for one of them at most. What
still waits stays, and everything about a case that is open. Histories of cases and chained logs are
not touched: they say what happened, these rows only how it was told.
"""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from patrol.store import Store, UnitOfWork

BATCH_ROWS: Final = 500  # rows a transaction: some milliseconds
DELIVERIES_KEPT: Final = timedelta(days=30)  # for whoever asks what became of one


def prune_messages(store: Store, now: datetime, kept: timedelta, stop: threading.Event) -> int:
    """Drop what was queued or came in longer ago than `kept`; how many rows.

    Raises StoreUnavailable, StoreFull: the rest goes next time.
    """
    before = now - kept
    prunings: tuple[Callable[[UnitOfWork], int], ...] = (
        lambda uow: uow.outbox.prune(before, limit=BATCH_ROWS),
        lambda uow: uow.inbox.prune(before, limit=BATCH_ROWS),
        lambda uow: uow.deliveries.prune(now - DELIVERIES_KEPT),
    )
    return sum(_prune_all(store, pruning, stop) for pruning in prunings)


def _prune_all(store: Store, pruning: Callable[[UnitOfWork], int], stop: threading.Event) -> int:
    total = 0
    while not stop.is_set():
        with store.begin() as uow:
            gone = pruning(uow)
            if gone:
                uow.commit()
        total += gone
        if not gone:
            break
    return total
