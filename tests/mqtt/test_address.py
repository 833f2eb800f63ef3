"""Where the broker is; and the embedded one, which listens on loopback only."""

from pathlib import Path

import pytest

from patrol.mqtt.connection import BrokerAddress
from patrol.mqtt.embedded_broker import EmbeddedBroker, in_use, rumqttd_config


@pytest.mark.parametrize(
    ("url", "host", "port", "tls"),
    [
        ("mqtt://127.0.0.1", "127.0.0.1", 1883, False),
        ("mqtt://broker:18883", "broker", 18883, False),
        ("mqtts://broker", "broker", 8883, True),
        ("mqtt://[::1]:1884", "::1", 1884, False),
    ],
)
def test_addresses(url: str, host: str, port: int, *, tls: bool) -> None:
    address = BrokerAddress.parse(url)
    assert (address.host, address.port, address.tls) == (host, port, tls)


@pytest.mark.parametrize("url", ["", "broker", "http://broker", "mqtt://", "mqtt://b:99999"])
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(ValueError, match=r"mqtt://|cannot be read"):
        BrokerAddress.parse(url)


def test_a_password_never_prints_and_the_file_goes_first(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("fr0m-file\n", "utf-8")
    address = BrokerAddress.parse("mqtt://centre:fr0m%2Durl@broker", password_file=file)
    assert (address.username, address.password) == ("centre", "fr0m-file")
    for shown in (str(address), repr(address)):
        assert "fr0m" not in shown
    assert BrokerAddress.parse("mqtt://centre:fr0m%2Durl@broker").password == "fr0m-url"


def test_missing_files_are_named(tmp_path: Path) -> None:
    for option in ({"password_file": tmp_path / "none"}, {"ca_file": tmp_path / "none"}):
        with pytest.raises(OSError, match="none"):
            BrokerAddress.parse("mqtts://broker", **option)


def test_the_embedded_broker_listens_on_loopback_and_goes_away() -> None:
    assert "0.0.0.0" not in rumqttd_config(1, 2)  # noqa: S104  that is what must not be there
    broker = EmbeddedBroker()
    broker.start()
    assert in_use(broker.port)
    with pytest.raises(RuntimeError, match=str(broker.port)):
        EmbeddedBroker(broker.port).start()
    broker.stop()
    broker.stop()
    assert not in_use(broker.port)
    assert not in_use(broker.port_v5)
