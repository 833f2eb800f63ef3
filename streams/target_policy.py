"""Which hosts a URL that another program gave may lead to (server-side request forgery).

Ticket services, gateways and playlists hand out URLs, and redirects name further ones. A service
that was taken over, or is merely set up wrongly, must not send the patrol to the machine's own
interfaces or into the office network. So every connection of such a visit is checked by the
address that a name resolved to, when it is opened: global addresses pass, all others only from the
networks and hosts that sources.yaml names. Addresses that a person wrote into cameras.csv are not
checked. Used by tcp_connect.py, bounded_http.py and libav.py.
"""

import ipaddress
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from streams.address import StreamAddress
from streams.errors import BadAddress

STREAM_SCHEMES: Final = frozenset({"rtsp", "rtsps", "rtmp", "rtmps", "http", "https"})
TARGET_REFUSED: Final = "target_refused"  # reasons of a BadAddress
SCHEME_REFUSED: Final = "scheme_refused"

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052 §2.1


class TargetRefused(BadAddress):
    """A URL that was handed out leads to where the patrol does not go."""

    def __init__(self, seen: str, *, reason: str = TARGET_REFUSED) -> None:
        super().__init__(seen, reason=reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetPolicy:
    """Global addresses, and of the others those that were allowed."""

    networks: tuple[IpNetwork, ...] = ()  # allowed though they are not global
    hosts: frozenset[str] = frozenset()  # names and addresses that a person wrote: allowed
    setting: str = "sources.yaml"  # where to allow more, as errors name it

    def check_address(self, address: StreamAddress) -> None:
        """Refuse what is no stream's URL. Raises TargetRefused."""
        if address.scheme not in STREAM_SCHEMES:
            seen = f"{address.scheme[:20]}:// is not a stream's scheme here"
            raise TargetRefused(seen, reason=SCHEME_REFUSED)
        literal = _ip_of(address.host)
        if literal is not None:
            self.check_ip(address.host, literal)

    def check_ip(self, host: str, ip: IpAddress) -> None:
        """Refuse an address that `host` stands for. Raises TargetRefused."""
        if host.lower().rstrip(".") in self.hosts:
            return
        plain = _unwrapped(ip)
        if plain.is_global and not plain.is_multicast:
            return
        if any(plain in network or ip in network for network in self.networks):
            return
        shown = host if _ip_of(host) == ip else f"{host} ({plain})"
        raise TargetRefused(
            f"{shown} is no public address; where that is right, allow it in {self.setting}"
        )

    def permits(self, host: str, ip_text: str) -> bool:
        """Whether a connection to this address may be opened."""
        ip = _ip_of(ip_text)
        try:
            if ip is None:
                return False
            self.check_ip(host, ip)
        except TargetRefused:
            return False
        return True

    def check_all(self, host: str, ip_texts: Iterable[str]) -> None:
        """Refuse a name as soon as one of its addresses is refused. Raises TargetRefused.

        A name with a public and a private address is how rebinding begins.
        """
        for text in ip_texts:
            ip = _ip_of(text)
            if ip is None:
                raise TargetRefused(f"{host}: an address that cannot be read")
            self.check_ip(host, ip)


def _ip_of(text: str) -> IpAddress | None:
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None


def _unwrapped(ip: IpAddress) -> IpAddress:
    """The IPv4 address inside an IPv6 one, where there is one (RFC 4291, RFC 3056, RFC 6052)."""
    if isinstance(ip, ipaddress.IPv4Address):
        return ip
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
    return ip.ipv4_mapped or ip.sixtofour or ip


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a name; blocks. Raises OSError, UnicodeError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(to[0]) for _, _, _, _, to in found))


ConnectFunction = Callable[..., socket.socket]


def checked_connect(policy: TargetPolicy) -> ConnectFunction:
    """`socket.create_connection` that opens what the policy permits; for `http.client`.

    The address that was checked is the one that is connected to. Raises TargetRefused, OSError.
    """

    def connect(
        address: tuple[str, int],
        timeout: float | None = None,
        source_address: tuple[str, int] | None = None,
    ) -> socket.socket:
        host, port = address
        addresses = resolve(host, port)
        policy.check_all(host, addresses)
        error: OSError = OSError("the name does not resolve")
        for ip in addresses:
            try:
                return socket.create_connection((ip, port), timeout, source_address)
            except OSError as exc:
                error = exc
        raise error

    return connect
