"""What observers of a store are told: rows that were written, as they were and as they are now.

Observers hear of news inside the transaction that makes it (sql.Observer): a webhook is queued with
the news that it tells, wherever that news is made, and no caller has to remember to.
"""

from dataclasses import dataclass

from patrol.domain.case import Case
from patrol.domain.finding import Finding
from patrol.domain.round import Round, Visit


@dataclass(frozen=True, slots=True)
class CaseNews:
    """A new case (`before` is None), or one that changed."""

    before: Case | None
    after: Case


@dataclass(frozen=True, slots=True)
class FindingNews:
    """A new finding, or one that changed."""

    before: Finding | None
    after: Finding


@dataclass(frozen=True, slots=True)
class RoundNews:
    """A new round, or one that changed."""

    before: Round | None
    after: Round


@dataclass(frozen=True, slots=True)
class VisitNews:
    """A visit that was written down."""

    visit: Visit


News = CaseNews | FindingNews | RoundNews | VisitNews
