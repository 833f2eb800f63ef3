"""The shift: health with hysteresis, stoppages, the maintenance queue, hand-overs."""

import sqlalchemy as sa
from alembic import op

import patrol.store.column_types

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply. Until now every state was told when it was written."""
    op.add_column("health", sa.Column("told", sa.Text(), nullable=False, server_default=""))
    op.add_column("health", sa.Column("failures", sa.Integer(), nullable=False, server_default="0"))
    op.add_column(
        "health", sa.Column("failing_since", patrol.store.column_types.UtcTime(), nullable=True)
    )
    op.add_column("health", sa.Column("grade", sa.Text(), nullable=False, server_default=""))
    op.execute("UPDATE health SET told = state")
    op.create_table(
        "stoppages",
        _counted(),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("start", patrol.store.column_types.UtcTime(), nullable=False),
        sa.Column("until", patrol.store.column_types.UtcTime(), nullable=True),
        sa.Column("reason", patrol.store.column_types.CleanText(), nullable=False),
        sa.Column("by", patrol.store.column_types.CleanText(), nullable=False),
        sa.Column("said_at", patrol.store.column_types.UtcTime(), nullable=False),
        sa.Column("ended_at", patrol.store.column_types.UtcTime(), nullable=True),
        sa.Column("ended_by", patrol.store.column_types.CleanText(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_stoppages")),
        sqlite_autoincrement=True,
    )
    _create_partial_index("ix_stoppages_standing", "stoppages", ["number"], "ended_at IS NULL")
    op.create_table(
        "troubles",
        _counted(),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("since", patrol.store.column_types.UtcTime(), nullable=False),
        sa.Column("opened_at", patrol.store.column_types.UtcTime(), nullable=False),
        sa.Column("why", patrol.store.column_types.CleanText(), nullable=False),
        sa.Column("cameras", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("taken_at", patrol.store.column_types.UtcTime(), nullable=True),
        sa.Column("taken_by", patrol.store.column_types.CleanText(), nullable=False),
        sa.Column("closed_at", patrol.store.column_types.UtcTime(), nullable=True),
        sa.Column("closed_why", patrol.store.column_types.CleanText(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_troubles")),
        sqlite_autoincrement=True,
    )
    one = ["kind", "subject"]
    _create_partial_index("uq_troubles_standing", "troubles", one, "closed_at IS NULL", unique=True)
    op.create_table(
        "handovers",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("at", patrol.store.column_types.UtcTime(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("who", patrol.store.column_types.CleanText(), nullable=False),
        sa.Column("to", patrol.store.column_types.CleanText(), nullable=False),
        sa.Column("note", patrol.store.column_types.CleanText(), nullable=False),
        sa.Column("sheet", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("previous", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_handovers")),
    )


def _counted() -> sa.Column[int]:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return sa.Column("number", number, autoincrement=True, nullable=False)


def _create_partial_index(
    name: str, table: str, columns: list[str], condition: str, *, unique: bool = False
) -> None:
    where = sa.text(condition)
    op.create_index(name, table, columns, unique=unique, sqlite_where=where, postgresql_where=where)
