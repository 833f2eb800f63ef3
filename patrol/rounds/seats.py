"""Seats: how many visits may be under way at once, in all, per network link, and in Mbit/s.

State in, answers out; times are monotonic seconds that the caller gives. A seat is held from
the first packet to the recorder's commit, so the number of seats bounds the memory of a round too.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass

from patrol.domain.ids import CameraId, LinkId
from patrol.rounds.beside import Beside

FIRST_GUESS_MBIT_S = 2.0  # a 1080p household camera sends 1–2 Mbit/s (domain.md)
LEARNING_RATE = 0.05  # a fault camera's odd rate must not swing the estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """The limits of site.yaml, section `limits`."""

    connections: int = 200
    per_link: int = 32
    mbit_s: float = 400.0
    visit_s: float = 20.0
    retries: int = 1
    retry_after_s: float = 5.0  # long enough for a camera to free the session that we lost
    ramp_s: float = 2.0  # the first wave is spread over this time


@dataclass(frozen=True, slots=True, kw_only=True)
class Seeker:
    """A visit that wants a seat."""

    camera: CameraId
    link: LinkId
    attempt: int = 1
    not_before_s: float = 0.0


class Seats:
    """Gives out seats in the plan's order, skipping those whose link is full."""

    def __init__(self, seekers: Iterable[Seeker], caps: Caps, beside: Beside | None = None) -> None:
        self._caps = caps
        self._beside = beside or Beside(caps.per_link)
        self._pending = deque(seekers)
        self._held_back: dict[LinkId, deque[Seeker]] = defaultdict(deque)
        self._free_again: deque[LinkId] = deque()
        self._retries: deque[Seeker] = deque()
        self._taken: Counter[LinkId] = Counter()
        self._mbit_s_each = FIRST_GUESS_MBIT_S

    @property
    def taken(self) -> int:
        """Visits under way."""
        return self._taken.total()

    @property
    def waiting(self) -> int:
        """Visits that still want a seat."""
        held = sum(len(queue) for queue in self._held_back.values())
        return len(self._pending) + held + len(self._retries)

    @property
    def capacity(self) -> int:
        """Seats in all, with the bandwidth that a visit was seen to take."""
        by_bandwidth = int(self._caps.mbit_s / self._mbit_s_each)
        return max(1, min(self._caps.connections, by_bandwidth) - self._beside.looks())

    def take(self, now_s: float) -> Seeker | None:
        """The next visit that may start now, its seat taken; None when none may."""
        self._free_again.extend(link for link in self._beside.freed() if self._held_back[link])
        if self.taken >= self.capacity:
            return None
        seeker = self._from_freed_link() or self._from_pending() or self._from_retries(now_s)
        if seeker is not None:
            self._count(seeker.link, 1)
        return seeker

    def leave(self, seeker: Seeker, *, mbit_s: float | None = None) -> None:
        """Give the seat back; `mbit_s` is what the visit was seen to take."""
        self._count(seeker.link, -1)
        if self._held_back[seeker.link]:
            self._free_again.append(seeker.link)
        if mbit_s is not None and mbit_s > 0.0:
            self._mbit_s_each += LEARNING_RATE * (mbit_s - self._mbit_s_each)

    def again(self, seeker: Seeker, now_s: float) -> bool:
        """Queue a retry behind everyone else; False when its tries are used up."""
        if seeker.attempt > self._caps.retries:
            return False
        self._retries.append(
            Seeker(
                camera=seeker.camera,
                link=seeker.link,
                attempt=seeker.attempt + 1,
                not_before_s=now_s + self._caps.retry_after_s,
            )
        )
        return True

    def next_retry_in_s(self, now_s: float) -> float | None:
        """How long until the oldest retry may start; None when there is none."""
        if not self._retries:
            return None
        return max(0.0, self._retries[0].not_before_s - now_s)

    def _count(self, link: LinkId, visits: int) -> None:
        self._taken[link] += visits
        self._beside.walking(link, self._taken[link])

    def _has_room(self, link: LinkId) -> bool:
        return self._taken[link] + self._beside.looks(link) < self._caps.per_link

    def _from_freed_link(self) -> Seeker | None:
        while self._free_again:
            link = self._free_again.popleft()
            if self._held_back[link] and self._has_room(link):
                return self._held_back[link].popleft()
        return None

    def _from_pending(self) -> Seeker | None:
        while self._pending:
            seeker = self._pending.popleft()
            if self._has_room(seeker.link):
                return seeker
            self._held_back[seeker.link].append(seeker)
        return None

    def _from_retries(self, now_s: float) -> Seeker | None:
        """Retries are in the order of their times; only the first can be ripe."""
        if self._retries and self._retries[0].not_before_s <= now_s:
            seeker = self._retries[0]
            if self._has_room(seeker.link):
                return self._retries.popleft()
        return None
