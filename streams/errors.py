"""What can go wrong between us and a camera, and whose move it is.

StreamError
├── BadAddress     do not retry: the address itself is wrong        -> whoever wrote cameras.csv
├── Unreachable    retry this round; counts against the network     -> maintainer, network
├── RefusedUs      do not retry: password, access list, 404         -> maintainer, credentials
├── WentSilent     retry once: it let us in, then stopped (or 5xx) -> maintainer, camera
└── Unreadable     do not retry: not the stream it claims to be     -> maintainer, camera

No message ever carries a password: addresses print themselves redacted (see address.py).
"""

from typing import ClassVar


class StreamError(Exception):
    """Base of everything that a visit may raise; `seen` says what was observed, in one line."""

    kind: ClassVar[str] = "stream_error"
    retry: ClassVar[bool] = False

    def __init__(self, seen: str) -> None:
        super().__init__(seen)
        self.seen = seen


class BadAddress(StreamError):
    """The address cannot be used as written."""

    kind = "bad_address"


class Unreachable(StreamError):
    """No conversation came about: refused TCP, no route, DNS, no answer to the first request."""

    kind = "unreachable"
    retry = True


class RefusedUs(StreamError):
    """The camera answered and said no: 401 after our answer, 403, 404, 453."""

    kind = "refused_us"


class WentSilent(StreamError):
    """It let us in, then stopped: no packets, no key frame in time, hung up in mid-picture."""

    kind = "went_silent"
    retry = True


class Unreadable(StreamError):
    """What arrived is not the stream that it claims to be: bad SDP, garbage, corrupt bit stream."""

    kind = "unreadable"


KINDS: tuple[type[StreamError], ...] = (
    BadAddress,
    Unreachable,
    RefusedUs,
    WentSilent,
    Unreadable,
)
