"""Every route × every caller, made from the application's own table of routes.

What a route asks is declared beside it (RequirePermission, RequireScope, PublicRoute); this module
walks the table, so that a route without a declaration, or with a parameter that nobody gave a value
here, fails. Callers: an account of every role, leaders and cadres of another grid, nobody, keys.
"""

import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx
import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.routing import Mount

from patrol.administration.accounts import revoke_api_key
from patrol.domain.account import (
    API_KEY_PREFIX,
    API_SCOPES,
    PERMISSIONS,
    AccountRole,
    issue_api_key,
)
from patrol.domain.household_link import HOUSEHOLD_PATH
from patrol.settings.site_settings import ConsoleSettings
from patrol.web.api.routes import RequireScope
from patrol.web.app import API_PATH, create_app
from patrol.web.assets import ASSETS_PATH
from patrol.web.auth import SAFE_METHODS
from patrol.web.context import PublicRoute, RequirePermission, WebContext

LogIn = Callable[[str], httpx.Client]
Declaration = RequirePermission | RequireScope | PublicRoute
WRONG_GRID: Final = {
    AccountRole.GRID_LEADER: "other_leader",
    AccountRole.VILLAGE_CADRE: "far_cadre",
    AccountRole.HELPER: "far_helper",
}
ROLE_ACCOUNTS: Final = {AccountRole.GRID_LEADER: "leader", AccountRole.VILLAGE_CADRE: "cadre"}
HOUSEHOLD_PAGE: Final = f"{HOUSEHOLD_PATH}{{token}}"  # its signed token is the right
ENDS_SESSION: Final = "/api/logout"  # last, with a session of its own
STREAMS: Final = "/api/live"  # answers as long as its reader stays
MOUNTED: Final = {API_PATH, ASSETS_PATH, "/static"}
REFUSED: Final = (401, 403)
QUERIES: Final = {
    "/api/cases/{case_id}/extension": {"hours": "8"},
    "/meetings/file.{kind}": {"scope": "town", "period": "2020-01"},
}
SIGNED: Final = {f"{API_PATH}/inbound/{{source}}"}  # no cookie is asked for: nothing to forge
NOT_SHOWN: Final = {"/picture/{picture}/{size}": (403, 404, 422)}  # without its session's signature


@dataclass(frozen=True)
class Entry:
    """A method of a route, with what it declares."""

    method: str
    path: str
    declared: tuple[Declaration, ...]

    @property
    def is_safe(self) -> bool:
        return self.method in SAFE_METHODS

    def permits(self, role: AccountRole) -> bool:
        [asked] = [one for one in self.declared if isinstance(one, RequirePermission)]
        return not asked.permissions or bool(PERMISSIONS[role] & set(asked.permissions))


def declarations(dependant: Dependant) -> Iterator[Declaration]:
    for dependency in dependant.dependencies:
        if isinstance(dependency.call, RequirePermission | RequireScope | PublicRoute):
            yield dependency.call
        yield from declarations(dependency)


def api_routes(routes: Any) -> Iterator[APIRoute]:
    """The routes of a table, also where this version of FastAPI keeps routers as they are."""
    for route in routes:
        if isinstance(route, APIRoute):
            yield route
        elif not isinstance(route, Mount):
            inner = getattr(route, "original_router", route)
            yield from api_routes(getattr(inner, "routes", ()))


def entries(routes: Any, prefix: str = "") -> list[Entry]:
    return [
        Entry(method, prefix + route.path, tuple(declarations(route.dependant)))
        for route in api_routes(routes)
        for method in sorted(route.methods)
    ]


@pytest.fixture(scope="module")
def table(town: Any) -> list[Entry]:
    """Every route of the pages and of the API, from the application as it is served."""
    app = create_app(WebContext.build(town.app, ConsoleSettings()))
    mounts = {route.path: route for route in app.routes if isinstance(route, Mount)}
    assert set(mounts) == MOUNTED
    found = entries(app.routes) + entries(mounts[API_PATH].routes, API_PATH)
    assert len(found) > 80
    return found


@pytest.fixture(scope="module")
def pages(table: list[Entry]) -> list[Entry]:
    """Those that a logged-in person opens; the one that ends the session comes last."""
    asked = [e for e in table if any(isinstance(d, RequirePermission) for d in e.declared)]
    return sorted(asked, key=lambda entry: entry.path == ENDS_SESSION)


