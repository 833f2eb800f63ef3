"""Fixtures for all packages: a private PostgreSQL, databases in it, a SQLite file, closed stores.

The server is the machine's own PostgreSQL (tests.support.postgres), started once for the whole
run. Where it is missing, those tests skip, or fail with CI=true.

Property tests draw the same examples in every run, so that a run tells of a change and not of its
luck; `HYPOTHESIS_PROFILE=search pytest …` draws new ones.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from psycopg import sql

from patrol.store import upgrade
from patrol.store.schema_all import metadata
from tests.support.postgres import PostgresServer, find_postgres, running_postgres
from tests.support.store import close_stores, copy_template

settings.register_profile("search", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("repeatable", settings.get_profile("search"), derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))

pytest_plugins = ["tests.support.case_system"]


def missing_part(what: str) -> NoReturn:
    """Skip the test, or fail it with CI=true."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A private server for the whole run."""
    if find_postgres() is None:
        missing_part("PostgreSQL is not installed (Debian: postgresql)")
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_url(postgres_server: PostgresServer) -> str:
    """SQLAlchemy URL of its `postgres` database (superuser, password in it)."""
    return postgres_server.url


@pytest.fixture(scope="session")
def new_postgres_database(postgres_server: PostgresServer) -> Callable[[], str]:
    """Makes empty databases, answers their URLs. 300 files each: not one for every test."""
    return lambda: postgres_server.url_of(postgres_server.new_database())


@pytest.fixture(scope="session")
def _migrated_postgres(new_postgres_database: Callable[[], str]) -> str:
    url = new_postgres_database()
    upgrade(url)
    return url


@pytest.fixture
def postgres_database(_migrated_postgres: str) -> str:
    """URL of a PostgreSQL database with the store's tables, all of them empty."""
    with psycopg.connect(_migrated_postgres.replace("+psycopg", "")) as connection:
        connection.execute("SET session_replication_role = replica")  # in any order
        for table in metadata.tables:
            connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
    return _migrated_postgres


@pytest.fixture
def sqlite_database(tmp_path: Path) -> str:
    """URL of a fresh SQLite file with the store's tables."""
    file = tmp_path / "patrol.db"
    copy_template(file)
    return f"sqlite:///{file}"


@pytest.fixture(autouse=True)
def _close_stores() -> Iterator[None]:
    """Close and delete the stores that a test made with `new_store`."""
    yield
    close_stores()
