"""A small HTTP/1.1 server for look-alikes: one request a connection, answers whole or streamed.

Handlers are coroutines that take an HttpRequest and return an HttpReply, or an asynchronous
iterator of bytes behind it. The connection also serves RTSP, which media servers have on ports of
their own (live_media.py).
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

from simulators.http_sources.connections import serving_connections

MAX_BODY: Final = 1024 * 1024
_REASONS: Final = {
    200: "OK", 204: "No Content", 302: "Found", 400: "Bad Request", 401: "Unauthorized",
    403: "Forbidden", 404: "Not Found", 429: "Too Many Requests", 500: "Internal Server Error",
    503: "Service Unavailable",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """One request; header names in lower case."""

    method: str
    path: str  # percent-decoded, without the query
    raw_target: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def form(self) -> dict[str, str]:
        """The fields of a form body."""
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))

    def values(self) -> dict[str, str]:
        """Query and form together."""
        return {**self.query, **self.form}


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpReply:
    """One answer; `stream` sends more bytes as they come."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/octet-stream"
    headers: tuple[tuple[str, str], ...] = ()
    stream: AsyncGenerator[bytes, None] | None = field(default=None, repr=False)


Handler = Callable[[HttpRequest], Awaitable[HttpReply]]


def json_reply(data: Any, status: int = 200) -> HttpReply:
    """An answer of JSON."""
    body = json.dumps(data, ensure_ascii=False).encode()
    return HttpReply(status=status, body=body, content_type="application/json;charset=UTF-8")


@asynccontextmanager
async def serving_http(
    handler: Handler,
    host: str = "127.0.0.1",
    port: int = 0,
    now: Callable[[], datetime] | None = None,
) -> AsyncIterator[int]:
    """Listen while the block runs; the port. `now` is the clock of the `Date` header."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await _read_request(reader)
        if request is not None:
            await _send(writer, await handler(request), now)

    async with serving_connections(serve, host, port) as bound:
        yield bound


async def _read_request(reader: asyncio.StreamReader) -> HttpRequest | None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.strip().split("\r\n")
    fields = first.split(" ")
    if len(fields) != 3:  # noqa: PLR2004  method, target, version
        return None
    pairs = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    length = headers.get("content-length", "0")
    size = min(int(length), MAX_BODY) if length.isdecimal() else 0
    body = await reader.readexactly(size) if size else b""
    path, _, query = fields[1].partition("?")
    return HttpRequest(
        method=fields[0],
        path=unquote(path),
        raw_target=fields[1],
        query=dict(parse_qsl(query, keep_blank_values=True)),
        headers=headers,
        body=body,
    )


async def _send(
    writer: asyncio.StreamWriter, reply: HttpReply, now: Callable[[], datetime] | None
) -> None:
    date = (now or _utc_now)()
    lines = [
        f"HTTP/1.1 {reply.status} {_REASONS.get(reply.status, 'Other')}",
        f"Date: {format_datetime(date, usegmt=True)}",
        f"Content-Type: {reply.content_type}",
        "Connection: close",
        *(f"{name}: {value}" for name, value in reply.headers),
    ]
    if reply.stream is None:
        lines.append(f"Content-Length: {len(reply.body)}")
    writer.write("\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n" + reply.body)
    await writer.drain()
    if reply.stream is not None:
        async with contextlib.aclosing(reply.stream) as pieces:
            async for piece in pieces:
                writer.write(piece)
                await writer.drain()


def _utc_now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251  a look-alike's own clock
