"""A server of RTSP tunnels in front of an RTSP server: HTTP GET and POST, WebSockets, TLS on top.

What cameras do at their web port. It takes bytes apart in its own way, so that a mistake of our
client's cannot hide in it: Base64 is decoded as a stream, frames are cut small and pinged between.
"""

import asyncio
import base64
import hashlib
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from simulators.http_sources.connections import serving_connections
from simulators.rtsp_farm.auth import challenges, is_authorized
from simulators.town.model import Login

_GUID: Final = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_OPEN: Final = Login(scheme="none", user="", password="")  # nosec B106
_PIECE: Final = 700  # bytes of a frame: RTP packets are cut anywhere


@dataclass(slots=True)
class RtspTunnelServer:
    """Passes tunnelled RTSP on to `rtsp_port`; counts what it opened."""

    rtsp_port: int
    login: Login = _OPEN
    refuse: int = 0  # an HTTP status instead of a tunnel
    hang_up: bool = False  # right after the tunnel's head
    host: str = "127.0.0.1"
    opened: Counter[str] = field(default_factory=Counter)
    pongs: int = 0
    _posts: dict[str, asyncio.Future[asyncio.StreamReader]] = field(default_factory=dict)

    @asynccontextmanager
    async def serving(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
        """Listen; the port."""
        async with serving_connections(self._connected, self.host, tls=tls) as port:
            yield port

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        method, path, _ = first.split(" ")
        pairs = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        await self._serve(method, path, headers, reader, writer)

    async def _serve(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        if self.refuse:
            writer.write(f"HTTP/1.1 {self.refuse} No\r\n\r\n".encode())
            await writer.drain()
            return
        if not is_authorized(self.login, headers.get("authorization"), method, "n0nce"):
            offered = "".join(f"WWW-Authenticate: {c}\r\n" for c in challenges(self.login, "n0nce"))
            writer.write(f"HTTP/1.1 401 Unauthorized\r\n{offered}\r\n".encode())
            await writer.drain()
            return
        cookie = headers.get("x-sessioncookie", "")
        if method == "POST":
            self._post(cookie).set_result(reader)
            await asyncio.Event().wait()  # the GET's task reads from it until that one ends
        elif "upgrade" in headers:
            self.opened[f"websocket {path}"] += 1
            await self._websocket(headers, reader, writer)
        else:
            self.opened["http"] += 1
            await self._http(cookie, writer)

    def _post(self, cookie: str) -> "asyncio.Future[asyncio.StreamReader]":
        return self._posts.setdefault(cookie, asyncio.get_running_loop().create_future())

    async def _http(self, cookie: str, writer: asyncio.StreamWriter) -> None:
        head = "HTTP/1.0 200 OK\r\nContent-Type: application/x-rtsp-tunnelled\r\n\r\n"
        writer.write(head.encode())
        if self.hang_up:
            return
        post = await self._post(cookie)
        async with _backend(self.host, self.rtsp_port) as (rtsp, to_rtsp):
            up = asyncio.create_task(self._decode(post, to_rtsp))
            try:
                while data := await rtsp.read(65_536):
                    writer.write(data)
                    await writer.drain()
            finally:
                await _end(up)

    async def _decode(self, post: asyncio.StreamReader, to_rtsp: asyncio.StreamWriter) -> None:
        """Base64 with padding wherever a message ended."""
        while True:
            quartet = await post.readexactly(4)
            to_rtsp.write(base64.b64decode(quartet, validate=True))
            await to_rtsp.drain()

    async def _websocket(
        self,
        headers: dict[str, str],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        key = headers["sec-websocket-key"]
        accept = base64.b64encode(hashlib.sha1((key + _GUID).encode()).digest()).decode()  # noqa: S324  RFC 6455's  # nosec B324
        writer.write(
            (
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Accept: {accept}\r\n"
                f"Sec-WebSocket-Protocol: {headers['sec-websocket-protocol']}\r\n\r\n"
            ).encode()
        )
        if self.hang_up:
            return
        async with _backend(self.host, self.rtsp_port) as (rtsp, to_rtsp):
            up = asyncio.create_task(self._unmask(reader, to_rtsp))
            down = asyncio.create_task(self._frames(rtsp, writer))
            try:
                await asyncio.wait([up, down], return_when=asyncio.FIRST_COMPLETED)
            finally:
                await _end(up, down)

    async def _frames(self, rtsp: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await rtsp.read(65_536):
            for at in range(0, len(data), _PIECE):
                piece = data[at : at + _PIECE]
                # A message of two fragments, and a ping between them (RFC 6455 §5.4).
                half = len(piece) // 2
                writer.write(_frame(0x02, piece[:half]) + _frame(0x89, b"still there?"))
                writer.write(_frame(0x80, piece[half:]))
            await writer.drain()

    async def _unmask(self, reader: asyncio.StreamReader, to_rtsp: asyncio.StreamWriter) -> None:
        while True:
            first, second = await reader.readexactly(2)
            size = second & 0x7F
            if size > 125:  # noqa: PLR2004  RFC 6455 §5.2
                size = int.from_bytes(await reader.readexactly(2 if size == 126 else 8), "big")  # noqa: PLR2004
            mask = await reader.readexactly(4)
            data = bytes(
                byte ^ mask[at % 4] for at, byte in enumerate(await reader.readexactly(size))
            )
            opcode = first & 0x0F
            self.pongs += opcode == 0x0A and data == b"still there?"  # noqa: PLR2004
            if opcode == 0x08:  # noqa: PLR2004  close
                return
            if opcode == 0x02:  # noqa: PLR2004  binary
                to_rtsp.write(data)
                await to_rtsp.drain()


async def _end(*tasks: "asyncio.Task[None]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _frame(first: int, data: bytes) -> bytes:
    size = len(data)
    length = bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2, "big")  # noqa: PLR2004
    return bytes([first]) + length + data


@asynccontextmanager
async def _backend(
    host: str, port: int
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        yield reader, writer
    finally:
        writer.close()
