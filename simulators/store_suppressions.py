"""The suppressions book in memory."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from patrol.domain.ids import CameraId
from patrol.domain.observation import Box
from patrol.domain.suppression import Suppression
from simulators.store_rows import Journal, Rows


class MemorySuppressions:
    """Fulfils ports.Suppressions."""

    def __init__(self, journal: Journal) -> None:
        self._rows: Rows[int, Suppression] = Rows(journal)

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
        """See the port."""
        added = Suppression(
            number=len(self._rows) + 1,
            camera=camera,
            kind=kind,
            box=box,
            reason=reason,
            owner=owner,
            created_at=now,
            until=until,
        )
        self._rows[added.number] = added
        return added

    def revoke(self, number: int, *, by: str, now: datetime) -> bool:
        """See the port."""
        known = {one.number: one for one in self.standing(now)}.get(number)
        if known is None:
            return False
        self._rows[number] = replace(known, revoked_at=now, revoked_by=by)
        return True

    def standing(self, now: datetime, *, camera: CameraId | None = None) -> Sequence[Suppression]:
        """See the port."""
        return [
            one
            for one in self._rows.values()
            if one.revoked_at is None and one.until > now and camera in (None, one.camera)
        ]

    def list(self, *, limit: int = 1000) -> Sequence[Suppression]:
        """See the port."""
        return self._rows.values()[::-1][:limit]
