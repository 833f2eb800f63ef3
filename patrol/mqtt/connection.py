"""One connection to a broker: its address, and CONNECT to the end over a paho client of its own.

paho keeps unacknowledged messages in its memory and sends them again after it reconnects, perhaps
hours late and on top of newer ones. So no client of ours ever reconnects (client.py opens a new
connection): what was not acknowledged is dropped here and stays queued in the outbox. The address
carries our credentials; a password never prints.
"""

import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import unquote, urlsplit

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions
from typing_extensions import override

from patrol.domain.ids import MessageKey
from patrol.domain.outbox import OutboxMessage, PublishRefusal, RefusalKind, topic_problem
from patrol.ports import PublishResult

PORTS: Final = {"mqtt": 1883, "mqtts": 8883}


class Protocol(StrEnum):
    """The MQTT version to speak; AUTO tries 5 first and falls back to 3.1.1."""

    AUTO = "auto"
    V311 = "3.1.1"
    V5 = "5"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerAddress:
    """A broker, as site.yaml names it."""

    host: str
    port: int
    tls: bool = False
    username: str = ""
    password: str = field(default="", repr=False)
    ca_file: Path | None = None  # None with TLS: the system's own certificates
    certificate: Path | None = None  # our own, for a broker that asks for one
    certificate_key: Path | None = None
    protocol: Protocol = Protocol.AUTO

    @classmethod
    def parse(
        cls,
        url: str,
        *,
        username: str = "",
        password_file: Path | None = None,
        ca_file: Path | None = None,
        certificate: Path | None = None,
        certificate_key: Path | None = None,
        protocol: Protocol = Protocol.AUTO,
    ) -> Self:
        """Read `mqtt://host[:port]` or `mqtts://…`. Raises ValueError (bad URL), OSError (file).

        The errors never quote a password. What `username` and `password_file` say goes before
        what the URL says.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise ValueError("not a URL: the host or the port cannot be read") from None
        if parts.scheme not in PORTS or not parts.hostname:
            raise ValueError("give mqtt://host[:port] or mqtts://host[:port]")
        for file in (ca_file, certificate, certificate_key):
            if file is not None and not file.is_file():
                raise FileNotFoundError(2, "no such file", str(file))
        password = unquote(parts.password or "")
        if password_file is not None:
            password = password_file.read_text("utf-8").strip("\r\n")
        return cls(
            host=parts.hostname,
            port=PORTS[parts.scheme] if port is None else port,
            tls=parts.scheme == "mqtts",
            username=username or unquote(parts.username or ""),
            password=password,
            ca_file=ca_file,
            certificate=certificate,
            certificate_key=certificate_key,
            protocol=protocol,
        )

    def tls_context(self) -> ssl.SSLContext | None:
        """What to check the broker's certificate with; None without TLS."""
        if not self.tls:
            return None
        context = ssl.create_default_context(cafile=str(self.ca_file) if self.ca_file else None)
        if self.certificate is not None:
            context.load_cert_chain(self.certificate, self.certificate_key)
        return context

    @override
    def __str__(self) -> str:
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.host}:{self.port}"


KEEPALIVE_S: Final = 30  # a dead network is noticed after one and a half of these
SESSION_S: Final = 7 * 24 * 3600  # the broker keeps our inbox over a week of holidays
IN_FLIGHT: Final = 1000  # unacknowledged at once, unless the broker allows fewer
RECEIVE_MAX: Final = 100  # unhandled replies that the broker may have on their way to us
CONNECT_TIMEOUT_S: Final = 5.0
_QUICKACK: Final[int | None] = getattr(socket, "TCP_QUICKACK", None)  # Linux
LARGEST_PACKET_BYTES: Final = 268_435_460  # MQTT 5, 2.1.4: of a packet with its header
PACKET_OVERHEAD_BYTES: Final = 10  # header, length of topic, packet identifier, no properties
SESSION_TAKEN_OVER: Final = 0x8E  # MQTT 5, 3.14.2.1: another client connected under our id
# MQTT 5, 3.4.2.1 and 3.14.2.1: reason codes that speak of the message, not of our rights.
_MESSAGE_AT_FAULT: Final = frozenset((0x90, 0x95, 0x99, 0x9A, 0x9B))

