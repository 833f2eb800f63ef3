"""RTSP connections of the farm: requests in, responses and interleaved packets out.

`find_route` finds the camera, stream and track that a URL means; `answer_request` answers each
method once the client is authenticated; `RtspConnection` is the asyncio protocol around both and
plays the faults that end or silence a connection.
"""

import asyncio
import secrets
from asyncio import Transport
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol, cast
from urllib.parse import urlsplit

from typing_extensions import override

from simulators.faults import CameraFault
from simulators.rtsp_farm.auth import challenges, is_authorized
from simulators.rtsp_farm.camera import TICKS_PER_FRAME, FarmCamera
from simulators.rtsp_farm.playback import MediaTrack, PacketSink, TcpSink, UdpSink
from simulators.rtsp_farm.rtsp_messages import (
    METHODS,
    BadRequest,
    RequestedTransport,
    RequestReader,
    RtspRequest,
    choose_transport,
    format_response,
    format_sdp,
)
from simulators.rtsp_farm.server_state import FarmSession, ServerState
from simulators.rtsp_farm.vendors import Vendor

_OWN_CHANNELS_FROM: Final = 4
_NOT_SDP: Final = "<html><body><h1>It works!</h1></body></html>\r\n"
DEAD: Final = frozenset({CameraFault.REFUSES_CONNECTION})


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraRoute:
    """The camera, stream and track that a URL means."""

    camera: FarmCamera
    sub: bool | None  # None: the URL does not say
    track: str | None  # "video" or "audio"; None: the whole presentation


def find_route(url: str, cameras: Mapping[str, FarmCamera]) -> CameraRoute | None:
    """The route of a URL, or None without such a camera; a path that it lacks has no stream."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    ident, _, rest = parts.path.lstrip("/").partition("/")
    camera = cameras.get(ident)
    if camera is None:
        return None
    path = f"{rest}?{parts.query}" if parts.query else rest
    path = path.rstrip("/")
    vendor = camera.vendor
    return CameraRoute(camera=camera, sub=_stream(vendor, path), track=_track(vendor, path))


def _track(vendor: Vendor, path: str) -> str | None:
    last = path.rpartition("/")[2]
    controls = {vendor.video_control: "video", vendor.audio_control: "audio"}
    return controls.get(last)


def _stream(vendor: Vendor, path: str) -> bool | None:
    for sub, start in ((False, vendor.main), (True, vendor.sub)):
        if path == start or path.startswith(f"{start}/"):
            return sub
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class RtspReply:
    """A response, and what is done once it has been sent."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    then: Callable[[], None] | None = None


@dataclass(slots=True)
class ClientState:
    """What one connection has described and set up so far."""

    server: ServerState
    transport: Transport
    sessions: dict[str, FarmSession] = field(default_factory=dict)
    described: dict[str, bool] = field(default_factory=dict)  # camera id → it was the sub stream

    def note_activity(self, now_s: float) -> None:
        """Keep the connection's sessions alive: any byte from the client counts."""
        for session in self.sessions.values():
            session.last_active_s = now_s

    def close_sessions(self) -> None:
        """Close the interleaved sessions, which end with their connection."""
        for session in self.sessions.values():
            if not session.over_udp:
                self.server.close(session)

    def session(self, request: RtspRequest) -> FarmSession | None:
        """The session that the request names, or None."""
        name = (request.header("session") or "").partition(";")[0].strip()
        return self.server.sessions.get(name)


class _MethodHandler(Protocol):
    def __call__(
        self, client: ClientState, request: RtspRequest, route: CameraRoute, now_s: float, /
    ) -> RtspReply: ...


def answer_request(
    client: ClientState, request: RtspRequest, route: CameraRoute, now_s: float
) -> RtspReply:
    """Answer by method; 501 for one that cameras lack."""
    handler = _METHOD_HANDLERS.get(request.method)
    if handler is None:
        return RtspReply(status=501, headers=(("Allow", METHODS),))
    return handler(client, request, route, now_s)


