"""Tables of revision 0001, second part: messages, health, access log, memories, registry."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from patrol.store.column_types import CleanText, UtcTime

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON(none_as_null=True)


def create_message_and_log_tables() -> None:
    """Create these tables, in revision 0001's transaction."""
    _messages()
    _health()
    _consent_and_access()
    _memories()
    _registry()


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def _messages() -> None:
    op.create_table(
        "outbox",
        sa.Column("number", NUMBER, primary_key=True),
        sa.Column("key", sa.Text, nullable=False, unique=True),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("queued_at", UtcTime, nullable=False),
        sa.Column("retain", sa.Boolean, nullable=False),
        sa.Column("case", sa.Text),
        sa.Column("expires_at", UtcTime),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("published_at", UtcTime),
        sa.Column("lease_holder", sa.Text),
        sa.Column("lease_until", UtcTime),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_outbox_case"), "outbox", ["case"])
    op.create_index(op.f("ix_outbox_published_at"), "outbox", ["published_at"])
    op.create_index(op.f("ix_outbox_queued_at"), "outbox", ["queued_at"])
    op.create_index(op.f("ix_outbox_unsent"), "outbox", ["number"], **_where("state = 'queued'"))
    op.create_index(
        op.f("ix_outbox_unsent_topic"), "outbox", ["topic", "number"], **_where("state = 'queued'")
    )
    op.create_table(
        "inbox",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("at", UtcTime, nullable=False),
    )
    op.create_table(
        "dead_letters",
        sa.Column("number", NUMBER, primary_key=True),
        sa.Column("at", UtcTime, nullable=False),
        sa.Column("topic", CleanText, nullable=False),
        sa.Column("reason", CleanText, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sqlite_autoincrement=True,
    )


def _health() -> None:
    op.create_table(
        "health",
        sa.Column("camera", sa.Text, primary_key=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("since", UtcTime, nullable=False),
        sa.Column("why", CleanText, nullable=False),
    )
    op.create_table(
        "health_changes",
        sa.Column("number", NUMBER, primary_key=True),
        sa.Column("camera", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("since", UtcTime, nullable=False),
        sa.Column("why", CleanText, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_health_changes_camera_since"), "health_changes", ["camera", "since"])


def _consent_and_access() -> None:
    op.create_table(
        "withdrawals",
        sa.Column("number", NUMBER, primary_key=True),
        sa.Column("camera", sa.Text, nullable=False),
        sa.Column("withdrawn_at", UtcTime, nullable=False),
        sa.Column("withdrawn_by", CleanText, nullable=False),
        sa.Column("restored_at", UtcTime),
        sa.Column("restored_by", CleanText),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("uq_withdrawals_standing"),
        "withdrawals",
        ["camera"],
        unique=True,
        **_where("restored_at IS NULL"),
    )
    op.create_table(
        "access_log",
        sa.Column("number", NUMBER, primary_key=True, autoincrement=False),
        sa.Column("at", UtcTime, nullable=False),
        sa.Column("who", CleanText, nullable=False),
        sa.Column("what", CleanText, nullable=False),
        sa.Column("camera", sa.Text),
        sa.Column("why", CleanText, nullable=False),
        sa.Column("previous", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
    )
    op.create_index(op.f("ix_access_log_camera_number"), "access_log", ["camera", "number"])
    op.create_table(
        "chains",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
    )


def _memories() -> None:
    op.create_table(
        "memories",
        sa.Column("camera", sa.Text, primary_key=True),
        sa.Column("light", sa.Text, primary_key=True),
        sa.Column("blob", sa.LargeBinary, nullable=False),
        sa.Column("updated_at", UtcTime, nullable=False),
    )
    op.create_table(
        "sequences",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", NUMBER, nullable=False),
    )
    op.create_table(
        "suppressions",
        sa.Column("number", NUMBER, primary_key=True),
        sa.Column("camera", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("box", JSON),
        sa.Column("reason", CleanText, nullable=False),
        sa.Column("owner", CleanText, nullable=False),
        sa.Column("created_at", UtcTime, nullable=False),
        sa.Column("until", UtcTime, nullable=False),
        sa.Column("revoked_at", UtcTime),
        sa.Column("revoked_by", CleanText, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_suppressions_camera_until"), "suppressions", ["camera", "until"])


def _registry() -> None:
    op.create_table(
        "cameras",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("name", CleanText, nullable=False),
        sa.Column("grid", sa.Text, nullable=False),
        sa.Column("place", CleanText, nullable=False),
        sa.Column("link", sa.Text, nullable=False),
        sa.Column("household_ref", sa.Text, nullable=False),
        sa.Column("placement", sa.Text, nullable=False),
        sa.Column("priority", sa.Text, nullable=False),
        sa.Column("consent", sa.Text, nullable=False),
        sa.Column("consent_until", sa.Date),
        sa.Column("tags", JSON, nullable=False),
        sa.Column("longitude", sa.Float),
        sa.Column("latitude", sa.Float),
        sa.Column("first_seen_at", UtcTime, nullable=False),
        sa.Column("retired_at", UtcTime),
    )
    op.create_index(op.f("ix_cameras_household_ref"), "cameras", ["household_ref"])
    op.create_table(
        "camera_changes",
        sa.Column("number", NUMBER, primary_key=True),
        sa.Column("camera", sa.Text, nullable=False),
        sa.Column("at", UtcTime, nullable=False),
        sa.Column("field", sa.Text, nullable=False),
        sa.Column("before", CleanText),
        sa.Column("after", CleanText),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_camera_changes_camera_at"), "camera_changes", ["camera", "at"])
    op.create_table(
        "grids",
        sa.Column("code", sa.Text, primary_key=True),
        sa.Column("name", CleanText, nullable=False),
        sa.Column("level", sa.Text, nullable=False),
        sa.Column("parent", sa.Text),
        sa.Column("retired_at", UtcTime),
    )
