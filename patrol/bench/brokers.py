"""The brokers to measure on: Mosquitto where it is installed, and the embedded one."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from patrol.bench.child_process import ReportProgress
from patrol.mqtt import BrokerAddress
from patrol.mqtt.embedded_broker import EmbeddedBroker
from simulators.mosquitto import Mosquitto, find_mosquitto

EMBEDDED: Final = "iotcore (embedded)"
MOSQUITTO: Final = "mosquitto"


def available_brokers(report: ReportProgress) -> list[str]:
    """The names of the brokers that are installed here."""
    if find_mosquitto() is not None:
        return [MOSQUITTO, EMBEDDED]
    report("mosquitto is not installed, left out (Debian: apt install mosquitto)")
    return [EMBEDDED]


@contextmanager
def running_broker(name: str) -> Iterator[BrokerAddress]:
    """Start one of them on a free port of loopback; ends with the block."""
    with ExitStack() as stack:
        if name == EMBEDDED:
            yield stack.enter_context(EmbeddedBroker()).address
            return
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="patrol-bench-"))
        server = Mosquitto(Path(folder))
        server.start()
        stack.callback(server.kill)
        yield BrokerAddress.parse(server.url)
