"""The log of report changes, begun with the rounds and days that there are."""

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from alembic import op

from patrol.store.column_types import UtcTime
from patrol.store.schema import Number

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

QUARTER = timedelta(minutes=15)


def upgrade() -> None:
    """Apply."""
    log = op.create_table(
        "report_changes",
        sa.Column("number", Number, nullable=False, autoincrement=True),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_report_changes")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_report_changes_kind_subject_number"),
        "report_changes",
        ["kind", "subject", "number"],
    )
    rows = [
        {"token": secrets.token_hex(4), "kind": kind, "subject": subject}
        for kind, subject in dict.fromkeys(_present(op.get_bind()))
    ]
    if rows:
        op.bulk_insert(log, rows)


def _present(connection: sa.Connection) -> Iterator[tuple[str, str]]:
    """(kind, subject) of what the database holds already."""
    rounds = sa.table("rounds", sa.column("id"), sa.column("planned_at"))
    for row in connection.execute(sa.select(rounds.c.id).order_by(rounds.c.planned_at)):
        yield "round", row.id
    at = sa.column("dispatched_at", UtcTime)
    for row in connection.execute(sa.select(at).select_from(sa.table("cases"))):
        yield "moment", _quarter(row.dispatched_at)
    found = sa.column("found_at", UtcTime)
    a_round = sa.column("round", sa.Text())
    own = sa.select(found).select_from(sa.table("findings")).where(a_round.is_(None))
    for row in connection.execute(own):
        yield "moment", _quarter(row.found_at)
    days = sa.select(sa.column("day", sa.Date)).select_from(sa.table("human_patrols"))
    for row in connection.execute(days):
        yield "day", row.day.isoformat()


def _quarter(at: datetime) -> str:
    begun = at - (at - datetime.min.replace(tzinfo=UTC)) % QUARTER
    return f"{begun.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='minutes')}Z"
