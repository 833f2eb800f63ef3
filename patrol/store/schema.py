"""The tables of rounds, pictures, findings and cases; what a row means is defined in patrol.domain.

References are checked at commit (deferred), so that a unit of work may write in any order. Partial
indexes carry the lists that are polled — what waits, what is due — and stay as small as those lists
are. Levels are the Roman numerals I to IV, whose text order is the order of urgency.
"""

from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

from patrol.store.column_types import CleanText, NullableFloat, UtcTime

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
Number = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts only INTEGER up by itself
Plain = JSON(none_as_null=True)


def numbered() -> Column[int]:
    """A key that counts up; with sqlite_autoincrement, never given twice."""
    return Column("number", Number, primary_key=True, autoincrement=True)


def _to(target: str) -> ForeignKey:
    return ForeignKey(target, deferrable=True, initially="DEFERRED")


PARTIAL: Final = "partial"  # in an index's info: its condition


def where(condition: str) -> dict[str, Any]:
    """The options of a partial index; PostgreSQL's are added where tables are made or compared.

    SQLAlchemy imports a dialect to check an option of it, and no verb on SQLite needs that.
    """
    return {"sqlite_where": text(condition), "info": {PARTIAL: condition}}


def add_postgres_conditions() -> None:
    """Give PostgreSQL's partial indexes of all known tables their condition; for schema_all."""
    for table in metadata.tables.values():
        for index in table.indexes:
            if PARTIAL in index.info:
                index.dialect_kwargs["postgresql_where"] = text(index.info[PARTIAL])


