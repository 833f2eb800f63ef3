"""The test leader: a connection of its own that answers every canary, as a telephone would.

The service's own connection: its inbox and its last will, under a stable client id.

The broker keeps the session, so a reply sent while we are away waits for us. Each message is
acknowledged only after the handler has returned, that is after the commit; while the handler
cannot work (the store is away) the message stays unacknowledged and is tried again. The network
thread never waits for the database: it hands over to one worker.

The service's session at the broker, made before the service ever ran.

A broker keeps replies only for a session that it knows. A command that tells a leader of a case
before the first `patrol run` would lose an answer given within the second: so the session is made,
under the service's own client id and with its subscriptions, and left again. Nothing is read:
what waits there stays unacknowledged and waits for the service.
"""

import json
import queue
import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

import structlog

from patrol.mqtt.address import BrokerAddress
from patrol.mqtt.client import ReconnectingClient, backoff_s
from patrol.mqtt.connection import RECEIVE_MAX, Connection, ConnectOptions
from patrol.store import StoreFull, StoreUnavailable

log = structlog.get_logger(__name__)


class CanaryLeader:
    """Listens on one topic, answers on another; as a context manager."""

    def __init__(
        self, broker: BrokerAddress, *, listens_on: str, answers_on: str, name: str
    ) -> None:
        self._answers_on = answers_on
        client_id = f"{name}-{secrets.token_hex(4)}"
        options = ConnectOptions(client_id=client_id, filters=(listens_on,))
        self._client = ReconnectingClient(broker, options, on_message=self._on_message)

    @property
    def problem(self) -> str:
        """Why it is not connected; empty when it is."""
        return self._client.problem

    def __enter__(self) -> Self:
        self._client.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._client.stop()

    def _on_message(self, _topic: str, payload: bytes, acknowledge: Callable[[], None]) -> None:
        acknowledge()
        connection = self._client.current()
        try:
            about = str(json.loads(payload)["key"])
        except (ValueError, KeyError, TypeError):
            return  # an emptied topic, or somebody else's words
        if connection is not None:
            answer = {"v": 1, "key": f"ack-{about}", "type": "acknowledge", "about": about}
            connection.client.publish(self._answers_on, json.dumps(answer), qos=1)


LARGE_BYTES: Final = 1 << 20  # nobody of ours says so much: one such at a time in our memory
MAX_QUEUED: Final = (
    10 * RECEIVE_MAX
)  # replies handed over and not yet handled; more block the socket
MessageHandler = Callable[[str, bytes], None]
StatusMessage = tuple[str, bytes]  # topic, payload; retained


@dataclass(frozen=True, slots=True)
class _ReceivedMessage:
    topic: str
    payload: bytes
    acknowledge: Callable[[], None]
    handled: threading.Event = field(default_factory=threading.Event)


class ReplySubscriber:
    """`start`, `stop`; `handler(topic, payload)` runs on one thread, one message after another."""

    def __init__(
        self,
        broker: BrokerAddress,
        *,
        client_id: str,
        filters: Sequence[str],
        handler: MessageHandler,
        will: StatusMessage | None = None,
        online: Callable[[], StatusMessage] | None = None,
        offline: Callable[[], StatusMessage] | None = None,
    ) -> None:
        options = ConnectOptions(client_id=client_id, persistent=True, filters=filters, will=will)
        self._client = ReconnectingClient(
            broker, options, on_message=self._enqueue, on_up=self._publish_online
        )
        self._handler = handler
        self._online, self._offline = online, offline
        self._received: queue.Queue[_ReceivedMessage | None] = queue.Queue(MAX_QUEUED)
        self._stopping = threading.Event()
        self._worker = threading.Thread(target=self._handle_queue, name="mqtt inbox", daemon=True)

    def start(self) -> None:
        """Begin to connect and to handle."""
        self._worker.start()
        self._client.start()

    def stop(self) -> None:
        """Say offline, disconnect; what was not handled stays with the broker."""
        self._stopping.set()
        connection = self._client.current()
        if connection is not None and self._offline is not None:
            topic, payload = self._offline()
            info = connection.client.publish(topic, payload, qos=1, retain=True)
            _wait_published(info.wait_for_publish)
        self._client.stop()
        _wake_worker(self._received)
        self._worker.join(2.0)

    def wait_up(self, timeout_s: float) -> bool:
        """Whether the broker is reached within the time."""
        return self._client.wait_up(timeout_s)

    @property
    def problem(self) -> str:
        """Why it is not connected; empty when it is."""
        return self._client.problem

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def _publish_online(self, connection: Connection) -> None:
        if self._online is not None:
            topic, payload = self._online()
            connection.client.publish(topic, payload, qos=1, retain=True)

    def _enqueue(self, topic: str, payload: bytes, acknowledge: Callable[[], None]) -> None:
        received = _ReceivedMessage(topic, payload, acknowledge)
        while not self._stopping.is_set():
            try:
                self._received.put(received, timeout=0.5)
            except queue.Full:
                continue
            break
        if len(payload) > LARGE_BYTES:
            while not self._stopping.is_set() and not received.handled.wait(0.5):
                pass  # a thousand of them in the queue would be gigabytes

    def _handle_queue(self) -> None:
        while not self._stopping.is_set():
            received = self._received.get()
            if received is None:
                continue
            if self._handle_with_retry(received):
                received.acknowledge()
            received.handled.set()

    def _handle_with_retry(self, received: _ReceivedMessage) -> bool:
        failures = 0
        while not self._stopping.is_set():
            try:
                self._handler(received.topic, received.payload)
            except (StoreUnavailable, StoreFull) as exc:
                failures += 1
                if failures == 1:
                    log.warning("replies wait with the broker", reason=str(exc))
                self._stopping.wait(backoff_s(failures))
                continue
            except Exception:
                # Nothing may stop the inbox. Unacknowledged: the broker brings it again.
                log.exception("a reply could not be handled", topic=received.topic)
                return False
            return True
        return False


def _wait_published(wait_for_publish: Callable[[float], None]) -> None:
    try:
        wait_for_publish(1.0)
    except (RuntimeError, ValueError):
        log.info("the broker was gone before we could say goodbye")


def _wake_worker(received: "queue.Queue[_ReceivedMessage | None]") -> None:
    try:
        received.put_nowait(None)
    except queue.Full:
        log.info("replies not handled stay with the broker", count=received.qsize())


def ensure_persistent_session(
    broker: BrokerAddress, *, client_id: str, filters: Sequence[str], timeout_s: float
) -> bool:
    """Whether the broker now keeps what is said to us. Not while the service is connected."""
    options = ConnectOptions(client_id=client_id, persistent=True, filters=filters)
    with ReconnectingClient(broker, options, on_message=_leave_unacknowledged) as client:
        return client.wait_up(timeout_s)


def _leave_unacknowledged(_topic: str, _payload: bytes, _acknowledge: Callable[[], None]) -> None:
    """Unacknowledged, it comes again to whoever comes next under this name."""
