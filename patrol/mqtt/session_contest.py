"""Detects two clients that share one client id and take each other's session; one backs off. Pure.

A broker has one connection a client id and ends the older one (MQTT 5: DISCONNECT 0x8E; MQTT 3.1.1
closes without a word). Two centres with one site id would come back at once, hundreds of times a
minute, each getting a part of the replies. Here one of them stands back: a client that is
disconnected again and again shortly after connecting pauses, longer every time, up to an hour. The
other one has a connection that lasts by then, and reconnects at once when it is disturbed. So
exactly one works steadily. The other watches its status (session_watch.py) and comes back when it
has gone; the hour counts only where there is no status to read.

The clock is the caller's, in monotonic seconds. Used by ReconnectingClient for stable client ids.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from patrol.domain.backoff import jittered_backoff_s

SHORT_LIFE_S: Final = 30.0  # a connection that ends sooner after a takeover was contested
TAKEOVERS: Final = 3  # in a row, before it stands back
SHORTEST_LIFE_S: Final = 5.0  # without a word, as MQTT 3.1.1 does
SILENT_ENDS: Final = (
    6  # in a row, each right after connecting, to a broker that was there all along
)
FIRST_PAUSE_S: Final = 60.0
LONGEST_PAUSE_S: Final = 3600.0
SHOWN_S: Final = LONGEST_PAUSE_S + 600.0  # after the last takeover: the other may come back


@dataclass
class SessionContest:
    """What one client knows of another with its id."""

    client_id: str
    _takeovers: int = 0  # in a row
    _silent_ends: int = 0  # in a row
    _pauses: int = 0  # in a row
    _takeovers_shown: int = 0  # since the contest began
    _last_s: float | None = None  # of the last takeover

    def ended(self, *, taken_over: bool, life_s: float, now_s: float) -> None:
        """A connection that was up has ended, not by us."""
        if taken_over:
            self._takeovers_shown += 1
            self._last_s = now_s
        if life_s >= SHORT_LIFE_S:
            self._takeovers = self._silent_ends = self._pauses = 0
            return
        self._takeovers += taken_over
        is_silent = not taken_over and life_s < SHORTEST_LIFE_S
        self._silent_ends = self._silent_ends + 1 if is_silent else 0

    def stands(self, *, life_s: float) -> None:
        """Our connection is up for so long: the other one has gone, once it has lasted."""
        if life_s >= SHORT_LIFE_S:
            self._takeovers = self._silent_ends = self._pauses = 0

    def not_reached(self) -> None:
        """A connection could not be made: the broker was away, which explains silent ends."""
        self._silent_ends = 0

    def pause_s(self, pick: Callable[[float, float], float]) -> float:
        """How long to stand back now; 0 without a contest. `pick`: as `Random().uniform`."""
        if self._takeovers < TAKEOVERS and self._silent_ends < SILENT_ENDS:
            return 0.0
        self._pauses += 1
        # Four times as long each time: after some minutes the other one is hardly disturbed.
        return jittered_backoff_s(2 * self._pauses - 1, FIRST_PAUSE_S, LONGEST_PAUSE_S, pick)

    def problem(self, now_s: float) -> str:
        """What a person has to do; empty when nobody contests the session."""
        if self._pauses:
            return (
                f"another client uses the id {self.client_id!r}: a second centre with this site id?"
                " This one stands back; stop one of them, or give it another site.id"
            )
        is_recent = self._last_s is not None and now_s - self._last_s < SHOWN_S
        if is_recent and self._takeovers_shown >= TAKEOVERS:
            return (
                f"another client takes the id {self.client_id!r} again and again"
                f" ({self._takeovers_shown} times): a second centre with this site id?"
                " Stop one of them, or give it another site.id"
            )
        return ""
