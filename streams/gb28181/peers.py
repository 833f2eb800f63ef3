"""The peers of a GB/T 28181 platform: what was agreed with each, what is known of it now. Pure."""

from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final

from streams.gb28181.catalog import CatalogAssembler
from streams.gb28181.manscdp import Alarm
from streams.gb28181.registration_client import RegistrationClient
from streams.gb28181.sdp import TCP_PASSIVE
from streams.gb28181.text import GB18030
from streams.gb28181.transactions import Flow

MISSED_KEEPALIVES: Final = 3
MAX_REMEMBERED_ALARMS: Final = 2000
ALARM_PERIOD_S: Final = 60.0
MAX_ALARMS_A_PERIOD: Final = 300  # that are kept of a peer; a broken sensor sends thousands
MAX_WRONG_PASSWORDS: Final = 5  # in WRONG_WITHIN_S: then they are not even compared
WRONG_WITHIN_S: Final = 60.0
MAX_REMEMBERED_WRONG: Final = 200
REGISTER_PERIOD_S: Final = 10.0
MAX_REMEMBERED_HOSTS: Final = 200
MAX_REGISTERS_A_PERIOD: Final = 60  # of one peer from one host; the standard has one try a minute
MAX_REASONS: Final = 2000  # of refusals that are counted one by one


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerConfig:
    """One peer, as agreed with it."""

    name: str
    id: str  # its 20-digit code
    registers_here: bool = True
    register_there: bool = False
    address: tuple[str, int] | None = None  # where it is, when it does not register here
    networks: tuple[IPv4Network | IPv6Network, ...] = ()  # empty: any
    user: str = ""
    password: str = field(default="", repr=False)
    without_password: bool = False
    sip_transport: str = "udp"
    media: str = TCP_PASSIVE
    version_2022: bool = False
    sessions: int = 4
    regions: tuple[str, ...] = ()
    media_host: str = ""  # our address in offers, where it is not the one that leads to the peer
    extra_sdp: tuple[str, ...] = ()
    sub_stream_sdp: tuple[str, ...] = ()
    offer_names_channel: bool = True
    date_header: bool = True
    subscribe_catalog: bool = False
    alarms: bool = False
    expires_s: int = 3600
    keepalive_s: float = 60.0
    answer_s: float = 8.0
    media_s: float = 5.0
    catalog_s: float = 8.0

    @property
    def edition(self) -> str:
        """The edition of the standard as X-GB-Ver names it: 2.0 is that of 2016, 3.0 of 2022."""
        return "3.0" if self.version_2022 else "2.0"

    def allows(self, host: str) -> bool:
        """Whether messages of this peer may come from there."""
        if not self.networks:
            return True
        try:
            address = ip_address(host)
        except ValueError:
            return False
        return any(address in network for network in self.networks)


@dataclass(slots=True, eq=False)
class CatalogSubscription:
    """Our subscription to a peer's catalogue (§9.11; Annex N of 2022)."""

    call_id: str
    from_tag: str
    event_id: str
    to_tag: str = ""
    cseq: int = 0
    due_s: float = 0.0  # of the next SUBSCRIBE
    established: bool = False
    refused: int = 0


@dataclass(slots=True, eq=False)
class Peer:
    """What is known of a peer now."""

    config: PeerConfig
    flow: Flow | None = None
    registered_until_s: float | None = None
    last_seen_s: float = 0.0
    online: bool = False
    charset: str = GB18030
    faulty: tuple[str, ...] = ()
    registers_since_s: float = 0.0
    registers: Counter[str] = field(default_factory=Counter)  # messages since then, by host
    refused: str = ""  # why its newest REGISTER was refused
    sn: int = 0
    assemblers: dict[int, CatalogAssembler] = field(default_factory=dict)
    client: RegistrationClient | None = None
    subscription: CatalogSubscription | None = None
    wrong_passwords: list[tuple[float, str]] = field(default_factory=list)  # when, from which host
    alarms: OrderedDict[tuple[str, ...], None] = field(default_factory=OrderedDict)
    alarms_since_s: float = 0.0
    alarms_kept: int = 0  # since then

    def next_sn(self) -> int:
        """The number of the next command to it."""
        self.sn = self.sn % 999_999 + 1
        return self.sn

    def is_reachable(self, now_s: float) -> bool:
        """Whether it may be asked for something now."""
        if self.flow is None:
            return False
        if self.config.registers_here:
            return self.registered_until_s is not None and now_s < self.registered_until_s
        return self.client is None or self.client.is_registered

    def may_be_reachable_by(self, at_s: float) -> bool:
        """Whether to wait until then for a peer that cannot be asked now."""
        return self.client is None or self.client.may_register_by(at_s)

    def is_barred(self, host: str, now_s: float) -> bool:
        """Whether too many wrong passwords came from this host of late; others may go on."""
        recent = [entry for entry in self.wrong_passwords if now_s - entry[0] < WRONG_WITHIN_S]
        self.wrong_passwords = recent[-MAX_REMEMBERED_WRONG:]
        return sum(origin == host for _, origin in recent) >= MAX_WRONG_PASSWORDS

    def registers_too_often(self, host: str, now_s: float) -> bool:
        """Whether a REGISTER is beyond what a sound device sends from one host; it counts."""
        if now_s - self.registers_since_s >= REGISTER_PERIOD_S:
            self.registers_since_s = now_s
            self.registers.clear()
        known = host in self.registers or len(self.registers) < MAX_REMEMBERED_HOSTS
        origin = host if known else "others"
        self.registers[origin] += 1
        return self.registers[origin] > MAX_REGISTERS_A_PERIOD

    @property
    def asked_as(self) -> PeerConfig:
        """The peer as requests name it: by the code of the server that a 302 led to, if it did."""
        code = self.client.target_code if self.client is not None else ""
        return replace(self.config, id=code) if code else self.config

    def may_keep_alarm(self, now_s: float) -> bool:
        """Whether this one is within the number that is kept a minute; it counts."""
        if now_s - self.alarms_since_s >= ALARM_PERIOD_S:
            self.alarms_since_s, self.alarms_kept = now_s, 0
        self.alarms_kept += 1
        return self.alarms_kept <= MAX_ALARMS_A_PERIOD

    def is_new_alarm(self, alarm: Alarm) -> bool:
        """Whether an alarm is told for the first time."""
        key = (alarm.device, alarm.at, alarm.method, alarm.kind)
        if key in self.alarms:
            return False
        self.alarms[key] = None
        if len(self.alarms) > MAX_REMEMBERED_ALARMS:
            self.alarms.popitem(last=False)
        return True


@dataclass(slots=True)
class Refusals:
    """What was refused or ignored, by reason and origin: one line each, and then a number.

    Senders choose both, so their number is bounded: what is beyond is counted together.
    """

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)

    def count(self, reason: str, origin: str) -> bool:
        """Count it; True the first time, when it is worth a line."""
        key = (reason, origin)
        if key not in self.counts and len(self.counts) >= MAX_REASONS:
            key = ("other reasons", "others")
        self.counts[key] += 1
        return self.counts[key] == 1

    def by_reason(self) -> Mapping[str, int]:
        """How often each reason was given."""
        total: Counter[str] = Counter()
        for (reason, _), number in self.counts.items():
            total[reason] += number
        return total
