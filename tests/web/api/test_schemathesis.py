"""Schemathesis against the API's own description: no answer that it does not promise.

A seeded slice in every run; `-m soak` asks thousands of times, of SQLite and of PostgreSQL.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import CHECKS

from patrol.app import Application, build
from patrol.clock import SystemClock
from patrol.domain.account import API_KEY_PREFIX, API_SCOPES, issue_api_key
from patrol.settings import load_site
from patrol.web.api.app import create_api
from simulators.town.history import write_history

NAMES = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "unsupported_method",
)
OPERATIONS = 13


@pytest.fixture
def postgres_app(new_postgres_database: Callable[[], str], tmp_path: Path) -> Iterator[Application]:
    """A day of a small town in PostgreSQL."""
    write_history(
        tmp_path, cameras=12, days=1, now=SystemClock().now(), database=new_postgres_database()
    )
    with build(load_site(tmp_path), config_dir=tmp_path) as app:
        yield app


@pytest.mark.parametrize(
    "cases", [pytest.param(4, id="slice"), pytest.param(90, id="all", marks=pytest.mark.soak)]
)
def test_every_answer_is_as_described(town: Any, cases: int) -> None:
    assert ask_everything(town.app, cases) >= OPERATIONS * cases * 0.9


@pytest.mark.soak
def test_every_answer_is_as_described_on_postgresql(postgres_app: Application) -> None:
    assert ask_everything(postgres_app, 90) >= OPERATIONS * 90 * 0.9


def ask_everything(app: Application, cases: int) -> int:
    """Ask every operation so many times, with a key that may do everything; how often in all."""
    secret = API_KEY_PREFIX + "7" * 64
    now = app.clock.now()
    issued = issue_api_key(name="fuzz", scopes=API_SCOPES, by="x", now=now, secret=secret)
    with app.store.begin() as uow:
        if uow.api_keys.by_secret(issued.secret) is None:
            uow.api_keys.add(issued)
        uow.commit()
    schema = schemathesis.openapi.from_asgi("/openapi.json", create_api(app))
    return sum(ask_operation(result.ok(), cases, secret) for result in schema.get_all_operations())


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
