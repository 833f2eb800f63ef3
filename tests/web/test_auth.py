"""Who gets in, who gets what, and which headers every answer has."""

import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from patrol.administration.accounts import change_password, unlock
from patrol.domain.account import MAX_LOGIN_FAILURES, PERMISSIONS, AccountRole, Permission
from patrol.settings.site_settings import ConsoleSettings
from patrol.web.auth import BadLogin, WebAuthenticator
from patrol.web.context import RequirePermission
from patrol.web.login_limits import TooManyAttempts
from patrol.web.pages import ROUTERS

LogIn = Callable[[str], httpx.Client]
Visitor = Callable[[], httpx.Client]
PUBLIC = {
    "/p/{token}",
    "/h/{token}",
    "/login",
    "/language/{language}",
    "/robots.txt",
    "/welcome",
    "/api/welcome",
    "/display",
    "/api/display",
}
OPERATOR, SUPERVISOR, CADRE, LEADER = "operator", "duty_lead", "cadre", "leader"
MAINTAINER, AUDITOR, ADMIN = "maintainer", "auditor", "admin"
EVERYBODY = {OPERATOR, SUPERVISOR, CADRE, LEADER, MAINTAINER, AUDITOR, ADMIN}
WHO_MAY = [
    ("/", {OPERATOR, SUPERVISOR, MAINTAINER, AUDITOR, ADMIN}),
    ("/today/part", {OPERATOR, SUPERVISOR, MAINTAINER, AUDITOR, ADMIN}),
    ("/rounds", {OPERATOR, SUPERVISOR}),
    ("/rounds/{round}", {OPERATOR, SUPERVISOR}),
    ("/rounds/{round}/part", {OPERATOR, SUPERVISOR}),
    ("/rounds/{round}/camera/{camera}", {OPERATOR, SUPERVISOR}),
]


def guards(route: APIRoute) -> list[RequirePermission]:
    """What a route asks of its caller."""
    found = [d.call for d in route.dependant.dependencies if isinstance(d.call, RequirePermission)]
    return [call for call in found if isinstance(call, RequirePermission)]


def test_every_route_is_guarded_or_named_public() -> None:
    routes = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    assert len(routes) > 10
    unguarded = {route.path for route in routes if not guards(route)}
    assert unguarded == PUBLIC


@pytest.mark.parametrize(("path", "allowed"), WHO_MAY)
@pytest.mark.parametrize("who", sorted(EVERYBODY))
def test_who_may_open_what(
    log_in: LogIn, town: Any, path: str, allowed: set[str], who: str
) -> None:
    with town.store.begin_read() as uow:
        a_round = uow.rounds.of_plan("afternoon", limit=1)[0]
        camera = uow.rounds.visits(a_round.id)[0].camera
    answer = log_in(who).get(path.format(round=a_round.id, camera=camera))
    assert answer.status_code == (200 if who in allowed else 403)


@pytest.mark.parametrize("path", [path for path, _ in WHO_MAY])
def test_nobody_is_sent_to_the_login(log_in: LogIn, path: str) -> None:
    page = log_in("").get(path, headers={"accept": "text/html"})
    assert page.status_code == 303
    assert page.headers["location"].startswith("/login?next=")
    assert log_in("").get(path, headers={"accept": "application/json"}).status_code == 401


def test_no_right_is_left_to_nobody_and_admins_see_no_pictures() -> None:
    assert set().union(*PERMISSIONS.values()) == set(Permission)
    assert not PERMISSIONS[AccountRole.ADMIN] & {
        Permission.ROUND,
        Permission.REVIEW,
        Permission.CASES,
        Permission.AREAS,
    }
    assert not PERMISSIONS[AccountRole.AUDITOR] - {
        Permission.TODAY,
        Permission.AUDIT,
        Permission.REPORTS,
    }


def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(visitor: Visitor) -> None:
    client = visitor()
    wrong = client.post("/login", data={"name": "operator", "password": "wrong-password"})
    unknown = client.post("/login", data={"name": "nobody", "password": "wrong-password"})
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.text == unknown.text
    assert "patrol_session" not in client.cookies


def test_an_account_rests_after_wrong_passwords(visitor: Visitor, town: Any) -> None:
    client = visitor()
    for _ in range(MAX_LOGIN_FAILURES):
        client.post("/login", data={"name": "operator2", "password": "wrong-password"})
    right = client.post("/login", data={"name": "operator2", "password": "correct-horse-9"})
    assert right.status_code == 429
    with town.store.begin() as uow:
        account = uow.accounts.get("operator2")
        assert account.locked_until is not None
        uow.accounts.put(account.logged_in())
        uow.commit()
    again = client.post("/login", data={"name": "operator2", "password": "correct-horse-9"})
    assert again.status_code == 303


def failing_log_in(auth: WebAuthenticator, name: str, origin: str) -> str:
    try:
        auth.log_in(name, "wrong-password", device="", origin=origin)
    except (BadLogin, TooManyAttempts) as exc:
        return type(exc).__name__
    return "in"


@pytest.fixture
def auth(town: Any) -> WebAuthenticator:
    return WebAuthenticator(town.app, town.app.site.settings.console or ConsoleSettings())


@pytest.fixture
def free_operator2(town: Any) -> Iterator[None]:
    yield
    unlock(town.store, name="operator2", now=town.app.clock.now())


@pytest.mark.usefixtures("free_operator2")
def test_no_answer_tells_which_names_exist(auth: WebAuthenticator) -> None:
    answers = {
        name: [failing_log_in(auth, name, f"192.0.2.{number}") for _ in range(8)]
        for number, name in enumerate(["operator2", "nobody-here", "a" * 64])
    }
    assert set(map(tuple, answers.values())) == {("BadLogin",) * 5 + ("TooManyAttempts",) * 3}


