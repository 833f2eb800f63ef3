"""Sign libav's RTSP requests outside libav, so that no login follows a redirect inside it.

libavformat follows RTSP redirects by itself and takes user and password along to whatever host the
redirect names. So it gets neither: it talks to a listener on the loopback, which passes its
requests on to the one camera over one connection, signs them (digest_auth.py) and withholds an
answer that redirects. Where the redirect leads is the caller's to decide (capture.py).

One relay serves one visit and one connection; its URL holds a random path, so that no other
process of the machine can use it. Media over the same connection passes unchanged, both ways.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Coroutine
from types import TracebackType
from typing import Final, NamedTuple, Self

from streams.address import StreamAddress
from streams.errors import (
    LOGIN_REFUSED,
    RefusedUs,
    StreamError,
    Unreachable,
    Unreadable,
    os_error_text,
)
from streams.rtsp.digest_auth import DigestAuthenticator
from streams.rtsp.message import (
    MAX_BODY_BYTES,
    MAX_HEAD_BYTES,
    IncompleteMessage,
    RtspMessage,
    RtspResponse,
    ServerRequest,
    read_message,
    write_request,
)
from streams.target_policy import TargetPolicy
from streams.tcp_connect import connect_tcp, open_streams

_LOOPBACK: Final = "127.0.0.1"
_UNAUTHORIZED: Final = 401
_INTERLEAVED: Final = b"$"  # RFC 2326 §10.12
# Never passed to libav: it has no login, and is not to follow.
_WITHHELD_HEADERS: Final = frozenset({"www-authenticate", "authentication-info", "location"})


class _RelayedRequest(NamedTuple):
    """A request of libav's that the camera has not answered yet."""

    request: ServerRequest
    cseq: str  # as libav counts


class RtspLoginRelay:
    """A connection to one camera for libav, on the loopback; signs, and follows no redirect.

    Use as `async with`; entering connects and raises StreamError.
    """

    def __init__(
        self, address: StreamAddress, connect_timeout_s: float, policy: TargetPolicy | None = None
    ) -> None:
        self.redirect_uri: str | None = None  # where the camera redirected to
        self._address = address
        self._connect_timeout_s = connect_timeout_s
        self._policy = policy
        self._path = f"/{secrets.token_urlsafe(16)}"
        self._login = DigestAuthenticator(address.user, address.password)
        self._pending: dict[int, _RelayedRequest] = {}
        self._cseq = 0
        self._local_port = 0
        self._login_refused = ""
        self._serving: asyncio.Task[None] | None = None
        self._server: asyncio.Server | None = None

    @property
    def local_address(self) -> StreamAddress:
        """The address for libav: without login, host and path of the camera."""
        return StreamAddress(scheme="rtsp", host=_LOOPBACK, port=self._local_port, path=self._path)

    def explained(self, error: StreamError) -> StreamError:
        """The error of libav's visit; the camera's refusal of the login where there was one."""
        if not self._login_refused:
            return error
        return RefusedUs(self._login_refused, reason=LOGIN_REFUSED)

    async def __aenter__(self) -> Self:
        self._from_camera, self._to_camera = await self._connect()
        self._server = await asyncio.start_server(self._accept, _LOOPBACK, 0, limit=MAX_HEAD_BYTES)
        self._local_port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close()
        if self._serving is not None:
            self._serving.cancel()
            await asyncio.wait([self._serving])
        self._to_camera.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        address = self._address
        sock = await connect_tcp(address, self._connect_timeout_s, self._policy)
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                return await open_streams(sock, address, MAX_HEAD_BYTES)
        except OSError as exc:  # TimeoutError among them
            raise Unreachable(f"{address.authority}: {os_error_text(exc)}") from None

    # -- the connection of libav --------------------------------------------------------------

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve the first connection that knows the path; every other is closed unread."""
        try:
            first = await _read_unit(reader)
            if self._serving is not None or not isinstance(first, ServerRequest):
                return
            if self._is_ours(first.uri):
                self._serving = asyncio.current_task()
                await self._relay(first, reader, writer)
        except (OSError, EOFError, ValueError, StreamError):
            pass
        finally:
            writer.transport.abort()

    async def _relay(
        self, first: ServerRequest, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._send(first)
        pumps: list[Coroutine[None, None, None]] = [
            self._pump_requests(reader),
            self._pump_answers(writer),
        ]
        tasks = [asyncio.create_task(pump) for pump in pumps]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(*tasks, return_exceptions=True)

    def _is_ours(self, uri: str) -> bool:
        return uri.startswith(self.local_address.request_uri)

    async def _pump_requests(self, reader: asyncio.StreamReader) -> None:
        while True:
            unit = await _read_unit(reader)
            if isinstance(unit, bytes):
                self._to_camera.write(unit)
            elif isinstance(unit, ServerRequest):
                self._send(unit)
            else:  # an answer of libav's to a request of the camera's
                self._to_camera.write(_write_answer(unit, unit.headers.get("cseq")))
            await self._to_camera.drain()

    def _send(self, request: ServerRequest) -> None:
        """Pass a request on: with the camera's URL, a number of our own, signed."""
        uri = request.uri
        if self._is_ours(uri):
            rest = uri.removeprefix(self.local_address.request_uri)
            uri = _plain_rtsp(self._address).request_uri + rest
        self._cseq += 1
        self._pending[self._cseq] = _RelayedRequest(request, request.headers.get("cseq"))
        headers = [(name.title(), value) for name, value in request.headers.items]
        headers = [header for header in headers if header[0] not in {"Cseq", "Authorization"}]
        authorization = self._login.authorization(request.method, uri)
        if authorization is not None:
            headers.append(("Authorization", authorization))
        self._to_camera.write(
            write_request(request.method, uri, self._cseq, headers) + request.body
        )

    # -- the connection of the camera ---------------------------------------------------------

    async def _pump_answers(self, writer: asyncio.StreamWriter) -> None:
        while True:
            unit = await _read_unit(self._from_camera)
            if isinstance(unit, RtspResponse):
                self._answer(unit, writer)
            elif isinstance(unit, bytes):
                writer.write(unit)
            elif unit.method == "REDIRECT":
                self.redirect_uri = unit.headers.get("location")
                return
            else:
                headers = [(name.title(), value) for name, value in unit.headers.items]
                lines = [f"{unit.method} {unit.uri} RTSP/1.0", *map(": ".join, headers)]
                writer.write(("\r\n".join(lines) + "\r\n\r\n").encode() + unit.body)
            await writer.drain()

    def _answer(self, answer: RtspResponse, writer: asyncio.StreamWriter) -> None:
        """Pass an answer on; a 401 is answered here, and a redirect ends the visit."""
        number = answer.cseq if answer.cseq in self._pending else min(self._pending, default=None)
        if number is None or number not in self._pending or answer.status < 200:  # noqa: PLR2004
            return
        pending = self._pending.pop(number)
        if answer.status == _UNAUTHORIZED:
            if self._login.accept_challenges(answer.headers.all("www-authenticate")):
                self._send(pending.request)
                return
            self._login_refused = f"{answer.status_line}: {self._login.refusal_text()}"
        else:
            self._login.confirm()
            self._login.renew(answer.headers.get("authentication-info"))
        if 300 <= answer.status < 400:  # noqa: PLR2004
            self.redirect_uri = answer.headers.get("location")
            writer.close()
            return
        writer.write(_write_answer(answer, pending.cseq, self._peer()))

    def _peer(self) -> str:
        """The camera's IP address, where libav is to send its UDP packets."""
        peer = self._to_camera.get_extra_info("peername")
        return str(peer[0]) if peer else ""


