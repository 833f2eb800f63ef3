"""Limit connections: visits at once in all, per network link, per recorder, and in Mbit/s.

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
from dataclasses import dataclass, field, replace
from threading import Lock

from patrol.domain.ids import CameraId, LinkId, ServerId
from patrol.rounds.stream_limits import NO_SERVER, StreamLimits, TurnedAway
from streams.errors import StreamBusy

SLOT_POLL_S = 0.1
INITIAL_ESTIMATE_MBIT_S = 2.0  # a 1080p household camera sends 1–2 Mbit/s
LEARNING_RATE = 0.05  # a faulty camera's odd rate must not swing the estimate
# Answers that mean "no stream left" and nothing else. Recorders that have none left also answer
# 500 or hang up, and so does a channel that is broken: such a visit has this many turns.
NO_STREAM_LEFT = frozenset({453, 486, 503})  # of RTSP and HTTP; 486 of SIP
DOUBTFUL_TURNS = 4


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
    server: ServerId = NO_SERVER
    attempt: int = 1
    turned_away: int = 0  # times that the server had no stream left: no attempts of the camera
    not_before_s: float = 0.0
    begun: int = field(default=0, compare=False)  # step of `StreamLimits` when it got its slot


class ConnectionLimiter:
    """Gives slots in the plan's order, passing over visits whose link or recorder is full."""

    def __init__(
        self,
        visits: Iterable[PendingVisit],
        limits: ConnectionLimits,
        link_slots: SharedLinkSlots | None = None,
        stream_limits: StreamLimits | None = None,
    ) -> None:
        self._limits = limits
        self._streams = stream_limits or StreamLimits()
        self._link_slots = link_slots or SharedLinkSlots(limits.per_link)
        self._pending = deque(visits)
        self._blocked: dict[LinkId, deque[PendingVisit]] = defaultdict(deque)
        self._freed_links: deque[LinkId] = deque()
        self._retries: deque[PendingVisit] = deque()
        self._for_stream: dict[ServerId, deque[PendingVisit]] = defaultdict(deque)
        self._in_use: Counter[LinkId] = Counter()
        self._mbit_s_each = INITIAL_ESTIMATE_MBIT_S

    @property
    def in_use(self) -> int:
        """Visits under way."""
        return self._in_use.total()

    @property
    def waiting(self) -> int:
        """Visits that still wait for a slot, retries included."""
        queues = [*self._blocked.values(), *self._for_stream.values()]
        return len(self._pending) + len(self._retries) + sum(map(len, queues))

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
        visit = (
            self._from_freed_link(now_s)
            or self._for_free_stream(now_s)
            or self._from_pending(now_s)
            or self._from_retries(now_s)
        )
        if visit is not None:
            self._change_usage(visit.link, 1)
            visit = replace(visit, begun=self._streams.start(visit.server))
        return visit

    def release(self, visit: PendingVisit, *, mbit_s: float | None = None) -> None:
        """Give the slot back; `mbit_s` is the bandwidth that the visit was measured to take."""
        self._change_usage(visit.link, -1)
        if self._blocked[visit.link]:
            self._freed_links.append(visit.link)
        if mbit_s is not None and mbit_s > 0.0:
            self._mbit_s_each += LEARNING_RATE * (mbit_s - self._mbit_s_each)

    def end_stream(self, visit: PendingVisit, now_s: float, *, served: bool) -> None:
        """Give the recorder's stream back: the visit hung up, `served` with a picture.

        Before its slot, which is held until the picture is judged and written.
        """
        self._streams.end(visit.server, visit.begun, now_s, served=served)

    def retry_later(self, visit: PendingVisit, now_s: float) -> bool:
        """Queue a retry behind all other visits; False when its attempts are used up."""
        if visit.attempt > self._limits.retries:
            return False
        not_before_s = now_s + self._limits.retry_after_s
        self._retries.append(
            replace(visit, attempt=visit.attempt + 1, turned_away=0, not_before_s=not_before_s)
        )
        return True

    def wait_for_stream(self, visit: PendingVisit, busy: StreamBusy, now_s: float) -> bool:
        """Queue a visit that its recorder turned away until a stream is free there.

        False where that may have another reason: the visit is then to be retried like any other.
        """
        turns, others = visit.turned_away + 1, self._streams.others(visit.server)
        certain = busy.status in NO_STREAM_LEFT
        if not certain and (others < 1 or turns > DOUBTFUL_TURNS):
            return False
        refused = TurnedAway(
            turns=turns, certain=certain, at_s=now_s, asked_s=busy.retry_after_s
        )  # fmt: skip
        wait_s = self._streams.turn_away(visit.server, refused)
        self._for_stream[visit.server].append(
            replace(visit, turned_away=turns, not_before_s=now_s + wait_s)
        )
        return True

    def turned_away(self) -> list[PendingVisit]:
        """Visits that still wait for a stream after a refusal."""
        return [
            visit for queue in self._for_stream.values() for visit in queue if visit.turned_away
        ]

    def next_retry_in_s(self, now_s: float) -> float | None:
        """Seconds until a visit that waits for its time may start; None when none does."""
        times = [self._retries[0].not_before_s] if self._retries else []
        for server, queue in self._for_stream.items():
            ready_s = self._ready_at_s(server, now_s)
            times += [
                max(visit.not_before_s, at_s)
                for visit in queue
                if self._has_capacity(visit.link)
                and (at_s := ready_s[visit.turned_away > 0]) is not None
            ]
        return max(0.0, min(times) - now_s) if times else None

    def _change_usage(self, link: LinkId, visits: int) -> None:
        self._in_use[link] += visits
        self._link_slots.set_round_usage(link, self._in_use[link])

    def _ready_at_s(self, server: ServerId, now_s: float) -> tuple[float | None, float | None]:
        """When a visit may ask the server that has not asked yet, and one that was turned away."""
        streams = self._streams
        first_s = streams.ready_at_s(server, now_s, asked=False)
        return first_s, streams.ready_at_s(server, now_s, asked=True)

    def _has_capacity(self, link: LinkId) -> bool:
        return self._in_use[link] + self._link_slots.reserved(link) < self._limits.per_link

    def _may_start(self, visit: PendingVisit, now_s: float) -> bool:
        """Whether link and recorder have capacity; a visit that may not is queued for it."""
        if not self._has_capacity(visit.link):
            self._blocked[visit.link].append(visit)
            return False
        if not self._streams.has_capacity(visit.server, now_s, asked=visit.turned_away > 0):
            self._for_stream[visit.server].append(visit)
            return False
        return True

    def _from_freed_link(self, now_s: float) -> PendingVisit | None:
        while self._freed_links:
            link = self._freed_links.popleft()
            while self._blocked[link] and self._has_capacity(link):
                visit = self._blocked[link].popleft()
                if self._may_start(visit, now_s):
                    return visit
        return None

    def _for_free_stream(self, now_s: float) -> PendingVisit | None:
        for server, queue in self._for_stream.items():
            ready_s = self._ready_at_s(server, now_s)
            for visit in queue:
                at_s = ready_s[visit.turned_away > 0]
                if (
                    at_s is not None
                    and max(at_s, visit.not_before_s) <= now_s
                    and self._has_capacity(visit.link)
                ):
                    queue.remove(visit)
                    return visit
        return None

    def _from_pending(self, now_s: float) -> PendingVisit | None:
        while self._pending:
            visit = self._pending.popleft()
            if self._may_start(visit, now_s):
                return visit
        return None

    def _from_retries(self, now_s: float) -> PendingVisit | None:
        """The oldest retry whose time has come: they are in the order of their times."""
        while self._retries and self._retries[0].not_before_s <= now_s:
            visit = self._retries.popleft()
            if self._may_start(visit, now_s):
                return visit
        return None
