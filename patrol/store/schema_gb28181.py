"""The tables of GB/T 28181: registrations, open sessions, catalogues and alarms of peers.

Peers are named as sources.yaml names them; no password and no address of a camera is here.
"""

from sqlalchemy import Boolean, Column, Float, Index, Integer, Table, Text, UniqueConstraint

from patrol.store.column_types import CleanText, UtcTime
from patrol.store.schema import metadata, numbered

gb_registrations = Table(  # where each peer was last reached, so that a restart need not wait
    "gb_registrations",
    metadata,
    Column("peer", Text, primary_key=True),
    Column("transport", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("port", Integer, nullable=False),
    Column("local", Text, nullable=False),
    Column("until", UtcTime),  # None: it logged out, or was lost
    Column("seen_at", UtcTime, nullable=False),
    Column("reason", CleanText, nullable=False),  # why it is gone
)
gb_sessions = Table(  # live views that are open at a peer: what a restart has to end
    "gb_sessions",
    metadata,
    Column("call_id", Text, primary_key=True),
    Column("peer", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("from_tag", Text, nullable=False),
    Column("to_tag", Text, nullable=False),
    Column("cseq", Integer, nullable=False),
    Column("transport", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("port", Integer, nullable=False),
    Column("local", Text, nullable=False),
    Column("opened_at", UtcTime, nullable=False),
)
gb_channels = Table(  # the catalogue of each peer as last known
    "gb_channels",
    metadata,
    Column("peer", Text, primary_key=True),
    Column("code", Text, primary_key=True),
    Column("name", CleanText, nullable=False),
    Column("parent", Text, nullable=False),
    Column("online", Boolean),
    Column("maker", CleanText, nullable=False),
    Column("model", CleanText, nullable=False),
    Column("civil_code", Text, nullable=False),
    Column("address", CleanText, nullable=False),
    Column("longitude", Float),
    Column("latitude", Float),
    Column("missing", Integer, nullable=False),  # whole catalogues in a row without it
    Column("seen_at", UtcTime, nullable=False),
)
gb_alarms = Table(  # alarms of peers whose alarms are taken, each once
    "gb_alarms",
    metadata,
    numbered(),
    Column("peer", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("at", Text, nullable=False),  # by the device's own clock
    Column("method", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("priority", Text, nullable=False),
    Column("text", CleanText, nullable=False),
    Column("received_at", UtcTime, nullable=False),
    UniqueConstraint("peer", "device", "at", "method", "kind"),
    Index(None, "received_at"),
    sqlite_autoincrement=True,
)
