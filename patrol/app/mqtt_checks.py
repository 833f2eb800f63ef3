"""Health checks of the service's way to the broker: refused messages, a contested session.

Read by /healthz and the system page, from any thread: the refused messages from the store, so that
a retry by another process is seen, the rest from the service's own relay and reply subscriber.
"""

from collections.abc import Callable
from dataclasses import dataclass

from patrol.messaging.outbox_relay import OutboxRelay
from patrol.messaging.refused_messages import read_refused
from patrol.mqtt import ReplySubscriber
from patrol.operations.health_server import HealthCheck
from patrol.store import Store, StoreUnavailable


@dataclass(kw_only=True)
class MqttChecks:
    """Makes the checks; the two callbacks answer with a problem, or with an empty text."""

    store: Store
    republish_problem: Callable[[], str] = str
    session_problem: Callable[[], str] = str

    def watch(self, relay: OutboxRelay, subscriber: ReplySubscriber) -> None:
        """Report on these two from now on."""
        self.republish_problem = lambda: relay.republish_problem
        self.session_problem = lambda: subscriber.session_problem

    def checks(self) -> list[HealthCheck]:
        """Whether the broker takes every message, and whether the session is ours alone."""
        refused, session = self._refused(), self.session_problem()
        return [
            HealthCheck(name="messages", ok=not refused, message=refused or "the broker takes all"),
            HealthCheck(name="mqtt session", ok=not session, message=session or "ours alone"),
        ]

    def _refused(self) -> str:
        try:
            with self.store.begin_read() as uow:
                refused = read_refused(uow).text
        except StoreUnavailable as exc:
            refused = str(exc)
        return "; ".join(part for part in (refused, self.republish_problem()) if part)
