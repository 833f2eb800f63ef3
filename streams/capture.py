"""Capture the key frames of one camera: the real CameraClient of patrol.ports.

Chooses the transport by the address: RTSP over TCP in the event loop (rtsp_client.py), HTTP still
pictures (http_snapshot.py), the opener of its scheme for an address that names a platform or
gateway (source_schemes.py), and libav in a thread for everything else (libav.py). Every wait is
limited, and the whole visit by `visit_timeout_s`. Raises StreamError and nothing else.
"""

import asyncio
import dataclasses
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, Protocol

from streams import http_snapshot, libav
from streams.address import StreamAddress
from streams.clocks import RTSP_BURST_S, VIDEO_CLOCK_HZ, media_clock_of
from streams.errors import BadAddress, StreamError, Unreadable, WentSilent
from streams.model import Sample, StreamFacts, VisitOptions
from streams.rtsp.digest_auth import DigestAuthenticator
from streams.rtsp.session import RtspSession, UnsupportedStream
from streams.rtsp_client import LoginDisconnected, RtspCapture, UseOtherTransport
from streams.rtsp_login_relay import RtspLoginRelay
from streams.rtsp_tunnel import TUNNEL_SCHEMES, rtsp_socket, rtsp_uri
from streams.sampling import freshness_of, key_frame_interval_s, total_bytes

MAX_REDIRECTS: Final = 3  # a platform's front, its media server; one to spare
MAX_LOGIN_CONNECTIONS: Final = 2  # a server that hangs up on a login hangs up on the third as well
CLOSE_PAUSE_S: Final = 0.3  # a server closes our first session before it opens the next
MIN_FALLBACK_S: Final = 2.0  # less is left of the visit: libav need not start
_OWN_RTSP: Final = TUNNEL_SCHEMES | {"rtsp"}  # what rtsp_client.py speaks, inside TLS or not
_ABSOLUTE_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


class SourceOpener(Protocol):
    """Visits the cameras of one scheme through their platform or gateway."""

    async def __call__(self, address: StreamAddress, options: VisitOptions) -> Sample:
        """Make one visit; cancelled, it leaves nothing open. Raises StreamError and only that."""


