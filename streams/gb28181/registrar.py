"""Accepting registrations (GB/T 28181 §9.1): who may, with which answer. Pure.

Only codes on the list are challenged; a wrong password is 403, and after several they are refused
unread for a minute. Every REGISTER is authenticated, a refresh too: a Call-ID is no proof.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from streams.gb28181.peers import Peer
from streams.gb28181.sip_digest import DigestServer, LoginResult, digest_inputs
from streams.gb28181.sip_message import SipMessage, respond
from streams.gb28181.transactions import Flow

DEFAULT_EXPIRES_S: Final = 3600  # where a device names none
SHORTEST_S: Final = 60
RETRY_AFTER_S: Final = 60
LONGEST_S: Final = 7 * 86_400


RefuseRequest = Callable[[str, str, str], None]  # the reason, whose it is, what was seen


@dataclass(frozen=True, slots=True)
class RegistrarAnswer:
    """The response; `peer` where it is registered (`expires_s`) or logged out (0)."""

    response: SipMessage
    peer: Peer | None = None
    expires_s: int = 0


@dataclass(slots=True)
class Registrar:
    """Answers REGISTER."""

    domain: str
    key: bytes = field(repr=False)
    peers: Mapping[str, Peer]  # by code
    refuse: RefuseRequest
    _digest: DigestServer = field(init=False)

    def __post_init__(self) -> None:
        self._digest = DigestServer(self.domain, self.key)

    def answer(
        self, request: SipMessage, flow: Flow, now_s: float, wall: datetime, tag: str
    ) -> RegistrarAnswer:
        """The answer to a REGISTER at the local time `wall`."""
        received = flow.host, flow.port
        peer = self.peers.get(request.sender.user) or self.peers.get(request.recipient.user)
        refusal = self._refusal(peer, flow, now_s)
        if peer is None or refusal:
            if peer is not None:
                peer.refused = refusal
            self.refuse(refusal, flow.host, "")
            forbidden = respond(request, 403, "Forbidden", to_tag=tag, received=received)
            return RegistrarAnswer(forbidden)
        if peer.registers_too_often(flow.host, now_s):
            self.refuse(f"too many REGISTERs of peer {peer.config.name}", flow.host, "")
            later = (("retry-after", str(RETRY_AFTER_S)), *_version(peer))
            busy = respond(
                request, 503, "Service Unavailable", to_tag=tag, received=received, headers=later
            )
            return RegistrarAnswer(busy)
        result = self._check(request, peer, now_s)
        if result in {LoginResult.MISSING, LoginResult.STALE}:
            stale = result is LoginResult.STALE and bool(request.get("authorization"))
            challenge = ("www-authenticate", self._digest.challenge(now_s, stale=stale))
            unauthorized = respond(
                request,
                401,
                "Unauthorized",
                to_tag=tag,
                received=received,
                headers=(challenge, *_version(peer)),
            )
            return RegistrarAnswer(unauthorized)
        if result is LoginResult.WRONG:
            peer.wrong_passwords.append((now_s, flow.host))
            peer.refused = f"a wrong password of peer {peer.config.name}"
            self.refuse(peer.refused, flow.host, digest_inputs(request.get("authorization")))
            forbidden = respond(
                request, 403, "Forbidden", to_tag=tag, received=received, headers=_version(peer)
            )
            return RegistrarAnswer(forbidden)
        return self._accept(request, peer, flow, wall, tag)

    def _refusal(self, peer: Peer | None, flow: Flow, now_s: float) -> str:
        if peer is None:
            return "a peer that is not on the list"
        name = peer.config.name
        if not peer.config.registers_here:
            return f"peer {name} registers here, and was not to"
        if not peer.config.allows(flow.host):
            return f"peer {name} from an address that is not its own"
        barred = peer.is_barred(flow.host, now_s)
        return f"too many wrong passwords of peer {name}" if barred else ""

    def _check(self, request: SipMessage, peer: Peer, now_s: float) -> LoginResult:
        config = peer.config
        if config.without_password:
            return LoginResult.RIGHT
        return self._digest.check(
            request.get("authorization"), "REGISTER",
            user=config.user, password=config.password, now_s=now_s,
        )  # fmt: skip

    def _accept(
        self, request: SipMessage, peer: Peer, flow: Flow, wall: datetime, tag: str
    ) -> RegistrarAnswer:
        asked = request.expires
        asked = DEFAULT_EXPIRES_S if asked is None else asked
        expires_s = min(LONGEST_S, max(SHORTEST_S, asked)) if asked else 0
        peer.refused = ""
        headers = [("expires", str(expires_s)), *_version(peer)]
        if peer.config.date_header:
            stamp = f"{wall:%Y-%m-%dT%H:%M:%S}.{wall.microsecond // 1000:03d}"
            headers.insert(0, ("date", stamp))
        if contact := request.get("contact"):
            headers.insert(0, ("contact", contact))
        response = respond(
            request, 200, "OK", to_tag=tag, received=(flow.host, flow.port), headers=headers
        )
        return RegistrarAnswer(response, peer, expires_s)


def _version(peer: Peer) -> tuple[tuple[str, str], ...]:
    return (("x-gb-ver", peer.config.edition),)
