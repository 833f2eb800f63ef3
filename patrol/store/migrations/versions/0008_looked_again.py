"""Findings: what a second look showed. Rounds: over which cameras. People's looks, by camera."""

import sqlalchemy as sa
from alembic import op

from patrol.store.column_types import CleanText, UtcTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

BY_A_PERSON = sa.text("who NOT IN ('patrol', 'rules')")


def upgrade() -> None:
    """Apply."""
    op.add_column("findings", sa.Column("again_at", UtcTime(), nullable=True))
    op.add_column(
        "findings", sa.Column("again_why", CleanText(), nullable=False, server_default="")
    )
    op.add_column("findings", sa.Column("again_picture", sa.Text(), nullable=True))
    op.add_column("rounds", sa.Column("scope", CleanText(), nullable=False, server_default=""))
    op.create_index(
        "ix_access_log_people",
        "access_log",
        ["camera", "at"],
        sqlite_where=BY_A_PERSON,
        postgresql_where=BY_A_PERSON,
    )
