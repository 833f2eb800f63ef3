"""The cases book: a case is one row that changes and a history that is only ever appended."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Column, Row, Select, bindparam, select, text

from patrol.domain.case import Case, CaseEntry, CaseEvent, CaseState
from patrol.domain.ids import CameraId, CaseId
from patrol.domain.levels import Level
from patrol.domain.observation import Subject
from patrol.store.case_json import (
    hold_json,
    hold_of,
    policy_json,
    policy_of,
    request_json,
    request_of,
    suspension_json,
    suspension_of,
)
from patrol.store.db import Db, in_parts
from patrol.store.findings import box_json, box_of
from patrol.store.news import CaseNews
from patrol.store.tables import OPEN_CASE, case_entries, cases
from patrol.store.types import clean_text

# Text, not bound and not a Boolean column (that becomes `(…) = 1`): the partial index answers it.
OPEN = text(f"({OPEN_CASE})")

# Built once: building costs more than running them.
_WRITE: Final = cases.update().where(cases.c.id == bindparam("this"))
_LAST_LINE: Final = (
    select(case_entries)
    .where(case_entries.c.case == bindparam("this"))
    .order_by(case_entries.c.place.desc())
    .limit(1)
)
_ONE: Final = select(cases).where(cases.c.id == bindparam("this"))
_OPEN_LIKE: Final = (
    select(cases)
    .where(cases.c.camera == bindparam("on"), cases.c.category == bindparam("like"), OPEN)
    .order_by(cases.c.dispatched_at, cases.c.id)
    .limit(1)
)
_HISTORIES: Final = (
    select(case_entries)
    .where(case_entries.c.case.in_(bindparam("these", expanding=True)))
    .order_by(case_entries.c.case, case_entries.c.place)
)


def _due_by(clock: Column[datetime]) -> Select[Any]:
    due = select(cases).where(clock <= bindparam("now")).order_by(clock, cases.c.id)
    return due.limit(bindparam("most"))


_LADDER_DUE: Final = _due_by(cases.c.ladder_due_at)
_LOOK_DUE: Final = _due_by(cases.c.look_due_at)
_HOLD_DUE: Final = _due_by(cases.c.hold_until)


class SqlCases:
    """Cases with their histories."""

    def __init__(self, db: Db) -> None:
        self._db = db

    def add(self, case: Case) -> None:
        """Append, entries included. Raises ValueError when the id exists."""
        if not self._db.add_if_new(cases, _row(case), "id"):
            raise ValueError(f"case {case.id} exists")
        self._append(case, 0)
        self._db.tell(CaseNews(None, case))

    def get(self, case_id: CaseId) -> Case:
        """Locked for this unit of work where the database can. Raises KeyError."""
        found = _read(self._db, self._db.locked(_ONE), {"this": case_id})
        if not found:
            raise KeyError(case_id)
        return found[0]

    def put(self, case: Case) -> None:
        """Write its changed fields and its new entries (history is only ever appended).

        Raises ValueError when the stored history is not the beginning of this one.
        """
        before = self.get(case.id) if self._db.on_news else None
        if self._db.changed(_WRITE, {**_row(case), "this": case.id}) == 0:
            raise KeyError(case.id)
        self._append(case, self._known(case))
        self._db.tell(CaseNews(before, case))

    def _known(self, case: Case) -> int:
        """How many lines of its history are stored; they must be its first ones."""
        last = self._db.first(_LAST_LINE, {"this": case.id})
        if last is None:
            return 0
        if last.place >= len(case.entries) or not _same(last, case.entries[last.place]):
            raise ValueError(f"case {case.id}: its history was changed; it is only appended to")
        return int(last.place) + 1

    def _append(self, case: Case, known: int) -> None:
        rows = [
            {"case": case.id, "place": place, **_entry_row(entry)}
            for place, entry in enumerate(case.entries[known:], start=known)
        ]
        self._db.add(case_entries, rows)

    def open_like(self, camera: CameraId, category: str) -> Case | None:
        """An open case of this camera and category."""
        alike = {"on": camera, "like": category}
        return next(iter(_read(self._db, self._db.locked(_OPEN_LIKE), alike)), None)

    def list(self, *, open_only: bool = False, limit: int = 1000) -> Sequence[Case]:
        """Newest first."""
        newest = select(cases).order_by(cases.c.dispatched_at.desc(), cases.c.id.desc())
        return _read(self._db, (newest.where(OPEN) if open_only else newest).limit(limit))

    def dispatched_between(self, start: datetime, end: datetime) -> Sequence[Case]:
        """Dispatched from `start` until before `end`, oldest first."""
        then = cases.c.dispatched_at >= start, cases.c.dispatched_at < end
        oldest = select(cases).where(*then).order_by(cases.c.dispatched_at, cases.c.id)
        return _read(self._db, oldest)

    def ladder_due(self, now: datetime, *, limit: int = 100) -> Sequence[Case]:
        """Cases whose `ladder_due_at` has come, oldest first.

        Locked like `get`; one that somebody else is moving just now is left for the next ring.
        """
        return self._due(_LADDER_DUE, now, limit)

    def look_due(self, now: datetime, *, limit: int = 100) -> Sequence[Case]:
        """Cases whose `look_due_at` has come, oldest first; locked as in `ladder_due`."""
        return self._due(_LOOK_DUE, now, limit)

    def hold_due(self, now: datetime, *, limit: int = 100) -> Sequence[Case]:
        """Cases whose hold is to be looked at again, oldest first; locked as in `ladder_due`."""
        return self._due(_HOLD_DUE, now, limit)

    def _due(self, due: Select[Any], now: datetime, limit: int) -> Sequence[Case]:
        unlocked = self._db.locked(due, skip_locked=True)
        return _read(self._db, unlocked, {"now": now, "most": limit})


def _read(db: Db, statement: Select[Any], values: Mapping[str, Any] | None = None) -> list[Case]:
    rows = db.all(statement, values)
    histories: defaultdict[str, list[CaseEntry]] = defaultdict(list)
    for part in in_parts(row.id for row in rows):
        for line in db.all(_HISTORIES, {"these": part}):
            histories[line.case].append(entry_of(line))
    return [_case(row, tuple(histories[row.id])) for row in rows]


def _row(case: Case) -> Mapping[str, Any]:
    return {
        "id": case.id,
        "finding": case.finding,
        "camera": case.camera,
        "grid": case.grid,
        "subject": case.subject,
        "category": case.category,
        "level": case.level,
        "place": case.place,
        "found_at": case.found_at,
        "dispatched_at": case.dispatched_at,
        "policy": policy_json(case.policy),
        "note": case.note,
        "kind": case.kind,
        "zone": case.zone,
        "box": box_json(case.box),
        "before": case.before,
        "after": case.after,
        "state": case.state,
        "rung": case.rung,
        "ladder_due_at": case.ladder_due_at,
        "look_due_at": case.look_due_at,
        "looks": case.looks,
        "revision": case.revision,
        "times": case.count,
        "request": request_json(case.request),
        "suspension": suspension_json(case.suspension),
        "hold": hold_json(case.hold),
        "hold_until": case.hold.until if case.hold else None,
    }


def _case(row: Row[Any], entries: tuple[CaseEntry, ...]) -> Case:
    return Case(
        id=row.id,
        finding=row.finding,
        camera=row.camera,
        grid=row.grid,
        subject=Subject(row.subject),
        category=row.category,
        level=Level(row.level),
        place=row.place,
        found_at=row.found_at,
        dispatched_at=row.dispatched_at,
        policy=policy_of(row.policy),
        note=row.note,
        kind=row.kind,
        zone=row.zone,
        box=box_of(row.box),
        before=row.before,
        after=row.after,
        state=CaseState(row.state),
        rung=row.rung,
        ladder_due_at=row.ladder_due_at,
        look_due_at=row.look_due_at,
        looks=row.looks,
        revision=row.revision,
        count=row.times,
        request=request_of(row.request),
        suspension=suspension_of(row.suspension),
        hold=hold_of(row.hold),
        entries=entries,
    )


def _entry_row(entry: CaseEntry) -> Mapping[str, Any]:
    return {
        "at": entry.at,
        "by": entry.by,
        "what": entry.what,
        "note": entry.note,
        "state": entry.state,
    }


def entry_of(row: Row[Any]) -> CaseEntry:
    """A row of the history as the noun."""
    return CaseEntry(
        at=row.at,
        by=row.by,
        what=CaseEvent(row.what),
        note=row.note,
        state=CaseState(row.state),
    )


def _same(row: Row[Any], entry: CaseEntry) -> bool:
    cleaned = clean_text(entry.by), clean_text(entry.note)
    stored = row.at, row.what, row.state, row.by, row.note
    return stored == (entry.at, entry.what, entry.state, *cleaned)
