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

from patrol.app.accounts import change_password, placeholder_hash, verify_password
from patrol.domain.account import GRID_DUTIES, Account, LoginSession, Right
from patrol.web.i18n import LANGUAGES, Translator
from patrol.web.options import ConsoleOptions, WebDeps
from patrol.web.signed_links import (
    InvitationInvalid,
    check_invitation,
    read_invitation,
    signed_picture_url,
)

SESSION_COOKIE: Final = "patrol_session"
LANGUAGE_COOKIE: Final = "patrol_lang"
CSRF_HEADER: Final = "x-patrol-csrf"
SAFE_METHODS: Final = ("GET", "HEAD", "OPTIONS")
SESSION_CACHE_S: Final = 2.0  # a disabled account or an ended session is noticed within this
MAX_LOGIN_ATTEMPTS: Final = 20  # logins of one address …
LOGIN_ATTEMPTS_WINDOW: Final = timedelta(minutes=1)  # … in this time, right or wrong
MAX_NAME_LENGTH: Final = 64


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
class CurrentUser:
    """Somebody behind the gate, for one request."""

    account: Account
    session: LoginSession
    secret: str = field(repr=False)
    t: Translator
    now: datetime

    @property
    def holder(self) -> str:
        """Who has a claim: this login, not just this name."""
        return f"{self.account.name}/{self.session.short_id}"

    @property
    def csrf_token(self) -> str:
        """What this session's own pages send along."""
        return csrf_token(self.secret)

    def has_right(self, right: Right) -> bool:
        """Whether the account has it."""
        return self.account.has_right(right)

    def picture_url(self, sha256_or_name: str, size: str, viewed_for: str) -> str:
        """The picture's address for this session; outside the centre always the redacted one."""
        given = "ground" if self.is_outside_centre else size
        return signed_picture_url(self.secret, sha256_or_name, given, viewed_for, self.now)

    @property
    def is_outside_centre(self) -> bool:
        """Whether what is sent to this account leaves the command centre."""
        return self.account.duty in GRID_DUTIES


