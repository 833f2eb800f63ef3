"""A broker that asks for a client certificate gets the centre's, and nobody else's connection."""

from pathlib import Path

import pytest

from patrol.mqtt import BrokerAddress, MqttPublisher
from patrol.mqtt.embedded_broker import free_port
from simulators.mosquitto import Mosquitto
from tests.support.certificates import Certificates, make_certificates

WITHIN_S = 20.0
REFUSED_WITHIN_S = 3.0


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return make_certificates(tmp_path, name="centre")


@pytest.fixture
def secured(mosquitto: Mosquitto, certificates: Certificates) -> str:
    """The URL of a second listener with TLS that wants certificates."""
    port = free_port()
    mosquitto.kill()
    mosquitto.extra_config = f"""
listener {port} 127.0.0.1
allow_anonymous true
cafile {certificates.authority}
certfile {certificates.certificate}
keyfile {certificates.key}
require_certificate true
"""
    mosquitto.start()
    return f"mqtts://127.0.0.1:{port}"


@pytest.mark.slow
def test_with_its_certificate_the_centre_gets_in(secured: str, certificates: Certificates) -> None:
    address = BrokerAddress.parse(
        secured,
        ca_file=certificates.authority,
        certificate=certificates.certificate,
        certificate_key=certificates.key,
    )
    with MqttPublisher(address, name="centre") as publisher:
        assert publisher.wait_up(WITHIN_S), publisher.problem
    bare = BrokerAddress.parse(secured, ca_file=certificates.authority)
    with MqttPublisher(bare, name="bare") as publisher:
        assert not publisher.wait_up(REFUSED_WITHIN_S)


def test_a_file_that_is_not_there_is_named(certificates: Certificates) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        BrokerAddress.parse(
            "mqtts://127.0.0.1", certificate=Path("/nowhere"), certificate_key=certificates.key
        )
