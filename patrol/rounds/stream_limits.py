"""Stream limits: how many streams a recorder serves at once, learned from its refusals.

A recorder with 24 channels and 6 streams answers the seventh with 453, 500 or 503, or hangs up. The
limit is kept per stream server (host and port, which is what has the limit; a network link can have
several), lowered when a visit is turned away, and raised by one when it has served enough since.

Two kinds of refusal say nothing about the limit, and hold the server's visits back as a whole
instead of each of them alone: the recorder has not freed the stream that ended last (it served more
at once before), and the recorder serves nobody of ours just now.
Pure: used by limiter.py; the limits are kept in the store between rounds by runner.py.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Final

from patrol.domain.backoff import backoff
from patrol.domain.ids import ServerId
from streams.address import StreamAddress

NO_SERVER: Final = ServerId("")  # a file: no limit

LIMITING_TURNS: Final = 2  # refused more often: perhaps the channel, not the server, is at fault
FIRST_WAIT_S: Final = 0.5  # recorders free a stream some tenths of a second after TEARDOWN
LONGEST_WAIT_S: Final = 30.0
RAISE_AFTER: Final = 2  # times the limit: so many served streams, then one more is tried …
MAX_RAISE_AFTER: Final = 64  # … after twice as many each time that it was refused
LONGEST_RELEASE_S: Final = 5.0  # what holds a stream longer is another viewer
RELEASE_GROWTH: Final = 1.5  # of the time that was too short, and on top of it …
RELEASE_STEP_S: Final = 0.2
RELEASE_DECAY: Final = 0.97  # a visit served: a time that was too long is found by itself


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
        was_raised_too_far = others >= self.streams - 1  # refused at the limit itself
        return ServerLimit(
            streams=max(1, served_at_once, min(self.streams, others)),
            raise_after=min(MAX_RAISE_AFTER, self.raise_after * (1 + was_raised_too_far)),
        )

    def served_one(self) -> "ServerLimit":
        """The limit after one stream more; raised by one when it served enough of them."""
        if self.served + 1 < self.raise_after * self.streams:
            return replace(self, served=self.served + 1)
        return ServerLimit(streams=self.streams + 1, raise_after=self.raise_after)


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnedAway:
    """One refusal of a server: the `turns`th of this visit, and what the answer asked for.

    Not `certain`: the channel may be broken; what the server has served at once this round stays
    allowed.
    """

    turns: int
    certain: bool
    at_s: float
    asked_s: float | None = None  # Retry-After


@dataclass(slots=True)
class ServerUse:
    """What one server does in this round."""

    in_use: int = 0
    spans: list[tuple[int, int]] = field(default_factory=list)  # served streams: first, last step
    ended_s: list[float] = field(default_factory=list)  # streams that it may not have freed yet
    release_s: float = 0.0  # how long it takes to free one
    rests_until_s: float = 0.0
    refusals: int = 0  # in a row, without a stream of ours

    def freed_at_s(self, streams: int, now_s: float) -> float:
        """When fewer than `streams` are in use, those counted that it has not freed yet."""
        held = sorted(at for end in self.ended_s if (at := end + self.release_s) > now_s)
        too_many = self.in_use + len(held) - streams
        return held[too_many] if 0 <= too_many < len(held) else now_s

    def end(self, now_s: float, span: tuple[int, int] | None) -> None:
        """Count the end of a visit; `span` of a stream that was served."""
        self.in_use -= 1
        if span is None:
            return
        self.spans.append(span)
        recent = [at for at in self.ended_s if now_s - at < LONGEST_RELEASE_S]
        self.ended_s = [*recent, now_s]
        self.release_s *= RELEASE_DECAY
        self.refusals, self.rests_until_s = 0, 0.0

    def is_freeing(self, held: int, now_s: float) -> bool:
        """Whether the latest `held` streams, ended but perhaps not free, may explain a refusal."""
        if not 0 < held <= len(self.ended_s):
            return False
        gap_s = now_s - self.ended_s[-held]
        if gap_s >= LONGEST_RELEASE_S:
            self.release_s = 0.0
            return False
        longer_s = RELEASE_GROWTH * gap_s + RELEASE_STEP_S
        self.release_s = min(LONGEST_RELEASE_S, max(self.release_s, longer_s))
        return True

    def rest(self, refused: TurnedAway) -> None:
        """Hold all visits back: longer each time, until one is served."""
        self.refusals += 1
        wait_s = backoff(self.refusals, FIRST_WAIT_S, LONGEST_WAIT_S)
        wait_s = min(LONGEST_WAIT_S, max(refused.asked_s or 0.0, wait_s))
        self.rests_until_s = max(self.rests_until_s, refused.at_s + wait_s)


@dataclass(slots=True)
class StreamLimits:
    """The servers' limits in one round: which are known, and how many streams each serves now."""

    _limits: dict[ServerId, ServerLimit] = field(default_factory=dict)
    _use: defaultdict[ServerId, ServerUse] = field(default_factory=lambda: defaultdict(ServerUse))
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

    def ready_at_s(self, server: ServerId, now_s: float, *, asked: bool) -> float | None:
        """When the server may be asked for one more stream; None: not before a visit ends there.

        A visit that has not `asked` yet does so during a rest, too: each channel is tried.
        """
        use, limit, agreed = self._use[server], self._limits.get(server), self._agreed.get(server)
        rests_until_s = use.rests_until_s if asked else now_s
        if agreed is not None and use.in_use >= agreed:
            return None
        if limit is None:
            return rests_until_s
        if use.in_use >= limit.streams:
            return None
        return max(rests_until_s, use.freed_at_s(limit.streams, now_s))

    def has_capacity(self, server: ServerId, now_s: float, *, asked: bool = False) -> bool:
        """Whether the server may be asked for one more stream, and is thought to serve it."""
        ready_s = self.ready_at_s(server, now_s, asked=asked)
        return ready_s is not None and ready_s <= now_s

    def others(self, server: ServerId) -> int:
        """Visits under way at the server, beside the one that asks."""
        return self._use[server].in_use - 1

    def start(self, server: ServerId) -> int:
        """Count a visit that begins; the answer is for `end`."""
        self._use[server].in_use += 1
        self._step += 1
        return self._step

    def end(self, server: ServerId, begun: int, now_s: float, *, served: bool) -> None:
        """Count a visit that ended, and whether it was served a picture."""
        self._step += 1
        self._use[server].end(now_s, (begun, self._step) if served else None)
        if served and server in self._limits:
            self._limits[server] = self._limits[server].served_one()

    def turn_away(self, server: ServerId, refused: TurnedAway) -> float:
        """Learn from a refusal; seconds that this visit itself has to wait."""
        others, use = self.others(server), self._use[server]
        alone_s = wait_after_refusal_s(refused.turns, others, refused.asked_s)
        if server == NO_SERVER:
            return alone_s
        most, known = most_at_once(use.spans), self._limits.get(server)
        shown = max(most, known.streams if known else 0)
        if refused.certain and use.is_freeing(shown - others, refused.at_s):
            limit = known or ServerLimit(streams=shown)
            if limit.streams > max(1, most) and use.release_s >= LONGEST_RELEASE_S:
                limit = limit.refused(most, most)
            self._limits[server] = limit
            return 0.0
        is_new = refused.turns <= LIMITING_TURNS
        at_least = 1 if refused.certain and is_new else max(1, most)
        if is_new or others >= at_least:
            limit = known or ServerLimit(streams=max(1, others))
            self._limits[server] = limit.refused(others, at_least)
        if refused.certain and others < 1:
            use.rest(refused)
            return 0.0
        return alone_s

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
