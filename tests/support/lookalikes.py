"""Call the look-alikes of HTTP sources without sockets, and run several at once."""

import asyncio
import concurrent.futures
import random
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from simulators.http_sources.http_server import HttpReply, HttpRequest
from simulators.http_sources.live_media import LiveMedia, load_loop
from simulators.scenes.encode import EncodedLoop
from streams.address import StreamAddress
from streams.control_http import Ask, ControlAnswer, ControlRequest
from streams.model import VisitOptions

NOON = datetime(2026, 11, 30, 4, 0, tzinfo=UTC)


@cache
def encoded_loop() -> EncodedLoop:
    """The loop that every look-alike plays."""
    return load_loop()


def media() -> LiveMedia:
    """A live stream of its own, not served."""
    return LiveMedia(encoded_loop())


def calling(
    handle: Callable[[HttpRequest], Coroutine[Any, Any, HttpReply]],
    date: Callable[[], datetime] = lambda: NOON,
) -> Ask:
    """An `ask` that calls a look-alike's handler in this process."""

    async def ask(request: ControlRequest, timeout_s: float) -> ControlAnswer:
        parts = urlsplit(request.url)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        reply = await handle(
            HttpRequest(
                method=request.method,
                path=unquote(parts.path),
                raw_target=target,
                query=dict(parse_qsl(parts.query, keep_blank_values=True)),
                headers={name.lower(): value for name, value in request.headers},
                body=request.body,
            )
        )
        headers = [(name.lower(), value) for name, value in reply.headers]
        headers.append(("date", format_datetime(date(), usegmt=True)))
        return ControlAnswer(status=reply.status, headers=tuple(headers), body=reply.body)

    return ask


class RecordedVisits:
    """A `capture` that keeps what it was asked to open and fails as it is told."""

    def __init__(self, *errors: Exception | None) -> None:
        self.opened: list[tuple[StreamAddress, VisitOptions]] = []
        self._errors = list(errors)

    async def __call__(self, address: StreamAddress, options: VisitOptions) -> Any:
        self.opened.append((address, options))
        error = self._errors.pop(0) if self._errors else None
        if error is not None:
            raise error
        return f"sample of {address}"


def mutations(data: bytes, seed: int, count: int) -> list[bytes]:
    """Damaged copies: cut, flipped, doubled, with bytes put in between."""
    rng = random.Random(seed)
    found = []
    for _ in range(count):
        copy = bytearray(data)
        for _ in range(rng.randint(1, 6)):
            at = rng.randrange(len(copy)) if copy else 0
            kind = rng.randrange(4)
            if kind == 0:
                del copy[at : at + rng.randint(1, 80)]
            elif kind == 1 and copy:
                copy[at] = rng.randrange(256)
            elif kind == 2:
                copy[at:at] = copy[at : at + rng.randint(1, 200)]
            else:
                copy[at:at] = rng.choice([b"\0", b"<", b"&#0;", b"\xff\xfe", b'"', b"<a>", b"}{"])
        found.append(bytes(copy))
    return found


@contextmanager
def serving_in_thread(serving: Callable[[], AbstractAsyncContextManager[int]]) -> Iterator[int]:
    """Serve a look-alike from a thread of its own while the block runs; its port."""
    ready: concurrent.futures.Future[int] = concurrent.futures.Future()
    stops: list[Callable[[], object]] = []

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        stops.append(lambda: loop.call_soon_threadsafe(stop.set))
        async with serving() as port:
            ready.set_result(port)
            await stop.wait()

    def run() -> None:
        try:
            asyncio.run(main())
        except BaseException as exc:  # noqa: BLE001  raised where the port is awaited
            if not ready.done():
                ready.set_exception(exc)

    thread = threading.Thread(target=run, name="look-alike", daemon=True)
    thread.start()
    try:
        yield ready.result(30)
    finally:
        for stop in stops:
            stop()
        thread.join(10)
