"""Run a visit's blocking work on a thread of its own, abandoned when the visit is cancelled.

The threads are daemons: libav cannot be interrupted inside a read, and a process that ends must not
wait for a camera. Each thread ends by itself at the visit's own time limits. Used by libav.py and
http_snapshot.py.
"""

import asyncio
import concurrent.futures
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


async def run_in_thread(work: Callable[[], _T], name: str) -> _T:
    """The result of `work`; what it raises is raised here."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[_T] = loop.create_future()

    def run() -> None:
        finished: concurrent.futures.Future[_T] = concurrent.futures.Future()
        try:
            finished.set_result(work())
        except BaseException as exc:  # noqa: BLE001  raised in the visit's own task
            finished.set_exception(exc)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_set_result, future, finished)

    threading.Thread(target=run, name=name, daemon=True).start()
    return await future


def _set_result(future: asyncio.Future[_T], finished: concurrent.futures.Future[_T]) -> None:
    if future.done():  # abandoned meanwhile
        return
    error = finished.exception()
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(finished.result())
