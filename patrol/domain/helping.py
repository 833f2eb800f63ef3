"""Helpers (群防群治): a case is opened to them, they go, they were there. Pure.

The leader of the case's grid, or the centre, opens a case to the helpers of the grid: volunteers,
joint-defence households, unit guards, respected villagers. They see what and where it is, never its
picture or its history; they say that they go and that they were there, which moves nothing but
stands in the history and in what the leaders are shown. A case about a camera, or one that the
leaders have not been told of, is not opened.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum, auto

from patrol.domain.case import Case, CaseEntry, CaseEvent
from patrol.domain.errors import BadInput, Failed
from patrol.domain.finding import Finding, FindingState
from patrol.domain.ids import GridCode
from patrol.domain.observation import Subject
from patrol.domain.registry import HELPER_ROLES, Person, Registry


class HelperStep(StrEnum):
    """What a helper does about a case; the values are public."""

    GOING = auto()
    THERE = auto()


EVENTS = {
    HelperStep.GOING: CaseEvent.HELPER_GOING,
    HelperStep.THERE: CaseEvent.HELPER_THERE,
}
STEPS = {event: step for step, event in EVENTS.items()}


class CannotOpen(BadInput, ValueError):
    """The case is not for helpers; the text says why."""


class NotOpenToHelpers(Failed):
    """The case is not open to helpers, or not any more."""


def open_to_helpers(case: Case, *, is_open: bool, by: str, now: datetime, note: str = "") -> Case:
    """The case opened to helpers, or closed to them; as it is where nothing changes.

    Raises CannotOpen, IllegalCaseTransition (it has ended).
    """
    if case.open_to_helpers == is_open:
        return case
    if is_open and case.subject is not Subject.SCENE:
        raise CannotOpen(f"case {case.id}: is about a camera, helpers see no such case")
    if is_open and case.is_unannounced:
        raise CannotOpen(f"case {case.id}: is not sent yet, its leader comes first")
    event = CaseEvent.OPEN_TO_HELPERS if is_open else CaseEvent.CLOSE_TO_HELPERS
    noted = case.apply_event(event, at=now, by=by, note=note.strip())
    return replace(noted, open_to_helpers=is_open)


def note_helper_step(
    case: Case, step: HelperStep, *, by: str, now: datetime, note: str = ""
) -> Case:
    """The case with the helper's step in its history; a step stands there once.

    Raises NotOpenToHelpers.
    """
    if not (case.is_open and case.open_to_helpers):
        raise NotOpenToHelpers(f"case {case.id}: is not open to helpers any more")
    if has_done(case, step, by) and not note.strip():
        return case
    return case.apply_event(EVENTS[step], at=now, by=by, note=note.strip())


def helpers_of_grid(registry: Registry, grid: GridCode) -> list[Person]:
    """Who may help with a case of the grid: its helpers and those above, the nearest first.

    Nobody who is on leave.
    """
    tree = registry.tree
    found = [
        person
        for person in registry.people.values()
        if person.role in HELPER_ROLES
        and person.id not in registry.absent
        and tree.is_within(grid, person.grid)
    ]
    return sorted(found, key=lambda one: (-sum(1 for _ in tree.path_up(one.grid)), one.id))


def has_done(case: Case, step: HelperStep, by: str) -> bool:
    """Whether this person did so since the case was opened to helpers last."""
    for entry in reversed(case.entries):
        if entry.what is CaseEvent.OPEN_TO_HELPERS:
            return False
        if entry.what is EVENTS[step] and entry.by == by:
            return True
    return False


def helper_steps(case: Case) -> Sequence[tuple[HelperStep, CaseEntry]]:
    """What helpers did since the case was opened to them last, the oldest first.

    Nothing where it is closed to them. A step that was written twice (a note came later) stands at
    its first time.
    """
    if not case.open_to_helpers:
        return []
    steps: dict[tuple[str, HelperStep], CaseEntry] = {}
    for entry in case.entries:
        if entry.what is CaseEvent.OPEN_TO_HELPERS:
            steps.clear()
        elif entry.what in STEPS:
            steps.setdefault((entry.by, STEPS[entry.what]), entry)
    return [(step, entry) for (_, step), entry in steps.items()]


class ReportOutcome(StrEnum):
    """What became of a helper's report; the values are public."""

    WAITING = auto()  # nobody has looked at it yet, or it is doubted
    UNDER_WAY = auto()  # it became a case, or counts in one
    SETTLED = auto()  # that case is closed
    NOT_FOLLOWED = auto()  # dismissed, void, or too old


@dataclass(frozen=True, slots=True, kw_only=True)
class FiledReport:
    """A helper's report with the case that it became, if any."""

    finding: Finding
    case: Case | None

    @property
    def outcome(self) -> ReportOutcome:
        """What became of it."""
        if self.finding.is_open:
            return ReportOutcome.WAITING
        if self.finding.state not in (FindingState.CONFIRMED, FindingState.MERGED):
            return ReportOutcome.NOT_FOLLOWED
        if self.case is None or self.case.is_open:
            return ReportOutcome.UNDER_WAY
        is_closed = str(self.case.state) == "closed"
        return ReportOutcome.SETTLED if is_closed else ReportOutcome.NOT_FOLLOWED
