"""Outbox relay: publishes the outbox on MQTT. Leases due rows, publishes, waits for PUBACK, marks.

A crash anywhere means a repeat, never a loss: a row is marked only after the broker's PUBACK, a
lease expires by itself, and a repeat carries the same key. Two messages of one topic are never in
flight together, so that a lost PUBACK cannot put an older message on top of a newer one.

A broker that was killed may have lost what it had acknowledged: after every new connection `run`
publishes the newest message of each retained topic again, under its old key. The service runs one
relay for its lifetime; commands run one until the outbox is empty (`run_until_empty`).

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
from patrol.domain.outbox import DeliveryEvent, OutboxMessage
from patrol.logs import LastReason
from patrol.ports import Clock, NotConnected, Publisher
from patrol.store import Store, StoreFull, StoreUnavailable, UnitOfWork

log = structlog.get_logger(__name__)

FIRST_WAIT_S: Final = 0.25
LONGEST_WAIT_S: Final = 30.0  # a broker that is back is noticed within this time
_jitter = random.Random()  # noqa: S311  spreads retries, guards nothing


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
    clock_unconfirmed: Callable[[], bool] = lambda: False  # then no message is too old
    _wake_event: threading.Event = field(default_factory=threading.Event)
    _last_problem: LastReason = field(default_factory=LastReason)
    _unsaved_outcome: "_BatchOutcome | None" = None  # published, not marked in the store yet
    _republished_connection: int = 0  # the publisher's connection that was republished to
    _republish_at_s: float | None = None  # once more then, for what another relay had leased

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
            failures = failures + 1 if result.problem else 0
            if result.problem:
                stop.wait(_retry_wait_s(failures))
            elif result.idle:
                self._wait_for_wake(stop)

    def republish_retained(self) -> str:
        """Publish the newest message of each retained topic again; the problem, or empty.

        Read again after publishing: a message that became the newest meanwhile follows.
        """
        republished: set[MessageKey] = set()
        while True:
            with self.store.begin_read() as uow:
                since = self.clock.now() - self.options.republish_window
                newest = [m for m in uow.outbox.latest_retained(since) if m.key not in republished]
            if not newest:
                return ""
            taken, problem = self._publish(newest)
            if problem:
                return problem
            republished.update(taken)
            self.counters["reminded"] += len(taken)

    def run_until_empty(self, timeout_s: float) -> int:
        """Publish until nothing waits or `timeout_s` is over (for commands); how many still wait.

        What still waits is safe in the outbox; the service's relay publishes it.
        """
        deadline_s = self.clock.monotonic_s() + timeout_s
        failures = 0
        while True:
            result = self.run_batch()
            waiting = self._unsent_count()
            left_s = deadline_s - self.clock.monotonic_s()
            if waiting == 0 or left_s <= 0:
                return waiting
            failures = failures + 1 if result.problem else 0
            if result.problem or result.idle:  # away, or leased by another relay just now
                self.clock.sleep(min(_retry_wait_s(failures), left_s))

    def _republish_if_reconnected(self) -> str:
        connection, now_s = self.publisher.connection_count, self.clock.monotonic_s()
        is_due_again = self._republish_at_s is not None and now_s >= self._republish_at_s
        if connection == self._republished_connection and not is_due_again:
            return ""
        try:
            problem = self.republish_retained()
        except (StoreUnavailable, StoreFull) as exc:
            return str(exc) or type(exc).__name__
        if not problem:
            is_new = connection != self._republished_connection
            self._republished_connection = connection
            self._republish_at_s = now_s + self.options.lease_s if is_new else None
        return problem

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
        live, stale = list(leased), list[MessageKey]()
        if not self.clock_unconfirmed():
            live, stale = _split_expired(leased, self.clock.now())
        taken, problem = self._publish(live)
        known = {*taken, *stale}
        returned = [message.key for message in leased if message.key not in known]
        self._unsaved_outcome = _BatchOutcome(taken, stale, returned)
        self._save_outcome()
        self.counters["published"] += len(taken)
        self.counters["expired"] += len(stale)
        return BatchResult(leased=len(leased), published=len(taken), problem=problem)

    def _publish(self, messages: Sequence[OutboxMessage]) -> tuple[list[MessageKey], str]:
        taken: list[MessageKey] = []
        for wave in waves(messages):
            try:
                acked = set(self.publisher.publish(wave, self.options.publish_timeout_s))
            except NotConnected as exc:
                return taken, f"broker not connected: {exc}".rstrip(": ")
            taken.extend(message.key for message in wave if message.key in acked)
            if len(acked) < len(wave):
                # What follows on those topics must wait, and there is time enough for the rest.
                return taken, f"{len(wave) - len(acked)} messages were not acknowledged"
        return taken, ""

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
            if outcome.returned:
                uow.outbox.release(outcome.returned)
            uow.commit()
        self._unsaved_outcome = None

    def _unsent_count(self) -> int:
        with self.store.begin_read() as uow:
            return uow.outbox.unsent()

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


def waves(messages: Sequence[OutboxMessage]) -> list[list[OutboxMessage]]:
    """Split a batch so that no wave has two messages of one topic, in their order per topic."""
    out: list[list[OutboxMessage]] = []
    turn: Counter[str] = Counter()
    for message in messages:
        index = turn[message.topic]
        turn[message.topic] += 1
        if index == len(out):
            out.append([])
        out[index].append(message)
    return out


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
