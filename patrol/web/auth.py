"""Log in, check sessions, and find the user of a request. Only a few routes are public.

A session is a random secret in a cookie; the store has its hash. The CSRF token and the signatures
of picture addresses are made from the secret, so they end with it. An unknown name takes as long as
a wrong password, and both get the same answer.
"""

import hmac
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from starlette.requests import Request

from patrol.administration.accounts import (
    change_password,
    guessable_names,
    placeholder_hash,
    verify_password,
)
from patrol.app import Application
from patrol.domain.account import (
    GRID_ACCOUNT_ROLES,
    Account,
    AccountRole,
    LoginSession,
    Permission,
)
from patrol.domain.display_link import (
    MAX_DISPLAY_TOKEN_CHARS,
    DisplayLinkInvalid,
    check_display_token,
    display_name_of,
)
from patrol.settings.site_settings import ConsoleSettings
from patrol.web.i18n import LANGUAGES, Translator
from patrol.web.login_limits import LoginLimits, TooManyAttempts
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
SESSION_CACHE_S: Final = 0.5  # a disabled account or an ended session is noticed within this
MAX_NAME_LENGTH: Final = 64
LONG_SESSION: Final = timedelta(days=30)  # a phone in a field logs in once a month; wall screens


class NotLoggedIn(Exception):
    """The request has no session, or its session has ended."""


class Forbidden(Exception):
    """The user may not do or see this; the text is for the log alone."""


class StaleCsrfToken(Forbidden):
    """A change without this session's CSRF token: its page is of an earlier login, or not ours."""


class BadLogin(Exception):
    """Wrong name or password; the answer does not say which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentUser:
    """The logged-in user of one request."""

    account: Account
    session: LoginSession
    secret: str = field(repr=False)
    t: Translator
    now: datetime

    @property
    def holder(self) -> str:
        """The name under which this session, not just this account, holds claims on findings."""
        return f"{self.account.name}/{self.session.short_id}"

    @property
    def csrf_token(self) -> str:
        """The token that this session's own pages send with every change."""
        return csrf_token(self.secret)

    def has_permission(self, permission: Permission) -> bool:
        """Whether the account has the permission."""
        return self.account.has_permission(permission)

    def picture_url(self, id_or_name: str, size: str, viewed_for: str) -> str:
        """The signed address of a picture; outside the command centre always the redacted one."""
        given = "ground" if self.is_outside_centre else size
        return signed_picture_url(self.secret, id_or_name, given, viewed_for, self.now)

    @property
    def is_display(self) -> bool:
        """Whether it is a wall screen, with nobody before it."""
        return self.account.duty is AccountRole.DISPLAY

    @property
    def is_outside_centre(self) -> bool:
        """Whether what is sent to this account leaves the command centre."""
        return self.account.duty in GRID_ACCOUNT_ROLES


