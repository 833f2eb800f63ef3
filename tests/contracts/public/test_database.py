"""Tables, columns, types, keys and indexes after `patrol db upgrade`, on both databases."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

Photograph = Callable[[str, str], None]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_the_tables_are_as_photographed(
    kind: str, photograph: Photograph, tmp_path: Path, request: pytest.FixtureRequest, copied: Any
) -> None:
    site = copied(tmp_path / "site")
    (site.home / "config/patrol.db").unlink()
    url = f"sqlite:///{site.home}/config/patrol.db"
    if kind == "postgresql":
        url = request.getfixturevalue("new_postgres_database")()
        site.edit(r"database: .*", "database: ${PHOTOGRAPHED}")
        site.env = {**site.env, "PHOTOGRAPHED": url}
    site.ask("db", "upgrade")
    engine = sa.create_engine(url)
    try:
        photograph(f"tables.{kind}.txt", "\n".join(told(sa.inspect(engine))))
    finally:
        engine.dispose()


def told(inspector: sa.Inspector) -> Iterator[str]:
    """One line for each name, in an order of its own."""
    for table in sorted(inspector.get_table_names()):
        yield f"table {table}"
        yield from sorted(f"  {line}" for line in columns(inspector, table))
        yield from sorted(f"  {line}" for line in constraints(inspector, table))


def columns(inspector: sa.Inspector, table: str) -> Iterator[str]:
    for column in inspector.get_columns(table):
        empty = "null" if column["nullable"] else "not null"
        yield f"column {column['name']} {column['type']} {empty} {column['default'] or ''}".rstrip()


def constraints(inspector: sa.Inspector, table: str) -> Iterator[str]:
    key = inspector.get_pk_constraint(table)
    yield f"key {key['name']} {key['constrained_columns']}"
    for other in inspector.get_foreign_keys(table):
        to = f"{other['referred_table']}{other['referred_columns']}"
        yield f"refers {other['name']} {other['constrained_columns']} {to} {other['options']}"
    for unique in inspector.get_unique_constraints(table):
        yield f"unique {unique['name']} {unique['column_names']}"
    for check in inspector.get_check_constraints(table):
        yield f"check {check['name']} {' '.join(check['sqltext'].split())}"
    for index in inspector.get_indexes(table):
        where = {k: str(v) for k, v in index["dialect_options"].items() if k.endswith("where")}
        yield f"index {index['name']} {index['unique']} {index['column_names']} {where or ''}"
