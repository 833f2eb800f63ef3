"""Relay: the one way out of the house. Leases due rows, publishes, waits for PUBACK, marks.

Dying anywhere means a repeat, never a loss: a row is marked only after the broker's word, a lease
runs out by itself, and a repeat carries the same key. Two messages of one topic never fly at the
same time, so a lost acknowledgement can not put an older word on top of a newer one.

A broker that was killed may have forgotten what it had acknowledged: after every new connection
`run` tells the newest word of each retained topic again, under its old key. The outbox is the
memory; the broker is not.
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
from patrol.store import Store, StoreFull, StoreUnavailable

log = structlog.get_logger(__name__)

FIRST_WAIT_S: Final = 0.25
LONGEST_WAIT_S: Final = 30.0  # a broker that comes back is noticed within this time
_jitter = random.Random()  # noqa: S311  spreads retries, guards nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayOptions:
    """How a relay works through the outbox."""

    batch: int = 500  # rows per lease: one transaction each to lease and to mark
    lease_s: float = 20.0  # how long a killed relay's rows rest; outlasts what follows
    publish_timeout_s: float = 5.0  # without any PUBACK for a wave; then the batch is given up
    poll_s: float = 2.0  # a row that another process queued waits no longer than this
    republish_window: timedelta = timedelta(
        days=90
    )  # retained words older than this are not repeated


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchResult:
    """What one turn of the relay did."""

    leased: int = 0
    published: int = 0
    problem: str = ""  # why it could not go on, in words

    @property
    def idle(self) -> bool:
        """Nothing was waiting."""
        return not self.leased and not self.problem


@dataclass(frozen=True, slots=True)
class _BatchOutcome:
    taken: Sequence[MessageKey]
    stale: Sequence[MessageKey]
    returned: Sequence[MessageKey]


@dataclass
class OutboxRelay:
    """Works the outbox off through a publisher. One thread uses it; any may `wake` it."""

    store: Store
    publisher: Publisher
    clock: Clock
    holder: str  # names the lease: another for every running relay, also after a restart
    options: RelayOptions = field(default_factory=RelayOptions)
    counters: Counter[str] = field(default_factory=Counter)
    on_turn: Callable[[], None] = lambda: None  # it is not stuck
    _wake_event: threading.Event = field(default_factory=threading.Event)
    _last_problem: LastReason = field(default_factory=LastReason)
    _unsaved_outcome: "_BatchOutcome | None" = (
        None  # published, and the store could not be told yet
    )
    _republished_connection: int = 0  # the publisher's session in which the broker was reminded
    _republish_at_s: float | None = None  # and once more, for what another relay was holding then

    def wake(self) -> None:
        """Something was queued just now."""
        self._wake_event.set()

    def run_batch(self) -> BatchResult:
        """One batch: lease, publish, mark. Never raises for a broker or store that is away."""
        try:
            return self._run_batch()
        except (StoreUnavailable, StoreFull) as exc:
            return BatchResult(problem=str(exc) or type(exc).__name__)

    def run(self, stop: threading.Event) -> None:
        """Until `stop`: work whatever is queued, wait for news, back off while it cannot."""
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
        """Tell a broker that may have forgotten it the newest word of each retained topic.

        Read again after publishing: a word that became the newest meanwhile goes on top. The
        answer is the problem that stopped it, or empty.
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
        """Work until nothing waits or the time is up (short-lived commands); how many still wait.

        What still waits is safe in the outbox; the service's relay sends it.
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
        """Before anything else is leased: or a newer word could overtake one that is unmarked."""
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
        # Short naps, so that `stop` is heard although the news has an event of its own.
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
    """Split a batch so that no wave has two messages of one topic; order is kept within a topic."""
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
