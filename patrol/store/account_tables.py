"""The tables of the console: who may log in, who is logged in, who has which finding in hand.

Same rules as `patrol.store.tables`, same metadata. People's secrets lie here only as hashes.
"""

from sqlalchemy import Column, Index, Integer, LargeBinary, Table, Text

from patrol.store.tables import Plain, metadata, where
from patrol.store.types import UtcTime, Words

accounts = Table(
    "accounts",
    metadata,
    Column("name", Text, primary_key=True),
    Column("duty", Text, nullable=False),
    Column("shown_as", Words, nullable=False),
    Column("password", Text, nullable=False),
    Column("grid", Text),
    Column("person", Text),
    Column("language", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("disabled_at", UtcTime),
    Column("failures", Integer, nullable=False),
    Column("locked_until", UtcTime),
)
sessions = Table(
    "sessions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account", Text, nullable=False),
    Column("begun_at", UtcTime, nullable=False),
    Column("ends_at", UtcTime, nullable=False),
    Column("device", Words, nullable=False),
    Index(None, "account"),
    Index(None, "ends_at"),
)
claims = Table(
    "claims",
    metadata,
    Column("finding", Text, primary_key=True),
    Column("holder", Words, nullable=False),
    Column("until", UtcTime, nullable=False),
    Index(None, "holder"),
)
api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Words, nullable=False),
    Column("secret", Text, nullable=False),
    Column("scopes", Plain, nullable=False),
    Column("made_by", Words, nullable=False),
    Column("made_at", UtcTime, nullable=False),
    Column("revoked_at", UtcTime),
    Index("uq_api_keys_standing", "secret", unique=True, **where("revoked_at IS NULL")),
)
case_photos = Table(
    "case_photos",
    metadata,
    Column("key", Text, primary_key=True),
    Column("case", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("by", Words, nullable=False),
    Column("at", UtcTime, nullable=False),
    Index(None, "case"),
)
site_keys = Table(  # made by the site for itself, once; never shown
    "site_keys",
    metadata,
    Column("name", Text, primary_key=True),
    Column("secret", LargeBinary, nullable=False),
)
picture_openings = Table(  # one-time links that were opened
    "picture_openings",
    metadata,
    Column("case", Text, primary_key=True),
    Column("grid", Text, primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("at", UtcTime, nullable=False),
    Column("holder", Text, nullable=False),
)
