"""Clock monitor: adopts steps of the wall clock once all timers have moved, logs and keeps them.

The service runs it before each turn of escalation. Between a step and its adoption the service's
clock goes on by counted seconds, so that no silence ends early and none is stretched: the timers in
the store move in the same transaction that writes the record, and then the clock.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import structlog

from patrol.clock import TrustedClock
from patrol.domain.wall_clock import ClockChange, ClockRecord, ClockTrust
from patrol.operations.health_server import HealthCheck
from patrol.store import Store, UnitOfWork

log = structlog.get_logger(__name__)

KEEP_EVERY_S: Final = 60.0  # the newest believed time is in the store at least this often


@dataclass(kw_only=True)
class ClockMonitor:
    """Runs in one thread; `record` may be read from any."""

    store: Store
    clock: TrustedClock
    record: ClockRecord
    complete_until: datetime | None = None  # history was last not held back then, before now
    _kept_s: float = float("-inf")  # monotonic

    @property
    def holds_history(self) -> bool:
        """Whether nothing may be written or destroyed now that time alone writes or destroys."""
        return self.clock.holds_history

    @property
    def clock_unconfirmed(self) -> bool:
        """Whether NTP or a person has to confirm the wall clock."""
        return self.clock.is_unconfirmed

    @classmethod
    def start(cls, store: Store, clock: TrustedClock, before: ClockRecord | None) -> "ClockMonitor":
        """A monitor that goes on from the record in the store; nothing is written yet."""
        state = clock.state
        if before is None:
            record = ClockRecord(trust=state.trust, since=clock.now())
        else:
            record = replace(before, trust=state.trust, since=clock.now())
        record = replace(record, jump_s=state.jump.total_seconds())
        if state.is_unconfirmed:
            _log_unconfirmed(record)
        complete_until = record.seen.at if record.seen else None
        return cls(store=store, clock=clock, record=record, complete_until=complete_until)

    def check(self) -> None:
        """Compare the clocks, and adopt what may be. Raises StoreUnavailable, StoreFull."""
        change = self.clock.next_change(self._confirms_now)
        is_due = self.clock.monotonic_s() - self._kept_s >= KEEP_EVERY_S
        if change.is_notable:
            self._adopt(change)
        else:
            self.clock.adopt(change)
            if is_due or change.state.trust is not self.record.trust:
                self.keep()

    def keep(self) -> None:
        """Write the record, with the newest believed time. Raises StoreUnavailable, StoreFull."""
        record = replace(self.record, seen=self.clock.seen() or self.record.seen)
        trust = self.clock.state.trust
        if trust is not record.trust:  # the first wall clock has settled: nothing to say, but so
            record = replace(record, trust=trust, since=self.clock.now())
        with self.store.begin() as uow:
            _put(uow, record)
            uow.commit()
        self.record = record
        self._kept_s = self.clock.monotonic_s()

    def _confirms_now(self) -> bool:
        """Whether a person has confirmed what the wall clock shows."""
        with self.store.begin_read() as uow:
            stored = uow.clock.get()
        return stored is not None and stored.acceptance_of(self.clock.read().wall) is not None

    def _adopt(self, change: ClockChange) -> None:
        """Move the timers, write the record and adopt, in that order."""
        now = self.clock.now()  # before the step
        after = change.state
        record = replace(
            self.record,
            trust=after.trust,
            since=now + change.step,
            jump_s=after.jump.total_seconds(),
            seen=self.clock.seen_after(change) or self.record.seen,
        )
        if change.step:
            record = replace(record, step_s=change.step.total_seconds(), step_at=now + change.step)
        with self.store.begin() as uow:
            moved = uow.clock_timers.move(now, change.step) if change.step else 0
            _put(uow, record)
            uow.commit()
        self.clock.adopt(change)
        before, self.record = self.record, record
        if before.is_unconfirmed and before.seen is not None:
            self.complete_until = before.seen.at
        self._kept_s = self.clock.monotonic_s()
        _log_change(before, record, change, moved)


def clock_check(record: ClockRecord) -> HealthCheck:
    """The clock's line of /healthz: wrong while a person or NTP has to confirm it."""
    if record.is_unconfirmed:
        message = f"off by {record.jump_s:.0f} s and not believed: `patrol clock accept`, or NTP"
        return HealthCheck(name="clock", ok=False, message=message)
    return HealthCheck(name="clock", ok=True, message=str(record.trust))


def _put(uow: UnitOfWork, record: ClockRecord) -> None:
    """Write the record; a person's confirmation that still waits stays, a used one does not."""
    stored = uow.clock.get()
    if stored is not None and record.is_unconfirmed:
        record = replace(record, accepted_at=stored.accepted_at, accepted_by=stored.accepted_by)
    else:
        record = replace(record, accepted_at=None, accepted_by="")
    uow.clock.put(record)


def _log_change(before: ClockRecord, after: ClockRecord, change: ClockChange, moved: int) -> None:
    if change.step:
        by_s = round(change.step.total_seconds())
        log.warning("the clock was set", by_s=by_s, timers_moved=moved)
    if after.is_unconfirmed:
        _log_unconfirmed(after)
    elif before.is_unconfirmed:
        log.info("the clock is believed again", was=str(before.trust))


def _log_unconfirmed(record: ClockRecord) -> None:
    ahead = record.trust is ClockTrust.AHEAD
    log.error(
        "the clock is not believed",
        jump_s=round(record.jump_s),
        why="far after the newest time in the store" if ahead else "set by more than an hour",
        until="NTP or `patrol clock accept` confirms it; no history is written meanwhile",
    )
