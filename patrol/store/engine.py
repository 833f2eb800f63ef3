"""SQLAlchemy engines, set up for each database, and the translation of their errors.

SQLite: WAL, so that readers and the one writer never wait for each other; writers start with BEGIN
IMMEDIATE, so that two processes (`patrol run`, `patrol confirm`) queue instead of failing at the
first write; `synchronous=FULL`, so that what was committed survives a power cut — a confirmed
decision must, and one fsync per visit is what that costs (docs/adr, store).
PostgreSQL: psycopg 3, UTC sessions, every wait limited.

Errors of drivers become ours, in one redacted line, and say who has to act:

StoreFull          -> free some disk; the round resumes
StoreUnavailable   -> the database's administrator; we retry with back-off
├── StoreReadOnly  -> its file or directory must be writable for the service's user
└── StoreOutdated  -> run `patrol db upgrade`; no retry helps
    └── StoreMissing -> there is no such file; `patrol db upgrade` makes it where it is meant to be
ValueNotStorable   -> who gave the value: no row can hold it
ValueError, RuntimeError -> a mistake in our own code
"""

import errno
import getpass
import os
import shutil
import sqlite3
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import (
    Connection,
    Engine,
    ExceptionContext,
    Executable,
    create_engine,
    event,
    exc,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, OperationalError, SQLAlchemyError

from patrol.domain.errors import BadInput, Failed
from patrol.files import PRIVATE_MODE, give_to_owner, make_folders
from patrol.store.column_types import dump_json
from patrol.store.connection_problems import connection_problem

READ_ONLY: Final = "patrol_read_only"  # how a pooled SQLite connection was last set
_COUNTED: Final = {"preserve_rowcount": True}  # of inserts, too: whether ON CONFLICT inserted
BUSY_TIMEOUT_S: Final = 10.0  # how long a writer queues before the database counts as busy
CONNECT_TIMEOUT_S: Final = 5
ERASE_WAIT_MS: Final = 500  # for readers: writers wait meanwhile
# A round's recorder, relay, inbox, ladder, console: each a thread, each at most one unit at a time.
POOL_SIZE: Final = 5
POOL_OVERFLOW: Final = 15
# libpq: a server behind a cut network is noticed after 25 s, not after hours.
_NOTICE_A_CUT: Final = {
    "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}  # fmt: skip
_LIMIT_WAL_BYTES: Final = 64 * 1024 * 1024  # a reader that stayed long leaves no huge file behind
_CACHE_KIB: Final = 8 * 1024
_SQLITE_FULL: Final = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR_WRITE,  # a quota or a size limit instead of ENOSPC
        sqlite3.SQLITE_IOERR_FSYNC,
        sqlite3.SQLITE_IOERR_TRUNCATE,
        sqlite3.SQLITE_IOERR_SHMSIZE,
    }
)
_SQLITE_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_USAGE_ERRORS: Final = (exc.ProgrammingError, exc.DataError, exc.NotSupportedError)
_DRIVER_ERRORS: Final = (exc.DBAPIError, exc.TimeoutError, OSError)
_PG_OUT_OF_RANGE: Final = frozenset({"22003", "22008", "22021"})  # number, date, character
_PG_FULL: Final = frozenset({"53100"})  # disk_full
_PG_DENIED: Final = frozenset({"42501"})  # insufficient_privilege
_DENIED_TEXT: Final = (
    "{}: {}; the database login {} has not the rights of the tables' owner, correct `database:` in"
    " site.yaml (a worker's directory is for `patrol worker` and `patrol check`)"
)
_READ_ONLY_TEXT: Final = (
    "{place}: the database cannot be written by this user ({user}); SQLite writes its file and"
    " beside it: give both to the service's user (chown, chmod u+w), or mount the disk writable"
)
_NEARLY_FULL_BYTES: Final = 1 << 20  # less free than this: files cannot be opened either


class StoreFull(Failed):
    """The database cannot write (disk full). Stops the round, which resumes."""


class StoreUnavailable(Failed):
    """The database cannot be reached; retried with back-off."""


class StoreReadOnly(StoreUnavailable):
    """This user may not write the database's file or directory; no retry helps at a start."""