rounds = Table(
    "rounds",
    metadata,
    Column("id", Text, primary_key=True),
    Column("plan", Text, nullable=False),
    Column("day", Date, nullable=False),
    Column("planned_at", UtcTime, nullable=False),
    Column("finish_by", UtcTime, nullable=False),
    Column("planned", Integer, nullable=False),
    Column("refused", Plain, nullable=False),
    Column("state", Text, nullable=False),
    Column("started_at", UtcTime),
    Column("finished_at", UtcTime),
    Column("reason", CleanText, nullable=False),
    Column("scope", CleanText, nullable=False, server_default=""),
    Column("misdated", Boolean, nullable=False, server_default=false()),
    Column("wall_s", Float, nullable=False),
    Column("cpu_s", Float, nullable=False),
    Column("peak_rss_mb", Float, nullable=False),
    Index(None, "plan", "planned_at"),
    Index(None, "day"),
)
stream_limits = Table(  # what rounds learned of the recorders' limits
    "stream_limits",
    metadata,
    Column("server", Text, primary_key=True),
    Column("streams", Integer, nullable=False),
    Column("learned_at", UtcTime, nullable=False),
)
visits = Table(
    "visits",
    metadata,
    numbered(),
    Column("round", Text, _to("rounds.id")),
    Column("camera", Text, nullable=False),
    Column("place", Integer),  # in the order of the plan
    Column("outcome", Text, nullable=False),
    Column("started_at", UtcTime),
    Column("finished_at", UtcTime),
    Column("tries", Integer, nullable=False),
    Column("failure", Text, nullable=False),
    Column("seen", CleanText, nullable=False),
    Column("usable_pictures", Integer, nullable=False),
    Column("faults", Plain, nullable=False),
    Column("readings", Plain),
    Column("facts", Plain),
    Column("freshness", Text, nullable=False),
    Column("light", Text, nullable=False),
    UniqueConstraint("round", "camera"),
    Index("ix_visits_waiting", "round", "place", **where("outcome = 'pending'")),
    Index("ix_visits_camera_finished_at", "camera", "finished_at"),
    sqlite_autoincrement=True,
)
visit_pictures = Table(  # which pictures a visit took; stays when the pictures are deleted
    "visit_pictures",
    metadata,
    Column("visit", Number, _to("visits.number"), primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("sha256", Text, nullable=False),
    Column("taken_at", UtcTime, nullable=False),
    Column("width_px", Integer, nullable=False),
    Column("height_px", Integer, nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("delete_after", UtcTime, nullable=False),
    Column("picture", Text),  # pictures.id; NULL: deleted before pictures had ids
    Index(None, "sha256"),
)
pictures = Table(  # what is stored just now; several may share their bytes
    "pictures",
    metadata,
    Column("id", Text, primary_key=True),
    Column("sha256", Text, nullable=False),
    Column("camera", Text, nullable=False),
    Column("taken_at", UtcTime, nullable=False),
    Column("width_px", Integer, nullable=False),
    Column("height_px", Integer, nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("delete_after", UtcTime, nullable=False),
    Index(None, "delete_after"),
    Index(None, "camera"),
    Index(None, "sha256"),
)
deletions = Table(  # the ledger: what is gone, and that nobody edited the ledger
    "deletions",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=False),
    Column("sha256", Text, nullable=False),
    Column("camera", Text, nullable=False),
    Column("taken_at", UtcTime, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("due_at", UtcTime, nullable=False),
    Column("deleted_at", UtcTime, nullable=False),
    Column("previous", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Index(None, "sha256"),
)
observations = Table(
    "observations",
    metadata,
    numbered(),
    Column("camera", Text, nullable=False),
    Column("round", Text, _to("rounds.id")),
    Column("at", UtcTime, nullable=False),
    Column("subject", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("score", Float, nullable=False),
    Column("value", NullableFloat),
    Column("threshold", NullableFloat),
    Column("gauge", Text, nullable=False),
    Column("box", Plain),
    Column("zone", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("picture", Text),
    Index(None, "camera", "at"),
    Index(None, "round"),
    sqlite_autoincrement=True,
)
WAITING_FINDING = "state IN ('candidate', 'unsure')"
findings = Table(
    "findings",
    metadata,
    Column("id", Text, primary_key=True),
    Column("camera", Text, nullable=False),
    Column("grid", Text, nullable=False),
    Column("round", Text, _to("rounds.id")),
    Column("subject", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("score", Float, nullable=False),
    Column("found_at", UtcTime, nullable=False),
    Column("why", CleanText, nullable=False),
    Column("level", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("picture", Text),
    Column("box", Plain),
    Column("zone", Text, nullable=False),
    Column("times", Integer, nullable=False),
    Column("unreviewed_ok", Boolean, nullable=False),
    Column("state", Text, nullable=False),
    Column("decided_by", CleanText, nullable=False),
    Column("decided_at", UtcTime),
    Column("reason", CleanText, nullable=False),
    Column("case", Text),
    Column("origin", Text, nullable=False, server_default="machine"),
    Column("again_at", UtcTime),
    Column("again_why", CleanText, nullable=False, server_default=""),
    Column("again_picture", Text),
    Column("filed_by", CleanText, nullable=False, server_default=""),
    Column("filed_from", Text, nullable=False, server_default=""),
    Column("place", CleanText, nullable=False, server_default=""),
    Column("undone_count", Integer, nullable=False, server_default="0"),
    Column("gauge", Text, nullable=False, server_default=""),
    Index("ix_findings_waiting", "camera", "category", **where(WAITING_FINDING)),
    Index(None, "round"),
    Index(None, "found_at"),
    Index("ix_findings_decided_at", "decided_at", **where("decided_at IS NOT NULL")),
    Index("ix_findings_filed", "found_at", **where("origin = 'operator'")),
    Index("ix_findings_case", "case", **where('"case" IS NOT NULL')),
)
OPEN_CASE = "state NOT IN ('closed', 'voided')"
cases = Table(
    "cases",
    metadata,
    Column("id", Text, primary_key=True),
    Column("finding", Text, _to("findings.id")),
    Column("camera", Text),
    Column("grid", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("level", Text, nullable=False),
    Column("place", CleanText, nullable=False),
    Column("found_at", UtcTime, nullable=False),
    Column("dispatched_at", UtcTime, nullable=False),
    Column("policy", Plain, nullable=False),
    Column("note", CleanText, nullable=False),
    Column("kind", Text, nullable=False),
    Column("zone", Text, nullable=False),
    Column("box", Plain),
    Column("before", Text),
    Column("after", Text),
    Column("state", Text, nullable=False),
    Column("rung", Integer, nullable=False),
    Column("ladder_due_at", UtcTime),
    Column("look_due_at", UtcTime),
    Column("looks", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("times", Integer, nullable=False),
    Column("request", Plain),
    Column("suspension", Plain),
    Column("hold", Plain),
    Column("hold_until", UtcTime),
    Column("supervision", Plain),
    Column("tags", Plain, nullable=False, server_default="[]"),
    Column("open_to_helpers", Boolean, nullable=False, server_default=false()),
    Index("ix_cases_open", "camera", "category", **where(OPEN_CASE)),
    Index("ix_cases_ladder_due_at", "ladder_due_at", **where("ladder_due_at IS NOT NULL")),
    Index("ix_cases_look_due_at", "look_due_at", **where("look_due_at IS NOT NULL")),
    Index("ix_cases_hold_until", "hold_until", **where("hold_until IS NOT NULL")),
    Index(None, "dispatched_at"),
    Index(None, "finding"),
)
case_entries = Table(
    "case_entries",
    metadata,
    Column("case", Text, _to("cases.id"), primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("at", UtcTime, nullable=False),
    Column("by", CleanText, nullable=False),
    Column("what", Text, nullable=False),
    Column("note", CleanText, nullable=False),
    Column("state", Text, nullable=False),
    Column("claimed", CleanText, nullable=False, server_default=""),  # who it is said to be
)
