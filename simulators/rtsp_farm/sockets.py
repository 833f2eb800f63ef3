"""The sockets of a farm: the listening one, the port that refuses, the RTP port pair."""

import asyncio
import resource
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from simulators.rtsp_farm.connection import RtcpReceiver

BACKLOG: Final = 4096  # three thousand cameras may be called within a second
_UDP_TRIES: Final = 50
_SEND_BYTES: Final = 4 << 20


def allow_many_files() -> None:
    """Raise the limit of open files to what the system permits."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@dataclass(slots=True)
class DeadPort:
    """A port that refuses connections: bound, so that it stays ours, but not listening."""

    sock: socket.socket
    make_connection: Callable[[], asyncio.Protocol]
    _waking: asyncio.Task[asyncio.Server] | None = None

    @property
    def port(self) -> int:
        """The port's number."""
        return int(self.sock.getsockname()[1])

    def start_listening(self) -> None:
        """Accept connections from now on, because a camera behind the port was mended."""
        if self._waking is None:
            loop = asyncio.get_running_loop()
            starting = loop.create_server(self.make_connection, sock=self.sock, backlog=BACKLOG)
            self._waking = asyncio.ensure_future(starting)

    async def close(self) -> None:
        """Give the port back."""
        if self._waking is not None:
            (await self._waking).close()
        self.sock.close()


def open_dead_port(host: str, make_connection: Callable[[], asyncio.Protocol]) -> DeadPort:
    """Bind any free port without listening on it."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.bind((host, 0))
    return DeadPort(sock, make_connection)


@dataclass(frozen=True, slots=True)
class UdpPair:
    """An even port for RTP and the next one for RTCP (RFC 3550 §11)."""

    rtp: asyncio.DatagramTransport
    rtcp: asyncio.DatagramTransport
    port: int

    def close(self) -> None:
        """Close both sockets."""
        self.rtp.close()
        self.rtcp.close()


async def open_udp_pair(host: str, on_datagram: Callable[[tuple[str, int]], None]) -> UdpPair:
    """Bind a free pair of ports. Raises OSError when there is none."""
    loop = asyncio.get_running_loop()
    for _ in range(_UDP_TRIES):
        pair = _bind_pair(host)
        if pair is None:
            continue
        first, second = pair
        port = int(first.getsockname()[1])
        rtp, _protocol = await loop.create_datagram_endpoint(
            lambda: RtcpReceiver(on_datagram), sock=first
        )
        rtcp, _protocol = await loop.create_datagram_endpoint(
            lambda: RtcpReceiver(on_datagram), sock=second
        )
        return UdpPair(rtp, rtcp, port)
    raise OSError(f"no free pair of UDP ports on {host}")


def _bind_pair(host: str) -> tuple[socket.socket, socket.socket] | None:
    first = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    second = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        first.bind((host, 0))
        port = int(first.getsockname()[1])
        if port % 2 == 0:
            second.bind((host, port + 1))
            for sock in (first, second):
                sock.settimeout(0)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BYTES)
            return first, second
    except OSError:
        pass
    first.close()
    second.close()
    return None
