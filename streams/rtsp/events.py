"""What a session tells the one who feeds it."""

from dataclasses import dataclass

from streams.rtsp.assembly import AccessUnit


@dataclass(frozen=True, slots=True)
class KeyFrameCame:
    """A whole key picture."""

    unit: AccessUnit
    media_time_s: float  # since the first key picture of the session


@dataclass(frozen=True, slots=True)
class ClockSeen:
    """The sender's wall clock, just now (RTCP)."""

    unix_s: float


@dataclass(frozen=True, slots=True)
class Redirected:
    """The server sends us elsewhere."""

    uri: str


@dataclass(frozen=True, slots=True)
class NotForUs:
    """A stream that libav can play and this session cannot."""

    why: str
    over_udp: bool  # the server refuses TCP


Event = KeyFrameCame | ClockSeen | Redirected | NotForUs
