"""MQTT clients that reconnect: a supervised connection, and the outbox's publisher on top of it.

A thread opens one connection (connection.py) after another, with jittered back-off between them;
with a stable client id it stands back where another client has it, too (session_contest.py),
until that one has gone (session_watch.py).
MQTT 5 first; a broker that hangs up on it or answers that it does not know it is asked in 3.1.1.
Nothing is kept here: the session of a stable client id lives in the broker, messages in the outbox.
"""

import random
import secrets
import threading
from collections.abc import Callable, Sequence
from typing import Final, Self

import structlog
from paho.mqtt.enums import MQTTProtocolVersion
from typing_extensions import override

from patrol.clock import SystemClock
from patrol.domain.backoff import jittered_backoff_s
from patrol.domain.ids import MessageKey
from patrol.domain.outbox import OutboxMessage, PublishRefusal
from patrol.logs import LastReason
from patrol.mqtt.connection import BrokerAddress, Connection, ConnectOptions, OnMessage, Protocol
from patrol.mqtt.session_contest import SessionContest
from patrol.mqtt.session_watch import SessionWatch
from patrol.ports import NotConnected, Publisher, PublishResult

log = structlog.get_logger(__name__)

LOSS_SHOWN_S: Final = 3600.0
SESSION_LOST: Final = (
    "the broker no longer knew our session: replies that were sent while we were not connected are"
    " lost. Look through the open cases; let the broker keep sessions on disk and for a week"
)

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
BATCH: Final = 2000  # messages in paho's memory at once; the outbox has the rest
_jitter = random.Random()  # noqa: S311  spreads reconnects, guards nothing  # nosec B311


class ReconnectingClient:
    """Keeps one connection to the broker up. `start`, use `current`, `stop`; or a context manager.

    `on_message` is called by the network thread with (topic, payload, acknowledge), `on_up` with
    each new connection once its subscriptions stand.
    """

    def __init__(
        self,
        broker: BrokerAddress,
        options: ConnectOptions,
        *,
        on_message: OnMessage = lambda _topic, _payload, acknowledge: acknowledge(),
        on_up: Callable[[Connection], None] = lambda _connection: None,
    ) -> None:
        self.broker = broker
        self.problem = "not started"  # why it is not connected; empty while it is
        self.connection_count = 0  # so far
        self._options = options
        self._on_message, self._on_up = on_message, on_up
        self._versions = list(VERSIONS[broker.protocol])
        self._v5_worked = False
        self._contest = SessionContest(options.shown_name) if options.persistent else None
        self._monotonic_s = SystemClock().monotonic_s
        self._up_since_s = 0.0
        self._had_session = options.had_session
        self._lost_at_s: float | None = None
        self._last_reason = LastReason()
        self._change = threading.Condition()
        self._current: Connection | None = None
        self._latest: Connection | None = None
        self._watch: SessionWatch | None = None  # while it stands back
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to connect; returns at once."""
        self.problem = "connecting"
        name = f"mqtt {self._options.shown_name}"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Send DISCONNECT (no last will) and wait up to a second for the thread."""
        self._stopping.set()
        with self._change:
            latest, watch = self._latest, self._watch
        if watch is not None:
            watch.wake()
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
        """Whether it is connected within the time."""
        with self._change:
            return self._change.wait_for(lambda: self._current is not None, timeout_s)

    @property
    def session_problem(self) -> str:
        """What is wrong when another client uses our stable id; empty otherwise."""
        if self._contest is None:
            return ""
        now_s = self._monotonic_s()
        if self.current() is not None:
            self._contest.stands(life_s=now_s - self._up_since_s)
        return self._contest.problem(now_s)

    @property
    def session_loss(self) -> str:
        """That the broker lost our session within the last hour; empty otherwise."""
        lost_at_s = self._lost_at_s
        is_recent = lost_at_s is not None and self._monotonic_s() - lost_at_s < LOSS_SHOWN_S
        return SESSION_LOST if is_recent else ""

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
                self._versions.sort(reverse=self._v5_worked)
            elif connection.was_answered and len(self._versions) > 1:
                self._versions.reverse()  # perhaps it speaks only the other version
                if failures == 0:
                    failures = 1
                    continue
            failures += 1
            pause_s = self._contest_pause_s(connection)
            self._log_change(self.session_problem if pause_s else connection.reason)
            if pause_s:
                self._stand_back(pause_s)
            else:
                self._stopping.wait(reconnect_wait_s(failures))

    def _stand_back(self, longest_s: float) -> None:
        """Wait until the other client with our id has gone; without its status, the whole time."""
        if self._options.will is None:
            self._stopping.wait(longest_s)
            return
        watch = SessionWatch(self.broker, self._options, self._versions[0], self._monotonic_s)
        with self._change:
            self._watch = watch
        watch.wait_until_free(longest_s, self._stopping)
        with self._change:
            self._watch = None

    def _contest_pause_s(self, connection: Connection) -> float:
        """How long to stand back for another client with our id; 0 when there is none."""
        if self._contest is None:
            return 0.0
        now_s = self._monotonic_s()
        if not connection.was_up:
            self._contest.not_reached()
            return 0.0
        life_s = now_s - self._up_since_s
        self._contest.ended(taken_over=connection.taken_over, life_s=life_s, now_s=now_s)
        return self._contest.pause_s(_jitter.uniform)

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
            connection.was_answered = True
            self._wait_until_down(connection)
        connection.detach()
        with self._change:
            self._current = self._latest = None  # no cycle: paho's sockets close with the last user
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
            self._up_since_s = self._monotonic_s()
            self._v5_worked = self._v5_worked or connection.is_v5
            is_changed = not self.session_problem and self._last_reason.changes_to("connected")
            self._change.notify_all()
        if is_changed:
            log.info("broker connected", broker=str(self.broker), client=self._options.shown_name)
        self._check_session(connection)
        try:
            self._on_up(connection)
        except Exception:
            # Raised into paho it would end the network thread silently: end the connection instead.
            log.exception("first message after connecting failed", broker=str(self.broker))
            connection.close()

    def _check_session(self, connection: Connection) -> None:
        """Notice that the broker has lost our session; say it, and have it shown for a while."""
        if not self._options.persistent:
            return
        if self._had_session and not connection.session_present:
            self._lost_at_s = self._monotonic_s()
            log.warning("session lost", broker=str(self.broker), reason=SESSION_LOST)
        self._had_session = True

    def _log_change(self, reason: str) -> None:
        with self._change:
            self.problem = reason
            is_changed = self._last_reason.changes_to(reason)
        if is_changed:
            log.warning("broker not connected", broker=str(self.broker), reason=reason)


