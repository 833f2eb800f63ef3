"""Who gets in, who gets what, and which headers every answer has."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from patrol.domain.account import MAX_LOGIN_FAILURES, PERMISSIONS, AccountRole, Permission
from patrol.settings.site_settings import ConsoleSettings
from patrol.web.auth import WebAuthenticator
from patrol.web.context import RequirePermission
from patrol.web.pages import ROUTERS

LogIn = Callable[[str], httpx.Client]
Visitor = Callable[[], httpx.Client]
PUBLIC = {"/p/{token}", "/login", "/language/{language}", "/robots.txt", "/welcome", "/api/welcome"}
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
