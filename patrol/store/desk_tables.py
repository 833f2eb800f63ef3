"""The tables around the walk: messages, people's decisions, what is known of cameras, sequences.

Same rules as `patrol.store.tables`, same metadata.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Float,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
)

from patrol.store.tables import Number, Plain, metadata, numbered, where
from patrol.store.types import UtcTime, Words

UNSENT = "state = 'queued'"
outbox = Table(
    "outbox",
    metadata,
    numbered(),  # the order
    Column("key", Text, nullable=False, unique=True),
    Column("topic", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("queued_at", UtcTime, nullable=False),
    Column("retain", Boolean, nullable=False),
    Column("case", Text),
    Column("expires_at", UtcTime),
    Column("state", Text, nullable=False),
    Column("tried_at", UtcTime),
    Column("published_at", UtcTime),
    Column("received_at", UtcTime),
    Column("opened_at", UtcTime),
    Column("answered_at", UtcTime),
    Column("lease_holder", Text),
    Column("lease_until", UtcTime),
    Index("ix_outbox_unsent", "number", **where(UNSENT)),
    Index("ix_outbox_unsent_topic", "topic", "number", **where(UNSENT)),
    Index(None, "case"),
    Index(None, "queued_at"),
    Index(None, "published_at"),
    sqlite_autoincrement=True,
)
inbox = Table(
    "inbox",
    metadata,
    Column("key", Text, primary_key=True),
    Column("at", UtcTime, nullable=False),
)
dead_letters = Table(
    "dead_letters",
    metadata,
    numbered(),
    Column("at", UtcTime, nullable=False),
    Column("topic", Words, nullable=False),
    Column("reason", Words, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)
health = Table(
    "health",
    metadata,
    Column("camera", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("since", UtcTime, nullable=False),
    Column("why", Words, nullable=False),
    Column("told", Text, nullable=False, server_default=""),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("failing_since", UtcTime),
    Column("grade", Text, nullable=False, server_default=""),
)
health_changes = Table(
    "health_changes",
    metadata,
    numbered(),
    Column("camera", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("since", UtcTime, nullable=False),
    Column("why", Words, nullable=False),
    Index(None, "camera", "since"),
    sqlite_autoincrement=True,
)
withdrawals = Table(
    "withdrawals",
    metadata,
    numbered(),
    Column("camera", Text, nullable=False),
    Column("withdrawn_at", UtcTime, nullable=False),
    Column("withdrawn_by", Words, nullable=False),
    Column("restored_at", UtcTime),
    Column("restored_by", Words),
    Index("uq_withdrawals_standing", "camera", unique=True, **where("restored_at IS NULL")),
    sqlite_autoincrement=True,
)
BY_A_PERSON = "who NOT IN ('patrol', 'rules')"  # domain.ranking.NO_PERSON
access_log = Table(
    "access_log",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=False),
    Column("at", UtcTime, nullable=False),
    Column("who", Words, nullable=False),
    Column("what", Words, nullable=False),
    Column("camera", Text),
    Column("why", Words, nullable=False),
    Column("previous", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Index(None, "camera", "number"),
    Index("ix_access_log_people", "camera", "at", **where(BY_A_PERSON)),
)
chains = Table(  # the head of each chained log, so that a cut-off tail is noticed
    "chains",
    metadata,
    Column("name", Text, primary_key=True),
    Column("number", Number, nullable=False),
    Column("hash", Text, nullable=False),
)
memories = Table(
    "memories",
    metadata,
    Column("camera", Text, primary_key=True),
    Column("light", Text, primary_key=True),
    Column("blob", LargeBinary, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
)
sequences = Table(
    "sequences",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Number, nullable=False),
)
suppressions = Table(
    "suppressions",
    metadata,
    numbered(),
    Column("camera", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("box", Plain),
    Column("reason", Words, nullable=False),
    Column("owner", Words, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("until", UtcTime, nullable=False),
    Column("revoked_at", UtcTime),
    Column("revoked_by", Words, nullable=False),
    Index(None, "camera", "until"),
    sqlite_autoincrement=True,
)
cameras = Table(  # the registry as last read, without any address
    "cameras",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Words, nullable=False),
    Column("grid", Text, nullable=False),
    Column("place", Words, nullable=False),
    Column("link", Text, nullable=False),
    Column("household_ref", Text, nullable=False),
    Column("placement", Text, nullable=False),
    Column("priority", Text, nullable=False),
    Column("consent", Text, nullable=False),
    Column("consent_until", Date),
    Column("tags", Plain, nullable=False),
    Column("longitude", Float),
    Column("latitude", Float),
    Column("first_seen_at", UtcTime, nullable=False),
    Column("retired_at", UtcTime),
    Index(None, "household_ref"),
)
camera_changes = Table(
    "camera_changes",
    metadata,
    numbered(),
    Column("camera", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("field", Text, nullable=False),
    Column("before", Words),
    Column("after", Words),
    Index(None, "camera", "at"),
    sqlite_autoincrement=True,
)
grids = Table(
    "grids",
    metadata,
    Column("code", Text, primary_key=True),
    Column("name", Words, nullable=False),
    Column("level", Text, nullable=False),
    Column("parent", Text),
    Column("retired_at", UtcTime),
)
