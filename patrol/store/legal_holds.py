"""Legal holds in the store, and which pictures they keep from deletion.

A camera's hold keeps every picture of that camera, and its references. A case's hold keeps what the
case stands on: the pictures before and after, its findings' pictures and the photos that leaders
sent for it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, exists, or_, select

from patrol.domain.ids import CameraId
from patrol.domain.legal_hold import HoldScope, LegalHold
from patrol.store.rows import RowMapper
from patrol.store.schema import cases, findings, pictures
from patrol.store.schema_people import case_photos, legal_holds, memories, outbox
from patrol.store.transaction import Transaction

_HOLDS: Final = RowMapper(LegalHold)
_IN_FORCE: Final = legal_holds.c.ended_at.is_(None)


class LegalHoldRepository:
    """Reads and writes legal holds; rows are never deleted."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def add(self, hold: LegalHold) -> LegalHold:
        """Put it in force; with its number."""
        row = {name: value for name, value in _HOLDS.to_row(hold).items() if name != "number"}
        added = self._db.run(legal_holds.insert().values(row).returning(legal_holds))
        return _HOLDS.from_row(added.one())

    def end(self, number: int, *, by: str, why: str, now: datetime) -> bool:
        """End it; False when no such hold is in force."""
        mine = legal_holds.update().where(legal_holds.c.number == number, _IN_FORCE)
        return self._db.changed(mine.values(ended_at=now, ended_by=by, ended_why=why)) == 1

    def get(self, number: int) -> LegalHold | None:
        """One hold, in force or ended."""
        row = self._db.first(select(legal_holds).where(legal_holds.c.number == number))
        return None if row is None else _HOLDS.from_row(row)

    def all(self, *, ended: bool = False) -> Sequence[LegalHold]:
        """Those in force, with `ended` all, the newest first."""
        wanted = select(legal_holds) if ended else select(legal_holds).where(_IN_FORCE)
        newest = wanted.order_by(legal_holds.c.number.desc())
        return [_HOLDS.from_row(row) for row in self._db.all(newest)]

    def of(self, scope: HoldScope, subject: str) -> Sequence[LegalHold]:
        """Those in force over this case or camera, the newest first."""
        mine = legal_holds.c.scope == scope, legal_holds.c.subject == subject
        newest = select(legal_holds).where(_IN_FORCE, *mine).order_by(legal_holds.c.number.desc())
        return [_HOLDS.from_row(row) for row in self._db.all(newest)]

    def over_camera(self, camera: CameraId) -> Sequence[LegalHold]:
        """Those in force that keep something of this camera, the oldest first.

        Its own, and those of a case that stands on a picture of it.
        """
        holds = select(legal_holds).where(_IN_FORCE).order_by(legal_holds.c.number)
        found = [_HOLDS.from_row(row) for row in self._db.all(holds)]
        return [hold for hold in found if hold.subject == camera or self._stands_on(hold, camera)]

    def _stands_on(self, hold: LegalHold, camera: CameraId) -> bool:
        if hold.scope is not HoldScope.CASE:
            return False
        mine = select(pictures.c.id).where(pictures.c.camera == camera, _is_of_case([hold.subject]))
        return self._db.first(mine.limit(1)) is not None

    def held_of_camera(self, camera: CameraId) -> int:
        """How many pictures and references of the camera a hold keeps."""
        kept = select(pictures.c.id).where(pictures.c.camera == camera, picture_is_held())
        references = select(memories.c.light).where(
            memories.c.camera == camera, camera_is_held(memories.c.camera)
        )
        return len(self._db.all(kept)) + len(self._db.all(references))

    def held_pictures(self) -> int:
        """How many pictures of the index a hold keeps."""
        return len(self._db.all(select(pictures.c.id).where(picture_is_held())))


def picture_is_held() -> ColumnElement[bool]:
    """Whether a row of `pictures` must not be deleted."""
    held_case = (
        select(legal_holds.c.subject)
        .where(_IN_FORCE, legal_holds.c.scope == HoldScope.CASE)
        .scalar_subquery()
    )
    return or_(camera_is_held(pictures.c.camera), _is_of_case(held_case))


def _is_of_case(which: Any) -> ColumnElement[bool]:
    """Whether one of these cases stands on a row of `pictures`; `which`: a subquery of ids."""
    of_case = exists().where(
        cases.c.id.in_(which),
        or_(cases.c.before == pictures.c.id, cases.c.after == pictures.c.id),
    )
    of_finding = exists().where(
        findings.c.case.in_(which),
        or_(findings.c.picture == pictures.c.id, findings.c.again_picture == pictures.c.id),
    )
    of_photo = exists().where(case_photos.c.case.in_(which), case_photos.c.picture == pictures.c.id)
    return or_(of_case, of_finding, of_photo)


def camera_is_held(camera: Column[str]) -> ColumnElement[bool]:
    """Whether a hold in force names the camera of this column."""
    return exists().where(
        _IN_FORCE, legal_holds.c.scope == HoldScope.CAMERA, legal_holds.c.subject == camera
    )


def message_is_held() -> ColumnElement[bool]:
    """Whether a row of `outbox` belongs to a held case."""
    return exists().where(
        _IN_FORCE, legal_holds.c.scope == HoldScope.CASE, legal_holds.c.subject == outbox.c.case
    )
