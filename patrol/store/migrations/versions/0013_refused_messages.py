"""Messages: how often the broker refused each, why, when it is tried again; the quarantine."""

import sqlalchemy as sa
from alembic import op

from patrol.store.column_types import CleanText, UtcTime

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_QUARANTINED = "state = 'quarantined'"


def upgrade() -> None:
    """Apply."""
    op.add_column("outbox", sa.Column("tries", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("outbox", sa.Column("due_at", UtcTime, nullable=True))
    op.add_column("outbox", sa.Column("problem", CleanText, nullable=False, server_default=""))
    op.create_index(
        op.f("ix_outbox_quarantined"),
        "outbox",
        ["number"],
        sqlite_where=sa.text(_QUARANTINED),
        postgresql_where=sa.text(_QUARANTINED),
    )
