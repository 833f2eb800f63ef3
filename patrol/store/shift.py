"""The shift in the store: stoppages, the maintenance queue, and the chained log of hand-overs."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import bindparam, or_, select

from patrol.domain.health import Trouble, TroubleKind
from patrol.domain.schedule import Stoppage, StoppageScope
from patrol.domain.shift_handover import HandoverAction, HandoverEntry, sheet_digest, signed_fields
from patrol.store.access_log import HashChain
from patrol.store.column_types import UtcTime, clean_text, dump_json
from patrol.store.rows import RowMapper
from patrol.store.schema_people import handovers, stoppages, troubles
from patrol.store.transaction import Transaction

HANDOVER_CHAIN = "handovers"
_STOPPAGES = RowMapper(Stoppage, columns={"recorded_at": "said_at"})
_TROUBLES = RowMapper(Trouble, without=("number",))
_HANDOVERS = RowMapper(HandoverEntry)
_TROUBLE_OPEN = troubles.c.closed_at.is_(None)
_NOT_OVER = (  # asked some times a second while a round runs
    select(stoppages)
    .where(
        stoppages.c.ended_at.is_(None),
        or_(stoppages.c.until.is_(None), stoppages.c.until > bindparam("now", type_=UtcTime)),
    )
    .order_by(stoppages.c.number)
)


class StoppageRepository:
    """Reads and writes pauses and maintenance entered by people; site.yaml's are not in here."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def add(
        self,
        *,
        scope: StoppageScope,
        subject: str,
        start: datetime,
        until: datetime | None,
        reason: str,
        by: str,
        now: datetime,
    ) -> Stoppage:
        """Insert a stoppage; returns it with its number. Raises ValueError as Stoppage does."""
        wanted = Stoppage(
            scope=scope, subject=subject, start=start, until=until, reason=reason, by=by
        )
        row = {
            "scope": wanted.scope,
            "subject": subject,
            "start": start,
            "until": until,
            "reason": reason,
            "by": by,
            "said_at": now,
            "ended_by": "",
        }
        return _STOPPAGES.from_row(self._db.run(stoppages.insert().returning(stoppages), row).one())

    def end(self, number: int, *, by: str, now: datetime) -> bool:
        """End a stoppage early; False when it has ended already, or there is none."""
        mine = stoppages.c.number == number, stoppages.c.ended_at.is_(None)
        running = or_(stoppages.c.until.is_(None), stoppages.c.until > now)
        ended = stoppages.update().where(*mine, running).values(ended_at=now, ended_by=by)
        return self._db.changed(ended) == 1

    def active(self, now: datetime) -> Sequence[Stoppage]:
        """Not over at `now`, those still to come included; oldest first."""
        return [_STOPPAGES.from_row(row) for row in self._db.all(_NOT_OVER, {"now": now})]

    def list(self, *, limit: int = 1000) -> Sequence[Stoppage]:
        """All that ever were, newest first."""
        newest = select(stoppages).order_by(stoppages.c.number.desc()).limit(limit)
        return [_STOPPAGES.from_row(row) for row in self._db.all(newest)]


class TroubleRepository:
    """Reads and writes the maintenance queue."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def open(self, trouble: Trouble) -> Trouble | None:
        """Write it; returns it with its number, None while one of its kind and subject is open."""
        insert = self._db.insert(troubles).on_conflict_do_nothing(
            index_elements=["kind", "subject"], index_where=_TROUBLE_OPEN
        )
        row = self._db.run(insert.returning(troubles), _TROUBLES.to_row(trouble)).first()
        return None if row is None else _TROUBLES.from_row(row, number=row.number)

    def get(self, number: int) -> Trouble:
        """Locked for this unit of work where the database can. Raises KeyError."""
        row = self._db.first(self._db.locked(select(troubles).where(troubles.c.number == number)))
        if row is None:
            raise KeyError(number)
        return _TROUBLES.from_row(row, number=row.number)

    def open_of(self, kind: TroubleKind, subject: str) -> Trouble | None:
        """The open one about this subject, locked where the database can; None: there is none."""
        mine = select(troubles).where(
            troubles.c.kind == kind, troubles.c.subject == subject, _TROUBLE_OPEN
        )
        row = self._db.first(self._db.locked(mine))
        return None if row is None else _TROUBLES.from_row(row, number=row.number)

    def put(self, trouble: Trouble) -> None:
        """Write its changed fields. Raises KeyError."""
        mine = troubles.update().where(troubles.c.number == trouble.number)
        if self._db.changed(mine.values(_TROUBLES.to_row(trouble))) == 0:
            raise KeyError(trouble.number)

    def list_open(self) -> Sequence[Trouble]:
        """Not closed, oldest first."""
        # Sorted here: asked for the order, SQLite reads every trouble that ever was instead.
        unsorted = (
            _TROUBLES.from_row(row, number=row.number)
            for row in self._db.all(select(troubles).where(_TROUBLE_OPEN))
        )
        return sorted(unsorted, key=lambda trouble: trouble.number)

    def list(self, *, limit: int = 1000) -> Sequence[Trouble]:
        """All, newest first."""
        newest = select(troubles).order_by(troubles.c.number.desc()).limit(limit)
        return [_TROUBLES.from_row(row, number=row.number) for row in self._db.all(newest)]


class HandoverRepository:
    """Signatures of hand-overs, chained like the access log; nothing is ever changed."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def append(
        self,
        *,
        at: datetime,
        what: HandoverAction,
        who: str,
        to: str,
        note: str,
        sheet: Mapping[str, object],
    ) -> HandoverEntry:
        """Sign the sheet, which must be plain JSON; returns the entry as it was stored."""
        chain = HashChain(self._db, HANDOVER_CHAIN)
        number, previous = chain.head()
        sheet = json.loads(dump_json(sheet))  # as it will be read again
        entry = HandoverEntry(
            number=number + 1,
            at=at,
            what=what,
            who=clean_text(who),
            to=clean_text(to),
            note=clean_text(note),
            sheet=sheet,
            digest=sheet_digest(sheet),
            previous=previous,
        )
        link = chain.extend(entry.number, previous, *signed_fields(entry))
        row = {**_HANDOVERS.to_row(entry), "hash": link}
        self._db.add(handovers, [row])
        return _HANDOVERS.from_row(
            self._db.run(select(handovers).where(handovers.c.number == number + 1)).one()
        )

    def entries(self, *, limit: int = 100) -> Sequence[HandoverEntry]:
        """Newest first."""
        newest = select(handovers).order_by(handovers.c.number.desc()).limit(limit)
        return [_HANDOVERS.from_row(row) for row in self._db.all(newest)]

    def first_broken(self, *, must_prove: bool = True) -> int | None:
        """The number of the first entry whose chain or sheet does not hold; as HashChain's."""
        in_order = self._db.all(select(handovers).order_by(handovers.c.number))
        entries = [_HANDOVERS.from_row(row) for row in in_order]
        lines = ((e.number, e.previous, e.hash, signed_fields(e)) for e in entries)
        broken = HashChain(self._db, HANDOVER_CHAIN).first_broken(lines, must_prove=must_prove)
        torn = (e.number for e in entries if sheet_digest(e.sheet) != e.digest)
        found = [number for number in (broken, next(torn, None)) if number is not None]
        return min(found, default=None)