@pytest.fixture(scope="module")
def values(town: Any) -> Mapping[str, str]:
    """A value for every parameter of a path: what is there, of the leader's own grid."""
    with town.store.begin_read() as uow:
        a_round = uow.rounds.of_plan("afternoon", limit=1)[0]
        finding = uow.findings.queue(limit=1)[0]
    camera = next(iter(town.app.registry.cameras))
    return {
        "round_id": a_round.id, "ident": camera, "camera_id": camera, "case_id": town.case.id,
        "finding_id": finding.id, "picture": str(town.case.before), "size": "full",
        "token": "none", "plan": "no-such-plan", "key": "00000000-aaaa", "number": "999999",
        "key_id": "Knone", "name": "nobody", "action": "disable", "short": "none",
        "language": "zh", "kind": "html", "period": "2020-01-01", "patrol_id": "none",
        "event": "start", "decision": "approve", "grid": str(town.case.grid), "scope": "town",
        "source": "nobody", "point_id": "W0-1", "table": "leave", "row": "nobody 2026-01-01",
    }  # fmt: skip


def test_every_route_declares_exactly_one_right(table: list[Entry]) -> None:
    wrong = {f"{e.method} {e.path}": e.declared for e in table if len(e.declared) != 1}
    assert not wrong, "give it RequirePermission, RequireScope or PublicRoute"


def test_public_routes_change_nothing_but_a_login(table: list[Entry]) -> None:
    """Except a household its own consent: by the token, which nobody else has."""
    public = {e.path for e in table if isinstance(e.declared[0], PublicRoute) and not e.is_safe}
    assert public == {"/login", "/api/welcome", "/api/display", HOUSEHOLD_PAGE, *SIGNED}


def send(
    client: httpx.Client,
    entry: Entry,
    values: Mapping[str, str],
    headers: Mapping[str, str] | None = None,
) -> tuple[int, str]:
    """(status, text); the body of what changes something fits no form, so that nothing changes."""
    headers = {"accept": "application/json", **(headers or {})}
    content: dict[str, Any] = {} if entry.is_safe else {"json": ["no form"]}
    url, query = entry.path.format(**values), QUERIES.get(entry.path)
    with client.stream(entry.method, url, params=query, headers=headers, **content) as answer:
        if entry.path == STREAMS and answer.status_code == 200:
            return 200, ""
        answer.read()
        return answer.status_code, answer.text


def is_stale(status: int, text: str) -> bool:
    return status == 403 and '"csrf"' in text


@pytest.mark.parametrize("role", AccountRole)
def test_a_role_gets_what_it_may_and_nothing_else(
    log_in: LogIn, pages: list[Entry], values: Mapping[str, str], role: AccountRole
) -> None:
    client = log_in(ROLE_ACCOUNTS.get(role, str(role)))
    wrong = []
    for entry in pages:
        if entry.path == ENDS_SESSION:
            continue
        status, text = send(client, entry, values)
        is_refused = status in REFUSED and not is_stale(status, text)
        of_this_object = entry.permits(role) and "{" in entry.path  # a picture's signature, a grid
        if status >= 500 or is_stale(status, text) or is_refused == entry.permits(role):
            if of_this_object and status == 403:
                continue
            wrong.append(f"{entry.method} {entry.path}: {status}")
    assert not wrong


def test_nobody_gets_anything(
    visitor: Callable[[], httpx.Client], pages: list[Entry], values: Mapping[str, str]
) -> None:
    client = visitor()
    answers = {f"{e.method} {e.path}": send(client, e, values)[0] for e in pages}
    assert set(answers.values()) == {401}, answers


@pytest.mark.parametrize("role", AccountRole)
def test_a_forged_change_is_refused_on_every_route(
    log_in: LogIn, pages: list[Entry], values: Mapping[str, str], role: AccountRole
) -> None:
    """With the session's cookie, but without its token, with another's, or a longer one."""
    client = log_in(ROLE_ACCOUNTS.get(role, str(role)))
    own = client.headers["x-patrol-csrf"]
    another = log_in("operator" if role is not AccountRole.OPERATOR else "duty_lead").headers[
        "x-patrol-csrf"
    ]
    tokens = ("", another, own + "0", own.upper() if own.upper() != own else own[::-1])
    turn = list(AccountRole).index(role)  # all roles together try every token on every route
    unsafe = [entry for entry in pages if not entry.is_safe]
    chosen = [(entry, tokens[(i + turn) % len(tokens)]) for i, entry in enumerate(unsafe)]
    forged = [
        (entry, token, send(client, entry, values, headers={"x-patrol-csrf": token}))
        for entry, token in chosen
    ]
    wrong = [(e.path, token, got) for e, token, got in forged if not is_stale(*got)]
    assert len(forged) > 25
    assert len(AccountRole) >= len(tokens)
    assert not wrong


