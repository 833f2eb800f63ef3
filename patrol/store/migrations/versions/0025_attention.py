"""Accounts: how each wants to be called (sound, notification, kinds); none: as the site says."""

import sqlalchemy as sa
from alembic import op

from patrol.store.schema import Plain

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("accounts", sa.Column("attention", Plain, nullable=True))
