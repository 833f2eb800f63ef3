"""Reports of helpers and of patrols on the ground (随手拍) among the findings."""

from collections.abc import Sequence

from sqlalchemy import select, text

from patrol.domain.finding import FilingSource, Finding
from patrol.store.findings import finding_from_row
from patrol.store.schema import findings
from patrol.store.transaction import Transaction

GROUND_SOURCES = (FilingSource.HELPER, FilingSource.GROUND)


class HelperReportRepository:
    """Reads what was reported from the ground."""

    def __init__(self, db: Transaction) -> None:
        self._db = db

    def list(self, filed_by: str = "", *, limit: int) -> Sequence[Finding]:
        """Of one account, or (`filed_by` empty) of everybody; the newest first."""
        f = findings.c
        wanted = select(findings).where(text("origin = 'operator'"))
        wanted = wanted.where(f.filed_from.in_(GROUND_SOURCES))
        if filed_by:
            wanted = wanted.where(f.filed_by == filed_by)
        newest = wanted.order_by(f.found_at.desc(), f.id.desc()).limit(limit)
        return [finding_from_row(row) for row in self._db.all(newest)]
