"""Seats beside a round under way: looks keep to the same caps as the walk that runs.

A look reserves its seat first, which keeps the walk from filling it, and starts once the link has
room. Thread-safe: the walk has its event loop, the looks have theirs.

Seats: how many visits may be under way at once, in all, per network link, and in Mbit/s.

State in, answers out; times are monotonic seconds that the caller gives. A seat is held from
the first packet to the recorder's commit, so the number of seats bounds the memory of a round too.
"""

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from threading import Lock

from patrol.domain.ids import CameraId, LinkId

SLOT_POLL_S = 0.1


@dataclass(slots=True)
class SharedLinkSlots:
    """Connections of this process, counted by link."""

    per_link: int
    _lock: Lock = field(default_factory=Lock)
    _reserved: Counter[LinkId] = field(default_factory=Counter)
    _round_usage: Counter[LinkId] = field(default_factory=Counter)
    _freed: set[LinkId] = field(default_factory=set)

    def reserve(self, link: LinkId) -> bool:
        """Keep a seat for a look; False while looks alone fill the link."""
        with self._lock:
            if self._reserved[link] >= self.per_link:
                return False
            self._reserved[link] += 1
            return True

    def may_start(self, link: LinkId) -> bool:
        """Whether the walk has left the reserved seat."""
        with self._lock:
            return self._round_usage[link] + self._reserved[link] <= self.per_link

    @asynccontextmanager
    async def slot(self, link: LinkId) -> AsyncIterator[None]:
        """The seat that was reserved: begins once the walk has left it, given back at the end."""
        try:
            while not self.may_start(link):  # noqa: ASYNC110  the walk's thread says so
                await asyncio.sleep(SLOT_POLL_S)
            yield
        finally:
            self.release(link)

    def release(self, link: LinkId) -> None:
        """The look is over."""
        with self._lock:
            self._reserved[link] -= 1
            self._freed.add(link)

    def reserved(self, link: LinkId | None = None) -> int:
        """Seats that the walk must leave: on a link, or in all."""
        with self._lock:
            return self._reserved.total() if link is None else self._reserved[link]

    def set_round_usage(self, link: LinkId, in_use: int) -> None:
        """The walk says how many visits it has under way on a link."""
        with self._lock:
            self._round_usage[link] = in_use

    def pop_freed_links(self) -> set[LinkId]:
        """Links on which a look ended since this was asked last."""
        with self._lock:
            links, self._freed = self._freed, set()
            return links


INITIAL_ESTIMATE_MBIT_S = 2.0  # a 1080p household camera sends 1–2 Mbit/s (domain.md)
LEARNING_RATE = 0.05  # a fault camera's odd rate must not swing the estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """The limits of site.yaml, section `limits`."""

    connections: int = 200
    per_link: int = 32
    mbit_s: float = 400.0
    visit_s: float = 20.0
    retries: int = 1
    retry_after_s: float = 5.0  # long enough for a camera to free the session that we lost
    ramp_s: float = 2.0  # the first wave is spread over this time


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingVisit:
    """A visit that wants a seat."""

    camera: CameraId
    link: LinkId
    attempt: int = 1
    not_before_s: float = 0.0


class ConnectionLimiter:
    """Gives out seats in the plan's order, skipping those whose link is full."""

    def __init__(
        self,
        visits: Iterable[PendingVisit],
        limits: ConnectionLimits,
        link_slots: SharedLinkSlots | None = None,
    ) -> None:
        self._limits = limits
        self._link_slots = link_slots or SharedLinkSlots(limits.per_link)
        self._pending = deque(visits)
        self._blocked: dict[LinkId, deque[PendingVisit]] = defaultdict(deque)
        self._freed_links: deque[LinkId] = deque()
        self._retries: deque[PendingVisit] = deque()
        self._in_use: Counter[LinkId] = Counter()
        self._mbit_s_each = INITIAL_ESTIMATE_MBIT_S

    @property
    def in_use(self) -> int:
        """Visits under way."""
        return self._in_use.total()

    @property
    def waiting(self) -> int:
        """Visits that still want a seat."""
        blocked = sum(len(queue) for queue in self._blocked.values())
        return len(self._pending) + blocked + len(self._retries)

    @property
    def capacity(self) -> int:
        """Seats in all, with the bandwidth that a visit was seen to take."""
        by_bandwidth = int(self._limits.mbit_s / self._mbit_s_each)
        return max(1, min(self._limits.connections, by_bandwidth) - self._link_slots.reserved())

    def acquire(self, now_s: float) -> PendingVisit | None:
        """The next visit that may start now, its seat taken; None when none may."""
        self._freed_links.extend(
            link for link in self._link_slots.pop_freed_links() if self._blocked[link]
        )
        if self.in_use >= self.capacity:
            return None
        visit = self._from_freed_link() or self._from_pending() or self._from_retries(now_s)
        if visit is not None:
            self._change_usage(visit.link, 1)
        return visit

    def release(self, visit: PendingVisit, *, mbit_s: float | None = None) -> None:
        """Give the seat back; `mbit_s` is what the visit was seen to take."""
        self._change_usage(visit.link, -1)
        if self._blocked[visit.link]:
            self._freed_links.append(visit.link)
        if mbit_s is not None and mbit_s > 0.0:
            self._mbit_s_each += LEARNING_RATE * (mbit_s - self._mbit_s_each)

    def retry_later(self, visit: PendingVisit, now_s: float) -> bool:
        """Queue a retry behind everyone else; False when its tries are used up."""
        if visit.attempt > self._limits.retries:
            return False
        self._retries.append(
            PendingVisit(
                camera=visit.camera,
                link=visit.link,
                attempt=visit.attempt + 1,
                not_before_s=now_s + self._limits.retry_after_s,
            )
        )
        return True

    def next_retry_in_s(self, now_s: float) -> float | None:
        """How long until the oldest retry may start; None when there is none."""
        if not self._retries:
            return None
        return max(0.0, self._retries[0].not_before_s - now_s)

    def _change_usage(self, link: LinkId, visits: int) -> None:
        self._in_use[link] += visits
        self._link_slots.set_round_usage(link, self._in_use[link])

    def _has_capacity(self, link: LinkId) -> bool:
        return self._in_use[link] + self._link_slots.reserved(link) < self._limits.per_link

    def _from_freed_link(self) -> PendingVisit | None:
        while self._freed_links:
            link = self._freed_links.popleft()
            if self._blocked[link] and self._has_capacity(link):
                return self._blocked[link].popleft()
        return None

    def _from_pending(self) -> PendingVisit | None:
        while self._pending:
            visit = self._pending.popleft()
            if self._has_capacity(visit.link):
                return visit
            self._blocked[visit.link].append(visit)
        return None

    def _from_retries(self, now_s: float) -> PendingVisit | None:
        """Retries are in the order of their times; only the first can be ripe."""
        if self._retries and self._retries[0].not_before_s <= now_s:
            visit = self._retries[0]
            if self._has_capacity(visit.link):
                return self._retries.popleft()
        return None
