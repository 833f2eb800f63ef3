"""Media of one session over UDP, TCP passive (we listen) or TCP active, in the event loop.

Each session has a port of its own, so what comes there is for it: packets are taken from the hosts
that the peer named or is, others are counted. Reading is bounded, and decoding happens elsewhere.
"""

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from streams.gb28181.media_receiver import MediaReceiver
from streams.gb28181.rtp_framing import RtpStreamFramer
from streams.gb28181.sdp import TCP_ACTIVE, TCP_PASSIVE, UDP, SdpAnswer
from streams.rtsp_client import shared_buffer

RECEIVE_BUFFER: Final = 4 << 20  # a key frame's burst; the kernel may allow less
MAX_PACKETS: Final = 128  # read in one go
CONNECT_TRIES: Final = 3  # of TCP active, by Annex D of 2022
CONNECT_PAUSE_S: Final = 1.0
CONNECT_S: Final = 3.0
_ANY_HOST: Final = frozenset({"", "0.0.0.0", "::"})  # noqa: S104  what some peers name  # nosec B104


def allowed_receive_buffer() -> int | None:
    """The largest receive buffer that the kernel gives, in bytes; None where it does not say."""
    try:
        return int(Path("/proc/sys/net/core/rmem_max").read_text("ascii"))
    except (OSError, ValueError):
        return None


class NoPortLeft(Exception):
    """Every media port is in use."""


@dataclass(slots=True)
class PortPool:
    """Even media ports, each for one session at a time; the longest unused comes next."""

    first: int
    last: int
    _free: deque[int] = field(init=False)
    in_use: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._free = deque(port for port in range(self.first, self.last + 1) if port % 2 == 0)

    def take(self) -> int:
        """A port. Raises NoPortLeft."""
        if not self._free:
            raise NoPortLeft
        port = self._free.popleft()
        self.in_use.add(port)
        return port

    def give_back(self, port: int) -> None:
        """Let others use it."""
        if port in self.in_use:
            self.in_use.discard(port)
            self._free.append(port)


