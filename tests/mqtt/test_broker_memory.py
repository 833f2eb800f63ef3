"""The shipped Mosquitto files bound the memory of a broker whose accounts keep what they like.

With the limit lowered: what is shipped holds a thousand times a town's messages.
"""

import re
import threading
from pathlib import Path

import pytest
from paho.mqtt.client import CallbackAPIVersion, Client

from simulators.mosquitto import Mosquitto

SHIPPED = [
    Path(__file__).parents[2] / "config/mosquitto" / name
    for name in ("mosquitto.conf", "patrol-tls.conf")
]
LIMIT_MB = 12
PAYLOAD = b"a" * 64_000
TOPICS = 400  # twice the limit
WITHIN_S = 60.0


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_what_is_shipped_has_a_limit_below_a_small_machine(path: Path) -> None:
    found = re.search(r"^memory_limit (\d+)$", path.read_text("utf-8"), re.MULTILINE)
    assert found is not None
    assert 256 << 20 <= int(found[1]) <= 1 << 30


def test_who_fills_the_broker_is_disconnected_and_the_others_go_on(mosquitto: Mosquitto) -> None:
    mosquitto.kill()
    mosquitto.extra_config = f"memory_limit {LIMIT_MB << 20}"
    mosquitto.start()
    host, port = mosquitto.url.removeprefix("mqtt://").split(":")
    flood, gone = Client(CallbackAPIVersion.VERSION2, client_id="flood"), threading.Event()
    flood.on_disconnect = lambda *_: gone.set()
    flood.connect(host, int(port))
    flood.loop_start()
    for number in range(TOPICS):
        flood.publish(f"patrol/v1/x/grid/1/reply/{number}", PAYLOAD, qos=1, retain=True)
    assert gone.wait(WITHIN_S), "the broker takes no more of it"
    flood.loop_stop()
    flood.disconnect()
    centre = Client(CallbackAPIVersion.VERSION2, client_id="centre")
    centre.connect(host, int(port))
    centre.loop_start()
    sent = centre.publish("patrol/v1/x/grid/1/case/C1", b"{}", qos=1, retain=True)
    sent.wait_for_publish(WITHIN_S)
    assert sent.is_published()
    centre.disconnect()
    centre.loop_stop()
    assert _resident_mb(mosquitto) < LIMIT_MB + 24


def _resident_mb(broker: Mosquitto) -> float:
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{broker.pid}/status").read_text("ascii"))
    assert found is not None
    return int(found[1]) / 1024