def _describe(
    client: ClientState, request: RtspRequest, route: CameraRoute, _now_s: float
) -> RtspReply:
    if route.track is not None or route.sub is None:
        return RtspReply(status=404)
    camera = route.camera
    client.server.counts.described += 1
    client.described[camera.town_camera.id] = route.sub
    base = request.url.rstrip("/")
    vendor = camera.vendor
    loop = camera.loop(sub=route.sub)
    body = _NOT_SDP
    if camera.fault is not CameraFault.WRONG_SDP:
        body = format_sdp(vendor, loop.format, loop.sets, base=base, session=camera.number)
    kept = (("Content-Base", f"{base}/"),) if vendor.content_base else ()
    return RtspReply(headers=(("Content-Type", "application/sdp"), *kept), body=body)


def _setup(
    client: ClientState, request: RtspRequest, route: CameraRoute, now_s: float
) -> RtspReply:
    if route.track is None:
        return RtspReply(status=459)
    requested = choose_transport(request.header("transport") or "")
    if requested is None:
        return RtspReply(status=461)
    session = client.session(request)
    if session is None:
        sub = (
            client.described.get(route.camera.town_camera.id, False)
            if route.sub is None
            else route.sub
        )
        session = client.server.open(route.camera, client.transport, now_s, sub=sub)
    elif session.camera is not route.camera or session.playing:
        return RtspReply(status=455)
    client.sessions[session.id] = session
    sink, line = _open_sink(client, session, requested, route)
    ssrc = secrets.randbits(32)
    track = MediaTrack(sink, ssrc, secrets.randbits(16))
    if route.track == "video":
        session.playback.video = track
    else:
        session.playback.audio = track
    named = ("Session", f"{session.id};timeout={client.server.timeout_s}")
    return RtspReply(headers=(("Transport", f"{line};ssrc={ssrc:08X}"), named))


def _open_sink(
    client: ClientState, session: FarmSession, requested: RequestedTransport, route: CameraRoute
) -> tuple[PacketSink, str]:
    if requested.tcp:
        channel = requested.first if requested.first is not None else 2 * (route.track == "audio")
        if route.camera.vendor.own_channels:
            channel += _OWN_CHANNELS_FROM
        line = f"RTP/AVP/TCP;unicast;interleaved={channel}-{channel + 1}"
        return TcpSink(client.transport, channel), line
    server = client.server
    assert server.rtp is not None  # noqa: S101 the farm opens its ports before it listens  # nosec B101
    assert server.rtcp is not None  # noqa: S101 as above  # nosec B101
    assert requested.first is not None  # noqa: S101 choose_transport takes no UDP without ports  # nosec B101
    host = str(client.transport.get_extra_info("peername")[0])
    server.register_udp_peer(session, (host, requested.first))
    server.register_udp_peer(session, (host, requested.first + 1))
    ports = f"client_port={requested.first}-{requested.first + 1}"
    line = f"RTP/AVP;unicast;{ports};server_port={server.udp_port}-{server.udp_port + 1}"
    return UdpSink(server.rtp, server.rtcp, host, requested.first, client.transport), line


def _play(client: ClientState, request: RtspRequest, route: CameraRoute, now_s: float) -> RtspReply:
    session = client.session(request)
    if session is None:
        return RtspReply(status=454)
    session.last_active_s = now_s
    server = client.server
    if not session.playing and server.is_full and server.stream_limit is not None:
        server.counts.turned_away += 1
        if server.stream_limit.status == 0:
            client.transport.close()
        return RtspReply(status=server.stream_limit.status or 503)

    def start() -> None:
        if not server.play(session):
            client.transport.close()

    headers = [("Session", session.id), ("Range", "npt=now-")]
    if route.camera.vendor.rtp_info and session.playback.video is not None:
        headers.append(("RTP-Info", _rtp_info(session, request.url, server, now_s)))
    return RtspReply(headers=tuple(headers), then=start)


def _rtp_info(session: FarmSession, url: str, server: ServerState, now_s: float) -> str:
    camera: FarmCamera = session.camera
    video = session.playback.video
    sequence = video.sequence if video is not None else 0
    frame = server.timeline.tick_at(now_s) // TICKS_PER_FRAME + 1 + camera.town_camera.phase
    time = session.playback.video_time(frame) % (1 << 32)
    control = camera.vendor.video_control
    return f"url={url.rstrip('/')}/{control};seq={sequence};rtptime={time}"


def _pause(
    client: ClientState, request: RtspRequest, _route: CameraRoute, now_s: float
) -> RtspReply:
    session = client.session(request)
    if session is None:
        return RtspReply(status=454)
    session.last_active_s = now_s
    client.server.pause(session)
    return RtspReply(headers=(("Session", session.id),))


