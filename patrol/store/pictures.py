"""Pictures in the store: the index of stored ones, the ledger of their deletion, one-time links.

The index has a row for each picture that a look took, by `StoredPicture.id`. The same bytes can
arrive many times (a black camera, a "no signal" slide of every camera): each picture keeps its own
camera, time, purpose and life, and the bytes are deleted with the last of them. The ledger proves
what was deleted and when; links are signed with a key that the site makes once.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from functools import cache
from typing import Final

from sqlalchemy import Executable, bindparam, case, exists, func, select

from patrol.domain.ids import CameraId, CaseId, GridCode, PictureId, Sha256
from patrol.domain.picture_link import LinkUse
from patrol.domain.round import (
    CAMERA_RETIRED,
    CONSENT_ENDED,
    SAMPLE_PURPOSE,
    SPACE_NEEDED,
    StoredPicture,
)
from patrol.store.access_log import HashChain
from patrol.store.column_types import UtcTime
from patrol.store.deletion_ledger import DELETION_CHAIN, DeletionLedger, deletion_fields
from patrol.store.legal_holds import picture_is_held
from patrol.store.pixels import without_consent
from patrol.store.rows import RowMapper
from patrol.store.schema import deletions, pictures
from patrol.store.schema_people import picture_openings
from patrol.store.site_keys import SiteKeyRepository
from patrol.store.transaction import Insert, Transaction

PICTURE_LINK_KEY = "picture_links"
STORED_PICTURES = RowMapper(StoredPicture)  # in `pictures` and in `visit_pictures`
_LINK_USES = RowMapper(LinkUse)
_ONE = select(pictures).where(pictures.c.id == bindparam("this"))
_UNTIL = bindparam("until", type_=UtcTime)
_KEEP = (
    pictures.update()
    .where(
        pictures.c.id == bindparam("this"),
        pictures.c.purpose.not_like(f"%{CONSENT_ENDED}"),
        pictures.c.purpose.not_like(f"%{CAMERA_RETIRED}"),
    )
    .values(
        purpose=bindparam("what_for"),
        delete_after=case(
            (pictures.c.delete_after < _UNTIL, _UNTIL), else_=pictures.c.delete_after
        ),
    )
)
_DELETE = pictures.delete().where(pictures.c.id == bindparam("this"))
_SHARED: Final = select(
    exists().where(pictures.c.sha256 == bindparam("content"), pictures.c.id != bindparam("this"))
)


class PictureLinkRepository:
    """One-time links to the pictures of cases: the key that signs them, and which were opened."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def signing_key(self, fresh: bytes) -> bytes:
        """The site's signing key; `fresh` becomes it where there is none yet.

        Of two processes that begin at once, the second waits and gets the same.
        """
        return SiteKeyRepository(self._db).get_or_add(PICTURE_LINK_KEY, fresh)

    def record_use(self, use: LinkUse) -> bool:
        """Record that it was opened; False when that link was opened before."""
        row = _LINK_USES.to_row(use)
        return self._db.add_if_new(picture_openings, row, "case", "grid", "revision")

    def uses(self, case_id: CaseId, grid: GridCode) -> Sequence[LinkUse]:
        """The openings of this case's links for this grid."""
        mine = picture_openings.c.case == case_id, picture_openings.c.grid == grid
        in_order = select(picture_openings).where(*mine).order_by(picture_openings.c.revision)
        return [_LINK_USES.from_row(row) for row in self._db.all(in_order)]


def index_pictures(db: Transaction, stored: Sequence[StoredPicture]) -> None:
    """Insert pictures into the index; of one twice, the longer life and its purpose stay.

    Those of a household that withdrew meanwhile are due at once.
    """
    if not stored:
        return
    ended = without_consent(db, {picture.camera for picture in stored})
    rows = [
        {"id": picture.id, **STORED_PICTURES.to_row(_as_ended(picture, ended))}
        for picture in stored
    ]
    db.run(_indexing(db.insert), rows)


def _as_ended(picture: StoredPicture, ended: Collection[CameraId]) -> StoredPicture:
    if picture.camera not in ended:
        return picture
    purpose = f"{picture.purpose}{CONSENT_ENDED}"
    return replace(picture, delete_after=picture.taken_at, purpose=purpose)


@cache  # one for each dialect
def _indexing(insert: Insert) -> Executable:
    statement = insert(pictures)
    new = statement.excluded
    longer = new.delete_after > pictures.c.delete_after
    return statement.on_conflict_do_update(
        index_elements=["id"],
        set_={
            "purpose": case((longer, new.purpose), else_=pictures.c.purpose),
            "delete_after": case((longer, new.delete_after), else_=pictures.c.delete_after),
        },
    )


