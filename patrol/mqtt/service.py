"""The service's own connection: its inbox and its last will, under a stable client id.

The broker keeps the session, so a reply sent while we are away waits for us. Each message is
acknowledged only after the handler has returned, that is after the commit; while the handler
cannot work (the store is away) the message stays unacknowledged and is tried again. The network
thread never waits for the database: it hands over to one worker.
"""

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

import structlog

from patrol.mqtt.address import BrokerAddress
from patrol.mqtt.connection import RECEIVE_MAX, Connection, Greeting
from patrol.mqtt.link import MqttLink, backoff_s
from patrol.store import StoreFull, StoreUnavailable

log = structlog.get_logger(__name__)

LARGE_BYTES: Final = 1 << 20  # nobody of ours says so much: one such at a time in our memory
WAITING: Final = 10 * RECEIVE_MAX  # replies handed over and not yet handled; more block the socket
Handler = Callable[[str, bytes], None]
Status = tuple[str, bytes]  # topic, payload; retained


@dataclass(frozen=True, slots=True)
class _Arrived:
    topic: str
    payload: bytes
    acknowledge: Callable[[], None]
    handled: threading.Event = field(default_factory=threading.Event)


class MqttService:
    """`start`, `stop`; `handler(topic, payload)` runs on one thread, one message after another."""

    def __init__(
        self,
        broker: BrokerAddress,
        *,
        client_id: str,
        filters: Sequence[str],
        handler: Handler,
        will: Status | None = None,
        online: Callable[[], Status] | None = None,
        offline: Callable[[], Status] | None = None,
    ) -> None:
        greeting = Greeting(client_id=client_id, persistent=True, filters=filters, will=will)
        self._link = MqttLink(broker, greeting, on_message=self._hand_over, on_up=self._greet)
        self._handler = handler
        self._online, self._offline = online, offline
        self._arrived: queue.Queue[_Arrived | None] = queue.Queue(WAITING)
        self._stopping = threading.Event()
        self._worker = threading.Thread(target=self._work, name="mqtt inbox", daemon=True)

    def start(self) -> None:
        """Begin to connect and to handle."""
        self._worker.start()
        self._link.start()

    def stop(self) -> None:
        """Say offline, disconnect; what was not handled stays with the broker."""
        self._stopping.set()
        connection = self._link.current()
        if connection is not None and self._offline is not None:
            topic, payload = self._offline()
            info = connection.client.publish(topic, payload, qos=1, retain=True)
            _wait(info.wait_for_publish)
        self._link.stop()
        _offer(self._arrived)
        self._worker.join(2.0)

    def wait_up(self, timeout_s: float) -> bool:
        """Whether the broker is reached within the time."""
        return self._link.wait_up(timeout_s)

    @property
    def problem(self) -> str:
        """Why it is not connected; empty when it is."""
        return self._link.problem

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def _greet(self, connection: Connection) -> None:
        if self._online is not None:
            topic, payload = self._online()
            connection.client.publish(topic, payload, qos=1, retain=True)

    def _hand_over(self, topic: str, payload: bytes, acknowledge: Callable[[], None]) -> None:
        arrived = _Arrived(topic, payload, acknowledge)
        while not self._stopping.is_set():
            try:
                self._arrived.put(arrived, timeout=0.5)
            except queue.Full:
                continue
            break
        if len(payload) > LARGE_BYTES:
            while not self._stopping.is_set() and not arrived.handled.wait(0.5):
                pass  # a thousand of them in the queue would be gigabytes

    def _work(self) -> None:
        while not self._stopping.is_set():
            arrived = self._arrived.get()
            if arrived is None:
                continue
            if self._handled(arrived):
                arrived.acknowledge()
            arrived.handled.set()

    def _handled(self, arrived: _Arrived) -> bool:
        failures = 0
        while not self._stopping.is_set():
            try:
                self._handler(arrived.topic, arrived.payload)
            except (StoreUnavailable, StoreFull) as exc:
                failures += 1
                if failures == 1:
                    log.warning("replies wait with the broker", reason=str(exc))
                self._stopping.wait(backoff_s(failures))
                continue
            except Exception:
                # Nothing may stop the inbox. Unacknowledged: the broker brings it again.
                log.exception("a reply could not be handled", topic=arrived.topic)
                return False
            return True
        return False


def _wait(wait_for_publish: Callable[[float], None]) -> None:
    try:
        wait_for_publish(1.0)
    except (RuntimeError, ValueError):
        log.info("the broker was gone before we could say goodbye")


def _offer(arrived: "queue.Queue[_Arrived | None]") -> None:
    try:
        arrived.put_nowait(None)
    except queue.Full:
        log.info("replies not handled stay with the broker", count=arrived.qsize())
