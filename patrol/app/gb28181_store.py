"""What GB/T 28181 keeps in the store: the journal of sessions, registrations, catalogues, alarms.

Writes are collected while one is under way and committed together, in a thread of their own: a
round opens dozens of sessions a second. A session is opened only once its row is committed.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Final

import structlog

from patrol.ports import Clock
from patrol.store import Store, StoreFull, StoreUnavailable, UnitOfWork
from streams.errors import Unreachable
from streams.gb28181.catalog import Catalog, KnownChannel, apply_notice, merge
from streams.gb28181.events import (
    AlarmReceived,
    CatalogNoticed,
    CatalogReceived,
    PeerGone,
    PeerRegistered,
    PlatformEvent,
)
from streams.gb28181.invite_session import Dialog

log = structlog.get_logger(__name__)

Write = Callable[[UnitOfWork, datetime], None]
MAX_WAITING: Final = 20_000  # writes; a peer that registers without end is told of, not kept


class Gb28181StoreWriter:
    """Writes to the store for the event loop that it is used in; also the journal of visits."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="gb28181 store")
        self._waiting: list[tuple[Write, asyncio.Future[None]]] = []
        self._flushing: asyncio.Task[None] | None = None

    async def opened(self, dialog: Dialog) -> None:
        """Keep a session before its INVITE leaves. Raises Unreachable when it cannot be kept."""
        try:
            await self.write(lambda uow, now: uow.gb28181.open_session(dialog, now))
        except (StoreUnavailable, StoreFull) as exc:
            raise Unreachable(f"the journal of sessions cannot be written: {exc}") from None

    async def answered(self, dialog: Dialog) -> None:
        """Keep the tag of its answer."""
        await self._try(lambda uow, now: uow.gb28181.open_session(dialog, now))

    async def ended(self, call_id: str) -> None:
        """Forget it: the peer knows that it is over."""
        await self._try(lambda uow, _now: _end(uow, call_id))

    def keep_event(self, event: PlatformEvent) -> None:
        """Keep what an event says, in the background."""
        write = _write_of(event)
        if write is not None and len(self._waiting) < MAX_WAITING:
            self._queue(write).add_done_callback(_log_failure)

    async def write(self, write: Write) -> None:
        """Commit a write. Raises StoreUnavailable, StoreFull."""
        await self._queue(write)

    async def close(self) -> None:
        """Commit what waits."""
        while self._flushing is not None and not self._flushing.done():
            await asyncio.wait({self._flushing})
        self._executor.shutdown(wait=False)

    async def _try(self, write: Write) -> None:
        try:
            await self.write(write)
        except (StoreUnavailable, StoreFull) as exc:
            log.warning("the journal of sessions cannot be written", reason=str(exc))

    def _queue(self, write: Write) -> "asyncio.Future[None]":
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._waiting.append((write, done))
        if self._flushing is None or self._flushing.done():
            self._flushing = loop.create_task(self._flush(), name="write GB/T 28181")
        return done

    async def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch, self._waiting = self._waiting, []
            writes = [write for write, _ in batch]
            error: Exception | None = None
            try:
                await loop.run_in_executor(self._executor, self._commit, writes)
            except (StoreUnavailable, StoreFull) as exc:
                error = exc
            for _, done in batch:
                if done.done():  # whoever waited was cancelled
                    continue
                if error is None:
                    done.set_result(None)
                else:
                    done.set_exception(error)

    def _commit(self, writes: list[Write]) -> None:
        now = self._clock.now()
        with self._store.begin() as uow:
            for write in writes:
                write(uow, now)
            uow.commit()


def _log_failure(done: "asyncio.Future[None]") -> None:
    if not done.cancelled() and (exc := done.exception()) is not None:
        log.warning("a message of a peer could not be kept", reason=str(exc))


def _end(uow: UnitOfWork, call_id: str) -> None:
    uow.gb28181.end_session(call_id)


def _write_of(event: PlatformEvent) -> Write | None:
    """What an event leaves in the store."""
    if isinstance(event, PeerRegistered):
        lasts = timedelta(seconds=event.expires_s)
        return lambda uow, now: uow.gb28181.save_registration(
            event.name, event.flow, until=now + lasts, now=now
        )
    if isinstance(event, PeerGone):
        return lambda uow, _now: uow.gb28181.mark_gone(event.name, event.reason)
    if isinstance(event, CatalogReceived):
        return lambda uow, now: _merge(uow, event.name, event.catalog, now)
    if isinstance(event, CatalogNoticed):
        return lambda uow, now: _apply(uow, event, now)
    if isinstance(event, AlarmReceived):
        return lambda uow, now: _add_alarm(uow, event, now)
    return None


def _merge(uow: UnitOfWork, peer: str, catalog: Catalog, now: datetime) -> None:
    known = uow.gb28181.channels(peer)
    merged = merge(known, catalog)
    changed: dict[str, KnownChannel] = {
        code: channel for code, channel in merged.items() if known.get(code) != channel
    }
    uow.gb28181.save_channels(peer, changed, now)


def _apply(uow: UnitOfWork, event: CatalogNoticed, now: datetime) -> None:
    named = {item.code for item in event.items}
    changed = apply_notice(uow.gb28181.channels_named(event.name, named), event.items)
    uow.gb28181.save_channels(event.name, changed, now)


def _add_alarm(uow: UnitOfWork, event: AlarmReceived, now: datetime) -> None:
    uow.gb28181.add_alarm(event.name, event.alarm, now)
