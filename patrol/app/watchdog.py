"""Watchdog: waits for the end of the service, and ends it when its scheduler has stood still.

While everything moves, systemd is told so (sd_notify(3): READY=1 once, then WATCHDOG=1); with
`WatchdogSec=` in the unit it kills and restarts a process that has stopped telling. A service whose
scheduler is frozen says which part in one line and ends itself.
"""

import os
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

LOOK_EVERY_S: Final = 5.0  # of `frozen`; far within any sensible WatchdogSec
SOCKET_VARIABLE: Final = "NOTIFY_SOCKET"
READY: Final = "READY=1"
ALIVE: Final = "WATCHDOG=1"
STOPPING: Final = "STOPPING=1"


def notify_systemd(message: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Send one message to the service manager; False where there is none, or it does not listen."""
    address = environment.get(SOCKET_VARIABLE, "")
    if not address.startswith(("/", "@")):
        return False
    path = f"\0{address[1:]}" if address.startswith("@") else address
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to_manager:
        to_manager.sendto(message.encode(), path)
        return True
    return False


def wait_until_stopped(
    stop: threading.Event,
    frozen: Callable[[], str],
    *,
    look_every_s: float = LOOK_EVERY_S,
    notify: Callable[[str], object] = notify_systemd,
) -> str:
    """Wait for `stop`; what stands still when that comes first, else empty."""
    notify(READY)
    while not stop.wait(look_every_s):
        if what := frozen():
            return what
        notify(ALIVE)
    notify(STOPPING)
    return ""
