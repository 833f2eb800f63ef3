"""Every route that takes a JSON body, with bodies made from its own schema: never our mistake.

A seeded slice in every run; `-m soak` sends hundreds to each. A body that is refused is refused by
a status below 500 that echoes none of it; one that is taken leaves a consistent store.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import httpx
import pytest
from fastapi.openapi.utils import get_openapi

from patrol.administration.accounts import hash_password
from patrol.app import build
from patrol.domain.account import API_KEY_PREFIX, API_SCOPES, Account, AccountRole, issue_api_key
from patrol.domain.ids import FindingId, PersonId
from patrol.settings.site_settings import ConsoleSettings
from patrol.store import check
from patrol.web.api.app import create_api
from patrol.web.app import API_PATH
from patrol.web.auth import csrf_token
from patrol.web.pages import ROUTERS
from patrol.web.server import serve
from simulators import small_site
from tests.long.fuzz.json_bodies import json_bodies
from tests.support.clock import ManualClock
from tests.support.small_files import write_small_site

PARAMETER = re.compile(r"\{(\w+)[^}]*\}")
PASSWORD = "correct-horse-9"
SECRET = API_KEY_PREFIX + "5" * 64
ROLES = {
    "lead": AccountRole.SHIFT_SUPERVISOR,
    "admin": AccountRole.ADMIN,
    "operator": AccountRole.OPERATOR,
    "leader": AccountRole.GRID_LEADER,
    "maintainer": AccountRole.MAINTAINER,
}
ENDS_LOGINS = {"/api/account/password"}  # of the account itself: asked with a wrong old password
SOAK_PARTS = 6  # of the routes, so that a part is a matter of minutes and says what it found
JSON_ROUTES = 30  # at least so many; a new one is found by itself
SPOKEN_FOR = {"/api/welcome"}  # public: without a login


@dataclass(frozen=True)
class JsonRoute:
    """A route that takes a JSON body."""

    method: str
    path: str
    schema: Mapping[str, Any]


@dataclass
class Served:
    """The application in this process, a client for each role."""

    app: Any
    store: Any
    clients: Mapping[str, httpx.Client]
    routes: list[JsonRoute]
    definitions: Mapping[str, Any]
    known: tuple[str, ...]
    values: Mapping[str, str]


def json_routes(document: Mapping[str, Any], prefix: str = "") -> Iterator[JsonRoute]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if body is not None:
                yield JsonRoute(method.upper(), prefix + path, body["schema"])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("bodies")
    site = replace(write_small_site(home), registry=small_site.registry())
    with build(site, clock=ManualClock(small_site.NOON), config_dir=home) as app:
        hashed = hash_password(PASSWORD)
        with app.store.begin() as uow:
            for number in (1, 2):
                uow.findings.add(small_site.finding(id=FindingId(f"F00000{number}")))
            for name, role in ROLES.items():
                is_leader = role is AccountRole.GRID_LEADER
                uow.accounts.put(
                    Account(
                        name=name, duty=role, shown_as=name, password=hashed,
                        created_at=small_site.NOON,
                        grid=small_site.GROUP if is_leader else None,
                        person=PersonId("leader") if is_leader else None,
                    )
                )  # fmt: skip
            uow.api_keys.add(
                issue_api_key(
                    name="fuzz", scopes=API_SCOPES, by="x", now=small_site.NOON, secret=SECRET
                )
            )
            uow.commit()
        ids = [f.id for f in queue_of(app)]
        case = app.confirm(ids[0], by="lead", phoned="x")
        pages = get_openapi(
            title="", version="0", routes=[r for one in ROUTERS for r in one.routes]
        )
        api = create_api(app).openapi()
        routes = [*json_routes(pages), *json_routes(api, API_PATH)]
        definitions = {**pages["components"]["schemas"], **api["components"]["schemas"]}
        known = (case.id, *ids, small_site.CAMERA, small_site.GROUP, "lead", "leader")
        values = {
            "round_id": "none", "ident": small_site.CAMERA, "case_id": case.id,
            "finding_id": ids[1], "patrol_id": "none", "event": "start", "decision": "approve",
            "name": "operator",
            "number": "1", "source": "nobody", "plan": "morning",
        }  # fmt: skip
        with serve(app, ConsoleSettings(port=0)) as at:
            clients = {name: logged_in(at.url, name) for name in ROLES}
            key = {"authorization": f"Bearer {SECRET}"}
            clients |= {
                "key": httpx.Client(base_url=at.url, headers=key, timeout=30),
                "nobody": httpx.Client(base_url=at.url, timeout=30),
            }
            texts = tuple(map(str, known))
            yield Served(app, app.store, clients, routes, definitions, texts, values)
            for client in clients.values():
                client.close()


def queue_of(app: Any) -> Any:
    with app.store.begin_read() as uow:
        return uow.findings.queue(limit=10)


def logged_in(url: str, name: str) -> httpx.Client:
    client = httpx.Client(base_url=url, timeout=30)
    answer = client.post("/login", data={"name": name, "password": PASSWORD})
    assert answer.status_code == 303, answer.text
    client.headers["x-patrol-csrf"] = csrf_token(client.cookies["patrol_session"])
    return client


def ask(served: Served, route: JsonRoute, client: httpx.Client, body: str) -> str:
    """What is wrong with the answer; empty: nothing."""
    url = PARAMETER.sub(lambda found: served.values.get(found[1], "none"), route.path)
    answer = client.request(
        route.method, url, content=body.encode("utf-8", "surrogatepass"),
        headers={"content-type": "application/json", "accept": "application/json"},
    )  # fmt: skip
    if answer.status_code >= 500:
        return f"{route.method} {url}: {answer.status_code} for {body[:300]!r}"
    if answer.status_code == 422 and "a" * 3_000 in answer.text:
        return f"{route.method} {url}: echoes the body"
    return ""


@pytest.mark.parametrize(
    ("bodies", "part", "parts"),
    [
        pytest.param(6, 0, 1, id="slice"),
        *(
            pytest.param(400, part, SOAK_PARTS, id=f"all-{part + 1}", marks=pytest.mark.soak)
            for part in range(SOAK_PARTS)
        ),
    ],
)
def test_no_body_of_any_route_is_our_mistake(
    served: Served, bodies: int, part: int, parts: int
) -> None:
    assert len(served.routes) >= JSON_ROUTES
    mine = list(enumerate(served.routes))[part::parts]
    wrong, taken = [], 0
    for number, route in mine:
        made = json_bodies(route.schema, served.definitions, served.known, seed=number)
        names = ("key",) if route.path.startswith(API_PATH) else tuple(ROLES)
        if route.path in SPOKEN_FOR:
            names = ("nobody",)
        for turn, body in enumerate(islice(made, bodies)):
            problem = ask(served, route, served.clients[names[turn % len(names)]], body)
            wrong += [problem] if problem else []
            taken += 1
    assert not wrong, "\n".join(wrong[:20])
    assert taken == bodies * len(mine)
    assert check(served.store) == []


def test_a_refusal_does_not_repeat_what_was_given_at_length(served: Served) -> None:
    form = {"name": "x", "scopes": ["a" * 3_000]}
    answer = served.clients["admin"].post("/api/keys", json=form)
    assert answer.status_code == 422
    assert "rounds:read" in answer.text, "what may be given"
    assert "a" * 100 not in answer.text


def test_the_seed_alone_decides() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}}
    first, second, other = (
        list(islice(json_bodies(schema, {}, (), seed=seed), 50)) for seed in (1, 1, 2)
    )
    assert first == second != other
    whole = [json.loads(one) for one in first if one.startswith('{"') and one.endswith("}")]
    assert any(set(one) == {"a", "b"} for one in whole if isinstance(one, dict))
