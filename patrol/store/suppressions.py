"""Suppressions in the store: what is not proposed again for a while, of one camera and kind."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, select

from patrol.domain.ids import CameraId
from patrol.domain.observation import Box
from patrol.domain.suppression import Suppression
from patrol.store.rows import RowMapper
from patrol.store.schema_people import suppressions
from patrol.store.transaction import Transaction

_SUPPRESSIONS: Final = RowMapper(Suppression)
_ACTIVE: Final = (
    select(suppressions)
    .where(suppressions.c.until > bindparam("now"), suppressions.c.revoked_at.is_(None))
    .order_by(suppressions.c.number)
)
_ACTIVE_ON_CAMERA: Final = _ACTIVE.where(suppressions.c.camera == bindparam("here"))


class SuppressionRepository:
    """Reads and writes suppressions; each can be listed and revoked."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def add(
        self,
        *,
        camera: CameraId,
        kind: str,
        box: Box | None,
        reason: str,
        owner: str,
        now: datetime,
        until: datetime,
    ) -> Suppression:
        """Write one; returns it with its number. Raises ValueError when `until` is not later."""
        if until <= now:
            raise ValueError(f"a suppression until {until} would never hold")
        row = {
            "camera": camera,
            "kind": kind,
            "box": box and list(map(float, box)),
            "reason": reason,
            "owner": owner,
            "created_at": now,
            "until": until,
            "revoked_by": "",
        }
        added = self._db.run(suppressions.insert().returning(suppressions), row)
        return _SUPPRESSIONS.from_row(added.one())

    def revoke(self, number: int, *, by: str, now: datetime) -> bool:
        """End it; False when it is over, revoked or unknown."""
        not_revoked = (
            suppressions.c.number == number,
            suppressions.c.revoked_at.is_(None),
            suppressions.c.until > now,
        )
        revoked = suppressions.update().where(*not_revoked).values(revoked_at=now, revoked_by=by)
        return self._db.changed(revoked) == 1

    def active(self, now: datetime, *, camera: CameraId | None = None) -> Sequence[Suppression]:
        """Neither expired nor revoked, oldest first."""
        everywhere = camera is None
        values = {"now": now} if everywhere else {"now": now, "here": camera}
        rows = self._db.all(_ACTIVE if everywhere else _ACTIVE_ON_CAMERA, values)
        return [_SUPPRESSIONS.from_row(row) for row in rows]

    def list(self, *, limit: int = 1000) -> Sequence[Suppression]:
        """All that ever were, newest first."""
        newest = select(suppressions).order_by(suppressions.c.number.desc()).limit(limit)
        return [_SUPPRESSIONS.from_row(row) for row in self._db.all(newest)]
