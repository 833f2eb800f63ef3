"""Households: pauses and hours of consent, links of their own, when a reference was last sampled.

References that earlier versions kept of households that withdrew are deleted, each with its line
in the deletion ledger; their pictures are due.
"""

from datetime import datetime
from hashlib import sha256
from typing import Any

import sqlalchemy as sa
from alembic import op

from patrol.clock import SystemClock
from patrol.domain.access_log import chain_hash, utc_microseconds_text
from patrol.store.column_types import CleanText, UtcTime
from patrol.store.schema import Number, Plain

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_ENDED = ", consent ended"
_MOMENTS = ("taken_at", "due_at", "deleted_at")
_WITHDRAWALS = sa.table("withdrawals", sa.column("camera"), sa.column("restored_at"))
_CAMERAS = sa.table("cameras", sa.column("id"), sa.column("consent"))
_PICTURES = sa.table(
    "pictures",
    sa.column("camera", sa.Text),
    sa.column("purpose", sa.Text),
    sa.column("delete_after", UtcTime),
)
_MEMORIES = sa.table(
    "memories",
    sa.column("camera", sa.Text),
    sa.column("light", sa.Text),
    sa.column("blob", sa.LargeBinary),
    sa.column("updated_at", UtcTime),
)
_CHAINS = sa.table("chains", sa.column("name"), sa.column("number"), sa.column("hash"))
_DELETIONS = sa.table(
    "deletions",
    *(sa.column(name) for name in ("number", "sha256", "camera", "purpose", "previous", "hash")),
    *(sa.column(name, UtcTime) for name in _MOMENTS),
)


def upgrade() -> None:
    """Apply."""
    op.add_column("memories", sa.Column("sampled_at", UtcTime, nullable=True))
    op.create_table(
        "consent_terms",
        sa.Column("number", Number, nullable=False, autoincrement=True),
        sa.Column("camera", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("hours", Plain, nullable=True),
        sa.Column("until", UtcTime, nullable=True),
        sa.Column("set_at", UtcTime, nullable=False),
        sa.Column("set_by", CleanText, nullable=False),
        sa.Column("ended_at", UtcTime, nullable=True),
        sa.Column("ended_by", CleanText, nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_consent_terms")),
        sqlite_autoincrement=True,
    )
    standing = sa.text("ended_at IS NULL")
    op.create_index(
        "uq_consent_terms_standing", "consent_terms", ["camera", "kind"], unique=True,
        sqlite_where=standing, postgresql_where=standing,
    )  # fmt: skip
    op.create_table(
        "household_links",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("camera", sa.Text(), nullable=False),
        sa.Column("made_at", UtcTime, nullable=False),
        sa.Column("made_by", CleanText, nullable=False),
        sa.Column("revoked_at", UtcTime, nullable=True),
        sa.Column("revoked_by", CleanText, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_household_links")),
    )
    standing = sa.text("revoked_at IS NULL")
    op.create_index(
        "uq_household_links_standing", "household_links", ["camera"], unique=True,
        sqlite_where=standing, postgresql_where=standing,
    )  # fmt: skip
    _end_withdrawn(op.get_bind(), SystemClock().now())


def _end_withdrawn(connection: sa.Connection, now: datetime) -> None:
    """Delete what earlier versions kept of households that withdrew; files go with the sweep."""
    withdrawn = sa.union(
        sa.select(_WITHDRAWALS.c.camera).where(_WITHDRAWALS.c.restored_at.is_(None)),
        sa.select(_CAMERAS.c.id).where(_CAMERAS.c.consent == "withdrawn"),
    ).subquery()
    which = sa.select(withdrawn.c.camera)
    at = sa.literal(now, UtcTime)
    due = sa.case((_PICTURES.c.delete_after > at, at), else_=_PICTURES.c.delete_after)
    connection.execute(
        _PICTURES.update()
        .where(_PICTURES.c.camera.in_(which))
        .values(delete_after=due, purpose=_PICTURES.c.purpose + _ENDED)
    )
    for row in connection.execute(sa.select(_MEMORIES).where(_MEMORIES.c.camera.in_(which))).all():
        line = {
            "sha256": sha256(bytes(row.blob)).hexdigest(),
            "camera": row.camera,
            "taken_at": row.updated_at,
            "purpose": f"references {row.light}{_ENDED}",
            "due_at": now,
            "deleted_at": now,
        }
        _add_to_ledger(connection, line)
    connection.execute(_MEMORIES.delete().where(_MEMORIES.c.camera.in_(which)))


def _add_to_ledger(connection: sa.Connection, line: dict[str, Any]) -> None:
    head = connection.execute(sa.select(_CHAINS).where(_CHAINS.c.name == "deletions")).first()
    number, previous = (head.number + 1, head.hash) if head else (1, "0" * 64)
    moments = {name: utc_microseconds_text(line[name]) for name in _MOMENTS}
    fields = [number, *(moments.get(name, value) for name, value in line.items())]
    link = chain_hash(previous, *fields)
    connection.execute(
        _DELETIONS.insert(), {"number": number, **line, "previous": previous, "hash": link}
    )
    if head is None:
        connection.execute(_CHAINS.insert(), {"name": "deletions", "number": number, "hash": link})
    else:
        mine = _CHAINS.update().where(_CHAINS.c.name == "deletions")
        connection.execute(mine.values(number=number, hash=link))
