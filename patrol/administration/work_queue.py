"""Work that takes much memory, a few at a time: password hashes, and tables that are imported.

Each of them is small beside the machine; as many as there are threads are not. Who finds all places
taken is told at once to come again, so that no request waits for long.
"""

import threading
from collections.abc import Callable
from typing import Final

from patrol.domain.errors import Failed


class Busy(Failed):
    """The work was not begun, as so much of it is going on; try again later."""

    retry_after_s: Final = 2


class TableImportsBusy(Busy):
    """So many tables are being read that this one was not; try again later."""

    def __init__(self) -> None:
        super().__init__("too many tables are being imported")


class WorkQueue:
    """Lets few threads work at a time, and few more wait for them; a context manager."""

    def __init__(self, *, at_once: int, waiting: int, busy: Callable[[], Busy]) -> None:
        """`busy`: what is raised when every place is taken."""
        self._places = threading.BoundedSemaphore(at_once + waiting)
        self._running = threading.BoundedSemaphore(at_once)
        self._busy = busy

    def __enter__(self) -> None:
        if not self._places.acquire(blocking=False):
            raise self._busy()
        self._running.acquire()

    def __exit__(self, *_exc_info: object) -> None:
        self._running.release()
        self._places.release()


# A table of 8 MiB with nothing but bad rows takes 80 MB while it is judged. Nobody imports twice.
TABLE_IMPORTS: Final = WorkQueue(at_once=1, waiting=3, busy=TableImportsBusy)
