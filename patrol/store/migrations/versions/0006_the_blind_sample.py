"""Findings: who proposed them, the machine or the blind sample."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column(
        "findings", sa.Column("origin", sa.Text(), nullable=False, server_default="machine")
    )
