"""The suppressions book."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, bindparam, select

from patrol.domain.ids import CameraId
from patrol.domain.observation import Box
from patrol.domain.suppression import Suppression
from patrol.store.findings import box_json, box_of
from patrol.store.schema_people import suppressions
from patrol.store.transaction import Transaction

_ACTIVE: Final = (
    select(suppressions)
    .where(suppressions.c.until > bindparam("now"), suppressions.c.revoked_at.is_(None))
    .order_by(suppressions.c.number)
)
_ACTIVE_ON_CAMERA: Final = _ACTIVE.where(suppressions.c.camera == bindparam("here"))


class SuppressionRepository:
    """What is not proposed again for a while; listed, reversible."""

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
        """Write it; answers it with its number. Raises ValueError when it would never hold."""
        if until <= now:
            raise ValueError(f"a suppression until {until} would never hold")
        row = {
            "camera": camera,
            "kind": kind,
            "box": box_json(box),
            "reason": reason,
            "owner": owner,
            "created_at": now,
            "until": until,
            "revoked_by": "",
        }
        added = self._db.run(suppressions.insert().returning(suppressions), row)
        return _suppression(added.one())

    def revoke(self, number: int, *, by: str, now: datetime) -> bool:
        """Take it back; False when it is not standing."""
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
        return [_suppression(row) for row in rows]

    def list(self, *, limit: int = 1000) -> Sequence[Suppression]:
        """All that ever were, newest first."""
        newest = select(suppressions).order_by(suppressions.c.number.desc()).limit(limit)
        return [_suppression(row) for row in self._db.all(newest)]


def _suppression(row: Row[Any]) -> Suppression:
    return Suppression(
        number=row.number,
        camera=row.camera,
        kind=row.kind,
        box=box_of(row.box),
        reason=row.reason,
        owner=row.owner,
        created_at=row.created_at,
        until=row.until,
        revoked_at=row.revoked_at,
        revoked_by=row.revoked_by,
    )
