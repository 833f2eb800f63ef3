"""The desk's books in memory: consents, access log, pictures, memories, registry."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from patrol.domain.access import FIRST_LINK, AccessEntry
from patrol.domain.ids import CameraId, Sha256
from patrol.domain.observation import Light
from patrol.domain.ranking import NO_PERSON
from patrol.domain.registry import Registry, camera_card
from patrol.domain.round import StoredPicture
from patrol.ports.evidence import ROOM_NEEDED, SAMPLE
from simulators.store_books import index_pictures
from simulators.store_rows import Journal, Rows


class MemoryConsents:
    """Fulfils ports.Consents."""

    def __init__(self, journal: Journal) -> None:
        self._standing: Rows[CameraId, tuple[datetime, str] | None] = Rows(journal)
        self._restored: Rows[CameraId, tuple[datetime, str]] = Rows(journal)

    def withdraw(self, camera: CameraId, *, by: str, now: datetime) -> None:
        """See the port."""
        if camera not in self.withdrawn():
            self._standing[camera] = (now, by)

    def restore(self, camera: CameraId, *, by: str, now: datetime) -> None:
        """See the port."""
        self._standing[camera] = None
        self._restored[camera] = (now, by)

    def withdrawn(self) -> frozenset[CameraId]:
        """See the port."""
        return frozenset(camera for camera, standing in self._standing.items() if standing)


class MemoryAccessLog:
    """Fulfils ports.AccessLog."""

    def __init__(self, journal: Journal) -> None:
        self.rows: Rows[int, AccessEntry] = Rows(journal)

    def append(
        self, *, at: datetime, who: str, what: str, camera: CameraId | None, why: str
    ) -> None:
        """See the port."""
        last = self.rows.get(len(self.rows))
        entry = AccessEntry(
            number=len(self.rows) + 1,
            at=at,
            who=who,
            what=what,
            camera=camera,
            why=why,
            previous=last.hash if last else FIRST_LINK,
        )
        self.rows[entry.number] = replace(entry, hash=entry.expected_hash())

    def last_looks(self, before: datetime) -> Mapping[CameraId, datetime]:
        """See the port."""
        looks: dict[CameraId, datetime] = {}
        for entry in self.rows.values():
            if entry.camera and entry.who not in NO_PERSON and entry.at < before:
                looks[entry.camera] = max(entry.at, looks.get(entry.camera, entry.at))
        return looks

    def first_broken(self) -> int | None:
        """See the port."""
        previous = FIRST_LINK
        for entry in self.rows.values():
            if entry.previous != previous or entry.hash != entry.expected_hash():
                return entry.number
            previous = entry.hash
        return None

    def entries(
        self,
        *,
        camera: CameraId | None = None,
        who: str = "",
        what: str = "",
        before: int | None = None,
        limit: int = 100,
    ) -> Sequence[AccessEntry]:
        """See the port."""
        return [
            entry
            for entry in self.rows.values()[::-1]
            if camera in (None, entry.camera)
            and who in ("", entry.who)
            and what in ("", entry.what)
            and (before is None or entry.number < before)
        ][:limit]


class MemoryPictures:
    """Fulfils ports.Pictures."""

    def __init__(self, journal: Journal) -> None:
        self.rows: Rows[Sha256, StoredPicture] = Rows(journal)
        self.ledger: Rows[int, tuple[StoredPicture, datetime]] = Rows(journal)

    def get(self, sha256: Sha256) -> StoredPicture | None:
        """See the port."""
        return self.rows.get(sha256)

    def add(self, picture: StoredPicture) -> None:
        """See the port."""
        index_pictures(self.rows, (picture,))

    def keep(self, sha256: Sha256, *, purpose: str, until: datetime) -> bool:
        """See the port."""
        known = self.rows.get(sha256)
        if known is None:
            return False
        until = max(known.delete_after, until)
        self.rows[sha256] = replace(known, purpose=purpose, delete_after=until)
        return True

    def make_room(self, *, most_bytes: int, now: datetime) -> int:
        """See the port."""
        living = [p for p in self.rows.values() if p.delete_after > now]
        over, gone = sum(p.bytes for p in living) - most_bytes, 0
        samples = [p for p in living if p.purpose == SAMPLE]
        for picture in sorted(samples, key=lambda p: (p.taken_at, p.sha256)):
            if over <= 0:
                break
            self.rows[picture.sha256] = replace(picture, delete_after=now, purpose=ROOM_NEEDED)
            over, gone = over - picture.bytes, gone + 1
        return gone

    def expired(self, now: datetime, *, limit: int = 500) -> Sequence[StoredPicture]:
        """See the port."""
        due = [picture for picture in self.rows.values() if picture.delete_after <= now]
        return sorted(due, key=lambda p: (p.delete_after, p.sha256))[:limit]

    def deleted(self, sha256: Sha256, now: datetime) -> None:
        """See the port."""
        known = self.rows.get(sha256)
        if known is not None:
            self.ledger[len(self.ledger) + 1] = (known, now)
            self.rows.pop(sha256)


class MemoryMemories:
    """Fulfils ports.Memories."""

    def __init__(self, journal: Journal) -> None:
        self._rows: Rows[tuple[CameraId, Light], tuple[bytes, datetime]] = Rows(journal)

    def get(self, camera: CameraId, light: Light) -> bytes | None:
        """See the port."""
        known = self._rows.get((camera, light))
        return known and known[0]

    def put(self, camera: CameraId, light: Light, blob: bytes, now: datetime) -> None:
        """See the port."""
        self._rows[camera, light] = (blob, now)

    def forget(self, camera: CameraId) -> None:
        """See the port."""
        for light in Light:
            self._rows.pop((camera, light))


class MemoryRegistry:
    """Fulfils ports.RegistryBook."""

    def __init__(self, journal: Journal) -> None:
        self._cards: Rows[CameraId, dict[str, object]] = Rows(journal)

    def sync(self, registry: Registry, now: datetime) -> int:
        """See the port."""
        changes = 0
        for camera in registry.cameras.values():
            card = {**camera_card(camera), "retired_at": None}
            known = self._cards.get(camera.id)
            if known is None:
                changes += 1
            else:
                changes += sum(known[field] != value for field, value in card.items())
            self._cards[camera.id] = card
        for camera_id, card in self._cards.items():
            if camera_id not in registry.cameras and card["retired_at"] is None:
                self._cards[camera_id] = {**card, "retired_at": now}
                changes += 1
        return changes
