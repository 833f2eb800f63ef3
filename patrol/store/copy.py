"""Copy of the whole database while others write, and its restoration into an empty one.

SQLite: the online backup API in one step. It reads one snapshot of the WAL, so writers go on; in
several steps every commit of another process would make it start again.
PostgreSQL: COPY of every table within one REPEATABLE READ transaction, which is what `pg_dump`
does for data. Not `pg_dump` itself: it refuses servers newer than itself and need not be installed
on the machine that can reach the database; our own migrations make the tables, at the copied
revision, so nothing but data has to be carried. Rows and sequences return in one transaction.
"""

import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, text
from sqlalchemy.engine import URL

from patrol.files import PRIVATE_MODE, atomic_file, make_folders, unfinished_name
from patrol.store.connection_problems import connection_problem
from patrol.store.engine import (
    StoreFull,
    StoreUnavailable,
    check_present,
    connect,
    make_engine,
    parse_url,
    redacted_url,
)
from patrol.store.upgrade import HEAD, VERSIONS_TABLE, configuration, current_revision, upgrade

SQLITE_FILE: Final = "store.db"
_PICTURES_SQL: Final = "SELECT sha256 FROM pictures UNION SELECT sha256 FROM case_photos"
_TABLES_SQL: Final = text(
    "SELECT table_name, column_name FROM information_schema.columns"
    " WHERE table_schema = current_schema() ORDER BY table_name, ordinal_position"
)
_SEQUENCES_SQL: Final = text(
    "SELECT sequencename, last_value FROM pg_sequences"
    " WHERE schemaname = current_schema() AND last_value IS NOT NULL"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseCopy:
    """What `copy_out` wrote."""

    engine: str  # sqlite, postgresql: a copy returns into the kind that it came from
    revision: str
    pictures: tuple[str, ...]  # that the copied rows speak of, by sha256
    tables: Mapping[str, list[str]]  # PostgreSQL: columns of each table
    sequences: Mapping[str, int]


class DatabaseNotEmpty(StoreUnavailable):
    """The database that should be filled has something in it."""


class DatabaseKindMismatch(StoreUnavailable):
    """The copy is of another database product, or of a newer patrol."""


def copy_out(url: str, folder: Path) -> DatabaseCopy:
    """Every row, as of one moment, into files. Raises StoreUnavailable, OSError."""
    parsed = parse_url(url)
    check_present(parsed)
    revision = current_revision(url)
    if revision is None:
        raise StoreUnavailable(
            f"{redacted_url(parsed)}: there is nothing to copy, it has no tables"
        )
    if parsed.get_backend_name() == "sqlite":
        return _copy_sqlite_out(parsed, folder / SQLITE_FILE, revision)
    with _postgres_connection(parsed) as connection:
        return _copy_postgres_out(connection, folder)


def copy_in(url: str, folder: Path, copied: DatabaseCopy) -> None:
    """Fill an empty database, whole or not at all, and bring it to this version.

    Raises DatabaseNotEmpty, DatabaseKindMismatch, StoreUnavailable, StoreFull.
    """
    check_restorable(url, copied)
    parsed = parse_url(url)
    if copied.engine == "sqlite":
        _copy_sqlite_in(parsed, folder / SQLITE_FILE)
    else:
        with _postgres_connection(parsed) as connection:
            _copy_postgres_in(connection, folder, copied)
    upgrade(url)


def check_restorable(url: str, copied: DatabaseCopy) -> None:
    """Check that `copy_in` can work. Raises what it would raise."""
    parsed = parse_url(url)
    if parsed.get_backend_name() != copied.engine:
        raise DatabaseKindMismatch(
            f"{redacted_url(parsed)}: the backup is of {copied.engine}, name such a database in"
            " site.yaml"
        )
    if copied.revision > HEAD:
        raise DatabaseKindMismatch(
            f"the backup is of revision {copied.revision}, newer than this patrol's {HEAD}"
        )
    is_file = parsed.get_backend_name() == "sqlite"
    if is_file and not Path(str(parsed.database)).exists():
        return
    if is_file or current_revision(url) is not None:
        raise DatabaseNotEmpty(
            f"{redacted_url(parsed)}: is not empty; "
            "a restore overwrites nothing, move it away first"
        )


def _copy_sqlite_out(url: URL, target: Path, revision: str) -> DatabaseCopy:
    try:
        with (
            closing(
                sqlite3.connect(f"file:{Path(str(url.database)).resolve()}?mode=rw", uri=True)
            ) as source,
            closing(sqlite3.connect(target)) as copy,
        ):
            source.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, nothing beside it
            integrity = copy.execute("PRAGMA integrity_check(1)").fetchone()[0]
            pictures = tuple(row[0] for row in copy.execute(_PICTURES_SQL))
    except sqlite3.Error as exc:
        raise StoreUnavailable(f"{redacted_url(url)}: cannot be copied: {exc}") from exc
    if integrity != "ok":
        raise StoreUnavailable(
            f"{redacted_url(url)}: is damaged, the copy would be too: {integrity}"
        )
    return DatabaseCopy(
        engine="sqlite", revision=revision, pictures=pictures, tables={}, sequences={}
    )


def remove_unfinished_copy(url: str) -> None:
    """Remove the part of a SQLite file that a killed `copy_in` left beside its place."""
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite":
        with suppress(OSError):
            unfinished_name(Path(str(parsed.database))).unlink(missing_ok=True)


def _copy_sqlite_in(url: URL, source: Path) -> None:
    target = Path(str(url.database))
    make_folders(target.parent)
    unfinished = unfinished_name(target)
    try:
        with (
            source.open("rb") as rows,
            atomic_file(target, mode=PRIVATE_MODE, unfinished=unfinished) as file,
        ):
            shutil.copyfileobj(rows, file)
            for left in ("-wal", "-shm"):  # of a database that is gone; they would count as ours
                target.with_name(target.name + left).unlink(missing_ok=True)
    except OSError as exc:
        raise StoreFull(f"{redacted_url(url)}: {exc.strerror}") from exc


@contextmanager
def _postgres_connection(url: URL) -> Iterator[Connection]:
    """A connection whose COPY errors become StoreFull and StoreUnavailable."""
    engine = make_engine(url)
    import psycopg  # noqa: PLC0415  an optional extra; make_engine said so when it is missing

    try:
        with closing(connect(engine)) as connection:
            yield connection
    except psycopg.errors.DiskFull as exc:
        raise StoreFull(f"{redacted_url(url)}: no space left to write") from exc
    except psycopg.Error as exc:
        reason = connection_problem(" ".join(str(exc).split()))
        raise StoreUnavailable(f"{redacted_url(url)}: {reason}") from exc
    finally:
        engine.dispose()


def _copy_postgres_out(connection: Connection, folder: Path) -> DatabaseCopy:
    connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    tables: dict[str, list[str]] = {}
    for table, column in connection.execute(_TABLES_SQL):
        tables.setdefault(str(table), []).append(str(column))
    revision = connection.execute(text(f"SELECT version_num FROM {VERSIONS_TABLE}")).scalar_one()  # noqa: S608  a constant  # nosec B608
    tables.pop(VERSIONS_TABLE)
    for table, columns in tables.items():
        with (
            (folder / f"{table}.copy").open("wb") as file,
            _cursor(connection) as cursor,
            cursor.copy(f"COPY {_copy_target(table, columns)} TO STDOUT") as rows,
        ):
            for chunk in rows:
                file.write(chunk)
    return DatabaseCopy(
        engine="postgresql",
        revision=str(revision),
        pictures=tuple(connection.execute(text(_PICTURES_SQL)).scalars()),
        tables=tables,
        sequences={str(name): int(value) for name, value in connection.execute(_SEQUENCES_SQL)},
    )


def _copy_postgres_in(connection: Connection, folder: Path, copied: DatabaseCopy) -> None:
    from alembic import command  # noqa: PLC0415  300 ms

    command.upgrade(configuration(connection), copied.revision)
    connection.exec_driver_sql("SET CONSTRAINTS ALL DEFERRED")
    for table, columns in copied.tables.items():
        with (
            (folder / f"{table}.copy").open("rb") as file,
            _cursor(connection) as cursor,
            cursor.copy(f"COPY {_copy_target(table, columns)} FROM STDIN") as rows,
        ):
            while chunk := file.read(1 << 20):
                rows.write(chunk)
    for name, value in copied.sequences.items():
        connection.execute(text("SELECT setval(CAST(:name AS regclass), :value)"),
                           {"name": _quoted(name), "value": value})  # fmt: skip
    connection.commit()


def _cursor(connection: Connection) -> Any:
    """The driver's own cursor: SQLAlchemy has no COPY."""
    driver = connection.connection.driver_connection
    assert driver is not None  # noqa: S101  the connection is open  # nosec B101
    return driver.cursor()


def _copy_target(table: str, columns: list[str]) -> str:
    return f"{_quoted(table)} ({', '.join(map(_quoted, columns))})"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
