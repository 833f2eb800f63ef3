"""What we begin with a peer on our own: registering there, signs of life, subscribing. Pure.

A part of Gb28181Platform, which owns the peers and sends the requests.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from streams.gb28181.events import PeerGone, PeerRegistered
from streams.gb28181.manscdp import keep_alive, query
from streams.gb28181.peers import CatalogSubscription, Peer
from streams.gb28181.registration_client import RegistrationClient
from streams.gb28181.sip_message import SipMessage
from streams.gb28181.transactions import Flow, RequestOwner
from streams.rtsp.digest_auth import DigestAuthenticator

if TYPE_CHECKING:
    from streams.gb28181.platform import Gb28181Platform

REGISTER_S: Final = 8.0
KEEP_ALIVE_S: Final = 8.0
REFRESH_AT: Final = 0.8  # of a subscription's life
SUBSCRIBE_AFTER_S: Final = 1.0  # behind a registration: devices are busy then
RETRY_SUBSCRIBE_S: Final = 300.0
_OK: Final = 200
_REFUSED: Final = 300


@dataclass(slots=True, eq=False)
class Upward:
    """The requests that we repeat by the clock."""

    platform: "Gb28181Platform"
    leaving: set[str] = field(default_factory=set)  # what we took back and nobody answered yet
    _calls: dict[str, tuple[str, str, int]] = field(default_factory=dict)  # Call-ID, tag, CSeq
    _has_left: bool = False

    def prepare(self, peer: Peer) -> None:
        """Set up a peer that does not register here: its address is known."""
        config = peer.config
        if config.address is None or config.registers_here:
            return
        peer.flow = self._flow_to(peer, config.address)
        if not config.register_there:
            peer.online = True
            self.subscribe_soon(peer, 0.0)
            return
        user, password = config.user or self.platform.identity.id, config.password
        peer.client = RegistrationClient(
            home=config.address,
            expires_s=config.expires_s,
            keepalive_s=config.keepalive_s,
            login=lambda: DigestAuthenticator(user, password, make_cnonce=self._token),
            may_redirect_to=config.allows,
        )

    def tick(self, peer: Peer, now_s: float) -> None:
        """Send what is due to this peer."""
        if self._has_left:
            return
        client = peer.client
        if client is not None and client.is_due(now_s):
            self._register(peer, client, now_s)
        if client is not None and client.keep_alive_due(now_s):
            self._keep_alive(peer, client, now_s)
        subscription = peer.subscription
        if subscription is not None and now_s >= subscription.due_s and peer.is_reachable(now_s):
            self._subscribe(peer, subscription, now_s)

    def leave(self, now_s: float) -> None:
        """End what peers keep for us, subscriptions and registrations; `leaving` says who waits."""
        self._has_left = True
        for peer in self.platform.peers.values():
            subscription = peer.subscription
            if subscription is not None and subscription.established and peer.is_reachable(now_s):
                self._unsubscribe(peer, subscription, now_s)
            client = peer.client
            if client is not None and client.leave():
                self.leaving.add(peer.config.name)
                self._register(peer, client, now_s)

    def lost(self, peer: Peer, now_s: float) -> None:
        """The connection to a peer ended: the next REGISTER opens one anew."""
        if peer.client is not None:
            peer.client.on_lost(now_s)
            peer.flow = self._flow_to(peer, peer.client.target)

    def subscribe_soon(self, peer: Peer, now_s: float, *, anew: bool = False) -> None:
        """Subscribe to the catalogue of a peer that just became reachable.

        `anew`: it registered from elsewhere; a device that started again knows no subscription.
        """
        if anew:
            peer.subscription = None
        if peer.config.subscribe_catalog and peer.subscription is None:
            peer.subscription = self._new_subscription(now_s + SUBSCRIBE_AFTER_S)

    def _token(self) -> str:
        return self.platform.identity.token()

    def _flow_to(self, peer: Peer, address: tuple[str, int]) -> Flow:
        host, port = address
        return Flow(peer.config.sip_transport, host, port, self.platform.local_host(host))

    # -- registration ---------------------------------------------------------------------------

    def _register(self, peer: Peer, client: RegistrationClient, now_s: float) -> None:
        config, build = peer.asked_as, self.platform.build
        flow = peer.flow
        if flow is None or (flow.host, flow.port) != client.target:
            flow = self._flow_to(peer, client.target)
        call_id, tag, cseq = self._calls.get(config.name) or (self._token(), self._token(), 0)
        self._calls[config.name] = call = call_id, tag, cseq + 1
        request = build.register(
            config,
            flow,
            call=call,
            authorization=client.authorization(build.register_uri(config)),
            expires_s=client.asked_s,
        )
        owner = self._owner_of_register(peer, client, call)
        self.platform.send_request(request, flow, now_s, REGISTER_S, owner)

    def _owner_of_register(
        self, peer: Peer, client: RegistrationClient, call: tuple[str, str, int]
    ) -> RequestOwner:
        """Who hears what became of a REGISTER; that of one before the newest counts no more."""
        name = peer.config.name

        def on_answer(response: SipMessage, at: Flow, at_s: float) -> None:
            if response.status < _OK or self._calls[name] != call:
                return
            if client.on_response(response, at_s):
                self._register(peer, client, at_s)
            elif client.is_registered:
                self._registered(peer, client, at, at_s)
            else:
                self._failed(peer, client)

        def on_timeout(_request: SipMessage, at_s: float) -> None:
            if self._calls[name] == call:
                client.on_timeout(at_s)
                self._failed(peer, client)

        return RequestOwner(on_answer, on_timeout)

    def _failed(self, peer: Peer, client: RegistrationClient) -> None:
        """We are not registered there (any more); told when we were, or thought so."""
        name = peer.config.name
        if self._has_left:
            if not client.is_leaving:
                self.leaving.discard(name)
                peer.online = False
                self.platform.events.append(PeerGone(name, "we logged out"))
            return
        if not client.problem:
            return
        self.platform.refuse(f"not registered: {client.problem}", name)
        if peer.online:
            peer.online = False
            self.platform.events.append(PeerGone(name, f"not registered: {client.problem}"))

    def _registered(self, peer: Peer, client: RegistrationClient, flow: Flow, now_s: float) -> None:
        changed = peer.flow is None or not peer.online or not peer.flow.same_end(flow)
        peer.flow, peer.online, peer.last_seen_s = flow, True, now_s
        self.platform.events.append(
            PeerRegistered(peer.config.name, flow, client.granted_s, changed)
        )
        self.subscribe_soon(peer, now_s)
        if self.platform.sessions.orphans:
            self.platform.sessions.end_orphans(peer.config.name, now_s)

    def _keep_alive(self, peer: Peer, client: RegistrationClient, now_s: float) -> None:
        flow = peer.flow
        if flow is None:
            return
        config, platform = peer.asked_as, self.platform
        body = keep_alive(peer.next_sn(), platform.identity.id, version_2022=config.version_2022)
        message = platform.build.message(config, flow, body, peer.sn)

        def on_answer(response: SipMessage, _flow: Flow, at_s: float) -> None:
            if response.status >= _OK:
                client.on_keep_alive(answered=response.status < _REFUSED, now_s=at_s)

        def on_timeout(_request: SipMessage, at_s: float) -> None:
            if peer.flow is not None and peer.flow.same_end(flow):  # not of a server left since
                client.on_keep_alive(answered=False, now_s=at_s)

        platform.send_request(
            message, flow, now_s, KEEP_ALIVE_S, RequestOwner(on_answer, on_timeout)
        )

    # -- subscription ---------------------------------------------------------------------------

    def _new_subscription(self, due_s: float) -> CatalogSubscription:
        number = str(int(self._token()[:8], 16) % 100_000)
        return CatalogSubscription(self._token(), self._token(), number, due_s=due_s)

    def _subscribe(self, peer: Peer, subscription: CatalogSubscription, now_s: float) -> None:
        flow = peer.flow
        if flow is None:
            return
        config = peer.asked_as
        subscription.cseq += 1
        subscription.due_s = now_s + RETRY_SUBSCRIBE_S
        body = query("Catalog", peer.next_sn(), config.id, version_2022=config.version_2022)
        request = self.platform.build.subscribe(
            config, flow, subscription, body, expires_s=config.expires_s
        )

        def on_answer(response: SipMessage, _flow: Flow, at_s: float) -> None:
            if response.status >= _OK:
                self._subscribed(peer, subscription, response, at_s)

        def on_timeout(_request: SipMessage, _at_s: float) -> None:
            self.platform.refuse("our subscription was not answered", config.name)

        self.platform.send_request(
            request, flow, now_s, KEEP_ALIVE_S, RequestOwner(on_answer, on_timeout)
        )

    def _unsubscribe(self, peer: Peer, subscription: CatalogSubscription, now_s: float) -> None:
        flow, name = peer.flow, peer.config.name
        if flow is None:
            return
        config = peer.asked_as
        subscription.cseq += 1
        body = query("Catalog", peer.next_sn(), config.id, version_2022=config.version_2022)
        request = self.platform.build.subscribe(config, flow, subscription, body, expires_s=0)
        ended = f"{name}'s catalogue"
        self.leaving.add(ended)

        def on_answer(response: SipMessage, _flow: Flow, _at_s: float) -> None:
            if response.status >= _OK:
                self.leaving.discard(ended)

        def on_timeout(_request: SipMessage, _at_s: float) -> None:
            self.leaving.discard(ended)

        owner = RequestOwner(on_answer, on_timeout)
        self.platform.send_request(request, flow, now_s, KEEP_ALIVE_S, owner)

    def _subscribed(
        self, peer: Peer, subscription: CatalogSubscription, response: SipMessage, now_s: float
    ) -> None:
        if response.status < _REFUSED:
            granted_s = response.expires or peer.config.expires_s
            subscription.established, subscription.to_tag = True, response.recipient.tag
            subscription.due_s = now_s + REFRESH_AT * granted_s
        elif subscription.established:  # many refuse a refresh, and take a new subscription
            peer.subscription = self._new_subscription(now_s)
        else:
            self.platform.refuse(
                f"our subscription was answered {response.status}", peer.config.name
            )
