"""Cases: a word that is held back. Messages: when each rung of the receipt ladder was reached."""

import sqlalchemy as sa
from alembic import op

from patrol.store.column_types import UtcTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_HELD = "hold_until IS NOT NULL"


def upgrade() -> None:
    """Apply."""
    op.add_column("cases", sa.Column("hold", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("cases", sa.Column("hold_until", UtcTime, nullable=True))
    op.create_index(
        op.f("ix_cases_hold_until"),
        "cases",
        ["hold_until"],
        sqlite_where=sa.text(_HELD),
        postgresql_where=sa.text(_HELD),
    )
    for name in ("tried_at", "received_at", "opened_at", "answered_at"):
        op.add_column("outbox", sa.Column(name, UtcTime, nullable=True))
