"""`gb28181:` of sources.yaml: this site as a GB/T 28181 platform, and the peers it works with.

A peer is a lower platform, a recorder or a camera that registers here (`registration: accept`), a
platform that demands that we register there (`register`), or one at a fixed address (`none`). In
every case it is we who ask for catalogue and pictures. Times end in their unit.
"""

import re
from collections.abc import Iterator
from enum import StrEnum
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import AfterValidator, Field, model_validator

from patrol.settings.config_file import first_line
from patrol.settings.yaml_types import SettingsSection, camera_id
from streams.source_schemes import NAME, NAME_RULE

SIP_PORT: Final = 5060
MIN_MEDIA_PORT: Final = 1024
MAX_PORT: Final = 65_535
_SDP_LINE: Final = re.compile(r"[a-z]=[ -~]{1,120}")
_REGION: Final = re.compile(r"[0-9]{2,8}", re.ASCII)


class Registration(StrEnum):
    """Who registers with whom."""

    ACCEPT = "accept"  # the peer registers here
    REGISTER = "register"  # we register there, as many provincial platforms demand
    NONE = "none"  # nobody: its address is fixed


class SipTransport(StrEnum):
    """What SIP messages to a peer travel over, where we begin."""

    UDP = "udp"
    TCP = "tcp"


class MediaTransport(StrEnum):
    """How a peer sends pictures."""

    TCP_PASSIVE = "tcp-passive"  # it connects to us
    TCP_ACTIVE = "tcp-active"  # we connect to it
    UDP = "udp"


class StandardYear(StrEnum):
    """Which edition of GB/T 28181 is spoken with a peer."""

    Y2016 = "2016"
    Y2022 = "2022"


def source_name(value: str) -> str:
    """The name of a peer, vendor or gateway, as addresses write it."""
    if NAME.fullmatch(value) is None:
        raise ValueError(f"{value[:70]!r} cannot stand in an address, use {NAME_RULE}")
    return value


def host_and_port(value: str) -> str:
    """`HOST:PORT` of an IP address; empty: none."""
    if not value:
        return value
    host, _, port = value.rpartition(":")
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        raise ValueError(f"{value!r} is no address, write IP:PORT, e.g. 10.0.0.7:5060") from None
    if not port.isdecimal() or not 0 < int(port) <= MAX_PORT:
        raise ValueError(f"{value!r} has no port, write IP:PORT, e.g. 10.0.0.7:5060")
    return value


def ip_text(value: str) -> str:
    """An IP address; empty: none."""
    try:
        return str(ip_address(value)) if value else value
    except ValueError:
        raise ValueError(f"{value!r} is no IP address") from None


def network_text(value: str) -> str:
    """An IP address or a network."""
    try:
        return str(ip_network(value, strict=False))
    except ValueError:
        raise ValueError(f"{value!r} is no network, write e.g. 10.0.0.0/24") from None


def port_range(value: str) -> str:
    """`FIRST-LAST`."""
    first, _, last = value.partition("-")
    if not (first.isdecimal() and last.isdecimal()):
        raise ValueError(f"{value!r} is no range of ports, write 30000-30499")
    if not MIN_MEDIA_PORT <= int(first) <= int(last) <= MAX_PORT:
        raise ValueError(f"{value!r} is no range of ports from {MIN_MEDIA_PORT} to {MAX_PORT}")
    return value


def sdp_line(value: str) -> str:
    """One line of SDP, as `a=streamnumber:1`."""
    if _SDP_LINE.fullmatch(value) is None:
        raise ValueError(f"{value[:60]!r} is no line of SDP, write e.g. a=streamnumber:1")
    return value


def region_prefix(value: str) -> str:
    """The first digits of codes."""
    if _REGION.fullmatch(value) is None:
        raise ValueError(f"{value[:60]!r} is no beginning of a code, give 2 to 8 digits")
    return value


DeviceCode = Annotated[str, AfterValidator(camera_id)]
SourceName = Annotated[str, AfterValidator(source_name)]
HostAndPort = Annotated[str, AfterValidator(host_and_port)]
IpText = Annotated[str, AfterValidator(ip_text)]
NetworkText = Annotated[str, AfterValidator(network_text)]
PortRange = Annotated[str, AfterValidator(port_range)]
SdpLine = Annotated[str, AfterValidator(sdp_line)]
RegionPrefix = Annotated[str, AfterValidator(region_prefix)]


