"""Verification (核查) by a person: which handled cases wait for it, since when, until when. Pure.

After "handled" the camera is visited again (rounds/recheck.py). Where the site lets the machine
decide (`verification: machine`), that closes the case or sends it back; where a person decides, the
pictures before and after are shown and the case waits. It also waits where no recheck succeeded,
and where the machine saw nothing in the first place (the blind sample). The limit runs from the
recheck, in counted time of the case's level.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum, auto
from typing import Final

from patrol.domain.case import Case, CaseEvent, CaseState
from patrol.domain.ids import CaseId, PictureId
from patrol.domain.priority import YELLOW_FROM, DueLight, Level

RECHECK_EVENTS: Final = (CaseEvent.LOOKED, CaseEvent.LOOK_FAILED, CaseEvent.FEED_BACK)
# A person watches the screen in office hours.
VERIFICATION_LIMITS: Final = {
    Level.URGENT: timedelta(minutes=15),
    Level.PRESSING: timedelta(hours=1),
    Level.ORDINARY: timedelta(hours=4),
    Level.NOTE: timedelta(hours=8),
}


# How the note of a recheck begins that leaves the decision to a person (rounds/recheck.py).
MACHINE_STILL_SEES: Final = "机器仍检出"
MACHINE_SEES_NO_MORE: Final = "机器未再检出"


class MachineOpinion(StrEnum):
    """What the machine says of a case that waits for a person's verification."""

    GONE = auto()  # it sees the problem no more
    STILL_THERE = auto()
    NOTHING = auto()  # no recheck, or one that proves nothing


class Verifier(StrEnum):
    """Who decides whether a handled case is done: site.yaml's `verification`."""

    MACHINE = auto()
    OPERATOR = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingVerification:
    """A handled case that waits for a person's decision."""

    case: CaseId
    level: Level
    since: datetime
    due: datetime
    due_light: DueLight
    before: PictureId | None
    after: PictureId | None  # None: no recheck gave a new picture
    machine: str  # what the recheck showed, as text
    opinion: MachineOpinion


def awaits_person(case: Case) -> bool:
    """Whether a person has to decide if it is done: fed back, and no recheck is planned."""
    return (
        case.state is CaseState.FED_BACK and case.recheck_due_at is None and case.suspension is None
    )


def pending_verifications(cases: Iterable[Case], now: datetime) -> list[PendingVerification]:
    """The cases that wait for a person, the most pressing first."""
    waiting = [_pending_verification(case, now) for case in cases if awaits_person(case)]
    order = {DueLight.RED: 0, DueLight.YELLOW: 1, DueLight.GREEN: 2}
    return sorted(waiting, key=lambda one: (order[one.due_light], one.level, one.due, one.case))


def _pending_verification(case: Case, now: datetime) -> PendingVerification:
    rechecks = [entry for entry in case.entries if entry.what in RECHECK_EVENTS]
    since = rechecks[-1].at if rechecks else case.dispatched_at
    within = VERIFICATION_LIMITS[case.level]
    due = case.policy.after(since, within)
    used = case.policy.between(since, now)
    light = (
        DueLight.RED
        if now > due
        else DueLight.YELLOW
        if used >= within * YELLOW_FROM
        else DueLight.GREEN
    )
    return PendingVerification(
        case=case.id,
        level=case.level,
        since=since,
        due=due,
        due_light=light,
        before=case.before,
        after=case.after,
        machine=rechecks[-1].note if rechecks else "",
        opinion=machine_opinion(case),
    )


def machine_opinion(case: Case) -> MachineOpinion:
    """What the newest recheck since the last feedback says; a failed one says nothing."""
    last = next((e for e in reversed(case.entries) if e.what in RECHECK_EVENTS), None)
    if last is None or last.what is not CaseEvent.LOOKED:
        return MachineOpinion.NOTHING
    if last.note.startswith(MACHINE_STILL_SEES):
        return MachineOpinion.STILL_THERE
    gone = last.note.startswith(MACHINE_SEES_NO_MORE)
    return MachineOpinion.GONE if gone else MachineOpinion.NOTHING
