"""Where a run of chaos keeps its books: SQLite or PostgreSQL, on a disk that can be filled.

SQLite's disk is full for the service alone: its files may not grow any further. PostgreSQL's is a
small file system of its own for that database, really filled; only root can have that, and without
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
from simulators.chaos_service import Service
from simulators.postgres import Postgres, server_user

LITTLE_ROOM: Final = 8192  # bytes that a file may still grow by
LEAST: Final = 65536  # the service's log must find room
DISK_MIB: Final = 64  # twice what a run needs
PREFIX: Final = "chaos-"
CHUNK: Final = b"\0" * (1 << 16)


class Books(Protocol):
    """A database to play on."""

    @property
    def url(self) -> str:
        """For any client."""

    def fill(self, service: Service) -> None:
        """No more room."""

    def free(self, service: Service) -> None:
        """Room again."""

    def hang_up(self) -> bool:
        """End every connection, as a database does that is restarted; False where none can be."""


@dataclass(frozen=True, slots=True)
class SqliteBooks(Books):
    """A file in the run's folder."""

    file: Path

    @property
    @override
    def url(self) -> str:
        return f"sqlite:///{self.file}"

    @override
    def fill(self, service: Service) -> None:
        wal = self.file.with_name(f"{self.file.name}-wal")
        size = wal.stat().st_size if wal.exists() else 0
        service.limit_files(max(size, LEAST) + LITTLE_ROOM)

    @override
    def free(self, service: Service) -> None:
        service.limit_files()

    @override
    def hang_up(self) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class PostgresBooks(Books):
    """A database, perhaps on a disk of its own."""

    server: Postgres
    name: str
    disk: Path | None

    @property
    @override
    def url(self) -> str:
        return self.server.url_of(self.name)

    @override
    def fill(self, service: Service) -> None:
        if self.disk is not None:
            with suppress(OSError), (self.disk / "filler").open("ab", buffering=0) as filler:
                while True:
                    filler.write(CHUNK)

    @override
    def free(self, service: Service) -> None:
        if self.disk is not None:
            (self.disk / "filler").unlink(missing_ok=True)

    @override
    def hang_up(self) -> bool:
        self.server.hang_up(self.name)
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Where many runs play; the tables are made once, because Alembic has one thread at a time."""

    template: Path
    server: Postgres | None = None
    postgres_template: str = ""

    @contextmanager
    def books(self, folder: Path, *, on_postgres: bool) -> Iterator[Books]:
        """With the store's tables, all of them empty."""
        if on_postgres and self.server is not None:
            with _postgres_books(self.server, self.postgres_template) as there:
                yield there
            return
        copyfile(self.template, folder / "patrol.db")
        yield SqliteBooks(folder / "patrol.db")


def prepare(folder: Path, server: Postgres | None) -> Ground:
    """The templates, migrated; `server`: None where only SQLite is played on."""
    template = folder / "template.db"
    upgrade(f"sqlite:///{template}")
    if server is None:
        return Ground(template=template)
    name = server.new_database()
    upgrade(server.url_of(name))
    return Ground(template=template, server=server, postgres_template=name)


@contextmanager
def _postgres_books(server: Postgres, template: str) -> Iterator[PostgresBooks]:
    with ExitStack() as stack:
        disk = stack.enter_context(_disk())
        place = ""
        if disk is not None:
            # Never dropped: PostgreSQL may leave a file on a full disk, and it ends soon itself.
            space = f"disk_{disk.name.removeprefix(PREFIX)}"
            server.execute(f"CREATE TABLESPACE \"{space}\" LOCATION '{disk}'")
            place = f'TABLESPACE "{space}"'
        name = server.new_database(f"TEMPLATE {template} {place}")
        stack.callback(server.drop, name)
        yield PostgresBooks(server, name, disk)


@contextmanager
def _disk() -> Iterator[Path | None]:
    """A small file system in memory, for the server's user; None where we may not have one."""
    user = server_user()
    place = Path(tempfile.mkdtemp(prefix=PREFIX))
    if user is None or not _mounted(place):
        place.rmdir()
        yield None
        return
    try:
        chown(place, user)
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False)  # noqa: S603, S607  ours
        place.rmdir()


def _mounted(place: Path) -> bool:
    options = ["-t", "tmpfs", "-o", f"size={DISK_MIB}m,mode=700", "none", str(place)]
    done = subprocess.run(["mount", *options], check=False, capture_output=True)  # noqa: S603, S607
    return done.returncode == 0
