"""Tables of the town's own work: histories of findings, their alarms, who owns a round.

`report_changes` is the log that the county reads on from: which rounds and days changed.

One metadata with schema.py; what a row means is defined in patrol.domain. All of them are appended
to; a row's key says what it belongs to.
"""

from sqlalchemy import Boolean, Column, Date, Float, Index, Integer, Table, Text

from patrol.store.column_types import CleanText, UtcTime
from patrol.store.schema import Plain, metadata, numbered

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
human_patrols = Table(
    "human_patrols",
    metadata,
    Column("id", Text, primary_key=True),
    Column("plan", Text, nullable=False),
    Column("title", CleanText, nullable=False),
    Column("day", Date, nullable=False),
    Column("open_from", UtcTime, nullable=False),
    Column("planned_at", UtcTime, nullable=False),
    Column("finish_by", UtcTime, nullable=False),
    Column("remind_at", UtcTime, nullable=False),
    Column("assigned", Plain, nullable=False),
    Column("pace_s", Float, nullable=False),
    Column("live", Boolean, nullable=False),
    Column("look_twice", Boolean, nullable=False),
    Column("stops", Plain, nullable=False),
    Column("checklist", Plain, nullable=False),
    Column("refused", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("reminded_at", UtcTime),
    Column("started_at", UtcTime),
    Column("started_by", CleanText, nullable=False),
    Column("finished_at", UtcTime),
    Column("start_remark", CleanText, nullable=False),
    Column("end_remark", CleanText, nullable=False),
    Column("checked_items", Plain, nullable=False),
    Index(None, "day"),
)
human_checks = Table(
    "human_checks",
    metadata,
    Column("patrol", Text, primary_key=True),
    Column("camera", Text, primary_key=True),
    Column("place", Integer, nullable=False),
    Column("checkpoint", Integer, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("by", CleanText, nullable=False),
    Column("at", UtcTime),
    Column("picture", Text),
    Column("picture_at", UtcTime),
    Column("finding", Text),
)
grid_tags = Table(
    "grid_tags",
    metadata,
    Column("grid", Text, primary_key=True),
    Column("tags", Plain, nullable=False),
    Column("by", CleanText, nullable=False),
    Column("at", UtcTime, nullable=False),
)
hand_offs = Table(
    "hand_offs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("case", Text, nullable=False),
    Column("recipient", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("by", CleanText, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("due_at", UtcTime, nullable=False),
    Column("why", CleanText, nullable=False),
    Column("received_at", UtcTime),
    Column("received_by", CleanText, nullable=False),
    Column("answered_at", UtcTime),
    Column("answered_by", CleanText, nullable=False),
    Column("answer", CleanText, nullable=False),
    Index(None, "case"),
)
broadcasts = Table(
    "broadcasts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("case", Text, nullable=False),
    Column("speaker", Text, nullable=False),
    Column("text", CleanText, nullable=False),
    Column("state", Text, nullable=False),
    Column("by", CleanText, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("approved_by", CleanText, nullable=False),
    Column("approved_at", UtcTime),
    Column("played_at", UtcTime),
    Column("problem", CleanText, nullable=False),
    Index(None, "case"),
)
registry_rows = Table(  # people.csv, grids.csv, leave.csv as last known: what differs is a change
    "registry_rows",
    metadata,
    Column("table", Text, primary_key=True),
    Column("row", Text, primary_key=True),
    Column("cells", Plain, nullable=False),
)
registry_changes = Table(
    "registry_changes",
    metadata,
    numbered(),
    Column("at", UtcTime, nullable=False),
    Column("by", CleanText, nullable=False),
    Column("table", Text, nullable=False),
    Column("row", Text, nullable=False),
    Column("name", CleanText, nullable=False),
    Column("what", Text, nullable=False),
    Column("cells", Plain, nullable=False),
    Column("why", CleanText, nullable=False),
    Index(None, "table", "row"),
    sqlite_autoincrement=True,
)
report_changes = Table(  # appended to by each transaction; transaction.py
    "report_changes",
    metadata,
    numbered(),
    Column("token", Text, nullable=False),  # random: the same number after a restore is another
    Column("kind", Text, nullable=False),  # round, day, moment
    Column("subject", Text, nullable=False),
    Index(None, "kind", "subject", "number"),
    sqlite_autoincrement=True,
)
