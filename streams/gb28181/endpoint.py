"""Sockets and clock of a Gb28181Platform: SIP over UDP and TCP in one event loop.

Answers to UDP leave from the address that was asked (RFC 3581 and multi-homed hosts: a device drops
what comes from another). One datagram socket and one listener serve all peers; a connection that a
peer opened is used for all that goes to it.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final

from typing_extensions import override

from streams.errors import os_error_text
from streams.gb28181.events import PlatformEvent
from streams.gb28181.invite_session import InviteSession
from streams.gb28181.platform import Gb28181Platform
from streams.gb28181.sip_framing import SipStreamFramer
from streams.gb28181.sip_message import MAX_MESSAGE, BadMessage, parse_message
from streams.gb28181.transactions import Flow

TICK_S: Final = 0.1
MAX_DATAGRAMS: Final = 64  # read in one go, then others have their turn
MAX_BYTES_AT_ONCE: Final = 131_072  # and of these: two of the longest take some 20 ms
RECEIVE_BUFFER: Final = 4 << 20
PORT_TRIES: Final = 20  # for one that is free for UDP and TCP alike
MAX_UNSENT: Final = 1 << 20  # of a connection that does not read
MAX_CONNECTIONS: Final = 4096
CONNECT_S: Final = 5.0
_PKTINFO: Final = getattr(socket, "IP_PKTINFO", 8)
_INFO: Final = struct.Struct("=I4s4s")  # struct in_pktinfo

Tap = Callable[[str, Flow, bytes], None]  # "in" or "out"; for a log of messages


class PortTaken(OSError):
    """The SIP port is used by another program, or another patrol."""


class Gb28181Endpoint:
    """Runs a platform on real sockets; `local_time` is the site's wall clock."""

    def __init__(
        self,
        platform: Gb28181Platform,
        *,
        local_time: Callable[[], datetime],
        on_event: Callable[[PlatformEvent], None],
    ) -> None:
        self.platform = platform
        self.taps: list[Tap] = []
        self.datagrams = 0
        self._local_time = local_time
        self._on_event = on_event
        self._loop = asyncio.get_running_loop()
        self._udp: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._connections: dict[int, _SipConnection] = {}
        self._next_connection = 0
        self._connecting: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._reading: asyncio.Handle | None = None
        self._watched: dict[InviteSession, asyncio.Event] = {}
        self._changed = asyncio.Event()

    @property
    def now_s(self) -> float:
        """The time that the platform is given."""
        return self._loop.time()

    async def open(self, host: str, port: int) -> int:
        """Listen; the port, which the system chooses for 0. Raises PortTaken."""
        for left in reversed(range(1 if port else PORT_TRIES)):
            udp = _bound(host, port)
            number = int(udp.getsockname()[1])
            try:
                self._server = await self._loop.create_server(
                    lambda: _SipConnection(self), host, number
                )
            except OSError as exc:
                udp.close()
                if not left:
                    raise _port_taken(host, number, exc) from None
                continue
            self._udp = udp
            self._loop.add_reader(udp.fileno(), self._readable)
            self._timer = self._loop.call_later(TICK_S, self._tick)
            return number
        raise PortTaken(f"SIP port {host}: none is free")

    async def leave(self, timeout_s: float) -> None:
        """Log out of platforms above and end subscriptions; those that do not answer are left."""
        until_s = self.now_s + timeout_s
        self.platform.leave(self.now_s)
        self.pump()
        while self.platform.is_leaving and (left_s := until_s - self.now_s) > 0:
            await self.changed(left_s)

    async def close(self) -> None:
        """Stop listening; what was to be sent has been."""
        if self._timer is not None:
            self._timer.cancel()
        if self._reading is not None:
            self._reading.cancel()
        for task in list(self._connecting):
            task.cancel()
        await asyncio.gather(*self._connecting, return_exceptions=True)
        if self._udp is not None:
            self._loop.remove_reader(self._udp.fileno())
            self._udp.close()
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections.values()):
            connection.abort()

    # -- waiting --------------------------------------------------------------------------------

    async def changed(self, timeout_s: float) -> None:
        """Wait until anything happened, `timeout_s` at most."""
        self._changed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()

    def watch(self, session: InviteSession, happened: asyncio.Event) -> None:
        """Set the event whenever the session has events."""
        self._watched[session] = happened

    def forget(self, session: InviteSession) -> None:
        """End the watch."""
        self._watched.pop(session, None)

    def pump(self) -> None:
        """Send what the platform wants to send, tell what happened."""
        platform = self.platform
        while platform.outbox:
            outbox, platform.outbox = platform.outbox, []
            for flow, data in outbox:
                self._send(flow, data)
        events, platform.events = platform.events, []
        for event in events:
            self._on_event(event)
        for session, happened in self._watched.items():
            if session.events:
                happened.set()
        self._changed.set()
        if platform.unread and self._reading is None:
            self._reading = self._loop.call_soon(self._read_next)

    def _read_next(self) -> None:
        """A piece of a long catalogue, then all others have their turn."""
        self._reading = None
        if self.platform.unread:
            self.platform.read_next(self.now_s)
            self.pump()

    # -- in -------------------------------------------------------------------------------------

    def _readable(self) -> None:
        assert self._udp is not None  # noqa: S101  the reader is removed before it is closed  # nosec B101
        taken = 0
        for _ in range(MAX_DATAGRAMS):
            if taken >= MAX_BYTES_AT_ONCE:
                break
            try:
                data, info, _, source = self._udp.recvmsg(MAX_MESSAGE, 64)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                continue  # an ICMP error of something sent before
            self.datagrams += 1
            taken += len(data)
            self._receive(data, Flow("udp", source[0], source[1], _local_of(info)))
        self.pump()

    def _receive(self, data: bytes, flow: Flow) -> None:
        if len(data) <= 4:  # noqa: PLR2004  a keep-alive of NAT: blank lines or zeros
            return
        try:
            message = parse_message(data)
        except BadMessage as exc:
            self.platform.refuse(f"no SIP message: {exc}", flow.host)
            return
        for tap in self.taps:
            tap("in", flow, data)
        self.platform.receive(message, flow, self.now_s, self._local_time())

    def _tick(self) -> None:
        self.platform.tick(self.now_s)
        self.pump()
        self._timer = self._loop.call_later(TICK_S, self._tick)

    # -- TCP ------------------------------------------------------------------------------------

    def connected(self, connection: "_SipConnection") -> int | None:
        """Number a connection; None where there are too many."""
        if len(self._connections) >= MAX_CONNECTIONS:
            self.platform.refuse("too many connections", "all")
            return None
        self._next_connection += 1
        self._connections[self._next_connection] = connection
        return self._next_connection

    def disconnected(self, number: int) -> None:
        """Forget a connection."""
        if self._connections.pop(number, None) is not None:
            self.platform.connection_lost(number, self.now_s)
            self.pump()

    def stream_data(self, framer: SipStreamFramer, data: bytes, flow: Flow) -> bool:
        """Take bytes of a connection; False where it is to be closed."""
        try:
            messages = framer.feed(data)
        except BadMessage as exc:
            self.platform.refuse(f"no SIP message: {exc}", flow.host)
            self.pump()
            return False
        for message in messages:
            for tap in self.taps:
                tap("in", flow, message.dump())
            self.platform.receive(message, flow, self.now_s, self._local_time())
        self.pump()
        return True

    # -- out ------------------------------------------------------------------------------------

    def _send(self, flow: Flow, data: bytes) -> None:
        for tap in self.taps:
            tap("out", flow, data)
        if flow.over_udp:
            self._send_datagram(flow, data)
            return
        connection = self._connections.get(flow.connection) or self._connection_to(flow)
        if connection is not None:
            connection.send(data)
            return
        task = self._loop.create_task(self._connect_and_send(flow, data))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    def _connection_to(self, flow: Flow) -> "_SipConnection | None":
        at = flow.host, flow.port
        return next((c for c in self._connections.values() if c.remote == at), None)

    def _send_datagram(self, flow: Flow, data: bytes) -> None:
        if self._udp is None:
            return
        with contextlib.suppress(OSError):  # lost, as datagrams are: it is sent again
            if flow.local and "." in flow.local:
                info = _INFO.pack(0, socket.inet_aton(flow.local), b"\x00" * 4)
                about = [(socket.IPPROTO_IP, _PKTINFO, info)]
                self._udp.sendmsg([data], about, 0, (flow.host, flow.port))
            else:
                self._udp.sendto(data, (flow.host, flow.port))

    async def _connect_and_send(self, flow: Flow, data: bytes) -> None:
        if flow.connection:  # the connection that it came over is gone
            return
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(CONNECT_S):
                known = self._connection_to(flow)
                if known is None:
                    _, known = await self._loop.create_connection(
                        lambda: _SipConnection(self), flow.host, flow.port
                    )
                known.send(data)


