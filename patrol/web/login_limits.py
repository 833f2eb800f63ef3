"""Limit password guesses: by address and account together, by account, by address.

An address has MAX_LOGIN_FAILURES wrong passwords for one name, then that name rests for this
address alone: who guesses does not lock the owner out elsewhere. Guesses from many addresses
together lock the name for all of them but those where it logged in before. After a rest all tries
are free again; the rests of a day double. A name that no account has is counted alike, so that no
answer tells which names exist.

A try is counted before its password is checked, so that parallel ones cannot be more. Kept in the
process, within MAX_TRACKED entries; takes the time as an argument. Used by auth.py, any thread.
"""

import threading
from collections import OrderedDict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from patrol.domain.account import FIRST_LOCKOUT, MAX_LOCKOUT, MAX_LOGIN_FAILURES
from patrol.domain.backoff import backoff

MAX_FAILURES_OF_NAME: Final = 50  # wrong passwords of one name from all addresses, before it rests
MAX_LOGIN_ATTEMPTS: Final = 20  # logins of one address …
LOGIN_ATTEMPTS_WINDOW: Final = timedelta(minutes=1)  # … in this time, right or wrong
FORGOTTEN_AFTER: Final = timedelta(hours=24)  # wrong passwords and rests without another
IN_FLIGHT_WAIT: Final = timedelta(seconds=5)  # while as many tries as are left are being checked
MAX_TRACKED: Final = 20_000  # names and addresses, some 10 MB; the longest untouched go first


class TooManyAttempts(Exception):
    """Too many logins from this address, or wrong passwords of this name; rests until `until`."""

    def __init__(self, until: datetime, *, locked: bool = False) -> None:
        super().__init__(f"rests until {until:%H:%M:%S}Z")
        self.until = until
        self.locked = locked  # for wrong passwords, which an administrator can forgive


@dataclass(slots=True)
class PasswordCheck:
    """The check of one counted try; the caller sets `right`."""

    right: bool | None = None


@dataclass(slots=True)
class _GuessCounter:
    """Wrong passwords in a row, tries under way, and rests."""

    limit: int
    failures: int = 0
    in_flight: int = 0
    rests: int = 0
    locked_until: datetime | None = None
    last_failure: datetime | None = None

    def refused_until(self, now: datetime) -> datetime | None:
        """Until when no try is allowed; None: one is."""
        if self.last_failure is not None and now - self.last_failure > FORGOTTEN_AFTER:
            self.failures = self.rests = 0
        if self.locked_until is not None and now < self.locked_until:
            return self.locked_until
        return now + IN_FLIGHT_WAIT if self.failures + self.in_flight >= self.limit else None

    def fail(self, now: datetime) -> None:
        """Count a wrong password; the last that is allowed begins a rest."""
        self.failures += 1
        self.last_failure = now
        if self.failures >= self.limit:
            self.failures = 0
            self.rests += 1
            self.locked_until = now + backoff(self.rests, FIRST_LOCKOUT, MAX_LOCKOUT)


@dataclass
class LoginLimits:
    """Counts the logins of every address and the wrong passwords of every name."""

    _lock: threading.Lock = field(default_factory=threading.Lock)
    _counters: "OrderedDict[tuple[str, str], _GuessCounter]" = field(default_factory=OrderedDict)
    _attempts: "OrderedDict[str, deque[datetime]]" = field(default_factory=OrderedDict)
    _familiar: "OrderedDict[tuple[str, str], None]" = field(default_factory=OrderedDict)

    def count_address(self, origin: str, now: datetime) -> None:
        """Count a login of this address. Raises TooManyAttempts."""
        with self._lock:
            recent = self._attempts.setdefault(origin, deque(maxlen=MAX_LOGIN_ATTEMPTS))
            self._attempts.move_to_end(origin)
            if len(recent) == MAX_LOGIN_ATTEMPTS and now - recent[0] < LOGIN_ATTEMPTS_WINDOW:
                raise TooManyAttempts(recent[0] + LOGIN_ATTEMPTS_WINDOW)
            recent.append(now)
            _trim(self._attempts)

    @contextmanager
    def attempt(self, name: str, origin: str, now: datetime) -> Iterator[PasswordCheck]:
        """Count a try around the check of its password. Raises TooManyAttempts.

        A check that ends without an outcome, by an exception, was no guess.
        """
        counters, check = self._begin(name, origin, now), PasswordCheck()
        try:
            yield check
        finally:
            self._end(counters, now, wrong=check.right is False)
        if check.right:
            self._succeed(name, origin)

    def locked_until(self, name: str, origin: str, now: datetime) -> datetime | None:
        """The end of the rest that this name has for this address."""
        with self._lock:
            ends = (c.locked_until for c in self._counters_of(name, origin))
            return max((end for end in ends if end is not None and end > now), default=None)

    def forgive(self, name: str) -> None:
        """Forget every wrong password of the name: an administrator gave it free."""
        with self._lock:
            for key in [key for key in self._counters if key[0] == name]:
                del self._counters[key]

    def _counters_of(self, name: str, origin: str) -> list[_GuessCounter]:
        keys = [((name, origin), MAX_LOGIN_FAILURES)]
        if (name, origin) not in self._familiar:
            keys.append(((name, ""), MAX_FAILURES_OF_NAME))
        return [self._counters.setdefault(key, _GuessCounter(limit)) for key, limit in keys]

    def _begin(self, name: str, origin: str, now: datetime) -> list[_GuessCounter]:
        with self._lock:
            counters = self._counters_of(name, origin)
            for key in ((name, origin), (name, "")):
                if key in self._counters:
                    self._counters.move_to_end(key)
            _trim(self._counters)
            refusals = [end for end in (c.refused_until(now) for c in counters) if end is not None]
            if refusals:
                locked = any(c.locked_until in refusals for c in counters)
                raise TooManyAttempts(max(refusals), locked=locked)
            for counter in counters:
                counter.in_flight += 1
            return counters

    def _end(self, counters: list[_GuessCounter], now: datetime, *, wrong: bool) -> None:
        with self._lock:
            for counter in counters:
                counter.in_flight -= 1
                if wrong:
                    counter.fail(now)

    def _succeed(self, name: str, origin: str) -> None:
        with self._lock:
            self._counters.pop((name, origin), None)
            self._familiar[name, origin] = None
            self._familiar.move_to_end((name, origin))
            _trim(self._familiar)


def _trim(kept: "OrderedDict[Any, Any]") -> None:
    while len(kept) > MAX_TRACKED:
        kept.popitem(last=False)
