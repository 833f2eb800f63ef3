"""Retention: deletes old outbox messages, remembered reply keys, dead letters and deliveries.

In small transactions, so that an operator who confirms meanwhile waits for one of them at most.
What is unsent stays, and everything about a case that is open. Histories of cases and chained logs
are never deleted. The service calls this beside its sweep of pictures.
"""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from patrol.store import Store, UnitOfWork

BATCH_ROWS: Final = 500  # rows a transaction: some milliseconds
DELIVERIES_KEPT: Final = timedelta(days=30)  # shown by `patrol deliveries`


def prune_messages(store: Store, now: datetime, kept: timedelta, stop: threading.Event) -> int:
    """Delete what was queued or received longer ago than `kept`; how many rows.

    Raises StoreUnavailable, StoreFull: the rest is deleted next time.
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
