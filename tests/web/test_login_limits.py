"""How many passwords may be tried for a name and from an address, over time."""

from datetime import UTC, datetime, timedelta

import pytest

from patrol.domain.account import FIRST_LOCKOUT, MAX_LOCKOUT, MAX_LOGIN_FAILURES
from patrol.web import login_limits
from patrol.web.login_limits import (
    FORGOTTEN_AFTER,
    MAX_FAILURES_OF_NAME,
    LoginLimits,
    TooManyAttempts,
)

NOW = datetime(2026, 11, 30, 8, 0, tzinfo=UTC)


def guess(limits: LoginLimits, origin: str, now: datetime, name: str = "wang") -> str:
    try:
        with limits.attempt(name, origin, now) as check:
            check.right = False
    except TooManyAttempts:
        return "rests"
    return "wrong"


def right(limits: LoginLimits, origin: str, now: datetime) -> None:
    with limits.attempt("wang", origin, now) as check:
        check.right = True


def test_after_a_rest_all_tries_are_free_again_and_rests_double() -> None:
    limits, now, rest = LoginLimits(), NOW, FIRST_LOCKOUT
    for _ in range(8):
        assert [guess(limits, "a", now) for _ in range(6)] == ["wrong"] * 5 + ["rests"]
        assert guess(limits, "a", now + rest - timedelta(seconds=1)) == "rests"
        now, rest = now + rest, min(2 * rest, MAX_LOCKOUT)
    right(limits, "a", now)
    assert [guess(limits, "a", now) for _ in range(6)] == ["wrong"] * 5 + ["rests"]
    right(limits, "a", now + FIRST_LOCKOUT)


def test_wrong_passwords_of_another_day_are_forgotten() -> None:
    limits = LoginLimits()
    for _ in range(MAX_LOGIN_FAILURES - 1):
        guess(limits, "a", NOW)
    later = NOW + FORGOTTEN_AFTER + timedelta(seconds=1)
    assert [guess(limits, "a", later) for _ in range(6)] == ["wrong"] * 5 + ["rests"]


def test_many_addresses_lock_a_name_but_not_for_its_own_address() -> None:
    limits = LoginLimits()
    right(limits, "home", NOW)
    tried = [guess(limits, f"bot{n}", NOW) for n in range(MAX_FAILURES_OF_NAME + 10)]
    assert tried == ["wrong"] * MAX_FAILURES_OF_NAME + ["rests"] * 10
    right(limits, "home", NOW)
    with pytest.raises(TooManyAttempts) as caught:
        right(limits, "elsewhere", NOW)
    assert caught.value.locked
    assert guess(limits, "bot1", NOW, name="li") == "wrong"
    limits.forgive("wang")
    right(limits, "elsewhere", NOW)


def test_what_is_no_guess_is_not_counted() -> None:
    limits = LoginLimits()
    for _ in range(20):
        with pytest.raises(RuntimeError), limits.attempt("wang", "a", NOW):
            raise RuntimeError
    right(limits, "a", NOW)


def test_an_address_has_so_many_logins_a_minute() -> None:
    limits = LoginLimits()
    for _ in range(login_limits.MAX_LOGIN_ATTEMPTS):
        limits.count_address("a", NOW)
    with pytest.raises(TooManyAttempts):
        limits.count_address("a", NOW + timedelta(seconds=59))
    limits.count_address("b", NOW)
    limits.count_address("a", NOW + timedelta(seconds=60))


def test_a_flood_of_names_takes_no_more_than_its_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login_limits, "MAX_TRACKED", 100)
    limits = LoginLimits()
    for number in range(1000):
        limits.count_address(f"a{number}", NOW)
        guess(limits, f"a{number}", NOW, name=f"n{number}")
    assert len(limits._counters) <= 102
    assert len(limits._attempts) == 100
