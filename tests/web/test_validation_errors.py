"""What is wrong with a request is told by field names: no answer and no log line quotes a body."""

import asyncio
import io
import logging
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError, ResponseValidationError
from pydantic import BaseModel

from patrol import logs
from patrol.administration.accounts import add_api_key
from patrol.web.errors import InvalidRequest, translate_errors, validation_problem

LogIn = Callable[[str], httpx.Client]
SECRET = "s3cr3t-Passwort"


@pytest.fixture
def log_lines() -> Iterator[io.StringIO]:
    out = io.StringIO()
    logs.configure(out, logging.DEBUG, for_people=False)
    yield out
    structlog.reset_defaults()


BODIES: dict[str, dict[str, Any]] = {
    "a field too many, one missing": {"json": {"old": SECRET, "neu": SECRET}},
    "a secret as a name": {"json": {"old": SECRET, "new": [SECRET], SECRET: 1}},
    "a list": {"json": [SECRET, SECRET]},
    "a string": {"json": SECRET},
    "too long": {"json": {"old": SECRET * 40, "new": SECRET}},
    "no JSON": {"content": f'{{"old": "{SECRET}"', "headers": {"content-type": "application/json"}},
    "a form": {"data": {"old": SECRET, "new": SECRET}},
    "text": {"content": SECRET, "headers": {"content-type": "text/plain"}},
    "not UTF-8": {
        "content": b"\xff" + SECRET.encode(),
        "headers": {"content-type": "application/json"},
    },
}
PATHS = (
    "/api/account/password",
    "/api/accounts",
    "/api/welcome",
    "/api/keys",
    "/api/accounts/operator/duty",
)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("body", BODIES)
def test_no_body_comes_back_or_into_the_log(
    log_in: LogIn, log_lines: io.StringIO, path: str, body: str
) -> None:
    answer = log_in("admin").post(path, **BODIES[body])
    assert answer.status_code == 422, answer.text
    detail = answer.json()["detail"]
    assert detail.startswith("body")
    seen = answer.text + log_lines.getvalue()
    assert detail.partition("：")[0] in log_lines.getvalue()
    assert not [word for word in (SECRET, ".py", "line ", "site-packages") if word in seen]


def test_the_missing_field_is_named(log_in: LogIn) -> None:
    answer = log_in("admin").post("/api/account/password", json={"old": SECRET, "neu": SECRET})
    assert answer.json()["detail"] == "body.new：缺少，请补上"


@pytest.mark.parametrize(
    "query", [f"limit={SECRET}", f"open={SECRET}&limit={SECRET}", f"limit=0&{SECRET}=1"]
)
def test_the_json_api_as_well(log_in: LogIn, town: Any, log_lines: io.StringIO, query: str) -> None:
    now = town.app.clock.now()
    with town.store.begin() as uow:
        _, secret = add_api_key(uow, name="t", scopes=["cases:read"], by="admin", now=now)
        uow.commit()
    answer = log_in("").get(f"/api/v1/cases?{query}", headers={"authorization": f"Bearer {secret}"})
    assert answer.status_code == 422
    assert "limit" in answer.json()["detail"]
    assert SECRET not in answer.text + log_lines.getvalue()


class Form(BaseModel):
    number: int


def test_a_model_that_a_page_builds_is_no_leak() -> None:
    with pytest.raises(InvalidRequest) as caught, translate_errors():
        Form.model_validate({"number": SECRET})
    assert SECRET not in repr(caught.value)
    assert "number" in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("kind", [RequestValidationError, ResponseValidationError])
@pytest.mark.parametrize("error", ["value_error", "union_tag_invalid", "url_parsing_x"])
def test_an_error_that_may_quote_is_told_by_its_name(kind: Any, error: str) -> None:
    seen = {"type": error, "loc": ("body", "a"), "msg": f"not {SECRET}", "input": SECRET}
    assert validation_problem(kind([seen])) == f"body.a: {error}"


def test_a_document_of_ours_that_is_wrong_stays_out_of_the_log(
    town: Any, log_lines: io.StringIO
) -> None:
    from patrol.web.api.app import create_api  # noqa: PLC0415  beside its only use

    api: FastAPI = create_api(town.app)

    @api.get("/wrong")
    def wrong() -> Form:
        return {"number": SECRET}  # type: ignore[return-value]  # what a mistake would do

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(api)
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            return await client.get("/wrong")

    answer = asyncio.run(ask())
    assert answer.status_code == 500
    assert "number" in log_lines.getvalue()
    assert SECRET not in answer.text + log_lines.getvalue()
