"""The log of report changes: which rounds and days a reader who goes on from a cursor must read.

Appended to by each transaction that touches what reports say (transaction.py). A cursor is the
number and the random token of the last entry that was read, and those of the newest entry that
there was then: what is read is as it is now, not as it was at its entry. After a restore of an
older backup a number may be there again, its token is not, and the reader begins anew. An entry
that a newer one of the same subject replaces is deleted once KEPT_ENTRIES newer ones follow; a
reader who was away for longer begins anew, too, and loses nothing.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import bindparam, func, select

from patrol.domain.finding import Finding
from patrol.store.schema_town import report_changes
from patrol.store.transaction import Transaction

ROUND_CHANGE: Final = "round"  # subject: its id
DAY_CHANGE: Final = "day"  # subject: a local day, 2026-11-22
MOMENT_CHANGE: Final = "moment"  # subject: `moment_subject`; it lies in one local day of the site
KEPT_ENTRIES: Final = 50_000  # a town of 600 cameras appends some 500 a day
_QUARTER: Final = timedelta(minutes=15)  # every zone's midnight is one of them, counted in UTC
_ENTRY: Final = r"([0-9]{1,18})-([0-9a-f]{8})"
_CURSOR: Final = re.compile(rf"{_ENTRY}\.{_ENTRY}", re.ASCII)
_LOG: Final = report_changes.c
_TOKEN: Final = select(_LOG.token).where(_LOG.number == bindparam("this"))
_NEWEST: Final = (
    select(_LOG.kind, _LOG.subject, func.max(_LOG.number).label("last"))
    .where(_LOG.number > bindparam("behind"))
    .group_by(_LOG.kind, _LOG.subject)
    .order_by(func.max(_LOG.number))
    .limit(bindparam("most"))
)
_HEAD: Final = select(func.max(_LOG.number))
_newer = report_changes.alias("newer")
_REPLACED: Final = report_changes.delete().where(
    _LOG.number <= bindparam("until"),
    select(_newer.c.number)
    .where(
        _newer.c.kind == _LOG.kind, _newer.c.subject == _LOG.subject, _newer.c.number > _LOG.number
    )
    .exists(),
)


class BadCursor(ValueError):
    """A text that no reader was ever given as a cursor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportChange:
    """A round, a day or a moment whose reports may say something else than before."""

    kind: str
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportChanges:
    """What changed behind a cursor, the oldest first, and where to go on."""

    changes: Sequence[ReportChange]
    cursor: str  # empty: nothing was ever logged
    more: bool
    restarted: bool  # the cursor is not of this log: these are the changes from its beginning


def moment_subject(at: datetime) -> str:
    """The quarter of an hour, in UTC, that a moment lies in."""
    utc = at.astimezone(UTC)
    begun = utc - (utc - datetime.min.replace(tzinfo=UTC)) % _QUARTER
    return f"{begun.replace(tzinfo=None).isoformat(timespec='minutes')}Z"


def touch_finding(db: Transaction, finding: Finding) -> None:
    """Note the round that the finding counts in, or the moment of one that belongs to none."""
    if finding.round is not None:
        db.touch_report(ROUND_CHANGE, finding.round)
    else:
        db.touch_report(MOMENT_CHANGE, moment_subject(finding.found_at))


class ReportChangeRepository:
    """Reads the log on from a cursor, and deletes what newer entries replace."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def since(self, cursor: str, *, limit: int) -> ReportChanges:
        """Up to `limit` changed subjects behind the cursor ("": from the beginning), each once.

        Raises BadCursor.
        """
        after, restarted = self._place_of(cursor)
        rows = self._db.all(_NEWEST, {"behind": after, "most": limit + 1})
        page, more = rows[:limit], len(rows) > limit
        last = page[-1].last if page else after
        return ReportChanges(
            changes=[ReportChange(kind=row.kind, subject=row.subject) for row in page],
            cursor=self._cursor_at(last),
            more=more,
            restarted=restarted,
        )

    def _place_of(self, cursor: str) -> tuple[int, bool]:
        """(the number to go on behind, whether the log has to be read from its beginning)."""
        if not cursor:
            return 0, False
        match = _CURSOR.fullmatch(cursor)
        if match is None:
            raise BadCursor("give the `cursor` of the last answer as it was, or none")
        number, token, head, head_token = match.groups()
        known = self._token(int(number)) == token and self._token(int(head)) == head_token
        return (int(number), False) if known else (0, True)

    def _cursor_at(self, number: int) -> str:
        token, head = self._token(number), self._db.scalar(_HEAD)
        return "" if token is None else f"{number}-{token}.{head}-{self._token(head)}"

    def _token(self, number: int) -> str | None:
        token: str | None = self._db.scalar(_TOKEN, {"this": number})
        return token

    def delete_replaced(self, *, keep: int = KEPT_ENTRIES) -> int:
        """Delete entries older than the newest `keep` that a newer one replaces; how many."""
        head = self._db.scalar(_HEAD) or 0
        return self._db.changed(_REPLACED, {"until": head - keep}) if head > keep else 0
