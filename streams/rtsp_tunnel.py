"""RTSP inside TLS, HTTP or a WebSocket: a socket for the RTSP client, pumped through the tunnel.

Addresses: `rtsps://`, `rtsp+http://`, `rtsp+https://`, `rtsp+ws://`, `rtsp+wss://HOST[:PORT]/PATH`.
The client (rtsp_client.py) reads one end of a pair of sockets as if it were the camera's; two tasks
carry the bytes to the tunnel and back. So its hot path knows nothing of tunnels. A WebSocket's own
path is the query parameter `websocket` where it is not the usual one.

Certificates are checked as everywhere (tls.py).
"""

import asyncio
import contextlib
import secrets
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from typing import Final
from urllib.parse import quote, unquote

from streams.address import StreamAddress
from streams.errors import StreamError, Unreachable, os_error_text
from streams.rtsp import http_tunnel, websocket
from streams.rtsp.digest_auth import DigestAuthenticator
from streams.rtsp.http_tunnel import MAX_HTTP_HEAD_BYTES, HttpHead
from streams.rtsp.websocket import WebSocketReader
from streams.target_policy import TargetPolicy
from streams.tcp_connect import connect_tcp, open_streams

TUNNEL_SCHEMES: Final = frozenset({"rtsps", "rtsp+http", "rtsp+https", "rtsp+ws", "rtsp+wss"})
_READ_BYTES: Final = 64 * 1024
_WEBSOCKET: Final = "websocket="

Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Encode = Callable[[bytes], bytes]


def rtsp_uri(address: StreamAddress) -> str:
    """The URL of the requests inside: `rtsp`, or `rtsps` where TLS is all the tunnel there is."""
    scheme = address.scheme if address.scheme == "rtsps" else "rtsp"
    kept = [part for part in address.query.split("&") if not part.startswith(_WEBSOCKET)]
    query = "&".join(kept)
    return f"{scheme}://{address.authority}{address.path}{f'?{query}' if query else ''}"


@asynccontextmanager
async def rtsp_socket(
    address: StreamAddress, timeout_s: float, policy: TargetPolicy | None
) -> AsyncIterator[socket.socket]:
    """A connected socket that speaks RTSP, the caller's to close; the tunnel ends with the block.

    Raises StreamError.
    """
    if address.scheme not in TUNNEL_SCHEMES:
        yield await connect_tcp(address, timeout_s, policy)
        return
    async with AsyncExitStack() as stack:
        tunnel = _Tunnel(address, policy, stack)
        try:
            async with asyncio.timeout(timeout_s):
                down, up = await tunnel.open()
        except TimeoutError:
            seen = f"{address.authority}: no tunnel in {timeout_s:.1f} s"
            raise Unreachable(seen) from None
        except (OSError, EOFError, asyncio.LimitOverrunError) as exc:
            reason = os_error_text(exc) if isinstance(exc, OSError) else "it hung up"
            raise Unreachable(f"{address.authority}: no tunnel: {reason}") from None
        ours, inner = socket.socketpair()
        ours.setblocking(False)  # noqa: FBT003  the socket's own signature
        reader, writer = await asyncio.open_connection(sock=inner)
        stack.callback(writer.transport.abort)
        pumps = [
            asyncio.create_task(tunnel.pump_down(down, writer), name="tunnel down"),
            asyncio.create_task(tunnel.pump_up(reader, up), name="tunnel up"),
        ]
        stack.push_async_callback(_end, pumps)
        yield ours


async def _end(pumps: "list[asyncio.Task[None]]") -> None:
    """End the tasks, once what was written last has gone out."""
    await asyncio.wait(pumps[1:], timeout=0.2)
    for pump in pumps:
        pump.cancel()
    await asyncio.gather(*pumps, return_exceptions=True)


