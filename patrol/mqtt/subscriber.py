"""Clients that read from the broker: the service's reply subscriber and the canary's test leader.

`ReplySubscriber` has a persistent session under a stable client id, so the broker queues replies
that are sent while it is away. A message is acknowledged only after its handler has returned, that
is after the commit; while the store is away it stays unacknowledged and is tried again. The network
thread never waits for the database: it hands messages to one worker thread.
`ensure_persistent_session` creates that session before `patrol run` was ever started, so that an
answer to a command's message is queued, too.
"""

import json
import queue
import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

import structlog

from patrol.domain.outbox import payload_object
from patrol.mqtt.client import ReconnectingClient, reconnect_wait_s
from patrol.mqtt.connection import RECEIVE_MAX, BrokerAddress, Connection, ConnectOptions
from patrol.store import StoreFull, StoreUnavailable

log = structlog.get_logger(__name__)

DRAIN_CONNECT_S: Final = 10.0
DRAIN_IDLE_S: Final = 3.0  # a broker sends what waits at once
LARGE_BYTES: Final = 1 << 20  # far above our own limit for a reply: one such at a time in memory
MAX_QUEUED: Final = 10 * RECEIVE_MAX  # received and not yet handled; more block the socket
MessageHandler = Callable[[str, bytes], None]
StatusMessage = tuple[str, bytes]  # topic, payload; retained


@dataclass(frozen=True, slots=True)
class _ReceivedMessage:
    topic: str
    payload: bytes
    acknowledge: Callable[[], None]
    handled: threading.Event = field(default_factory=threading.Event)


class ReplySubscriber:
    """Reads replies under a persistent session; also publishes the service's online status.

    `start`, `stop`, or a context manager. `handler(topic, payload)` runs on one thread, one message
    after another; StoreUnavailable and StoreFull make it run again later. `will`, `online` and
    `offline` are retained status messages. `name` stands in logs for a client id that is a secret;
    `had_session`: the broker confirmed the session before, so that its loss is noticed.
    """

    def __init__(
        self,
        broker: BrokerAddress,
        *,
        client_id: str,
        filters: Sequence[str],
        handler: MessageHandler,
        name: str = "",
        had_session: bool = False,
        will: StatusMessage | None = None,
        online: Callable[[], StatusMessage] | None = None,
        offline: Callable[[], StatusMessage] | None = None,
    ) -> None:
        options = ConnectOptions(
            client_id=client_id,
            persistent=True,
            filters=filters,
            will=will,
            name=name,
            had_session=had_session,
        )
        self._client = ReconnectingClient(
            broker, options, on_message=self._enqueue, on_up=self._publish_online
        )
        self._handler = handler
        self._online, self._offline = online, offline
        self._received: queue.Queue[_ReceivedMessage | None] = queue.Queue(MAX_QUEUED)
        self._stopping = threading.Event()
        self._worker = threading.Thread(target=self._handle_queue, name="mqtt inbox", daemon=True)

    def start(self) -> None:
        """Begin to connect and to handle; returns at once."""
        self._worker.start()
        self._client.start()

    def stop(self) -> None:
        """Publish `offline` and disconnect; what was not handled stays queued at the broker."""
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

    @property
    def session_problem(self) -> str:
        """What is wrong when another centre uses our client id; empty otherwise."""
        return self._client.session_problem

    @property
    def session_loss(self) -> str:
        """That the broker lost our session lately, and replies with it; empty otherwise."""
        return self._client.session_loss

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
                self._stopping.wait(reconnect_wait_s(failures))
                continue
            except Exception:
                # Nothing may stop the inbox. Unacknowledged: the broker delivers it again.
                log.exception("a reply could not be handled", topic=received.topic)
                return False
            return True
        return False


def ensure_persistent_session(
    broker: BrokerAddress, *, client_id: str, filters: Sequence[str], timeout_s: float
) -> bool:
    """Create the session that queues messages for `client_id`; whether the broker was reached.

    Not while the service is connected: the broker would end its connection. What already waits
    stays unacknowledged, for the service.
    """
    options = ConnectOptions(client_id=client_id, persistent=True, filters=filters)
    with ReconnectingClient(broker, options, on_message=_leave_unacknowledged) as client:
        return client.wait_up(timeout_s)


def drain_session(
    broker: BrokerAddress, *, client_id: str, handler: MessageHandler, stop: threading.Event
) -> int | None:
    """Handle what waits in a session of another client id, then end it; how many messages.

    None when the broker was not reached or `stop` was set: nothing is ended then.
    """
    handled, moved = 0, threading.Event()

    def count(topic: str, payload: bytes) -> None:
        nonlocal handled
        handler(topic, payload)
        handled += 1
        moved.set()

    with ReplySubscriber(broker, client_id=client_id, filters=(), handler=count) as subscriber:
        if not subscriber.wait_up(DRAIN_CONNECT_S):
            return None
        while not stop.is_set() and moved.wait(DRAIN_IDLE_S):
            moved.clear()
    if stop.is_set():
        return None
    with ReconnectingClient(broker, ConnectOptions(client_id=client_id)) as client:
        return handled if client.wait_up(DRAIN_CONNECT_S) else None


class CanaryLeader:
    """The canary's test leader: acknowledges every case on one topic, as a leader's phone would.

    A connection of its own; as a context manager.
    """

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
        about = payload_object(payload).get("key")
        if about is not None and connection is not None:  # else a cleared topic, or none of ours
            answer = {"v": 1, "key": f"ack-{about}", "type": "acknowledge", "about": about}
            connection.client.publish(self._answers_on, json.dumps(answer), qos=1)


def _wait_published(wait_for_publish: Callable[[float], None]) -> None:
    try:
        wait_for_publish(1.0)
    except (RuntimeError, ValueError):
        log.info("the broker was gone before the offline status could be sent")


def _wake_worker(received: "queue.Queue[_ReceivedMessage | None]") -> None:
    try:
        received.put_nowait(None)
    except queue.Full:
        log.info("replies not handled stay with the broker", count=received.qsize())


def _leave_unacknowledged(_topic: str, _payload: bytes, _acknowledge: Callable[[], None]) -> None:
    """Do nothing: the broker delivers it again to the next client of this session."""
