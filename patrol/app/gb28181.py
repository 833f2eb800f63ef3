"""GB/T 28181 in the application: the platform's own thread, and visits from any event loop.

The SIP port is opened when the service starts, or at the first visit of a command. Peers that an
earlier run knew are reached at once; sessions that it left open are ended. Another program on the
port, as the running service, is a clear error.
"""

import asyncio
import secrets
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from datetime import datetime
from ipaddress import ip_network
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

import structlog

from patrol.app.gb28181_store import Gb28181StoreWriter
from patrol.domain.errors import Failed
from patrol.ports import Clock
from patrol.settings.sources_gb28181 import (
    Gb28181PeerSettings,
    Gb28181Settings,
    MediaTransport,
    Registration,
    StandardYear,
)
from patrol.store import Store, StoreUnavailable
from streams.address import StreamAddress
from streams.errors import BadAddress, Unreachable
from streams.gb28181.catalog import KnownChannel
from streams.gb28181.endpoint import Gb28181Endpoint, PortTaken, local_host_towards
from streams.gb28181.events import (
    CatalogReceived,
    PeerGone,
    PeerRegistered,
    PlatformEvent,
    Refused,
)
from streams.gb28181.media_sockets import RECEIVE_BUFFER, PortPool, allowed_receive_buffer
from streams.gb28181.peers import PeerConfig
from streams.gb28181.platform import Gb28181Platform
from streams.gb28181.requests import Identity
from streams.gb28181.visit import Gb28181Visits
from streams.model import Sample, VisitOptions

log = structlog.get_logger(__name__)
T = TypeVar("T")

START_WITHIN_S: Final = 15.0
STOP_WITHIN_S: Final = 8.0
LEAVE_WITHIN_S: Final = 2.0  # a platform above answers at once, or is away
ORPHANS_EVERY_S: Final = 20.0
MAX_ORPHAN_TRIES: Final = 5
SYNC_AFTER_S: Final = 2.0  # behind a registration
SYNC_AGAIN_S: Final = 12 * 3600.0
CATALOG_WITHIN_S: Final = 300.0
PEER_WITHIN_S: Final = 15.0


ServeControl = Callable[["Gb28181Service"], Awaitable[asyncio.Server]]


class SipPortTaken(Failed):
    """The SIP port cannot be opened; the text says why."""


def peer_config(name: str, peer: Gb28181PeerSettings) -> PeerConfig:
    """A peer as `streams` wants it. Raises Failed when its password cannot be read."""
    try:
        password = peer.read_password()
    except (OSError, UnicodeDecodeError) as exc:
        raise Failed(f"gb28181.peers.{name}.password_file: {type(exc).__name__}") from None
    host, _, port = peer.address.rpartition(":")
    accepts = peer.registration is Registration.ACCEPT
    return PeerConfig(
        name=name,
        id=peer.id,
        registers_here=accepts,
        register_there=peer.registration is Registration.REGISTER,
        address=(host.strip("[]"), int(port)) if peer.address else None,
        networks=tuple(ip_network(network) for network in peer.allow_from),
        user=peer.username,
        password=password,
        without_password=peer.without_password,
        sip_transport=str(peer.transport),
        media=str(peer.media),
        version_2022=peer.version is StandardYear.Y2022,
        sessions=peer.sessions,
        regions=peer.regions,
        media_host=peer.media_ip,
        extra_sdp=peer.extra_sdp,
        sub_stream_sdp=peer.sub_stream_sdp,
        offer_names_channel=peer.offer_names_channel,
        date_header=peer.date_header,
        subscribe_catalog=peer.subscribe_catalog,
        alarms=peer.alarms,
        expires_s=peer.expires_s,
        keepalive_s=peer.keepalive_s,
        answer_s=peer.answer_s,
        media_s=peer.media_s,
        catalog_s=peer.catalog_s,
    )


