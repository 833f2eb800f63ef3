"""Verification (核查) that waits for a person: since when, until when, with which light. Pure.

After "handled" the camera is looked through again. Where the site lets the machine decide
(`verification: machine`), that ends the case or sends it back; where a person decides, before and
after stand side by side and the case waits. It also waits where nobody could look, and where the
machine cannot tell: a case that came from a person's own eye, on which it saw nothing before.
The clock runs from the look, in the time that counts for the case's level.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum, auto
from typing import Final

from patrol.domain.case import Case, CaseEvent, CaseState
from patrol.domain.ids import CaseId, Sha256
from patrol.domain.levels import YELLOW_FROM, Lamp, Level

LOOKS: Final = (CaseEvent.LOOKED, CaseEvent.LOOK_FAILED, CaseEvent.FEED_BACK)
WITHIN: Final = {  # defaults of the house; a person sits beside the screen in office hours
    Level.URGENT: timedelta(minutes=15),
    Level.PRESSING: timedelta(hours=1),
    Level.ORDINARY: timedelta(hours=4),
    Level.NOTE: timedelta(hours=8),
}


class Verifier(StrEnum):
    """Who decides whether a handled case is done (site.yaml, `verification`)."""

    MACHINE = auto()
    OPERATOR = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Awaited:
    """A case whose verdict waits for a person."""

    case: CaseId
    level: Level
    since: datetime
    due: datetime
    lamp: Lamp
    before: Sha256 | None
    after: Sha256 | None  # None: nobody could look
    machine: str  # what the look showed, in words


def awaits_verdict(case: Case) -> bool:
    """Whether a person has to say if it is done: fed back, and no look is planned any more."""
    return case.state is CaseState.FED_BACK and case.look_due_at is None and case.suspension is None


def awaited(cases: Iterable[Case], now: datetime) -> list[Awaited]:
    """Those that wait, the most pressing first."""
    waiting = [_of(case, now) for case in cases if awaits_verdict(case)]
    order = {Lamp.RED: 0, Lamp.YELLOW: 1, Lamp.GREEN: 2}
    return sorted(waiting, key=lambda one: (order[one.lamp], one.level, one.due, one.case))


def _of(case: Case, now: datetime) -> Awaited:
    looks = [entry for entry in case.entries if entry.what in LOOKS]
    since = looks[-1].at if looks else case.dispatched_at
    within = WITHIN[case.level]
    due = case.policy.after(since, within)
    used = case.policy.between(since, now)
    lamp = Lamp.RED if now > due else Lamp.YELLOW if used >= within * YELLOW_FROM else Lamp.GREEN
    return Awaited(
        case=case.id,
        level=case.level,
        since=since,
        due=due,
        lamp=lamp,
        before=case.before,
        after=case.after,
        machine=looks[-1].note if looks else "",
    )
