"""WS-Discovery (OASIS 2005, as in ONVIF Core §7): find devices by multicast, or one by one.

Messages are pure functions; `discover` sends them over UDP. A multicast probe reaches the machine's
own network alone. Addresses beyond it are asked one by one only when a person names the network,
`rate` of them a second, MAX_HOSTS at most: nothing here scans by itself.
"""

import asyncio
import contextlib
import ipaddress
import socket
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urlsplit

from typing_extensions import override

from streams.address import StreamAddress
from streams.errors import Unreadable
from streams.onvif.xml import read_xml
from streams.rtsp.message import printable

GROUP: Final = "239.255.255.250"
PORT: Final = 3702
MAX_HOSTS: Final = 4096  # of one scan: sixteen networks of 254
MAX_DEVICES: Final = 5000
MAX_RATE: Final = 200.0  # probes a second; a switch that sees more takes it for an attack
REPEAT_AFTER_S: Final = 0.5  # UDP loses: the multicast probe goes out twice (SOAP-over-UDP §5.1)
_ADDRESSING: Final = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
_DISCOVERY: Final = "http://schemas.xmlsoap.org/ws/2005/04/discovery"
_SCOPE: Final = "onvif://www.onvif.org/"
# What devices are asked by: the ONVIF type, the older device type, and any (some answer one alone).
PROBED_TYPES: Final = ("dn:NetworkVideoTransmitter", "tds:Device", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundDevice:
    """A device that answered a probe; its texts are printable."""

    endpoint: str  # its own identifier, a UUID URN
    host: str  # where the answer came from
    xaddrs: tuple[str, ...]  # service addresses as the device names them
    name: str
    hardware: str
    location: str

    @property
    def port(self) -> int:
        """The HTTP port of its service, 80 where it names none."""
        for xaddr in self.xaddrs:
            with contextlib.suppress(ValueError):
                parts = urlsplit(xaddr)
                return parts.port or (443 if parts.scheme == "https" else 80)
        return 80

    @property
    def address(self) -> str:
        """`onvif://HOST[:PORT]/`, as cameras.csv takes it."""
        return str(StreamAddress(scheme="onvif", host=self.host, port=self.port, path="/"))


def probe_message(types: str, message_id: uuid.UUID) -> bytes:
    """A Probe for devices of these types, for all where the types are empty."""
    wanted = f"<d:Types>{types}</d:Types>" if types else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"'
        f' xmlns:a="{_ADDRESSING}" xmlns:d="{_DISCOVERY}"'
        ' xmlns:dn="http://www.onvif.org/ver10/network/wsdl"'
        ' xmlns:tds="http://www.onvif.org/ver10/device/wsdl">'
        f"<s:Header><a:MessageID>urn:uuid:{message_id}</a:MessageID>"
        "<a:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To>"
        f"<a:Action>{_DISCOVERY}/Probe</a:Action></s:Header>"
        f"<s:Body><d:Probe>{wanted}</d:Probe></s:Body></s:Envelope>"
    ).encode()


def read_matches(data: bytes, host: str) -> list[FoundDevice]:
    """The devices of a ProbeMatches from `host`; none where it is something else.

    Raises Unreadable for what is no XML.
    """
    body = read_xml(data).child("Body", "ProbeMatches")
    if body is None:
        return []
    found = []
    for match in body.all("ProbeMatch"):
        xaddrs = tuple(
            address for address in match.text_at("XAddrs").split()[:8] if "://" in address
        )
        endpoint = match.text_at("EndpointReference", "Address") or f"{host} {xaddrs}"
        scopes = match.text_at("Scopes").split()[:64]
        found.append(
            FoundDevice(
                endpoint=printable(endpoint, 120),
                host=host,
                xaddrs=tuple(printable(address, 200) for address in xaddrs),
                name=_scope(scopes, "name"),
                hardware=_scope(scopes, "hardware"),
                location=_scope(scopes, "location"),
            )
        )
    return found