@dataclass
class WebAuthenticator:
    """Sessions are read from the store and believed for two seconds."""

    deps: WebDeps
    options: ConsoleOptions
    _cached: dict[str, tuple[float, LoginSession, Account]] = field(default_factory=dict)
    _attempts: dict[str, deque[datetime]] = field(default_factory=dict)
    _hashing: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(2))

    def current_user(self, request: Request) -> CurrentUser:
        """Whoever asks. Raises NotLoggedIn, Forbidden (no CSRF token on a change)."""
        secret = request.cookies.get(self.cookie_name, "")
        known = self._session(secret) if secret else None
        if known is None:
            raise NotLoggedIn
        if request.method not in SAFE_METHODS:
            sent = request.headers.get(CSRF_HEADER, "")
            if not hmac.compare_digest(sent.encode(), csrf_token(secret).encode()):
                raise Forbidden("no CSRF token")
        session, account = known
        chosen = request.cookies.get(LANGUAGE_COOKIE, account.language)
        return CurrentUser(
            account=account,
            session=session,
            secret=secret,
            t=self.translator(chosen),
            now=self.deps.clock.now(),
        )

    def translator(self, chosen: str | None) -> Translator:
        """A reader's language, or the site's."""
        site = self.deps.site_profile
        language = chosen if chosen in LANGUAGES else site.language
        return Translator(str(language), site.zone)

    @property
    def cookie_name(self) -> str:
        """Its name; the prefix makes browsers refuse one from elsewhere."""
        return f"__Host-{SESSION_COOKIE}" if self.options.secure else SESSION_COOKIE

    def log_in(
        self, name: str, password: str, *, device: str, origin: str
    ) -> tuple[str, LoginSession]:
        """(the cookie's secret, the session). Raises BadLogin, TooManyAttempts."""
        now = self.deps.clock.now()
        self._count_attempt(origin, now)
        if not name:
            raise BadLogin
        account = self._account(name)
        if account is not None and account.is_locked(now):
            raise TooManyAttempts(account.locked_until or now)
        with self._hashing:
            right = verify_password(password, account.password if account else placeholder_hash())
        if account is None or account.disabled_at is not None or not right:
            self._note_failure(name, now)
            raise BadLogin
        return self._start_session(account, device, now)

    def accept_invitation(
        self, token: str, password: str, *, device: str, origin: str
    ) -> tuple[str, LoginSession]:
        """A first login with an invitation: one's own password, and in.

        Raises NotWelcome, WeakPassword, TooManyAttempts.
        """
        now = self.deps.clock.now()
        self._count_attempt(origin, now)
        invitation, signature = read_invitation(token)
        account = self._account(invitation.name)
        if account is None:
            raise InvitationInvalid
        check_invitation(account, invitation, signature, now)
        with self._hashing:
            change_password(
                self.deps.store, name=account.name, password=password, now=now, by=account.name
            )
        self.clear_cache()
        return self._start_session(account, device, now)

    def log_out(self, user: CurrentUser) -> None:
        """End this session, and give back what it held."""
        with self.deps.store.begin() as uow:
            uow.sessions.end(user.session.id)
            uow.claims.drop_all(user.holder)
            uow.commit()
        self.clear_cache()

    def clear_cache(self) -> None:
        """Believe nothing any more: an account or a session was changed just now."""
        self._cached.clear()

    def _start_session(
        self, account: Account, device: str, now: datetime
    ) -> tuple[str, LoginSession]:
        secret = secrets.token_urlsafe(32)
        phone = account.duty in GRID_DUTIES
        lasts = self.options.phone_session if phone else self.options.session
        session = LoginSession(
            id=session_id(secret),
            account=account.name,
            begun_at=now,
            ends_at=now + lasts,
            device=device[:120],
        )
        with self.deps.store.begin() as uow:
            uow.accounts.put(uow.accounts.get(account.name).logged_in())
            uow.sessions.sweep(now)
            uow.sessions.add(session)
            uow.access.append(
                at=now, who=account.name, what="log_in", camera=None, why=session.device
            )
            uow.commit()
        return secret, session

    def _account(self, name: str) -> Account | None:
        if not 0 < len(name) <= MAX_NAME_LENGTH:
            return None
        with self.deps.store.begin_read() as uow:
            try:
                return uow.accounts.get(name)
            except KeyError:
                return None

    def _note_failure(self, name: str, now: datetime) -> None:
        with self.deps.store.begin() as uow:
            try:
                uow.accounts.put(uow.accounts.get(name).login_failed(now))
            except KeyError:
                return
            uow.commit()

    def _count_attempt(self, origin: str, now: datetime) -> None:
        recent = self._attempts.setdefault(origin, deque(maxlen=MAX_LOGIN_ATTEMPTS))
        if len(recent) == MAX_LOGIN_ATTEMPTS and now - recent[0] < LOGIN_ATTEMPTS_WINDOW:
            raise TooManyAttempts(recent[0] + LOGIN_ATTEMPTS_WINDOW)
        recent.append(now)
        if len(self._attempts) > 10_000:  # noqa: PLR2004  addresses; whoever brings more starts anew
            self._attempts = {origin: recent}

    def _session(self, secret: str) -> tuple[LoginSession, Account] | None:
        ident, at = session_id(secret), self.deps.clock.monotonic_s()
        known = self._cached.get(ident)
        now = self.deps.clock.now()
        if known and at - known[0] < SESSION_CACHE_S and known[1].ends_at > now:
            return known[1], known[2]
        with self.deps.store.begin_read() as uow:
            session = uow.sessions.get(ident, now)
            account = uow.accounts.get(session.account) if session else None
        if session is None or account is None or account.disabled_at is not None:
            self._cached.pop(ident, None)
            return None
        self._cached[ident] = (at, session, account)
        return session, account


def session_id(secret: str) -> str:
    """How the store knows it."""
    return sha256(secret.encode()).hexdigest()


def csrf_token(secret: str) -> str:
    """The token of a session's pages."""
    return sha256(b"csrf|" + secret.encode()).hexdigest()[:40]
