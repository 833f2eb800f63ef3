"""The county's tables, in a database of its own, and how one is begun.

What was pulled lies here as the town told it: validated, without fields that no model names. A row
has the town's `generation`, which counts how often its log began anew (an older backup was
restored): rows of an earlier generation are of before.
"""

from typing import Final

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    Date,
    Integer,
    MetaData,
    Table,
    Text,
    inspect,
    select,
    text,
)
from sqlalchemy.engine import URL

from patrol.store.column_types import CleanText, UtcTime
from patrol.store.engine import StoreOutdated, redacted_url

SCHEMA_VERSION: Final = 1
_BEGIN_LOCK: Final = 0x7061_7472_6374
metadata = MetaData()
Plain = JSON(none_as_null=True)

county_schema = Table("county_schema", metadata, Column("version", Integer, primary_key=True))
county_towns = Table(
    "county_towns",
    metadata,
    Column("town", Text, primary_key=True),
    Column("cursor", Text, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("catching_up", Boolean, nullable=False),
    Column("contacted_at", UtcTime),  # by the county's clock
    Column("town_at", UtcTime),  # by the town's, at that moment
    Column("version", Text, nullable=False),
    Column("restarted_at", UtcTime),  # when its log was last found begun anew
    Column("problem", Text, nullable=False),  # empty: none
    Column("problem_text", CleanText, nullable=False),
    Column("failing_since", UtcTime),
    Column("failures", Integer, nullable=False),  # in a row
    Column("now", Plain),  # the newest CountyNow
)
county_rounds = Table(
    "county_rounds",
    metadata,
    Column("town", Text, primary_key=True),
    Column("round", Text, primary_key=True),
    Column("day", Date, nullable=False, index=True),
    Column("generation", Integer, nullable=False),
    Column("document", Plain, nullable=False),
)
county_days = Table(
    "county_days",
    metadata,
    Column("town", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("generation", Integer, nullable=False),
    Column("document", Plain, nullable=False),
)


def make_tables(connection: Connection) -> None:
    """Make the tables where there are none. Raises StoreOutdated as `check_tables`."""
    if connection.dialect.name == "postgresql":  # two processes that begin at once
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_BEGIN_LOCK})"))
    if not inspect(connection).has_table(county_schema.name):
        metadata.create_all(connection)
        connection.execute(county_schema.insert(), {"version": SCHEMA_VERSION})
    check_tables(connection)


def check_tables(connection: Connection) -> None:
    """Raise StoreOutdated unless the tables are those that this version knows."""
    where = redacted_url(_url(connection))
    if not inspect(connection).has_table(county_schema.name):
        raise StoreOutdated(f"{where}: is no county's database; `patrol county run` makes one")
    found = connection.execute(select(county_schema.c.version)).scalar()
    if found != SCHEMA_VERSION:
        raise StoreOutdated(
            f"{where}: written by another patrol (tables {found}, this one knows"
            f" {SCHEMA_VERSION}); install that version"
        )


def _url(connection: Connection) -> URL:
    return connection.engine.url