class StoreOutdated(StoreUnavailable):
    """The database's tables are not the ones this version knows."""


class StoreMissing(StoreOutdated):
    """There is no database where site.yaml says; only `upgrade` and a restore make one."""


class ValueNotStorable(BadInput, ValueError):
    """A value from outside that no row can hold: NUL, half a character, a number over 64 bits."""


def parse_url(text: str) -> URL:
    """The database's URL with our driver in it. Raises StoreUnavailable, never quoting the text."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise StoreUnavailable(
            "the database's URL cannot be read; give sqlite:///FILE or postgresql://…"
        ) from None
    if url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername not in ("sqlite", "sqlite+pysqlite", "postgresql+psycopg"):
        raise StoreUnavailable(
            f"database {url.drivername!r} is not known; give sqlite:///FILE or postgresql://…"
        )
    if url.get_backend_name() == "sqlite":
        _check_sqlite_url(url)
    return url


def _check_sqlite_url(url: URL) -> None:
    if url.host:
        raise StoreUnavailable("a SQLite database has no host; give sqlite:///FILE, three slashes")
    if url.database in (None, "", ":memory:") or str(url.database).startswith("file:"):
        raise StoreUnavailable("an in-memory SQLite database forgets; give sqlite:///FILE")
    if url.query:
        raise StoreUnavailable("a SQLite database takes no options; give sqlite:///FILE alone")


def check_present(url: URL) -> None:
    """Raise StoreMissing where a SQLite database has no file; nothing is made."""
    if url.get_backend_name() == "sqlite" and not Path(str(url.database)).exists():
        raise StoreMissing(
            f"{url.database}: there is no database; `patrol db upgrade` makes it there, or correct"
            " `database:` in site.yaml"
        )


def make_engine(url: URL, *, durable: bool = True, create: bool = False) -> Engine:
    """An engine for `url`; connects to nothing yet.

    `durable`: a commit waits for the disk. `create`: a SQLite file that is not there is made, with
    its directory; without it raises StoreMissing.
    """
    is_sqlite = url.get_backend_name() == "sqlite"
    if is_sqlite and not create:
        check_present(url)
    if is_sqlite:
        engine = _sqlite_engine(url, durable=durable, create=create)
    else:
        engine = _postgres_engine(url)
    event.listen(engine, "handle_error", partial(_translate, url))
    return engine


def _translate(url: URL, context: ExceptionContext) -> BaseException | None:
    """Called by SQLAlchemy for errors of executing, fetching and committing; returns ours.

    Not for the pool's own ping: a dead connection it replaces by itself.
    """
    if not_storable := _value_problem(context.original_exception):
        return ValueNotStorable(not_storable)
    theirs = context.sqlalchemy_exception or context.original_exception
    if isinstance(theirs, SQLAlchemyError | OSError) and not context.is_pre_ping:
        return translate_error(theirs, url)
    return None


def _value_problem(error: BaseException) -> str:
    """Why the driver refused a value that it was given; "" for any other error."""
    if isinstance(error, UnicodeError):
        return "text with half a character (a lone surrogate); write it anew"
    is_number = isinstance(error, OverflowError)
    if is_number or getattr(error, "sqlstate", None) in _PG_OUT_OF_RANGE:
        return "a number or a date beyond what can be stored (64 bits, years 1 to 9999)"
    if type(error).__name__ == "DataError" and "NUL" in str(error):  # psycopg's own, no sqlstate
        return "text with a NUL character; write it without"
    return ""


def _sqlite_engine(url: URL, *, durable: bool, create: bool) -> Engine:
    file = Path(str(url.database))
    if create:
        try:
            make_folders(file.parent)
            _make_private(file)
        except OSError as error:
            raise translate_error(error, url) from error
    # `rw`: a file that somebody moves away while we run is not made anew, empty.
    uri = f"file:{quote(str(file.absolute()))}?mode={'rwc' if create else 'rw'}"
    engine = create_engine(
        url,
        json_serializer=dump_json,
        execution_options=_COUNTED,
        creator=lambda: sqlite3.connect(
            uri, uri=True, timeout=BUSY_TIMEOUT_S, check_same_thread=False
        ),
        pool_size=POOL_SIZE,
        max_overflow=POOL_OVERFLOW,
        pool_timeout=BUSY_TIMEOUT_S,
    )
    event.listen(engine, "connect", partial(_configure_sqlite, "FULL" if durable else "OFF"))
    return engine


def _make_private(file: Path) -> None:
    """Make a new database file for its owner alone; SQLite gives `-wal` and `-shm` mode and owner.

    Made by root it is the folder's owner's, as all files of a site.
    """
    with suppress(FileExistsError):
        descriptor = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE_MODE)
        give_to_owner(descriptor, file.parent)
        os.close(descriptor)


def _configure_sqlite(synchronous: str, connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # BEGIN is ours, see _begin_sqlite
    for pragma in (
        "journal_mode=WAL",
        f"synchronous={synchronous}",
        "foreign_keys=ON",
        f"journal_size_limit={_LIMIT_WAL_BYTES}",
        f"cache_size=-{_CACHE_KIB}",
        "temp_store=MEMORY",
        "secure_delete=ON",  # what a household withdraws is overwritten, not only unlinked
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection, *, read_only: bool) -> None:
    """Begin on the driver itself: cheaper than through SQLAlchemy, and there is no result."""
    driver = connection.connection.dbapi_connection
    assert isinstance(driver, sqlite3.Connection)  # noqa: S101  of our own engine  # nosec B101
    if connection.info.get(READ_ONLY, False) != read_only:
        driver.execute(f"PRAGMA query_only={int(read_only)}")
        connection.info[READ_ONLY] = read_only
    driver.execute("BEGIN" if read_only else "BEGIN IMMEDIATE")


def _postgres_engine(url: URL) -> Engine:
    limits = f"-c timezone=UTC -c lock_timeout={int(BUSY_TIMEOUT_S * 1000)}"
    try:
        engine = create_engine(
            url,
            json_serializer=dump_json,
            execution_options=_COUNTED,
            connect_args=_unless_given(
                url,
                {"connect_timeout": CONNECT_TIMEOUT_S, "options": limits, **_NOTICE_A_CUT},
            ),
            pool_size=POOL_SIZE,
            max_overflow=POOL_OVERFLOW,
            pool_timeout=BUSY_TIMEOUT_S,
            pool_pre_ping=True,
        )
    except ImportError:
        raise StoreUnavailable(
            f"{redacted_url(url)}: the PostgreSQL driver is missing; pip install 'patrol[postgres]'"
        ) from None
    return engine


def _unless_given(url: URL, arguments: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if name not in url.query}


def connect(engine: Engine, *, read_only: bool = False) -> Connection:
    """A connection with its transaction begun. Raises StoreUnavailable."""
    connection = None
    try:
        connection = engine.connect()
        connection.begin()
        # Here and not in a listener: an engine with one asks for listeners at every statement.
        if engine.dialect.name == "sqlite":
            _begin_sqlite(connection, read_only=read_only)
        elif read_only:
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    except BaseException as error:
        if connection is not None:
            connection.close()
        if isinstance(error, sqlite3.Error):
            raise translate_error(OperationalError("BEGIN", None, error), engine.url) from error
        if isinstance(error, SQLAlchemyError):  # the pool's own: too many at once
            raise translate_error(error, engine.url) from error
        raise
    return connection


def ask_alone(engine: Engine, statement: Executable) -> Any:
    """One value by one statement outside of any transaction: two round trips instead of seven.

    Raises StoreUnavailable.
    """
    try:
        with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            return connection.execute(statement).scalar()
    except SQLAlchemyError as error:  # the pool's own: too many at once
        raise translate_error(error, engine.url) from error


def erase_journal(engine: Engine, *, rewrite: bool) -> bool:
    """Copy SQLite's WAL into the file and empty it; False while a reader still needs it.

    `rewrite`: VACUUM first. Raises StoreUnavailable, StoreFull.
    """
    connection = engine.raw_connection()
    try:
        driver = connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)  # noqa: S101  of our own engine  # nosec B101
        driver.execute("PRAGMA query_only=0")
        driver.execute(f"PRAGMA busy_timeout={ERASE_WAIT_MS}")
        if rewrite:
            driver.execute("VACUUM")
        busy, _, _ = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", None) in _SQLITE_BUSY:
            return False
        raise translate_error(OperationalError("VACUUM", None, error), engine.url) from error
    else:
        return not busy
    finally:
        connection.invalidate()  # its query_only is not the pool's any more
        connection.close()


def redacted_url(url: URL) -> str:
    """The database's URL for logs: no password, no query (both can hold secrets)."""
    if url.get_backend_name() == "sqlite":
        return f"sqlite:///{url.database or ''}"
    user = f"{url.username}@" if url.username else ""
    port = f":{url.port}" if url.port else ""
    return f"{url.get_backend_name()}://{user}{url.host or ''}{port}/{url.database or ''}"


