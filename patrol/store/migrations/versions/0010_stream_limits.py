"""How many streams each recorder serves at once, as rounds learned it."""

import sqlalchemy as sa
from alembic import op

from patrol.store.column_types import UtcTime

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "stream_limits",
        sa.Column("server", sa.Text(), nullable=False),
        sa.Column("streams", sa.Integer(), nullable=False),
        sa.Column("learned_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("server", name=op.f("pk_stream_limits")),
    )
