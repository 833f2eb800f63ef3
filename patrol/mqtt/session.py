"""The service's session at the broker, made before the service ever ran.

A broker keeps replies only for a session that it knows. A command that tells a leader of a case
before the first `patrol run` would lose an answer given within the second: so the session is made,
under the service's own client id and with its subscriptions, and left again. Nothing is read:
what waits there stays unacknowledged and waits for the service.
"""

from collections.abc import Callable, Sequence

from patrol.mqtt.address import BrokerAddress
from patrol.mqtt.connection import Greeting
from patrol.mqtt.link import MqttLink


def make_session(
    broker: BrokerAddress, *, client_id: str, filters: Sequence[str], timeout_s: float
) -> bool:
    """Whether the broker now keeps what is said to us. Not while the service is connected."""
    greeting = Greeting(client_id=client_id, persistent=True, filters=filters)
    with MqttLink(broker, greeting, on_message=_leave_it) as link:
        return link.wait_up(timeout_s)


def _leave_it(_topic: str, _payload: bytes, _acknowledge: Callable[[], None]) -> None:
    """Unacknowledged, it comes again to whoever comes next under this name."""
