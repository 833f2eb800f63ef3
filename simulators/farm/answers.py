"""The answer to each RTSP method, once the client has proved that it may ask."""

import secrets
from asyncio import Transport
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from simulators.farm.camera import FarmCamera
from simulators.farm.desk import Desk, Session
from simulators.farm.message import METHODS, Request
from simulators.farm.play import Outlet, TcpOutlet, Track, UdpOutlet
from simulators.farm.route import Route
from simulators.farm.sdp import describe
from simulators.farm.timeline import TICKS_PER_FRAME
from simulators.farm.transport import Asked, choose_transport
from simulators.faults import Fault

_OWN_CHANNELS_FROM: Final = 4
_NOT_SDP: Final = "<html><body><h1>It works!</h1></body></html>\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What goes back, and what is done once it is on its way."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    then: Callable[[], None] | None = None


@dataclass(slots=True)
class Conversation:
    """What one connection has said so far."""

    desk: Desk
    transport: Transport
    sessions: dict[str, Session] = field(default_factory=dict)
    described: dict[str, bool] = field(default_factory=dict)  # camera id → it was the sub stream

    def heard(self, now_s: float) -> None:
        """Any byte on the connection is a sign of life for its sessions."""
        for session in self.sessions.values():
            session.heard_s = now_s

    def hung_up(self) -> None:
        """Interleaved sessions end with their connection."""
        for session in self.sessions.values():
            if not session.over_udp:
                self.desk.close(session)

    def session(self, request: Request) -> Session | None:
        """The one that the request names."""
        name = (request.header("session") or "").partition(";")[0].strip()
        return self.desk.sessions.get(name)


class _Answer(Protocol):
    def __call__(
        self, talk: Conversation, request: Request, route: Route, now_s: float, /
    ) -> Reply: ...


def answer(talk: Conversation, request: Request, route: Route, now_s: float) -> Reply:
    """By method."""
    handler = _ANSWERS.get(request.method)
    if handler is None:
        return Reply(status=501, headers=(("Allow", METHODS),))
    return handler(talk, request, route, now_s)


def _describe(talk: Conversation, request: Request, route: Route, _now_s: float) -> Reply:
    if route.track is not None or route.sub is None:
        return Reply(status=404)
    camera = route.camera
    talk.desk.counts.described += 1
    talk.described[camera.record.id] = route.sub
    base = request.url.rstrip("/")
    vendor = camera.vendor
    loop = camera.loop(sub=route.sub)
    body = _NOT_SDP
    if camera.fault is not Fault.WRONG_SDP:
        body = describe(vendor, loop.format, loop.sets, base=base, session=camera.number)
    kept = (("Content-Base", f"{base}/"),) if vendor.content_base else ()
    return Reply(headers=(("Content-Type", "application/sdp"), *kept), body=body)


def _setup(talk: Conversation, request: Request, route: Route, now_s: float) -> Reply:
    if route.track is None:
        return Reply(status=459)
    asked = choose_transport(request.header("transport") or "")
    if asked is None:
        return Reply(status=461)
    session = talk.session(request)
    if session is None:
        sub = talk.described.get(route.camera.record.id, False) if route.sub is None else route.sub
        session = talk.desk.open(route.camera, talk.transport, now_s, sub=sub)
    elif session.camera is not route.camera or session.playing:
        return Reply(status=455)
    talk.sessions[session.id] = session
    outlet, line = _outlet(talk, session, asked, route)
    ssrc = secrets.randbits(32)
    track = Track(outlet, ssrc, secrets.randbits(16))
    if route.track == "video":
        session.playback.video = track
    else:
        session.playback.audio = track
    named = ("Session", f"{session.id};timeout={talk.desk.timeout_s}")
    return Reply(headers=(("Transport", f"{line};ssrc={ssrc:08X}"), named))


def _outlet(talk: Conversation, session: Session, asked: Asked, route: Route) -> tuple[Outlet, str]:
    if asked.tcp:
        channel = asked.first if asked.first is not None else 2 * (route.track == "audio")
        if route.camera.vendor.own_channels:
            channel += _OWN_CHANNELS_FROM
        line = f"RTP/AVP/TCP;unicast;interleaved={channel}-{channel + 1}"
        return TcpOutlet(talk.transport, channel), line
    desk = talk.desk
    assert desk.rtp is not None  # noqa: S101 the farm opens its ports before it listens
    assert desk.rtcp is not None  # noqa: S101 as above
    assert asked.first is not None  # noqa: S101 choose_transport takes no UDP without ports
    host = str(talk.transport.get_extra_info("peername")[0])
    desk.listen_to(session, (host, asked.first))
    desk.listen_to(session, (host, asked.first + 1))
    ports = f"client_port={asked.first}-{asked.first + 1}"
    line = f"RTP/AVP;unicast;{ports};server_port={desk.udp_port}-{desk.udp_port + 1}"
    return UdpOutlet(desk.rtp, desk.rtcp, host, asked.first, talk.transport), line


def _play(talk: Conversation, request: Request, route: Route, now_s: float) -> Reply:
    session = talk.session(request)
    if session is None:
        return Reply(status=454)
    session.heard_s = now_s
    desk = talk.desk

    def start() -> None:
        if not desk.play(session):
            talk.transport.close()

    headers = [("Session", session.id), ("Range", "npt=now-")]
    if route.camera.vendor.rtp_info and session.playback.video is not None:
        headers.append(("RTP-Info", _rtp_info(session, request.url, desk, now_s)))
    return Reply(headers=tuple(headers), then=start)


def _rtp_info(session: Session, url: str, desk: Desk, now_s: float) -> str:
    camera: FarmCamera = session.camera
    video = session.playback.video
    sequence = video.sequence if video is not None else 0
    frame = desk.timeline.tick_at(now_s) // TICKS_PER_FRAME + 1 + camera.record.phase
    time = session.playback.video_time(frame) % (1 << 32)
    control = camera.vendor.video_control
    return f"url={url.rstrip('/')}/{control};seq={sequence};rtptime={time}"


def _pause(talk: Conversation, request: Request, _route: Route, now_s: float) -> Reply:
    session = talk.session(request)
    if session is None:
        return Reply(status=454)
    session.heard_s = now_s
    talk.desk.pause(session)
    return Reply(headers=(("Session", session.id),))


def _teardown(talk: Conversation, request: Request, _route: Route, _now_s: float) -> Reply:
    session = talk.session(request)
    if session is None:
        return Reply(status=454)
    talk.desk.counts.torn_down += 1
    talk.desk.close(session)
    talk.sessions.pop(session.id, None)
    return Reply()


def _parameter(talk: Conversation, request: Request, _route: Route, now_s: float) -> Reply:
    """Keep-alive; there is no parameter to get or set."""
    session = talk.session(request)
    if session is None:
        return Reply(status=454 if request.header("session") else 200)
    session.heard_s = now_s
    return Reply(headers=(("Session", session.id),))


_ANSWERS: Final[Mapping[str, _Answer]] = {
    "DESCRIBE": _describe,
    "SETUP": _setup,
    "PLAY": _play,
    "PAUSE": _pause,
    "TEARDOWN": _teardown,
    "GET_PARAMETER": _parameter,
    "SET_PARAMETER": _parameter,
}
