"""What a report is made of: plain rows of one round, one day or one month, gathered by the caller.

Nothing here reads a store; `cli.reports` gathers, `ledger` and `rates` reckon, `files/` write.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo

from patrol.domain.case import Case, CaseEntry, CaseEvent
from patrol.domain.finding import Finding
from patrol.domain.ids import CameraId, CaseId
from patrol.domain.registry import Registry
from patrol.domain.round import ADHOC, Round, Visit


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundSheet:
    """One round with everything written down in it."""

    round: Round
    visits: Sequence[Visit] = ()  # in the order of the plan; pending ones are absent
    findings: Sequence[Finding] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """The rows of a period."""

    sheets: Sequence[RoundSheet] = ()
    cases: Sequence[Case] = ()  # accepted in the period
    older_cases: Sequence[Case] = ()  # accepted before it; findings of the period count in them
    pushed_at: Mapping[CaseId, datetime] = field(default_factory=dict)  # the broker took it
    until: datetime | None = None  # the period's end, where it has one
    # Of each camera before that end: its last usable picture, a person's last look.
    last_seen: Mapping[CameraId, datetime] = field(default_factory=dict)
    last_looks: Mapping[CameraId, datetime] = field(default_factory=dict)

    @property
    def planned_sheets(self) -> Sequence[RoundSheet]:
        """Without the rounds that somebody asked for: they cover what was asked."""
        return [sheet for sheet in self.sheets if sheet.round.plan != ADHOC]

    @property
    def case_by_id(self) -> Mapping[CaseId, Case]:
        """Cases by their id."""
        return {case.id: case for case in (*self.older_cases, *self.cases)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """Which report this is."""

    kind: str  # round, day, month
    period: str  # 20261122-morning-1, 2026-11-22, 2026-11
    site: str  # what people call it
    zone: tzinfo
    made_at: datetime  # UTC
    registry: Registry


def first(case: Case, event: CaseEvent) -> CaseEntry | None:
    """The first time that `event` happened to the case."""
    return next((entry for entry in case.entries if entry.what is event), None)