def _plain_rtsp(address: StreamAddress) -> StreamAddress:
    """The address as requests name it: rtspu is a way of transport, not a scheme of theirs."""
    if address.scheme != "rtspu":
        return address
    return StreamAddress(
        scheme="rtsp",
        host=address.host,
        port=address.port,
        path=address.path,
        query=address.query,
    )


def _write_answer(answer: RtspResponse, cseq: str, peer: str = "") -> bytes:
    """The bytes of an answer for the other side, with the number that it knows."""
    lines = [f"RTSP/1.0 {answer.status_line}", f"CSeq: {cseq}"]
    for name, value in answer.headers.items:
        if name == "cseq" or name in _WITHHELD_HEADERS:
            continue
        if name == "transport" and peer and "source=" not in value.lower():
            lines.append(f"Transport: {value};source={peer}")
        else:
            lines.append(f"{name.title()}: {value}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + answer.body


async def _read_unit(reader: asyncio.StreamReader) -> RtspMessage | bytes:
    """The next message, or interleaved packet, or a byte that belongs to neither.

    Raises EOFError at the end, StreamError and ValueError for what cannot be read.
    """
    first = await reader.readexactly(1)
    if first == _INTERLEAVED:
        head = await reader.readexactly(3)
        return first + head + await reader.readexactly(int.from_bytes(head[1:]))
    if not first.isalpha():
        return first
    data = bytearray(first)
    while line := await reader.readline():
        data += line
        if len(data) > MAX_HEAD_BYTES:
            raise Unreadable(f"an RTSP header block of more than {MAX_HEAD_BYTES // 1024} kB")
        if not line.strip():
            break
    while isinstance(found := read_message(data, 0, len(data)), IncompleteMessage):
        missing = found.bytes_needed - len(data)
        if not 0 < missing <= MAX_BODY_BYTES:
            raise EOFError
        data += await reader.readexactly(missing)
    return found[0]
