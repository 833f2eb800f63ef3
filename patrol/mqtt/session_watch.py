"""Watches, from beside, whether another client with our id is still there; waits until it is not.

Two centres with one site id cannot both have its session (session_contest.py). The one that stands
back does not try again and again, which would throw the other off each time: over a connection of
its own, with a random client id, it reads the retained status that the session's owner publishes
("online"), and that its last will replaces ("offline") when it ends, however it ends. Once that
has stood for some seconds the session is free. A broker that lets us not read it is waited out.

Called by ReconnectingClient, in its thread.
"""

import secrets
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from paho.mqtt.enums import MQTTProtocolVersion

from patrol.domain.outbox import payload_object
from patrol.mqtt.connection import BrokerAddress, Connection, ConnectOptions

FREE_AFTER_S: Final = 5.0  # a takeover says "offline" of the one thrown off, and "online" at once
LOOK_EVERY_S: Final = 15.0  # at the watch's own connection, which may have ended


class SessionWatch:
    """One wait for another client to leave; `wake` ends a pause in it (a stop)."""

    def __init__(
        self,
        broker: BrokerAddress,
        options: ConnectOptions,
        version: MQTTProtocolVersion,
        monotonic_s: Callable[[], float],
    ) -> None:
        assert options.will is not None  # noqa: S101  the caller watches such sessions alone  # nosec B101
        self._topic, offline = options.will
        self._gone_state = _state_of(offline)
        self._monotonic_s = monotonic_s
        self._gone_at_s: float | None = None
        self._wake = threading.Event()
        watching = replace(
            options, client_id=f"{options.shown_name}-watch-{secrets.token_hex(6)}",
            persistent=False, had_session=False, will=None, filters=(self._topic,),
        )  # fmt: skip
        self._connection = Connection(
            broker, watching, version, self._on_message, lambda _connection: None
        )

    def wake(self) -> None:
        """End a wait that is under way soon: its caller stops."""
        self._wake.set()

    def wait_until_free(self, longest_s: float, stopping: threading.Event) -> None:
        """Return when the other has gone, `longest_s` is over, or `stopping` is set."""
        until_s = self._monotonic_s() + longest_s
        try:
            self._connection.open()
        except (OSError, ValueError):
            stopping.wait(longest_s)
            return
        try:
            while not stopping.is_set() and not self._connection.down.is_set():
                now_s = self._monotonic_s()
                free_at_s = None if self._gone_at_s is None else self._gone_at_s + FREE_AFTER_S
                next_s = min(until_s, now_s + LOOK_EVERY_S, free_at_s or until_s)
                if now_s >= until_s or (free_at_s is not None and now_s >= free_at_s):
                    return
                self._wake.wait(max(0.0, next_s - now_s))
                self._wake.clear()
        finally:
            self._connection.close()
            self._connection.detach()
        stopping.wait(max(0.0, until_s - self._monotonic_s()))

    def _on_message(self, topic: str, payload: bytes, acknowledge: Callable[[], None]) -> None:
        acknowledge()
        if topic == self._topic:
            is_gone = _state_of(payload) == self._gone_state
            self._gone_at_s = self._monotonic_s() if is_gone else None
            self._wake.set()


def _state_of(payload: bytes) -> object:
    """The `state` of a status message; the payload itself where it is none."""
    return payload_object(payload).get("state", payload)
