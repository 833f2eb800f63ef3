"""Deliveries: webhooks and second channels, queued in the transaction that made the news."""

import sqlalchemy as sa
from alembic import op

import patrol.store.column_types

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "deliveries",
        sa.Column("number", number, autoincrement=True, nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("queued_at", patrol.store.column_types.UtcTime(), nullable=False),
        sa.Column("due_at", patrol.store.column_types.UtcTime(), nullable=False),
        sa.Column("expires_at", patrol.store.column_types.UtcTime(), nullable=True),
        sa.Column("case", sa.Text(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("fate", sa.Text(), nullable=False),
        sa.Column("problem", patrol.store.column_types.CleanText(), nullable=False),
        sa.Column("ended_at", patrol.store.column_types.UtcTime(), nullable=True),
        sa.Column("lease_holder", sa.Text(), nullable=True),
        sa.Column("lease_until", patrol.store.column_types.UtcTime(), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_deliveries")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.create_index("uq_deliveries_target_key", ["target", "key"], unique=True)
        batch_op.create_index(
            "ix_deliveries_waiting",
            ["target", "due_at"],
            unique=False,
            sqlite_where=sa.text("fate = 'waiting'"),
            postgresql_where=sa.text("fate = 'waiting'"),
        )
        batch_op.create_index(batch_op.f("ix_deliveries_ended_at"), ["ended_at"], unique=False)
