"""MQTT control packets, as far as an access check needs them. Pure.

MQTT 5 (OASIS, 2019) and 3.1.1: the fixed header (2.1), CONNECT with its login and will (3.1), the
topic of a PUBLISH (3.3), and answers to a PUBLISH that goes no further. Used by access_proxy.py.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

V5: Final = 5
_WILL, _PASSWORD, _USERNAME = 0x04, 0x40, 0x80
_CLEAN: Final = 0x3F  # connect flags without the login
_TOPIC_ALIAS: Final = 0x23
NOT_AUTHORIZED: Final = 0x87
_NOT_AUTHORIZED_V311: Final = 5
# Lengths of MQTT 5's properties by identifier (2.2.2.2); texts and pairs of texts have their own.
_FIXED_LENGTHS: Final = {
    0x01: 1, 0x02: 4, 0x11: 4, 0x13: 2, 0x17: 1, 0x18: 4, 0x19: 1, 0x21: 2, 0x22: 2, 0x23: 2,
    0x24: 1, 0x25: 1, 0x27: 4, 0x28: 1, 0x29: 1, 0x2A: 1,
}  # fmt: skip
_TEXTS: Final = frozenset((0x03, 0x08, 0x09, 0x12, 0x15, 0x16, 0x1A, 0x1C, 0x1F))
_TEXT_PAIR: Final = 0x26
_SUBSCRIPTION_ID: Final = 0x0B


class MalformedPacket(ValueError):
    """The bytes are no MQTT packet."""


class PacketKind(IntEnum):
    """The first four bits of a packet, where the proxy looks at it."""

    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    PUBREC = 5
    PUBREL = 6
    PUBCOMP = 7


@dataclass(frozen=True, slots=True)
class Packet:
    """One control packet; `kind` may be one that PacketKind does not name."""

    kind: int
    flags: int
    body: bytes

    def encode(self) -> bytes:
        """The packet with its fixed header."""
        return bytes([self.kind << 4 | self.flags]) + encode_length(len(self.body)) + self.body


class _Reader:
    """Reads fields of a packet's body in order."""

    def __init__(self, body: bytes) -> None:
        self.body, self.at = body, 0

    def take_bytes(self, count: int) -> bytes:
        """The next bytes. Raises MalformedPacket."""
        end = self.at + count
        if end > len(self.body):
            raise MalformedPacket("the packet is too short")
        part, self.at = self.body[self.at : end], end
        return part

    def number(self, count: int) -> int:
        """A number of so many bytes."""
        return int.from_bytes(self.take_bytes(count))

    def binary(self) -> bytes:
        """Bytes with their length before them."""
        return self.take_bytes(self.number(2))

    def text(self) -> str:
        """UTF-8 with its length before it."""
        try:
            return self.binary().decode()
        except UnicodeDecodeError:
            raise MalformedPacket("a text is no UTF-8") from None

    def length(self) -> int:
        """A variable byte integer (1.5.5)."""
        value = 0
        for turn in range(4):
            byte = self.number(1)
            value |= (byte & 0x7F) << 7 * turn
            if byte < 0x80:  # noqa: PLR2004  the continuation bit
                return value
        raise MalformedPacket("a length has more than four bytes")


@dataclass(frozen=True, slots=True)
class ConnectFields:
    """Who connects, and what CONNECT says besides the login."""

    is_v5: bool
    username: str
    password: bytes
    will_topic: str | None
    head: bytes  # protocol name and level
    flags: int
    middle: bytes  # keep-alive, properties, client id, will

    def with_login(self, username: str, password: str) -> Packet:
        """The same CONNECT under another login."""
        login = b"".join(_prefixed(part.encode()) for part in (username, password))
        flags = self.flags & _CLEAN | _USERNAME | _PASSWORD
        body = self.head + bytes([flags]) + self.middle + login
        return Packet(PacketKind.CONNECT, 0, body)


def parse_connect(packet: Packet) -> ConnectFields:
    """Read a CONNECT. Raises MalformedPacket."""
    reader = _Reader(packet.body)
    if packet.kind != PacketKind.CONNECT:
        raise MalformedPacket("the first packet is no CONNECT")
    reader.text()
    is_v5 = reader.number(1) >= V5
    head, flags = packet.body[: reader.at], reader.number(1)
    begin = reader.at
    reader.number(2)
    if is_v5:
        reader.take_bytes(reader.length())
    reader.text()
    will_topic = None
    if flags & _WILL:
        if is_v5:
            reader.take_bytes(reader.length())
        will_topic = reader.text()
        reader.binary()
    middle = packet.body[begin : reader.at]
    username = reader.text() if flags & _USERNAME else ""
    password = reader.binary() if flags & _PASSWORD else b""
    return ConnectFields(is_v5, username, password, will_topic, head, flags, middle)


@dataclass(frozen=True, slots=True)
class PublishFields:
    """Where a PUBLISH goes; `topic` is empty where only its alias stands."""

    topic: str
    qos: int
    packet_id: int  # 0 at QoS 0
    alias: int  # 0: none


def parse_publish(packet: Packet, *, is_v5: bool) -> PublishFields:
    """Read the head of a PUBLISH. Raises MalformedPacket."""
    reader, qos = _Reader(packet.body), packet.flags >> 1 & 3
    topic = reader.text()
    packet_id = reader.number(2) if qos else 0
    alias = _topic_alias(_Reader(reader.take_bytes(reader.length()))) if is_v5 else 0
    return PublishFields(topic, qos, packet_id, alias)


def _topic_alias(properties: _Reader) -> int:
    while properties.at < len(properties.body):
        name = properties.length()
        if name == _TOPIC_ALIAS:
            return properties.number(2)
        if name in _FIXED_LENGTHS:
            properties.take_bytes(_FIXED_LENGTHS[name])
        elif name in _TEXTS:
            properties.binary()
        elif name == _TEXT_PAIR:
            properties.binary()
            properties.binary()
        elif name == _SUBSCRIPTION_ID:
            properties.length()
        else:
            raise MalformedPacket(f"property 0x{name:02X} is unknown")
    return 0


def refused_connect(*, is_v5: bool) -> Packet:
    """The CONNACK for a client without the right login."""
    body = bytes([0, NOT_AUTHORIZED, 0]) if is_v5 else bytes([0, _NOT_AUTHORIZED_V311])
    return Packet(PacketKind.CONNACK, 0, body)


def answer(kind: PacketKind, packet_id: int, *, refuses: bool = False) -> Packet:
    """A PUBACK, PUBREC or PUBCOMP; `refuses` says so, which MQTT 3.1.1 cannot."""
    reason = bytes([NOT_AUTHORIZED, 0]) if refuses else b""
    return Packet(kind, 0, packet_id.to_bytes(2) + reason)


def topic_matches(pattern: str, topic: str) -> bool:
    """Whether a topic filter matches (4.7); wildcards in front leave `$` topics out."""
    if topic.startswith("$") and pattern[:1] in ("+", "#"):
        return False
    wanted, given = pattern.split("/"), topic.split("/")
    for index, level in enumerate(wanted):
        if level == "#":
            return True
        if index >= len(given) or level not in ("+", given[index]):
            return False
    return len(wanted) == len(given)


def encode_length(value: int) -> bytes:
    """A variable byte integer (1.5.5)."""
    out = bytearray()
    while True:
        value, byte = value >> 7, value & 0x7F
        out.append(byte | 0x80 if value else byte)
        if not value:
            return bytes(out)


def _prefixed(part: bytes) -> bytes:
    return len(part).to_bytes(2) + part
