"""Delivery worker: sends one target's queued deliveries (webhook, notification) one after another.

As the relay does for MQTT: lease, try, save the result. A worker that dies leaves a lease that runs
out, so a delivery may be sent twice under one key and is never lost. Each target has a worker and a
thread of its own: a server that hangs delays no other target.
"""

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum, auto
from typing import Final

import structlog

from patrol.domain.outbox import MAX_TRIES, Delivery
from patrol.logs import LastReason
from patrol.ports import Clock
from patrol.store import Store, StoreFull, StoreUnavailable

log = structlog.get_logger(__name__)

BATCH: Final = 10  # with 10 s a try the lease below covers all of them
LEASE_S: Final = 150.0
POLL_S: Final = 1.0


class SendOutcome(StrEnum):
    """What the other side made of a delivery."""

    TAKEN = auto()
    LATER = auto()
    NEVER = auto()


@dataclass(frozen=True, slots=True)
class SendResult:
    """The outcome of one try, with the reason where it was not taken."""

    outcome: SendOutcome
    problem: str = ""


SendDelivery = Callable[[Delivery], SendResult]  # never raises for what the other side does


@dataclass
class DeliveryWorker:
    """Sends one target's deliveries. `run_batch` from one thread; `run` until stopped."""

    target: str
    store: Store
    send: SendDelivery
    clock: Clock
    holder: str
    most_tries: int = MAX_TRIES
    counters: Counter[str] = field(default_factory=Counter)
    on_turn: Callable[[], None] = lambda: None  # its heartbeat
    clock_unconfirmed: Callable[[], bool] = lambda: False  # then nothing expires
    _last_problem: LastReason = field(default_factory=LastReason)

    def run_batch(self) -> int:
        """One batch; how many were tried. Raises StoreUnavailable, StoreFull."""
        with self.store.begin() as uow:
            leased = uow.deliveries.lease(
                self.target, holder=self.holder, now=self.clock.now(), lease_s=LEASE_S, limit=BATCH
            )
            uow.commit()
        for delivery in leased:
            settled = self._attempt(delivery)
            with self.store.begin() as uow:
                uow.deliveries.save_result(settled)
                uow.commit()
            self.counters[settled.outcome] += 1
            self.on_turn()
        return len(leased)

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; a database that is away is tried again."""
        while not stop.is_set():
            self.on_turn()
            try:
                busy = self.run_batch() > 0
            except (StoreUnavailable, StoreFull) as exc:
                self._log_change(f"the database: {exc}")
                busy = False
            if not busy:
                stop.wait(POLL_S)

    def _attempt(self, delivery: Delivery) -> Delivery:
        now = self.clock.now()
        if delivery.has_expired(now) and not self.clock_unconfirmed():
            return delivery.expired(now)
        result = self.send(delivery)
        now = self.clock.now()
        self._log_change(result.problem)
        if result.outcome is SendOutcome.TAKEN:
            return delivery.delivered(now)
        if result.outcome is SendOutcome.NEVER:
            settled = delivery.refused(result.problem, now)
        else:
            settled = delivery.failed(result.problem, now, self.most_tries)
        if settled.ended_at is not None:
            log.error("given up", target=self.target, key=delivery.key, reason=settled.problem)
        return settled

    def _log_change(self, problem: str) -> None:
        if not self._last_problem.changes_to(problem):
            return
        if problem:
            log.warning("deliveries wait", target=self.target, reason=problem)
        else:
            log.info("deliveries flow again", target=self.target)
