"""Rates of incoming messages: how many replies and reports one account may send, by token bucket.

Messages are handled one after the other, so that a sender without a limit would stall all others:
what exceeds the rate costs no transaction beyond the first dead letters that say so. Pure but for
its own memory, which a restart clears. Used by reply_handler.py; `sender` is the topic's grid,
which the broker's access list binds to the account.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

MAX_SENDERS: Final = 10_000  # kept at most: topics of unknown grids must not fill the memory


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """So many at once, and so many a minute thereafter."""

    burst: int
    per_minute: float


# A telephone that was offline for a day sends some forty replies at once; a village that shares one
# account after a storm, with a dozen cases open, several hundred.
REPLY_RATE: Final = RateLimit(burst=600, per_minute=120)
# A storm gives a leader a dozen things to report in an hour.
REPORT_RATE: Final = RateLimit(burst=20, per_minute=1)
# Refused messages that are kept with their payload; beyond it they are counted.
DEAD_LETTER_RATE: Final = RateLimit(burst=50, per_minute=1)


@dataclass(slots=True)
class SenderRates:
    """Keeps one bucket for each sender; not for several threads at once."""

    limit: RateLimit
    _buckets: dict[str, tuple[float, datetime]] = field(default_factory=dict)  # tokens, then

    def admit(self, sender: str, now: datetime) -> bool:
        """Take a token of the sender's; False where none is left."""
        tokens = self._tokens(sender, now)
        admitted = tokens >= 1.0
        if sender not in self._buckets and len(self._buckets) >= MAX_SENDERS:
            self._buckets.clear()  # a flood of senders starts anew
        self._buckets[sender] = tokens - admitted, now
        return admitted

    def _tokens(self, sender: str, now: datetime) -> float:
        """Those that the sender has now; a clock that was set back gives none."""
        if sender not in self._buckets:
            return float(self.limit.burst)
        tokens, then = self._buckets[sender]
        gained = max(0.0, (now - then).total_seconds()) * self.limit.per_minute / 60
        return min(float(self.limit.burst), tokens + gained)
