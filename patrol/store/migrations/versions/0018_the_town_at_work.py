"""Own findings, their histories and alarms; who owns a round."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from patrol.store.column_types import CleanText, UtcTime
from patrol.store.schema import Number, Plain

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def _partial(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def upgrade() -> None:
    """Apply."""
    _own_findings()
    _round_duties()
    _human_patrols()
    _supervision()


def _own_findings() -> None:
    for name, kind in (("filed_by", CleanText), ("filed_from", sa.Text()), ("place", CleanText)):
        op.add_column("findings", sa.Column(name, kind, nullable=False, server_default=""))
    undone = sa.Column("undone_count", sa.Integer(), nullable=False, server_default="0")
    op.add_column("findings", undone)
    op.create_index(
        op.f("ix_findings_decided_at"), "findings", ["decided_at"],
        **_partial("decided_at IS NOT NULL"),
    )  # fmt: skip
    op.create_index(
        op.f("ix_findings_filed"), "findings", ["found_at"], **_partial("origin = 'operator'")
    )
    op.create_table(
        "finding_entries",
        sa.Column("finding", sa.Text(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("by", CleanText(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("note", CleanText(), nullable=False),
        sa.PrimaryKeyConstraint("finding", "place", name=op.f("pk_finding_entries")),
    )
    op.create_table(
        "finding_alarms",
        sa.Column("finding", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("reached", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("finding", "step", name=op.f("pk_finding_alarms")),
    )


def _round_duties() -> None:
    op.create_table(
        "round_duties",
        sa.Column("number", Number, nullable=False, autoincrement=True),
        sa.Column("round", sa.Text(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("who", CleanText(), nullable=False),
        sa.Column("to", CleanText(), nullable=False),
        sa.Column("note", CleanText(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_round_duties")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_round_duties_round"), "round_duties", ["round"])


def _human_patrols() -> None:
    op.create_table(
        "human_patrols",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("title", CleanText(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("open_from", UtcTime(), nullable=False),
        sa.Column("planned_at", UtcTime(), nullable=False),
        sa.Column("finish_by", UtcTime(), nullable=False),
        sa.Column("remind_at", UtcTime(), nullable=False),
        sa.Column("assigned", Plain, nullable=False),
        sa.Column("pace_s", sa.Float(), nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("look_twice", sa.Boolean(), nullable=False),
        sa.Column("stops", Plain, nullable=False),
        sa.Column("checklist", Plain, nullable=False),
        sa.Column("refused", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reminded_at", UtcTime(), nullable=True),
        sa.Column("started_at", UtcTime(), nullable=True),
        sa.Column("started_by", CleanText(), nullable=False),
        sa.Column("finished_at", UtcTime(), nullable=True),
        sa.Column("start_remark", CleanText(), nullable=False),
        sa.Column("end_remark", CleanText(), nullable=False),
        sa.Column("checked_items", Plain, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_human_patrols")),
    )
    op.create_index(op.f("ix_human_patrols_day"), "human_patrols", ["day"])
    op.create_table(
        "human_checks",
        sa.Column("patrol", sa.Text(), nullable=False),
        sa.Column("camera", sa.Text(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("checkpoint", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("by", CleanText(), nullable=False),
        sa.Column("at", UtcTime(), nullable=True),
        sa.Column("picture", sa.Text(), nullable=True),
        sa.Column("picture_at", UtcTime(), nullable=True),
        sa.Column("finding", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("patrol", "camera", name=op.f("pk_human_checks")),
    )


def _supervision() -> None:
    op.add_column("cases", sa.Column("supervision", Plain, nullable=True))
    op.add_column("cases", sa.Column("tags", Plain, nullable=False, server_default="[]"))
    op.create_table(
        "grid_tags",
        sa.Column("grid", sa.Text(), nullable=False),
        sa.Column("tags", Plain, nullable=False),
        sa.Column("by", CleanText(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("grid", name=op.f("pk_grid_tags")),
    )
    op.create_table(
        "hand_offs",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("case", sa.Text(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("by", CleanText(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("due_at", UtcTime(), nullable=False),
        sa.Column("why", CleanText(), nullable=False),
        sa.Column("received_at", UtcTime(), nullable=True),
        sa.Column("received_by", CleanText(), nullable=False),
        sa.Column("answered_at", UtcTime(), nullable=True),
        sa.Column("answered_by", CleanText(), nullable=False),
        sa.Column("answer", CleanText(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hand_offs")),
    )
    op.create_index(op.f("ix_hand_offs_case"), "hand_offs", ["case"])
    op.create_table(
        "broadcasts",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("case", sa.Text(), nullable=False),
        sa.Column("speaker", sa.Text(), nullable=False),
        sa.Column("text", CleanText(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("by", CleanText(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("approved_by", CleanText(), nullable=False),
        sa.Column("approved_at", UtcTime(), nullable=True),
        sa.Column("played_at", UtcTime(), nullable=True),
        sa.Column("problem", CleanText(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_broadcasts")),
    )
    op.create_index(op.f("ix_broadcasts_case"), "broadcasts", ["case"])