def translate_error(error: exc.SQLAlchemyError | OSError, url: URL) -> Exception:
    """Our error for theirs; the caller raises it `from` the original."""
    original = getattr(error, "orig", None) or error
    line = _one_line(original, url)
    if _is_full(original, url):
        return StoreFull(f"{redacted_url(url)}: no space left to write: {line}")
    if place := _read_only_place(original, url):
        return StoreReadOnly(_READ_ONLY_TEXT.format(place=place, user=_user_name()))
    if getattr(original, "sqlstate", None) in _PG_DENIED:
        return StoreUnavailable(_DENIED_TEXT.format(redacted_url(url), line, url.username))
    return _mistake(error, original, line) or _other_error(error, url, line)


def _mistake(error: Exception, original: BaseException, line: str) -> Exception | None:
    """The error of a caller's mistake; None for any other."""
    if isinstance(error, exc.IntegrityError):
        return ValueError(f"the books would not hold: {line}")
    if _is_read_only_unit(original):
        return RuntimeError(f"this unit of work only reads: {line}")
    if isinstance(original, ValueError):  # a value that its column refuses
        return ValueError(line)
    return None


def _other_error(error: Exception, url: URL, line: str) -> Exception:
    if isinstance(error, _USAGE_ERRORS) or not isinstance(error, _DRIVER_ERRORS):
        return RuntimeError(f"{redacted_url(url)}: {line}")
    reason = line if url.get_backend_name() == "sqlite" else connection_problem(line)
    return StoreUnavailable(f"{redacted_url(url)}: {reason}")


