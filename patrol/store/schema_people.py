"""The tables of the console, of messages, of cameras and of the shift; one metadata with schema.py.

Console: accounts, sessions, claims, API keys, photos. Messages: outbox, inbox, dead letters.
Cameras: health, consent and its terms, household links, the registry's snapshot, memories. Shift:
stoppages, the maintenance queue, hand-overs. People's secrets lie here only as hashes.
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

from patrol.store.column_types import CleanText, UtcTime
from patrol.store.schema import Number, Plain, metadata, numbered, where

accounts = Table(
    "accounts",
    metadata,
    Column("name", Text, primary_key=True),
    Column("duty", Text, nullable=False),
    Column("shown_as", CleanText, nullable=False),
    Column("password", Text, nullable=False),
    Column("grid", Text),
    Column("person", Text),
    Column("language", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("disabled_at", UtcTime),
    Column("failures", Integer, nullable=False),
    Column("locked_until", UtcTime),
    Column("attention", Plain),  # how it wants to be called; NULL: as the site says
)
sessions = Table(
    "sessions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account", Text, nullable=False),
    Column("begun_at", UtcTime, nullable=False),
    Column("ends_at", UtcTime, nullable=False),
    Column("device", CleanText, nullable=False),
    Index(None, "account"),
    Index(None, "ends_at"),
)
claims = Table(
    "claims",
    metadata,
    Column("finding", Text, primary_key=True),
    Column("holder", CleanText, nullable=False),
    Column("until", UtcTime, nullable=False),
    Index(None, "holder"),
)
api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", CleanText, nullable=False),
    Column("secret", Text, nullable=False),
    Column("scopes", Plain, nullable=False),
    Column("made_by", CleanText, nullable=False),
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
    Column("by", CleanText, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("picture", Text),  # pictures.id; NULL: deleted before pictures had ids
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


UNSENT = "state = 'queued'"
QUARANTINED = "state = 'quarantined'"
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
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("due_at", UtcTime),
    Column("problem", CleanText, nullable=False, server_default=""),
    Index("ix_outbox_unsent", "number", **where(UNSENT)),
    Index("ix_outbox_unsent_topic", "topic", "number", **where(UNSENT)),
    Index("ix_outbox_quarantined", "number", **where(QUARANTINED)),
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
    Column("topic", CleanText, nullable=False),
    Column("reason", CleanText, nullable=False),
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
    Column("why", CleanText, nullable=False),
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
    Column("why", CleanText, nullable=False),
    Index(None, "camera", "since"),
    sqlite_autoincrement=True,
)
withdrawals = Table(
    "withdrawals",
    metadata,
    numbered(),
    Column("camera", Text, nullable=False),
    Column("withdrawn_at", UtcTime, nullable=False),
    Column("withdrawn_by", CleanText, nullable=False),
    Column("restored_at", UtcTime),
    Column("restored_by", CleanText),
    Index("uq_withdrawals_standing", "camera", unique=True, **where("restored_at IS NULL")),
    sqlite_autoincrement=True,
)
consent_terms = Table(  # what households set beside cameras.csv: pauses, hours
    "consent_terms",
    metadata,
    numbered(),
    Column("camera", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("hours", Plain),
    Column("until", UtcTime),
    Column("set_at", UtcTime, nullable=False),
    Column("set_by", CleanText, nullable=False),
    Column("ended_at", UtcTime),
    Column("ended_by", CleanText),
    Index("uq_consent_terms_standing", "camera", "kind", unique=True, **where("ended_at IS NULL")),
    sqlite_autoincrement=True,
)
household_links = Table(  # a household's own page, one camera each
    "household_links",
    metadata,
    Column("id", Text, primary_key=True),
    Column("camera", Text, nullable=False),
    Column("made_at", UtcTime, nullable=False),
    Column("made_by", CleanText, nullable=False),
    Column("revoked_at", UtcTime),
    Column("revoked_by", CleanText),
    Index("uq_household_links_standing", "camera", unique=True, **where("revoked_at IS NULL")),
)
BY_A_PERSON = "who NOT IN ('patrol', 'rules')"  # domain.ranking.MACHINE_ACTORS
access_log = Table(
    "access_log",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=False),
    Column("at", UtcTime, nullable=False),
    Column("who", CleanText, nullable=False),
    Column("what", CleanText, nullable=False),
    Column("camera", Text),
    Column("why", CleanText, nullable=False),
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
chain_keys = Table(  # from which line on each log is under the site's key, signed with it
    "chain_keys",
    metadata,
    Column("name", Text, primary_key=True),
    Column("keyed_from", Number, nullable=False),
    Column("mark", Text, nullable=False),
)
received_replies = Table(  # the last keys of replies that were handled, by case and grid
    "received_replies",
    metadata,
    Column("case", Text, primary_key=True),
    Column("grid", Text, primary_key=True),
    Column("replies", Integer, nullable=False),
    Column("keys_shown", Plain, nullable=False),
)
stream_credentials = Table(  # passwords of cameras' streams, sealed with the site's key
    "stream_credentials",
    metadata,
    Column("camera", Text, primary_key=True),
    Column("stream", Text, primary_key=True),  # main, sub
    Column("host", Text, nullable=False),  # the only place where it may be sent
    Column("port", Integer, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("set_at", UtcTime, nullable=False),
    Column("set_by", CleanText, nullable=False),
)
legal_holds = Table(  # what may not be deleted, by whose order
    "legal_holds",
    metadata,
    numbered(),
    Column("scope", Text, nullable=False),  # case, camera
    Column("subject", Text, nullable=False),
    Column("reference", CleanText, nullable=False),
    Column("reason", CleanText, nullable=False),
    Column("since", UtcTime, nullable=False),
    Column("set_by", CleanText, nullable=False),
    Column("ended_at", UtcTime),
    Column("ended_by", CleanText, nullable=False, server_default=""),
    Column("ended_why", CleanText, nullable=False, server_default=""),
    Index("ix_legal_holds_in_force", "scope", "subject", **where("ended_at IS NULL")),
    sqlite_autoincrement=True,
)
anchors = Table(  # heads of the chained logs at the end of each day, as they were published
    "anchors",
    metadata,
    Column("day", Date, primary_key=True),
    Column("at", UtcTime, nullable=False),
    Column("heads", Plain, nullable=False),
)
memories = Table(
    "memories",
    metadata,
    Column("camera", Text, primary_key=True),
    Column("light", Text, primary_key=True),
    Column("blob", LargeBinary, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    Column("sampled_at", UtcTime),  # when its newest picture was learned; NULL: unknown
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
    Column("reason", CleanText, nullable=False),
    Column("owner", CleanText, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("until", UtcTime, nullable=False),
    Column("revoked_at", UtcTime),
    Column("revoked_by", CleanText, nullable=False),
    Index(None, "camera", "until"),
    sqlite_autoincrement=True,
)
cameras = Table(  # the registry as last read, without any address
    "cameras",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", CleanText, nullable=False),
    Column("grid", Text, nullable=False),
    Column("place", CleanText, nullable=False),
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
    Column("before", CleanText),
    Column("after", CleanText),
    Index(None, "camera", "at"),
    sqlite_autoincrement=True,
)
grids = Table(
    "grids",
    metadata,
    Column("code", Text, primary_key=True),
    Column("name", CleanText, nullable=False),
    Column("level", Text, nullable=False),
    Column("parent", Text),
    Column("retired_at", UtcTime),
)


stoppages = Table(
    "stoppages",
    metadata,
    numbered(),
    Column("scope", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("start", UtcTime, nullable=False),
    Column("until", UtcTime),
    Column("reason", CleanText, nullable=False),
    Column("by", CleanText, nullable=False),
    Column("said_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
    Column("ended_by", CleanText, nullable=False),
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
    Column("why", CleanText, nullable=False),
    Column("cameras", Plain, nullable=False),
    Column("taken_at", UtcTime),
    Column("taken_by", CleanText, nullable=False),
    Column("closed_at", UtcTime),
    Column("closed_why", CleanText, nullable=False),
    Column("case", Text),  # the case about the same fault: one thing, by the case's number
    Index("uq_troubles_standing", "kind", "subject", unique=True, **where("closed_at IS NULL")),
    sqlite_autoincrement=True,
)
handovers = Table(
    "handovers",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=False),
    Column("at", UtcTime, nullable=False),
    Column("what", Text, nullable=False),
    Column("who", CleanText, nullable=False),
    Column("to", CleanText, nullable=False),
    Column("note", CleanText, nullable=False),
    Column("sheet", Plain, nullable=False),
    Column("digest", Text, nullable=False),
    Column("previous", Text, nullable=False),
    Column("hash", Text, nullable=False),
)
