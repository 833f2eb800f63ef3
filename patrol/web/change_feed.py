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

POLL_EVERY_S: Final = 0.4
KEEPALIVE_S: Final = 15.0  # a comment on an idle line, so that nobody between us cuts it
MAX_SUBSCRIBERS: Final = 500  # open pages; 68 leaders, a few screens, and room


class TooManySubscribers(Exception):
    """More pages are open than we serve."""


class ChangeFeed:
    """One thread; listeners are queues of the server's event loop."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._stopped = threading.Event()
        self._has_subscribers = threading.Event()
        self._subscribers: set[asyncio.Queue[str | None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="change-feed", daemon=True)

    def start(self) -> None:
        """Begin to poll (once somebody listens)."""
        self._thread.start()

    def stop(self) -> None:
        """End every line and the thread."""
        self._stopped.set()
        self._has_subscribers.set()
        self._broadcast(None)
        self._thread.join(5.0)

    async def subscribe(self) -> AsyncIterator[str]:
        """Topics that moved, comma-separated; "" to stay awake. Raises TooMany."""
        if len(self._subscribers) >= MAX_SUBSCRIBERS:
            raise TooManySubscribers
        self._loop = asyncio.get_running_loop()
        subscriber: asyncio.Queue[str | None] = asyncio.Queue(maxsize=64)
        self._subscribers.add(subscriber)
        self._has_subscribers.set()
        try:
            while not self._stopped.is_set():
                try:
                    moved = await asyncio.wait_for(subscriber.get(), KEEPALIVE_S)
                except TimeoutError:
                    moved = ""
                if moved is None:
                    return
                yield moved
        finally:
            self._subscribers.discard(subscriber)

    @property
    def subscribers(self) -> int:
        """How many pages are open."""
        return len(self._subscribers)

    def _run(self) -> None:
        before: Mapping[str, str] = {}
        while not self._stopped.is_set():
            if not self._subscribers:
                before = {}
                self._has_subscribers.clear()
                if not self._subscribers:
                    self._has_subscribers.wait()
                continue
            tokens = self._change_tokens() or before
            moved = sorted(
                topic for topic, token in tokens.items() if token != before.get(topic, token)
            )
            if moved:
                self._broadcast(",".join(moved))
            before = tokens
            self._stopped.wait(POLL_EVERY_S)

    def _change_tokens(self) -> Mapping[str, str] | None:
        try:
            with self._store.begin_read() as uow:
                return uow.change_tokens.read()
        except StoreUnavailable as exc:
            log.warning("waiting for the database", child="change feed", reason=str(exc))
            return None

    def _broadcast(self, moved: str | None) -> None:
        loop = self._loop
        if loop is None or loop.is_closed():
            return
        for subscriber in tuple(self._subscribers):
            try:
                loop.call_soon_threadsafe(_put_latest, subscriber, moved)
            except RuntimeError:  # the loop closed this moment
                return


def _put_latest(subscriber: "asyncio.Queue[str | None]", moved: str | None) -> None:
    if subscriber.full():
        subscriber.get_nowait()  # a page that does not read misses news, never blocks us
    subscriber.put_nowait(moved)
