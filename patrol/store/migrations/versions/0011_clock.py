"""What is believed of the machine's clock; rounds that a clock dated which was ahead."""

import sqlalchemy as sa
from alembic import op

from patrol.store.column_types import CleanText, UtcTime

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "machine_clock",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("trust", sa.Text(), nullable=False),
        sa.Column("since", UtcTime(), nullable=False),
        sa.Column("jump_s", sa.Float(), nullable=False),
        sa.Column("seen_at", UtcTime(), nullable=True),
        sa.Column("running_s", sa.Float(), nullable=False),
        sa.Column("boot", sa.Text(), nullable=False),
        sa.Column("step_s", sa.Float(), nullable=False),
        sa.Column("step_at", UtcTime(), nullable=True),
        sa.Column("accepted_at", UtcTime(), nullable=True),
        sa.Column("accepted_by", CleanText(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_machine_clock")),
    )
    op.add_column(
        "rounds", sa.Column("misdated", sa.Boolean(), nullable=False, server_default=sa.false())
    )
