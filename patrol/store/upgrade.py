"""Upgrades of the database's tables: Alembic's migrations, run without any alembic.ini.

Migrations lie inside the package (`migrations/versions`), so a wheel carries them. An upgrade is
one transaction on both databases, and two processes that start at once upgrade one after the other.
"""

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, inspect, text

from patrol.store.engine import (
    StoreMissing,
    StoreOutdated,
    connect,
    make_engine,
    parse_url,
    redacted_url,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alembic.config import Config

HEAD: Final = "0025"  # the revision this version works with; a test compares it with the files
VERSIONS_TABLE: Final = "schema_version"
_UPGRADE_LOCK: Final = 0x7061_7472_6F6D


def upgrade(url: str) -> None:
    """Bring the database to HEAD, made first where there is none. Raises StoreUnavailable."""
    from alembic import command  # noqa: PLC0415  300 ms that only an upgrade should cost

    with _connection(url, create=True) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:it)"), {"it": _UPGRADE_LOCK})
        if _revision(connection) == HEAD:
            return
        check_not_newer(connection)
        command.upgrade(configuration(connection), "head")
        connection.commit()


def current_revision(url: str) -> str | None:
    """The revision that the database is at; None when it is not there or has no tables of ours."""
    try:
        with _connection(url) as connection:
            return _revision(connection)
    except StoreMissing:
        return None


def needs_upgrade(url: str) -> bool:
    """Whether `upgrade` would do something."""
    return current_revision(url) != HEAD


def check_revision(connection: Connection) -> None:
    """Raise StoreOutdated unless the tables are the ones that this version knows."""
    check_not_newer(connection)
    found = _revision(connection)
    if found != HEAD:
        state = "has no tables yet" if found is None else f"is at revision {found}, not {HEAD}"
        raise StoreOutdated(
            f"{redacted_url(connection.engine.url)}: the database {state}; run `patrol db upgrade`"
        )


def check_not_newer(connection: Connection) -> None:
    """Raise StoreOutdated when a newer version of patrol wrote this database."""
    found = _revision(connection)
    if found is not None and found > HEAD:
        raise StoreOutdated(
            f"{redacted_url(connection.engine.url)}: the database is at revision {found}, "
            "written by a"
            f" newer patrol (this one knows {HEAD}); install that version"
        )


def configuration(connection: Connection) -> "Config":
    """Alembic's configuration around an open connection."""
    from alembic.config import Config  # noqa: PLC0415  see upgrade

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSIONS_TABLE):
        return None
    found = connection.execute(text(f"SELECT version_num FROM {VERSIONS_TABLE}")).scalar()  # noqa: S608  a constant  # nosec B608
    return None if found is None else str(found)


@contextmanager
def _connection(url: str, *, create: bool = False) -> "Iterator[Connection]":
    engine = make_engine(parse_url(url), create=create)
    try:
        connection = connect(engine)
        try:
            yield connection
        finally:
            connection.close()
    finally:
        engine.dispose()
