"""GB/T 28181: registrations, open sessions, catalogues and alarms of peers."""

import sqlalchemy as sa
from alembic import op

from patrol.store.column_types import CleanText, UtcTime
from patrol.store.schema import Number

revision = "0017"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    _registrations()
    _sessions()
    _channels()
    _alarms()


def _registrations() -> None:
    op.create_table(
        "gb_registrations",
        sa.Column("peer", sa.Text(), nullable=False),
        sa.Column("transport", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("local", sa.Text(), nullable=False),
        sa.Column("until", UtcTime(), nullable=True),
        sa.Column("seen_at", UtcTime(), nullable=False),
        sa.Column("reason", CleanText(), nullable=False),
        sa.PrimaryKeyConstraint("peer", name=op.f("pk_gb_registrations")),
    )


def _sessions() -> None:
    op.create_table(
        "gb_sessions",
        sa.Column("call_id", sa.Text(), nullable=False),
        sa.Column("peer", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("from_tag", sa.Text(), nullable=False),
        sa.Column("to_tag", sa.Text(), nullable=False),
        sa.Column("cseq", sa.Integer(), nullable=False),
        sa.Column("transport", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("local", sa.Text(), nullable=False),
        sa.Column("opened_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("call_id", name=op.f("pk_gb_sessions")),
    )


def _channels() -> None:
    op.create_table(
        "gb_channels",
        sa.Column("peer", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", CleanText(), nullable=False),
        sa.Column("parent", sa.Text(), nullable=False),
        sa.Column("online", sa.Boolean(), nullable=True),
        sa.Column("maker", CleanText(), nullable=False),
        sa.Column("model", CleanText(), nullable=False),
        sa.Column("civil_code", sa.Text(), nullable=False),
        sa.Column("address", CleanText(), nullable=False),
        sa.Column("longitude", sa.Float(), nullable=True),
        sa.Column("latitude", sa.Float(), nullable=True),
        sa.Column("missing", sa.Integer(), nullable=False),
        sa.Column("seen_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("peer", "code", name=op.f("pk_gb_channels")),
    )


def _alarms() -> None:
    op.create_table(
        "gb_alarms",
        sa.Column("number", Number, autoincrement=True, nullable=False),
        sa.Column("peer", sa.Text(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("priority", sa.Text(), nullable=False),
        sa.Column("text", CleanText(), nullable=False),
        sa.Column("received_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_gb_alarms")),
        sa.UniqueConstraint(
            "peer", "device", "at", "method", "kind",
            name=op.f("uq_gb_alarms_peer_device_at_method_kind"),
        ),
        sqlite_autoincrement=True,
    )  # fmt: skip
    op.create_index(op.f("ix_gb_alarms_received_at"), "gb_alarms", ["received_at"])
