"""Camera health in the store: each camera's present state, and every change of it."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import bindparam, select

from patrol.domain.health import CameraHealth
from patrol.domain.ids import CameraId
from patrol.store.rows import RowMapper
from patrol.store.schema_people import health, health_changes
from patrol.store.transaction import Transaction

_HEALTH = RowMapper(CameraHealth, columns={"announced": "told"})
_OF_CAMERA = select(health).where(health.c.camera == bindparam("this"))


class HealthRepository:
    """Reads and writes the health of cameras."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def get(self, camera: CameraId) -> tuple[str, datetime, str] | None:
        """(state, since, why), or None before the first visit."""
        current = self.current(camera)
        return None if current is None else (current.state, current.since, current.why)

    def all(self) -> Mapping[CameraId, tuple[str, datetime, str]]:
        """`get` of every camera that has one."""
        return {camera: (s.state, s.since, s.why) for camera, s in self.current_by_camera().items()}

    def current(self, camera: CameraId) -> CameraHealth | None:
        """The camera's health with its counters; None before the first visit."""
        row = self._db.first(_OF_CAMERA, {"this": camera})
        return None if row is None else _HEALTH.from_row(row)

    def save(self, camera: CameraId, current: CameraHealth, *, changed: bool) -> None:
        """Replace; `changed`: state or reason differ, which is kept in the camera's history."""
        row = {"camera": camera, **_HEALTH.to_row(current)}
        self._db.put(health, row, "camera")
        if changed:
            brief = {name: row[name] for name in ("camera", "state", "since", "why")}
            self._db.add(health_changes, [brief])

    def current_by_camera(self) -> Mapping[CameraId, CameraHealth]:
        """`current` of every camera that has one."""
        rows = self._db.all(select(health).order_by(health.c.camera))
        return {row.camera: _HEALTH.from_row(row) for row in rows}

    def history(self, camera: CameraId, *, limit: int = 20) -> Sequence[tuple[str, datetime, str]]:
        """(state, since, why) of its changes, newest first."""
        mine = select(health_changes).where(health_changes.c.camera == camera)
        newest = self._db.all(mine.order_by(health_changes.c.number.desc()).limit(limit))
        return [(row.state, row.since, row.why) for row in newest]