class StreamCameraClient:
    """Visits cameras, hundreds at once in one event loop; `now` is the UTC clock.

    `sources`: by scheme, who opens the addresses of platforms and gateways.
    """

    def __init__(
        self, now: Callable[[], datetime], sources: Mapping[str, SourceOpener] | None = None
    ) -> None:
        self._now = now
        self._sources = sources or {}

    async def __call__(self, address: StreamAddress, options: VisitOptions) -> Sample:
        """Make one visit. Raises StreamError, and only StreamError (cancellation apart)."""
        if address.is_sealed:
            raise BadAddress(
                "its password is sealed, and the store has none for this host and port; give it by"
                " `patrol credentials set`"
            )
        if address.scheme in _OWN_RTSP:
            return await self._rtsp(address, options)
        if address.is_source:
            return await self._open_source(address, options)
        if options.targets is not None:
            options.targets.check_address(address)
        may_be_picture = address.scheme in {"http", "https"} and not options.single_use
        if may_be_picture and not http_snapshot.is_stream(address):
            start_s = asyncio.get_running_loop().time()
            try:
                return await http_snapshot.fetch_snapshots(address, options, self._now)
            except http_snapshot.NotAPicture:
                options = _rest_of(options, start_s, "not a picture")
        if address.scheme == "rtspu":
            return await self._libav_rtsp(address, address, options)
        return await libav.capture_with_libav(address, options, self._now)

    async def _open_source(self, address: StreamAddress, options: VisitOptions) -> Sample:
        opener = self._sources.get(address.scheme)
        if opener is None:
            raise BadAddress(f"{address.scheme} is not set up here: sources.yaml names none")
        return await opener(address, options)

    async def _rtsp(self, address: StreamAddress, options: VisitOptions) -> Sample:
        loop = asyncio.get_running_loop()
        start_s = loop.time()
        home = address
        for _ in range(1 + MAX_REDIRECTS):
            login = DigestAuthenticator(
                address.user, address.password, withheld=bool(home.user) and not address.user
            )
            try:
                return await self._logged_in(address, login, options, start_s)
            except UseOtherTransport as exc:
                event = exc.event
            if isinstance(event, UnsupportedStream) and options.single_use:
                raise Unreadable(f"{event.reason}, and this URL opens once")
            if isinstance(event, UnsupportedStream):
                if address.scheme in TUNNEL_SCHEMES - {"rtsps"}:
                    raise Unreadable(f"{event.reason}, which is not read inside a tunnel")
                await asyncio.sleep(CLOSE_PAUSE_S)
                rest = _rest_of(options, start_s, event.reason)
                return await self._libav_rtsp(home, address, rest, over_udp=event.over_udp)
            address = redirected_address(home, address, event.uri)
            if address.scheme not in _OWN_RTSP:
                rest = _rest_of(options, start_s, f"redirected to {address}")
                return await self._libav_rtsp(home, address, rest)
        raise Unreadable(f"redirected more than {MAX_REDIRECTS} times, last to {address}")

    async def _libav_rtsp(
        self,
        home: StreamAddress,
        address: StreamAddress,
        options: VisitOptions,
        *,
        over_udp: bool = False,
    ) -> Sample:
        """Capture RTSP through libav, which never holds the login: a relay signs its requests."""
        start_s = asyncio.get_running_loop().time()
        for _ in range(1 + MAX_REDIRECTS):
            over_udp = over_udp or address.scheme == "rtspu"
            plain = (
                not address.user and address.scheme != "rtsps"
            )  # the relay verifies certificates
            if plain and options.targets is None:
                return await libav.capture_with_libav(
                    address, options, self._now, over_udp=over_udp
                )
            async with RtspLoginRelay(address, options.connect_timeout_s, options.targets) as relay:
                try:
                    local = dataclasses.replace(options, targets=None)  # the relay's own address
                    return await libav.capture_with_libav(
                        relay.local_address, local, self._now, over_udp=over_udp
                    )
                except StreamError as exc:
                    if relay.redirect_uri is None:
                        raise relay.explained(exc) from None
                address = redirected_address(home, address, relay.redirect_uri)
            options = _rest_of(options, start_s, f"redirected to {address}")
            start_s = asyncio.get_running_loop().time()
        raise Unreadable(f"redirected more than {MAX_REDIRECTS} times, last to {address}")

    async def _logged_in(
        self,
        address: StreamAddress,
        login: DigestAuthenticator,
        options: VisitOptions,
        start_s: float,
    ) -> Sample:
        """Capture; connect again with the login where the server hung up behind its 401."""
        for _ in range(1 + MAX_LOGIN_CONNECTIONS):
            session = RtspSession(rtsp_uri(address), login, options.max_key_frame_bytes)
            try:
                return await self._capture_over_tcp(address, session, options, start_s)
            except LoginDisconnected:
                continue
        raise WentSilent("the server hung up on the login, on every connection")

    async def _capture_over_tcp(
        self, address: StreamAddress, session: RtspSession, options: VisitOptions, start_s: float
    ) -> Sample:
        loop = asyncio.get_running_loop()
        deadline_s = start_s + options.visit_timeout_s
        connect_s = min(options.connect_timeout_s, deadline_s - loop.time())
        async with rtsp_socket(address, connect_s, options.targets) as sock:
            connected_at_s = loop.time()
            capture = RtspCapture(
                sock=sock, session=session, options=options, now=self._now, deadline_s=deadline_s
            )
            await capture.run()
        frames = tuple(capture.sampler.kept)
        track, depacketizer = session.track, session.depacketizer
        size = None
        if depacketizer is not None:
            size = depacketizer.format.size_px(
                depacketizer.sets.first(depacketizer.format.size_kind) or b""
            )
        rate_hz = track.clock_rate_hz if track is not None else VIDEO_CLOCK_HZ
        clock = media_clock_of(frames, RTSP_BURST_S, rate_hz)
        facts = StreamFacts(
            transport="rtsp+tcp" if address.scheme == "rtsp" else address.scheme,
            codec=track.codec.value if track is not None else "",
            width_px=size[0] if size else None,
            height_px=size[1] if size else None,
            key_frame_interval_s=key_frame_interval_s(frames, clock, rate_hz),
            frames_per_s=track.frames_per_s if track is not None else None,
            server=session.server,
            connect_s=connected_at_s - start_s,
            describe_s=capture.described_at_s - start_s,
            first_key_frame_s=capture.first_key_frame_at_s - start_s,
            visit_s=loop.time() - start_s,
            bytes_received=capture.bytes_received,
            key_frame_bytes=total_bytes(frames),
            clock_offset_s=capture.sender_clock.offset_s,
            wall_clock=capture.sender_clock.kind,
            media_clock=clock,
        )
        freshness = freshness_of(frames, RTSP_BURST_S, rate_hz)
        return Sample(key_frames=frames, facts=facts, freshness=freshness)


def _rest_of(options: VisitOptions, start_s: float, seen: str) -> VisitOptions:
    """The options of a visit that goes another way; raises Unreadable when it is too late."""
    left_s = start_s + options.visit_timeout_s - asyncio.get_running_loop().time()
    if left_s < MIN_FALLBACK_S:
        raise Unreadable(f"{seen}; no time left to try another way")
    return dataclasses.replace(options, visit_timeout_s=left_s)


def redirected_address(home: StreamAddress, at: StreamAddress, uri: str) -> StreamAddress:
    """The address that `at` redirected to, with the login of `home` where it may go there.

    A login that the redirect itself names is used as it is.
    """
    where = uri.strip()
    if not where:
        raise Unreadable("redirected without saying where to")
    if not _ABSOLUTE_URL.match(where):
        where = f"{at.scheme}://{at.authority}/{where.lstrip('/')}"
    try:
        target = StreamAddress.parse(where)
    except BadAddress as exc:
        raise Unreadable(f"redirected to what is no address: {exc.seen}") from exc
    if target.scheme not in {"rtsp", "rtsps", "rtspu"}:
        raise Unreadable(f"redirected to {target}, which is not RTSP")
    return target if target.user else home.with_login_for(target)
