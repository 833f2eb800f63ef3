"""Migrations: from nothing to the tables that the code uses, on both databases, once or twice."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from patrol.store import (
    StoreOutdated,
    current_revision,
    needs_upgrade,
    open_store,
    upgrade,
)
from patrol.store.engine import connect, make_engine, parse_url
from patrol.store.schema_all import metadata
from patrol.store.upgrade import HEAD, VERSIONS_TABLE, configuration


@pytest.fixture(params=["sqlite", "postgres"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a database without any table."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/new folder/patrol.db"
    new: Callable[[], str] = request.getfixturevalue("new_postgres_database")
    return new()


def test_from_nothing_to_now(empty: str) -> None:
    assert current_revision(empty) is None
    assert needs_upgrade(empty)
    with pytest.raises(StoreOutdated, match="patrol db upgrade"), open_store(empty):
        pass
    upgrade(empty)
    assert current_revision(empty) == HEAD
    assert not needs_upgrade(empty)
    upgrade(empty)
    with open_store(empty) as store, store.begin() as unit:
        assert unit.next_number("case") == 1


def index_text(index: Any) -> str:
    conditions = {name: str(value) for name, value in index["dialect_options"].items()}
    return f"{index['name']} {index['unique']} {index['column_names']} {conditions}"


def described(engine: sa.Engine) -> dict[str, object]:
    """Everything that reflection tells about the tables, indexes' conditions included."""
    inspector = sa.inspect(engine)
    return {
        name: (
            {c["name"]: (str(c["type"]), c["nullable"]) for c in inspector.get_columns(name)},
            inspector.get_pk_constraint(name),
            sorted(inspector.get_foreign_keys(name), key=lambda key: key["name"] or ""),
            sorted(inspector.get_unique_constraints(name), key=lambda key: key["name"] or ""),
            sorted(map(index_text, inspector.get_indexes(name))),
        )
        for name in inspector.get_table_names()
        if name != VERSIONS_TABLE
    }


def test_migrations_and_tables_say_the_same(
    empty: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    upgrade(empty)
    if empty.startswith("sqlite"):
        other = f"sqlite:///{tmp_path}/direct.db"
    else:
        other = request.getfixturevalue("new_postgres_database")()
    migrated, direct = make_engine(parse_url(empty)), make_engine(parse_url(other), create=True)
    metadata.create_all(direct)
    assert described(migrated) == described(direct)
    with migrated.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "version_table": VERSIONS_TABLE}
        )
        assert compare_metadata(context, metadata) == []
    migrated.dispose()
    direct.dispose()


def test_sqlite_numbers_are_never_given_twice(tmp_path: Path) -> None:
    upgrade(f"sqlite:///{tmp_path}/a.db")
    engine = make_engine(parse_url(f"sqlite:///{tmp_path}/a.db"))
    with connect(engine) as connection:
        text = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type='table'")
        counted = {name for name, sql in text if re.search("AUTOINCREMENT", sql)}
    engine.dispose()
    expected = {
        table.name
        for table in metadata.tables.values()
        if table.dialect_options["sqlite"]["autoincrement"]
    }
    assert counted == expected
    assert "outbox" in expected


def test_head_is_the_newest_file(tmp_path: Path) -> None:
    engine = make_engine(parse_url(f"sqlite:///{tmp_path}/a.db"), create=True)
    with connect(engine) as connection:
        assert ScriptDirectory.from_config(configuration(connection)).get_heads() == [HEAD]
    engine.dispose()


def test_a_newer_database_is_refused(sqlite_database: str) -> None:
    engine = make_engine(parse_url(sqlite_database))
    with connect(engine) as connection:
        connection.exec_driver_sql("UPDATE schema_version SET version_num = '9999'")
        connection.commit()
    engine.dispose()
    with pytest.raises(StoreOutdated, match="newer"), open_store(sqlite_database):
        pass
    with pytest.raises(StoreOutdated, match="newer"):
        upgrade(sqlite_database)


def test_a_failing_migration_leaves_nothing(
    sqlite_database: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/half.db"

    def fail() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("patrol.store.migrations.first_desk._registry", fail)
    with pytest.raises(ZeroDivisionError):
        upgrade(url)
    engine = make_engine(parse_url(url))
    assert sa.inspect(engine).get_table_names() == []
    engine.dispose()


@pytest.mark.slow
def test_two_processes_upgrade_at_once(empty: str) -> None:
    code = "import sys; from patrol.store import upgrade; upgrade(sys.argv[1])"
    both = [
        subprocess.Popen([sys.executable, "-c", code, empty], stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    reported = [process.communicate(timeout=60)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], reported
    assert not needs_upgrade(empty)
