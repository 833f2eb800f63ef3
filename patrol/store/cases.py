"""Cases in the store: one row that changes per case, and a history that is only ever appended.

The case's policy, approval request, suspension and hold lie in one JSON column each (rows.py).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Column, Row, Select, bindparam, func, select, text

from patrol.domain.case import Case, CaseEntry, CaseEvent
from patrol.domain.ids import CameraId, CaseId, GridCode
from patrol.domain.observation import Subject
from patrol.store.column_types import clean_text
from patrol.store.report_changes import MOMENT_CHANGE, moment_subject
from patrol.store.rows import RowMapper
from patrol.store.schema import OPEN_CASE, case_entries, cases
from patrol.store.transaction import CaseChanged, Transaction, in_batches

# Text, not bound and not a Boolean column (that becomes `(…) = 1`): the partial index answers it.
CASE_OPEN = text(f"({OPEN_CASE})")

_CASES: Final = RowMapper(
    Case,
    columns={"recheck_due_at": "look_due_at", "recheck_count": "looks", "count": "times"},
    # Within the columns policy, request and suspension, as the first versions wrote them.
    json_keys={
        "limits": "clocks_s",
        "silence": "silence_s",
        "kind": "wish",
        "recheck_planned": "look",
    },
    without=("entries",),
)
_ENTRIES: Final = RowMapper(CaseEntry)
# Statements are built once: building costs more than running them.
_WRITE: Final = cases.update().where(cases.c.id == bindparam("this"))
_LAST_ENTRY: Final = (
    select(case_entries)
    .where(case_entries.c.case == bindparam("this"))
    .order_by(case_entries.c.place.desc())
    .limit(1)
)
_ONE: Final = select(cases).where(cases.c.id == bindparam("this"))
_DISPATCHED_AT: Final = select(cases.c.dispatched_at).where(cases.c.id == bindparam("this"))
_THESE: Final = select(cases).where(cases.c.id.in_(bindparam("these", expanding=True)))
_OPEN_LIKE: Final = (
    select(cases)
    .where(cases.c.camera == bindparam("on"), cases.c.category == bindparam("like"), CASE_OPEN)
    .order_by(cases.c.dispatched_at, cases.c.id)
    .limit(1)
)
_OPEN_ABOUT_CAMERA: Final = (
    select(cases)
    .where(cases.c.camera == bindparam("on"), cases.c.subject == Subject.EQUIPMENT, CASE_OPEN)
    .order_by(cases.c.dispatched_at, cases.c.id)
)
_REPORTED_LIKE: Final = (
    select(cases)
    .where(
        cases.c.camera.is_(None),
        cases.c.grid == bindparam("of_grid"),
        cases.c.category == bindparam("like"),
        cases.c.dispatched_at >= bindparam("since"),
        CASE_OPEN,
    )
    .order_by(cases.c.dispatched_at.desc(), cases.c.id.desc())
    .limit(50)
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
_LADDER_WAITING: Final = select(cases.c.id, cases.c.rung).where(cases.c.ladder_due_at.is_not(None))
_RECHECK_DUE: Final = _due_by(cases.c.look_due_at)
_HOLD_DUE: Final = _due_by(cases.c.hold_until)


class CaseRepository:
    """Reads and writes cases with their histories."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def add(self, case: Case) -> None:
        """Insert a new case with its history. Raises ValueError when the id exists."""
        if not self._db.add_if_new(cases, _case_row(case), "id"):
            raise ValueError(f"case {case.id} exists")
        self._append(case, 0)
        self._db.touch_report(MOMENT_CHANGE, moment_subject(case.dispatched_at))
        self._db.notify(CaseChanged(None, case))

    def get(self, case_id: CaseId) -> Case:
        """Locked for this unit of work where the database can. Raises KeyError."""
        found = _read_cases(self._db, self._db.locked(_ONE), {"this": case_id})
        if not found:
            raise KeyError(case_id)
        return found[0]

    def without_history(self, case_id: CaseId) -> Case:
        """The case with no entries, whatever happened to it; not locked. Raises KeyError."""
        row = self._db.first(_ONE, {"this": case_id})
        if row is None:
            raise KeyError(case_id)
        return _CASES.from_row(row, entries=())

    def has_entry(
        self, case_id: CaseId, what: CaseEvent, *, by: str, since: Iterable[CaseEvent]
    ) -> bool:
        """Whether it has such an entry behind its last one of the events `since`.

        `by`: the entry's person; beginning with `@`, any person of that grid.
        """
        e = case_entries.c
        last = select(func.max(e.place)).where(e.case == case_id, e.what.in_(list(since)))
        who = e.by.endswith(by, autoescape=True) if by.startswith("@") else e.by == by
        found = select(e.place).where(
            e.case == case_id,
            e.what == what,
            who,
            e.place > func.coalesce(last.scalar_subquery(), -1),
        )
        return self._db.first(found.limit(1)) is not None

    def reported_like(self, grid: GridCode, category: str, since: datetime) -> Sequence[Case]:
        """Open cases that people of the grid reported from `since` on; newest first, a few."""
        return _read_cases(
            self._db, _REPORTED_LIKE, {"of_grid": grid, "like": category, "since": since}
        )

    def put(self, case: Case) -> None:
        """Write its changed fields and its new entries (history is only ever appended).

        Raises ValueError when the stored history is not the beginning of this one.
        """
        before = self.get(case.id) if self._db.on_event else None
        self._touch_report(case)
        if self._db.changed(_WRITE, {**_case_row(case), "this": case.id}) == 0:
            raise KeyError(case.id)
        self._append(case, self._stored_count(case))
        self._db.notify(CaseChanged(before, case))

    def _touch_report(self, case: Case) -> None:
        """Note the day that the case counts in, and the one that it counted in until now."""
        stored = self._db.scalar(_DISPATCHED_AT, {"this": case.id})
        for at in (stored, case.dispatched_at):
            if at is not None:
                self._db.touch_report(MOMENT_CHANGE, moment_subject(at))

    def _stored_count(self, case: Case) -> int:
        """How many entries of its history are stored; they must be its first ones."""
        last = self._db.first(_LAST_ENTRY, {"this": case.id})
        if last is None:
            return 0
        if last.place >= len(case.entries) or not _is_same_entry(last, case.entries[last.place]):
            raise ValueError(f"case {case.id}: its history was changed; it is only appended to")
        return int(last.place) + 1

    def _append(self, case: Case, known: int) -> None:
        rows = [
            {"case": case.id, "place": place, **_ENTRIES.to_row(entry)}
            for place, entry in enumerate(case.entries[known:], start=known)
        ]
        self._db.add(case_entries, rows)

    def open_like(self, camera: CameraId, category: str) -> Case | None:
        """An open case of this camera and category."""
        alike = {"on": camera, "like": category}
        return next(iter(_read_cases(self._db, self._db.locked(_OPEN_LIKE), alike)), None)

    def open_about_camera(self, camera: CameraId) -> Sequence[Case]:
        """The open cases about a fault of this camera, the oldest first."""
        return _read_cases(self._db, self._db.locked(_OPEN_ABOUT_CAMERA), {"on": camera})

    def count(self, *, open_only: bool = False) -> int:
        """How many there are."""
        counted = select(func.count()).select_from(cases)
        row = self._db.first(counted.where(CASE_OPEN) if open_only else counted)
        return int(row[0]) if row is not None else 0

    def list(
        self, *, open_only: bool = False, limit: int = 1000, offset: int = 0
    ) -> Sequence[Case]:
        """Newest first; see `count`."""
        newest = select(cases).order_by(cases.c.dispatched_at.desc(), cases.c.id.desc())
        chosen = newest.where(CASE_OPEN) if open_only else newest
        return _read_cases(self._db, chosen.limit(limit).offset(offset))

    def dispatched_between(self, start: datetime, end: datetime) -> Sequence[Case]:
        """Dispatched from `start` until before `end`, oldest first."""
        then = cases.c.dispatched_at >= start, cases.c.dispatched_at < end
        oldest = select(cases).where(*then).order_by(cases.c.dispatched_at, cases.c.id)
        return _read_cases(self._db, oldest)

    def with_ids(self, ids: Iterable[CaseId]) -> Sequence[Case]:
        """Those of these cases that exist, by id; not locked."""
        found = [
            case
            for batch in in_batches(ids)
            for case in _read_cases(self._db, _THESE, {"these": batch})
        ]
        return sorted(found, key=lambda case: case.id)

    def escalation_due(self, now: datetime, *, limit: int = 100) -> Sequence[Case]:
        """Cases whose `ladder_due_at` has come, oldest first.

        Locked like `get`; rows that another transaction has locked are skipped.
        """
        return self._due(_LADDER_DUE, now, limit)

    def escalation_waiting(self) -> Mapping[CaseId, int]:
        """The rung of every case that waits for an answer; not locked."""
        return {CaseId(row.id): int(row.rung) for row in self._db.all(_LADDER_WAITING)}

    def recheck_due(self, now: datetime, *, limit: int = 100) -> Sequence[Case]:
        """Cases whose `look_due_at` has come, oldest first; locked as in `escalation_due`."""
        return self._due(_RECHECK_DUE, now, limit)

    def hold_due(self, now: datetime, *, limit: int = 100) -> Sequence[Case]:
        """Cases whose hold is over (`hold_until`), oldest first; locked as in `escalation_due`."""
        return self._due(_HOLD_DUE, now, limit)

    def _due(self, due: Select[Any], now: datetime, limit: int) -> Sequence[Case]:
        unlocked = self._db.locked(due, skip_locked=True)
        return _read_cases(self._db, unlocked, {"now": now, "most": limit})


def _read_cases(
    db: Transaction, statement: Select[Any], values: Mapping[str, Any] | None = None
) -> list[Case]:
    rows = db.all(statement, values)
    histories: defaultdict[str, list[CaseEntry]] = defaultdict(list)
    for batch in in_batches(row.id for row in rows):
        for line in db.all(_HISTORIES, {"these": batch}):
            histories[line.case].append(_ENTRIES.from_row(line))
    return [_CASES.from_row(row, entries=tuple(histories[row.id])) for row in rows]


def _case_row(case: Case) -> Mapping[str, Any]:
    return {**_CASES.to_row(case), "hold_until": case.hold.until if case.hold else None}


def _is_same_entry(row: Row[Any], entry: CaseEntry) -> bool:
    cleaned = clean_text(entry.by), clean_text(entry.note)
    stored = row.at, row.what, row.state, row.by, row.note
    return stored == (entry.at, entry.what, entry.state, *cleaned)
