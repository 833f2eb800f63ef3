"""Limit connections: how many visits run at once, in all, per network link, and in Mbit/s.

`ConnectionLimiter` gives the visits of one round their slots. A slot is held from the first packet
until the visit is recorded, so the number of slots bounds the memory of a round too. State in,
answers out; times are monotonic seconds that the caller gives.

`SharedLinkSlots` lets rechecks and live views keep to the same limits beside a running round: each
reserves a slot first, which keeps the round from filling it, and starts once the link has capacity.
Thread-safe: the round has its event loop, the others have theirs.
"""

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from threading import Lock

from patrol.domain.ids import CameraId, LinkId

SLOT_POLL_S = 0.1
INITIAL_ESTIMATE_MBIT_S = 2.0  # a 1080p household camera sends 1–2 Mbit/s
LEARNING_RATE = 0.05  # a faulty camera's odd rate must not swing the estimate


@dataclass(slots=True)
class SharedLinkSlots:
    """Slots per network link that the running round shares with rechecks and live views."""

    per_link: int
    _lock: Lock = field(default_factory=Lock)
    _reserved: Counter[LinkId] = field(default_factory=Counter)
    _round_usage: Counter[LinkId] = field(default_factory=Counter)
    _freed: set[LinkId] = field(default_factory=set)

    def reserve(self, link: LinkId) -> bool:
        """Reserve a slot outside the round; False while such slots alone fill the link."""
        with self._lock:
            if self._reserved[link] >= self.per_link:
                return False
            self._reserved[link] += 1
            return True

    def may_start(self, link: LinkId) -> bool:
        """Whether the round has left the reserved slot free."""
        with self._lock:
            return self._round_usage[link] + self._reserved[link] <= self.per_link

    @asynccontextmanager
    async def slot(self, link: LinkId) -> AsyncIterator[None]:
        """The reserved slot, from when the round has left it free; released at the end."""
        try:
            while not self.may_start(link):  # noqa: ASYNC110  the round's thread sets this
                await asyncio.sleep(SLOT_POLL_S)
            yield
        finally:
            self.release(link)

    def release(self, link: LinkId) -> None:
        """Give a reserved slot back."""
        with self._lock:
            self._reserved[link] -= 1
            self._freed.add(link)

    def reserved(self, link: LinkId | None = None) -> int:
        """Slots that the round must leave free: on a link, or in all."""
        with self._lock:
            return self._reserved.total() if link is None else self._reserved[link]

    def set_round_usage(self, link: LinkId, in_use: int) -> None:
        """Set how many visits of the round are under way on a link."""
        with self._lock:
            self._round_usage[link] = in_use

    def pop_freed_links(self) -> set[LinkId]:
        """Links on which a reserved slot was released since the last call."""
        with self._lock:
            links, self._freed = self._freed, set()
            return links


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
    """A visit of the round that waits for a slot."""

    camera: CameraId
    link: LinkId
    attempt: int = 1
    not_before_s: float = 0.0


class ConnectionLimiter:
    """Gives slots to visits in the plan's order, passing over those whose link is full."""

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
        """Visits that still wait for a slot, retries included."""
        blocked = sum(len(queue) for queue in self._blocked.values())
        return len(self._pending) + blocked + len(self._retries)

    @property
    def capacity(self) -> int:
        """Slots in all, at the bandwidth that a visit was measured to take."""
        by_bandwidth = int(self._limits.mbit_s / self._mbit_s_each)
        return max(1, min(self._limits.connections, by_bandwidth) - self._link_slots.reserved())

    def acquire(self, now_s: float) -> PendingVisit | None:
        """The next visit that may start now, its slot taken; None when none may."""
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
        """Give the slot back; `mbit_s` is the bandwidth that the visit was measured to take."""
        self._change_usage(visit.link, -1)
        if self._blocked[visit.link]:
            self._freed_links.append(visit.link)
        if mbit_s is not None and mbit_s > 0.0:
            self._mbit_s_each += LEARNING_RATE * (mbit_s - self._mbit_s_each)

    def retry_later(self, visit: PendingVisit, now_s: float) -> bool:
        """Queue a retry behind all other visits; False when its attempts are used up."""
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
        """Seconds until the oldest retry may start; None when there is none."""
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
        """The oldest retry, if its time has come: they are in the order of their times."""
        if self._retries and self._retries[0].not_before_s <= now_s:
            visit = self._retries[0]
            if self._has_capacity(visit.link):
                return self._retries.popleft()
        return None
