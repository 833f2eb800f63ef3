"""No value from outside is an internal error: every parameter of every route × hostile values.

The routes, their parameters and the fields of their bodies come from the applications themselves
(their OpenAPI descriptions), so that a new route is tried without a line here. `make soak` tries
every value on each; `make test` a few on each, in turn, so that every value meets many routes.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote_from_bytes, urlencode

import httpx
import pytest
from fastapi import FastAPI

from patrol.administration.accounts import hash_password
from patrol.app import build
from patrol.clock import SystemClock
from patrol.domain import account as accounts
from patrol.domain.account import (
    API_KEY_PREFIX,
    API_SCOPES,
    Account,
    AccountRole,
    Permission,
    issue_api_key,
)
from patrol.settings import load_site
from patrol.settings.site_settings import ConsoleSettings
from patrol.store import Store
from patrol.web.api.app import create_api
from patrol.web.app import API_PATH, create_app
from patrol.web.auth import csrf_token
from patrol.web.context import WebContext
from patrol.web.server import serve
from simulators.town.history import write_history

pytestmark = pytest.mark.slow  # some thousand requests
PASSWORD = "correct-horse-9"
T = TypeVar("T")
LONG = "一" * 6_000
TEXTS: tuple[bytes, ...] = (
    b"a\0b", b"\xed\xa0\x80", b"\xff\x1b\r\n", b"../../etc/passwd", b"%", b"-1",
    str(2**64).encode(),
    b"-" + str(2**63 + 1).encode(), b"9" * 5000, "\uff11".encode(), b"0001-01-01", b"9999-12-31",
    b"0001-01", b"9999-12", LONG.encode(),
)  # fmt: skip
JSON_VALUES: tuple[str, ...] = (
    "null", "[]", "-1", str(2**64), "9" * 400, "1e999", "NaN", r'"a\u0000b"', r'"\ud800"',
    '"0001-01-01T00:00"', '"9999-12-31T23:59"', json.dumps(LONG), "[" * 500 + "]" * 500,
    r'["\u0000"]', r'{"\u0000": "\ud800"}',
)  # fmt: skip
BODIES: tuple[bytes, ...] = (b"", b"\0", b"[]", b"9" * 5000, b"\xff", b"[" * 100_000)
NOT_ASKED = {"/api/live", "/api/logout"}  # an endless stream; the end of the session that asks


@dataclass(frozen=True)
class Served:
    """The two applications, a client that may do everything, and what is in the store."""

    client: httpx.Client
    key: str
    apps: Mapping[str, FastAPI]
    known: Mapping[str, str]
    one_in: int  # of the values, on each parameter

    def some(self, values: Sequence[T], turn: int) -> Sequence[T]:
        """The values of this turn."""
        return values[turn % self.one_in :: self.one_in]

    def send(self, method: str, path: str, **more: Any) -> int:
        head = {"authorization": f"Bearer {self.key}", **more.pop("headers", {})}
        return self.client.request(
            method, path, headers=head, follow_redirects=False, **more
        ).status_code


# The stricter of the two in every run.
@pytest.fixture(
    scope="module",
    params=[
        ("postgres", 5),
        pytest.param(("postgres", 1), marks=pytest.mark.soak),
        pytest.param(("sqlite", 1), marks=pytest.mark.soak),
    ],
    ids=lambda kind: f"{kind[0]}-1-in-{kind[1]}",
)
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    config_dir, now = tmp_path_factory.mktemp("hostile"), SystemClock().now()
    database = ""
    kind, one_in = request.param
    if kind == "postgres":
        new: Callable[[], str] = request.getfixturevalue("new_postgres_database")
        database = new()
    write_history(config_dir, cameras=12, days=1, now=now, database=database)
    everything = {duty: frozenset(Permission) for duty in AccountRole}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(accounts, "PERMISSIONS", everything)
        with build(load_site(config_dir), config_dir=config_dir) as app:
            secret = API_KEY_PREFIX + "1" * 64
            key = issue_api_key(name="all", scopes=API_SCOPES, by="x", now=now, secret=secret)
            with app.store.begin() as uow:
                uow.accounts.put(
                    Account(
                        name="all", duty=AccountRole.OPERATOR, shown_as="all", created_at=now,
                        password=hash_password(PASSWORD),
                    )
                )  # fmt: skip
                uow.api_keys.add(key)
                uow.commit()
            described = create_app(WebContext.build(app, ConsoleSettings(port=0)))
            apps = {"": described, API_PATH: create_api(app)}
            with (
                serve(app, ConsoleSettings(port=0)) as console,
                httpx.Client(base_url=console.url, timeout=30) as client,
            ):
                done = client.post("/login", data={"name": "all", "password": PASSWORD})
                assert done.status_code == 303
                client.headers["x-patrol-csrf"] = csrf_token(client.cookies["patrol_session"])
                yield Served(client, secret, apps, known_values(app.store), one_in)


def known_values(store: Store) -> dict[str, str]:
    """Good values of parameters by their names."""
    with store.begin_read() as uow:
        case = uow.cases.list(limit=1)[0]
        finding = uow.findings.queue(limit=1)[0]
        return {
            "case_id": case.id, "finding_id": finding.id, "ident": finding.camera,
            "camera_id": finding.camera, "round_id": finding.round or "", "plan": "morning",
            "number": "1", "language": "en", "kind": "json", "size": "full", "until": "1",
            "day": "2026-11-22", "period": "2026-11-22", "picture": "0" * 64, "sign": "x",
        }  # fmt: skip


def operations(served: Served) -> Iterator[tuple[str, str, str, Mapping[str, Any], FastAPI]]:
    for prefix, app in served.apps.items():
        for path, methods in app.openapi()["paths"].items():
            for method, operation in methods.items():
                if path not in NOT_ASKED:
                    yield prefix, path, method.upper(), operation, app


def address(served: Served, path: str, given: Mapping[str, bytes]) -> str:
    """The path with its parameters filled in, as a client may write them."""
    for name in [part.split("}")[0] for part in path.split("{")[1:]]:
        value = given.get(name, served.known.get(name, "x").encode())
        path = path.replace(f"{{{name}}}", quote_from_bytes(value, safe=""))
    return path


def test_every_parameter_of_every_route(served: Served) -> None:
    failed, asked, turn = [], 0, 0
    for prefix, path, method, operation, _ in operations(served):
        for parameter in operation.get("parameters", ()):
            name, place = parameter["name"], parameter["in"]
            turn += 1
            for value in served.some(TEXTS, turn):
                given = {name: value} if place == "path" else {}
                url = prefix + address(served, path, given)
                if place == "query":
                    url += "?" + urlencode({name: value})
                elif place != "path" or len(value) > 9000:
                    continue
                asked += 1
                status = served.send(method, url)
                if status >= 500:
                    failed.append((method, path, name, value[:30], status))
    assert failed == []
    assert asked > 500 / served.one_in, "the routes tell their parameters"


def fields_of(app: FastAPI, operation: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """(media type, schema by field) of the body; ("", {}) for none."""
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        schema = content["schema"]
        if "$ref" in schema:
            schema = app.openapi()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        return media, schema.get("properties", {})
    return "", {}


def good_value(schema: Mapping[str, Any], name: str, served: Served) -> Any:
    choices = schema.get("enum") or [schema.get("const", served.known.get(name, "x"))]
    kinds = {"integer": 1, "number": 0.5, "boolean": False, "array": [], "object": {}}
    return kinds.get(schema.get("type", ""), choices[0])


def test_every_field_of_every_body(served: Served) -> None:
    failed, asked, turn = [], 0, 0
    for prefix, path, method, operation, app in operations(served):
        media, fields = fields_of(app, operation)
        if media != "application/json":
            continue
        url = prefix + address(served, path, {})
        good = {name: good_value(schema, name, served) for name, schema in fields.items()}
        bodies = [(b"body", body) for body in BODIES]
        for name in fields:
            rest = json.dumps({key: value for key, value in good.items() if key != name})[1:]
            comma = "" if rest == "}" else ", "
            bodies += [
                (name.encode(), f"{{{json.dumps(name)}: {value}{comma}{rest}".encode())
                for value in JSON_VALUES
            ]
        turn += 1
        for what, body in served.some(bodies, turn):
            asked += 1
            status = served.send(
                method, url, content=body, headers={"content-type": "application/json"}
            )
            if status >= 500:
                failed.append((method, path, what, body[:60], status))
    assert failed == []
    assert asked > 300 / served.one_in, "the routes tell their bodies"


def test_every_field_of_every_form(served: Served) -> None:
    failed, asked, turn = [], 0, 0
    for prefix, path, method, operation, app in operations(served):
        media, fields = fields_of(app, operation)
        if not media or media == "application/json":
            continue
        for name in fields:
            turn += 1
            for value in served.some(TEXTS, turn):
                asked += 1
                url = prefix + address(served, path, {})
                if media == "multipart/form-data":
                    status = served.send(method, url, files={name: ("x.csv", value)})
                else:
                    form = {name: value, **{key: b"x" for key in fields if key != name}}
                    status = served.send(
                        method, url, content=urlencode(form), headers={"content-type": media}
                    )
                if status >= 500:
                    failed.append((method, path, name, value[:30], status))
    assert failed == []
    assert asked > 30 / served.one_in
