"""Escalation: a silence moves a case up the ladder; an answer stops it. Pure.

The policy is fixed when a case is dispatched. Rung 0 hears at once; each further rung hears after
the silence of the one before, which is the level's acknowledgement limit. When the last rung has
been silent as long, the case is put under supervision (督办) once and stays visible.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum, auto

from patrol.domain.case import Case, CaseEvent, CasePolicy, LadderRung
from patrol.domain.ids import GridCode, PersonId
from patrol.domain.observation import Subject
from patrol.domain.office_hours import OfficeHours
from patrol.domain.priority import OFFICE_HOURS_LEVELS, Level, limits_at, silence_of
from patrol.domain.routing import Route

NOBODY = PersonId("")  # a rung that tells a grid's topic although no person is named for it


class EscalationReason(StrEnum):
    """What the ladder does next, and for which reason."""

    ANSWERED = auto()  # an answer stopped it
    ENDED = auto()  # the case is closed or voided
    NOT_YET = auto()  # the silence is still within its limit
    SILENCE = auto()  # the next rung is told
    NO_RUNG_LEFT = auto()  # the last one was silent too: supervision


@dataclass(frozen=True, slots=True, kw_only=True)
class EscalationResult:
    """A case after one step of its ladder, with the reason; `moved` says whether there was one."""

    case: Case
    reason: EscalationReason

    @property
    def moved(self) -> bool:
        """Whether the case changed and must be told again."""
        return self.reason in (EscalationReason.SILENCE, EscalationReason.NO_RUNG_LEFT)


def policy_for(
    level: Level, route: Route, start: datetime, office: OfficeHours | None = None
) -> CasePolicy:
    """The ladder and clocks that a case of `level` on `route` is dispatched with at `start`.

    A scene is told under every grid on its way up, also where people.csv names nobody: somebody may
    listen there, but nobody is waited for. A camera fault starts with its maintainer: the people
    who answer for the yards of the grid do not see it.
    """
    people = [(stop.grid, stop.person.id) for stop in route.recipients]
    if route.subject is Subject.SCENE or not people:
        people = _people_and_empty_grids(route)
    silence = silence_of(level, office)
    waited_for = [NOBODY, *(person for _, person in people)]
    return CasePolicy(
        limits=limits_at(level, office, start),
        ladder=tuple(
            LadderRung(
                grid=grid,
                person=person,
                after_s=0.0 if previous == NOBODY else silence.total_seconds(),
            )
            for (grid, person), previous in zip(people, waited_for, strict=False)
        ),
        office=office.around(start) if office and level in OFFICE_HOURS_LEVELS else None,
        silence=silence,
    )


def _people_and_empty_grids(route: Route) -> list[tuple[GridCode, PersonId]]:
    people: list[tuple[GridCode, PersonId]] = []
    for grid in route.path:
        here = [(grid, stop.person.id) for stop in route.recipients if stop.grid == grid]
        people.extend(here or [(grid, NOBODY)])
    return people


def announced_grids(case: Case) -> tuple[GridCode, ...]:
    """Every grid under whose topic the case was published so far, first told first."""
    if case.is_unannounced:
        return ()
    return tuple(dict.fromkeys(rung.grid for rung in case.policy.ladder[: case.rung + 1]))


def current_rung(case: Case) -> LadderRung:
    """The rung that the case has reached."""
    return case.policy.ladder[min(case.rung, len(case.policy.ladder) - 1)]


def is_last_rung(case: Case) -> bool:
    """Whether nobody is left to be told."""
    return case.rung + 1 >= len(case.policy.ladder)


def start_escalation(case: Case, now: datetime) -> Case:
    """Start the silence of the present rung: at dispatch, after a step, and for a rework."""
    if is_last_rung(case):
        silence = case.policy.silence or case.policy.limits.acknowledge
    else:
        silence = timedelta(seconds=case.policy.ladder[case.rung + 1].after_s)
    if case.suspension:  # it starts when the suspension ends
        suspension = replace(case.suspension, ladder_left_s=silence.total_seconds())
        return replace(case, suspension=suspension)
    return replace(case, ladder_due_at=case.policy.after(now, silence))


def stop_escalation(case: Case) -> Case:
    """Somebody answered, whenever that came."""
    suspension = case.suspension and replace(case.suspension, ladder_left_s=None)
    return replace(case, ladder_due_at=None, suspension=suspension)


def escalation_reason(case: Case, now: datetime) -> EscalationReason:
    """What the ladder would do with this case at `now`."""
    if not case.is_open:
        return EscalationReason.ENDED
    if case.ladder_due_at is None:
        return EscalationReason.ANSWERED
    if now < case.ladder_due_at:
        return EscalationReason.NOT_YET
    return EscalationReason.NO_RUNG_LEFT if is_last_rung(case) else EscalationReason.SILENCE


def escalate_if_due(case: Case, now: datetime, *, by: str = "system") -> EscalationResult:
    """One step up if its time has come; otherwise the case as it was, with the reason."""
    reason = escalation_reason(case, now)
    if reason in (EscalationReason.SILENCE, EscalationReason.NO_RUNG_LEFT):
        return EscalationResult(
            case=_escalate(case, now, by=by, note=f"no answer: {reason}"), reason=reason
        )
    return EscalationResult(case=case, reason=reason)


def escalate_now(case: Case, now: datetime, *, by: str, note: str) -> Case:
    """Go up at once: somebody on the ground asked for help, or cannot get there."""
    return _escalate(case, now, by=by, note=note)


def _escalate(case: Case, now: datetime, *, by: str, note: str) -> Case:
    if is_last_rung(case):
        supervised = case.apply_event(CaseEvent.SUPERVISE, at=now, by=by, note=note)
        return stop_escalation(replace(supervised, revision=case.revision + 1))
    raised = replace(case, rung=case.rung + 1, revision=case.revision + 1)
    rung = current_rung(raised)
    entry_note = f"{note}; told {rung.person or 'nobody named'} of grid {rung.grid}"
    return start_escalation(
        raised.apply_event(CaseEvent.ESCALATE, at=now, by=by, note=entry_note), now
    )
