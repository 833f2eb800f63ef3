"""Databases of chaos runs: SQLite or PostgreSQL, on a disk that can be filled.

SQLite's disk is full for the service alone: its files may not grow any further. PostgreSQL's is a
small file system of its own for that database, really filled; only root can mount it, and without
it the disk of PostgreSQL never fills (the run says so by not counting it).
"""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import chown, copyfile
from typing import Final, Protocol

from typing_extensions import override

from patrol.store import upgrade
from tests.long.chaos.service_process import ServiceProcess
from tests.support.postgres import PostgresServer, server_user

SPARE_BYTES: Final = 8192  # bytes that a file may still grow by
MIN_LOG_BYTES: Final = 65536  # the service's log must find room
DISK_MIB: Final = 64  # twice what a run needs
PREFIX: Final = "chaos-"
CHUNK: Final = b"\0" * (1 << 16)


class ChaosDatabase(Protocol):
    """The database of one run."""

    @property
    def url(self) -> str:
        """The SQLAlchemy URL for any client."""

    def fill_disk(self, service: ServiceProcess) -> None:
        """Leave no room for writes."""

    def free_disk(self, service: ServiceProcess) -> None:
        """Make room again."""

    def drop_connections(self) -> bool:
        """End every connection, as a restart does; False where none can be ended."""


@dataclass(frozen=True, slots=True)
class SqliteChaosDatabase(ChaosDatabase):
    """A SQLite file in the run's folder."""

    file: Path

    @property
    @override
    def url(self) -> str:
        return f"sqlite:///{self.file}"

    @override
    def fill_disk(self, service: ServiceProcess) -> None:
        wal = self.file.with_name(f"{self.file.name}-wal")
        size = wal.stat().st_size if wal.exists() else 0
        service.limit_files(max(size, MIN_LOG_BYTES) + SPARE_BYTES)

    @override
    def free_disk(self, service: ServiceProcess) -> None:
        service.limit_files()

    @override
    def drop_connections(self) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class PostgresChaosDatabase(ChaosDatabase):
    """A PostgreSQL database, on its own small disk where possible."""

    server: PostgresServer
    name: str
    disk: Path | None

    @property
    @override
    def url(self) -> str:
        return self.server.url_of(self.name)

    @override
    def fill_disk(self, service: ServiceProcess) -> None:
        if self.disk is not None:
            with suppress(OSError), (self.disk / "filler").open("ab", buffering=0) as filler:
                while True:
                    filler.write(CHUNK)

    @override
    def free_disk(self, service: ServiceProcess) -> None:
        if self.disk is not None:
            (self.disk / "filler").unlink(missing_ok=True)

    @override
    def drop_connections(self) -> bool:
        self.server.drop_connections(self.name)
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class ChaosEnvironment:
    """Migrated templates for many runs, made once because Alembic has one thread at a time."""

    template: Path
    server: PostgresServer | None = None
    postgres_template: str = ""

    @contextmanager
    def open_database(self, folder: Path, *, on_postgres: bool) -> Iterator[ChaosDatabase]:
        """A database with the store's tables, all of them empty."""
        if on_postgres and self.server is not None:
            with _postgres_database(self.server, self.postgres_template) as database:
                yield database
            return
        copyfile(self.template, folder / "patrol.db")
        yield SqliteChaosDatabase(folder / "patrol.db")


def prepare_environment(folder: Path, server: PostgresServer | None) -> ChaosEnvironment:
    """Migrate the templates; `server` is None where only SQLite is used."""
    template = folder / "template.db"
    upgrade(f"sqlite:///{template}")
    if server is None:
        return ChaosEnvironment(template=template)
    name = server.new_database()
    upgrade(server.url_of(name))
    return ChaosEnvironment(template=template, server=server, postgres_template=name)


@contextmanager
def _postgres_database(server: PostgresServer, template: str) -> Iterator[PostgresChaosDatabase]:
    with ExitStack() as stack:
        disk = stack.enter_context(_small_filesystem())
        tablespace_clause = ""
        if disk is not None:
            # Never dropped: PostgreSQL may leave a file on a full disk, and it ends soon itself.
            space = f"disk_{disk.name.removeprefix(PREFIX)}"
            server.execute(f"CREATE TABLESPACE \"{space}\" LOCATION '{disk}'")
            tablespace_clause = f'TABLESPACE "{space}"'
        name = server.new_database(f"TEMPLATE {template} {tablespace_clause}")
        stack.callback(server.drop, name)
        yield PostgresChaosDatabase(server, name, disk)


@contextmanager
def _small_filesystem() -> Iterator[Path | None]:
    """A small file system in memory, for the server's user; None where we may not have one."""
    user = server_user()
    mount_point = Path(tempfile.mkdtemp(prefix=PREFIX))
    if user is None or not _mount_tmpfs(mount_point):
        mount_point.rmdir()
        yield None
        return
    try:
        chown(mount_point, user)
        yield mount_point
    finally:
        subprocess.run(["umount", "-l", str(mount_point)], check=False)
        mount_point.rmdir()


def _mount_tmpfs(mount_point: Path) -> bool:
    options = ["-t", "tmpfs", "-o", f"size={DISK_MIB}m,mode=700", "none", str(mount_point)]
    done = subprocess.run(["mount", *options], check=False, capture_output=True)
    return done.returncode == 0
