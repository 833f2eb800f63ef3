"""Serve a simulator as a program: until a signal, with an exit code that scripts can read.

A simulator that a program started for itself also ends with that program, however it ended: the
pipe that is its standard input closes then, and no signal handler of the other needs to run.

For the `__main__` of simulators that have one event loop; what they print is theirs.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Final

EXIT_BAD_INPUT: Final = 2
_READ_BYTES: Final = 4096  # what is written there is thrown away


def serve_until_signal(
    name: str,
    serve: Callable[[asyncio.Event], Awaitable[None]],
    *,
    until_closed: int | None = None,
) -> int:
    """Run `serve` with an event that SIGTERM and SIGINT set; `name` stands in front of errors.

    `until_closed`: a descriptor of a pipe or socket whose other end sets the event by closing.
    0 when stopped by a signal, 1 when a port is taken (OSError), 2 for bad options (ValueError).
    """
    try:
        asyncio.run(_serve(serve, until_closed))
    except ValueError as error:
        sys.stderr.write(f"{name}: {error}\n")
        return EXIT_BAD_INPUT
    except OSError as error:
        sys.stderr.write(f"{name}: {error}\n")
        return 1
    return 0


async def _serve(
    serve: Callable[[asyncio.Event], Awaitable[None]], until_closed: int | None
) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if until_closed is not None:
        loop.add_reader(until_closed, _stop_when_closed, until_closed, stop)
    await serve(stop)


def _stop_when_closed(descriptor: int, stop: asyncio.Event) -> None:
    if not os.read(descriptor, _READ_BYTES):
        asyncio.get_running_loop().remove_reader(descriptor)
        stop.set()
