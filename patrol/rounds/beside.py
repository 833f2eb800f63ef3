"""Seats beside a round under way: looks keep to the same caps as the walk that runs.

A look reserves its seat first, which keeps the walk from filling it, and starts once the link has
room. Thread-safe: the walk has its event loop, the looks have theirs.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from threading import Lock

from patrol.domain.ids import LinkId

SEAT_POLL_S = 0.1


@dataclass(slots=True)
class Beside:
    """Connections of this process, counted by link."""

    per_link: int
    _lock: Lock = field(default_factory=Lock)
    _looks: Counter[LinkId] = field(default_factory=Counter)
    _walking: Counter[LinkId] = field(default_factory=Counter)
    _given_back: set[LinkId] = field(default_factory=set)

    def reserve(self, link: LinkId) -> bool:
        """Keep a seat for a look; False while looks alone fill the link."""
        with self._lock:
            if self._looks[link] >= self.per_link:
                return False
            self._looks[link] += 1
            return True

    def may_start(self, link: LinkId) -> bool:
        """Whether the walk has left the reserved seat."""
        with self._lock:
            return self._walking[link] + self._looks[link] <= self.per_link

    @asynccontextmanager
    async def seat(self, link: LinkId) -> AsyncIterator[None]:
        """The seat that was reserved: begins once the walk has left it, given back at the end."""
        try:
            while not self.may_start(link):  # noqa: ASYNC110  the walk's thread says so
                await asyncio.sleep(SEAT_POLL_S)
            yield
        finally:
            self.give_back(link)

    def give_back(self, link: LinkId) -> None:
        """The look is over."""
        with self._lock:
            self._looks[link] -= 1
            self._given_back.add(link)

    def looks(self, link: LinkId | None = None) -> int:
        """Seats that the walk must leave: on a link, or in all."""
        with self._lock:
            return self._looks.total() if link is None else self._looks[link]

    def walking(self, link: LinkId, taken: int) -> None:
        """The walk says how many visits it has under way on a link."""
        with self._lock:
            self._walking[link] = taken

    def freed(self) -> set[LinkId]:
        """Links on which a look ended since this was asked last."""
        with self._lock:
            freed, self._given_back = self._given_back, set()
            return freed
