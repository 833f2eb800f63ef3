"""The cluster: who leads, which workers live, results on their way to the recorder."""

import sqlalchemy as sa
from alembic import op

from patrol.store.column_types import CleanText, UtcTime
from patrol.store.schema import Number, Plain

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "cluster_leaders",
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("host", CleanText(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("backend", sa.Integer(), nullable=False),
        sa.Column("led_at", UtcTime(), nullable=False),
        sa.Column("beat_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("site", name=op.f("pk_cluster_leaders")),
    )
    op.create_table(
        "cluster_workers",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("instance", sa.Text(), nullable=False),
        sa.Column("host", CleanText(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("links", Plain, nullable=False),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("running", sa.Integer(), nullable=False),
        sa.Column("skew_s", sa.Float(), nullable=False),
        sa.Column("note", CleanText(), nullable=False),
        sa.Column("started_at", UtcTime(), nullable=False),
        sa.Column("beat_at", UtcTime(), nullable=False),
        sa.Column("left_at", UtcTime(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_cluster_workers")),
    )
    op.create_table(
        "cluster_results",
        sa.Column("number", Number, autoincrement=True, nullable=False),
        sa.Column("round", sa.Text(), nullable=False),
        sa.Column("camera", sa.Text(), nullable=False),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column(
            "delivered_at", UtcTime(), server_default=sa.text("CURRENT_TIMESTAMP"), nullable=False
        ),
        sa.Column("body", Plain, nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_cluster_results")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_cluster_results_round_camera"), "cluster_results", ["round", "camera"])
    op.create_table(
        "cluster_counts",
        sa.Column("round", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("round", "name", name=op.f("pk_cluster_counts")),
    )
