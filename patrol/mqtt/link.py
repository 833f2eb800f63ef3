"""Link: keeps one connection to the broker alive, one after another, with jittered back-off.

MQTT 5 first; a broker that hangs up on it or says it does not know it is asked in 3.1.1. Both keep
what is persistent: the session of a stable client id lives in the broker, the messages in the
outbox, nothing here.
"""

import random
import threading
from collections.abc import Callable
from typing import Final, Self

import structlog
from paho.mqtt.enums import MQTTProtocolVersion

from patrol.mqtt.address import BrokerAddress, Protocol
from patrol.mqtt.connection import Connection, Greeting, Received

log = structlog.get_logger(__name__)

FIRST_WAIT_S: Final = 0.1
LONGEST_WAIT_S: Final = 10.0  # a broker that comes back is found within this time
GREETING_S: Final = 8.0  # longest wait for the CONNACK
GOODBYE_S: Final = 1.0
_V5, _V311 = MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311
VERSIONS: Final = {
    Protocol.AUTO: (_V5, _V311),
    Protocol.V5: (_V5,),
    Protocol.V311: (_V311,),
}
_jitter = random.Random()  # noqa: S311  spreads reconnects, guards nothing


def _ignore(_topic: str, _payload: bytes, acknowledge: Callable[[], None]) -> None:
    acknowledge()


class MqttLink:
    """A supervised connection. `start`, use `current`, `stop`; or as a context manager."""

    def __init__(
        self,
        broker: BrokerAddress,
        greeting: Greeting,
        *,
        on_message: Received = _ignore,
        on_up: Callable[[Connection], None] = lambda _connection: None,
    ) -> None:
        self.broker = broker
        self.problem = "not started"
        self.session = 0  # connections so far
        self._greeting = greeting
        self._on_message, self._on_up = on_message, on_up
        self._versions = list(VERSIONS[broker.protocol])
        self._change = threading.Condition()
        self._up: Connection | None = None
        self._latest: Connection | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to connect; returns at once."""
        self.problem = "connecting"
        name = f"mqtt {self._greeting.client_id}"
        self._thread = threading.Thread(target=self._keep, name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Disconnect with a goodbye and wait, briefly, for the thread."""
        self._stopping.set()
        with self._change:
            latest = self._latest
        if latest is not None:
            latest.close()
            latest.down.wait(GOODBYE_S)
            latest.down.set()
        if self._thread is not None:
            self._thread.join(GOODBYE_S)

    def current(self) -> Connection | None:
        """The connection that is up just now."""
        with self._change:
            return self._up

    def wait_up(self, timeout_s: float) -> bool:
        """Whether it came up within the time."""
        with self._change:
            return self._change.wait_for(lambda: self._up is not None, timeout_s)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def _keep(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            connection = self._one()
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
            self._tell(connection.reason)
            self._stopping.wait(backoff_s(failures))

    def _one(self) -> Connection:
        """One connection, from its first packet to its end."""
        version = self._versions[0]
        connection = Connection(
            self.broker, self._greeting, version, self._on_message, self._came_up
        )
        with self._change:
            self._latest = connection
        try:
            connection.open()
        except (OSError, ValueError) as exc:
            connection.reason = _words(exc)
            connection.down.set()
        else:
            self._watch(connection)
        connection.forget()
        with self._change:
            self._up = None
        return connection

    def _watch(self, connection: Connection) -> None:
        if not connection.down.wait(GREETING_S) and not connection.was_up:
            connection.reason = "the broker does not answer"
            connection.close()
            connection.down.wait(GOODBYE_S)
            return
        connection.down.wait()

    def _came_up(self, connection: Connection) -> None:
        with self._change:
            self._up = connection
            self.session += 1
            self.problem = ""
            self._change.notify_all()
        log.info("broker connected", broker=str(self.broker), client=self._greeting.client_id)
        try:
            self._on_up(connection)
        except Exception:
            # It would end paho's thread without a word; so: this connection ends, with one.
            log.exception("greeting failed", broker=str(self.broker))
            connection.close()

    def _tell(self, reason: str) -> None:
        """One line when the story changes; repeats stay quiet."""
        with self._change:
            news = reason != self.problem
            self.problem = reason
        if news:
            log.warning("broker not connected", broker=str(self.broker), reason=reason)


def backoff_s(failures: int, pick: Callable[[float, float], float] = _jitter.uniform) -> float:
    """0.1 s, doubling to 10 s, each shortened by up to a half."""
    longest = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** min(max(failures - 1, 0), 16))
    return pick(longest / 2, longest)


def _words(exc: Exception) -> str:
    return str(getattr(exc, "strerror", None) or str(exc) or type(exc).__name__)
