"""Tables of the town's own work: histories of findings, their alarms, who owns a round.

One metadata with schema.py; what a row means is defined in patrol.domain. All of them are appended
to; a row's key says what it belongs to.
"""

from sqlalchemy import Column, Index, Integer, Table, Text

from patrol.store.column_types import CleanText, UtcTime
from patrol.store.schema import metadata, numbered

finding_entries = Table(
    "finding_entries",
    metadata,
    Column("finding", Text, primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("at", UtcTime, nullable=False),
    Column("by", CleanText, nullable=False),
    Column("what", Text, nullable=False),
    Column("note", CleanText, nullable=False),
)
finding_alarms = Table(
    "finding_alarms",
    metadata,
    Column("finding", Text, primary_key=True),
    Column("step", Text, primary_key=True),
    Column("at", UtcTime, nullable=False),
    Column("reached", Integer, nullable=False),  # notifications that were queued
)
round_duties = Table(
    "round_duties",
    metadata,
    numbered(),
    Column("round", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("what", Text, nullable=False),
    Column("who", CleanText, nullable=False),
    Column("to", CleanText, nullable=False),
    Column("note", CleanText, nullable=False),
    Index(None, "round"),
    sqlite_autoincrement=True,
)