class MediaSocket:
    """Receives the packets of one session into its MediaReceiver; tells `on_data` behind each read.

    `listening` False: what comes is passed over.
    """

    def __init__(
        self,
        transport: str,
        receiver: MediaReceiver,
        on_data: Callable[[], None],
        on_end: Callable[[str], None],
    ) -> None:
        self.transport = transport
        self.receiver = receiver
        self.port = 0
        self.bytes_received = 0
        self.stray_packets = 0  # of hosts that are not the peer's
        self.listening = True
        self.hosts: frozenset[str] = frozenset()  # empty: none named yet
        self._allows: Callable[[str], bool] = lambda _host: False
        self._on_data = on_data
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._framer = RtpStreamFramer()
        self._listener: socket.socket | None = None
        self._socket: socket.socket | None = None
        self._waiting: list[socket.socket] = []  # connected before the answer came
        self._buffer, self._view = shared_buffer()

    def bind(self, host: str, port: int) -> None:
        """Listen before the peer is asked. Raises OSError."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        kind = socket.SOCK_DGRAM if self.transport == UDP else socket.SOCK_STREAM
        sock = socket.socket(family, kind)
        try:
            sock.setblocking(False)  # noqa: FBT003  the socket's own signature
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            if kind == socket.SOCK_STREAM:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((host, port))
            if self.transport == TCP_PASSIVE:
                sock.listen(2)
        except OSError:
            sock.close()
            raise
        self.port = sock.getsockname()[1]
        if self.transport == UDP:
            self._socket = sock
            self._loop.add_reader(sock.fileno(), self._read_datagrams)
        elif self.transport == TCP_PASSIVE:
            self._listener = sock
            self._loop.add_reader(sock.fileno(), self._accept)
        else:
            self._listener = sock  # holds the port that the offer names

    async def answered(
        self, answer: SdpAnswer, sip_host: str, allows: Callable[[str], bool]
    ) -> None:
        """Take packets from the hosts that may send; TCP active connects. Raises OSError."""
        self.hosts = frozenset({answer.host, sip_host} - {""})
        self._allows = allows
        if self.transport == TCP_ACTIVE:
            named = "" if answer.host in _ANY_HOST else answer.host
            # The named address may be a private one behind NAT: then where its SIP comes from.
            await self._connect(list(dict.fromkeys((named or sip_host, sip_host))), answer.port)
        waiting, self._waiting = self._waiting, []
        for sock in waiting:
            self._take_connection(sock)

    def close(self) -> None:
        """Close all; idempotent."""
        for sock in (self._listener, self._socket, *self._waiting):
            if sock is not None:
                self._loop.remove_reader(sock.fileno())
                sock.close()
        self._listener = self._socket = None
        self._waiting = []

    async def _connect(self, hosts: list[str], port: int) -> None:
        for attempt in range(CONNECT_TRIES):
            host = hosts[attempt % len(hosts)]
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            sock = socket.socket(family, socket.SOCK_STREAM)
            sock.setblocking(False)  # noqa: FBT003  the socket's own signature
            try:
                async with asyncio.timeout(CONNECT_S):
                    await self._loop.sock_connect(sock, (host, port))
            except (OSError, TimeoutError):
                sock.close()
                if attempt == CONNECT_TRIES - 1:
                    raise
            except BaseException:
                sock.close()
                raise
            else:
                self._use(sock)
                return
            await asyncio.sleep(CONNECT_PAUSE_S)

    def _may_send(self, host: str) -> bool:
        return host in self.hosts or self._allows(host)

    def _accept(self) -> None:
        assert self._listener is not None  # noqa: S101  its reader is removed before it is closed  # nosec B101
        with contextlib.suppress(OSError):
            sock, _ = self._listener.accept()
            sock.setblocking(False)  # noqa: FBT003  the socket's own signature
            if self.hosts:
                self._take_connection(sock)
            elif len(self._waiting) < 2:  # noqa: PLR2004  the peer, and one other
                self._waiting.append(sock)
            else:
                sock.close()

    def _take_connection(self, sock: socket.socket) -> None:
        try:
            host = sock.getpeername()[0]
        except OSError:
            sock.close()
            return
        if self._socket is not None or not self._may_send(host):
            self.stray_packets += 1
            sock.close()
            return
        self._use(sock)

    def _use(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self._socket = sock
        self._loop.add_reader(sock.fileno(), self._read_stream)

    def _read_stream(self) -> None:
        assert self._socket is not None  # noqa: S101  its reader is removed before it is closed  # nosec B101
        try:
            count = self._socket.recv_into(self._view)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as exc:
            self._ended(f"the media connection broke ({exc.strerror})")
            return
        if not count:
            self._ended("the media connection was closed")
            return
        self.bytes_received += count
        packets = self._framer.feed(bytes(self._view[:count]))
        if self.listening:
            now_s, push = self._loop.time(), self.receiver.push
            for packet in packets:
                push(packet, now_s)
            if self._framer.ssrc is None and self.receiver.ssrc is not None:
                self._framer.ssrc = self.receiver.ssrc.to_bytes(4, "big")
        self._on_data()

    def _read_datagrams(self) -> None:
        assert self._socket is not None  # noqa: S101  its reader is removed before it is closed  # nosec B101
        now_s = self._loop.time()
        for _ in range(MAX_PACKETS):
            try:
                count, source = self._socket.recvfrom_into(self._view)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                continue
            if not self._may_send(source[0]):
                self.stray_packets += 1
                continue
            self.bytes_received += count
            if self.listening:
                self.receiver.push(bytes(self._view[:count]), now_s)
        self._on_data()

    def tick(self) -> None:
        """Read packets that wait for others."""
        if self.transport == UDP and self.listening:
            self.receiver.tick(self._loop.time())
            self._on_data()

    @property
    def garbage_bytes(self) -> int:
        """Bytes of a connection that were no RTP."""
        return self._framer.garbage_bytes

    def _ended(self, reason: str) -> None:
        if self._socket is not None:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None
        self._on_end(reason)
