"""Cameras in the store: the registry's snapshot, withdrawn consents, camera memories, health.

The snapshot has what reports need to name a camera, and every change of it: never an address, which
only `cameras.csv` has. Changes of consent and placement are the ones that an auditor asks for; they
are kept like all others, field by field. Of its health there is the present state and every change.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import bindparam, func, select

from patrol.domain.camera import Camera
from patrol.domain.health import CameraHealth
from patrol.domain.ids import CameraId
from patrol.domain.observation import Light
from patrol.domain.registry import Grid, Registry, camera_card
from patrol.encryption import KeyProblem
from patrol.encryption.site_key import is_sealed
from patrol.store.rows import RowMapper
from patrol.store.schema_people import (
    camera_changes,
    cameras,
    grids,
    health,
    health_changes,
    memories,
    withdrawals,
)
from patrol.store.transaction import Transaction

_HEALTH = RowMapper(CameraHealth, columns={"announced": "told"})
_OF_CAMERA = select(health).where(health.c.camera == bindparam("this"))
_MEMORIES = "camera memories"
_MEMORY = select(memories.c.blob).where(
    memories.c.camera == bindparam("of_camera"), memories.c.light == bindparam("in_light")
)


class RegistryRepository:
    """Writes the snapshot of cameras and grids."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def sync(self, registry: Registry, now: datetime) -> int:
        """Bring the snapshot up to date, each changed field into the history; how many changed.

        A camera that left the registry is retired, not deleted: old reports still name it.
        """
        known = {row["id"]: row for row in self._rows()}
        changes: list[Mapping[str, Any]] = []
        for camera in registry.cameras.values():
            changes += self._sync_camera(camera, known.get(camera.id), now)
        gone = [
            id_
            for id_, row in known.items()
            if id_ not in registry.cameras and row["retired_at"] is None
        ]
        changes += self._retire(gone, now)
        self._db.add(camera_changes, changes)
        self._sync_grids(registry.tree.grids.values(), now)
        return len(changes)

    def _rows(self) -> Iterable[dict[str, Any]]:
        return (row._asdict() for row in self._db.all(select(cameras)))

    def _sync_camera(
        self, camera: Camera, known: Mapping[str, Any] | None, now: datetime
    ) -> list[Mapping[str, Any]]:
        row = {**camera_card(camera), "retired_at": None}
        if known is None:
            self._db.add(cameras, [{"id": camera.id, **row, "first_seen_at": now}])
            return [_change_row(camera.id, now, "first_seen_at", None, now)]
        changes = [
            _change_row(camera.id, now, field, known[field], value)
            for field, value in row.items()
            if known[field] != value
        ]
        if changes:
            self._db.run(cameras.update().where(cameras.c.id == camera.id).values(row))
        return changes

    def _retire(self, gone: Iterable[str], now: datetime) -> list[Mapping[str, Any]]:
        changes = []
        for id_ in gone:
            self._db.run(cameras.update().where(cameras.c.id == id_).values(retired_at=now))
            changes.append(_change_row(id_, now, "retired_at", None, now))
        return changes

    def _sync_grids(self, there: Iterable[Grid], now: datetime) -> None:
        codes = []
        for grid in there:
            row = {
                "code": grid.code,
                "name": grid.name,
                "level": grid.level,
                "parent": grid.parent,
                "retired_at": None,
            }
            self._db.put(grids, row, "code")
            codes.append(grid.code)
        gone = grids.c.code.not_in(codes), grids.c.retired_at.is_(None)
        self._db.run(grids.update().where(*gone).values(retired_at=now))


def _change_row(
    camera: str, now: datetime, field: str, before: object, after: object
) -> Mapping[str, Any]:
    return {
        "camera": camera,
        "at": now,
        "field": field,
        "before": _as_text(before),
        "after": _as_text(after),
    }


def _as_text(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, list):
        return ";".join(value)
    return str(value)


class ConsentRepository:
    """Reads and writes withdrawals of consent that came after cameras.csv was read.

    Each has effect within a second. Rows are never deleted: a restored one has `restored_at`.
    """

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def withdraw(self, camera: CameraId, *, by: str, now: datetime) -> None:
        """Withdraw the consent; nothing happens when it is withdrawn already."""
        insert = self._db.insert(withdrawals).on_conflict_do_nothing(
            index_elements=["camera"], index_where=withdrawals.c.restored_at.is_(None)
        )
        self._db.run(insert, {"camera": camera, "withdrawn_at": now, "withdrawn_by": by})

    def restore(self, camera: CameraId, *, by: str, now: datetime) -> None:
        """End the withdrawal: the consent of cameras.csv counts again."""
        not_restored = withdrawals.c.camera == camera, withdrawals.c.restored_at.is_(None)
        restored = withdrawals.update().where(*not_restored)
        self._db.run(restored.values(restored_at=now, restored_by=by))

    def withdrawn(self) -> frozenset[CameraId]:
        """The cameras whose consent is withdrawn now."""
        not_restored = select(withdrawals.c.camera).where(withdrawals.c.restored_at.is_(None))
        return frozenset(row.camera for row in self._db.all(not_restored))


class CameraMemoryRepository:
    """Reads and writes camera memories (vision/camera_memory.py): one blob a camera and light.

    They hold small pictures: sealed where the store has the site's key, for this camera alone.
    """

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def get(self, camera: CameraId, light: Light) -> bytes | None:
        """The blob; None before the first accepted sample."""
        blob = self._db.scalar(_MEMORY, {"of_camera": camera, "in_light": light})
        return None if blob is None else self._opened(bytes(blob), camera, light)

    def put(self, camera: CameraId, light: Light, blob: bytes, now: datetime) -> None:
        """Add the blob, or replace the one that is there."""
        key, about = self._db.site_key, _memory_name(camera, light)
        kept = blob if key is None else key.seal(blob, purpose=_MEMORIES, about=about)
        row = {"camera": camera, "light": light, "blob": kept, "updated_at": now}
        self._db.put(memories, row, "camera", "light")

    def count(self) -> int:
        """How many blobs there are."""
        return int(self._db.scalar(select(func.count()).select_from(memories)) or 0)

    def seal_plain(self) -> int:
        """Seal those that were written without a key; how many."""
        sealed = 0
        for row in self._db.all(select(memories)):
            if not is_sealed(bytes(row.blob)):
                self.put(row.camera, Light(row.light), bytes(row.blob), row.updated_at)
                sealed += 1
        return sealed

    def _opened(self, blob: bytes, camera: CameraId, light: Light) -> bytes:
        if not is_sealed(blob):
            return blob
        about = _memory_name(camera, light)
        if self._db.site_key is None:
            raise KeyProblem(f"{about}: is sealed, and the site's key is away; put it back")
        return self._db.site_key.open(blob, purpose=_MEMORIES, about=about)

    def delete(self, camera: CameraId) -> None:
        """Delete the camera's blobs: it was moved, or its household withdrew consent."""
        self._db.run(memories.delete().where(memories.c.camera == camera))


def _memory_name(camera: CameraId, light: Light) -> str:
    return f"memory of {camera} {light}"


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
