"""One visit to one channel over GB/T 28181: port, INVITE, media, key frames, and always BYE.

The order keeps promises: the journal knows a session before its INVITE leaves, the port listens
before the peer hears of it, a session slot of the peer is free again only when its BYE was answered
or given up, and the port a little later, for packets that are still on their way.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from streams.errors import (
    REGISTRATION_REFUSED,
    RefusedUs,
    StreamBusy,
    StreamError,
    Unreachable,
    Unreadable,
    WentSilent,
    os_error_text,
)
from streams.gb28181.codes import StreamSources
from streams.gb28181.endpoint import Gb28181Endpoint
from streams.gb28181.invite_session import Dialog, InviteSession, SessionEvent, SessionState
from streams.gb28181.media_sockets import MediaSocket, NoPortLeft, PortPool
from streams.gb28181.peers import Peer
from streams.gb28181.picture_collector import PictureCollector
from streams.gb28181.sdp import TCP_ACTIVE, TCP_PASSIVE, UDP, make_offer
from streams.model import Sample, VisitOptions

LINGER_S: Final = 2.0  # a port is kept so long behind its BYE
ASK_KEY_FRAME_AFTER_S: Final = 3.0
MAX_PORT_TRIES: Final = 8  # of ports that other programs have
TRANSPORTS: Final = (TCP_PASSIVE, TCP_ACTIVE, UDP)
_UNACCEPTABLE: Final = frozenset({406, 415, 488, 606})  # of the offer: try another transport
_BUSY: Final = frozenset({486, 503, 600})
_NO_SUCH: Final = frozenset({404, 410, 604})
_AWAY: Final = frozenset({408, 480})
_UNDER_WAY: Final = frozenset({401, 403, 407, 603})
_SERVER_FAULT: Final = 500


class SessionJournal(Protocol):
    """Keeps the sessions that are open, so that the next run of the program can end them."""

    async def opened(self, dialog: Dialog) -> None:
        """Before its INVITE leaves."""

    async def answered(self, dialog: Dialog) -> None:
        """Its 200 came."""

    async def ended(self, call_id: str) -> None:
        """The peer knows that it is over."""


@dataclass(frozen=True, slots=True)
class SessionSlot:
    """One of the sessions that a peer gives, for a channel that has no other just now.

    Devices drop or mix up a second live view of one channel by the same viewer.
    """

    of_peer: asyncio.Semaphore
    of_channel: asyncio.Lock

    async def acquire(self) -> None:
        """Wait for both; cancelled, none is kept."""
        await self.of_channel.acquire()
        try:
            await self.of_peer.acquire()
        except BaseException:
            self.of_channel.release()
            raise

    def release(self) -> None:
        """Let others have both."""
        self.of_peer.release()
        self.of_channel.release()

    @property
    def channel_in_use(self) -> bool:
        """Whether another visit has the channel."""
        return self.of_channel.locked()


@dataclass(slots=True, kw_only=True)
class Gb28181Visits:
    """Makes the visits of an endpoint; `now` is the UTC clock."""

    endpoint: Gb28181Endpoint
    ports: PortPool
    journal: SessionJournal
    now: Callable[[], datetime]
    media_host: str = "127.0.0.1"  # where media sockets listen
    catalog_note: Callable[[str, str], Awaitable[str]] | None = None  # of a channel, for a probe
    releasing: set[asyncio.Task[None]] = field(default_factory=set)
    sources: StreamSources = field(init=False)
    _slots: dict[str, asyncio.Semaphore] = field(default_factory=dict)
    _channels: dict[tuple[str, str], asyncio.Lock] = field(default_factory=dict)
    _transports: dict[str, str] = field(default_factory=dict)  # what works with each peer

    def __post_init__(self) -> None:
        self.sources = StreamSources(self.endpoint.platform.identity.domain)

    async def capture(
        self, name: str, channel: str, options: VisitOptions, *, sub_stream: bool = False
    ) -> Sample:
        """Make one visit. Raises StreamError, and only StreamError (cancellation apart)."""
        endpoint = self.endpoint
        deadline_s = endpoint.now_s + options.visit_timeout_s
        peer = endpoint.platform.peers[name]
        await self._reachable(peer, min(options.connect_timeout_s, options.visit_timeout_s))
        flow = peer.flow
        options.reach("registered", f"{flow.transport} {flow.host}:{flow.port}" if flow else "")
        if options.on_stage is not None and self.catalog_note is not None:
            options.reach("catalogue", await self.catalog_note(name, channel))
        visit = _Visit(
            visits=self,
            peer=peer,
            channel=channel,
            options=options,
            sub_stream=sub_stream,
            slot=SessionSlot(
                self._slots.setdefault(name, asyncio.Semaphore(peer.config.sessions)),
                self._channels.setdefault((name, channel), asyncio.Lock()),
            ),
            deadline_s=deadline_s,
        )
        return await visit.run()

    async def _reachable(self, peer: Peer, timeout_s: float) -> None:
        """Wait until the peer can be asked. Raises Unreachable."""
        until_s = self.endpoint.now_s + timeout_s
        while not peer.is_reachable(self.endpoint.now_s):
            left_s = until_s - self.endpoint.now_s
            if left_s <= 0 or not peer.may_be_reachable_by(until_s):
                raise _unreachable(peer)
            await self.endpoint.changed(min(left_s, 0.5))

    def transports(self, peer: Peer) -> list[str]:
        """The transports to offer, the likeliest first."""
        first = self._transports.get(peer.config.name, peer.config.media)
        return [first, *(transport for transport in TRANSPORTS if transport != first)]

    def prefer(self, peer: Peer, transport: str) -> None:
        """Begin with this transport from now on."""
        self._transports[peer.config.name] = transport

    def release(self, opened: "_Opened") -> None:
        """Hang up now; the rest follows in a task of its own, whatever becomes of the visit."""
        opened.media.listening = False
        self.endpoint.platform.sessions.close(opened.session, self.endpoint.now_s)
        self.endpoint.pump()
        ending = self._end(opened)
        task = asyncio.get_running_loop().create_task(ending, name="end GB/T 28181 session")
        self.releasing.add(task)
        task.add_done_callback(self.releasing.discard)

    async def _end(self, opened: "_Opened") -> None:
        session, media, held = opened.session, opened.media, True
        try:
            while not session.is_over:
                if held and session.state is SessionState.GIVEN_UP:
                    held = False  # nothing is sent; an answer that comes yet is ended at once
                    opened.slot.release()
                opened.happened.clear()
                await opened.happened.wait()
            if SessionEvent.ABANDONED not in session.events:
                await self.journal.ended(session.dialog.call_id)
        finally:
            self.endpoint.forget(session)
            if held:
                opened.slot.release()
            try:
                await self._linger(session, media)
            finally:
                media.close()
                self.ports.give_back(media.port)
                self.sources.give_back(session.source)

    async def _linger(self, session: InviteSession, media: MediaSocket) -> None:
        """Keep the port for late packets; a stream that goes on behind its BYE is told."""
        if media.transport != UDP:
            media.close()
            return
        await asyncio.sleep(LINGER_S / 2)
        middle = media.bytes_received
        await asyncio.sleep(LINGER_S / 2)
        if media.bytes_received > middle:
            self.endpoint.platform.refuse("media goes on behind its BYE", session.dialog.peer)
            self.endpoint.pump()

    async def close(self, timeout_s: float) -> None:
        """Wait until every session is over."""
        if self.releasing:
            await asyncio.wait(set(self.releasing), timeout=timeout_s)
        for task in list(self.releasing):
            task.cancel()
        await asyncio.gather(*self.releasing, return_exceptions=True)


def _refused_or_away(peer: Peer, seen: str) -> Unreachable:
    """The error of a peer that does not answer, with what was wrong with its newest REGISTER."""
    if not peer.refused:
        return Unreachable(seen)
    whole = f"{seen}; its REGISTER was refused: {peer.refused}"
    return Unreachable(whole, reason=REGISTRATION_REFUSED)


def _unreachable(peer: Peer) -> Unreachable:
    config = peer.config
    if config.registers_here:
        known = "is not registered here (any more)" if peer.flow else "has not registered here"
        return _refused_or_away(peer, f"{config.name} {known}")
    problem = peer.client.problem if peer.client is not None else ""
    why = f": {problem}" if problem else " yet"
    return Unreachable(f"we are not registered with {config.name}{why}")


@dataclass(frozen=True, slots=True, eq=False)
class _Opened:
    """A session, and what is held for it until its end."""

    session: InviteSession
    happened: asyncio.Event
    media: MediaSocket
    slot: SessionSlot  # it is taken


@dataclass(slots=True, eq=False, kw_only=True)
class _Visit:
    """The state of one visit."""

    visits: Gb28181Visits
    peer: Peer
    channel: str
    options: VisitOptions
    sub_stream: bool
    slot: SessionSlot
    deadline_s: float
    asked_key_frame: bool = False

    @property
    def _now_s(self) -> float:
        return self.visits.endpoint.now_s

    async def run(self) -> Sample:
        """Try the transports in turn. Raises StreamError."""
        for transport in self.visits.transports(self.peer):
            sample = await self._try(transport)
            if sample is not None:
                return sample
        raise Unreadable("the peer accepts no offer: neither TCP passive, active, nor UDP")

    async def _try(self, transport: str) -> Sample | None:
        """One session; None where the peer does not accept the transport."""
        await self._take_slot()
        happened = asyncio.Event()
        try:
            collector = PictureCollector(transport, self.options, self.visits.now, happened)
            self._bind(collector.media)
            session = self._session(collector.media)
        except BaseException:
            self.slot.release()
            raise
        self.visits.endpoint.watch(session, happened)
        try:
            await self.visits.journal.opened(session.dialog)
            self.visits.endpoint.platform.sessions.start(session, self._now_s)
            self.visits.endpoint.pump()
            self.options.reach("invited", transport)
            if not await self._answered(session, collector, happened):
                return None
            return await self._collect(session, collector)
        finally:
            self.visits.release(_Opened(session, happened, collector.media, self.slot))

    async def _take_slot(self) -> None:
        """Wait for a session of the peer's. Raises StreamBusy."""
        most_s = min(self.options.connect_timeout_s, self.deadline_s - self._now_s)
        try:
            async with asyncio.timeout(max(0.1, most_s)):
                await self.slot.acquire()
        except TimeoutError:
            config = self.peer.config
            seen = f"all {config.sessions} sessions of {config.name} are in use"
            if self.slot.channel_in_use:
                seen = f"channel {self.channel} of {config.name} is in use by another visit"
            raise StreamBusy(seen, status=486) from None

    def _bind(self, media: MediaSocket) -> None:
        """Let the media socket listen on a port of the pool. Raises StreamBusy."""
        for _ in range(MAX_PORT_TRIES):
            try:
                port = self.visits.ports.take()
            except NoPortLeft:
                break
            try:
                media.bind(self.visits.media_host, port)
            except OSError:  # another program has it: it goes to the end of the queue
                self.visits.ports.give_back(port)
                continue
            return
        raise StreamBusy("no media port is free; widen media_ports in sources.yaml")

    def _session(self, media: MediaSocket) -> InviteSession:
        config, build = self.peer.config, self.visits.endpoint.platform.build
        flow, source = self.peer.flow, self.visits.sources.take()
        if flow is None or source is None:
            media.close()
            self.visits.ports.give_back(media.port)
            if source is None:
                raise StreamBusy("every stream source of the domain is in use")
            self.visits.sources.give_back(source)
            raise _unreachable(self.peer)
        offer = make_offer(
            owner=self.channel if config.offer_names_channel else build.identity.id,
            host=config.media_host or build.identity.advertise or flow.local,
            port=media.port,
            transport=media.transport,
            source=source,
            extra=(*config.extra_sdp, *(config.sub_stream_sdp if self.sub_stream else ())),
        )
        return build.invite(config, flow, self.channel, source, offer)

    async def _answered(
        self, session: InviteSession, collector: PictureCollector, happened: asyncio.Event
    ) -> bool:
        """Wait for the 200; False where another transport is to be tried. Raises StreamError."""
        began_s = self._now_s
        while not session.events and self._now_s < self.deadline_s:
            happened.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.deadline_s - self._now_s):
                    await happened.wait()
        event = session.events.pop(0) if session.events else None
        if event is SessionEvent.REFUSED:
            if session.status in _UNACCEPTABLE:
                return False
            raise refusal(session.status, session.reason)
        if event is SessionEvent.HUNG_UP:  # its BYE overtook its 200, or it changed its mind
            raise WentSilent("the peer ended the session before it answered the INVITE")
        if event is not SessionEvent.ANSWERED:
            seen = f"no answer to INVITE in {self._now_s - began_s:.1f} s"
            raise _refused_or_away(self.peer, seen)
        await self.visits.journal.answered(session.dialog)
        await self._begin_media(session, collector)
        return True

    async def _begin_media(self, session: InviteSession, collector: PictureCollector) -> None:
        answer, media = session.answer, collector.media
        if answer is None:
            raise Unreadable("the answer to INVITE describes no video")
        if answer.port == 0:
            raise RefusedUs("the answer names port 0: the peer does not send")
        self.options.reach("answered", f"{answer.host}:{answer.port}")
        try:
            await media.answered(answer, session.dialog.flow.host, self._is_of_peer)
        except (OSError, TimeoutError) as exc:
            what = os_error_text(exc) if isinstance(exc, OSError) else "no answer in time"
            self._prefer_next(media.transport)
            raise Unreachable(f"media at {answer.host}:{answer.port}: {what}") from None
        collector.begin()

    def _is_of_peer(self, host: str) -> bool:
        """Whether a host is of the peer's own networks, where it has some."""
        return bool(self.peer.config.networks) and self.peer.config.allows(host)

    async def _collect(self, session: InviteSession, collector: PictureCollector) -> Sample:
        """Wait for enough key frames. Raises StreamError."""
        config, media = self.peer.config, collector.media
        while not collector.sampler.done:
            problem = collector.problem(self.deadline_s, config.media_s)
            if SessionEvent.HUNG_UP in session.events:
                problem = collector.no_picture("the peer ended the session")
            if problem is not None and collector.sampler.kept:
                break
            if problem is not None:
                if not collector.has_media:
                    self._prefer_next(media.transport)
                raise problem
            self._ask_for_key_frame(collector)
            await collector.wait(self.deadline_s - self._now_s)
        self.visits.prefer(self.peer, media.transport)
        return collector.sample()

    def _ask_for_key_frame(self, collector: PictureCollector) -> None:
        """Once, where media comes and no key frame is in it."""
        waits = collector.has_media and not collector.sampler.kept
        late = self._now_s >= collector.answered_s + ASK_KEY_FRAME_AFTER_S
        if waits and late and not self.asked_key_frame:
            self.asked_key_frame = True
            platform, name = self.visits.endpoint.platform, self.peer.config.name
            platform.ask_key_frame(name, self.channel, self._now_s)
            self.visits.endpoint.pump()

    def _prefer_next(self, transport: str) -> None:
        """The next visit to this peer begins with the next transport."""
        at = (TRANSPORTS.index(transport) + 1) % len(TRANSPORTS)
        self.visits.prefer(self.peer, TRANSPORTS[at])


def refusal(status: int, reason: str) -> StreamError:
    """The error of an INVITE that was refused."""
    seen = f"INVITE was answered {status} {reason[:60]}".rstrip()
    if status in _BUSY:
        return StreamBusy(seen, status=486)
    if status in _NO_SUCH:
        return RefusedUs(f"{seen}: the peer does not know this channel")
    if status in _AWAY:
        return Unreachable(f"{seen}: the channel is offline")
    if status in _UNDER_WAY:
        return RefusedUs(seen)
    if status >= _SERVER_FAULT:
        return StreamBusy(seen, status=status)
    return Unreadable(seen)
