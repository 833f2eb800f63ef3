"""What can go wrong between the program and a camera, and who has to act.

StreamError
├── BadAddress     do not retry: the address itself is wrong        -> the author of cameras.csv
├── Unreachable    retry this round; counts against the network     -> maintainer, network
├── RefusedUs      do not retry: password, access list, 404         -> maintainer, credentials
├── StreamBusy     retry as streams end: it serves no more at once  -> nobody, else its stream limit
├── WentSilent     retry once: it let us in, then stopped (or 5xx) -> maintainer, camera
└── Unreadable     do not retry: not the stream it claims to be     -> maintainer, camera

No message ever carries a password: addresses print themselves redacted (see address.py).
"""

import os
from typing import ClassVar, Final

PICTURE_TOO_LARGE: Final = "picture_too_large"  # the reason of an Unreadable
TLS_FAILED: Final = "tls_failed"  # the reason of an Unreadable: certificate, or no TLS there
LOGIN_REFUSED: Final = "login_refused"  # the reason of a RefusedUs
NOT_FOUND: Final = "not_found"  # the reason of a RefusedUs: the source knows no such camera
DEVICE_OFFLINE: Final = "device_offline"  # the reason of an Unreachable: the source says so
REGISTRATION_REFUSED: Final = "registration_refused"  # ... we refused how a platform registered


class StreamError(Exception):
    """Base of everything that a visit may raise; `seen` is what was observed, in one line."""

    kind: ClassVar[str] = "stream_error"
    retry: ClassVar[bool] = False

    def __init__(self, seen: str, *, reason: str = "") -> None:
        super().__init__(seen)
        self.seen = seen
        self.reason = reason  # a name for it where the kind alone does not say what to do


class BadAddress(StreamError):
    """The address cannot be used as written."""

    kind = "bad_address"


class Unreachable(StreamError):
    """No connection or no first answer: TCP refused, no route, DNS, silence after a request."""

    kind = "unreachable"
    retry = True


class RefusedUs(StreamError):
    """The camera refused: 401 after authentication, 403, 404.

    The reason LOGIN_REFUSED is of the user or the password; nobody is to doubt these for a path.
    """

    kind = "refused_us"


class StreamBusy(StreamError):
    """The camera or recorder is there and serves no further stream now.

    It said so (453, 503), failed where recorders fail that have no stream left (500), or hung up
    on SETUP or PLAY. `status` is None where it hung up; `retry_after_s` is the wait it asks for.
    """

    kind = "stream_busy"
    retry = True

    def __init__(
        self, seen: str, *, status: int | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(seen)
        self.status = status
        self.retry_after_s = retry_after_s


class WentSilent(StreamError):
    """The camera accepted, then stopped: no packets, no key frame, closed in mid-picture."""

    kind = "went_silent"
    retry = True


class Unreadable(StreamError):
    """What arrived is not the stream that it claims to be: bad SDP, garbage, corrupt bit stream."""

    kind = "unreadable"


KINDS: tuple[type[StreamError], ...] = (
    BadAddress,
    Unreachable,
    RefusedUs,
    StreamBusy,
    WentSilent,
    Unreadable,
)


def os_error_text(exc: OSError) -> str:
    """The operating system's text of an error, in lower case: `connection refused`."""
    if exc.errno:
        return os.strerror(exc.errno).lower()
    return "no answer in time" if isinstance(exc, TimeoutError) else type(exc).__name__
