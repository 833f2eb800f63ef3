"""Fixtures that every room may use: a private PostgreSQL, and databases in it.

The server is the machine's own PostgreSQL, started once for the whole run on a free port of
127.0.0.1, in a temporary directory, without fsync; as the `postgres` user where the tests run as
root (PostgreSQL refuses root). Missing: those tests skip, or fail where CI=true.
"""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import NoReturn

import psycopg
import pytest
from psycopg import sql

from patrol.store import upgrade
from patrol.store.tables import metadata

WAIT_S = 60


def missing_part(what: str) -> NoReturn:
    """Skip — or fail, where everything must be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


def _postgres_programs() -> Path | None:
    """The newest installed server's directory of programs."""
    folders = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = sorted(folders, key=lambda file: float(file.parts[-3]))
    on_path = shutil.which("initdb")
    if newest:
        return newest[-1].parent
    return Path(on_path).resolve().parent if on_path else None


def _postgres_user() -> str | None:
    """Whom the server runs as: somebody else when we are root."""
    if os.geteuid() != 0:
        return None
    with suppress(KeyError):
        return pwd.getpwnam("postgres").pw_name
    return "nobody"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """SQLAlchemy URL of a private server's `postgres` database (superuser, password in it)."""
    programs = _postgres_programs()
    if programs is None:
        missing_part("PostgreSQL is not installed (Debian: postgresql)")
    home = Path(tempfile.mkdtemp(prefix="patrol-pg-", dir="/tmp"))  # short: it holds a socket
    user = _postgres_user()
    if user:
        shutil.chown(home, user)
    password = home / "password"
    password.write_text("s3cret/@pg", encoding="ascii")
    password.chmod(0o644)
    port = _free_port()

    def run(program: str, *arguments: str) -> None:
        command = [str(programs / program), "-D", str(home / "data"), *arguments]
        done = subprocess.run(
            command, user=user, cwd="/", capture_output=True, text=True, timeout=WAIT_S, check=False
        )
        assert done.returncode == 0, f"{program}: {done.stdout}{done.stderr}"

    initdb = ("-U", "patrol", "-A", "scram-sha-256", "--no-sync", f"--pwfile={password}")
    settings = (
        f"-p {port} -k {home} -c listen_addresses=127.0.0.1 -c fsync=off"
        " -c synchronous_commit=off -c full_page_writes=off -c max_connections=100"
    )
    try:
        run("initdb", *initdb, "-E", "UTF8", "--locale=C")
        run("pg_ctl", "-w", "-l", str(home / "log"), "-o", settings, "start")
        try:
            yield f"postgresql+psycopg://patrol:s3cret%2F%40pg@127.0.0.1:{port}/postgres"
        finally:
            run("pg_ctl", "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def new_postgres_database(postgres_url: str) -> Callable[[], str]:
    """Makes empty databases, answers their URLs. 300 files each: not one for every test."""
    numbers = count(1)
    plain = postgres_url.replace("+psycopg", "")

    def new() -> str:
        name = f"test_{next(numbers)}"
        with psycopg.connect(plain, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return postgres_url.removesuffix("/postgres") + f"/{name}"

    return new


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


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("store") / "template.db"
    upgrade(f"sqlite:///{file}")
    return file


@pytest.fixture
def sqlite_database(_sqlite_template: Path, tmp_path: Path) -> str:
    """URL of a fresh SQLite file with the store's tables."""
    file = tmp_path / "patrol.db"
    shutil.copyfile(_sqlite_template, file)
    return f"sqlite:///{file}"
