"""Schemathesis against the API's own description: no answer that it does not promise.

A seeded slice in every run; `-m soak` asks a thousand times and more.
"""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import CHECKS

from patrol.domain.account import API_KEY_PREFIX, API_SCOPES, issue_api_key
from patrol.web.api.app import create_api

NAMES = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "unsupported_method",
)
OPERATIONS = 13


@pytest.mark.parametrize(
    "cases", [pytest.param(4, id="slice"), pytest.param(90, id="all", marks=pytest.mark.soak)]
)
def test_every_answer_is_as_described(town: Any, cases: int) -> None:
    secret = API_KEY_PREFIX + "7" * 64
    now = town.app.clock.now()
    issued = issue_api_key(name="fuzz", scopes=API_SCOPES, by="x", now=now, secret=secret)
    with town.store.begin() as uow:
        if uow.api_keys.by_secret(issued.secret) is None:
            uow.api_keys.add(issued)
        uow.commit()
    schema = schemathesis.openapi.from_asgi("/openapi.json", create_api(town.app))
    asked = sum(ask_operation(result.ok(), cases, secret) for result in schema.get_all_operations())
    assert asked >= OPERATIONS * cases * 0.9


def ask_operation(operation: Any, cases: int, secret: str) -> int:
    """Ask one operation so many times; how often it was asked."""
    checks, asked = CHECKS.get_by_names(NAMES), 0

    @seed(7)
    @settings(
        max_examples=cases, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        nonlocal asked
        asked += 1
        case.call_and_validate(headers={"Authorization": f"Bearer {secret}"}, checks=checks)

    ask()
    return asked
