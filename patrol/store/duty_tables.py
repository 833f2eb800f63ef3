"""The tables of a shift: what is stopped, what is in trouble, who handed over to whom.

Same rules as `patrol.store.tables`, same metadata.
"""

from sqlalchemy import Column, Index, Table, Text

from patrol.store.tables import Number, Plain, metadata, numbered, where
from patrol.store.types import UtcTime, Words

stoppages = Table(
    "stoppages",
    metadata,
    numbered(),
    Column("scope", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("start", UtcTime, nullable=False),
    Column("until", UtcTime),
    Column("reason", Words, nullable=False),
    Column("by", Words, nullable=False),
    Column("said_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
    Column("ended_by", Words, nullable=False),
    Index("ix_stoppages_standing", "number", **where("ended_at IS NULL")),
    sqlite_autoincrement=True,
)
troubles = Table(
    "troubles",
    metadata,
    numbered(),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("since", UtcTime, nullable=False),
    Column("opened_at", UtcTime, nullable=False),
    Column("why", Words, nullable=False),
    Column("cameras", Plain, nullable=False),
    Column("taken_at", UtcTime),
    Column("taken_by", Words, nullable=False),
    Column("closed_at", UtcTime),
    Column("closed_why", Words, nullable=False),
    Index("uq_troubles_standing", "kind", "subject", unique=True, **where("closed_at IS NULL")),
    sqlite_autoincrement=True,
)
handovers = Table(
    "handovers",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=False),
    Column("at", UtcTime, nullable=False),
    Column("what", Text, nullable=False),
    Column("who", Words, nullable=False),
    Column("to", Words, nullable=False),
    Column("note", Words, nullable=False),
    Column("sheet", Plain, nullable=False),
    Column("digest", Text, nullable=False),
    Column("previous", Text, nullable=False),
    Column("hash", Text, nullable=False),
)
