"""The pulse: notices within half a second that something changed, and tells every open page.

It polls one row of marks from the store, whoever wrote there — this process, the command line,
another machine — and only while somebody listens. Pages fetch what they show themselves, with
their own rights; the pulse says nothing but which topic moved.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Mapping
from typing import Final

import structlog

from patrol.store import Store, StoreUnavailable

log = structlog.get_logger(__name__)

EVERY_S: Final = 0.4
STAY_AWAKE_S: Final = 15.0  # a comment on an idle line, so that nobody between us cuts it
MOST_LISTENERS: Final = 500  # open pages; 68 leaders, a few screens, and room


class TooMany(Exception):
    """More pages are open than we serve."""


class Pulse:
    """One thread; listeners are queues of the server's event loop."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._stopped = threading.Event()
        self._wanted = threading.Event()
        self._listeners: set[asyncio.Queue[str | None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)

    def start(self) -> None:
        """Begin to poll (once somebody listens)."""
        self._thread.start()

    def stop(self) -> None:
        """End every line and the thread."""
        self._stopped.set()
        self._wanted.set()
        self._tell(None)
        self._thread.join(5.0)

    async def listen(self) -> AsyncIterator[str]:
        """Topics that moved, comma-separated; "" to stay awake. Raises TooMany."""
        if len(self._listeners) >= MOST_LISTENERS:
            raise TooMany
        self._loop = asyncio.get_running_loop()
        line: asyncio.Queue[str | None] = asyncio.Queue(maxsize=64)
        self._listeners.add(line)
        self._wanted.set()
        try:
            while not self._stopped.is_set():
                try:
                    moved = await asyncio.wait_for(line.get(), STAY_AWAKE_S)
                except TimeoutError:
                    moved = ""
                if moved is None:
                    return
                yield moved
        finally:
            self._listeners.discard(line)

    @property
    def listeners(self) -> int:
        """How many pages are open."""
        return len(self._listeners)

    def _run(self) -> None:
        before: Mapping[str, str] = {}
        while not self._stopped.is_set():
            if not self._listeners:
                before = {}
                self._wanted.clear()
                if not self._listeners:
                    self._wanted.wait()
                continue
            marks = self._marks() or before
            moved = sorted(
                topic for topic, mark in marks.items() if mark != before.get(topic, mark)
            )
            if moved:
                self._tell(",".join(moved))
            before = marks
            self._stopped.wait(EVERY_S)

    def _marks(self) -> Mapping[str, str] | None:
        try:
            with self._store.begin_read() as uow:
                return uow.watch.marks()
        except StoreUnavailable as exc:
            log.warning("waiting for the database", child="pulse", reason=str(exc))
            return None

    def _tell(self, moved: str | None) -> None:
        loop = self._loop
        if loop is None or loop.is_closed():
            return
        for line in tuple(self._listeners):
            try:
                loop.call_soon_threadsafe(_put, line, moved)
            except RuntimeError:  # the loop closed this moment
                return


def _put(line: "asyncio.Queue[str | None]", moved: str | None) -> None:
    if line.full():
        line.get_nowait()  # a page that does not read misses news, never blocks us
    line.put_nowait(moved)
