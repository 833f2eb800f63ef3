"""A subscriber in a process of its own: `python -m patrol.bench.subscriber HOST PORT FILTER COUNT`.

Prints `ready` once it is subscribed, then, when COUNT different messages have come, one JSON line:
how many came in all, and when each was called back, on the clock that all processes of the machine
share (CLOCK_MONOTONIC).
"""

import json
import subprocess  # nosec B404
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, Final

import structlog

from patrol.mqtt import BrokerAddress, ReconnectingClient
from patrol.mqtt.connection import ConnectOptions

WAIT_TIMEOUT_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class ReceivedMessages:
    """The report of the subscriber process."""

    messages: int  # repeats included
    at_s: dict[str, float]  # topic → when it was called back first

    @property
    def last_s(self) -> float:
        """When the last different message came."""
        return max(self.at_s.values())


@dataclass
class SubscriberProcess:
    """A running subscriber process that is subscribed already."""

    process: "subprocess.Popen[str]"
    out: IO[str]

    def wait_for_report(self) -> ReceivedMessages:
        """Wait for its report. Raises RuntimeError when it gave up."""
        line = self.out.readline()
        if not line:
            raise RuntimeError("the subscriber ended before it had received everything")
        report: dict[str, Any] = json.loads(line)
        return ReceivedMessages(messages=report["messages"], at_s=report["at_s"])


@contextmanager
def running_subscriber(
    broker: BrokerAddress, pattern: str, count: int
) -> Iterator[SubscriberProcess]:
    """A subscriber to `pattern` that reports after `count` different topics."""
    command = [
        sys.executable,
        "-m",
        "patrol.bench.subscriber",
        broker.host,
        str(broker.port),
        pattern,
    ]
    with subprocess.Popen(  # noqa: S603  our own module  # nosec B603
        [*command, str(count)], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            if process.stdout is None or process.stdout.readline().strip() != "ready":
                raise RuntimeError("the subscriber could not reach the broker")
            yield SubscriberProcess(process, process.stdout)
        finally:
            process.kill()


def main(host: str, port: str, pattern: str, count: str) -> int:
    """Subscribe, wait for COUNT different topics, print the report; the exit code."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    at_s: dict[str, float] = {}
    total, done = [0], threading.Event()

    def on_message(topic: str, _payload: bytes, acknowledge: Any) -> None:
        at_s.setdefault(topic, time.monotonic())
        total[0] += 1
        acknowledge()
        if len(at_s) >= int(count):
            done.set()

    broker = BrokerAddress(host=host, port=int(port))
    with ReconnectingClient(
        broker,
        ConnectOptions(client_id="bench-subscriber", filters=[pattern]),
        on_message=on_message,
    ) as link:
        if not link.wait_up(10.0):
            return 1
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        if not done.wait(WAIT_TIMEOUT_S):
            return 1
    sys.stdout.write(json.dumps({"messages": total[0], "at_s": at_s}) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
