"""Escalation: a silence moves a case up the ladder; an answer stops it. Pure.

The policy is fixed when a case is dispatched. Rung 0 hears at once; each further rung hears after
the silence of the one before, which is the level's acknowledgement limit. When the last rung has
been silent as long, the case is put under supervision (督办) once and stays visible.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum, auto

from patrol.domain.case import Case, CaseEvent, LadderStep, Policy
from patrol.domain.ids import GridCode, PersonId
from patrol.domain.levels import IN_OFFICE_HOURS, Level, clocks_at, silence_of
from patrol.domain.observation import Subject
from patrol.domain.routing import Route
from patrol.domain.working_time import OfficeHours

NOBODY = PersonId("")  # a rung that tells a grid's topic although no person is named for it


class Why(StrEnum):
    """What the ladder does next, and for which reason."""

    ANSWERED = auto()  # an answer stopped it
    ENDED = auto()  # the case is closed or voided
    NOT_YET = auto()  # the silence is still within its limit
    SILENCE = auto()  # the next rung is told
    NO_RUNG_LEFT = auto()  # the last one was silent too: supervision


@dataclass(frozen=True, slots=True, kw_only=True)
class Climb:
    """A case after one step of its ladder, with the reason; `moved` says whether there was one."""

    case: Case
    why: Why

    @property
    def moved(self) -> bool:
        """Whether the case changed and must be told again."""
        return self.why in (Why.SILENCE, Why.NO_RUNG_LEFT)


def policy_for(
    level: Level, route: Route, start: datetime, office: OfficeHours | None = None
) -> Policy:
    """The ladder and clocks that a case of `level` on `route` is dispatched with at `start`.

    A scene is told under every grid on its way up, also where people.csv names nobody: somebody may
    listen there, but nobody is waited for. A camera fault starts with its maintainer: the people
    who answer for the yards of the grid do not see it.
    """
    people = [(stop.grid, stop.person.id) for stop in route.stops]
    if route.subject is Subject.SCENE or not people:
        people = _with_unanswered_grids(route)
    silence = silence_of(level, office)
    before = [NOBODY, *(person for _, person in people)]
    return Policy(
        clocks=clocks_at(level, office, start),
        ladder=tuple(
            LadderStep(
                grid=grid,
                person=person,
                after_s=0.0 if told == NOBODY else silence.total_seconds(),
            )
            for (grid, person), told in zip(people, before, strict=False)
        ),
        office=office.around(start) if office and level in IN_OFFICE_HOURS else None,
        silence=silence,
    )


def _with_unanswered_grids(route: Route) -> list[tuple[GridCode, PersonId]]:
    people: list[tuple[GridCode, PersonId]] = []
    for grid in route.path:
        here = [(grid, stop.person.id) for stop in route.stops if stop.grid == grid]
        people.extend(here or [(grid, NOBODY)])
    return people


def grids_told(case: Case) -> tuple[GridCode, ...]:
    """Every grid under whose topic the case was published so far, first told first."""
    if case.is_untold:
        return ()
    return tuple(dict.fromkeys(step.grid for step in case.policy.ladder[: case.rung + 1]))


def step_now(case: Case) -> LadderStep:
    """The rung that the case has reached."""
    return case.policy.ladder[min(case.rung, len(case.policy.ladder) - 1)]


def is_last_rung(case: Case) -> bool:
    """Whether nobody is left to be told."""
    return case.rung + 1 >= len(case.policy.ladder)


def start_ladder(case: Case, now: datetime) -> Case:
    """Start the silence of the present rung: at dispatch, after a step, and for a rework."""
    if is_last_rung(case):
        silence = case.policy.silence or case.policy.clocks.acknowledge
    else:
        silence = timedelta(seconds=case.policy.ladder[case.rung + 1].after_s)
    if case.suspension:  # it starts when the suspension ends
        left = replace(case.suspension, ladder_left_s=silence.total_seconds())
        return replace(case, suspension=left)
    return replace(case, ladder_due_at=case.policy.after(now, silence))


def stop_ladder(case: Case) -> Case:
    """Somebody answered, whenever that came."""
    rest = case.suspension and replace(case.suspension, ladder_left_s=None)
    return replace(case, ladder_due_at=None, suspension=rest)


def why_climb(case: Case, now: datetime) -> Why:
    """What the ladder would do with this case at `now`."""
    if not case.is_open:
        return Why.ENDED
    if case.ladder_due_at is None:
        return Why.ANSWERED
    if now < case.ladder_due_at:
        return Why.NOT_YET
    return Why.NO_RUNG_LEFT if is_last_rung(case) else Why.SILENCE


def climb(case: Case, now: datetime, *, by: str = "system") -> Climb:
    """One step up if its time has come; otherwise the case as it was, with the reason."""
    why = why_climb(case, now)
    if why in (Why.SILENCE, Why.NO_RUNG_LEFT):
        return Climb(case=_up(case, now, by=by, note=f"no answer: {why}"), why=why)
    return Climb(case=case, why=why)


def call_next(case: Case, now: datetime, *, by: str, note: str) -> Case:
    """Go up at once: somebody on the ground asked for help, or cannot get there."""
    return _up(case, now, by=by, note=note)


def _up(case: Case, now: datetime, *, by: str, note: str) -> Case:
    if is_last_rung(case):
        supervised = case.move(CaseEvent.SUPERVISE, at=now, by=by, note=note)
        return stop_ladder(replace(supervised, revision=case.revision + 1))
    raised = replace(case, rung=case.rung + 1, revision=case.revision + 1)
    step = step_now(raised)
    words = f"{note}; told {step.person or 'nobody named'} of grid {step.grid}"
    return start_ladder(raised.move(CaseEvent.ESCALATE, at=now, by=by, note=words), now)
