"""The review queue: what waits for a person, the worst first, scenes before camera faults."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from patrol.domain.finding import Finding, FindingState
from patrol.domain.levels import Level
from patrol.domain.observation import Subject
from patrol.ports import UnitOfWork

RANK: Final = {level: rank for rank, level in enumerate(Level)}


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLine:
    """One line of the queue as an operator needs it."""

    finding: Finding
    waiting: timedelta
    second_look: bool  # somebody was unsure: another pair of eyes


def queue(
    uow: UnitOfWork, now: datetime, *, subject: Subject | None = None, limit: int = 1000
) -> Sequence[QueueLine]:
    """All leads that wait, in the order in which they should be judged."""
    waiting = (f for f in uow.findings.queue(limit=limit) if subject in (None, f.subject))
    return [
        QueueLine(
            finding=finding,
            waiting=now - finding.found_at,
            second_look=finding.state is FindingState.UNSURE,
        )
        for finding in in_order(waiting)
    ]


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Level first, then scenes before camera faults, then the surest, then the oldest."""
    return sorted(findings, key=_urgency)


def _urgency(finding: Finding) -> tuple[int, bool, float, datetime, str]:
    return (
        RANK[finding.level],
        finding.subject is Subject.EQUIPMENT,
        -finding.score,
        finding.found_at,
        finding.id,
    )