class Gb28181Service:
    """The platform of one site, in a thread of its own once it was started."""

    def __init__(
        self,
        settings: Gb28181Settings,
        store: Store,
        clock: Clock,
        zone: ZoneInfo,
        *,
        control: ServeControl | None = None,
    ) -> None:
        self.settings = settings
        self.store = store
        self.clock = clock
        self.port = 0  # of SIP, once it is open
        self._zone = zone
        self._control = control
        self._controlled = False
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self._endpoint: Gb28181Endpoint | None = None
        self._visits: Gb28181Visits | None = None
        self._writer: Gb28181StoreWriter | None = None
        self._catalogs: dict[tuple[str, int], asyncio.Future[CatalogReceived]] = {}
        self._synced_s: dict[str, float] = {}
        self._orphan_tries: dict[str, int] = {}

    # -- from any thread ------------------------------------------------------------------------

    def start(self) -> None:
        """Open the SIP port, if it is not open. Raises SipPortTaken, StoreUnavailable, Failed."""
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._failure = None
                self._started.clear()
                self._thread = threading.Thread(target=self._run, name="gb28181", daemon=True)
                self._thread.start()
                if not self._started.wait(START_WITHIN_S):
                    raise Failed("GB/T 28181 did not start in time")
            failure = self._failure
        if failure is not None:
            raise failure

    def start_resident(self) -> None:
        """Start for a service, which other commands may ask. Raises as `start` does."""
        self._controlled = True
        self.start()

    def close(self) -> None:
        """End every session politely and close the port."""
        with self._lock:
            loop, thread = self._loop, self._thread
            if loop is not None and self._stop is not None and thread is not None:
                loop.call_soon_threadsafe(self._stop.set)
                thread.join(STOP_WITHIN_S)

    async def capture(self, address: StreamAddress, options: VisitOptions) -> Sample:
        """Make one visit; the opener of `gb28181://PEER/CHANNEL`. Raises StreamError."""
        if address.host not in self.settings.peers:
            raise BadAddress(f"peer {address.host!r} is not in sources.yaml as it was at start")
        try:
            await asyncio.to_thread(self.start)
        except (Failed, StoreUnavailable) as exc:
            raise Unreachable(str(exc)) from None
        (channel,) = address.source_path
        sub_stream = address.query in {"stream=sub", "stream=1"}
        return await self.run(self._capture(address.host, channel, options, sub=sub_stream))

    async def run(self, work: "Coroutine[Any, Any, T]") -> T:
        """Run in the platform's loop; cancelled, the work is cancelled there."""
        loop = self._loop
        if loop is None or loop.is_closed():
            work.close()
            raise Unreachable("GB/T 28181 is not running")
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, loop))

    # -- in the thread --------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as exc:  # noqa: BLE001  raised again in `start`
            self._failure = exc
            log.warning("GB/T 28181 ended", reason=str(exc))
        finally:
            self._loop = None
            self._started.set()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._writer = writer = Gb28181StoreWriter(self.store, self.clock)
        platform = self._make_platform()
        self._endpoint = endpoint = Gb28181Endpoint(
            platform, local_time=self._local_time, on_event=self._on_event
        )
        await asyncio.to_thread(self._restore, platform, endpoint.now_s)
        await self._open(endpoint)
        self._visits = visits = Gb28181Visits(
            endpoint=endpoint,
            ports=PortPool(*self.settings.first_and_last_port),
            journal=writer,
            now=self.clock.now,
            media_host=self.settings.host,
            catalog_note=self._catalog_note,
        )
        control = None
        if self._control is not None and self._controlled:
            control = await self._control(self)
        tending = asyncio.create_task(self._tend_orphans(platform, endpoint))
        self._started.set()
        try:
            await self._stop.wait()
        finally:
            if control is not None:
                control.close()
            tending.cancel()
            await asyncio.gather(tending, return_exceptions=True)
            await visits.close(STOP_WITHIN_S / 2)
            await endpoint.leave(LEAVE_WITHIN_S)
            await writer.close()
            await endpoint.close()

    def _make_platform(self) -> Gb28181Platform:
        settings = self.settings
        identity = Identity(
            id=settings.id,
            domain=settings.domain,
            port=settings.port,
            token=lambda: secrets.token_hex(8),
            advertise=settings.advertise,
        )
        peers = [peer_config(name, peer) for name, peer in settings.peers.items()]
        return Gb28181Platform(identity, peers, secrets.token_bytes(32), local_host_towards)

    async def _open(self, endpoint: Gb28181Endpoint) -> None:
        """Open the SIP port, and ask the peers that are known for their catalogues."""
        try:
            self.port = await endpoint.open(self.settings.host, self.settings.port)
        except PortTaken as exc:
            reason = f"gb28181: {exc}; is `patrol run` up, or another platform?"
            raise SipPortTaken(reason) from None
        endpoint.platform.use_port(self.port)
        for name, peer in endpoint.platform.peers.items():
            if peer.is_reachable(endpoint.now_s):
                self._sync_soon(name)
        log.info("GB/T 28181 listens", port=self.port, peers=len(self.settings.peers))
        allowed = allowed_receive_buffer()
        if allowed is not None and allowed < RECEIVE_BUFFER and self._uses_udp():
            hint = f"sysctl -w net.core.rmem_max={RECEIVE_BUFFER}"
            log.warning("UDP media may be lost: the kernel's buffers are small", set=hint)

    def _uses_udp(self) -> bool:
        return any(peer.media is MediaTransport.UDP for peer in self.settings.peers.values())

    def _local_time(self) -> datetime:
        return self.clock.now().astimezone(self._zone)

    def _restore(self, platform: Gb28181Platform, now_s: float) -> None:
        """Registrations that still hold, and sessions that an earlier run left open."""
        now = self.clock.now()
        with self.store.begin_read() as uow:
            records = uow.gb28181.registrations()
            dialogs = uow.gb28181.open_sessions()
        for name, record in records.items():
            if record.until is not None and record.until > now:
                platform.restore(name, record.flow, (record.until - now).total_seconds(), now_s)
        for dialog in dialogs:
            platform.sessions.orphans[dialog.call_id] = dialog
        if dialogs:
            log.warning("sessions of an earlier run are open, ending them", count=len(dialogs))

    async def _capture(
        self, name: str, channel: str, options: VisitOptions, *, sub: bool
    ) -> Sample:
        visits = self._visits
        if visits is None:
            raise Unreachable("GB/T 28181 is not running")
        return await visits.capture(name, channel, options, sub_stream=sub)

    async def _catalog_note(self, peer: str, channel: str) -> str:
        """What the peer's catalogue says of a channel, for a person who probes it."""
        channels = await asyncio.to_thread(self._channels, peer)
        known = channels.get(channel)
        if known is None:
            return f"not among the {len(channels)} channels that are known"
        state = {True: "ON", False: "OFF", None: "?"}[known.item.online]
        gone = "; gone from its catalogue" if known.gone else ""
        return f"{known.item.name or channel} {state}{gone}"

    def _channels(self, peer: str) -> Mapping[str, KnownChannel]:
        with self.store.begin_read() as uow:
            return uow.gb28181.channels(peer)

    # -- events ---------------------------------------------------------------------------------

    def _on_event(self, event: PlatformEvent) -> None:
        if isinstance(event, Refused):
            seen = {"seen": event.seen} if event.seen else {}
            log.warning("GB/T 28181: refused", reason=event.reason, origin=event.origin, **seen)
            return
        if isinstance(event, PeerGone):
            log.warning("GB/T 28181: a peer is gone", peer=event.name, reason=event.reason)
        if isinstance(event, PeerRegistered):
            if event.changed:
                log.info("GB/T 28181: a peer registered", peer=event.name)
                self._try_orphans_again(event.name)
            self._sync_soon(event.name)
        if self._writer is not None:
            self._writer.keep_event(event)
        if isinstance(event, CatalogReceived):
            self._on_catalog(event)

    def _on_catalog(self, event: CatalogReceived) -> None:
        if odd := event.catalog.oddities():
            log.warning("GB/T 28181: odd items in a catalogue", peer=event.name, **odd)
        self._synced_s[event.name] = self._now_s()
        waiting = self._catalogs.pop((event.name, event.number), None)
        if waiting is not None and not waiting.done():
            waiting.set_result(event)

    def _try_orphans_again(self, peer: str) -> None:
        """A peer that registers from elsewhere may answer now what it did not before."""
        if self._endpoint is not None:
            for dialog in self._endpoint.platform.sessions.orphans.values():
                if dialog.peer == peer:
                    self._orphan_tries.pop(dialog.call_id, None)

    def _now_s(self) -> float:
        return asyncio.get_running_loop().time()

    def _sync_soon(self, name: str) -> None:
        last_s = self._synced_s.get(name)
        if last_s is None or self._now_s() - last_s > SYNC_AGAIN_S:
            self._synced_s[name] = self._now_s()  # one query, however often it registers
            asyncio.get_running_loop().call_later(SYNC_AFTER_S, self._query, name)

    def _query(self, name: str) -> int | None:
        endpoint = self._endpoint
        if endpoint is None:
            return None
        number = endpoint.platform.query_catalog(name, endpoint.now_s)
        endpoint.pump()
        return number

    async def await_peer(self, name: str, timeout_s: float = PEER_WITHIN_S) -> None:
        """Wait until a peer can be asked, for commands that begin before it registers again."""
        peer = self.endpoint.platform.peers.get(name)
        until_s = self._now_s() + timeout_s
        while peer is not None and not peer.is_reachable(self._now_s()):
            left_s = until_s - self._now_s()
            if left_s <= 0 or not peer.may_be_reachable_by(until_s):
                return
            await self.endpoint.changed(min(left_s, 1.0))

    async def sync(self, name: str) -> CatalogReceived:
        """Ask a peer for its catalogue and wait for it. Raises Unreachable."""
        number = self._query(name)
        if number is None:
            raise Unreachable(f"{name} is not registered, or too many queries are under way")
        waiting = asyncio.get_running_loop().create_future()
        self._catalogs[name, number] = waiting
        async with asyncio.timeout(CATALOG_WITHIN_S):
            received: CatalogReceived = await waiting
        if self._writer is not None:
            await self._writer.write(lambda _uow, _now: None)  # behind the catalogue's own write
        return received

    async def _tend_orphans(self, platform: Gb28181Platform, endpoint: Gb28181Endpoint) -> None:
        """End orphans, now and again, and forget those that are ended."""
        next_s = 0.0
        while True:
            if platform.sessions.orphans and endpoint.now_s >= next_s:
                next_s = endpoint.now_s + ORPHANS_EVERY_S
                await self._end_orphans(platform, endpoint)
            ended, platform.sessions.ended_orphans = platform.sessions.ended_orphans, []
            for call_id in ended:
                self._orphan_tries.pop(call_id, None)
                log.info("GB/T 28181: a session that was left open is ended")
                if self._writer is not None:
                    await self._writer.ended(call_id)
            await endpoint.changed(1.0)

    async def _end_orphans(self, platform: Gb28181Platform, endpoint: Gb28181Endpoint) -> None:
        """Say BYE once more; a peer that is away is asked again when it registers."""
        waiting: set[str] = set()
        for dialog in list(platform.sessions.orphans.values()):
            tries = self._orphan_tries[dialog.call_id] = (
                self._orphan_tries.get(dialog.call_id, 0) + 1
            )
            if tries <= MAX_ORPHAN_TRIES:
                waiting.add(dialog.peer)
                continue
            peer = platform.peers.get(dialog.peer)
            if peer is None or peer.is_reachable(endpoint.now_s):
                log.warning("a session that was left open is given up", peer=dialog.peer)
                platform.sessions.orphans.pop(dialog.call_id, None)
                platform.sessions.ended_orphans.append(dialog.call_id)
        for name in waiting:
            platform.sessions.end_orphans(name, endpoint.now_s)
        endpoint.pump()

    # -- what is going on -----------------------------------------------------------------------

    async def state(self) -> Mapping[str, Any]:
        """Peers, sessions and refusals as plain data."""
        endpoint, visits = self._endpoint, self._visits
        if endpoint is None or visits is None:
            return {}
        platform, now_s = endpoint.platform, endpoint.now_s
        sessions: dict[str, int] = {}
        for session in platform.sessions.open.values():
            sessions[session.dialog.peer] = sessions.get(session.dialog.peer, 0) + 1
        return {
            "port": self.port,
            "peers": {
                name: {
                    "reachable": peer.is_reachable(now_s),
                    "online": peer.online,
                    "silent_s": round(now_s - peer.last_seen_s, 1) if peer.last_seen_s else None,
                    "sessions": sessions.get(name, 0),
                    "problem": peer.client.problem if peer.client is not None else "",
                    "faulty": list(peer.faulty),
                }
                for name, peer in platform.peers.items()
            },
            "open_sessions": len(platform.sessions.open),
            "orphans": len(platform.sessions.orphans),
            "ports_in_use": len(visits.ports.in_use),
            "refused": dict(platform.refusals.by_reason()),
        }

    @property
    def endpoint(self) -> Gb28181Endpoint:
        """The endpoint, once it runs; for use in its loop. Raises Unreachable."""
        if self._endpoint is None:
            raise Unreachable("GB/T 28181 is not running")
        return self._endpoint
