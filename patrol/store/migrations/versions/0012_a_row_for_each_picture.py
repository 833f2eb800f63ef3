"""A row of the index for each picture that was taken, no longer for each content.

Pictures with the same bytes shared one row, with the camera and the time of the first of them. The
rows are split: each visit and each photo from the ground gets the picture that it took, as far as
it was not deleted yet; findings, cases and observations point to the picture of their own camera
that is nearest to their time. The longer life of a shared row stays with its first picture and goes
to those that a finding or a case points to.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, NamedTuple

import sqlalchemy as sa
from alembic import op

from patrol.store.column_types import UtcTime

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

BATCH = 400  # contents at a time: one IN (…) of SQLite


def _columns(*names: str, times: tuple[str, ...] = ()) -> list[sa.Column[Any]]:
    plain = [sa.Column(name, sa.Text) for name in names]
    return [*plain, *(sa.Column(name, UtcTime) for name in times)]


def _picture() -> list[sa.Column[Any]]:
    texts = _columns("sha256", "purpose", times=("taken_at", "delete_after"))
    return [*texts, *(sa.Column(name, sa.Integer) for name in ("width_px", "height_px", "bytes"))]


_BOOKS = sa.MetaData()
OLD = sa.Table("pictures_by_content", _BOOKS, *_columns("camera"), *_picture())
NEW = sa.Table("pictures", _BOOKS, *_columns("id", "camera"), *_picture())
TAKEN = sa.Table(
    "visit_pictures",
    _BOOKS,
    sa.Column("visit", sa.BigInteger),
    sa.Column("place", sa.Integer),
    *_columns("picture"),
    *_picture(),
)
VISITS = sa.Table("visits", _BOOKS, sa.Column("number", sa.BigInteger), *_columns("camera"))
PHOTOS = sa.Table(
    "case_photos", _BOOKS, *_columns("key", "case", "sha256", "picture", times=("at",))
)
CASES = sa.Table("cases", _BOOKS, *_columns("id", "camera", "before", "after", times=("found_at",)))
ENTRIES = sa.Table("case_entries", _BOOKS, *_columns("case", "what", times=("at",)))
FINDINGS = sa.Table(
    "findings",
    _BOOKS,
    *_columns("id", "camera", "picture", "again_picture", times=("found_at", "again_at")),
)
SEEN = sa.Table(
    "observations",
    _BOOKS,
    sa.Column("number", sa.BigInteger),
    *_columns("camera", "picture", times=("at",)),
)
DELETIONS = sa.Table("deletions", _BOOKS, *_columns("sha256", times=("deleted_at",)))
RECHECKED = ("looked", "verify", "not_verified")  # what writes a case's picture "after"


class Reference(NamedTuple):
    """A column that points to a picture: key of its table, whose it is, when it was seen."""

    key: sa.Column[Any]
    column: sa.Column[Any]
    camera: sa.Column[Any]
    at: Any

    @property
    def keeps(self) -> bool:
        """Whether the picture is kept for it."""
        return self.column.table is not SEEN


_LAST_LOOK = (
    sa.select(sa.func.max(ENTRIES.c.at, type_=UtcTime()))
    .where(ENTRIES.c.case == CASES.c.id, ENTRIES.c.what.in_(RECHECKED))
    .scalar_subquery()
)
_POINTING_COLUMNS = (
    (FINDINGS.c.id, FINDINGS.c.picture, FINDINGS.c.camera, FINDINGS.c.found_at),
    (FINDINGS.c.id, FINDINGS.c.again_picture, FINDINGS.c.camera, FINDINGS.c.again_at),
    (CASES.c.id, CASES.c.before, CASES.c.camera, CASES.c.found_at),
    (CASES.c.id, CASES.c.after, CASES.c.camera, _LAST_LOOK),
    (SEEN.c.number, SEEN.c.picture, SEEN.c.camera, SEEN.c.at),
)
REFERENCES = [Reference(*columns) for columns in _POINTING_COLUMNS]


@dataclass(slots=True)
class Picture:
    """A row that is made."""

    row: dict[str, Any]

    @property
    def id(self) -> str:
        """As patrol.domain.round.picture_id; repeated, so that this migration never changes."""
        at = self.row["taken_at"].astimezone(UTC).isoformat(timespec="microseconds")[:26]
        text = f"{self.row['camera']}|{at}Z|{self.row['sha256']}"
        return sha256(text.encode()).hexdigest()


def upgrade() -> None:
    """Apply."""
    for table in ("visit_pictures", "case_photos"):
        with op.batch_alter_table(table) as changed:
            changed.add_column(sa.Column("picture", sa.Text(), nullable=True))
    _make_table()
    for one in REFERENCES:
        op.create_index(_helper(one), one.column.table.name, [one.column.name])
    connection = op.get_bind()
    for batch in _batches(connection):
        _split(connection, batch)
    for one in REFERENCES:
        op.drop_index(_helper(one), table_name=one.column.table.name)
    op.drop_table(OLD.name)


def _helper(reference: Reference) -> str:
    return f"ix_0012_{reference.column.table.name}_{reference.column.name}"


def _make_table() -> None:
    for column in ("camera", "delete_after"):
        op.drop_index(op.f(f"ix_pictures_{column}"), table_name="pictures")
    if op.get_bind().dialect.name == "postgresql":  # there its name is taken in the whole schema
        op.drop_constraint(op.f("pk_pictures"), "pictures", type_="primary")
    op.rename_table("pictures", OLD.name)
    op.create_table(
        "pictures",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("camera", sa.Text(), nullable=False),
        sa.Column("taken_at", UtcTime(), nullable=False),
        sa.Column("width_px", sa.Integer(), nullable=False),
        sa.Column("height_px", sa.Integer(), nullable=False),
        sa.Column("bytes", sa.Integer(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("delete_after", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pictures")),
    )
    for column in ("camera", "delete_after", "sha256"):
        op.create_index(op.f(f"ix_pictures_{column}"), "pictures", [column])


def _batches(connection: sa.Connection) -> Iterator[dict[str, dict[str, Any]]]:
    """The rows of the old table by content, some hundred at a time."""
    last = ""
    while True:
        some = sa.select(OLD).where(OLD.c.sha256 > last).order_by(OLD.c.sha256).limit(BATCH)
        rows = {row.sha256: row._asdict() for row in connection.execute(some)}
        if not rows:
            return
        yield rows
        last = max(rows)


def _split(connection: sa.Connection, old: dict[str, dict[str, Any]]) -> None:
    """Give each picture with one of these contents its row, and point to it."""
    pictures: dict[str, dict[str, Picture]] = {}
    for content, row in old.items():
        first = Picture(dict(row))
        pictures[content] = {first.id: first}
    _add_visits(connection, old, pictures)
    _add_photos(connection, old, pictures)
    for reference in REFERENCES:
        _point(connection, reference, old, pictures)
    rows = [{"id": p.id, **p.row} for of in pictures.values() for p in of.values()]
    connection.execute(NEW.insert(), rows)


def _add_visits(
    connection: sa.Connection,
    old: dict[str, dict[str, Any]],
    pictures: dict[str, dict[str, Picture]],
) -> None:
    last = sa.func.max(DELETIONS.c.deleted_at, type_=UtcTime()).label("deleted_at")
    deleted = sa.select(DELETIONS.c.sha256, last).where(DELETIONS.c.sha256.in_(old))
    deletions = connection.execute(deleted.group_by(DELETIONS.c.sha256))
    gone = {row.sha256: row.deleted_at for row in deletions}
    taken = sa.select(TAKEN, VISITS.c.camera).join(VISITS, VISITS.c.number == TAKEN.c.visit)
    marks = []
    for row in connection.execute(taken.where(TAKEN.c.sha256.in_(old))):
        values = row._asdict()
        visit, place = values.pop("visit"), values.pop("place")
        del values["picture"]
        if row.sha256 in gone and row.taken_at <= gone[row.sha256]:
            continue  # the ledger has it: the same bytes came again later
        picture = Picture(values)
        pictures[row.sha256].setdefault(picture.id, picture)
        marks.append({"of_visit": visit, "of_place": place, "picture_id": picture.id})
    if marks:
        mine = TAKEN.c.visit == sa.bindparam("of_visit"), TAKEN.c.place == sa.bindparam("of_place")
        connection.execute(
            TAKEN.update().where(*mine).values(picture=sa.bindparam("picture_id")), marks
        )


def _add_photos(
    connection: sa.Connection,
    old: dict[str, dict[str, Any]],
    pictures: dict[str, dict[str, Picture]],
) -> None:
    photos = sa.select(PHOTOS, CASES.c.camera).outerjoin(CASES, CASES.c.id == PHOTOS.c.case)
    marks = []
    for row in connection.execute(photos.where(PHOTOS.c.sha256.in_(old))):
        whose = {"camera": row.camera or "", "taken_at": row.at, "purpose": "ground"}
        picture = Picture({**old[row.sha256], **whose})
        pictures[row.sha256].setdefault(picture.id, picture)
        marks.append({"of_key": row.key, "picture_id": picture.id})
    if marks:
        mine = PHOTOS.c.key == sa.bindparam("of_key")
        connection.execute(
            PHOTOS.update().where(mine).values(picture=sa.bindparam("picture_id")), marks
        )


def _point(
    connection: sa.Connection,
    reference: Reference,
    old: dict[str, dict[str, Any]],
    pictures: dict[str, dict[str, Picture]],
) -> None:
    """Let the column name the picture of its own camera that is nearest in time."""
    key, column, camera, at = reference
    found = sa.select(key, column.label("content"), camera, at.label("seen_at"))
    marks = []
    for ident, content, whose, seen_at in connection.execute(found.where(column.in_(old))):
        of_camera = [p for p in pictures[content].values() if p.row["camera"] == whose]
        if not of_camera:
            continue  # another's picture: it proves nothing here
        picture = _nearest(of_camera, seen_at)
        marks.append({"of_key": ident, "picture_id": picture.id})
        if reference.keeps and picture.row["delete_after"] < old[content]["delete_after"]:
            picture.row |= {name: old[content][name] for name in ("purpose", "delete_after")}
    if marks:
        changed = column.table.update().where(key == sa.bindparam("of_key"))
        connection.execute(changed.values({column.name: sa.bindparam("picture_id")}), marks)


def _nearest(pictures: list[Picture], at: datetime | None) -> Picture:
    if at is None:
        return max(pictures, key=lambda one: one.row["taken_at"])
    return min(pictures, key=lambda one: abs(one.row["taken_at"] - at))
