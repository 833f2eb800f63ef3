"""Real brokers: Mosquitto where it is installed (a must where CI=true), the embedded one."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from patrol.mqtt.connection import BrokerAddress
from patrol.mqtt.embedded_broker import EmbeddedBroker
from simulators.mosquitto import Mosquitto, find_mosquitto


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """A Mosquitto of the test's own, to be killed and started again."""
    if find_mosquitto() is None:
        problem = "mosquitto is not installed (Debian: mosquitto)"
        pytest.fail(problem) if os.environ.get("CI") == "true" else pytest.skip(problem)
    broker = Mosquitto(tmp_path)
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture(scope="session")
def embedded() -> Iterator[EmbeddedBroker]:
    """The broker of the demo."""
    with EmbeddedBroker() as broker:
        yield broker


@pytest.fixture(params=["mosquitto", "embedded 3.1.1", "embedded 5"])
def broker(request: pytest.FixtureRequest) -> BrokerAddress:
    """Every broker, spoken to as its address alone says (MQTT 5 if it can)."""
    if request.param == "mosquitto":
        server: Mosquitto = request.getfixturevalue("mosquitto")
        return BrokerAddress.parse(server.url)
    inside: EmbeddedBroker = request.getfixturevalue("embedded")
    port = inside.port if request.param == "embedded 3.1.1" else inside.port_v5
    return BrokerAddress.parse(f"mqtt://127.0.0.1:{port}")
