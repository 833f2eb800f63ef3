"""Notify open pages within half a second that something changed in the store.

One thread polls the store's change tokens, whatever process wrote there, and only while a page is
subscribed. Pages fetch their new content themselves, with their own permissions: the feed names the
topic that changed and nothing else. A subscription ends with its login session, at the same pace.
A page says when it was rendered: what changed between that and its subscription (a slow load, a cut
line, a time without subscribers) is named at once.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

import structlog

from patrol.store import Store, StoreUnavailable

log = structlog.get_logger(__name__)

POLL_EVERY_S: Final = 0.4
KEEPALIVE_S: Final = 15.0  # a comment on an idle stream, so that no proxy cuts it
MAX_SUBSCRIBERS: Final = 500  # open pages; 68 leaders and a few screens, several times


class TooManySubscribers(Exception):
    """MAX_SUBSCRIBERS pages are open already."""


class ChangeFeed:
    """Polls the store in one thread; each subscriber is a queue of the server's event loop."""

    def __init__(self, store: Store, now: Callable[[], datetime]) -> None:
        self._store, self._now = store, now
        self._stopped = threading.Event()
        self._has_subscribers = threading.Event()
        self._subscribers: dict[asyncio.Queue[str | None], str] = {}  # → id of the login session
        self._noticed_at: dict[str, datetime] = {}  # by topic: the poll that last saw it changed
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="change-feed", daemon=True)

    def start(self) -> None:
        """Start the polling thread; it waits for the first subscriber."""
        self._thread.start()

    def stop(self) -> None:
        """End every subscription and the thread."""
        self._stopped.set()
        self._has_subscribers.set()
        self._broadcast(None)
        self._thread.join(5.0)

    async def subscribe(self, session_id: str, since: datetime | None = None) -> AsyncIterator[str]:
        """Names of changed topics, comma-separated, until the login session ends; "" as keep-alive.

        `since` (with a time zone): when the page was rendered; changes noticed after it come first.
        Raises TooManySubscribers.
        """
        if len(self._subscribers) >= MAX_SUBSCRIBERS:
            raise TooManySubscribers
        self._loop = asyncio.get_running_loop()
        subscriber: asyncio.Queue[str | None] = asyncio.Queue(maxsize=64)
        self._subscribers[subscriber] = session_id  # first: what is noticed from here on is queued
        self._has_subscribers.set()
        missed = self._noticed_since(since) if since else []
        if missed:
            _put_latest(subscriber, ",".join(missed))
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
            self._subscribers.pop(subscriber, None)

    @property
    def subscribers(self) -> int:
        """The number of open pages."""
        return len(self._subscribers)

    def _run(self) -> None:
        before: Mapping[str, str] = {}
        while not self._stopped.is_set():
            if not self._subscribers:
                self._has_subscribers.clear()
                if not self._subscribers:
                    self._has_subscribers.wait()
                continue
            tokens = self._read() or before
            moved = sorted(topic for topic, token in tokens.items() if token != before.get(topic))
            if moved:
                self._noticed_at = {**self._noticed_at, **dict.fromkeys(moved, self._now())}
                self._broadcast(",".join(moved))
            before = tokens
            self._stopped.wait(POLL_EVERY_S)

    def _noticed_since(self, since: datetime) -> list[str]:
        """The topics that a poll saw changed at or after this time."""
        return sorted(topic for topic, at in self._noticed_at.items() if at >= since)

    def _read(self) -> Mapping[str, str] | None:
        """The change tokens; subscriptions whose login session is over are ended."""
        subscribers = dict(self._subscribers)
        try:
            with self._store.begin_read() as uow:
                in_force = uow.sessions.in_force(set(subscribers.values()), self._now())
                tokens = uow.change_tokens.read()
        except StoreUnavailable as exc:
            log.warning("waiting for the database", child="change feed", reason=str(exc))
            return None
        self._put(None, [each for each, login in subscribers.items() if login not in in_force])
        return tokens

    def _broadcast(self, moved: str | None) -> None:
        self._put(moved, tuple(self._subscribers))

    def _put(self, moved: str | None, subscribers: Sequence["asyncio.Queue[str | None]"]) -> None:
        loop = self._loop
        if loop is None or loop.is_closed():
            return
        for subscriber in subscribers:
            try:
                loop.call_soon_threadsafe(_put_latest, subscriber, moved)
            except RuntimeError:  # the loop closed this moment
                return


def _put_latest(subscriber: "asyncio.Queue[str | None]", moved: str | None) -> None:
    if subscriber.full():
        subscriber.get_nowait()  # a page that does not read loses the oldest
    subscriber.put_nowait(moved)
