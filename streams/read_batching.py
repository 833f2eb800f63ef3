"""Wake for a stream less often: the kernel reports a socket readable once enough bytes are there.

A camera sends each picture by itself, fifteen times a second, and all but two of a visit's pictures
are passed over: waking for each costs more than reading it. `ReadBatching` sets SO_RCVLOWAT
(socket(7)) by the stream's own rate, so that what is passed over comes a few pictures at a time.
A threshold that a stream slows down below is lowered by `release`, which the caller's timer calls:
nothing is found later than MAX_DELAY_S. Where the option is refused, every byte wakes as before.
"""

import socket
from contextlib import suppress
from typing import Final

AT_ONCE: Final = 1  # byte: the kernel's default
BETWEEN_S: Final = 0.4  # of the stream at a time while no key frame is wanted
AWAITING_S: Final = 0.12  # ... while one is: no more than a frame or two late
MAX_DELAY_S: Final = 0.5
KNOWN_AFTER_S: Final = 0.5  # of playing: by then the stream's rate can be told
STEP_BYTES: Final = 4096  # the threshold moves in such steps, so that it is seldom set
MAX_BYTES: Final = 128 * 1024  # below what any receive buffer grows to


class ReadBatching:
    """The threshold of one connected socket; times are seconds of the caller's monotonic clock."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._threshold = AT_ONCE
        self._read_at_s = 0.0
        self._playing_from_s: float | None = None
        self._bytes = 0

    def on_read(self, count: int, now_s: float, *, inside: bool, wanted: bool) -> None:
        """Set the threshold after a read of `count` bytes of a stream that plays.

        `inside` a key frame every byte counts at once; `wanted` tells whether one is waited for.
        """
        if self._playing_from_s is None:
            self._playing_from_s = now_s
        self._read_at_s, self._bytes = now_s, self._bytes + count
        played_s = now_s - self._playing_from_s
        if inside or played_s < KNOWN_AFTER_S:
            self._set(AT_ONCE)
            return
        due = int(self._bytes / played_s * (AWAITING_S if wanted else BETWEEN_S))
        self._set(max(AT_ONCE, min(due, MAX_BYTES) // STEP_BYTES * STEP_BYTES))

    @property
    def release_at_s(self) -> float | None:
        """When `release` is due unless more is read; None while every byte wakes."""
        return None if self._threshold == AT_ONCE else self._read_at_s + MAX_DELAY_S

    def release(self) -> None:
        """Let every byte wake again, those that lie there at once."""
        self._set(AT_ONCE)

    def _set(self, threshold: int) -> None:
        if threshold == self._threshold:
            return
        self._threshold = threshold
        with suppress(OSError):
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, threshold)
