"""The gate: who is asking, and may they. Every route but the public few stands behind it.

A login is a random secret in a cookie; the store knows its hash. The CSRF token and the signatures
of pictures are made from the secret too, so they end with it. An unknown name takes as long as a
wrong password, and both get the same answer.
"""

import hmac
import secrets
import threading
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from starlette.requests import Request

from patrol.console.accounts import change_password
from patrol.console.doors import ConsoleDoors, ConsoleOptions
from patrol.console.passwords import is_right, nobodys_hash
from patrol.console.tickets import address
from patrol.console.welcome import NotWelcome, check, read
from patrol.console.words import LANGUAGES, Words
from patrol.domain.account import OF_A_GRID, Account, Right, Session

COOKIE: Final = "patrol_session"
LANGUAGE_COOKIE: Final = "patrol_lang"
CSRF_HEADER: Final = "x-patrol-csrf"
SAFE: Final = ("GET", "HEAD", "OPTIONS")
BELIEVED_S: Final = 2.0  # a disabled account or an ended session is noticed within this
ATTEMPTS: Final = 20  # logins of one address …
PER: Final = timedelta(minutes=1)  # … in this time, right or wrong
LONGEST_NAME: Final = 64


class NotLoggedIn(Exception):
    """No session, or it has ended."""


class Forbidden(Exception):
    """Logged in, and may not; the reason is for the log."""


class BadLogin(Exception):
    """Wrong name or password: which one is not said."""


class TooManyAttempts(Exception):
    """This address or this account must rest; says until when."""

    def __init__(self, until: datetime) -> None:
        super().__init__(f"rests until {until:%H:%M:%S}Z")
        self.until = until


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Somebody behind the gate, for one request."""

    account: Account
    session: Session
    secret: str = field(repr=False)
    say: Words
    now: datetime

    @property
    def holder(self) -> str:
        """Who has a claim: this login, not just this name."""
        return f"{self.account.name}/{self.session.short}"

    @property
    def csrf(self) -> str:
        """What this session's own pages send along."""
        return csrf_of(self.secret)

    def may(self, right: Right) -> bool:
        """Whether the account has it."""
        return self.account.may(right)

    def picture(self, sha256_or_name: str, size: str, context: str) -> str:
        """The picture's address for this session; outside the centre always the redacted one."""
        given = "ground" if self.outside else size
        return address(self.secret, sha256_or_name, given, context, self.now)

    @property
    def outside(self) -> bool:
        """Whether what is sent to this account leaves the command centre."""
        return self.account.duty in OF_A_GRID


