"""This side of GB/T 28181 as one state machine: peers, catalogues, alarms, sessions. Sans-io.

Messages and the time come in (`receive`, `tick`), messages to send stand in `outbox`, what happened
in `events`. A long catalogue is read piece by piece: `read_next` is called while something is
`unread`. What a peer may do here: register (with digest, if it is on the list and comes from where
it may), give signs of life, answer our queries, send alarms and notices, end a session. All else is
refused, counted by reason, and told once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from streams.gb28181.catalog import Catalog, CatalogAssembler
from streams.gb28181.events import (
    AlarmReceived,
    CatalogNoticed,
    CatalogReceived,
    PeerGone,
    PeerRegistered,
    PlatformEvent,
    Refused,
)
from streams.gb28181.long_documents import WaitingPiece, WaitingPieces, pieces_of
from streams.gb28181.manscdp import (
    Command,
    alarm_taken,
    empty_catalog,
    faulty_devices,
    key_frame_command,
    query,
    read_alarm,
    read_catalog,
    read_command,
)
from streams.gb28181.peers import MISSED_KEEPALIVES, Peer, PeerConfig, Refusals
from streams.gb28181.registrar import Registrar
from streams.gb28181.requests import Identity, RequestBuilder
from streams.gb28181.sessions import Sessions
from streams.gb28181.sip_message import SipMessage, respond
from streams.gb28181.transactions import (
    FINAL,
    ClientTransaction,
    ClientTransactions,
    Flow,
    KeptAnswers,
    RequestOwner,
    answer_key,
)
from streams.gb28181.upward import Upward
from streams.gb28181.xml_text import BadXml

REQUEST_S: Final = 8.0  # for the answer to a MESSAGE
MAX_ASSEMBLERS: Final = 8  # queries of one peer under way
MAX_WAITING_REQUESTS: Final = 1000  # of ours: in a storm of alarms no more are answered apart
_METHODS: Final = frozenset(
    {"INVITE", "SUBSCRIBE", "INFO", "PUBLISH", "CANCEL", "UPDATE", "PRACK", "REFER"}
)


@dataclass(slots=True, eq=False)
class Gb28181Platform:
    """The state machine; `key` signs nonces and is random for each process."""

    identity: Identity
    configs: Sequence[PeerConfig]
    key: bytes = field(repr=False)
    local_host: Callable[[str], str]  # our address that leads to a host
    outbox: list[tuple[Flow, bytes]] = field(default_factory=list)
    events: list[PlatformEvent] = field(default_factory=list)
    refusals: Refusals = field(default_factory=Refusals)
    peers: dict[str, Peer] = field(init=False)
    sessions: Sessions = field(init=False)
    unread: WaitingPieces = field(default_factory=WaitingPieces)
    build: RequestBuilder = field(init=False)
    _by_code: dict[str, Peer] = field(init=False)
    _registrar: Registrar = field(init=False)
    _upward: Upward = field(init=False)
    _client: ClientTransactions = field(default_factory=ClientTransactions)
    _answers: KeptAnswers = field(default_factory=KeptAnswers)
    _owners: dict[tuple[str, str], RequestOwner] = field(default_factory=dict)
    _cseq: int = 0

    def __post_init__(self) -> None:
        self.peers = {config.name: Peer(config) for config in self.configs}
        self._by_code = {peer.config.id: peer for peer in self.peers.values()}
        self.build = RequestBuilder(self.identity)
        self._registrar = Registrar(self.identity.domain, self.key, self._by_code, self.refuse)
        self.sessions = Sessions(self)
        self._upward = Upward(self)
        for peer in self.peers.values():
            self._upward.prepare(peer)

    def use_port(self, port: int) -> None:
        """Our SIP port, where the system chose it."""
        self.identity = replace(self.identity, port=port)
        self.build = RequestBuilder(self.identity)

    # -- in -------------------------------------------------------------------------------------

    def receive(self, message: SipMessage, flow: Flow, now_s: float, wall: datetime) -> None:
        """Take a message. `wall`: the site's local time, for answers to REGISTER."""
        if message.status:
            self._on_response(message, flow, now_s)
            return
        if message.method == "ACK":
            return
        key = answer_key(message, flow)
        kept = self._answers.get(key, now_s)
        if kept is not None:
            self.outbox.append((flow, kept))
            return
        answer = self._answer(message, flow, now_s, wall)
        if answer is not None:
            data = answer.dump()
            self._answers.keep(key, data, now_s)
            self.outbox.append((flow, data))
        self._after_answer(message, flow, now_s)

    def _answer(
        self, message: SipMessage, flow: Flow, now_s: float, wall: datetime
    ) -> SipMessage | None:
        if message.method == "REGISTER":
            return self._registered(message, flow, now_s, wall)
        if message.method in {"MESSAGE", "NOTIFY"}:
            return self._on_command(message, flow, now_s)
        if message.method == "BYE":
            return self._on_bye(message, flow, now_s)
        if message.method == "OPTIONS":
            return self._respond(message, flow, 200, "OK")
        what = message.method.lower() if message.method in _METHODS else "an unknown method"
        self.refuse(f"{what} asked of us", flow.host)
        return self._respond(message, flow, 403, "Forbidden")

    def _respond(self, request: SipMessage, flow: Flow, status: int, reason: str) -> SipMessage:
        return respond(
            request,
            status,
            reason,
            to_tag=self.identity.token(),
            received=(flow.host, flow.port),
        )

    def refuse(self, reason: str, origin: str, seen: str = "") -> None:
        """Count what is refused or ignored; the first of a kind is an event."""
        if self.refusals.count(reason, origin):
            self.events.append(Refused(reason, origin, seen))

    # -- registration ---------------------------------------------------------------------------

    def _registered(
        self, message: SipMessage, flow: Flow, now_s: float, wall: datetime
    ) -> SipMessage:
        result = self._registrar.answer(message, flow, now_s, wall, self.identity.token())
        peer = result.peer
        if peer is not None and result.expires_s:
            changed = peer.flow != flow or not peer.online
            self._follow(peer, flow, now_s)
            peer.flow, peer.online, peer.last_seen_s = flow, True, now_s
            peer.registered_until_s = now_s + result.expires_s
            self.events.append(PeerRegistered(peer.config.name, flow, result.expires_s, changed))
            self._upward.subscribe_soon(peer, now_s, anew=changed)
        elif peer is not None:
            peer.registered_until_s, peer.online = None, False
            self.events.append(PeerGone(peer.config.name, "it logged out"))
        return result.response

    def restore(self, name: str, flow: Flow, expires_s: float, now_s: float) -> None:
        """A registration that an earlier run accepted; over TCP its connection is gone."""
        peer = self.peers.get(name)
        if peer is not None and peer.config.registers_here and flow.over_udp:
            peer.flow, peer.last_seen_s, peer.online = flow, now_s, True
            peer.registered_until_s = now_s + expires_s
            self._upward.subscribe_soon(peer, now_s)

    def connection_lost(self, connection: int, now_s: float) -> None:
        """A TCP connection ended: the peers reached by it are offline (§9.1 of 2022)."""
        for peer in self.peers.values():
            flow = peer.flow
            if flow is not None and not flow.over_udp and flow.connection == connection:
                self._upward.lost(peer, now_s)
                if peer.config.registers_here:
                    peer.flow, peer.online, peer.registered_until_s = None, False, None
                    self.events.append(PeerGone(peer.config.name, "its connection ended"))

    # -- commands of peers ----------------------------------------------------------------------

    def peer_of(self, message: SipMessage, flow: Flow) -> Peer | None:
        """The peer that a request comes from; None, counted, where it may not."""
        peer = self._by_code.get(message.sender.user) or self._speaking_from(flow)
        if peer is None:
            self.refuse("a peer that is not on the list", flow.host)
            return None
        if not peer.config.allows(flow.host):
            self.refuse(f"peer {peer.config.name} from an address that is not its own", flow.host)
            return None
        return peer

    def _speaking_from(self, flow: Flow) -> Peer | None:
        """The peer at the other end of a flow, whatever code it signs with.

        Platforms send for their own lower ones and for cameras under these codes, as does a server
        that a 302 led to.
        """
        return next((p for p in self.peers.values() if p.flow and p.flow.same_end(flow)), None)

    def _on_command(self, message: SipMessage, flow: Flow, now_s: float) -> SipMessage:
        peer = self.peer_of(message, flow)
        if peer is None or (peer.config.registers_here and not self._may_speak(peer, flow, now_s)):
            return self._respond(message, flow, 403, "Forbidden")
        try:
            first, *rest = pieces_of(message.body)
            command = read_command(first)
        except BadXml as exc:
            self.refuse(f"unreadable XML: {exc}", peer.config.name)
            return self._respond(message, flow, 400, "Bad Request")
        self._seen(peer, flow, now_s)
        peer.charset = command.charset
        if rest and not self.unread.can_hold(sum(map(len, rest))):
            self.refuse("more of long catalogues than can wait", peer.config.name)
            return self._respond(message, flow, 503, "Service Unavailable")
        notice = message.method == "NOTIFY"
        self._obey(peer, command, now_s, notice=notice)
        if command.name == "catalog":  # nothing else is that long
            self._read_later(peer, command.number, rest, notice=notice)
        return self._respond(message, flow, 200, "OK")  # without a body: some choke on one

    def _read_later(self, peer: Peer, number: int, rest: list[bytes], *, notice: bool) -> None:
        """Let the rest of a long catalogue wait; its query is not over before it is read."""
        assembler = peer.assemblers.get(number)
        if assembler is not None:
            assembler.unread += len(rest)
        for data in rest:
            self.unread.add(WaitingPiece(peer, number, data, notice))

    def read_next(self, now_s: float) -> None:
        """Read the piece of a long catalogue that waits longest; a few milliseconds."""
        piece = self.unread.take()
        peer = piece.peer
        assembler = peer.assemblers.get(piece.number)
        if assembler is not None:
            assembler.unread -= 1
        try:
            self._obey(peer, read_command(piece.data), now_s, notice=piece.notice)
        except BadXml as exc:
            self.refuse(f"unreadable XML: {exc}", peer.config.name)

    def _may_speak(self, peer: Peer, flow: Flow, now_s: float) -> bool:
        """Whether a peer is registered, and speaks from the host that it registered from."""
        if not peer.is_reachable(now_s) or peer.flow is None:
            self.refuse(f"peer {peer.config.name} before it registered", flow.host)
            return False
        if peer.flow.host != flow.host:
            self.refuse(f"peer {peer.config.name} from another host than it registered", flow.host)
            return False
        return True

    def _seen(self, peer: Peer, flow: Flow, now_s: float) -> None:
        """The newest flow is where requests go: behind NAT the port changes without REGISTER."""
        changed = peer.flow != flow
        peer.last_seen_s = now_s
        if peer.config.registers_here and (changed or not peer.online):
            self._follow(peer, flow, now_s)
            peer.flow, peer.online = flow, True
            left_s = max(0.0, (peer.registered_until_s or now_s) - now_s)
            self.events.append(PeerRegistered(peer.config.name, flow, int(left_s), changed))
        peer.online = True

    def _follow(self, peer: Peer, flow: Flow, now_s: float) -> None:
        """Requests that wait for an answer go where the peer is now: it started again, or NAT."""
        if peer.flow is not None and not peer.flow.same_end(flow):
            moved = self._client.move(peer.flow, flow, now_s)
            self.outbox += [(flow, transaction.data) for transaction in moved]

    def _obey(self, peer: Peer, command: Command, now_s: float, *, notice: bool) -> None:
        name = command.name
        if name == "keepalive":
            peer.faulty = faulty_devices(command)
        elif name == "catalog" and command.kind == "response":
            self._on_catalog(peer, command, now_s)
        elif name == "catalog" and command.kind == "notify":
            self.events.append(CatalogNoticed(peer.config.name, read_catalog(command).items))
        elif name == "alarm" and command.kind == "notify":
            self._on_alarm(peer, command, now_s, notice=notice)
        elif name == "catalog" and command.kind == "query":
            body = empty_catalog(
                command.number, self.identity.id, version_2022=peer.config.version_2022
            )
            self.send_command(peer, body, now_s)
        elif command.kind not in {"response", "notify"} or not name:
            self.refuse(f"command {name[:30] or 'without a name'}", peer.config.name)

    def _on_catalog(self, peer: Peer, command: Command, now_s: float) -> None:
        assembler = peer.assemblers.get(command.number)
        if assembler is None:
            self.refuse("a catalogue that nobody asked for", peer.config.name)
            return
        assembler.add(read_catalog(command), now_s)

    def _catalog_done(self, peer: Peer, assembler: CatalogAssembler, catalog: Catalog) -> None:
        del peer.assemblers[assembler.number]
        self.events.append(CatalogReceived(peer.config.name, assembler.number, catalog))

    def _on_alarm(self, peer: Peer, command: Command, now_s: float, *, notice: bool) -> None:
        if not notice and len(self._client) < MAX_WAITING_REQUESTS:
            body = alarm_taken(
                command.number, command.device, version_2022=peer.config.version_2022
            )
            self.send_command(peer, body, now_s)
        if not peer.config.alarms:
            self.refuse("an alarm of a peer whose alarms are not taken", peer.config.name)
            return
        alarm = read_alarm(command)
        if not peer.is_new_alarm(alarm):
            return
        if peer.may_keep_alarm(now_s):
            self.events.append(AlarmReceived(peer.config.name, alarm))
        else:
            self.refuse("more alarms of a peer than are kept a minute", peer.config.name)

    def _on_bye(self, message: SipMessage, flow: Flow, now_s: float) -> SipMessage:
        if self.sessions.on_bye(message.call_id, now_s):
            return self._respond(message, flow, 200, "OK")
        return self._respond(message, flow, 481, "Call/Transaction Does Not Exist")

    # -- what we ask ----------------------------------------------------------------------------

    def query_catalog(self, name: str, now_s: float) -> int | None:
        """Ask a peer for its catalogue; the number of the query, None where it cannot be asked."""
        peer = self.peers[name]
        if not peer.is_reachable(now_s) or len(peer.assemblers) >= MAX_ASSEMBLERS:
            return None
        number = peer.next_sn()
        config = peer.config
        peer.assemblers[number] = CatalogAssembler(
            number=number, regions=config.regions, idle_s=config.catalog_s, last_at_s=now_s
        )
        asked = peer.asked_as.id
        body = query("Catalog", number, asked, version_2022=config.version_2022)
        self.send_command(peer, body, now_s)
        return number

    def leave(self, now_s: float) -> None:
        """Log out where we registered, and end our subscriptions."""
        self._upward.leave(now_s)

    @property
    def is_leaving(self) -> bool:
        """Whether a peer has not answered our farewell yet."""
        return bool(self._upward.leaving)

    def ask_key_frame(self, name: str, channel: str, now_s: float) -> None:
        """Ask a camera for a key frame; nobody waits for the answer."""
        peer = self.peers[name]
        body = key_frame_command(peer.next_sn(), channel, version_2022=peer.config.version_2022)
        self.send_command(peer, body, now_s, to=channel)

    def send_command(self, peer: Peer, body: bytes, now_s: float, to: str = "") -> None:
        """A MESSAGE to a peer; a missing answer is counted, not waited for."""
        flow = peer.flow
        if flow is None:
            return
        self._cseq += 1
        message = self.build.message(peer.asked_as, flow, body, self._cseq, to)
        name = peer.config.name

        def on_answer(response: SipMessage, _flow: Flow, _now_s: float) -> None:
            if response.status >= 300:  # noqa: PLR2004
                self.refuse(f"our command was answered {response.status}", name)

        def on_timeout(_request: SipMessage, _now_s: float) -> None:
            self.refuse("our command was not answered", name)

        self.send_request(message, flow, now_s, REQUEST_S, RequestOwner(on_answer, on_timeout))

    def send_request(
        self, message: SipMessage, flow: Flow, now_s: float, timeout_s: float, owner: RequestOwner
    ) -> None:
        """Send a request in a transaction of its own; `owner` is told of answer or time-out."""
        request = self.build.with_via(message, flow)
        transaction = self._client.start(request, flow, now_s, timeout_s)
        self._owners[transaction.key] = owner
        self.outbox.append((flow, transaction.data))

    # -- answers and time -----------------------------------------------------------------------

    def _on_response(self, response: SipMessage, flow: Flow, now_s: float) -> None:
        transaction = self._client.answered(response)
        if transaction is None:
            if not self.sessions.on_stray_response(response, flow, now_s):
                self.refuse("an answer that nobody waits for", flow.host)
            return
        owner = self._owners.get(transaction.key)
        if response.status >= FINAL:
            self._owners.pop(transaction.key, None)
        if owner is not None:
            owner.on_answer(response, flow, now_s)

    def _after_answer(self, message: SipMessage, flow: Flow, now_s: float) -> None:
        """What follows behind the answer: orphans of a peer that can be reached again."""
        if message.method == "REGISTER" and self.sessions.orphans:
            peer = self._by_code.get(message.sender.user)
            if peer is not None and peer.flow == flow and peer.is_reachable(now_s):
                self.sessions.end_orphans(peer.config.name, now_s)

    def tick(self, now_s: float) -> None:
        """Do what is due: repetitions, time-outs, refreshes, catalogues that came to their end."""
        repeated, timed_out = self._client.due(now_s)
        self.outbox += [(transaction.flow, transaction.data) for transaction in repeated]
        for transaction in timed_out:
            self._on_timeout(transaction, now_s)
        self.sessions.tick(now_s)
        for peer in self.peers.values():
            self._tick_peer(peer, now_s)

    def _on_timeout(self, transaction: ClientTransaction, now_s: float) -> None:
        owner = self._owners.pop(transaction.key, None)
        if owner is not None:
            owner.on_timeout(transaction.request, now_s)

    def _tick_peer(self, peer: Peer, now_s: float) -> None:
        for assembler in list(peer.assemblers.values()):
            catalog = assembler.due(now_s)
            if catalog is not None:
                self._catalog_done(peer, assembler, catalog)
        self._upward.tick(peer, now_s)
        silent_s = now_s - peer.last_seen_s
        quiet = silent_s > MISSED_KEEPALIVES * peer.config.keepalive_s
        if peer.config.registers_here and peer.online and quiet:
            peer.online = False
            self.events.append(PeerGone(peer.config.name, "no sign of life"))
