"""The first tables: rounds, findings, cases here; the desk's in `migrations/first_desk.py`."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from patrol.store.column_types import CleanText, NullableFloat, UtcTime
from patrol.store.migrations.first_desk import create_message_and_log_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON(none_as_null=True)


def upgrade() -> None:
    """Apply."""
    _rounds()
    _visits()
    _pictures()
    _observations()
    _findings()
    _cases()
    _case_entries()
    create_message_and_log_tables()


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def _to(target: str) -> sa.ForeignKey:
    return sa.ForeignKey(target, deferrable=True, initially="DEFERRED")


def _rounds() -> None:
    op.create_table(
        "rounds",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("plan", sa.Text, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("planned_at", UtcTime, nullable=False),
        sa.Column("finish_by", UtcTime, nullable=False),
        sa.Column("planned", sa.Integer, nullable=False),
        sa.Column("refused", JSON, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("started_at", UtcTime),
        sa.Column("finished_at", UtcTime),
        sa.Column("reason", CleanText, nullable=False),
        sa.Column("wall_s", sa.Float, nullable=False),
        sa.Column("cpu_s", sa.Float, nullable=False),
        sa.Column("peak_rss_mb", sa.Float, nullable=False),
    )
    op.create_index(op.f("ix_rounds_day"), "rounds", ["day"])
    op.create_index(op.f("ix_rounds_plan_planned_at"), "rounds", ["plan", "planned_at"])


def _visits() -> None:
    op.create_table(
        "visits",
        sa.Column("number", NUMBER, primary_key=True),
        sa.Column("round", sa.Text, _to("rounds.id")),
        sa.Column("camera", sa.Text, nullable=False),
        sa.Column("place", sa.Integer),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("started_at", UtcTime),
        sa.Column("finished_at", UtcTime),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("failure", sa.Text, nullable=False),
        sa.Column("seen", CleanText, nullable=False),
        sa.Column("usable_pictures", sa.Integer, nullable=False),
        sa.Column("faults", JSON, nullable=False),
        sa.Column("readings", JSON),
        sa.Column("facts", JSON),
        sa.Column("freshness", sa.Text, nullable=False),
        sa.Column("light", sa.Text, nullable=False),
        sa.UniqueConstraint("round", "camera"),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_visits_camera_finished_at"), "visits", ["camera", "finished_at"])
    op.create_index(
        op.f("ix_visits_waiting"), "visits", ["round", "place"], **_where("outcome = 'pending'")
    )
    op.create_table(
        "visit_pictures",
        sa.Column("visit", NUMBER, _to("visits.number"), primary_key=True),
        sa.Column("place", sa.Integer, primary_key=True),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("taken_at", UtcTime, nullable=False),
        sa.Column("width_px", sa.Integer, nullable=False),
        sa.Column("height_px", sa.Integer, nullable=False),
        sa.Column("bytes", sa.Integer, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("delete_after", UtcTime, nullable=False),
    )
    op.create_index(op.f("ix_visit_pictures_sha256"), "visit_pictures", ["sha256"])


def _pictures() -> None:
    op.create_table(
        "pictures",
        sa.Column("sha256", sa.Text, primary_key=True),
        sa.Column("camera", sa.Text, nullable=False),
        sa.Column("taken_at", UtcTime, nullable=False),
        sa.Column("width_px", sa.Integer, nullable=False),
        sa.Column("height_px", sa.Integer, nullable=False),
        sa.Column("bytes", sa.Integer, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("delete_after", UtcTime, nullable=False),
    )
    op.create_index(op.f("ix_pictures_camera"), "pictures", ["camera"])
    op.create_index(op.f("ix_pictures_delete_after"), "pictures", ["delete_after"])
    op.create_table(
        "deletions",
        sa.Column("number", NUMBER, primary_key=True, autoincrement=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("camera", sa.Text, nullable=False),
        sa.Column("taken_at", UtcTime, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("due_at", UtcTime, nullable=False),
        sa.Column("deleted_at", UtcTime, nullable=False),
        sa.Column("previous", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
    )
    op.create_index(op.f("ix_deletions_sha256"), "deletions", ["sha256"])


def _observations() -> None:
    op.create_table(
        "observations",
        sa.Column("number", NUMBER, primary_key=True),
        sa.Column("camera", sa.Text, nullable=False),
        sa.Column("round", sa.Text, _to("rounds.id")),
        sa.Column("at", UtcTime, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("score", sa.Float, nullable=False),
        sa.Column("value", NullableFloat),
        sa.Column("threshold", NullableFloat),
        sa.Column("gauge", sa.Text, nullable=False),
        sa.Column("box", JSON),
        sa.Column("zone", sa.Text, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("picture", sa.Text),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_observations_camera_at"), "observations", ["camera", "at"])
    op.create_index(op.f("ix_observations_round"), "observations", ["round"])


def _findings() -> None:
    op.create_table(
        "findings",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("camera", sa.Text, nullable=False),
        sa.Column("grid", sa.Text, nullable=False),
        sa.Column("round", sa.Text, _to("rounds.id")),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("score", sa.Float, nullable=False),
        sa.Column("found_at", UtcTime, nullable=False),
        sa.Column("why", CleanText, nullable=False),
        sa.Column("level", sa.Text, nullable=False),
        sa.Column("category", sa.Text, nullable=False),
        sa.Column("picture", sa.Text),
        sa.Column("box", JSON),
        sa.Column("zone", sa.Text, nullable=False),
        sa.Column("times", sa.Integer, nullable=False),
        sa.Column("unreviewed_ok", sa.Boolean, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("decided_by", CleanText, nullable=False),
        sa.Column("decided_at", UtcTime),
        sa.Column("reason", CleanText, nullable=False),
        sa.Column("case", sa.Text),
    )
    op.create_index(op.f("ix_findings_found_at"), "findings", ["found_at"])
    op.create_index(op.f("ix_findings_round"), "findings", ["round"])
    op.create_index(
        op.f("ix_findings_waiting"),
        "findings",
        ["camera", "category"],
        **_where("state IN ('candidate', 'unsure')"),
    )


def _cases() -> None:
    op.create_table(
        "cases",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("finding", sa.Text, _to("findings.id")),
        sa.Column("camera", sa.Text),
        sa.Column("grid", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("category", sa.Text, nullable=False),
        sa.Column("level", sa.Text, nullable=False),
        sa.Column("place", CleanText, nullable=False),
        sa.Column("found_at", UtcTime, nullable=False),
        sa.Column("dispatched_at", UtcTime, nullable=False),
        sa.Column("policy", JSON, nullable=False),
        sa.Column("note", CleanText, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("zone", sa.Text, nullable=False),
        sa.Column("box", JSON),
        sa.Column("before", sa.Text),
        sa.Column("after", sa.Text),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("rung", sa.Integer, nullable=False),
        sa.Column("ladder_due_at", UtcTime),
        sa.Column("look_due_at", UtcTime),
        sa.Column("looks", sa.Integer, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("times", sa.Integer, nullable=False),
    )
    op.create_index(op.f("ix_cases_dispatched_at"), "cases", ["dispatched_at"])
    op.create_index(op.f("ix_cases_finding"), "cases", ["finding"])
    op.create_index(
        op.f("ix_cases_ladder_due_at"),
        "cases",
        ["ladder_due_at"],
        **_where("ladder_due_at IS NOT NULL"),
    )
    op.create_index(
        op.f("ix_cases_look_due_at"), "cases", ["look_due_at"], **_where("look_due_at IS NOT NULL")
    )
    op.create_index(
        op.f("ix_cases_open"),
        "cases",
        ["camera", "category"],
        **_where("state NOT IN ('closed', 'voided')"),
    )


def _case_entries() -> None:
    op.create_table(
        "case_entries",
        sa.Column("case", sa.Text, _to("cases.id"), primary_key=True),
        sa.Column("place", sa.Integer, primary_key=True),
        sa.Column("at", UtcTime, nullable=False),
        sa.Column("by", CleanText, nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("note", CleanText, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
    )
