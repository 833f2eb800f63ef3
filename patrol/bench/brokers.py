"""The brokers to measure on: Mosquitto where it is installed, and the embedded one."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from patrol.mqtt import BrokerAddress
from patrol.mqtt.embedded import EmbeddedBroker
from simulators.mosquitto import Mosquitto, find

EMBEDDED: Final = "iotcore (embedded)"
MOSQUITTO: Final = "mosquitto"


def brokers(tell: Callable[[str], None]) -> list[str]:
    """The names of those that can be had here."""
    if find() is not None:
        return [MOSQUITTO, EMBEDDED]
    tell("mosquitto is not installed, left out (Debian: apt install mosquitto)")
    return [EMBEDDED]


@contextmanager
def running(name: str) -> Iterator[BrokerAddress]:
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
