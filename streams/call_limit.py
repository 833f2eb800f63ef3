"""Limits of calls to one service: so many at once, so many a second; in whatever event loop.

Rounds, rechecks and live views run in event loops of their own and ask the same ticket service, so
asyncio's locks, which belong to one loop, do not fit. `CallLimit` queues waiting calls first come,
first served; `SingleFlight` lets one caller do the work that all wait for.
"""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import asynccontextmanager, suppress
from typing import Generic, TypeVar

_T = TypeVar("_T")


class CallLimit:
    """Admits calls in their order: at most `parallel` at a time, `per_s` begun a second."""

    def __init__(
        self, parallel: int, per_s: float, monotonic_s: Callable[[], float] | None = None
    ) -> None:
        self._free = parallel
        self._every_s = 1 / per_s if per_s else 0.0
        self._monotonic_s = monotonic_s
        self._next_at_s = 0.0
        self._waiting: deque[Future[None]] = deque()
        self._lock = threading.Lock()

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Wait for a turn and hold it inside."""
        await self._enter()
        try:
            await asyncio.sleep(self._pause_s())
            yield
        finally:
            self._leave()

    async def _enter(self) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            turn: Future[None] = Future()
            self._waiting.append(turn)
        try:
            await asyncio.wrap_future(turn)
        except BaseException:
            # Cancelled while waiting, or just as the turn came: then it is passed on.
            if not turn.cancel() and turn.done() and not turn.cancelled():
                self._leave()
            raise

    def _leave(self) -> None:
        with self._lock:
            while self._waiting:
                turn = self._waiting.popleft()
                if turn.set_running_or_notify_cancel():
                    turn.set_result(None)
                    return
            self._free += 1

    def _pause_s(self) -> float:
        """How long this call waits, so that calls begin evenly."""
        if not self._every_s:
            return 0.0
        now_s = self._monotonic_s() if self._monotonic_s else asyncio.get_running_loop().time()
        with self._lock:
            at_s = max(now_s, self._next_at_s)
            self._next_at_s = at_s + self._every_s
        return at_s - now_s


class SingleFlight(Generic[_T]):
    """One piece of work for all who ask for it while it is under way."""

    def __init__(self) -> None:
        self._flight: Future[_T] | None = None
        self._lock = threading.Lock()

    async def run(self, work: Callable[[], Awaitable[_T]]) -> _T:
        """The result of `work`, which the first caller does; what it raises is raised for all.

        When the first caller is cancelled, one that waits does the work.
        """
        while True:
            with self._lock:
                flight, is_ours = self._flight, False
                if flight is None:
                    flight = self._flight = Future()
                    is_ours = True
            if is_ours:
                return await self._do(work, flight)
            with suppress(_Abandoned):
                return await asyncio.wrap_future(_follower(flight))

    async def _do(self, work: Callable[[], Awaitable[_T]], flight: "Future[_T]") -> _T:
        try:
            result = await work()
        except Exception as exc:
            self._land(flight, error=exc)
            raise
        except BaseException:
            self._land(flight, error=_Abandoned())
            raise
        self._land(flight, result=result)
        return result

    def _land(
        self, flight: "Future[_T]", result: _T | None = None, error: Exception | None = None
    ) -> None:
        with self._lock:
            self._flight = None
        if error is not None:
            flight.set_exception(error)
        else:
            flight.set_result(result)  # type: ignore[arg-type]  # None is a result like others


class _Abandoned(Exception):
    """The one who did the work was cancelled."""


def _follower(flight: "Future[_T]") -> "Future[_T]":
    """A future of one waiting caller: cancelling it leaves the flight alone."""
    mine: Future[_T] = Future()

    def copy(done: "Future[_T]") -> None:
        error = done.exception()
        with suppress(InvalidStateError):  # this caller went away
            if error is not None:
                mine.set_exception(error)
            else:
                mine.set_result(done.result())

    flight.add_done_callback(copy)
    return mine
