"""A private PostgreSQL for tests: the machine's own programs, a temporary directory, a free port.

Runs as the `postgres` user where we are root (PostgreSQL refuses root), on loopback only. Without
fsync: the machine survives what tests do, and PostgreSQL keeps the order of writes all the same.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

import psycopg

from patrol.clock import SystemClock
from patrol.mqtt.embedded_broker import HOST, free_port

WAIT_S: Final = 60
TRIES: Final = 60
PASSWORD: Final = "s3cret/@pg"


def find_postgres() -> Path | None:
    """The directory of the newest installed server's programs, or None."""
    folders = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = sorted(folders, key=lambda file: float(file.parts[-3]))
    on_path = shutil.which("initdb")
    if newest:
        return newest[-1].parent
    return Path(on_path).resolve().parent if on_path else None


def server_user() -> str | None:
    """The user that the server runs as: another one when we are root, else None."""
    if os.geteuid() != 0:
        return None
    with suppress(KeyError):
        return pwd.getpwnam("postgres").pw_name
    return "nobody"


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A running server; `url` is its `postgres` database (superuser, password in it)."""

    url: str
    _numbers: "count[int]"
    restart: Callable[[], None]  # as after a power cut: `-m immediate`, and up again

    def new_database(self, options: str = "") -> str:
        """Create an empty database, or as the options say; return its name."""
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} {options}")
        return name

    def url_of(self, name: str) -> str:
        """The SQLAlchemy URL of one of its databases."""
        return self.url.removesuffix("/postgres") + f"/{name}"

    def drop(self, name: str) -> None:
        """Drop a database; retried while the checkpoint fails on another's full disk."""
        for _ in range(TRIES):
            with suppress(psycopg.InternalError):
                self.execute(f"DROP DATABASE {name} WITH (FORCE)")
                return
            SystemClock().sleep(0.5)

    def drop_connections(self, name: str) -> None:
        """End every connection of a database, as a restart does."""
        others = f"datname = '{name}' AND pid <> pg_backend_pid()"
        ending = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE"
        self.execute(f"{ending} {others}")

    def execute(self, statement: str) -> None:
        """Run one statement as the superuser, outside of any transaction."""
        with psycopg.connect(self.url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute(statement.encode())


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """A server that runs while the block does. Raises RuntimeError with its own output."""
    program_folder = find_postgres()
    if program_folder is None:
        raise RuntimeError("PostgreSQL is not installed (Debian: postgresql)")
    home = Path(tempfile.mkdtemp(prefix="patrol-pg-", dir="/tmp"))  # short: it holds a socket
    user = server_user()
    if user:
        shutil.chown(home, user)
    password = home / "password"
    password.write_text(PASSWORD, encoding="ascii")
    password.chmod(0o644)
    port = free_port()

    def run(program: str, *arguments: str) -> None:
        command = [str(program_folder / program), "-D", str(home / "data"), *arguments]
        done = subprocess.run(
            command, user=user, cwd="/", capture_output=True, text=True, timeout=WAIT_S, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(f"{program}: {done.stdout}{done.stderr}")

    initdb = ("-U", "patrol", "-A", "scram-sha-256", "--no-sync", f"--pwfile={password}")
    settings = (
        f"-p {port} -k {home} -c listen_addresses={HOST} -c fsync=off"
        " -c synchronous_commit=off -c full_page_writes=off -c max_connections=200"
    )
    try:
        run("initdb", *initdb, "-E", "UTF8", "--locale=C")
        start = ("-w", "-l", str(home / "log"), "-o", settings, "start")
        run("pg_ctl", *start)

        def restart() -> None:
            run("pg_ctl", "-w", "-m", "immediate", "stop")
            run("pg_ctl", *start)

        try:
            yield PostgresServer(
                f"postgresql+psycopg://patrol:s3cret%2F%40pg@{HOST}:{port}/postgres",
                count(1),
                restart,
            )
        finally:
            run("pg_ctl", "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(home, ignore_errors=True)