def _teardown(
    client: ClientState, request: RtspRequest, _route: CameraRoute, _now_s: float
) -> RtspReply:
    session = client.session(request)
    if session is None:
        return RtspReply(status=454)
    client.server.counts.torn_down += 1
    client.server.close(session)
    client.sessions.pop(session.id, None)
    return RtspReply()


def _parameter(
    client: ClientState, request: RtspRequest, _route: CameraRoute, now_s: float
) -> RtspReply:
    """Keep the session alive; there is no parameter to get or set."""
    session = client.session(request)
    if session is None:
        return RtspReply(status=454 if request.header("session") else 200)
    session.last_active_s = now_s
    return RtspReply(headers=(("Session", session.id),))


_METHOD_HANDLERS: Final[Mapping[str, _MethodHandler]] = {
    "DESCRIBE": _describe,
    "SETUP": _setup,
    "PLAY": _play,
    "PAUSE": _pause,
    "TEARDOWN": _teardown,
    "GET_PARAMETER": _parameter,
    "SET_PARAMETER": _parameter,
}


class RtspConnection(asyncio.Protocol):
    """Plays the camera that is asked for, its faults included."""

    def __init__(self, server: ServerState, clock_s: Callable[[], float]) -> None:
        self._server = server
        self._clock_s = clock_s
        self._reader = RequestReader()
        self._nonce = secrets.token_hex(16)
        self._client: ClientState | None = None
        self._seen_cameras: set[str] = set()
        self._is_silent = False
        self._transport: asyncio.Transport | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._client = ClientState(self._server, self._transport)
        self._server.counts.connections += 1
        self._server.connected.add(self._transport)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._server.connected.discard(self._transport)
        if self._client is not None:
            self._client.close_sessions()

    @override
    def data_received(self, data: bytes) -> None:
        if self._is_silent or self._client is None or self._transport is None:
            return
        self._client.note_activity(self._clock_s())
        try:
            for request in self._reader.feed(data):
                if request is not None:
                    self._handle(self._client, request, self._transport)
                if self._is_silent or self._transport.is_closing():
                    return
        except BadRequest:
            self._transport.write(format_response(400, "0"))
            self._transport.close()

    def _handle(
        self, client: ClientState, request: RtspRequest, transport: asyncio.Transport
    ) -> None:
        cseq = request.header("cseq") or "0"
        route = find_route(request.url, self._server.cameras)
        if route is not None and self._apply_connection_fault(route, transport):
            return
        reply = self._reply(client, request, route)
        if transport.is_closing():
            return
        headers = list(reply.headers)
        if route is not None:
            headers.insert(0, ("Server", route.camera.vendor.server))
        transport.write(format_response(reply.status, cseq, headers, reply.body))
        if reply.then is not None:
            reply.then()

    def _apply_connection_fault(self, route: CameraRoute, transport: asyncio.Transport) -> bool:
        """Play a fault that leaves nothing to answer; True if there was one."""
        camera = route.camera
        if camera.fault is CameraFault.NEVER_ANSWERS:
            self._is_silent = True
            return True
        first = camera.town_camera.id not in self._seen_cameras
        self._seen_cameras.add(camera.town_camera.id)
        if camera.fault in DEAD or (first and camera.fails_this_pull()):
            transport.abort()
            return True
        return False

    def _reply(
        self, client: ClientState, request: RtspRequest, route: CameraRoute | None
    ) -> RtspReply:
        if request.method == "OPTIONS":
            return RtspReply(headers=(("Public", METHODS),))
        if route is None or route.camera.fault is CameraFault.NOT_FOUND_404:
            return RtspReply(status=404)
        login = route.camera.login
        if not is_authorized(login, request.header("authorization"), request.method, self._nonce):
            asked = tuple(("WWW-Authenticate", text) for text in challenges(login, self._nonce))
            return RtspReply(status=401, headers=asked)
        return answer_request(client, request, route, self._clock_s())


class RtcpReceiver(asyncio.DatagramProtocol):
    """Receives the farm's RTCP (and what clients send to its RTP port to open a firewall)."""

    def __init__(self, on_datagram: Callable[[tuple[str, int]], None]) -> None:
        self._on_datagram = on_datagram

    @override
    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._on_datagram((addr[0], addr[1]))
