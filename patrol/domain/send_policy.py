"""Sending: may the word about a case go out now, or does it wait, for what and until when? Pure.

Two words may wait: the first one about a new case, and a repeat that says only "counted again".
Answers, escalation and the desk's moves never do: somebody is waiting for them, or has been silent.
A policy is a list of stages of one shape, read from top to bottom; the first that has an opinion
decides. While a case's first word waits nobody has been told of it, so none of its clocks runs:
they begin with the sending. What was held for one grid is let go at one moment, as one bundle: a
telephone rings once. Nothing is dropped; every hold and every release is a line of the history.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum, auto
from typing import Final

from patrol.domain.case import Case, CaseEvent, SendHold
from patrol.domain.escalation import start_escalation
from patrol.domain.observation import Subject
from patrol.domain.priority import OFFICE_HOURS_LEVELS, limits_at
from patrol.domain.schedule import Stoppage
from patrol.domain.timestamps import rfc3339

BUSY_WINDOW: Final = timedelta(hours=1)
OPEN_ENDED_HOLD: Final = timedelta(minutes=15)  # maintenance of which nobody knows the end
SYSTEM_ACTOR: Final = "system"


class SendReason(StrEnum):
    """The reason of a verdict: in the history, in `patrol deliveries`, in the counters."""

    URGENT = auto()  # levels I and II wait for nothing
    NOTHING_AGAINST = auto()
    IN_MAINTENANCE = auto()  # a fault of a camera that somebody is working on
    GRID_BUSY = auto()  # its grid heard of enough new cases within the hour
    ANNOUNCED_RECENTLY = "told_lately"  # a repeat so soon after the last one


@dataclass(frozen=True, slots=True, kw_only=True)
class SendLimits:
    """How much a telephone is asked to ring; levels III and IV only."""

    # Two a minute for an hour are more than anybody can act on; the first round of a town has some
    # forty faults for its one maintainer. It is there for the day on which a whole town's cameras
    # go bad and somebody confirms all of it; a site that knows its people sets it lower.
    new_per_hour: int = 120  # cases per grid; 0: no limit
    repeat_every: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class SendContext:
    """What the stages need to know beside the case."""

    new_cases_at: Sequence[
        datetime
    ] = ()  # when its grid heard of new cases within WINDOW, oldest first
    maintenance: Stoppage | None = None  # the maintenance that its camera is in


@dataclass(frozen=True, slots=True)
class SendDecision:
    """Goes now, or waits until then; and why."""

    reason: SendReason
    until: datetime | None = None


SendStage = Callable[[Case, SendContext, SendLimits, datetime], SendDecision | None]


def send_urgent(
    case: Case, _context: SendContext, _limits: SendLimits, _now: datetime
) -> SendDecision | None:
    """What cannot wait is never asked anything else."""
    return None if case.level in OFFICE_HOURS_LEVELS else SendDecision(SendReason.URGENT)


def hold_during_maintenance(
    case: Case, context: SendContext, _limits: SendLimits, now: datetime
) -> SendDecision | None:
    """Whoever repairs a camera need not be told that it is broken; what it saw is told anyway."""
    if context.maintenance is None or case.subject is not Subject.EQUIPMENT:
        return None
    ends = [end for end in (context.maintenance.until, now + OPEN_ENDED_HOLD) if end is not None]
    return SendDecision(SendReason.IN_MAINTENANCE, min(ends))


def hold_while_grid_busy(
    case: Case, context: SendContext, limits: SendLimits, _now: datetime
) -> SendDecision | None:
    """Until fewer were told within the hour; who waited for that once goes with the bundle."""
    waited = case.hold is not None and case.hold.why == SendReason.GRID_BUSY
    if waited or not limits.new_per_hour or len(context.new_cases_at) < limits.new_per_hour:
        return None
    return SendDecision(
        SendReason.GRID_BUSY, context.new_cases_at[-limits.new_per_hour] + BUSY_WINDOW
    )


def hold_repeat_too_soon(
    case: Case, _context: SendContext, limits: SendLimits, now: datetime
) -> SendDecision | None:
    """A repeat keeps its distance from the repeat before it."""
    repeats = (CaseEvent.MERGE, CaseEvent.RELEASE)
    repeats_at = [entry.at for entry in case.entries[:-1] if entry.what in repeats]
    if not repeats_at or now - repeats_at[-1] >= limits.repeat_every:
        return None
    return SendDecision(SendReason.ANNOUNCED_RECENTLY, repeats_at[-1] + limits.repeat_every)


NEW_CASE_STAGES: Final[tuple[SendStage, ...]] = (
    send_urgent,
    hold_during_maintenance,
    hold_while_grid_busy,
)
REPEAT_STAGES: Final[tuple[SendStage, ...]] = (send_urgent, hold_repeat_too_soon)


def send_decision(
    stages: Sequence[SendStage], case: Case, context: SendContext, limits: SendLimits, now: datetime
) -> SendDecision:
    """The first opinion among the stages."""
    decisions = (stage(case, context, limits, now) for stage in stages)
    return next(
        (decision for decision in decisions if decision is not None),
        SendDecision(SendReason.NOTHING_AGAINST),
    )


def hold_or_send_new(case: Case, context: SendContext, limits: SendLimits, now: datetime) -> Case:
    """The new case as it was if it goes; else held, no clock running."""
    decision = send_decision(NEW_CASE_STAGES, case, context, limits, now)
    return case if decision.until is None else _with_hold(case, decision, now, first=True)


def hold_or_send_repeat(case: Case, limits: SendLimits, now: datetime) -> Case:
    """A case into which something was counted: to be told anew (the next revision), or held."""
    if case.hold is not None:
        return case  # it goes with the word that waits
    decision = send_decision(REPEAT_STAGES, case, SendContext(), limits, now)
    if decision.until is None:
        return replace(case, revision=case.revision + 1)
    return _with_hold(case, decision, now, first=False)


def release_if_due(case: Case, context: SendContext, limits: SendLimits, now: datetime) -> Case:
    """A held case whose time has come: released, or held on for another reason."""
    hold = case.hold
    if hold is None or now < hold.until:
        return case
    if not hold.first:
        return _released_repeat(case, hold, now)
    decision = send_decision(NEW_CASE_STAGES, case, context, limits, now)
    return (
        _released_new(case, hold, now)
        if decision.until is None
        else _with_hold(case, decision, now, first=True)
    )


def _with_hold(case: Case, decision: SendDecision, now: datetime, *, first: bool) -> Case:
    until = decision.until or now
    hold = SendHold(
        since=case.hold.since if case.hold else now,
        why=decision.reason,
        until=until,
        revision=case.revision,
        first=first,
    )
    if case.hold is None or case.hold.why != decision.reason:  # the same reason is written once
        note = f"{decision.reason}: until {rfc3339(until)}"
        case = case.apply_event(CaseEvent.HOLD, at=now, by=SYSTEM_ACTOR, note=note)
    if not first:
        return replace(case, hold=hold)
    # Dispatched then at the earliest: so read lamp, limits and figures, and nobody is called late.
    return replace(case, hold=hold, dispatched_at=until, ladder_due_at=None)


def _released_new(case: Case, hold: SendHold, now: datetime) -> Case:
    """Its limits and its ladder count from here."""
    policy = replace(case.policy, limits=limits_at(case.level, case.policy.office, now))
    moved = case.apply_event(
        CaseEvent.RELEASE, at=now, by=SYSTEM_ACTOR, note=_waited_note(hold, now)
    )
    return start_escalation(replace(moved, hold=None, dispatched_at=now, policy=policy), now)


def _released_repeat(case: Case, hold: SendHold, now: datetime) -> Case:
    already_announced = case.revision > hold.revision
    note = _waited_note(hold, now) + ("; it went with other news" if already_announced else "")
    moved = case.apply_event(CaseEvent.RELEASE, at=now, by=SYSTEM_ACTOR, note=note)
    return replace(moved, hold=None, revision=case.revision + (not already_announced))


def _waited_note(hold: SendHold, now: datetime) -> str:
    return f"{hold.why}: waited {(now - hold.since).total_seconds() / 60:.0f} min"