@pytest.mark.usefixtures("free_operator2")
@pytest.mark.parametrize("name", ["operator2", "nobody-here"])
def test_parallel_guesses_are_no_more_than_guesses_in_turn(
    auth: WebAuthenticator, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Sixty at once from one address: as many are checked as one after the other would be."""
    checked: list[str] = []
    refused = threading.Semaphore(0)
    all_but = 60 - MAX_LOGIN_FAILURES

    def verify(password: str, _hashed: str) -> bool:
        checked.append(password)
        if len(checked) == 1:  # the first check lasts until all the others were turned away
            for _ in range(all_but):
                assert refused.acquire(timeout=30)
        return False

    monkeypatch.setattr("patrol.web.auth.verify_password", verify)
    monkeypatch.setattr("patrol.web.login_limits.MAX_LOGIN_ATTEMPTS", 1000)

    def guess() -> str:
        answer = failing_log_in(auth, name, "192.0.2.60")
        if answer == "TooManyAttempts":
            refused.release()
        return answer

    with ThreadPoolExecutor(60) as pool:
        answers = list(pool.map(lambda _: guess(), range(60)))
    assert len(checked) == answers.count("BadLogin") == MAX_LOGIN_FAILURES


@pytest.mark.usefixtures("free_operator2")
def test_who_guesses_does_not_lock_the_owner_out(auth: WebAuthenticator) -> None:
    for _ in range(MAX_LOGIN_FAILURES + 2):
        failing_log_in(auth, "operator2", "192.0.2.66")
    auth.log_in("operator2", "correct-horse-9", device="", origin="192.0.2.1")
    assert failing_log_in(auth, "operator2", "192.0.2.66") == "TooManyAttempts"


@pytest.mark.usefixtures("free_operator2")
@pytest.mark.parametrize("way", ["console", "command", "password"])
def test_an_administrator_unlocks_at_once(
    auth: WebAuthenticator, town: Any, log_in: LogIn, way: str
) -> None:
    for _ in range(MAX_LOGIN_FAILURES + 1):
        failing_log_in(auth, "operator2", "192.0.2.7")
    now = town.app.clock.now()
    if way == "console":
        answer = log_in("admin").post("/api/accounts/operator2/unlock", json={})
        assert answer.status_code == 200
    elif way == "command":
        unlock(town.store, name="operator2", now=now)
    else:
        change_password(town.store, name="operator2", password="correct-horse-9", now=now)
    auth.log_in("operator2", "correct-horse-9", device="", origin="192.0.2.7")


def test_the_old_password_is_no_oracle(log_in: LogIn, auth: WebAuthenticator, town: Any) -> None:
    """A session that was stolen does not guess its account's password either."""
    client = log_in("operator2")
    form = {"old": "wrong-password", "new": "another-good-one-7"}
    answers = [client.post("/api/account/password", json=form).status_code for _ in range(7)]
    assert answers == [422] * 5 + [429] * 2
    unlock(town.store, name="operator2", now=town.app.clock.now())


def test_one_address_cannot_try_for_ever(visitor: Visitor) -> None:
    client = visitor()
    answers = [
        client.post("/login", data={"name": "", "password": "x"}).status_code for _ in range(21)
    ]
    assert answers[0] == 401
    assert answers[-1] == 429


def test_a_login_from_another_site_is_refused(visitor: Visitor) -> None:
    client = visitor()
    form = {"name": "operator", "password": "correct-horse-9"}
    elsewhere = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    assert client.post("/login", data=form, headers=elsewhere).status_code == 403


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example/", "/\\evil"])
def test_a_login_leads_nowhere_else(visitor: Visitor, target: str) -> None:
    client = visitor()
    form = {"name": "operator", "password": "correct-horse-9", "next": target}
    assert client.post("/login", data=form).headers["location"] == "/home"


def test_the_cookie_cannot_be_read_or_sent_from_elsewhere(visitor: Visitor) -> None:
    client = visitor()
    answer = client.post("/login", data={"name": "operator", "password": "correct-horse-9"})
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie


def test_a_change_needs_the_token_of_its_session(log_in: LogIn) -> None:
    client = log_in("operator")
    without = client.post("/api/rounds/morning/start", headers={"x-patrol-csrf": "nothing"})
    assert without.status_code == 403


def test_a_session_ends_by_itself_and_by_being_ended(town: Any) -> None:
    authenticator = WebAuthenticator(town.app, ConsoleSettings())
    secret, session = authenticator.log_in(
        "auditor", "correct-horse-9", device="x", origin="10.1.0.7"
    )
    assert session.ends_at - session.begun_at == timedelta(hours=12)
    assert authenticator._session(secret) is not None
    with town.store.begin() as uow:
        uow.sessions.end(session.id)
        uow.commit()
    authenticator.clear_cache()
    assert authenticator._session(secret) is None


def test_every_answer_carries_the_headers(log_in: LogIn) -> None:
    for path in ("/login", "/", "/static/console.css", "/nothing-here"):
        headers = log_in("").get(path).headers
        assert "script-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"


def test_no_page_carries_inline_script_or_style(log_in: LogIn) -> None:
    for path in ("/login", "/", "/rounds"):
        html = log_in("operator" if path != "/login" else "").get(path).text
        assert not re.search(r"<script(?![^>]*\bsrc=)", html)
        assert not re.search(r"\sstyle=|<style|\son[a-z]+=", html)
        assert not re.search(r"(?:src|href)=\"https?://", html)