class _Tunnel:
    """One tunnel: its connections, its login, how bytes are wrapped."""

    def __init__(
        self, address: StreamAddress, policy: TargetPolicy | None, stack: AsyncExitStack
    ) -> None:
        self._address = address
        self._policy = policy
        self._stack = stack
        self._login = DigestAuthenticator(address.user, address.password)
        self._frames: WebSocketReader | None = None
        self._writer: asyncio.StreamWriter | None = None  # for answers to pings
        self._encode: Encode = bytes
        self._pairs: list[Pair] = []  # asyncio closes what nobody holds

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """What the server's bytes come from and ours go to. Raises StreamError, OSError."""
        scheme = self._address.scheme
        if scheme == "rtsps":
            return await self._connect()
        if scheme in {"rtsp+ws", "rtsp+wss"}:
            return await self._open_websocket()
        return await self._open_http()

    async def _connect(self) -> Pair:
        address = self._address
        sock = await connect_tcp(address, 3600.0, self._policy)  # the whole tunnel has its limit
        reader, writer = await open_streams(sock, address, MAX_HTTP_HEAD_BYTES)
        self._pairs.append((reader, writer))
        self._stack.callback(writer.transport.abort)
        return reader, writer

    async def _asked(
        self, make_request: Callable[[str | None], bytes], path: str
    ) -> tuple[HttpHead, Pair]:
        """The answer to a GET, with the login where it is asked for, and its connection."""
        head, pair = await self._ask_once(make_request, path)
        challenges = head.headers.all("www-authenticate")
        wanted = head.status == HTTPStatus.UNAUTHORIZED
        if wanted and self._login.accept_challenges(challenges):
            pair[1].transport.abort()
            return await self._ask_once(make_request, path)
        return head, pair

    async def _ask_once(
        self, make_request: Callable[[str | None], bytes], path: str
    ) -> tuple[HttpHead, Pair]:
        reader, writer = await self._connect()
        writer.write(make_request(self._login.authorization("GET", path)))
        await writer.drain()
        head = http_tunnel.read_http_head(await reader.readuntil(b"\r\n\r\n"))
        return head, (reader, writer)

    @property
    def _target(self) -> str:
        uri = rtsp_uri(self._address).partition("://")[2]
        return quote(uri[len(self._address.authority) :], safe="/?&=%:;,+@!$*'()~-._")

    async def _open_http(self) -> Pair:
        cookie = secrets.token_hex(11)
        path, host = self._target, self._address.authority
        head, (reader, _) = await self._asked(
            lambda signed: http_tunnel.tunnel_get(path, host, cookie, signed), path
        )
        if head.status != HTTPStatus.OK:
            raise http_tunnel.refusal_of(head, self._login.refusal_text())
        _, upstream = await self._connect()
        signed = self._login.authorization("POST", path)
        upstream.write(http_tunnel.tunnel_post(path, host, cookie, signed))
        self._encode = http_tunnel.encode_upstream
        return reader, upstream

    async def _open_websocket(self) -> Pair:
        path, host = self._websocket_path, self._address.authority
        key = secrets.token_bytes(websocket.KEY_BYTES)
        head, (reader, writer) = await self._asked(
            lambda signed: websocket.upgrade_request(path, host, key, signed), path
        )
        if head.status != HTTPStatus.SWITCHING_PROTOCOLS:
            raise http_tunnel.refusal_of(head, self._login.refusal_text())
        websocket.check_upgraded(head, key)
        self._frames, self._writer = WebSocketReader(), writer
        self._encode = lambda data: websocket.masked_frame(data, _mask())
        return reader, writer

    @property
    def _websocket_path(self) -> str:
        named = (p for p in self._address.query.split("&") if p.startswith(_WEBSOCKET))
        path = unquote(next(named, "").removeprefix(_WEBSOCKET)) or websocket.DEFAULT_PATH
        return quote(f"/{path.lstrip('/')}", safe="/?&=%:;,+@!$*'()~-._")

    # -- the two directions --------------------------------------------------------------------

    async def pump_down(self, tunnel: asyncio.StreamReader, inner: asyncio.StreamWriter) -> None:
        """Carry what the server sends to the client, until either hangs up."""
        with contextlib.suppress(OSError, StreamError):
            while data := await tunnel.read(_READ_BYTES):
                inner.write(self._unwrapped(data))
                await inner.drain()
                if self._frames is not None and self._frames.closed:
                    break
        inner.close()

    def _unwrapped(self, data: bytes) -> bytes:
        if self._frames is None:
            return data
        out = self._frames.feed(data)
        while self._frames.pongs and self._writer is not None:
            self._writer.write(websocket.pong_frame(self._frames.pongs.pop(0), _mask()))
        return out

    async def pump_up(self, inner: asyncio.StreamReader, tunnel: asyncio.StreamWriter) -> None:
        """Carry what the client sends to the server, until the client hangs up; then say so."""
        with contextlib.suppress(OSError):
            while data := await inner.read(_READ_BYTES):
                tunnel.write(self._encode(data))
                await tunnel.drain()
            if self._frames is not None:
                tunnel.write(websocket.close_frame(_mask()))
                await tunnel.drain()


def _mask() -> bytes:
    return secrets.token_bytes(websocket.MASK_BYTES)
