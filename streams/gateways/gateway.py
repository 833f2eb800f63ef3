"""A media gateway as sources.yaml describes it: where it is, its keys, its live URLs.

Values alone, so that reading a site's files needs nothing that opens streams.
"""

from dataclasses import dataclass, field
from enum import StrEnum, auto
from typing import Final
from urllib.parse import urlsplit

from streams.address import host_text
from streams.target_policy import TargetPolicy


class LiveProtocol(StrEnum):
    """How a gateway serves a live stream; the value stands in sources.yaml."""

    RTSP = auto()
    TS = auto()
    FMP4 = auto()
    FLV = auto()
    HLS = auto()
    RTMP = auto()


DEFAULT_ORDER: Final = (
    LiveProtocol.RTSP,
    LiveProtocol.TS,
    LiveProtocol.FMP4,
    LiveProtocol.FLV,
    LiveProtocol.HLS,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveUrlRules:
    """How the live URLs of one gateway are used."""

    order: tuple[LiveProtocol, ...] = DEFAULT_ORDER
    rewrite_host: str = ""  # the media server's host as we reach it; empty: as the gateway says
    targets: TargetPolicy = field(default_factory=TargetPolicy)


@dataclass(frozen=True, slots=True, kw_only=True)
class ZlmGateway:
    """One ZLMediaKit as sources.yaml describes it."""

    name: str
    base: str  # of its HTTP: http://host[:port]
    secret: str = field(default="", repr=False)  # empty: the API is not asked
    rtsp_port: int = 554
    rtmp_port: int = 1935
    on_demand: bool = True  # a stream that is not listed may start when it is opened
    live: LiveUrlRules = field(default_factory=LiveUrlRules)

    @property
    def host(self) -> str:
        """The gateway's host, in brackets where it is IPv6."""
        return host_text(urlsplit(self.base).hostname or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class WvpGateway:
    """One WVP as sources.yaml describes it."""

    name: str
    base: str
    api_key: str = field(default="", repr=False)  # preferred: made in WVP's pages
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    play_timeout_s: float = 18.0  # WVP's own `play-timeout`
    owns_streams: bool = False
    media: ZlmGateway | None = None  # its ZLMediaKit, to count viewers by
    live: LiveUrlRules = field(default_factory=LiveUrlRules)
