"""The parts of a case that lie in one column each: policy, a wish that waits, suspension, hold.

The cases book: a case is one row that changes and a history that is only ever appended.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from sqlalchemy import Column, Row, Select, bindparam, select, text

from patrol.domain.case import ApprovalKind, ApprovalRequest, Case, CaseEntry, CaseEvent, CaseState
from patrol.domain.case_timers import CasePolicy, LadderRung, SendHold, Suspension
from patrol.domain.ids import CameraId, CaseId
from patrol.domain.observation import Subject
from patrol.domain.office_hours import OfficeHours
from patrol.domain.priority import CaseLimits, Level
from patrol.store.column_types import clean_text
from patrol.store.events import CaseChanged
from patrol.store.findings import box_json, box_of
from patrol.store.schema import OPEN_CASE, case_entries, cases
from patrol.store.transaction import Transaction, in_batches

Plain = Mapping[str, Any]


def policy_json(policy: CasePolicy) -> Plain:
    """As it lies in the column."""
    limits = policy.limits
    return {
        "clocks_s": {
            "acknowledge": limits.acknowledge.total_seconds(),
            "arrive": _seconds(limits.arrive),
            "feedback": _seconds(limits.feedback),
            "close": limits.close.total_seconds(),
        },
        "ladder": [
            {"grid": rung.grid, "person": rung.person, "after_s": rung.after_s}
            for rung in policy.ladder
        ],
        "office": None if policy.office is None else _office_json(policy.office),
        "silence_s": _seconds(policy.silence),
    }


def policy_of(plain: Plain) -> CasePolicy:
    """And back; rows of before 0004 have no office hours."""
    limits_s = plain["clocks_s"]
    office = plain.get("office")
    return CasePolicy(
        limits=CaseLimits(
            acknowledge=timedelta(seconds=limits_s["acknowledge"]),
            arrive=_limit(limits_s["arrive"]),
            feedback=_limit(limits_s["feedback"]),
            close=timedelta(seconds=limits_s["close"]),
        ),
        ladder=tuple(LadderRung(**rung) for rung in plain["ladder"]),
        office=None if office is None else _office_of(office),
        silence=_limit(plain.get("silence_s")),
    )


def request_json(request: ApprovalRequest | None) -> Plain | None:
    """As it lies in the column."""
    if request is None:
        return None
    return {
        "wish": request.kind,
        "by": request.by,
        "at": request.at.isoformat(),
        "why": request.why,
        "span_s": request.span_s,
    }


def request_of(plain: Plain | None) -> ApprovalRequest | None:
    """And back."""
    if plain is None:
        return None
    at = datetime.fromisoformat(plain["at"])
    fields = {key: value for key, value in plain.items() if key != "wish"}
    return ApprovalRequest(**{**fields, "kind": ApprovalKind(plain["wish"]), "at": at})


def suspension_json(rest: Suspension | None) -> Plain | None:
    """As it lies in the column."""
    if rest is None:
        return None
    return {
        "since": rest.since.isoformat(),
        "ladder_left_s": rest.ladder_left_s,
        "look": rest.recheck_planned,
    }


def suspension_of(plain: Plain | None) -> Suspension | None:
    """And back."""
    if plain is None:
        return None
    return Suspension(
        since=datetime.fromisoformat(plain["since"]),
        ladder_left_s=plain["ladder_left_s"],
        recheck_planned=plain["look"],
    )


def hold_json(hold: SendHold | None) -> Plain | None:
    """As it lies in the column."""
    if hold is None:
        return None
    times = {"since": hold.since.isoformat(), "until": hold.until.isoformat()}
    return {**asdict(hold), **times}


def hold_of(plain: Plain | None) -> SendHold | None:
    """And back."""
    if plain is None:
        return None
    times = {name: datetime.fromisoformat(plain[name]) for name in ("since", "until")}
    return SendHold(**{**plain, **times})


def _office_json(office: OfficeHours) -> Plain:
    return {
        "zone": office.zone,
        "spans": [[f"{a:%H:%M:%S}", f"{b:%H:%M:%S}"] for a, b in office.spans],
        "weekdays": sorted(office.weekdays),
        "days_off": sorted(day.isoformat() for day in office.days_off),
        "days_on": sorted(day.isoformat() for day in office.days_on),
    }


def _office_of(plain: Plain) -> OfficeHours:
    return OfficeHours(
        zone=plain["zone"],
        spans=tuple((time.fromisoformat(a), time.fromisoformat(b)) for a, b in plain["spans"]),
        weekdays=frozenset(plain["weekdays"]),
        days_off=frozenset(map(date.fromisoformat, plain["days_off"])),
        days_on=frozenset(map(date.fromisoformat, plain["days_on"])),
    )


def _seconds(limit: timedelta | None) -> float | None:
    return None if limit is None else limit.total_seconds()


def _limit(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)


# Text, not bound and not a Boolean column (that becomes `(…) = 1`): the partial index answers it.
CASE_OPEN = text(f"({OPEN_CASE})")

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
    .where(cases.c.camera == bindparam("on"), cases.c.category == bindparam("like"), CASE_OPEN)
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
_RECHECK_DUE: Final = _due_by(cases.c.look_due_at)
_HOLD_DUE: Final = _due_by(cases.c.hold_until)


class CaseRepository:
    """Cases with their histories."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def add(self, case: Case) -> None:
        """Append, entries included. Raises ValueError when the id exists."""
        if not self._db.add_if_new(cases, _case_row(case), "id"):
            raise ValueError(f"case {case.id} exists")
        self._append(case, 0)
        self._db.tell(CaseChanged(None, case))

    def get(self, case_id: CaseId) -> Case:
        """Locked for this unit of work where the database can. Raises KeyError."""
        found = _read_cases(self._db, self._db.locked(_ONE), {"this": case_id})
        if not found:
            raise KeyError(case_id)
        return found[0]

    def put(self, case: Case) -> None:
        """Write its changed fields and its new entries (history is only ever appended).

        Raises ValueError when the stored history is not the beginning of this one.
        """
        before = self.get(case.id) if self._db.on_news else None
        if self._db.changed(_WRITE, {**_case_row(case), "this": case.id}) == 0:
            raise KeyError(case.id)
        self._append(case, self._known(case))
        self._db.tell(CaseChanged(before, case))

    def _known(self, case: Case) -> int:
        """How many lines of its history are stored; they must be its first ones."""
        last = self._db.first(_LAST_LINE, {"this": case.id})
        if last is None:
            return 0
        if last.place >= len(case.entries) or not _is_same_entry(last, case.entries[last.place]):
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
        return next(iter(_read_cases(self._db, self._db.locked(_OPEN_LIKE), alike)), None)

    def list(self, *, open_only: bool = False, limit: int = 1000) -> Sequence[Case]:
        """Newest first."""
        newest = select(cases).order_by(cases.c.dispatched_at.desc(), cases.c.id.desc())
        return _read_cases(
            self._db, (newest.where(CASE_OPEN) if open_only else newest).limit(limit)
        )

    def dispatched_between(self, start: datetime, end: datetime) -> Sequence[Case]:
        """Dispatched from `start` until before `end`, oldest first."""
        then = cases.c.dispatched_at >= start, cases.c.dispatched_at < end
        oldest = select(cases).where(*then).order_by(cases.c.dispatched_at, cases.c.id)
        return _read_cases(self._db, oldest)

    def escalation_due(self, now: datetime, *, limit: int = 100) -> Sequence[Case]:
        """Cases whose `ladder_due_at` has come, oldest first.

        Locked like `get`; one that somebody else is moving just now is left for the next ring.
        """
        return self._due(_LADDER_DUE, now, limit)

    def recheck_due(self, now: datetime, *, limit: int = 100) -> Sequence[Case]:
        """Cases whose `look_due_at` has come, oldest first; locked as in `ladder_due`."""
        return self._due(_RECHECK_DUE, now, limit)

    def hold_due(self, now: datetime, *, limit: int = 100) -> Sequence[Case]:
        """Cases whose hold is to be looked at again, oldest first; locked as in `ladder_due`."""
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
            histories[line.case].append(entry_from_row(line))
    return [_case_from_row(row, tuple(histories[row.id])) for row in rows]


def _case_row(case: Case) -> Mapping[str, Any]:
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
        "look_due_at": case.recheck_due_at,
        "looks": case.recheck_count,
        "revision": case.revision,
        "times": case.count,
        "request": request_json(case.request),
        "suspension": suspension_json(case.suspension),
        "hold": hold_json(case.hold),
        "hold_until": case.hold.until if case.hold else None,
    }


def _case_from_row(row: Row[Any], entries: tuple[CaseEntry, ...]) -> Case:
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
        recheck_due_at=row.look_due_at,
        recheck_count=row.looks,
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


def entry_from_row(row: Row[Any]) -> CaseEntry:
    """A row of the history as the noun."""
    return CaseEntry(
        at=row.at,
        by=row.by,
        what=CaseEvent(row.what),
        note=row.note,
        state=CaseState(row.state),
    )


def _is_same_entry(row: Row[Any], entry: CaseEntry) -> bool:
    cleaned = clean_text(entry.by), clean_text(entry.note)
    stored = row.at, row.what, row.state, row.by, row.note
    return stored == (entry.at, entry.what, entry.state, *cleaned)
