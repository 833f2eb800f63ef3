"""Outbox relay: publishes the outbox on MQTT. Leases due rows, publishes, waits for PUBACK, marks.

A crash anywhere means a repeat, never a loss: a row is marked only after the broker's PUBACK, a
lease expires by itself, and a repeat carries the same key. Two messages of one topic are never in
flight together, so that a lost PUBACK cannot put an older message on top of a newer one.

What the broker refuses is tried again with growing pauses and then quarantined with its reason
(`OutboxMessage.refused`); it holds nothing back but later messages of its own topic.

A broker that was killed may have lost what it had acknowledged: after every new connection `run`
publishes the newest message of each retained topic again, under its old key. Only the relay that
the service runs for its lifetime does (`republishes`); that of a command or of a round by hand
sends what is queued, or every phone would be told everything once more for each of them.

`prune_messages` deletes old messages, reply keys, dead letters and deliveries, in small
transactions, so that an operator who confirms meanwhile waits for one of them at most. What is
unsent stays, and everything about a case that is open. Histories of cases and chained logs are
never deleted. The service calls it beside its sweep of pictures.
"""

import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import structlog

from patrol.domain.backoff import jittered_backoff_s
from patrol.domain.ids import MessageKey
from patrol.domain.outbox import DeliveryEvent, DeliveryState, OutboxMessage
from patrol.logs import LastReason
from patrol.messaging.republisher import NAMED_AT_MOST, Republisher
from patrol.messaging.wave_sender import WaveSender
from patrol.ports import Clock, Publisher
from patrol.store import Store, StoreFull, StoreUnavailable, UnitOfWork

log = structlog.get_logger(__name__)

FIRST_WAIT_S: Final = 0.25
LONGEST_WAIT_S: Final = 30.0  # a broker that is back is noticed within this time
_jitter = random.Random()  # noqa: S311  spreads retries, guards nothing  # nosec B311


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayOptions:
    """Batch size and times of a relay."""

    batch: int = 500  # rows per lease: one transaction each to lease and to mark
    lease_s: float = 20.0  # until a killed relay's rows are free; outlasts what follows
    publish_timeout_s: float = 5.0  # without any PUBACK for a wave; then the batch is given up
    poll_s: float = 2.0  # a row that another process queued waits no longer than this
    republish_window: timedelta = timedelta(days=90)  # older retained messages are not repeated


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchResult:
    """Counts of one batch, and the problem that ended it early."""

    leased: int = 0
    published: int = 0
    problem: str = ""  # why it could not go on, as text

    @property
    def idle(self) -> bool:
        """Whether nothing was waiting."""
        return not self.leased and not self.problem


@dataclass(frozen=True, slots=True)
class _BatchOutcome:
    taken: Sequence[MessageKey]
    stale: Sequence[MessageKey]
    refused: Sequence[OutboxMessage]  # after the refusal
    returned: Sequence[MessageKey]