def _scope(scopes: Sequence[str], kind: str) -> str:
    start = f"{_SCOPE}{kind}/"
    values = [unquote(scope[len(start) :]) for scope in scopes if scope.startswith(start)]
    return printable(" ".join(values), 60)


def hosts_of(networks: Iterable[str]) -> list[str]:
    """The addresses of networks (`192.168.1.0/24`, `10.0.0.7`), each once.

    Raises ValueError for what is no network, and for more than MAX_HOSTS addresses.
    """
    hosts: dict[str, None] = {}
    for text in networks:
        try:
            network = ipaddress.ip_network(text.strip(), strict=False)
        except ValueError:
            raise ValueError(f"{text!r} is no network, write 192.168.1.0/24") from None
        if network.num_addresses > MAX_HOSTS or len(hosts) + network.num_addresses > MAX_HOSTS:
            raise ValueError(f"{text}: more than {MAX_HOSTS} addresses in one scan, name fewer")
        hosts.update(dict.fromkeys(map(str, network.hosts())))
    return list(hosts)


@dataclass(slots=True)
class DiscoveryResult:
    """What a scan found, and what it could not read or send."""

    devices: dict[str, FoundDevice] = field(default_factory=dict)  # by endpoint and host
    unreadable: int = 0
    unsent: int = 0  # the system refused: no route, or a network that is down
    asked: int = 0

    def take(self, data: bytes, host: str) -> None:
        """Take one datagram; whatever is in it."""
        try:
            matches = read_matches(data, host)
        except Unreadable:
            self.unreadable += 1
            return
        for device in matches:
            if len(self.devices) < MAX_DEVICES:
                self.devices.setdefault(f"{device.endpoint} {host}", device)


class _Listener(asyncio.DatagramProtocol):
    def __init__(self, result: DiscoveryResult) -> None:
        self._result = result

    @override
    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._result.take(data, addr[0])

    @override
    def error_received(self, exc: Exception) -> None:
        del exc  # nobody listens at that address: ordinary in a scan


async def discover(
    *,
    hosts: Sequence[str] = (),
    interface: str = "0.0.0.0",  # noqa: S104  the answers come to whichever interface asked  # nosec B104
    wait_s: float = 4.0,
    rate: float = 20.0,
    port: int = PORT,
    make_id: Callable[[], uuid.UUID] = uuid.uuid4,
) -> DiscoveryResult:
    """Ask by multicast, or `hosts` one by one where they are given. Raises OSError."""
    result = DiscoveryResult()
    loop = asyncio.get_running_loop()
    sock = _udp_socket(interface)
    transport, _ = await loop.create_datagram_endpoint(lambda: _Listener(result), sock=sock)
    try:
        if hosts:
            for host in hosts:
                _send(transport, result, probe_message("", make_id()), (host, port))
                await asyncio.sleep(1 / min(rate, MAX_RATE))
        else:
            await _ask_all(transport, result, port, make_id)
        await asyncio.sleep(wait_s)
    finally:
        transport.close()
    return result


def _udp_socket(interface: str) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)  # noqa: FBT003  the socket's own signature
        sock.bind((interface, 0))
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
        if interface != "0.0.0.0":  # noqa: S104  compared, not bound  # nosec B104
            group_interface = socket.inet_aton(interface)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, group_interface)
    except OSError:
        sock.close()
        raise
    return sock


async def _ask_all(
    transport: asyncio.DatagramTransport,
    result: DiscoveryResult,
    port: int,
    make_id: Callable[[], uuid.UUID],
) -> None:
    for _ in range(2):
        for types in PROBED_TYPES:
            _send(transport, result, probe_message(types, make_id()), (GROUP, port))
        await asyncio.sleep(REPEAT_AFTER_S)


def _send(
    transport: asyncio.DatagramTransport,
    result: DiscoveryResult,
    message: bytes,
    target: tuple[str, int],
) -> None:
    result.asked += 1
    try:
        transport.sendto(message, target)
    except OSError:
        result.unsent += 1
