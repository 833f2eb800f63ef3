"""Engines, each set up for its database. Nothing here knows a table.

SQLite: WAL, so that readers and the one writer never wait for each other; writers start with BEGIN
IMMEDIATE, so that two processes (`patrol run`, `patrol confirm`) queue at the door instead of
failing at the first write; `synchronous=FULL`, so that what was committed survives a power cut — a
confirmed decision must, and one fsync per visit is what that costs (docs/adr, store).
PostgreSQL: psycopg 3, UTC sessions, every wait limited.
"""

import sqlite3
from functools import partial
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, ExceptionContext, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, OperationalError, SQLAlchemyError

from patrol.store.errors import StoreUnavailable, redacted, translated
from patrol.store.types import dump_json

READ_ONLY: Final = "patrol_read_only"  # what a pooled SQLite connection was last told
_COUNTED: Final = {"preserve_rowcount": True}  # of inserts, too: whether ON CONFLICT inserted
BUSY_S: Final = 10.0  # how long a writer queues before it says that the database is busy
CONNECT_S: Final = 5
# A round's recorder, relay, inbox, ladder, console: each a thread, each at most one unit at a time.
CONNECTIONS: Final = 5
MORE_CONNECTIONS: Final = 15
_LIMIT_WAL_BYTES: Final = 64 * 1024 * 1024  # a reader that stayed long leaves no huge file behind
_CACHE_KIB: Final = 8 * 1024


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
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        raise StoreUnavailable("an in-memory SQLite database forgets; give sqlite:///FILE")
    return url


def make_engine(url: URL, *, durable: bool = True) -> Engine:
    """An engine for `url`; connects to nothing yet. `durable`: a commit waits for the disk."""
    is_sqlite = url.get_backend_name() == "sqlite"
    engine = _sqlite_engine(url, durable=durable) if is_sqlite else _postgres_engine(url)
    event.listen(engine, "handle_error", partial(_translate, url))
    return engine


def _translate(url: URL, context: ExceptionContext) -> BaseException | None:
    """Whatever fails while executing, fetching or committing becomes one of our errors.

    Not the pool's own question whether a connection still lives: a dead one it replaces by itself.
    """
    theirs = context.sqlalchemy_exception or context.original_exception
    if isinstance(theirs, SQLAlchemyError | OSError) and not context.is_pre_ping:
        return translated(theirs, url)
    return None


def _sqlite_engine(url: URL, *, durable: bool) -> Engine:
    assert url.database is not None  # noqa: S101  parse_url refuses those
    file = Path(url.database)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise translated(error, url) from error
    engine = create_engine(
        url,
        json_serializer=dump_json,
        execution_options=_COUNTED,
        connect_args={"timeout": BUSY_S, "check_same_thread": False},
        pool_size=CONNECTIONS,
        max_overflow=MORE_CONNECTIONS,
        pool_timeout=BUSY_S,
    )
    event.listen(engine, "connect", partial(_set_up_sqlite, "FULL" if durable else "OFF"))
    return engine


def _set_up_sqlite(synchronous: str, connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # BEGIN is ours, see _begin_sqlite
    for pragma in (
        "journal_mode=WAL",
        f"synchronous={synchronous}",
        "foreign_keys=ON",
        f"journal_size_limit={_LIMIT_WAL_BYTES}",
        f"cache_size=-{_CACHE_KIB}",
        "temp_store=MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection, *, read_only: bool) -> None:
    """Straight to the driver: asked a thousand times an hour, and it answers with no rows."""
    driver = connection.connection.dbapi_connection
    assert isinstance(driver, sqlite3.Connection)  # noqa: S101  of our own engine
    if connection.info.get(READ_ONLY, False) != read_only:
        driver.execute(f"PRAGMA query_only={int(read_only)}")
        connection.info[READ_ONLY] = read_only
    driver.execute("BEGIN" if read_only else "BEGIN IMMEDIATE")


def _postgres_engine(url: URL) -> Engine:
    limits = f"-c timezone=UTC -c lock_timeout={int(BUSY_S * 1000)}"
    try:
        engine = create_engine(
            url,
            json_serializer=dump_json,
            execution_options=_COUNTED,
            connect_args=_unless_given(url, {"connect_timeout": CONNECT_S, "options": limits}),
            pool_size=CONNECTIONS,
            max_overflow=MORE_CONNECTIONS,
            pool_timeout=BUSY_S,
            pool_pre_ping=True,
        )
    except ImportError:
        raise StoreUnavailable(
            f"{redacted(url)}: the PostgreSQL driver is missing; pip install 'patrol[postgres]'"
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
            raise translated(OperationalError("BEGIN", None, error), engine.url) from error
        if isinstance(error, SQLAlchemyError):  # the pool's own: too many at once
            raise translated(error, engine.url) from error
        raise
    return connection
