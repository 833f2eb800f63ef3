"""Cases: a wish that waits for the duty lead, a suspension during which no clock runs."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("cases", sa.Column("request", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("cases", sa.Column("suspension", sa.JSON(none_as_null=True), nullable=True))
