"""Cameras in the store: the registry's snapshot, camera memories, health. Consents: consents.py.

The snapshot has what reports need to name a camera, and every change of it: never an address, which
only `cameras.csv` has. Changes of consent and placement are the ones that an auditor asks for; they
are kept like all others, field by field. Of its health there is the present state and every change.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from operator import methodcaller
from sys import intern
from typing import Any

from sqlalchemy import bindparam, func, select

from patrol.domain.camera import Camera
from patrol.domain.health import CameraCondition, CameraHealth
from patrol.domain.ids import CameraId
from patrol.domain.observation import Light
from patrol.domain.registry import Grid, Registry, camera_card
from patrol.encryption import KeyProblem
from patrol.encryption.site_key import is_sealed
from patrol.store.pixels import PixelRepository, without_consent
from patrol.store.rows import RowMapper
from patrol.store.schema_people import (
    camera_changes,
    cameras,
    grids,
    health,
    health_changes,
    memories,
)
from patrol.store.transaction import Transaction, in_batches

_HEALTH = RowMapper(CameraHealth, columns={"announced": "told"})
_OF_CAMERA = select(health).where(health.c.camera == bindparam("this"))
_MEMORIES = "camera memories"
NO_MEMORY = ""  # the version of a memory that is not there yet
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
        changes: list[Mapping[str, Any]] = []
        changed, gone, known = list[Camera](), list[str](), set[str]()
        for row in map(methodcaller("_asdict"), self._db.run(select(cameras))):
            known.add(intern(row["id"]))
            camera = registry.cameras.get(row["id"])
            if camera is None:
                gone += [] if row["retired_at"] is not None else [row["id"]]
            elif differs := _differences(camera, row, now):
                changes += differs
                changed.append(camera)
        for camera in changed:
            mine = cameras.update().where(cameras.c.id == camera.id)
            self._db.run(mine.values(_camera_row(camera)))
        new = [camera for camera in registry.cameras.values() if camera.id not in known]
        self._db.add(
            cameras, ({"id": one.id, **_camera_row(one), "first_seen_at": now} for one in new)
        )
        changes += (_change_row(one.id, now, "first_seen_at", None, now) for one in new)
        changes += self._retire(gone, now)
        self._db.add(camera_changes, changes)
        PixelRepository(self._db).end_withdrawn(now)
        self._sync_grids(registry.tree.grids.values(), now)
        return len(changes)

    def known_cameras(self) -> Sequence[CameraId]:
        """Every camera that was ever registered, also those that left."""
        return [CameraId(row.id) for row in self._db.all(select(cameras.c.id))]

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


def _camera_row(camera: Camera) -> dict[str, Any]:
    return {**camera_card(camera), "retired_at": None}


def _differences(
    camera: Camera, known: Mapping[str, Any], now: datetime
) -> list[Mapping[str, Any]]:
    return [
        _change_row(camera.id, now, field, known[field], value)
        for field, value in _camera_row(camera).items()
        if known[field] != value
    ]


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

    def put(
        self,
        camera: CameraId,
        light: Light,
        blob: bytes,
        now: datetime,
        *,
        sampled_at: datetime | None = None,
    ) -> None:
        """Add the blob, or replace the one that is there.

        `sampled_at`: when its newest picture was learned; None: now. Nothing is kept of a camera
        whose household withdrew while it was visited.
        """
        if without_consent(self._db, (camera,)):
            return
        row = {"camera": camera, "light": light, "blob": self._sealed(blob, camera, light)}
        more = {"updated_at": now, "sampled_at": sampled_at}
        self._db.put(memories, {**row, **more}, "camera", "light")

    def of_cameras(self, cameras: Sequence[CameraId]) -> Iterator[tuple[CameraId, Light, bytes]]:
        """Every blob of these cameras."""
        for some in in_batches(cameras):
            for row in self._db.all(select(memories).where(memories.c.camera.in_(some))):
                light = Light(row.light)
                yield row.camera, light, self._opened(bytes(row.blob), row.camera, light)

    def _sealed(self, blob: bytes, camera: CameraId, light: Light) -> bytes:
        key, about = self._db.site_key, _memory_name(camera, light)
        return blob if key is None else key.seal(blob, purpose=_MEMORIES, about=about)

    def count(self) -> int:
        """How many blobs there are."""
        return int(self._db.scalar(select(func.count()).select_from(memories)) or 0)

    def seal_plain(self) -> int:
        """Seal those that were written without a key; how many."""
        sealed = 0
        for row in self._db.all(select(memories)):
            if not is_sealed(bytes(row.blob)):
                blob = self._sealed(bytes(row.blob), row.camera, Light(row.light))
                mine = memories.c.camera == row.camera, memories.c.light == row.light
                self._db.run(memories.update().where(*mine).values(blob=blob))
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
        """Delete the camera's blobs, to learn anew; no line in the ledger (see pixels.py)."""
        self._db.run(memories.delete().where(memories.c.camera == camera))


def memory_version(blob: bytes | None) -> str:
    """The version of a camera memory: the sha256 of its blob; NO_MEMORY while there is none."""
    return NO_MEMORY if blob is None else hashlib.sha256(blob).hexdigest()


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

    def unhealthy(self) -> Mapping[CameraId, CameraHealth]:
        """`current` of every camera that has one and is not online: of most rounds few."""
        found = select(health).where(health.c.state != CameraCondition.ONLINE)
        rows = self._db.all(found.order_by(health.c.camera))
        return {row.camera: _HEALTH.from_row(row) for row in rows}

    def current_by_camera(self) -> Mapping[CameraId, CameraHealth]:
        """`current` of every camera that has one."""
        rows = self._db.all(select(health).order_by(health.c.camera))
        return {row.camera: _HEALTH.from_row(row) for row in rows}

    def history(self, camera: CameraId, *, limit: int = 20) -> Sequence[tuple[str, datetime, str]]:
        """(state, since, why) of its changes, newest first."""
        mine = select(health_changes).where(health_changes.c.camera == camera)
        newest = self._db.all(mine.order_by(health_changes.c.number.desc()).limit(limit))
        return [(row.state, row.since, row.why) for row in newest]
