"""Messages in memory: the outbox and the inbox."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from patrol.domain.case import Case
from patrol.domain.ids import CaseId, MessageKey
from patrol.domain.levels import IN_OFFICE_HOURS
from patrol.domain.message import (
    CANARY_TOPIC,
    MOVES,
    STAMPS,
    DeadLetter,
    DeliveryEvent,
    DeliveryState,
    OutboxMessage,
)
from simulators.store_rows import Journal, Rows

KEPT_BYTES = 4096
FAR = timedelta(minutes=10)  # a lease that ends later was made under a clock set back since


@dataclass(frozen=True, slots=True)
class Lease:
    """Who has a message in hand, and for how long."""

    holder: str
    until: datetime


class MemoryOutbox:
    """Fulfils ports.Outbox."""

    def __init__(self, journal: Journal, cases: Rows[CaseId, Case]) -> None:
        self.rows: Rows[MessageKey, OutboxMessage] = Rows(journal)
        self._cases = cases
        self._orders = count(1)
        self.leases: Rows[MessageKey, Lease | None] = Rows(journal)

    def add(self, message: OutboxMessage) -> bool:
        """See the port."""
        if message.key in self.rows:
            return False
        self.rows[message.key] = replace(message, order=next(self._orders))
        return True

    def _queued(self) -> list[OutboxMessage]:
        return [m for m in self.rows.values() if m.state is DeliveryState.QUEUED]

    def lease(
        self, *, holder: str, now: datetime, lease_s: float, limit: int
    ) -> Sequence[OutboxMessage]:
        """See the port."""
        taken: list[OutboxMessage] = []
        in_other_hands: set[str] = set()
        far = now + max(timedelta(seconds=lease_s), FAR)
        for message in self._queued():
            lease = self.leases.get(message.key)
            if lease is not None and now < lease.until <= far:
                if lease.holder != holder:
                    in_other_hands.add(message.topic)
            elif message.topic not in in_other_hands and len(taken) < limit:
                taken.append(message)
        for message in taken:
            self.leases[message.key] = Lease(holder, now + timedelta(seconds=lease_s))
            self.rows[message.key] = replace(message, tried_at=message.tried_at or now)
        return [self.rows[message.key] for message in taken]

    def mark(self, keys: Sequence[MessageKey], event: DeliveryEvent, now: datetime) -> None:
        """See the port."""
        for key in keys:
            message = self.rows.get(key)
            target = message and MOVES.get((message.state, event))
            if not message or not target:
                continue
            stamp = STAMPS.get(event)
            heard: dict[str, Any] = {stamp: getattr(message, stamp) or now} if stamp else {}
            self.rows[key] = replace(message, state=target, **heard)
            self.leases[key] = None

    def release(self, keys: Sequence[MessageKey]) -> None:
        """See the port."""
        for key in keys:
            self.leases[key] = None

    def unsent(self) -> int:
        """See the port."""
        return len(self._queued())

    def oldest_unsent(self) -> datetime | None:
        """See the port."""
        waiting = [m for m in self.rows.values() if m.state is DeliveryState.QUEUED]
        return min(waiting, key=lambda m: m.order).queued_at if waiting else None

    def of_case(self, case_id: CaseId) -> Sequence[OutboxMessage]:
        """See the port."""
        return [message for message in self.rows.values() if message.case == case_id]

    def pushed_at(self, cases: Iterable[CaseId]) -> Mapping[CaseId, datetime]:
        """See the port."""
        times = {case: [m.published_at for m in self.of_case(case)] for case in cases}
        sent = {case: [at for at in each if at is not None] for case, each in times.items()}
        return {case: min(each) for case, each in sent.items() if each}

    def latest_retained(self, since: datetime) -> Sequence[OutboxMessage]:
        """See the port."""
        of_topic = {m.topic: m for m in self.rows.values() if m.retain and m.queued_at >= since}
        waits = (DeliveryState.QUEUED, DeliveryState.EXPIRED)
        newest = sorted(of_topic.values(), key=lambda message: message.order)
        return [message for message in newest if message.state not in waits]

    def tally(self, start: datetime, end: datetime) -> tuple[int, int]:
        """See the port."""
        real = (m for m in self.rows.values() if not m.topic.endswith(CANARY_TOPIC))
        queued = [m for m in real if start <= m.queued_at <= end]
        return len(queued), sum(m.published_at is not None for m in queued)

    def new_cases(self, under: str, since: datetime) -> Sequence[datetime]:
        """See the port."""
        first: dict[CaseId | None, datetime] = {}
        for message in self.rows.values():
            case = self._cases.get(message.case) if message.case else None
            fresh = case and case.dispatched_at >= since and case.level in IN_OFFICE_HOURS
            if fresh and message.queued_at >= since and message.topic.startswith(under):
                first.setdefault(message.case, message.queued_at)
        return sorted(first.values())

    def prune(self, before: datetime, *, limit: int) -> int:
        """See the port."""
        old = [m for m in self.rows.values() if m.queued_at < before and not self._is_needed(m)]
        for message in sorted(old, key=lambda m: m.queued_at)[:limit]:
            self.rows.pop(message.key)
        return min(len(old), limit)

    def _is_needed(self, message: OutboxMessage) -> bool:
        case = self._cases.get(message.case) if message.case else None
        return message.state is DeliveryState.QUEUED or bool(case and case.is_open)


class MemoryInbox:
    """Fulfils ports.Inbox."""

    def __init__(self, journal: Journal) -> None:
        self._keys: Rows[MessageKey, datetime] = Rows(journal)
        self._letters: Rows[int, DeadLetter] = Rows(journal)
        self._numbers = count(1)

    def first_time(self, key: MessageKey, now: datetime) -> bool:
        """See the port."""
        if key in self._keys:
            return False
        self._keys[key] = now
        return True

    def bury(self, letter: DeadLetter) -> None:
        """See the port."""
        kept = replace(letter, payload=letter.payload[:KEPT_BYTES])
        self._letters[next(self._numbers)] = kept

    def dead_letters(self, *, limit: int = 100) -> Sequence[DeadLetter]:
        """See the port."""
        return self._letters.values()[::-1][:limit]

    def prune(self, before: datetime, *, limit: int) -> int:
        """See the port."""
        keys = [key for key, at in self._keys.items() if at < before][:limit]
        letters = [n for n, letter in self._letters.items() if letter.at < before][:limit]
        for key in keys:
            self._keys.pop(key)
        for number in letters:
            self._letters.pop(number)
        return len(keys) + len(letters)
