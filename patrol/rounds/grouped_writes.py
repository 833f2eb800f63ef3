"""Write what many visits of a round have for the store in few transactions.

A transaction costs more than a visit's rows: the writer's lock, a connection, the flush to the
disk. `GroupedWrites` lets items wait up to `window_s` for others, and hands them to the writer's
thread together; it does not wait when nobody is left who could bring another. Each task still
learns what became of its own item, after the commit. A group that fails is written again one by
one, so that an item which cannot be written takes no other with it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from typing import Final, Generic, TypeVar

WINDOW_S: Final = 0.25  # a slot is held so much longer; a kill loses no more than it did before
MOST_TOGETHER: Final = 16  # the writer's lock is held for some 30 ms

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class GroupedWrites(Generic[Item, Answer]):
    """Items of one event loop on their way to the writer's thread."""

    def __init__(
        self,
        write: Callable[[Sequence[Item]], Sequence[Answer]],
        writer: Executor,
        *,
        nobody_else: Callable[[], bool],
        window_s: float = WINDOW_S,
    ) -> None:
        """`write`: all items in one transaction, an answer for each, in the writer's thread.

        `nobody_else`: whether no task is left that could bring an item before those here are
        written.
        """
        self._write = write
        self._writer = writer
        self._nobody_else = nobody_else
        self._window_s = window_s
        self._items: list[tuple[Item, asyncio.Future[Answer]]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._writing: set[asyncio.Task[None]] = set()

    @property
    def waiting(self) -> int:
        """Items that are not with the writer yet."""
        return len(self._items)

    async def __call__(self, item: Item) -> Answer:
        """The answer, once the item is committed; what writing it raised is raised here.

        A caller that is cancelled leaves its item here: it is written all the same.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        self._items.append((item, answer))
        if self._timer is None:
            self._timer = loop.call_later(self._window_s, self._start)
        self.start_if_due()
        return await asyncio.shield(answer)

    def start_if_due(self) -> None:
        """Hand the items over where they are many, or nobody else can bring another."""
        if self._items and (len(self._items) >= MOST_TOGETHER or self._nobody_else()):
            self._start()

    def flush(self) -> Awaitable[object]:
        """Hand over what is left; awaited, it is all written."""
        self._start()
        return asyncio.gather(*self._writing)

    def _start(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        group, self._items = self._items, []
        if group:
            task = asyncio.create_task(self._write_group(group), name="write visits")
            self._writing.add(task)
            task.add_done_callback(self._writing.discard)

    async def _write_group(self, group: list[tuple[Item, asyncio.Future[Answer]]]) -> None:
        loop, items = asyncio.get_running_loop(), [item for item, _ in group]
        try:
            answers = await loop.run_in_executor(self._writer, self._write, items)
        except Exception as exc:  # noqa: BLE001  the callers' to handle, each its own
            if len(group) > 1:
                for one in group:
                    await self._write_group([one])
            elif not group[0][1].done():
                group[0][1].set_exception(exc)
                group[0][1].exception()  # looked at: a caller that was cancelled never asks
            return
        for (_, future), answer in zip(group, answers, strict=True):
            if not future.done():
                future.set_result(answer)
