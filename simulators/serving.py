"""Serve a simulator as a program: until a signal, with an exit code that scripts can read.

For the `__main__` of simulators that have one event loop; what they print is theirs.
"""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Final

EXIT_BAD_INPUT: Final = 2


def serve_until_signal(name: str, serve: Callable[[asyncio.Event], Awaitable[None]]) -> int:
    """Run `serve` with an event that SIGTERM and SIGINT set; `name` stands in front of errors.

    0 when stopped by a signal, 1 when a port is taken (OSError), 2 for bad options (ValueError).
    """
    try:
        asyncio.run(_serve(serve))
    except ValueError as error:
        sys.stderr.write(f"{name}: {error}\n")
        return EXIT_BAD_INPUT
    except OSError as error:
        sys.stderr.write(f"{name}: {error}\n")
        return 1
    return 0


async def _serve(serve: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve(stop)
