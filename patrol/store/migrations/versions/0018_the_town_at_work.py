"""Own findings, their histories and alarms; who owns a round."""

import sqlalchemy as sa
from alembic import op

from patrol.store.column_types import CleanText, UtcTime
from patrol.store.schema import Number

revision = "0018"
down_revision = "0013"
branch_labels = None
depends_on = None


def _partial(condition: str) -> dict[str, sa.TextClause]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def upgrade() -> None:
    """Apply."""
    _own_findings()
    _round_duties()


def _own_findings() -> None:
    for name, kind in (("filed_by", CleanText), ("filed_from", sa.Text()), ("place", CleanText)):
        op.add_column("findings", sa.Column(name, kind, nullable=False, server_default=""))
    undone = sa.Column("undone_count", sa.Integer(), nullable=False, server_default="0")
    op.add_column("findings", undone)
    op.create_index(
        op.f("ix_findings_decided_at"), "findings", ["decided_at"],
        **_partial("decided_at IS NOT NULL"),
    )  # fmt: skip
    op.create_index(
        op.f("ix_findings_filed"), "findings", ["found_at"], **_partial("origin = 'operator'")
    )
    op.create_table(
        "finding_entries",
        sa.Column("finding", sa.Text(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("by", CleanText(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("note", CleanText(), nullable=False),
        sa.PrimaryKeyConstraint("finding", "place", name=op.f("pk_finding_entries")),
    )
    op.create_table(
        "finding_alarms",
        sa.Column("finding", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("reached", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("finding", "step", name=op.f("pk_finding_alarms")),
    )


def _round_duties() -> None:
    op.create_table(
        "round_duties",
        sa.Column("number", Number, nullable=False, autoincrement=True),
        sa.Column("round", sa.Text(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("who", CleanText(), nullable=False),
        sa.Column("to", CleanText(), nullable=False),
        sa.Column("note", CleanText(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_round_duties")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_round_duties_round"), "round_duties", ["round"])