class Gb28181PeerSettings(SettingsSection):
    """One peer of `gb28181.peers`; the defaults suit a recorder of 2016."""

    id: DeviceCode
    registration: Registration = Registration.ACCEPT
    address: HostAndPort = ""  # for `register` and `none`
    allow_from: tuple[NetworkText, ...] = ()  # where its messages may come from; empty: anywhere
    username: str = ""  # empty: its code (`accept`), ours (`register`)
    password: str = Field(default="", repr=False)
    password_file: Path | None = None
    without_password: bool = False  # a last resort, for one fixed address of allow_from
    transport: SipTransport = SipTransport.UDP
    media: MediaTransport = MediaTransport.TCP_PASSIVE
    version: StandardYear = StandardYear.Y2016
    sessions: int = Field(default=4, ge=1, le=200)  # streams at once: most give few more
    regions: tuple[RegionPrefix, ...] = ()  # first digits of codes that its catalogue may hold
    media_ip: IpText = ""  # our address as it sees it, where that is another
    extra_sdp: tuple[SdpLine, ...] = ()  # for a vendor's own way to choose a stream
    sub_stream_sdp: tuple[SdpLine, ...] = ("a=streamnumber:1",)
    offer_names_channel: bool = True  # o= of the offer: the channel's code (else ours)
    date_header: bool = True  # our clock in answers to REGISTER; some obey it, some refuse it
    subscribe_catalog: bool = False
    alarms: bool = False  # whether its alarms are taken; others are answered and dropped
    expires_s: int = Field(default=3600, ge=60, le=86_400 * 7)  # of a registration by us
    keepalive_s: int = Field(default=60, ge=5, le=3600)
    answer_s: float = Field(default=8.0, gt=0, le=60)  # for the answer to INVITE
    media_s: float = Field(default=5.0, gt=0, le=60)  # for the first packet behind that
    catalog_s: float = Field(default=8.0, gt=0, le=120)  # without a further part: incomplete

    @model_validator(mode="after")
    def _is_reachable(self) -> Self:
        if self.registration is not Registration.ACCEPT and not self.address:
            raise ValueError(f"registration: {self.registration} needs address: IP:PORT")
        if self.password and self.password_file is not None:
            raise ValueError("gives password and password_file, keep one")
        return self

    @model_validator(mode="after")
    def _is_safe(self) -> Self:
        has_secret = bool(self.password) or self.password_file is not None
        pinned = len(self.allow_from) == 1 and ip_network(self.allow_from[0]).num_addresses == 1
        if self.without_password and not pinned:
            raise ValueError("without_password needs allow_from with one single address")
        if self.registration is Registration.NONE or self.without_password or has_secret:
            return self
        raise ValueError("has no password: give password_file, or password: ${PATROL_…}")

    def read_password(self) -> str:
        """The password; empty where there is none. Raises OSError."""
        return self.password if self.password_file is None else first_line(self.password_file)


class Gb28181Settings(SettingsSection):
    """This site as a platform of GB/T 28181."""

    id: DeviceCode  # ours; digits 11 to 13 of a platform are 200
    host: IpText = "127.0.0.1"  # where peers register from the network, say so: 0.0.0.0
    port: int = Field(default=SIP_PORT, ge=0, le=MAX_PORT)
    advertise: IpText = ""  # our address as peers see it; empty: the one that leads to each
    media_ports: PortRange = "30000-30499"
    peers: dict[SourceName, Gb28181PeerSettings] = Field(default_factory=dict)

    def problems(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """What does not go together, as the setting's place below `gb28181` and a text."""
        first, last = self.first_and_last_port
        if first <= self.port <= last:
            yield ("media_ports",), f"{self.media_ports} holds the SIP port {self.port}"
        seen = {self.id: "gb28181 itself"}
        for name, peer in self.peers.items():
            if peer.id in seen:
                place = "peers", name, "id"
                yield place, f"peer {name!r} has the code of {seen[peer.id]}, each has its own"
            seen.setdefault(peer.id, repr(name))

    @property
    def domain(self) -> str:
        """The SIP domain: the first ten digits of the code."""
        return self.id[:10]

    @property
    def first_and_last_port(self) -> tuple[int, int]:
        """The media ports."""
        first, _, last = self.media_ports.partition("-")
        return int(first), int(last)