OnMessage = Callable[[str, bytes, Callable[[], None]], None]  # topic, payload, acknowledge


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectOptions:
    """What CONNECT and SUBSCRIBE say of a client."""

    client_id: str
    persistent: bool = False
    filters: Sequence[str] = ()
    will: tuple[str, bytes] | None = None  # topic, payload; retained, QoS 1
    name: str = ""  # for logs and health checks, where the client id is a secret
    had_session: bool = False  # the broker confirmed this persistent session before

    @property
    def shown_name(self) -> str:
        """What logs, threads and problems call the client."""
        return self.name or self.client_id


class Connection:
    """One MQTT connection, made by `open`; `down` is set when either side has ended it."""

    def __init__(
        self,
        broker: BrokerAddress,
        options: ConnectOptions,
        version: MQTTProtocolVersion,
        on_message: OnMessage,
        on_up: Callable[["Connection"], None],
    ) -> None:
        self.down = threading.Event()
        self.was_up = False
        self.was_answered = False  # the broker accepted the TCP connection, at least
        self.reason = ""
        self.session_present = False  # the broker knew our session, and kept what came meanwhile
        self.taken_over = False  # another client connected under our client id
        self._options, self._broker = options, broker
        self._on_message, self._on_up = on_message, on_up
        self.is_v5 = version == MQTTProtocolVersion.MQTTv5
        self._acks: dict[int, ReasonCode] = {}
        self._acks_needed = 0  # acknowledgements that the publishing thread waits for
        self._window = IN_FLIGHT
        self._largest_bytes = LARGEST_PACKET_BYTES
        self._keeps_retained = True
        self._acked = threading.Condition()
        self._publishing = threading.Lock()
        self.client = self._new_client(version)

    def open(self) -> None:
        """TCP, TLS and CONNECT; the answer comes to `on_up` or sets `down`. Raises OSError."""
        self.client.connect_timeout = CONNECT_TIMEOUT_S
        if self.is_v5:
            session = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho's gap
            session.ReceiveMaximum = RECEIVE_MAX
            session.SessionExpiryInterval = SESSION_S if self._options.persistent else 0
            self.client.connect(
                self._broker.host,
                self._broker.port,
                KEEPALIVE_S,
                clean_start=not self._options.persistent,
                properties=session,
            )
        else:
            self.client.connect(self._broker.host, self._broker.port, KEEPALIVE_S)
        self.client.loop_start()

    def close(self) -> None:
        """Send DISCONNECT: the broker does not publish the last will."""
        self.client.disconnect()

    def detach(self) -> None:
        """After its end: drop paho's references to this object, so its sockets close at once."""
        client = self.client
        client.on_connect = client.on_disconnect = client.on_subscribe = None
        client.on_message = client.on_publish = None

    def publish(self, messages: Sequence[OutboxMessage], timeout_s: float) -> PublishResult:
        """Send all at QoS 1 and wait for the PUBACKs.

        `timeout_s`: longest time without progress, not of the whole.
        """
        sent: dict[int, MessageKey] = {}
        refused: dict[MessageKey, PublishRefusal] = {}
        with self._publishing:
            with self._acked:
                self._acks.clear()
            for message in messages:
                if problem := self._size_or_topic_problem(message):
                    refused[message.key] = PublishRefusal(problem, RefusalKind.IMPOSSIBLE)
                    continue
                if not self._wait_for_window(len(sent), timeout_s):
                    break
                retain = message.retain and self._keeps_retained
                info = self.client.publish(message.topic, message.payload, 1, retain)
                if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
                    break
                sent[info.mid] = message.key
            with self._acked:
                self._acks_needed = len(sent)
                self._acked.wait_for(lambda: self._is_acknowledged(sent), timeout_s)
                return self._result(sent, refused)

    def _result(
        self, sent: dict[int, MessageKey], refused: dict[MessageKey, PublishRefusal]
    ) -> PublishResult:
        answers = {key: self._acks.get(mid) for mid, key in sent.items()}
        for key, answer in answers.items():
            if answer is not None and answer.is_failure:
                refused[key] = _refusal(answer)
        return PublishResult(
            taken=[key for key, answer in answers.items() if answer and not answer.is_failure],
            refused=refused,
            unanswered=[key for key, answer in answers.items() if answer is None],
            ended=(self.reason or "connection ended") if self.down.is_set() else "",
        )

    def _size_or_topic_problem(self, message: OutboxMessage) -> str:
        """Why this message cannot be sent on this connection; empty when it can."""
        if problem := topic_problem(message.topic):
            return problem
        size_bytes = len(message.topic.encode()) + len(message.payload) + PACKET_OVERHEAD_BYTES
        if size_bytes > self._largest_bytes:
            return f"it has {size_bytes} bytes, the broker takes {self._largest_bytes} at most"
        return ""

    def _wait_for_window(self, sent: int, timeout_s: float) -> bool:
        """Wait until the broker may be sent one more (its Receive Maximum, our own bound)."""
        if sent - len(self._acks) < self._window:
            return not self.down.is_set()
        with self._acked:
            self._acks_needed = sent - self._window // 2  # half a window at a time, not one by one
            self._acked.wait_for(
                lambda: self.down.is_set() or len(self._acks) >= self._acks_needed, timeout_s
            )
        return not self.down.is_set() and sent - len(self._acks) < self._window

    def _is_acknowledged(self, sent: dict[int, MessageKey]) -> bool:
        return self.down.is_set() or (
            len(self._acks) >= len(sent) and all(mid in self._acks for mid in sent)
        )

    def _new_client(self, version: MQTTProtocolVersion) -> Client:
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._options.client_id,
            clean_session=None if self.is_v5 else not self._options.persistent,
            protocol=version,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.max_inflight_messages_set(0)  # `_wait_for_window` bounds it
        if self._broker.username:
            client.username_pw_set(self._broker.username, self._broker.password or None)
        if (context := self._broker.tls_context()) is not None:
            client.tls_set_context(context)
        if self._options.will is not None:
            topic, payload = self._options.will
            client.will_set(topic, payload, qos=1, retain=True)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_publish_received
        client.on_publish = self._on_publish
        return client

    def _on_connect(
        self,
        client: Client,
        _data: Any,
        flags: Any,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        self.session_present = bool(flags.session_present)
        if reason.is_failure:
            self.reason = f"the broker refuses us: {reason}"
            return
        self._window = min(IN_FLIGHT, getattr(properties, "ReceiveMaximum", IN_FLIGHT))
        self._largest_bytes = getattr(properties, "MaximumPacketSize", LARGEST_PACKET_BYTES)
        self._keeps_retained = bool(getattr(properties, "RetainAvailable", 1))
        if not self._options.filters:
            self._mark_up()
        elif self.is_v5:
            client.subscribe([(name, SubscribeOptions(qos=1)) for name in self._options.filters])
        else:
            client.subscribe([(name, 1) for name in self._options.filters])

    def _on_subscribe(
        self, client: Client, _data: Any, _mid: int, reasons: list[ReasonCode], _properties: Any
    ) -> None:
        refused = [str(reason) for reason in reasons if reason.is_failure]
        if refused:
            self.reason = f"the broker refuses our subscription: {refused[0]}"
            client.disconnect()
        elif not self.was_up:
            self._mark_up()

    def _mark_up(self) -> None:
        self.was_up = True
        self._on_up(self)

    def _on_disconnect(
        self, _client: Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any
    ) -> None:
        self.taken_over = reason.value == SESSION_TAKEN_OVER
        self.reason = self.reason or f"connection ended: {reason}"
        self.down.set()
        with self._acked:
            self._acked.notify_all()

    def _on_publish_received(self, client: Client, _data: Any, message: MQTTMessage) -> None:
        mid, qos = message.mid, message.qos
        self._on_message(
            message.topic, bytes(message.payload), lambda: _acknowledge(client, mid, qos)
        )

    def _on_publish(
        self, _client: Client, _data: Any, mid: int, reason: ReasonCode, _properties: Any
    ) -> None:
        self._hurry_acknowledgements()
        with self._acked:
            self._acks[mid] = reason
            if len(self._acks) >= self._acks_needed:
                self._acked.notify_all()

    def _hurry_acknowledgements(self) -> None:
        """With a small window the broker's Nagle waits for our TCP's delayed ACK, 40 ms a time.

        Mosquitto allows 20 messages in flight and leaves Nagle on: 1,100 messages a second
        without this, five times as many with it. The option holds only until the next packet.
        """
        sock = self.client.socket()
        if _QUICKACK is not None and self._window < IN_FLIGHT and isinstance(sock, socket.socket):
            sock.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)


def _acknowledge(client: Client, mid: int, qos: int) -> None:
    client.ack(mid, qos)


def _refusal(answer: ReasonCode) -> PublishRefusal:
    """What a PUBACK with a failure says of its message."""
    code = answer.value
    kind = RefusalKind.MESSAGE if code in _MESSAGE_AT_FAULT else RefusalKind.BROKER
    return PublishRefusal(f"the broker refuses it: {answer} (0x{code:02X})", kind)
