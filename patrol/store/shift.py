"""The shift's books: stoppages, the maintenance queue, hand-overs."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, or_, select

from patrol.domain.health import Trouble, TroubleKind
from patrol.domain.schedule import Stoppage, StoppageScope
from patrol.domain.shift_handover import HandoverAction, HandoverEntry, sheet_digest, signed_fields
from patrol.store.access_log import HashChain, first_broken_line
from patrol.store.column_types import clean_text, dump_json
from patrol.store.schema_people import handovers, stoppages, troubles
from patrol.store.transaction import Transaction

HANDOVER_CHAIN = "handovers"
_TROUBLE_OPEN = troubles.c.closed_at.is_(None)


class StoppageRepository:
    """Pauses and maintenance, said by people; site.yaml's own windows are not in here."""

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
        """Write it; answers it with its number. Raises ValueError when it would never hold."""
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
        return _stoppage(self._db.run(stoppages.insert().returning(stoppages), row).one())

    def end(self, number: int, *, by: str, now: datetime) -> bool:
        """Before its time; False when it is over already, or never was."""
        mine = stoppages.c.number == number, stoppages.c.ended_at.is_(None)
        running = or_(stoppages.c.until.is_(None), stoppages.c.until > now)
        ended = stoppages.update().where(*mine, running).values(ended_at=now, ended_by=by)
        return self._db.changed(ended) == 1

    def active(self, now: datetime) -> Sequence[Stoppage]:
        """Not over at `now`, those still to come included; oldest first."""
        running = or_(stoppages.c.until.is_(None), stoppages.c.until > now)
        not_ended = select(stoppages).where(stoppages.c.ended_at.is_(None), running)
        return [_stoppage(row) for row in self._db.all(not_ended.order_by(stoppages.c.number))]

    def list(self, *, limit: int = 1000) -> Sequence[Stoppage]:
        """All that ever were, newest first."""
        newest = select(stoppages).order_by(stoppages.c.number.desc()).limit(limit)
        return [_stoppage(row) for row in self._db.all(newest)]


class TroubleRepository:
    """The maintenance queue."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def open(self, trouble: Trouble) -> Trouble | None:
        """Write it with its number; None while one of the same kind and subject stands."""
        insert = self._db.insert(troubles).on_conflict_do_nothing(
            index_elements=["kind", "subject"], index_where=_TROUBLE_OPEN
        )
        row = self._db.run(insert.returning(troubles), _trouble_row(trouble)).first()
        return None if row is None else _trouble(row)

    def get(self, number: int) -> Trouble:
        """Locked for this unit of work where the database can. Raises KeyError."""
        row = self._db.first(self._db.locked(select(troubles).where(troubles.c.number == number)))
        if row is None:
            raise KeyError(number)
        return _trouble(row)

    def put(self, trouble: Trouble) -> None:
        """Write its changed fields."""
        mine = troubles.update().where(troubles.c.number == trouble.number)
        if self._db.changed(mine.values(_trouble_row(trouble))) == 0:
            raise KeyError(trouble.number)

    def list_open(self) -> Sequence[Trouble]:
        """Not closed, oldest first."""
        # Sorted here: asked for the order, SQLite reads every trouble that ever was instead.
        unsorted = (_trouble(row) for row in self._db.all(select(troubles).where(_TROUBLE_OPEN)))
        return sorted(unsorted, key=lambda trouble: trouble.number)

    def list(self, *, limit: int = 1000) -> Sequence[Trouble]:
        """All, newest first."""
        newest = select(troubles).order_by(troubles.c.number.desc()).limit(limit)
        return [_trouble(row) for row in self._db.all(newest)]


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
        """One signature under the sheet, which must be plain JSON."""
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
        row = {
            "number": entry.number,
            "at": at,
            "what": what,
            "who": entry.who,
            "to": entry.to,
            "note": entry.note,
            "sheet": sheet,
            "digest": entry.digest,
            "previous": previous,
            "hash": link,
        }
        self._db.add(handovers, [row])
        return _handover_entry(
            self._db.run(select(handovers).where(handovers.c.number == number + 1)).one()
        )

    def entries(self, *, limit: int = 100) -> Sequence[HandoverEntry]:
        """Newest first."""
        newest = select(handovers).order_by(handovers.c.number.desc()).limit(limit)
        return [_handover_entry(row) for row in self._db.all(newest)]

    def first_broken(self) -> int | None:
        """The number of the first entry whose chain or sheet does not hold, or None."""
        in_order = self._db.all(select(handovers).order_by(handovers.c.number))
        entries = [_handover_entry(row) for row in in_order]
        lines = ((e.number, e.previous, e.hash, signed_fields(e)) for e in entries)
        broken = first_broken_line(lines, HashChain(self._db, HANDOVER_CHAIN).read_head())
        torn = (e.number for e in entries if sheet_digest(e.sheet) != e.digest)
        found = [number for number in (broken, next(torn, None)) if number is not None]
        return min(found, default=None)


def _stoppage(row: Row[Any]) -> Stoppage:
    return Stoppage(
        number=row.number,
        scope=StoppageScope(row.scope),
        subject=row.subject,
        start=row.start,
        until=row.until,
        reason=row.reason,
        by=row.by,
        recorded_at=row.said_at,
        ended_at=row.ended_at,
        ended_by=row.ended_by,
    )


def _trouble_row(trouble: Trouble) -> Mapping[str, Any]:
    return {
        "kind": trouble.kind,
        "subject": trouble.subject,
        "state": trouble.state,
        "since": trouble.since,
        "opened_at": trouble.opened_at,
        "why": trouble.why,
        "cameras": list(trouble.cameras),
        "taken_at": trouble.taken_at,
        "taken_by": trouble.taken_by,
        "closed_at": trouble.closed_at,
        "closed_why": trouble.closed_why,
    }


def _trouble(row: Row[Any]) -> Trouble:
    return Trouble(
        number=row.number,
        kind=TroubleKind(row.kind),
        subject=row.subject,
        state=row.state,
        since=row.since,
        opened_at=row.opened_at,
        why=row.why,
        cameras=tuple(row.cameras),
        taken_at=row.taken_at,
        taken_by=row.taken_by,
        closed_at=row.closed_at,
        closed_why=row.closed_why,
    )


def _handover_entry(row: Row[Any]) -> HandoverEntry:
    return HandoverEntry(
        number=row.number,
        at=row.at,
        what=HandoverAction(row.what),
        who=row.who,
        to=row.to,
        note=row.note,
        sheet=row.sheet,
        digest=row.digest,
        previous=row.previous,
        hash=row.hash,
    )
