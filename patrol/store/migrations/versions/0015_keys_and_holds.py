"""Keys at rest: signed chains and their anchors, sealed credentials; legal holds; claimed names."""

import sqlalchemy as sa
from alembic import op

from patrol.store.column_types import CleanText, UtcTime
from patrol.store.schema import Number, Plain

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_IN_FORCE = "ended_at IS NULL"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "chain_keys",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("keyed_from", Number, nullable=False),
        sa.Column("mark", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_chain_keys")),
    )
    op.add_column(
        "case_entries", sa.Column("claimed", CleanText(), nullable=False, server_default="")
    )
    with_case = sa.text('"case" IS NOT NULL')
    op.create_index(
        "ix_findings_case",
        "findings",
        ["case"],
        sqlite_where=with_case,
        postgresql_where=with_case,
    )
    op.create_table(
        "received_replies",
        sa.Column("case", sa.Text(), nullable=False),
        sa.Column("grid", sa.Text(), nullable=False),
        sa.Column("replies", sa.Integer(), nullable=False),
        sa.Column("keys_shown", Plain, nullable=False),
        sa.PrimaryKeyConstraint("case", "grid", name=op.f("pk_received_replies")),
    )
    _create_credentials()
    _create_holds()
    op.create_table(
        "anchors",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("heads", Plain, nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_anchors")),
    )


def _create_credentials() -> None:
    op.create_table(
        "stream_credentials",
        sa.Column("camera", sa.Text(), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("set_at", UtcTime(), nullable=False),
        sa.Column("set_by", CleanText(), nullable=False),
        sa.PrimaryKeyConstraint("camera", "stream", name=op.f("pk_stream_credentials")),
    )


def _create_holds() -> None:
    op.create_table(
        "legal_holds",
        sa.Column("number", Number, autoincrement=True, nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("reference", CleanText(), nullable=False),
        sa.Column("reason", CleanText(), nullable=False),
        sa.Column("since", UtcTime(), nullable=False),
        sa.Column("set_by", CleanText(), nullable=False),
        sa.Column("ended_at", UtcTime(), nullable=True),
        sa.Column("ended_by", CleanText(), nullable=False, server_default=""),
        sa.Column("ended_why", CleanText(), nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_legal_holds")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_legal_holds_in_force",
        "legal_holds",
        ["scope", "subject"],
        sqlite_where=sa.text(_IN_FORCE),
        postgresql_where=sa.text(_IN_FORCE),
    )
