"""Patrols on the ground with their points and check-ins; cases that are open to helpers."""

import sqlalchemy as sa
from alembic import op

from patrol.store.column_types import CleanText, UtcTime
from patrol.store.schema import Plain

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    open_to: sa.Column[bool] = sa.Column(
        "open_to_helpers", sa.Boolean(), nullable=False, server_default=sa.false()
    )
    op.add_column("cases", open_to)
    _ground_patrols()
    _check_ins()


def _ground_patrols() -> None:
    op.create_table(
        "ground_patrols",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("title", CleanText(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("grid", sa.Text(), nullable=False),
        sa.Column("people", Plain, nullable=False),
        sa.Column("open_from", UtcTime(), nullable=False),
        sa.Column("planned_at", UtcTime(), nullable=False),
        sa.Column("finish_by", UtcTime(), nullable=False),
        sa.Column("remind_at", UtcTime(), nullable=False),
        sa.Column("last_call_at", UtcTime(), nullable=False),
        sa.Column("needs_location", sa.Boolean(), nullable=False),
        sa.Column("key_area", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reminded_at", UtcTime(), nullable=True),
        sa.Column("last_called_at", UtcTime(), nullable=True),
        sa.Column("started_at", UtcTime(), nullable=True),
        sa.Column("ended_at", UtcTime(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ground_patrols")),
    )
    op.create_index(op.f("ix_ground_patrols_day"), "ground_patrols", ["day"])
    op.create_index(op.f("ix_ground_patrols_open"), "ground_patrols", ["finish_by", "state"])


def _check_ins() -> None:
    op.create_table(
        "ground_stops",
        sa.Column("patrol", sa.Text(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("point", sa.Text(), nullable=False),
        sa.Column("name", CleanText(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("due_at", UtcTime(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("check_in", sa.Text(), nullable=False),
        sa.Column("at", UtcTime(), nullable=True),
        sa.Column("late_notified_at", UtcTime(), nullable=True),
        sa.PrimaryKeyConstraint("patrol", "place", name=op.f("pk_ground_stops")),
    )
    op.create_table(
        "check_ins",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("patrol", sa.Text(), nullable=False),
        sa.Column("point", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("claimed_at", UtcTime(), nullable=False),
        sa.Column("received_at", UtcTime(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("is_claimed", sa.Boolean(), nullable=False),
        sa.Column("distance_m", sa.Float(), nullable=True),
        sa.Column("accuracy_m", sa.Float(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("problems", Plain, nullable=False),
        sa.Column("seen", CleanText(), nullable=False),
        sa.Column("finding", sa.Text(), nullable=True),
        sa.Column("decided_by", CleanText(), nullable=False),
        sa.Column("decided_at", UtcTime(), nullable=True),
        sa.Column("decision_note", CleanText(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_check_ins")),
    )
    op.create_index(op.f("ix_check_ins_patrol"), "check_ins", ["patrol"])
    op.create_index(op.f("ix_check_ins_state"), "check_ins", ["state"])