@dataclass
class WebAuthenticator:
    """Logs users in and finds the session of a request, cached for SESSION_CACHE_S."""

    app: Application
    console: ConsoleSettings
    _cached: dict[str, tuple[float, LoginSession, Account]] = field(default_factory=dict)
    _limits: LoginLimits = field(default_factory=LoginLimits)
    _locks_stored: set[str] = field(default_factory=set)  # names of accounts

    def current_user(self, request: Request) -> CurrentUser:
        """The user of a request. Raises NotLoggedIn, StaleCsrfToken (a change without it)."""
        secret = request.cookies.get(self.cookie_name, "")
        known = self._session(secret) if secret else None
        if known is None:
            raise NotLoggedIn
        if request.method not in SAFE_METHODS:
            sent = request.headers.get(CSRF_HEADER, "")
            if not hmac.compare_digest(sent.encode(), csrf_token(secret).encode()):
                raise StaleCsrfToken("no CSRF token of this session")
        session, account = known
        chosen = request.cookies.get(LANGUAGE_COOKIE, account.language)
        return CurrentUser(
            account=account,
            session=session,
            secret=secret,
            t=self.translator(chosen),
            now=self.app.clock.now(),
        )

    def is_in_force(self, session: LoginSession) -> bool:
        """Whether a session goes on; for answers that outlast their request's check."""
        with self.app.store.begin_read() as uow:
            goes_on = bool(uow.sessions.in_force([session.id], self.app.clock.now()))
        if not goes_on:
            self._cached.pop(session.id, None)
        return goes_on

    def translator(self, chosen: str | None) -> Translator:
        """The translator of the chosen language, or of the site's."""
        site = self.app.site.settings.site
        language = chosen if chosen in LANGUAGES else site.language
        return Translator(str(language), site.tz)

    @property
    def cookie_name(self) -> str:
        """The session cookie's name; the prefix makes browsers refuse one set by another host."""
        return f"__Host-{SESSION_COOKIE}" if self.console.is_https else SESSION_COOKIE

    def log_in(
        self, name: str, password: str, *, device: str, origin: str
    ) -> tuple[str, LoginSession]:
        """Start a session: (the cookie's secret, the session). Raises BadLogin, TooManyAttempts."""
        now = self.app.clock.now()
        self._limits.count_address(origin, now)
        if not 0 < len(name) <= MAX_NAME_LENGTH:
            raise BadLogin
        try:
            account = self._check_password(name, password, origin, now)
        except TooManyAttempts as exc:
            if not exc.locked or not self._is_forgiven(name):
                raise
            self._limits.forgive(name)
            account = self._check_password(name, password, origin, now)
        return self._start_session(account, device, now)

    def _check_password(self, name: str, password: str, origin: str, now: datetime) -> Account:
        """The account, whose password it is. Raises BadLogin, TooManyAttempts."""
        with self._limits.attempt(name, origin, now) as check:
            account = self._account(name)
            known = account.password if account else placeholder_hash()
            right = verify_password(password, known)
            check.right = right and account is not None and _may_log_in(account)
        if account is not None and check.right:
            return account
        until = self._limits.locked_until(name, origin, now)
        if until is not None:
            self._store_lock(name, until)
        raise BadLogin

    def confirm_password(self, user: CurrentUser, password: str, origin: str) -> None:
        """Ask for the own password again. Raises BadLogin, TooManyAttempts, as a login does."""
        self._check_password(user.account.name, password, origin, self.app.clock.now())

    def accept_invitation(
        self, token: str, password: str, *, device: str, origin: str
    ) -> tuple[str, LoginSession]:
        """Set the first password of an invited account, and start a session.

        Raises InvitationInvalid, WeakPassword, TooManyAttempts.
        """
        now = self.app.clock.now()
        self._limits.count_address(origin, now)
        invitation, signature = read_invitation(token)
        account = self._account(invitation.name)
        if account is None:
            raise InvitationInvalid
        check_invitation(account, invitation, signature, now)
        names = guessable_names(self.app.site.settings.site, self.app.registry)
        change_password(
            self.app.store, name=account.name, password=password, now=now, by=account.name,
            known_names=names,
        )  # fmt: skip
        self.clear_cache()
        return self._start_session(account, device, now)

    def open_display(self, token: str, *, device: str, origin: str) -> tuple[str, LoginSession]:
        """Start a session of the display that the token opens.

        Raises DisplayLinkInvalid, TooManyAttempts.
        """
        now = self.app.clock.now()
        self._limits.count_address(origin, now)
        if len(token) > MAX_DISPLAY_TOKEN_CHARS:
            raise DisplayLinkInvalid
        account = check_display_token(self._account(display_name_of(token)), token)
        return self._start_session(account, device, now)

    def log_out(self, user: CurrentUser) -> None:
        """End this session and release its claims on findings."""
        with self.app.store.begin() as uow:
            uow.sessions.end(user.session.id)
            uow.claims.drop_all(user.holder)
            uow.commit()
        self.clear_cache()

    def clear_cache(self) -> None:
        """Read sessions from the store again; call after an account or a session was changed."""
        self._cached.clear()

    def _start_session(
        self, account: Account, device: str, now: datetime
    ) -> tuple[str, LoginSession]:
        secret = secrets.token_urlsafe(32)
        is_long = account.duty in GRID_ACCOUNT_ROLES or account.duty is AccountRole.DISPLAY
        lasts = LONG_SESSION if is_long else timedelta(hours=self.console.session_h)
        session = LoginSession(
            id=session_id(secret),
            account=account.name,
            begun_at=now,
            ends_at=now + lasts,
            device=device[:120],
        )
        with self.app.store.begin() as uow:
            known = uow.accounts.get(account.name)
            if not known.is_locked(now):  # a lock is of other addresses, and goes on there
                uow.accounts.put(known.logged_in())
                self._locks_stored.discard(account.name)
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
        with self.app.store.begin_read() as uow:
            try:
                return uow.accounts.get(name)
            except KeyError:
                return None

    def _store_lock(self, name: str, until: datetime) -> None:
        """Keep the lock with the account, where administrators see it and may forgive it."""
        with self.app.store.begin() as uow:
            try:
                account = uow.accounts.get(name)
                uow.accounts.put(account.locked(max(until, account.locked_until or until)))
            except KeyError:
                return
            uow.commit()
        self._locks_stored.add(name)

    def _is_forgiven(self, name: str) -> bool:
        """Whether a lock that was stored is there no more: `patrol user unlock`, a new password."""
        account = self._account(name)
        if account is None or account.locked_until is not None or name not in self._locks_stored:
            return False
        self._locks_stored.discard(name)
        return True

    def _session(self, secret: str) -> tuple[LoginSession, Account] | None:
        ident, at = session_id(secret), self.app.clock.monotonic_s()
        known = self._cached.get(ident)
        now = self.app.clock.now()
        if known and at - known[0] < SESSION_CACHE_S and known[1].ends_at > now:
            return known[1], known[2]
        with self.app.store.begin_read() as uow:
            session = uow.sessions.get(ident, now)
            account = uow.accounts.get(session.account) if session else None
        if session is None or account is None or account.disabled_at is not None:
            self._cached.pop(ident, None)
            return None
        self._cached[ident] = (at, session, account)
        return session, account


def _may_log_in(account: Account) -> bool:
    """Whether a password opens it: a wall screen has its link instead."""
    return account.disabled_at is None and account.duty is not AccountRole.DISPLAY


def session_id(secret: str) -> str:
    """The id under which the store keeps the session of this secret."""
    return sha256(secret.encode()).hexdigest()


def csrf_token(secret: str) -> str:
    """The CSRF token of the session with this secret: 40 hexadecimal digits.

    Phone pages that were opened before an upgrade keep their token and their script, which drops a
    reply that is refused for it: the derivation stays as it is (no `picture_link.sign`).
    """
    return sha256(b"csrf|" + secret.encode()).hexdigest()[:40]