class PictureRepository:
    """The index of stored pictures and the ledger of their deletion."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def get(self, picture: PictureId) -> StoredPicture | None:
        """None when it was never stored, or is deleted."""
        row = self._db.first(_ONE, {"this": picture})
        return None if row is None else STORED_PICTURES.from_row(row)

    def add(self, picture: StoredPicture) -> None:
        """Index a picture that belongs to no visit."""
        index_pictures(self._db, (picture,))

    def last_due_days(self) -> Mapping[Sha256, date]:
        """The last day (UTC) on which each content falls due."""
        newest = select(pictures.c.sha256, func.max(pictures.c.delete_after).label("due_at"))
        rows = self._db.all(newest.group_by(pictures.c.sha256))
        return {Sha256(row.sha256): row.due_at.date() for row in rows}

    def by_purpose(self) -> Mapping[str, tuple[int, int, datetime]]:
        """Of each purpose: pictures, those that a legal hold keeps, the oldest's time."""
        held = func.sum(case((picture_is_held(), 1), else_=0))
        counted = select(
            pictures.c.purpose, func.count(), held, func.min(pictures.c.taken_at)
        ).group_by(pictures.c.purpose)
        rows = (tuple(row) for row in self._db.all(counted))
        return {purpose: (count, int(kept), oldest) for purpose, count, kept, oldest in rows}

    def shares_content(self, picture: StoredPicture) -> bool:
        """Whether another picture in the index has the same bytes."""
        row = {"content": picture.sha256, "this": picture.id}
        return bool(self._db.scalar(_SHARED, row))

    def keep(self, picture: PictureId, *, purpose: str, until: datetime) -> bool:
        """Extend a picture's life and change its purpose, as evidence of a case; never shortens it.

        False: no such picture is stored (any more), or it goes with the household's consent.
        """
        row = {"this": picture, "until": until, "what_for": purpose}
        return self._db.changed(_KEEP, row) == 1

    def expire_oldest_samples(self, *, most_bytes: int, now: datetime) -> int:
        """Let the oldest samples expire now until `most_bytes` are left; returns how many.

        Only pictures that showed nothing (purpose "sample"): never what a finding or a case stands
        on. In the ledger their purpose is SPACE_NEEDED.
        """
        living = pictures.c.delete_after > now
        content = select(pictures.c.sha256, func.max(pictures.c.bytes).label("bytes"))
        contents = content.where(living).group_by(pictures.c.sha256).subquery()
        over = (self._db.scalar(select(func.sum(contents.c.bytes))) or 0) - most_bytes
        if over <= 0:
            return 0
        shared = self._shared_contents(now)
        oldest = select(pictures.c.id, pictures.c.sha256, pictures.c.bytes).where(
            living, pictures.c.purpose == SAMPLE_PURPOSE, ~picture_is_held()
        )
        going: list[dict[str, str]] = []
        for row in self._db.all(oldest.order_by(pictures.c.taken_at, pictures.c.id)):
            if over <= 0:
                break
            going.append({"this": row.id})
            shared[row.sha256] -= 1
            if shared[row.sha256] <= 0:  # the last with these bytes
                over -= row.bytes
        if going:
            due = pictures.update().where(pictures.c.id == bindparam("this"))
            self._db.run(due.values(delete_after=now, purpose=SPACE_NEEDED), going)
        return len(going)

    def _shared_contents(self, now: datetime) -> Counter[str]:
        """How many living pictures have the same bytes, where they are several."""
        several = func.count() > 1
        counted = select(pictures.c.sha256, func.count().label("pictures"))
        living = counted.where(pictures.c.delete_after > now).group_by(pictures.c.sha256)
        return Counter({row.sha256: row.pictures for row in self._db.all(living.having(several))})

    def deletions_recorded(self) -> int:
        """How many lines the ledger has; a reader's copy of a picture is stale when it grew."""
        return HashChain(self._db, DELETION_CHAIN).read_head()[0]

    def expired(
        self, now: datetime, *, limit: int = 500, camera: CameraId | None = None
    ) -> Sequence[StoredPicture]:
        """Pictures whose time is over (of one camera), the longest expired first.

        Without those that a legal hold keeps.
        """
        due = select(pictures).where(pictures.c.delete_after <= now, ~picture_is_held())
        if camera is not None:
            due = due.where(pictures.c.camera == camera)
        oldest = due.order_by(pictures.c.delete_after, pictures.c.id).limit(limit)
        return [STORED_PICTURES.from_row(row) for row in self._db.all(oldest)]

    def first_broken(self, *, must_prove: bool = True) -> int | None:
        """The first line of the deletion ledger that does not hold, or None; as HashChain's."""
        in_order = self._db.run(select(deletions).order_by(deletions.c.number)).yield_per(1000)
        lines = (
            (row.number, row.previous, row.hash, deletion_fields(row._asdict())) for row in in_order
        )
        return HashChain(self._db, DELETION_CHAIN).first_broken(lines, must_prove=must_prove)

    def record_deletion(self, picture: PictureId, now: datetime) -> None:
        """Write the deletion into the ledger and drop the index row."""
        row = self._db.first(self._db.locked(_ONE), {"this": picture})
        if row is None:
            return
        line = {
            "sha256": row.sha256,
            "camera": row.camera,
            "taken_at": row.taken_at,
            "purpose": row.purpose,
            "due_at": row.delete_after,
            "deleted_at": now,
        }
        DeletionLedger(self._db).add(line)
        self._db.run(_DELETE, {"this": picture})