class _SipConnection(asyncio.Protocol):
    """One TCP connection of SIP, opened by either side."""

    def __init__(self, endpoint: Gb28181Endpoint) -> None:
        self._endpoint = endpoint
        self._framer = SipStreamFramer()
        self._transport: asyncio.Transport | None = None
        self._number: int | None = None
        self._flow = Flow("tcp", "", 0)

    @property
    def remote(self) -> tuple[str, int]:
        """The other end."""
        return self._flow.host, self._flow.port

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  # nosec B101
        self._transport = transport
        self._number = self._endpoint.connected(self)
        if self._number is None:
            transport.abort()
            return
        host, port = transport.get_extra_info("peername")[:2]
        local = transport.get_extra_info("sockname")[0]
        self._flow = replace(self._flow, host=host, port=port, local=local, connection=self._number)

    @override
    def data_received(self, data: bytes) -> None:
        if not self._endpoint.stream_data(self._framer, data, self._flow):
            self.abort()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if self._number is not None:
            self._endpoint.disconnected(self._number)

    def send(self, data: bytes) -> None:
        """Send, unless the other side has stopped reading."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if transport.get_write_buffer_size() > MAX_UNSENT:
            self.abort()
            return
        transport.write(data)

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()


def _bound(host: str, port: int) -> socket.socket:
    """The datagram socket. Raises PortTaken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    udp = socket.socket(family, socket.SOCK_DGRAM)
    try:
        udp.setblocking(False)  # noqa: FBT003  the socket's own signature
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        if family == socket.AF_INET:
            udp.setsockopt(socket.IPPROTO_IP, _PKTINFO, 1)
        udp.bind((host, port))
    except OSError as exc:
        udp.close()
        raise _port_taken(host, port, exc) from None
    return udp


def _port_taken(host: str, port: int, exc: OSError) -> PortTaken:
    return PortTaken(f"SIP port {host}:{port}: {os_error_text(exc)}")


def _local_of(info: list[tuple[int, int, bytes]]) -> str:
    """The address of ours that a datagram came to."""
    for level, kind, data in info:
        if level == socket.IPPROTO_IP and kind == _PKTINFO and len(data) >= _INFO.size:
            return socket.inet_ntoa(_INFO.unpack_from(data)[2])
    return ""


def local_host_towards(host: str) -> str:
    """The address of ours that leads to a host, by the system's routes; nothing is sent."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((host, 9))
        except OSError:
            return ""
        return str(probe.getsockname()[0])
