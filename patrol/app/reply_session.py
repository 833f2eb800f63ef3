"""The service's persistent session at the broker: its client id, and the one of former releases.

A client that connects under an id takes that id's session, and the replies that wait there. So
the id ends in a secret that the store made once and keeps (site_keys): no account can guess it, and
it is the same after a restart. Up to release 0.1 it was `patrol-SITE`; what waits under that name
is handled at the first start, then that session is ended.
"""

import secrets
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from patrol.files import is_lock_free
from patrol.messaging.topics import inbox_filters
from patrol.mqtt import BrokerAddress
from patrol.mqtt.subscriber import MessageHandler, drain_session, ensure_persistent_session
from patrol.settings import Settings
from patrol.store import Store, StoreFull, StoreUnavailable

log = structlog.get_logger(__name__)

SERVICE_LOCK: Final = ".service.lock"
SESSION_TIMEOUT_S: Final = 1.0  # the broker has answered the publisher just now
SECRET_BYTES: Final = 8  # a broker answers some thousand guesses a second
CLIENT_ID_KEY: Final = "mqtt_client_id"
SESSION_MADE: Final = "mqtt_session_made"
FORMER_SESSION_ENDED: Final = "mqtt_former_session_ended"
FORMER_RETRY_S: Final = 60.0  # while the broker is away


@dataclass(frozen=True, slots=True)
class ReplySession:
    """Names and marks of the session to which leaders' replies come; from any thread."""

    store: Store
    site: str

    @property
    def name(self) -> str:
        """What logs, threads and health checks call it; without the secret."""
        return f"patrol-{self.site}"

    def client_id(self) -> str:
        """The MQTT client id, made at the first call and kept. Raises StoreUnavailable."""
        with self.store.begin() as uow:
            secret = uow.site_keys.get_or_add(CLIENT_ID_KEY, secrets.token_bytes(SECRET_BYTES))
            uow.commit()
        return f"{self.name}-{secret.hex()}"

    def was_made(self) -> bool:
        """Whether the broker confirmed this session before: it should have it still."""
        return self._is_marked(SESSION_MADE)

    def keep_made(self) -> None:
        """Keep that the broker has the session; without the store it is kept the next time."""
        self._mark(SESSION_MADE)

    def ensure(self, broker: BrokerAddress, timeout_s: float) -> None:
        """Create the session, so that the broker queues replies before the service ever ran."""
        with suppress(StoreUnavailable, StoreFull):
            client_id = self.client_id()
            filters = inbox_filters(self.site)
            if ensure_persistent_session(
                broker, client_id=client_id, filters=filters, timeout_s=timeout_s
            ):
                self.keep_made()

    def end_former(
        self, broker: BrokerAddress, handler: MessageHandler, stop: threading.Event
    ) -> None:
        """Handle what waits in the session of former releases and end it, once for good; blocks."""
        if self._is_marked(FORMER_SESSION_ENDED):
            return
        while not stop.is_set():
            handled = drain_session(broker, client_id=self.name, handler=handler, stop=stop)
            if handled is not None:
                log.info("the session of the former client id is ended", replies=handled)
                self._mark(FORMER_SESSION_ENDED)
                return
            stop.wait(FORMER_RETRY_S)

    def _is_marked(self, name: str) -> bool:
        with self.store.begin_read() as uow:
            return uow.site_keys.is_marked(name)

    def _mark(self, name: str) -> None:
        with suppress(StoreUnavailable, StoreFull), self.store.begin() as uow:
            uow.site_keys.mark(name)
            uow.commit()


def service_lock_path(settings: Settings) -> Path:
    """The file whose lock tells that a service runs here.

    Of a cluster it is one a machine: pictures may lie on a shared file system, and who leads is
    decided in the database.
    """
    ending = "" if settings.cluster is None else f".{socket.gethostname()}"
    return settings.evidence / f"{SERVICE_LOCK}{ending}"


def ensure_reply_session(session: ReplySession, settings: Settings, broker: BrokerAddress) -> None:
    """Create the service's persistent MQTT session, so that the broker queues early replies.

    A command may announce a case before `patrol run` was ever started. While the service runs, its
    session exists, and a second connection under its client id would end it: nothing is done then.
    """
    if settings.mqtt.embedded:
        return  # this process is the broker: the session would end with it
    if is_lock_free(service_lock_path(settings)):
        session.ensure(broker, SESSION_TIMEOUT_S)
