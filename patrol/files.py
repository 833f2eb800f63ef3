"""A lock between processes that dies with its holder (flock(2)): no stale lock after a kill -9."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from patrol.ports import ProcessBusy


@contextmanager
def process_lock(path: Path) -> Iterator[None]:
    """Hold the lock at `path` for the block. Raises Busy at once when another process has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ProcessBusy(f"another patrol process is at it (it holds {path})") from None
        yield
