"""Escalation: a silence moves a case up the ladder, rung by rung; an answer stops it. Pure.

The ladder is fixed when a case is dispatched (`policy_for`). Rung 0 is notified at once, each
further rung after the silence of the one before, which is the level's acknowledgement limit. When
the last rung has been silent as long, the case is put under supervision (督办) once. People who
left or cannot be told are skipped at once, with the reason in the history. The timer is started and
stopped by `Case.apply_event`; cases/escalator.py runs what is due.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum, auto

from patrol.domain.case import Case, CaseEvent
from patrol.domain.case_timers import CasePolicy, LadderRung
from patrol.domain.ids import GridCode, PersonId
from patrol.domain.observation import Subject
from patrol.domain.office_hours import OfficeHours
from patrol.domain.priority import OFFICE_HOURS_LEVELS, Level, limits_at, silence_of
from patrol.domain.routing import Route

ContactProblem = Callable[[PersonId], str | None]  # why a person cannot be told (contacts.py)
StandIn = Callable[[PersonId], PersonId | None]  # who acts for a person on leave, if anybody
NOBODY = PersonId("")  # a rung that uses a grid's topic although no person is named for it


class EscalationReason(StrEnum):
    """Why a case moves up its ladder, or does not."""

    ANSWERED = auto()  # an answer stopped it
    ENDED = auto()  # the case is closed or voided
    NOT_YET = auto()  # the silence is still within its limit
    SILENCE = auto()  # the next rung is notified
    NO_RUNG_LEFT = auto()  # the last one was silent too: supervision
    OUT_OF_REACH = auto()  # whoever is waited for left, or has no contact: no limit is spent


@dataclass(frozen=True, slots=True, kw_only=True)
class EscalationResult:
    """A case after one check of its ladder, with the reason; `moved` tells whether it changed."""

    case: Case
    reason: EscalationReason

    @property
    def moved(self) -> bool:
        """Whether the case changed and is to be saved."""
        return self.reason in (
            EscalationReason.SILENCE,
            EscalationReason.NO_RUNG_LEFT,
            EscalationReason.OUT_OF_REACH,
        )


def policy_for(
    level: Level, route: Route, start: datetime, office: OfficeHours | None = None
) -> CasePolicy:
    """The ladder and limits that a case of `level` on `route` is dispatched with at `start`.

    A scene is published under every grid on its way up, also where people.csv names no person: an
    application may subscribe there, but no answer is waited for. A camera fault starts with its
    maintainer; the leaders of the grid do not get it.
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
    """Every grid under whose topic the case was published so far, in that order."""
    if case.is_unannounced:
        return ()
    return tuple(dict.fromkeys(rung.grid for rung in case.policy.ladder[: case.rung + 1]))


def current_rung(case: Case) -> LadderRung:
    """The rung that the case has reached."""
    return case.policy.ladder[min(case.rung, len(case.policy.ladder) - 1)]


def escalation_reason(case: Case, now: datetime) -> EscalationReason:
    """Whether the case moves up its ladder at `now`, and why or why not."""
    if not case.is_open:
        return EscalationReason.ENDED
    if case.ladder_due_at is None:
        return EscalationReason.ANSWERED
    if now < case.ladder_due_at:
        return EscalationReason.NOT_YET
    return EscalationReason.NO_RUNG_LEFT if case.is_on_last_rung else EscalationReason.SILENCE


def escalate_if_due(case: Case, now: datetime, *, by: str = "system") -> EscalationResult:
    """One rung up if its silence has run out; otherwise the case as it was, with the reason."""
    reason = escalation_reason(case, now)
    if reason in (EscalationReason.SILENCE, EscalationReason.NO_RUNG_LEFT):
        return EscalationResult(
            case=escalate_now(case, now, by=by, note=f"no answer: {reason}"), reason=reason
        )
    return EscalationResult(case=case, reason=reason)


def _no_stand_in(_person: PersonId) -> PersonId | None:
    return None


def skip_out_of_reach(
    case: Case,
    problem_of: ContactProblem,
    now: datetime,
    *,
    by: str = "system",
    stand_in: StandIn = _no_stand_in,
) -> EscalationResult:
    """The case moved past every rung whose person cannot be told; each with its reason.

    Nothing is waited for there. Who stands in for a person on leave takes that rung, unless the
    ladder leads there anyway. Beyond the last rung the case is supervised, as after its silence.
    """
    skipped = case
    while skipped.is_open and skipped.ladder_due_at is not None:
        person = current_rung(skipped).person
        problem = problem_of(person) if person != NOBODY else None
        if problem is None:
            break
        why = f"not waiting for {person}: {problem}"
        instead = stand_in(person)
        on_ladder = {rung.person for rung in skipped.policy.ladder}
        if instead is not None and instead not in on_ladder and problem_of(instead) is None:
            skipped = _with_stand_in(skipped, instead, now, by=by, why=why)
        else:
            skipped = escalate_now(skipped, now, by=by, note=why)
    reason = EscalationReason.NOT_YET if skipped is case else EscalationReason.OUT_OF_REACH
    return EscalationResult(case=skipped, reason=reason)


def _with_stand_in(case: Case, person: PersonId, now: datetime, *, by: str, why: str) -> Case:
    """The case at the same rung, which another person has; the silence begins anew."""
    place = min(case.rung, len(case.policy.ladder) - 1)
    ladder = list(case.policy.ladder)
    ladder[place] = replace(ladder[place], person=person)
    given = replace(case, policy=replace(case.policy, ladder=tuple(ladder)))
    note = f"{why}; told {person} of grid {ladder[place].grid}"
    return given.apply_event(CaseEvent.STAND_IN, at=now, by=by, note=note)


def escalate_now(case: Case, now: datetime, *, by: str, note: str) -> Case:
    """The case one rung up at once, or supervised: a leader needs help, or cannot get there."""
    if case.is_on_last_rung:
        return case.apply_event(CaseEvent.SUPERVISE, at=now, by=by, note=note)
    raised = replace(case, rung=case.rung + 1)
    rung = current_rung(raised)
    entry_note = f"{note}; told {rung.person or 'nobody named'} of grid {rung.grid}"
    return raised.apply_event(CaseEvent.ESCALATE, at=now, by=by, note=entry_note)