def reconnect_wait_s(failures: int) -> float:
    """The pause after so many failures in a row: 0.1 s, doubling to 10 s, jittered."""
    return jittered_backoff_s(failures, FIRST_WAIT_S, LONGEST_WAIT_S, _jitter.uniform)


def _error_text(exc: Exception) -> str:
    return str(getattr(exc, "strerror", None) or str(exc) or type(exc).__name__)


class MqttPublisher(Publisher):
    """Publishes outbox messages at QoS 1; connects in the background from `start` on.

    Its client id is random: it has no session, and two processes can publish at once.
    """

    def __init__(self, broker: BrokerAddress, *, name: str = "patrol") -> None:
        self._client = ReconnectingClient(
            broker, ConnectOptions(client_id=f"{name}-{secrets.token_hex(6)}")
        )

    def start(self) -> None:
        """Begin to connect; returns at once."""
        self._client.start()

    def stop(self) -> None:
        """Disconnect; a `publish` under way returns with what was acknowledged so far."""
        self._client.stop()

    def wait_up(self, timeout_s: float) -> bool:
        """Whether the broker is reached within the time (short-lived commands, `check`)."""
        return self._client.wait_up(timeout_s)

    @property
    def problem(self) -> str:
        """Why it is not connected; empty when it is."""
        return self._client.problem

    @property
    @override
    def connection_count(self) -> int:
        return self._client.connection_count

    @override
    def publish(self, messages: Sequence[OutboxMessage], timeout_s: float) -> PublishResult:
        connection = self._client.current()
        if connection is None:
            raise NotConnected(f"{self._client.broker}: {self._client.problem or 'connecting'}")
        taken: list[MessageKey] = []
        refused: dict[MessageKey, PublishRefusal] = {}
        result = PublishResult()
        for start in range(0, len(messages), BATCH):
            part = messages[start : start + BATCH]
            result = connection.publish(part, timeout_s)
            taken.extend(result.taken)
            refused.update(result.refused)
            if len(result.taken) + len(result.refused) < len(part):
                break
        return PublishResult(
            taken=taken, refused=refused, unanswered=result.unanswered, ended=result.ended
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()
