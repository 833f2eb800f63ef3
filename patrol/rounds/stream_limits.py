"""Stream limits: how many streams a recorder serves at once, learned from its refusals.

A recorder with 24 channels and 6 streams answers the seventh with 453, 500 or 503, or hangs up. The
limit is kept per stream server (host and port, which is what has the limit; a network link can have
several), lowered when a visit is turned away, and raised by one when it has served enough since.
Pure: used by limiter.py, kept in the store between rounds by runner.py.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Final

from patrol.domain.backoff import backoff
from patrol.domain.ids import ServerId
from streams.address import StreamAddress

NO_SERVER: Final = ServerId("")  # a file: no limit

LIMITING_TURNS: Final = 2  # a visit turned away more often says nothing new about the server
FIRST_WAIT_S: Final = 0.5  # recorders free a stream some tenths of a second after TEARDOWN
LONGEST_WAIT_S: Final = 30.0
RAISE_AFTER: Final = 2  # times the limit: so many served streams, then one more is tried …
MAX_RAISE_AFTER: Final = 64  # … after twice as many each time that it was refused


def server_of(address: StreamAddress) -> ServerId:
    """The server of a stream address: a hash, for addresses are secrets, also in the store."""
    if not address.host:
        return NO_SERVER
    name = f"{address.host.lower()}:{address.port}".encode()
    return ServerId(hashlib.blake2s(name, digest_size=8).hexdigest())


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLimit:
    """The limit of one server, and what it served since it last turned a visit away."""

    streams: int
    served: int = 0
    raise_after: int = RAISE_AFTER

    def refused(self, others: int, served_at_once: int) -> "ServerLimit":
        """The limit after a refusal beside so many other streams, not below what was served."""
        was_raised_too_far = others >= self.streams
        return ServerLimit(
            streams=max(1, served_at_once, min(self.streams, others)),
            raise_after=min(MAX_RAISE_AFTER, self.raise_after * (1 + was_raised_too_far)),
        )

    def served_one(self) -> "ServerLimit":
        """The limit after one stream more; raised by one when it served enough of them."""
        if self.served + 1 < self.raise_after * self.streams:
            return replace(self, served=self.served + 1)
        return ServerLimit(streams=self.streams + 1, raise_after=self.raise_after)


@dataclass(slots=True)
class StreamLimits:
    """The servers' limits in one round: which are known, and how many streams each serves now."""

    _limits: dict[ServerId, ServerLimit] = field(default_factory=dict)
    _in_use: Counter[ServerId] = field(default_factory=Counter)
    _served: defaultdict[ServerId, list[tuple[int, int]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    _step: int = 0  # counts starts and ends
    _agreed: Mapping[ServerId, int] = field(default_factory=dict)

    @classmethod
    def of(
        cls, known: Mapping[ServerId, int], agreed: Mapping[ServerId, int] | None = None
    ) -> "StreamLimits":
        """Begin with the limits that earlier rounds learned.

        `agreed`: what sources.yaml allows a platform to be asked for; it is never exceeded.
        """
        limits = {server: ServerLimit(streams=streams) for server, streams in known.items()}
        return cls(limits, _agreed=agreed or {})

    def has_capacity(self, server: ServerId) -> bool:
        """Whether the server may be asked for one more stream, and is thought to serve it."""
        agreed = self._agreed.get(server)
        if agreed is not None and self._in_use[server] >= agreed:
            return False
        limit = self._limits.get(server)
        return limit is None or self._in_use[server] < limit.streams

    def others(self, server: ServerId) -> int:
        """Visits under way at the server, beside the one that asks."""
        return self._in_use[server] - 1

    def start(self, server: ServerId) -> int:
        """Count a visit that begins; the answer is for `end`."""
        self._in_use[server] += 1
        self._step += 1
        return self._step

    def end(self, server: ServerId, begun: int, *, served: bool) -> None:
        """Count a visit that ended, and whether it was served a picture."""
        self._in_use[server] -= 1
        self._step += 1
        if served:
            self._served[server].append((begun, self._step))
            if server in self._limits:
                self._limits[server] = self._limits[server].served_one()

    def turn_away(self, server: ServerId, turns: int, *, certain: bool) -> None:
        """Lower the limit for a visit that was turned away for the `turns`th time.

        Not `certain`: the channel may be broken; what the server has served at once this round
        stays allowed.
        """
        if server == NO_SERVER or turns > LIMITING_TURNS:
            return
        others = self.others(server)
        known = self._limits.get(server) or ServerLimit(streams=max(1, others))
        at_least = 1 if certain else most_at_once(self._served[server])
        self._limits[server] = known.refused(others, at_least)

    def learned(self) -> Mapping[ServerId, int]:
        """The limits to begin the next round with."""
        return {server: limit.streams for server, limit in self._limits.items()}


def most_at_once(spans: Iterable[tuple[int, int]]) -> int:
    """The most spans (begin, end) that overlap; 0 without any."""
    steps = sorted(step for begin, end in spans for step in ((begin, 1), (end, -1)))
    return max(accumulate(change for _, change in steps), default=0)


def wait_after_refusal_s(turns: int, others: int, asked_s: float | None) -> float:
    """Seconds until a visit turned away for the `turns`th time may ask again.

    `asked_s`: the Retry-After of the answer. Not at all the first time, where visits of ours are
    under way at the server: it asks again when one of them ends.
    """
    if turns == 1 and others > 0:
        return 0.0
    return min(LONGEST_WAIT_S, max(asked_s or 0.0, backoff(turns, FIRST_WAIT_S, LONGEST_WAIT_S)))