@dataclass
class OutboxRelay:
    """Publishes the outbox through a publisher. One thread runs it; any thread may `wake` it."""

    store: Store
    publisher: Publisher
    clock: Clock
    holder: str  # names the lease: another for every running relay, also after a restart
    options: RelayOptions = field(default_factory=RelayOptions)
    counters: Counter[str] = field(default_factory=Counter)
    on_turn: Callable[[], None] = lambda: None  # heartbeat, once a batch
    republishes: bool = True  # retained messages, after each new connection
    clock_unconfirmed: Callable[[], bool] = lambda: False  # then no message is too old
    _sender: WaveSender = field(init=False)
    _republisher: Republisher = field(init=False)
    _wake_event: threading.Event = field(default_factory=threading.Event)
    _last_problem: LastReason = field(default_factory=LastReason)
    _unsaved_outcome: "_BatchOutcome | None" = None  # published, not marked in the store yet

    def __post_init__(self) -> None:
        self._sender = WaveSender(self.publisher, self.options.publish_timeout_s)
        self._republisher = Republisher(
            store=self.store, sender=self._sender, clock=self.clock, counters=self.counters,
            window=self.options.republish_window, again_after_s=self.options.lease_s,
        )  # fmt: skip

    @property
    def republish_problem(self) -> str:
        """Which retained messages the broker does not take again; empty when it takes all."""
        return self._republisher.problem

    def wake(self) -> None:
        """End the wait for the next poll: something was queued. Thread-safe."""
        self._wake_event.set()

    def run_batch(self) -> BatchResult:
        """Lease, publish and mark one batch. Never raises for an unreachable broker or store."""
        try:
            return self._run_batch()
        except (StoreUnavailable, StoreFull) as exc:
            return BatchResult(problem=str(exc) or type(exc).__name__)

    def run(self, stop: threading.Event) -> None:
        """Publish batches until `stop`; wait for a wake or poll when idle, back off on problems."""
        failures = 0
        while not stop.is_set():
            self._wake_event.clear()
            self.on_turn()
            result = self.run_batch()
            if not result.problem and (problem := self._republish_if_reconnected()):
                result = BatchResult(problem=problem)
            self._log_change(result.problem)
            failures = _failures_after(failures, result)
            if result.problem:
                stop.wait(_retry_wait_s(failures))
            elif result.idle:
                self._wait_for_wake(stop)

    def republish_retained(self) -> str:
        """Publish the newest message of each retained topic again; the problem, or empty."""
        return self._republisher.republish_all()

    def run_until_empty(self, timeout_s: float) -> int:
        """Publish until nothing waits or `timeout_s` is over (for commands); how many still wait.

        What still waits is safe in the outbox; the service's relay publishes it. A refused message
        whose next try is due later than that is not waited for.
        """
        deadline_s = self.clock.monotonic_s() + timeout_s
        failures = 0
        while True:
            result = self.run_batch()
            left_s = deadline_s - self.clock.monotonic_s()
            waiting, soon = self._unsent_counts(left_s)
            if soon == 0 or left_s <= 0:
                return waiting
            failures = _failures_after(failures, result)
            if result.problem or result.idle:  # away, or leased by another relay just now
                self.clock.sleep(min(_retry_wait_s(failures), left_s))

    def _republish_if_reconnected(self) -> str:
        if not self.republishes:
            return ""
        try:
            return self._republisher.run_due(self.publisher.connection_count)
        except (StoreUnavailable, StoreFull) as exc:
            return str(exc) or type(exc).__name__

    def _run_batch(self) -> BatchResult:
        self._save_outcome()
        options = self.options
        with self.store.begin() as uow:
            leased = uow.outbox.lease(
                holder=self.holder,
                now=self.clock.now(),
                lease_s=options.lease_s,
                limit=options.batch,
            )
            uow.commit()
        if not leased:
            return BatchResult()
        now = self.clock.now()
        live, stale = list(leased), list[MessageKey]()
        if not self.clock_unconfirmed():
            live, stale = _split_expired(leased, now)
        result = self._sender.send(live)
        refused = [m.refused(result.refused[m.key], now) for m in live if m.key in result.refused]
        known = {*result.taken, *stale, *result.refused}
        returned = [message.key for message in leased if message.key not in known]
        self._unsaved_outcome = _BatchOutcome(result.taken, stale, refused, returned)
        self._save_outcome()
        self.counters["published"] += len(result.taken)
        self.counters["expired"] += len(stale)
        self._count_refused(refused)
        return BatchResult(leased=len(leased), published=len(result.taken), problem=result.problem)

    def _count_refused(self, refused: Sequence[OutboxMessage]) -> None:
        """Count them, and name in one line those that are new or given up."""
        if not refused:
            return
        kept = sum(m.state is DeliveryState.QUARANTINED for m in refused)
        self.counters["refused"] += len(refused)
        self.counters["quarantined"] += kept
        changed = [m for m in refused if m.tries == 1 or m.state is DeliveryState.QUARANTINED]
        if changed:
            log.warning(
                "the broker refuses messages", refused=len(changed), quarantined=kept,
                messages=[f"{m.key} on {m.topic}: {m.problem}" for m in changed[:NAMED_AT_MOST]],
            )  # fmt: skip

    def _save_outcome(self) -> None:
        """Called before the next lease, or a newer message could overtake an unmarked one."""
        outcome = self._unsaved_outcome
        if outcome is None:
            return
        now = self.clock.now()
        with self.store.begin() as uow:
            if outcome.taken:
                uow.outbox.apply_event(outcome.taken, DeliveryEvent.BROKER_TOOK_IT, now)
            if outcome.stale:
                uow.outbox.apply_event(outcome.stale, DeliveryEvent.TOO_OLD, now)
            if outcome.refused:
                uow.outbox.save_refusals(outcome.refused)
            if outcome.returned:
                uow.outbox.release(outcome.returned)
            uow.commit()
        self._unsaved_outcome = None

    def _unsent_counts(self, within_s: float) -> tuple[int, int]:
        """(how many messages are unsent, how many of them will be tried within that time)."""
        with self.store.begin_read() as uow:
            due = self.clock.now() + timedelta(seconds=max(within_s, 0.0))
            return uow.outbox.unsent(), uow.outbox.unsent_by(due)

    def _wait_for_wake(self, stop: threading.Event) -> None:
        # Short waits, so that `stop` is noticed although waking has an event of its own.
        waited_s, nap_s = 0.0, 0.25
        while waited_s < self.options.poll_s and not stop.is_set():
            if self._wake_event.wait(nap_s):
                return
            waited_s += nap_s

    def _log_change(self, problem: str) -> None:
        if not self._last_problem.changes_to(problem):
            return
        if problem:
            log.warning("messages wait in the outbox", reason=problem)
        else:
            log.info("messages flow again")


def _failures_after(failures: int, result: BatchResult) -> int:
    """How many batches in a row got nothing out; a broker that takes some is not away."""
    if not result.problem:
        return 0
    return 1 if result.published else failures + 1


def _retry_wait_s(failures: int) -> float:
    return jittered_backoff_s(failures, FIRST_WAIT_S, LONGEST_WAIT_S, _jitter.uniform)


def _split_expired(
    leased: Sequence[OutboxMessage], now: datetime
) -> tuple[list[OutboxMessage], list[MessageKey]]:
    live = [m for m in leased if m.expires_at is None or now < m.expires_at]
    return live, [m.key for m in leased if not (m.expires_at is None or now < m.expires_at)]


PRUNE_BATCH_ROWS: Final = 500  # rows a transaction: some milliseconds
DELIVERIES_KEPT: Final = timedelta(days=30)  # shown by `patrol deliveries`


def prune_messages(store: Store, now: datetime, kept: timedelta, stop: threading.Event) -> int:
    """Delete what was queued or received longer ago than `kept`; how many rows.

    Raises StoreUnavailable, StoreFull: the rest is deleted next time.
    """
    before = now - kept
    prunings: tuple[Callable[[UnitOfWork], int], ...] = (
        lambda uow: uow.outbox.prune(before, limit=PRUNE_BATCH_ROWS),
        lambda uow: uow.inbox.prune(before, limit=PRUNE_BATCH_ROWS),
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
