"""Events of the store: the rows that a transaction wrote, as they were and as they are now.

Observers are called with them inside that transaction (store.py), so that a webhook is queued
together with the change that it reports.
"""

from dataclasses import dataclass

from patrol.domain.case import Case
from patrol.domain.finding import Finding
from patrol.domain.round import Round, Visit


@dataclass(frozen=True, slots=True)
class CaseChanged:
    """A new case (`before` is None), or one that changed."""

    before: Case | None
    after: Case


@dataclass(frozen=True, slots=True)
class FindingChanged:
    """A new finding, or one that changed."""

    before: Finding | None
    after: Finding


@dataclass(frozen=True, slots=True)
class RoundChanged:
    """A new round, or one that changed."""

    before: Round | None
    after: Round


@dataclass(frozen=True, slots=True)
class VisitRecorded:
    """A visit that was recorded."""

    visit: Visit


StoreEvent = CaseChanged | FindingChanged | RoundChanged | VisitRecorded
