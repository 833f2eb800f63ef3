"""People, grids, leave as last known, and the history of their changes; a trouble's case."""

import sqlalchemy as sa
from alembic import op

from patrol.store.column_types import CleanText, UtcTime
from patrol.store.schema import Number, Plain

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "registry_rows",
        sa.Column("table", sa.Text(), nullable=False),
        sa.Column("row", sa.Text(), nullable=False),
        sa.Column("cells", Plain, nullable=False),
        sa.PrimaryKeyConstraint("table", "row", name=op.f("pk_registry_rows")),
    )
    op.create_table(
        "registry_changes",
        sa.Column("number", Number, nullable=False, autoincrement=True),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("by", CleanText(), nullable=False),
        sa.Column("table", sa.Text(), nullable=False),
        sa.Column("row", sa.Text(), nullable=False),
        sa.Column("name", CleanText(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("cells", Plain, nullable=False),
        sa.Column("why", CleanText(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_registry_changes")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_registry_changes_table_row"), "registry_changes", ["table", "row"])
    op.add_column("troubles", sa.Column("case", sa.Text(), nullable=True))
