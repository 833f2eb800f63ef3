"""The desk's books in memory: outbox, inbox, consents, access log, pictures, memories."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count

from patrol.domain.access import FIRST_LINK, AccessEntry
from patrol.domain.case import Case
from patrol.domain.ids import CameraId, CaseId, MessageKey, Sha256
from patrol.domain.levels import IN_OFFICE_HOURS
from patrol.domain.message import (
    CANARY_TOPIC,
    MOVES,
    STAMPS,
    DeadLetter,
    DeliveryEvent,
    DeliveryState,
    OutboxMessage,
)
from patrol.domain.observation import Light
from patrol.domain.ranking import NO_PERSON
from patrol.domain.registry import Registry, camera_card
from patrol.domain.round import StoredPicture
from simulators.store_books import index_pictures
from simulators.store_rows import Journal, Rows

KEPT_BYTES = 4096
FAR = timedelta(minutes=10)  # a lease that ends later was made under a clock set back since


@dataclass(frozen=True, slots=True)
class Lease:
    """Who has a message in hand, and for how long."""

    holder: str
    until: datetime


class MemoryOutbox:
    """Fulfils ports.Outbox."""

    def __init__(self, journal: Journal, cases: Rows[CaseId, Case]) -> None:
        self.rows: Rows[MessageKey, OutboxMessage] = Rows(journal)
        self._cases = cases
        self._orders = count(1)
        self.leases: Rows[MessageKey, Lease | None] = Rows(journal)

    def add(self, message: OutboxMessage) -> bool:
        """See the port."""
        if message.key in self.rows:
            return False
        self.rows[message.key] = replace(message, order=next(self._orders))
        return True

    def _queued(self) -> list[OutboxMessage]:
        return [m for m in self.rows.values() if m.state is DeliveryState.QUEUED]

    def lease(
        self, *, holder: str, now: datetime, lease_s: float, limit: int
    ) -> Sequence[OutboxMessage]:
        """See the port."""
        taken: list[OutboxMessage] = []
        in_other_hands: set[str] = set()
        far = now + max(timedelta(seconds=lease_s), FAR)
        for message in self._queued():
            lease = self.leases.get(message.key)
            if lease is not None and now < lease.until <= far:
                if lease.holder != holder:
                    in_other_hands.add(message.topic)
            elif message.topic not in in_other_hands and len(taken) < limit:
                taken.append(message)
        for message in taken:
            self.leases[message.key] = Lease(holder, now + timedelta(seconds=lease_s))
            self.rows[message.key] = replace(message, tried_at=message.tried_at or now)
        return [self.rows[message.key] for message in taken]

    def mark(self, keys: Sequence[MessageKey], event: DeliveryEvent, now: datetime) -> None:
        """See the port."""
        for key in keys:
            message = self.rows.get(key)
            target = message and MOVES.get((message.state, event))
            if not message or not target:
                continue
            stamp = STAMPS.get(event)
            heard = {stamp: getattr(message, stamp) or now} if stamp else {}
            self.rows[key] = replace(message, state=target, **heard)
            self.leases[key] = None

    def release(self, keys: Sequence[MessageKey]) -> None:
        """See the port."""
        for key in keys:
            self.leases[key] = None

    def unsent(self) -> int:
        """See the port."""
        return len(self._queued())

    def oldest_unsent(self) -> datetime | None:
        """See the port."""
        waiting = [m for m in self.rows.values() if m.state is DeliveryState.QUEUED]
        return min(waiting, key=lambda m: m.order).queued_at if waiting else None

    def of_case(self, case_id: CaseId) -> Sequence[OutboxMessage]:
        """See the port."""
        return [message for message in self.rows.values() if message.case == case_id]

    def pushed_at(self, cases: Iterable[CaseId]) -> Mapping[CaseId, datetime]:
        """See the port."""
        times = {case: [m.published_at for m in self.of_case(case)] for case in cases}
        sent = {case: [at for at in each if at is not None] for case, each in times.items()}
        return {case: min(each) for case, each in sent.items() if each}

    def latest_retained(self, since: datetime) -> Sequence[OutboxMessage]:
        """See the port."""
        of_topic = {m.topic: m for m in self.rows.values() if m.retain and m.queued_at >= since}
        waits = (DeliveryState.QUEUED, DeliveryState.EXPIRED)
        newest = sorted(of_topic.values(), key=lambda message: message.order)
        return [message for message in newest if message.state not in waits]

    def tally(self, start: datetime, end: datetime) -> tuple[int, int]:
        """See the port."""
        real = (m for m in self.rows.values() if not m.topic.endswith(CANARY_TOPIC))
        queued = [m for m in real if start <= m.queued_at <= end]
        return len(queued), sum(m.published_at is not None for m in queued)

    def new_cases(self, under: str, since: datetime) -> Sequence[datetime]:
        """See the port."""
        first: dict[CaseId | None, datetime] = {}
        for message in self.rows.values():
            case = self._cases.get(message.case) if message.case else None
            fresh = case and case.dispatched_at >= since and case.level in IN_OFFICE_HOURS
            if fresh and message.queued_at >= since and message.topic.startswith(under):
                first.setdefault(message.case, message.queued_at)
        return sorted(first.values())

    def prune(self, before: datetime, *, limit: int) -> int:
        """See the port."""
        old = [m for m in self.rows.values() if m.queued_at < before and not self._is_needed(m)]
        for message in sorted(old, key=lambda m: m.queued_at)[:limit]:
            self.rows.pop(message.key)
        return min(len(old), limit)

    def _is_needed(self, message: OutboxMessage) -> bool:
        case = self._cases.get(message.case) if message.case else None
        return message.state is DeliveryState.QUEUED or bool(case and case.is_open)


class MemoryInbox:
    """Fulfils ports.Inbox."""

    def __init__(self, journal: Journal) -> None:
        self._keys: Rows[MessageKey, datetime] = Rows(journal)
        self._letters: Rows[int, DeadLetter] = Rows(journal)
        self._numbers = count(1)

    def first_time(self, key: MessageKey, now: datetime) -> bool:
        """See the port."""
        if key in self._keys:
            return False
        self._keys[key] = now
        return True

    def bury(self, letter: DeadLetter) -> None:
        """See the port."""
        kept = replace(letter, payload=letter.payload[:KEPT_BYTES])
        self._letters[next(self._numbers)] = kept

    def dead_letters(self, *, limit: int = 100) -> Sequence[DeadLetter]:
        """See the port."""
        return self._letters.values()[::-1][:limit]

    def prune(self, before: datetime, *, limit: int) -> int:
        """See the port."""
        keys = [key for key, at in self._keys.items() if at < before][:limit]
        letters = [n for n, letter in self._letters.items() if letter.at < before][:limit]
        for key in keys:
            self._keys.pop(key)
        for number in letters:
            self._letters.pop(number)
        return len(keys) + len(letters)


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
