"""Publisher over MQTT: a client of its own, with a random name, for as long as it is needed."""

import secrets
from collections.abc import Sequence
from typing import Final, Self

from typing_extensions import override

from patrol.domain.ids import MessageKey
from patrol.domain.message import OutboxMessage
from patrol.mqtt.address import BrokerAddress
from patrol.mqtt.connection import Greeting
from patrol.mqtt.link import MqttLink
from patrol.ports import NotConnected, Publisher

BATCH: Final = 2000  # messages in paho's memory at once; the outbox has the rest


class MqttPublisher(Publisher):
    """Fulfils ports.Publisher. Connects in the background from `start` on."""

    def __init__(self, broker: BrokerAddress, *, name: str = "patrol") -> None:
        self._link = MqttLink(broker, Greeting(client_id=f"{name}-{secrets.token_hex(6)}"))

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
    def session(self) -> int:
        """Connections so far."""
        return self._link.session

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
