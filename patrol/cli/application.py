"""The composed application for one command, and the signals that stop a command that runs."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final

import typer

from patrol.app import Application, StartupWait, build
from patrol.cli.options import config_directory
from patrol.cli.site import site_of
from patrol.store import StoreFull, StoreUnavailable

RELAY_WITHIN_S: Final = 2.0  # a person waits no longer for a broker; the outbox does


@contextmanager
def app_of(
    context: typer.Context, *, wait_s: float = 0.0, stop: threading.Event | None = None
) -> Iterator[Application]:
    """Build the application and close it afterwards.

    With `stop` an unreachable database is waited for, at most `wait_s` seconds or until `stop`.
    Raises ConfigProblems, StoreUnavailable.
    """
    startup_wait = StartupWait(limit_s=wait_s, stop=stop) if stop is not None else None
    with build(
        site_of(context), config_dir=config_directory(context), startup_wait=startup_wait
    ) as app:
        with suppress(StoreUnavailable, StoreFull):  # the command itself says so, if it matters
            app.check_clock()
        yield app


@contextmanager
def until_signalled() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set; a second Ctrl-C ends the process at once."""
    stop = threading.Event()

    def on_signal(number: int, _frame: FrameType | None) -> None:
        if stop.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.set()

    if threading.current_thread() is not threading.main_thread():
        yield stop  # a test's runner: only the main thread may take signals
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, on_signal) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
