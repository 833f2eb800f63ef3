"""Requests of a GB/T 28181 platform, as its peers want to see them. Pure.

From always has a tag, Via and Contact are our own address towards that peer, an INVITE has its
Subject: it is mandatory, and devices drop an older stream of the same sender by it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from streams.address import host_text
from streams.gb28181.invite_session import Dialog, InviteSession
from streams.gb28181.manscdp import CONTENT_TYPE
from streams.gb28181.peers import CatalogSubscription, PeerConfig
from streams.gb28181.sip_message import SipMessage
from streams.gb28181.transactions import Flow

USER_AGENT: Final = "patrol-streams"
BRANCH_COOKIE: Final = "z9hG4bK"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who we are."""

    id: str  # 20 digits
    domain: str
    port: int  # of SIP, UDP and TCP
    token: Callable[[], str]  # a random hexadecimal text
    advertise: str = ""  # our address as peers see it; empty: the one that leads to each


@dataclass(frozen=True, slots=True)
class RequestBuilder:
    """Builds requests of ours."""

    identity: Identity

    def local(self, flow: Flow) -> str:
        """Our address towards a peer, with the port."""
        host = self.identity.advertise or flow.local or "127.0.0.1"
        return f"{host_text(host)}:{self.identity.port}"

    def with_via(self, request: SipMessage, flow: Flow, branch: str = "") -> SipMessage:
        """The request with our Via on top; ACK to a refusal and CANCEL keep their INVITE's."""
        if request.get("via"):
            return request
        branch = branch or BRANCH_COOKIE + self.identity.token()
        via = f"SIP/2.0/{flow.transport.upper()} {self.local(flow)};rport;branch={branch}"
        return replace(request, headers=(("via", via), *request.headers))

    def contact(self, flow: Flow) -> str:
        """Our Contact."""
        return f"<sip:{self.identity.id}@{self.local(flow)}>"

    def message(
        self, peer: PeerConfig, flow: Flow, body: bytes, cseq: int, to: str = ""
    ) -> SipMessage:
        """A MESSAGE with a MANSCDP body; `to`: a channel's code, else the peer's."""
        code = to or peer.id
        at = f"{host_text(flow.host)}:{flow.port}"
        return SipMessage(
            method="MESSAGE",
            uri=f"sip:{code}@{at}",
            headers=(
                ("from", self._us()),
                ("to", f"<sip:{code}@{peer.id[:10]}>"),
                *self._common(cseq, "MESSAGE"),
                ("content-type", CONTENT_TYPE),
            ),
            body=body,
        )

    def register(
        self,
        peer: PeerConfig,
        flow: Flow,
        *,
        call: tuple[str, str, int],
        authorization: str | None,
        expires_s: int,
    ) -> SipMessage:
        """A REGISTER of ours, which logs out with 0 s; `call` is Call-ID, From tag, CSeq."""
        call_id, tag, cseq = call
        us = self._address
        signed = (("authorization", authorization),) if authorization else ()
        return SipMessage(
            method="REGISTER",
            uri=self.register_uri(peer),
            headers=(
                ("from", f"{us};tag={tag}"),
                ("to", us),
                ("call-id", call_id),
                ("cseq", f"{cseq} REGISTER"),
                ("contact", self.contact(flow)),
                ("max-forwards", "70"),
                ("user-agent", USER_AGENT),
                ("expires", str(expires_s)),
                ("x-gb-ver", peer.edition),
                *signed,
            ),
        )

    @staticmethod
    def register_uri(peer: PeerConfig) -> str:
        """The Request-URI of REGISTER: the server's own code."""
        return f"sip:{peer.id}@{peer.id[:10]}"

    def subscribe(
        self,
        peer: PeerConfig,
        flow: Flow,
        subscription: CatalogSubscription,
        body: bytes,
        *,
        expires_s: int,
    ) -> SipMessage:
        """A SUBSCRIBE to the catalogue: the first, a refresh, or with 0 s the end."""
        tag = f";tag={subscription.to_tag}" if subscription.to_tag else ""
        return SipMessage(
            method="SUBSCRIBE",
            uri=f"sip:{peer.id}@{host_text(flow.host)}:{flow.port}",
            headers=(
                ("from", f"{self._address};tag={subscription.from_tag}"),
                ("to", f"<sip:{peer.id}@{peer.id[:10]}>{tag}"),
                ("call-id", subscription.call_id),
                ("cseq", f"{subscription.cseq} SUBSCRIBE"),
                ("contact", self.contact(flow)),
                ("max-forwards", "70"),
                ("user-agent", USER_AGENT),
                ("event", f"Catalog;id={subscription.event_id}"),
                ("expires", str(expires_s)),
                ("content-type", CONTENT_TYPE),
            ),
            body=body,
        )

    def invite(
        self, peer: PeerConfig, flow: Flow, channel: str, source: str, offer: str
    ) -> InviteSession:
        """A session with its INVITE, whose Via is set: CANCEL and ACK share it."""
        tag, call_id = self.identity.token(), self._call_id(flow)
        at = f"{host_text(flow.host)}:{flow.port}"
        invite = SipMessage(
            method="INVITE",
            uri=f"sip:{channel}@{at}",
            headers=(
                ("from", f"{self._address};tag={tag}"),
                ("to", f"<sip:{channel}@{at}>"),
                ("call-id", call_id),
                ("cseq", "1 INVITE"),
                ("contact", self.contact(flow)),
                ("max-forwards", "70"),
                ("user-agent", USER_AGENT),
                ("subject", f"{channel}:{source},{self.identity.id}:0"),
                ("content-type", "APPLICATION/SDP"),
            ),
            body=offer.encode("ascii"),
        )
        dialog = Dialog(peer=peer.name, channel=channel, call_id=call_id, from_tag=tag, flow=flow)
        return InviteSession(dialog, self.with_via(invite, flow), source=source)

    @property
    def _address(self) -> str:
        return f"<sip:{self.identity.id}@{self.identity.domain}>"

    def _us(self) -> str:
        return f"{self._address};tag={self.identity.token()}"

    def _call_id(self, flow: Flow) -> str:
        return f"{self.identity.token()}@{flow.local or self.identity.domain}"

    def _common(self, cseq: int, method: str) -> Sequence[tuple[str, str]]:
        return (
            ("call-id", f"{self.identity.token()}@{self.identity.domain}"),
            ("cseq", f"{cseq} {method}"),
            ("max-forwards", "70"),
            ("user-agent", USER_AGENT),
        )