@dataclass
class Gate:
    """Sessions are read from the store and believed for two seconds."""

    doors: ConsoleDoors
    options: ConsoleOptions
    _known: dict[str, tuple[float, Session, Account]] = field(default_factory=dict)
    _attempts: dict[str, deque[datetime]] = field(default_factory=dict)
    _hashing: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(2))

    def caller(self, request: Request) -> Caller:
        """Whoever asks. Raises NotLoggedIn, Forbidden (no CSRF token on a change)."""
        secret = request.cookies.get(self.cookie, "")
        known = self._session(secret) if secret else None
        if known is None:
            raise NotLoggedIn
        if request.method not in SAFE:
            sent = request.headers.get(CSRF_HEADER, "")
            if not hmac.compare_digest(sent.encode(), csrf_of(secret).encode()):
                raise Forbidden("no CSRF token")
        session, account = known
        chosen = request.cookies.get(LANGUAGE_COOKIE, account.language)
        return Caller(
            account=account,
            session=session,
            secret=secret,
            say=self.words(chosen),
            now=self.doors.clock.now(),
        )

    def words(self, chosen: str | None) -> Words:
        """A reader's language, or the site's."""
        facts = self.doors.facts
        language = chosen if chosen in LANGUAGES else facts.language
        return Words(str(language), facts.zone)

    @property
    def cookie(self) -> str:
        """Its name; the prefix makes browsers refuse one from elsewhere."""
        return f"__Host-{COOKIE}" if self.options.secure else COOKIE

    def log_in(self, name: str, password: str, *, device: str, origin: str) -> tuple[str, Session]:
        """(the cookie's secret, the session). Raises BadLogin, TooManyAttempts."""
        now = self.doors.clock.now()
        self._count_attempt(origin, now)
        if not name:
            raise BadLogin
        account = self._account(name)
        if account is not None and account.is_locked(now):
            raise TooManyAttempts(account.locked_until or now)
        with self._hashing:
            right = is_right(password, account.password if account else nobodys_hash())
        if account is None or account.disabled_at is not None or not right:
            self._note_failure(name, now)
            raise BadLogin
        return self._begin(account, device, now)

    def welcome(
        self, ticket: str, password: str, *, device: str, origin: str
    ) -> tuple[str, Session]:
        """A first login with an invitation: one's own password, and in.

        Raises NotWelcome, WeakPassword, TooManyAttempts.
        """
        now = self.doors.clock.now()
        self._count_attempt(origin, now)
        invitation, signature = read(ticket)
        account = self._account(invitation.name)
        if account is None:
            raise NotWelcome
        check(account, invitation, signature, now)
        with self._hashing:
            change_password(
                self.doors.store, name=account.name, password=password, now=now, by=account.name
            )
        self.forget()
        return self._begin(account, device, now)

    def log_out(self, caller: Caller) -> None:
        """End this session, and give back what it held."""
        with self.doors.store.begin() as uow:
            uow.sessions.end(caller.session.id)
            uow.claims.drop_all(caller.holder)
            uow.commit()
        self.forget()

    def forget(self) -> None:
        """Believe nothing any more: an account or a session was changed just now."""
        self._known.clear()

    def _begin(self, account: Account, device: str, now: datetime) -> tuple[str, Session]:
        secret = secrets.token_urlsafe(32)
        phone = account.duty in OF_A_GRID
        lasts = self.options.phone_session if phone else self.options.session
        session = Session(
            id=session_id(secret),
            account=account.name,
            begun_at=now,
            ends_at=now + lasts,
            device=device[:120],
        )
        with self.doors.store.begin() as uow:
            uow.accounts.put(uow.accounts.get(account.name).came_in())
            uow.sessions.sweep(now)
            uow.sessions.add(session)
            uow.access.append(
                at=now, who=account.name, what="log_in", camera=None, why=session.device
            )
            uow.commit()
        return secret, session

    def _account(self, name: str) -> Account | None:
        if not 0 < len(name) <= LONGEST_NAME:
            return None
        with self.doors.store.begin_read() as uow:
            try:
                return uow.accounts.get(name)
            except KeyError:
                return None

    def _note_failure(self, name: str, now: datetime) -> None:
        with self.doors.store.begin() as uow:
            try:
                uow.accounts.put(uow.accounts.get(name).failed(now))
            except KeyError:
                return
            uow.commit()

    def _count_attempt(self, origin: str, now: datetime) -> None:
        recent = self._attempts.setdefault(origin, deque(maxlen=ATTEMPTS))
        if len(recent) == ATTEMPTS and now - recent[0] < PER:
            raise TooManyAttempts(recent[0] + PER)
        recent.append(now)
        if len(self._attempts) > 10_000:  # noqa: PLR2004  addresses; whoever brings more starts anew
            self._attempts = {origin: recent}

    def _session(self, secret: str) -> tuple[Session, Account] | None:
        ident, at = session_id(secret), self.doors.clock.monotonic_s()
        known = self._known.get(ident)
        now = self.doors.clock.now()
        if known and at - known[0] < BELIEVED_S and known[1].ends_at > now:
            return known[1], known[2]
        with self.doors.store.begin_read() as uow:
            session = uow.sessions.get(ident, now)
            account = uow.accounts.get(session.account) if session else None
        if session is None or account is None or account.disabled_at is not None:
            self._known.pop(ident, None)
            return None
        self._known[ident] = (at, session, account)
        return session, account


def session_id(secret: str) -> str:
    """How the store knows it."""
    return sha256(secret.encode()).hexdigest()


def csrf_of(secret: str) -> str:
    """The token of a session's pages."""
    return sha256(b"csrf|" + secret.encode()).hexdigest()[:40]
