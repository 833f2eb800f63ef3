"""The shift's books in memory: health, stoppages, the maintenance queue, hand-overs."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from patrol.domain.access import FIRST_LINK
from patrol.domain.handover import HandoverEntry, Signature, sheet_digest
from patrol.domain.health import Story
from patrol.domain.ids import CameraId
from patrol.domain.stoppage import Scope, Stoppage
from patrol.domain.trouble import Trouble
from simulators.store_rows import Journal, Rows


class MemoryHealth:
    """Fulfils ports.Health."""

    def __init__(self, journal: Journal) -> None:
        self._rows: Rows[CameraId, Story] = Rows(journal)
        self._changes: Rows[int, tuple[CameraId, Story]] = Rows(journal)

    def get(self, camera: CameraId) -> tuple[str, datetime, str] | None:
        """See the port."""
        story = self._rows.get(camera)
        return None if story is None else (story.state, story.since, story.why)

    def put(self, camera: CameraId, state: str, since: datetime, why: str) -> None:
        """See the port."""
        self.put_story(camera, Story(state=state, since=since, why=why, told=state), changed=True)

    def all(self) -> Mapping[CameraId, tuple[str, datetime, str]]:
        """See the port."""
        return {camera: (s.state, s.since, s.why) for camera, s in self.stories().items()}

    def story(self, camera: CameraId) -> Story | None:
        """See the port."""
        return self._rows.get(camera)

    def put_story(self, camera: CameraId, story: Story, *, changed: bool) -> None:
        """See the port."""
        self._rows[camera] = story
        if changed:
            self._changes[len(self._changes)] = (camera, story)

    def stories(self) -> Mapping[CameraId, Story]:
        """See the port."""
        return dict(sorted(self._rows.items()))

    def history(self, camera: CameraId, *, limit: int = 20) -> Sequence[tuple[str, datetime, str]]:
        """See the port."""
        newest = self._changes.values()[::-1]
        return [(s.state, s.since, s.why) for mine, s in newest if mine == camera][:limit]


class MemoryStoppages:
    """Fulfils ports.Stoppages."""

    def __init__(self, journal: Journal) -> None:
        self._rows: Rows[int, Stoppage] = Rows(journal)

    def add(
        self,
        *,
        scope: Scope,
        subject: str,
        start: datetime,
        until: datetime | None,
        reason: str,
        by: str,
        now: datetime,
    ) -> Stoppage:
        """See the port."""
        added = Stoppage(
            number=len(self._rows) + 1,
            scope=scope,
            subject=subject,
            start=start,
            until=until,
            reason=reason,
            by=by,
            said_at=now,
        )
        self._rows[added.number] = added
        return added

    def end(self, number: int, *, by: str, now: datetime) -> bool:
        """See the port."""
        known = {one.number: one for one in self.standing(now)}.get(number)
        if known is None:
            return False
        self._rows[number] = replace(known, ended_at=now, ended_by=by)
        return True

    def standing(self, now: datetime) -> Sequence[Stoppage]:
        """See the port."""
        rows = self._rows.values()
        return [s for s in rows if s.ended_at is None and (s.until is None or s.until > now)]

    def list(self, *, limit: int = 1000) -> Sequence[Stoppage]:
        """See the port."""
        return self._rows.values()[::-1][:limit]


class MemoryTroubles:
    """Fulfils ports.Troubles."""

    def __init__(self, journal: Journal) -> None:
        self._rows: Rows[int, Trouble] = Rows(journal)

    def open(self, trouble: Trouble) -> Trouble | None:
        """See the port."""
        if any((t.kind, t.subject) == (trouble.kind, trouble.subject) for t in self.standing()):
            return None
        opened = replace(trouble, number=len(self._rows) + 1)
        self._rows[opened.number] = opened
        return opened

    def get(self, number: int) -> Trouble:
        """See the port."""
        return self._rows[number]

    def put(self, trouble: Trouble) -> None:
        """See the port."""
        self._rows[trouble.number]  # raises KeyError
        self._rows[trouble.number] = trouble

    def standing(self) -> Sequence[Trouble]:
        """See the port."""
        return [trouble for trouble in self._rows.values() if trouble.closed_at is None]

    def list(self, *, limit: int = 1000) -> Sequence[Trouble]:
        """See the port."""
        return self._rows.values()[::-1][:limit]


class MemoryHandovers:
    """Fulfils ports.Handovers."""

    def __init__(self, journal: Journal) -> None:
        self._rows: Rows[int, HandoverEntry] = Rows(journal)

    def append(
        self,
        *,
        at: datetime,
        what: Signature,
        who: str,
        to: str,
        note: str,
        sheet: Mapping[str, object],
    ) -> HandoverEntry:
        """See the port."""
        last = self._rows.get(len(self._rows))
        entry = HandoverEntry(
            number=len(self._rows) + 1,
            at=at,
            what=what,
            who=who,
            to=to,
            note=note,
            sheet=sheet,
            digest=sheet_digest(sheet),
            previous=last.hash if last else FIRST_LINK,
        )
        signed = replace(entry, hash=entry.expected_hash())
        self._rows[signed.number] = signed
        return signed

    def entries(self, *, limit: int = 100) -> Sequence[HandoverEntry]:
        """See the port."""
        return self._rows.values()[::-1][:limit]

    def first_broken(self) -> int | None:
        """See the port."""
        previous = FIRST_LINK
        for entry in self._rows.values():
            holds = entry.previous == previous and entry.hash == entry.expected_hash()
            if not holds or sheet_digest(entry.sheet) != entry.digest:
                return entry.number
            previous = entry.hash
        return None
