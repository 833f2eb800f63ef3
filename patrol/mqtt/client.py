"""Link: keeps one connection to the broker alive, one after another, with jittered back-off.

MQTT 5 first; a broker that hangs up on it or says it does not know it is asked in 3.1.1. Both keep
what is persistent: the session of a stable client id lives in the broker, the messages in the
outbox, nothing here.

Publisher over MQTT: a client of its own, with a random name, for as long as it is needed.
"""

import random
import secrets
import threading
from collections.abc import Callable, Sequence
from typing import Final, Self

import structlog
from paho.mqtt.enums import MQTTProtocolVersion
from typing_extensions import override

from patrol.domain.ids import MessageKey
from patrol.domain.outbox import OutboxMessage
from patrol.mqtt.address import BrokerAddress, Protocol
from patrol.mqtt.connection import Connection, ConnectOptions, OnMessage
from patrol.ports import NotConnected, Publisher

log = structlog.get_logger(__name__)

FIRST_WAIT_S: Final = 0.1
LONGEST_WAIT_S: Final = 10.0  # a broker that comes back is found within this time
CONNACK_TIMEOUT_S: Final = 8.0  # longest wait for the CONNACK
DISCONNECT_TIMEOUT_S: Final = 1.0
_V5, _V311 = MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311
VERSIONS: Final = {
    Protocol.AUTO: (_V5, _V311),
    Protocol.V5: (_V5,),
    Protocol.V311: (_V311,),
}
_jitter = random.Random()  # noqa: S311  spreads reconnects, guards nothing


def _acknowledge_only(_topic: str, _payload: bytes, acknowledge: Callable[[], None]) -> None:
    acknowledge()


class ReconnectingClient:
    """A supervised connection. `start`, use `current`, `stop`; or as a context manager."""

    def __init__(
        self,
        broker: BrokerAddress,
        options: ConnectOptions,
        *,
        on_message: OnMessage = _acknowledge_only,
        on_up: Callable[[Connection], None] = lambda _connection: None,
    ) -> None:
        self.broker = broker
        self.problem = "not started"
        self.connection_count = 0  # connections so far
        self._options = options
        self._on_message, self._on_up = on_message, on_up
        self._versions = list(VERSIONS[broker.protocol])
        self._change = threading.Condition()
        self._current: Connection | None = None
        self._latest: Connection | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to connect; returns at once."""
        self.problem = "connecting"
        name = f"mqtt {self._options.client_id}"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Disconnect with a goodbye and wait, briefly, for the thread."""
        self._stopping.set()
        with self._change:
            latest = self._latest
        if latest is not None:
            latest.close()
            latest.down.wait(DISCONNECT_TIMEOUT_S)
            latest.down.set()
        if self._thread is not None:
            self._thread.join(DISCONNECT_TIMEOUT_S)

    def current(self) -> Connection | None:
        """The connection that is up just now."""
        with self._change:
            return self._current

    def wait_up(self, timeout_s: float) -> bool:
        """Whether it came up within the time."""
        with self._change:
            return self._change.wait_for(lambda: self._current is not None, timeout_s)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            connection = self._connect_once()
            if self._stopping.is_set():
                return
            if connection.was_up:
                failures = 0
            elif len(self._versions) > 1:
                self._versions.reverse()  # perhaps it speaks only the other version
                if failures == 0:
                    failures = 1
                    continue
            failures += 1
            self._log_change(connection.reason)
            self._stopping.wait(backoff_s(failures))

    def _connect_once(self) -> Connection:
        """One connection, from its first packet to its end."""
        version = self._versions[0]
        connection = Connection(
            self.broker, self._options, version, self._on_message, self._on_connected
        )
        with self._change:
            self._latest = connection
        try:
            connection.open()
        except (OSError, ValueError) as exc:
            connection.reason = _error_text(exc)
            connection.down.set()
        else:
            self._wait_until_down(connection)
        connection.detach()
        with self._change:
            self._current = None
        return connection

    def _wait_until_down(self, connection: Connection) -> None:
        if not connection.down.wait(CONNACK_TIMEOUT_S) and not connection.was_up:
            connection.reason = "the broker does not answer"
            connection.close()
            connection.down.wait(DISCONNECT_TIMEOUT_S)
            return
        connection.down.wait()

    def _on_connected(self, connection: Connection) -> None:
        with self._change:
            self._current = connection
            self.connection_count += 1
            self.problem = ""
            self._change.notify_all()
        log.info("broker connected", broker=str(self.broker), client=self._options.client_id)
        try:
            self._on_up(connection)
        except Exception:
            # It would end paho's thread without a word; so: this connection ends, with one.
            log.exception("greeting failed", broker=str(self.broker))
            connection.close()

    def _log_change(self, reason: str) -> None:
        """One line when the story changes; repeats stay quiet."""
        with self._change:
            is_changed = reason != self.problem
            self.problem = reason
        if is_changed:
            log.warning("broker not connected", broker=str(self.broker), reason=reason)


def backoff_s(failures: int, pick: Callable[[float, float], float] = _jitter.uniform) -> float:
    """0.1 s, doubling to 10 s, each shortened by up to a half."""
    longest = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** min(max(failures - 1, 0), 16))
    return pick(longest / 2, longest)


def _error_text(exc: Exception) -> str:
    return str(getattr(exc, "strerror", None) or str(exc) or type(exc).__name__)


BATCH: Final = 2000  # messages in paho's memory at once; the outbox has the rest


class MqttPublisher(Publisher):
    """Fulfils ports.Publisher. Connects in the background from `start` on."""

    def __init__(self, broker: BrokerAddress, *, name: str = "patrol") -> None:
        self._link = ReconnectingClient(
            broker, ConnectOptions(client_id=f"{name}-{secrets.token_hex(6)}")
        )

    def start(self) -> None:
        """Begin to connect; returns at once."""
        self._link.start()

    def stop(self) -> None:
        """Disconnect; a `publish` under way returns with what was acknowledged so far."""
        self._link.stop()

    def wait_up(self, timeout_s: float) -> bool:
        """Whether the broker is reached within the time (short-lived commands, `check`)."""
        return self._link.wait_up(timeout_s)

    @property
    def problem(self) -> str:
        """Why it is not connected; empty when it is."""
        return self._link.problem

    @property
    @override
    def connection_count(self) -> int:
        """Connections so far."""
        return self._link.connection_count

    @override
    def publish(self, messages: Sequence[OutboxMessage], timeout_s: float) -> Sequence[MessageKey]:
        """Send all; the keys that the broker acknowledged within the time."""
        connection = self._link.current()
        if connection is None:
            raise NotConnected(f"{self._link.broker}: {self._link.problem or 'connecting'}")
        taken: list[MessageKey] = []
        for start in range(0, len(messages), BATCH):
            part = messages[start : start + BATCH]
            acked = connection.publish(part, timeout_s)
            taken.extend(acked)
            if len(acked) < len(part):
                break
        return taken

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()
