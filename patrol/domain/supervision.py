"""Supervision (督办), urging (催办) and the overdue list (超时清单). Pure.

A duty lead or the town puts a case under supervision with a reason and a clock of its own; the
person whose move it is learns it at once. Urging tells the same people again and sets no clock. A
case is on the overdue list while it is open and the limit of its next step, or of its supervision,
has passed.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum, auto
from typing import Final

from patrol.domain.broadcast import Broadcast
from patrol.domain.case import Case, CaseEvent, CaseState
from patrol.domain.case_timers import Supervision
from patrol.domain.errors import BadInput
from patrol.domain.escalation import current_rung
from patrol.domain.ids import GridCode, PersonId
from patrol.domain.priority import DueLight
from patrol.domain.timestamps import rfc3339

MAX_SUPERVISION: Final = timedelta(days=30)
URGE_AGAIN_AFTER: Final = timedelta(minutes=10)  # sooner it would only be noise on a telephone


class OverdueStep(StrEnum):
    """Which limit has passed; the values are public."""

    ACKNOWLEDGE = auto()
    ARRIVE = auto()
    FEEDBACK = auto()
    CLOSE = auto()
    SUPERVISION = auto()


class CannotSupervise(BadInput, ValueError):
    """No reason, or a clock that is none; the text names the field."""


_STEPS: Final = {
    CaseState.DISPATCHED: OverdueStep.ACKNOWLEDGE,
    CaseState.REWORK: OverdueStep.ACKNOWLEDGE,
    CaseState.ACKNOWLEDGED: OverdueStep.ARRIVE,
    CaseState.ARRIVED: OverdueStep.FEEDBACK,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingApproval:
    """A request of a case, or a broadcast about one, that waits for another person."""

    case: Case
    broadcast: Broadcast | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OverdueCase:
    """One line of the overdue list."""

    case: Case
    step: OverdueStep
    since: datetime  # when the limit passed
    person: PersonId  # of the rung that it has reached; empty: nobody named
    grid: GridCode


def supervise(case: Case, *, by: str, now: datetime, why: str, span: timedelta) -> Case:
    """The case under supervision until `span` from now; a later one replaces an earlier one.

    Raises CannotSupervise, IllegalCaseTransition.
    """
    if not why.strip():
        raise CannotSupervise("why: is empty, say why it is supervised")
    if not timedelta() < span <= MAX_SUPERVISION:
        raise CannotSupervise(f"hours: more than 0 and at most {MAX_SUPERVISION.days} days")
    clock = Supervision(by=by, at=now, why=why.strip(), due_at=now + span)
    note = f"{why.strip()}; until {rfc3339(clock.due_at)}"
    moved = case.apply_event(CaseEvent.SUPERVISE, at=now, by=by, note=note)
    return replace(moved, supervision=clock)


def urge(case: Case, *, by: str, now: datetime, why: str) -> Case:
    """The case with a reminder to the person whose move it is. Raises CannotSupervise."""
    if not why.strip():
        raise CannotSupervise("why: is empty, say what is urged")
    if case.is_unannounced:
        raise CannotSupervise(f"case {case.id}: nobody was told of it yet, it is held")
    last = next((e.at for e in reversed(case.entries) if e.what is CaseEvent.URGE), None)
    if last is not None and now - last < URGE_AGAIN_AFTER:
        minutes = URGE_AGAIN_AFTER // timedelta(minutes=1)
        raise CannotSupervise(f"case {case.id}: was urged within the last {minutes} minutes")
    return case.apply_event(CaseEvent.URGE, at=now, by=by, note=why.strip())


def overdue_cases(cases: Iterable[Case], now: datetime) -> list[OverdueCase]:
    """The open cases whose limit has passed, the most urgent and longest overdue first.

    A suspended case is not overdue, nor is one that nobody was told of.
    """
    found = [line for line in (_overdue(case, now) for case in cases) if line is not None]
    return sorted(found, key=lambda line: (line.case.level, line.since, line.case.id))


def _overdue(case: Case, now: datetime) -> OverdueCase | None:
    if not case.is_open or case.suspension is not None or case.is_unannounced:
        return None
    limits = []
    if case.due_light(now) is DueLight.RED:
        limits.append((case.due_at, _STEPS.get(case.state, OverdueStep.CLOSE)))
    if case.supervision is not None and now > case.supervision.due_at:
        limits.append((case.supervision.due_at, OverdueStep.SUPERVISION))
    if not limits:
        return None
    since, step = min(limits)
    rung = current_rung(case)
    return OverdueCase(case=case, step=step, since=since, person=rung.person, grid=rung.grid)