def _one_line(error: BaseException, url: URL) -> str:
    line = " ".join(str(error).split()) or type(error).__name__
    secrets = [url.password, *(v for v in url.query.values() if isinstance(v, str))]
    for secret in filter(None, secrets):
        line = line.replace(str(secret), "…")
    return line


def _is_full(error: BaseException, url: URL) -> bool:
    if getattr(error, "sqlstate", None) in _PG_FULL:
        return True
    code = getattr(error, "sqlite_errorcode", None)
    if code in _SQLITE_FULL:
        return True
    if code is None or code & 0xFF not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR):
        return False
    folder = Path(url.database or ".").resolve().parent
    return folder.is_dir() and shutil.disk_usage(folder).free < _NEARLY_FULL_BYTES


def _read_only_place(error: BaseException, url: URL) -> Path | None:
    """The file or directory that keeps SQLite from writing; None where that is not the reason."""
    code = getattr(error, "sqlite_errorcode", None)
    refused = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR)
    is_denied = isinstance(error, PermissionError) or getattr(error, "errno", None) == errno.EROFS
    if url.get_backend_name() != "sqlite":
        return None
    if not is_denied and (code is None or code & 0xFF not in refused):
        return None
    file = Path(str(url.database)).absolute()
    files = [file.with_name(file.name + end) for end in ("", "-wal", "-shm")]
    places = [place for place in (*files, file.parent) if place.exists()]
    return next((place for place in places if not os.access(place, os.W_OK)), None)


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _is_read_only_unit(error: BaseException) -> bool:
    """A write within `begin_read`; a read-only file fails when it is opened."""
    if getattr(error, "sqlstate", None) == "25006":  # read_only_sql_transaction
        return True
    code = getattr(error, "sqlite_errorcode", None)
    return code == sqlite3.SQLITE_READONLY
