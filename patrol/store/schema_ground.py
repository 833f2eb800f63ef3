"""Tables of patrols on the ground: a row a patrol, a row a point of it, a row a check-in.

One metadata with schema.py; what a row means is defined in patrol.domain.ground_patrol. Where a
person was is in no column: a check-in keeps its distance from the point.
"""

from sqlalchemy import Boolean, Column, Date, Float, Index, Integer, Table, Text

from patrol.store.column_types import CleanText, UtcTime
from patrol.store.schema import Plain, metadata

ground_patrols = Table(
    "ground_patrols",
    metadata,
    Column("id", Text, primary_key=True),
    Column("plan", Text, nullable=False),
    Column("number", Text, nullable=False),
    Column("title", CleanText, nullable=False),
    Column("day", Date, nullable=False),
    Column("grid", Text, nullable=False),
    Column("people", Plain, nullable=False),
    Column("open_from", UtcTime, nullable=False),
    Column("planned_at", UtcTime, nullable=False),
    Column("finish_by", UtcTime, nullable=False),
    Column("remind_at", UtcTime, nullable=False),
    Column("last_call_at", UtcTime, nullable=False),
    Column("needs_location", Boolean, nullable=False),
    Column("key_area", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reminded_at", UtcTime),
    Column("last_called_at", UtcTime),
    Column("started_at", UtcTime),
    Column("ended_at", UtcTime),
    Column("revision", Integer, nullable=False),
    Index(None, "day"),
    Index("ix_ground_patrols_open", "finish_by", "state"),
)
ground_stops = Table(
    "ground_stops",
    metadata,
    Column("patrol", Text, primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("point", Text, nullable=False),
    Column("name", CleanText, nullable=False),
    Column("kind", Text, nullable=False),
    Column("due_at", UtcTime, nullable=False),
    Column("state", Text, nullable=False),
    Column("check_in", Text, nullable=False),
    Column("at", UtcTime),
    Column("late_notified_at", UtcTime),
)
check_ins = Table(
    "check_ins",
    metadata,
    Column("id", Text, primary_key=True),
    Column("patrol", Text, nullable=False),
    Column("point", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("claimed_at", UtcTime, nullable=False),
    Column("received_at", UtcTime, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("is_claimed", Boolean, nullable=False),
    Column("distance_m", Float),
    Column("accuracy_m", Float),
    Column("state", Text, nullable=False),
    Column("problems", Plain, nullable=False),
    Column("seen", CleanText, nullable=False),
    Column("finding", Text),
    Column("decided_by", CleanText, nullable=False),
    Column("decided_at", UtcTime),
    Column("decision_note", CleanText, nullable=False),
    Index(None, "patrol"),
    Index(None, "state"),
)