def test_a_login_of_another_site_is_refused(
    visitor: Callable[[], httpx.Client], table: list[Entry], values: Mapping[str, str]
) -> None:
    client = visitor()
    forms: dict[str, dict[str, Any]] = {
        "/login": {"data": {"name": "operator", "password": "x"}},
        "/api/welcome": {"json": {"ticket": "x", "password": "correct-horse-9"}},
        "/api/display": {"json": {"token": "x"}},
        HOUSEHOLD_PAGE: {"data": {"action": "withdraw"}},
    }
    for entry in table:
        is_form = isinstance(entry.declared[0], PublicRoute) and entry.path not in SIGNED
        if is_form and not entry.is_safe:
            for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "https://elsewhere"}):
                path = entry.path.format(**values)
                answer = client.post(path, headers=headers, **forms[entry.path])
                assert answer.status_code == 403, (entry.path, headers)


@pytest.mark.parametrize("role", WRONG_GRID)
def test_no_case_of_another_grid_is_visible(
    town: Any, log_in: LogIn, pages: list[Entry], values: Mapping[str, str], role: AccountRole
) -> None:
    client = log_in(WRONG_GRID[role])
    secret_words = [str(town.case.id), str(town.case.before)]
    seen = []
    for entry in pages:
        if entry.path == ENDS_SESSION or not entry.permits(role):
            continue
        status, text = send(client, entry, values)
        if "{case_id}" in entry.path or "{picture}" in entry.path:
            if entry.is_safe and status not in NOT_SHOWN.get(entry.path, (403, 404)):
                seen.append(f"{entry.path}: {status}")
        elif any(word in text for word in secret_words):
            seen.append(f"{entry.path} shows the case")
    assert not seen


@pytest.fixture(scope="module")
def api_keys(town: Any) -> Mapping[str, dict[str, str]]:
    """Headers by what they are: a key of each scope, one of all others (`-`), none that counts."""
    now, headers = town.app.clock.now(), {}
    scopes: dict[str, list[str]] = {"revoked": [*API_SCOPES]}
    for scope in API_SCOPES:
        scopes |= {scope: [scope], f"-{scope}": [one for one in API_SCOPES if one != scope]}
    for name, opened in scopes.items():
        secret = API_KEY_PREFIX + secrets.token_urlsafe(32)
        key = issue_api_key(name=name, scopes=opened, by="test", now=now, secret=secret)
        with town.store.begin() as uow:
            uow.api_keys.add(key)
            if name == "revoked":
                revoke_api_key(uow, key.id, by="test", now=now)
            uow.commit()
        headers[name] = {"authorization": f"Bearer {secret}"}
    unknown = API_KEY_PREFIX + secrets.token_urlsafe(32)
    return {**headers, "unknown": {"authorization": f"Bearer {unknown}"}, "none": {}}


def test_a_key_opens_its_scope_alone(
    visitor: Callable[[], httpx.Client], log_in: LogIn, table: list[Entry],
    values: Mapping[str, str], api_keys: Mapping[str, dict[str, str]],
) -> None:  # fmt: skip
    """What all other scopes together do not open, none of them opens."""
    client, session = visitor(), log_in("duty_lead")
    asked = [(e, d.scope) for e in table for d in e.declared if isinstance(d, RequireScope)]
    assert {scope for _, scope in asked} == set(API_SCOPES)
    wrong = []
    for entry, scope in asked:
        answers = {
            name: send(client, entry, values, headers=api_keys[name])[0]
            for name in (scope, f"-{scope}", "revoked", "unknown", "none")
        }
        answers["session"] = send(session, entry, values)[0]  # a session is no key
        opened = answers.pop(scope)
        refused = {name: 403 if name == f"-{scope}" else 401 for name in answers}
        if opened >= 500 or opened in REFUSED or answers != refused:
            wrong.append(f"{entry.method} {entry.path}: {opened}, {answers}")
    assert not wrong


def test_a_key_opens_no_page(
    visitor: Callable[[], httpx.Client], pages: list[Entry], values: Mapping[str, str],
    api_keys: Mapping[str, dict[str, str]],
) -> None:  # fmt: skip
    client = visitor()
    headers = api_keys["cases:read"]
    answers = {e.path: send(client, e, values, headers=headers)[0] for e in pages}
    assert set(answers.values()) == {401}, answers
