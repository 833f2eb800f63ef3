"""One TCP connection to the farm: RTSP requests in, responses and interleaved packets out."""

import asyncio
import secrets
from collections.abc import Callable
from typing import Final, cast

from typing_extensions import override

from simulators.farm.answers import Conversation, Reply, answer
from simulators.farm.auth import challenges, is_right
from simulators.farm.desk import Desk
from simulators.farm.message import METHODS, BadRequest, Reader, Request, response
from simulators.farm.route import Route, find_route
from simulators.faults import Fault

DEAD: Final = frozenset({Fault.REFUSES_CONNECTION})


class Connection(asyncio.Protocol):
    """Does what the camera that is asked for would do, its faults included."""

    def __init__(self, desk: Desk, clock_s: Callable[[], float]) -> None:
        self._desk = desk
        self._clock_s = clock_s
        self._reader = Reader()
        self._nonce = secrets.token_hex(16)
        self._talk: Conversation | None = None
        self._met: set[str] = set()
        self._mute = False
        self._transport: asyncio.Transport | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._talk = Conversation(self._desk, self._transport)
        self._desk.counts.connections += 1
        self._desk.connected.add(self._transport)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._desk.connected.discard(self._transport)
        if self._talk is not None:
            self._talk.hung_up()

    @override
    def data_received(self, data: bytes) -> None:
        if self._mute or self._talk is None or self._transport is None:
            return
        self._talk.heard(self._clock_s())
        try:
            for request in self._reader.feed(data):
                if request is not None:
                    self._handle(self._talk, request, self._transport)
                if self._mute or self._transport.is_closing():
                    return
        except BadRequest:
            self._transport.write(response(400, "0"))
            self._transport.close()

    def _handle(self, talk: Conversation, request: Request, transport: asyncio.Transport) -> None:
        cseq = request.header("cseq") or "0"
        route = find_route(request.url, self._desk.cameras)
        if route is not None and self._spoiled(route, transport):
            return
        reply = self._reply(talk, request, route)
        headers = list(reply.headers)
        if route is not None:
            headers.insert(0, ("Server", route.camera.vendor.server))
        transport.write(response(reply.status, cseq, headers, reply.body))
        if reply.then is not None:
            reply.then()

    def _spoiled(self, route: Route, transport: asyncio.Transport) -> bool:
        """Faults that leave nothing to answer."""
        camera = route.camera
        if camera.fault is Fault.NEVER_ANSWERS:
            self._mute = True
            return True
        first = camera.record.id not in self._met
        self._met.add(camera.record.id)
        if camera.fault in DEAD or (first and camera.fails_this_pull()):
            transport.abort()
            return True
        return False

    def _reply(self, talk: Conversation, request: Request, route: Route | None) -> Reply:
        if request.method == "OPTIONS":
            return Reply(headers=(("Public", METHODS),))
        if route is None or route.camera.fault is Fault.NOT_FOUND_404:
            return Reply(status=404)
        login = route.camera.login
        if not is_right(login, request.header("authorization"), request.method, self._nonce):
            asked = tuple(("WWW-Authenticate", text) for text in challenges(login, self._nonce))
            return Reply(status=401, headers=asked)
        return answer(talk, request, route, self._clock_s())


class ReportPort(asyncio.DatagramProtocol):
    """The farm's RTCP port (and its RTP port, which clients only punch holes to)."""

    def __init__(self, heard: Callable[[tuple[str, int]], None]) -> None:
        self._heard = heard

    @override
    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._heard((addr[0], addr[1]))
