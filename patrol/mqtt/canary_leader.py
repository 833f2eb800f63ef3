"""The test leader: a connection of its own that answers every canary, as a telephone would."""

import json
import secrets
from collections.abc import Callable
from typing import Self

import structlog

from patrol.mqtt.address import BrokerAddress
from patrol.mqtt.connection import Greeting
from patrol.mqtt.link import MqttLink

log = structlog.get_logger(__name__)


class CanaryLeader:
    """Listens on one topic, answers on another; as a context manager."""

    def __init__(self, broker: BrokerAddress, *, hears: str, answers: str, name: str) -> None:
        self._answers = answers
        client_id = f"{name}-{secrets.token_hex(4)}"
        greeting = Greeting(client_id=client_id, filters=(hears,))
        self._link = MqttLink(broker, greeting, on_message=self._heard)

    @property
    def problem(self) -> str:
        """Why it is not connected; empty when it is."""
        return self._link.problem

    def __enter__(self) -> Self:
        self._link.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._link.stop()

    def _heard(self, _topic: str, payload: bytes, acknowledge: Callable[[], None]) -> None:
        acknowledge()
        connection = self._link.current()
        try:
            about = str(json.loads(payload)["key"])
        except (ValueError, KeyError, TypeError):
            return  # an emptied topic, or somebody else's words
        if connection is not None:
            answer = {"v": 1, "key": f"ack-{about}", "type": "acknowledge", "about": about}
            connection.client.publish(self._answers, json.dumps(answer), qos=1)
