"""Access proxy: gives the embedded broker the accounts and ACL that Mosquitto's files would give.

rumqttd knows no rights by topic. So its own ports are closed to all but this proxy (a password of
one run), and the proxy checks: the login at CONNECT, the right to write at each PUBLISH from a
client, the right to read at each PUBLISH to it. As Mosquitto does, it grants every subscription and
withholds message by message; it answers a refused PUBLISH with 0x87, which MQTT 3.1.1 cannot say.

Runs in the embedded broker's child process, on an event loop of its own.
"""

import asyncio
import contextlib
import hmac
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from patrol.mqtt.packets import (
    ConnectFields,
    MalformedPacket,
    Packet,
    PacketKind,
    PublishFields,
    answer,
    parse_connect,
    parse_publish,
    refused_connect,
    topic_matches,
)

CONNECT_WITHIN_S: Final = 10.0
LARGEST_PACKET_BYTES: Final = 1 << 20  # four times what the broker behind takes
MOST_TOPICS_KNOWN: Final = 10_000  # of one connection; a client may make them up
_CONTINUES: Final = 0x80


class AccountChanged(MalformedPacket):
    """The connection's account has gone, or has another password or other rights: it ends here."""

    def __init__(self) -> None:
        super().__init__("its account was changed")


@dataclass(frozen=True, slots=True)
class Rights:
    """One account: its password, and the topic filters that it reads and writes."""

    password: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessProxy:
    """Serves one port of the broker behind it."""

    host: str
    inner_port: int
    inner_login: tuple[str, str]
    accounts: Mapping[str, Rights]  # the broker's process changes it in place

    async def serve(self, port: int) -> asyncio.Server:
        """Begin to accept connections."""
        return await asyncio.start_server(self._serve_client, self.host, port)

    async def _serve_client(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(
            OSError, asyncio.IncompleteReadError, MalformedPacket, TimeoutError
        ):
            async with asyncio.timeout(CONNECT_WITHIN_S):
                connect = parse_connect(await read_packet(reader))
            rights = self._rights_of(connect)
            if rights is None:
                writer.write(refused_connect(is_v5=connect.is_v5).encode())
                await writer.drain()
            else:
                await self._relay(connect, rights, reader, writer)
        await _close(writer)

    def _rights_of(self, connect: ConnectFields) -> Rights | None:
        """What the client may do; None for a wrong login, or a will that it may not publish."""
        known = self.accounts.get(connect.username)
        if known is None or not hmac.compare_digest(known.password.encode(), connect.password):
            return None
        if connect.will_topic is not None and not _allowed(known.writes, connect.will_topic):
            return None
        return known

    async def _relay(
        self,
        connect: ConnectFields,
        rights: Rights,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        inner_reader, inner_writer = await asyncio.open_connection(self.host, self.inner_port)
        for each in (writer, inner_writer):
            each.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        inner_writer.write(connect.with_login(*self.inner_login).encode())
        acks = _AckOrder()

        def stands() -> bool:
            return self.accounts.get(connect.username) == rights

        to_broker = _Direction(connect.is_v5, rights.writes, stands, acks, to_client=False)
        to_client = _Direction(connect.is_v5, rights.reads, stands, acks, to_client=True)
        pumps = [
            asyncio.ensure_future(to_broker.pump(reader, inner_writer, writer)),
            asyncio.ensure_future(to_client.pump(inner_reader, writer, inner_writer)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            await _close(inner_writer)


@dataclass
class _AckOrder:
    """PUBACKs for what is withheld from a client, in the order in which rumqttd sent its messages.

    It ends a connection that acknowledges a later one first.
    """

    _unanswered: list[tuple[int, bool]] = field(default_factory=list)  # (packet id, withheld)

    def sent(self, packet_id: int, *, withheld: bool) -> list[Packet]:
        """The broker sent it at QoS 1; what the broker is answered now."""
        self._unanswered.append((packet_id, withheld))
        return self._due_answers()

    def acknowledged(self, packet_id: int) -> list[Packet]:
        """The client did; what the broker is answered after that."""
        if (packet_id, False) in self._unanswered:
            self._unanswered.remove((packet_id, False))
        return self._due_answers()

    def _due_answers(self) -> list[Packet]:
        count = next(
            (n for n, (_, withheld) in enumerate(self._unanswered) if not withheld),
            len(self._unanswered),
        )
        due, self._unanswered = self._unanswered[:count], self._unanswered[count:]
        return [answer(PacketKind.PUBACK, packet_id) for packet_id, _ in due]


@dataclass
class _Direction:
    """Passes packets one way; a PUBLISH without the right for it goes no further."""

    is_v5: bool
    filters: Sequence[str]
    account_stands: Callable[[], bool]  # as it was when the client connected
    acks: _AckOrder  # of the connection; its messages go to the client
    to_client: bool
    _aliases: dict[int, str] = field(default_factory=dict)
    _withheld: set[int] = field(default_factory=set)  # QoS 2, between PUBREC and PUBREL
    _known: dict[str, bool] = field(default_factory=dict)

    async def pump(
        self,
        source: asyncio.StreamReader,
        target: asyncio.StreamWriter,
        back: asyncio.StreamWriter,
    ) -> None:
        """Until the source ends. Raises MalformedPacket, OSError, IncompleteReadError."""
        while True:
            forward, answers = self._check(await read_packet(source))
            for writer, packets in ((target, forward), (back, answers)):
                for packet in packets:
                    writer.write(packet.encode())
                if packets:
                    await writer.drain()

    def _check(self, packet: Packet) -> tuple[list[Packet], list[Packet]]:
        """(what goes on, what the sender is answered). Raises AccountChanged."""
        if not self.account_stands():
            raise AccountChanged
        if packet.kind == PacketKind.PUBLISH:
            return self._check_publish(packet)
        packet_id = int.from_bytes(packet.body[:2])
        if packet.kind == PacketKind.PUBREL and packet_id in self._withheld:
            self._withheld.discard(packet_id)
            return [], [answer(PacketKind.PUBCOMP, packet_id)]
        if packet.kind == PacketKind.PUBACK and not self.to_client:
            return [packet, *self.acks.acknowledged(packet_id)], []
        return [packet], []

    def _check_publish(self, packet: Packet) -> tuple[list[Packet], list[Packet]]:
        publish = parse_publish(packet, is_v5=self.is_v5)
        topic = publish.topic or self._aliases.get(publish.alias, "")
        if publish.alias:
            self._aliases[publish.alias] = topic
        passes = self._may(topic)
        forward = [packet] if passes else []
        if self.to_client and publish.qos == 1:
            return forward, self.acks.sent(publish.packet_id, withheld=not passes)
        return forward, [] if passes else self._withheld_answers(publish)

    def _withheld_answers(self, publish: PublishFields) -> list[Packet]:
        if not publish.qos:
            return []
        refuses = self.is_v5 and not self.to_client
        if publish.qos == 1:
            return [answer(PacketKind.PUBACK, publish.packet_id, refuses=refuses)]
        if not refuses:
            self._withheld.add(publish.packet_id)
        return [answer(PacketKind.PUBREC, publish.packet_id, refuses=refuses)]

    def _may(self, topic: str) -> bool:
        if len(self._known) > MOST_TOPICS_KNOWN:
            self._known.clear()
        if topic not in self._known:
            self._known[topic] = _allowed(self.filters, topic)
        return self._known[topic]


def _allowed(filters: Sequence[str], topic: str) -> bool:
    return any(topic_matches(pattern, topic) for pattern in filters)


async def read_packet(reader: asyncio.StreamReader) -> Packet:
    """The next packet. Raises MalformedPacket, IncompleteReadError at the end."""
    first = (await reader.readexactly(1))[0]
    length = 0
    for turn in range(4):
        byte = (await reader.readexactly(1))[0]
        length |= (byte & 0x7F) << 7 * turn
        if byte < _CONTINUES:
            break
    else:
        raise MalformedPacket("a length has more than four bytes")
    if length > LARGEST_PACKET_BYTES:
        raise MalformedPacket(f"a packet of {length} bytes")
    return Packet(first >> 4, first & 0x0F, await reader.readexactly(length))


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


def run_proxies(proxies: Mapping[int, AccessProxy]) -> None:
    """Serve each port for ever, on this thread."""

    async def main() -> None:
        servers = [await proxy.serve(port) for port, proxy in proxies.items()]
        endless: list[Awaitable[None]] = [server.serve_forever() for server in servers]
        await asyncio.gather(*endless)

    asyncio.run(main())
