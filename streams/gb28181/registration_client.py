"""Registration with a platform above (GB/T 28181 §9.1), as a state machine. Pure.

REGISTER, its challenge, the answer; refreshed before it expires; tried again after a minute or
later when it failed; a 302 is followed, once and where it may lead, and left again for the first
server when that one fails. Signs of life in between; three without an answer: it registers anew.
At the end it logs out: a REGISTER with Expires 0, which is challenged like any other.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum, auto
from typing import Final

from streams.gb28181.codes import is_code
from streams.gb28181.sip_message import SipMessage, read_address
from streams.rtsp.digest_auth import DigestAuthenticator

RETRY_S: Final = 60.0  # not earlier, by the standard
REFRESH_AT: Final = 0.7  # of the time that was granted
MAX_MISSED: Final = 3
SHORTEST_S: Final = 60
_HOST_PORT: Final = re.compile(r"([0-9.]{7,15}|\[[0-9A-Fa-f:]+\])(?::(\d{1,5}))?")
_UNAUTHORIZED: Final = frozenset({401, 407})
_REDIRECTS: Final = frozenset({301, 302})
_OK: Final = 200


class RegistrationState(StrEnum):
    """Where a registration stands."""

    WAITING = auto()  # until `due_s`
    REGISTERING = auto()
    REGISTERED = auto()
    LEAVING = auto()  # until the answer to Expires 0
    LEFT = auto()


@dataclass(slots=True, eq=False)
class RegistrationClient:
    """Our registration with one peer; `next_request` says what to send, and when."""

    home: tuple[str, int]
    expires_s: int
    keepalive_s: float
    login: Callable[[], DigestAuthenticator]
    state: RegistrationState = RegistrationState.WAITING
    target: tuple[str, int] = ("", 0)  # where REGISTER goes: home, or where a 302 led
    due_s: float = 0.0
    keepalive_due_s: float = 0.0
    missed: int = 0
    problem: str = ""  # why it is not registered, for a person
    granted_s: int = 0
    target_code: str = ""  # of the server that a 302 led to, where it has one of its own
    may_redirect_to: Callable[[str], bool] = lambda _host: True
    _left_at_s: float | None = None  # when the server that a 302 led to was given up
    _auth: DigestAuthenticator | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.target = self.target if self.target[0] else self.home

    @property
    def is_registered(self) -> bool:
        """Whether the peer knows us now; a refresh under way does not change that."""
        return bool(self.granted_s)

    def is_due(self, now_s: float) -> bool:
        """Whether a REGISTER is to be sent."""
        waits = self.state in {RegistrationState.WAITING, RegistrationState.REGISTERED}
        return waits and now_s >= self.due_s

    def may_register_by(self, at_s: float) -> bool:
        """Whether it may be registered at that time: not where it was refused, and waits longer."""
        return not self.problem or self.is_registered or self.due_s <= at_s

    @property
    def is_leaving(self) -> bool:
        """Whether it logs out, and the peer has not said yet that it knows."""
        return self.state is RegistrationState.LEAVING

    @property
    def asked_s(self) -> int:
        """What the REGISTER that is sent now asks for."""
        return 0 if self.is_leaving else self.expires_s

    def leave(self) -> bool:
        """Log out; False where the peer cannot know us, and nothing is to be sent."""
        known = self.is_registered or self.state is RegistrationState.REGISTERING
        self.state = RegistrationState.LEAVING if known else RegistrationState.LEFT
        self.granted_s, self.problem = 0, ""
        return known

    def authorization(self, uri: str) -> str | None:
        """The Authorization of the REGISTER that is sent now; None before a challenge."""
        if not self.is_leaving:
            self.state = RegistrationState.REGISTERING
        return self._auth.authorization("REGISTER", uri) if self._auth is not None else None

    def on_response(self, response: SipMessage, now_s: float) -> bool:
        """Take the answer to REGISTER; True where it is to be sent again at once."""
        if response.status in _UNAUTHORIZED:
            return self._on_challenge(response, now_s)
        if self.is_leaving:
            self.state = RegistrationState.LEFT
            return False
        if response.status in _REDIRECTS:
            return self._on_redirect(response, now_s)
        if response.status != _OK:
            self._fail(f"{response.status} {response.reason[:60]}", now_s)
            return False
        granted = response.expires
        self.granted_s = max(SHORTEST_S, self.expires_s if granted is None else granted)
        self.state, self.problem, self.missed = RegistrationState.REGISTERED, "", 0
        self.due_s = now_s + REFRESH_AT * self.granted_s
        self.keepalive_due_s = now_s + self.keepalive_s
        if self._auth is not None:
            self._auth.confirm()
        return False

    def on_timeout(self, now_s: float) -> None:
        """REGISTER was not answered."""
        self._fail("no answer", now_s)

    def on_lost(self, now_s: float) -> None:
        """The connection that it went over is gone: register again at once."""
        self.granted_s, self.state, self.due_s = 0, RegistrationState.WAITING, now_s

    def keep_alive_due(self, now_s: float) -> bool:
        """Whether a sign of life is to be sent; counts it as missed until it is answered."""
        if not self.is_registered or now_s < self.keepalive_due_s:
            return False
        self.keepalive_due_s = now_s + self.keepalive_s
        return True

    def on_keep_alive(self, *, answered: bool, now_s: float) -> None:
        """A sign of life was answered, or was not."""
        if not self.is_registered:
            return
        self.missed = 0 if answered else self.missed + 1
        if self.missed >= MAX_MISSED:
            self.missed = 0
            self.problem = f"{MAX_MISSED} signs of life without an answer"
            self.on_lost(now_s)

    def _on_challenge(self, response: SipMessage, now_s: float) -> bool:
        self._auth = self._auth or self.login()
        values = response.all("www-authenticate") + response.all("proxy-authenticate")
        if self._auth.accept_challenges(values):
            return True
        reason = self._auth.refusal_text()
        self._auth = None
        self._fail(f"{response.status}: {reason}", now_s)
        return False

    def _on_redirect(self, response: SipMessage, now_s: float) -> bool:
        contact = read_address(response.get("contact"))
        found = _HOST_PORT.fullmatch(contact.host)
        if found is None or self.target != self.home:  # one redirection, not a chase
            self._fail("redirected to nowhere", now_s)
            return False
        host, port = found[1].strip("[]"), int(found[2] or 5060)
        if not self.may_redirect_to(host):
            self._fail(f"redirected to {host}, which is not in allow_from", now_s)
            return False
        if self._left_at_s is not None and now_s - self._left_at_s < RETRY_S:
            self._fail(f"redirected to {host}:{port} again, which did not take us", now_s)
            return False
        self.target, self.target_code = (host, port), contact.user if is_code(contact.user) else ""
        self._auth = None
        return True

    def _fail(self, problem: str, now_s: float) -> None:
        if self.is_leaving:
            self.state = RegistrationState.LEFT
            return
        self.problem, self.granted_s = problem, 0
        self.state = RegistrationState.WAITING
        self.due_s = now_s + RETRY_S
        if self.target != self.home:
            self.target, self.target_code, self._left_at_s = self.home, "", now_s
            self.due_s = now_s
        self._auth = None
