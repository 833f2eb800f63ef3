"""Serve TCP connections by a coroutine each, and end all of them with the server.

asyncio's own server leaves the connections behind when it is closed: their tasks are cancelled with
the event loop, in the middle of anything.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

HEAD_LIMIT: Final = 64 * 1024
ENDED: Final = (ConnectionError, EOFError, asyncio.LimitOverrunError, ssl.SSLError, TimeoutError)

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving_connections(
    serve: Serve, host: str, port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Listen while the block runs; the port. A client that breaks off is no error."""
    tasks: set[asyncio.Task[None]] = set()
    writers: set[asyncio.StreamWriter] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        writers.add(writer)
        try:
            # Cancelled with the server, it ends like others: asyncio would report it otherwise.
            with contextlib.suppress(*ENDED, asyncio.CancelledError):
                await serve(reader, writer)
        finally:
            writers.discard(writer)
            writer.close()

    server = await asyncio.start_server(connected, host, port, limit=HEAD_LIMIT, ssl=tls)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        for writer in tuple(writers):
            writer.transport.abort()
        await asyncio.gather(*tasks, return_exceptions=True)
