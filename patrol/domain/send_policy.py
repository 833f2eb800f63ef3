"""Send policy: whether a case's message is sent now or held, for which reason and until when. Pure.

Two kinds of message may wait: the first one of a new case, and a repeat ("counted again"). Replies,
escalation and operator actions never do. A policy is a tuple of stages of one shape, read from top
to bottom; the first that decides wins. While a case's first message is held none of its timers
runs: they begin with the sending. What was held for one busy grid is released at one moment, so
that a telephone rings once. Nothing is dropped; every hold and release is an entry of the history.
cases/save_and_send.py reads the facts from the store and applies the policy.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum, auto
from typing import Final

from patrol.domain.case import Case, CaseEvent
from patrol.domain.case_timers import SendHold
from patrol.domain.observation import Subject
from patrol.domain.priority import OFFICE_HOURS_LEVELS, limits_at
from patrol.domain.schedule import Stoppage
from patrol.domain.timestamps import rfc3339

BUSY_WINDOW: Final = timedelta(hours=1)
OPEN_ENDED_HOLD: Final = timedelta(minutes=15)  # maintenance of which nobody knows the end
SYSTEM_ACTOR: Final = "system"


class SendReason(StrEnum):
    """Reason of a decision, as it stands in the history, `patrol deliveries` and the counters."""

    URGENT = auto()  # levels I and II wait for nothing
    NOTHING_AGAINST = auto()
    IN_MAINTENANCE = auto()  # a fault of a camera that is in maintenance
    GRID_BUSY = auto()  # its grid received enough new cases within the hour
    ANNOUNCED_RECENTLY = "told_lately"  # a repeat so soon after the last one


@dataclass(frozen=True, slots=True, kw_only=True)
class SendLimits:
    """How many messages a telephone receives; for levels III and IV only."""

    # Two a minute for an hour are more than one person can act on; the first round of a town has
    # some forty faults for its one maintainer. The limit is for the day on which all cameras of a
    # town fail and all of it is confirmed; a site that knows its people sets it lower.
    new_per_hour: int = 120  # cases per grid; 0: no limit
    repeat_every: timedelta = timedelta(minutes=10)  # 0: no limit


NO_LIMITS: Final = SendLimits(new_per_hour=0, repeat_every=timedelta())  # nothing waits


@dataclass(frozen=True, slots=True, kw_only=True)
class SendContext:
    """Facts that the stages need beside the case, read by cases/save_and_send.py."""

    new_cases_at: Sequence[datetime] = ()  # sent to its grid within BUSY_WINDOW, oldest first
    maintenance: Stoppage | None = None  # of its camera, at present


@dataclass(frozen=True, slots=True)
class SendDecision:
    """Send now (no `until`) or hold until then, with the reason."""

    reason: SendReason
    until: datetime | None = None


SendStage = Callable[[Case, SendContext, SendLimits, datetime], SendDecision | None]


def send_urgent(
    case: Case, _context: SendContext, _limits: SendLimits, _now: datetime
) -> SendDecision | None:
    """Levels I and II are sent at once."""
    return None if case.level in OFFICE_HOURS_LEVELS else SendDecision(SendReason.URGENT)


def hold_during_maintenance(
    case: Case, context: SendContext, _limits: SendLimits, now: datetime
) -> SendDecision | None:
    """A camera's own fault waits while the camera is in maintenance; what it saw does not."""
    if context.maintenance is None or case.subject is not Subject.EQUIPMENT:
        return None
    ends = [end for end in (context.maintenance.until, now + OPEN_ENDED_HOLD) if end is not None]
    return SendDecision(SendReason.IN_MAINTENANCE, min(ends))


def hold_while_grid_busy(
    case: Case, context: SendContext, limits: SendLimits, _now: datetime
) -> SendDecision | None:
    """Wait until fewer cases were sent within the hour; one that has waited for that is sent."""
    waited = case.hold is not None and case.hold.why == SendReason.GRID_BUSY
    if waited or not limits.new_per_hour or len(context.new_cases_at) < limits.new_per_hour:
        return None
    return SendDecision(
        SendReason.GRID_BUSY, context.new_cases_at[-limits.new_per_hour] + BUSY_WINDOW
    )


def hold_repeat_too_soon(
    case: Case, _context: SendContext, limits: SendLimits, now: datetime
) -> SendDecision | None:
    """A repeat waits until `repeat_every` has passed since the repeat before it."""
    repeats = (CaseEvent.MERGE, CaseEvent.RELEASE)
    repeats_at = [entry.at for entry in case.entries if entry.what in repeats]
    if not limits.repeat_every or not repeats_at or now - repeats_at[-1] >= limits.repeat_every:
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
    """The decision of the first stage that has one; without any, send."""
    decisions = (stage(case, context, limits, now) for stage in stages)
    return next(
        (decision for decision in decisions if decision is not None),
        SendDecision(SendReason.NOTHING_AGAINST),
    )


def hold_or_send_new(case: Case, context: SendContext, limits: SendLimits, now: datetime) -> Case:
    """The new case unchanged if it is sent; else held, no timer running."""
    decision = send_decision(NEW_CASE_STAGES, case, context, limits, now)
    return case if decision.until is None else _held_new(case, decision, now)


def merge_repeat(case: Case, limits: SendLimits, *, by: str, now: datetime, note: str) -> Case:
    """The case after MERGE of one more finding: announced again, or held.

    Raises IllegalCaseTransition.
    """
    counted = replace(case, count=case.count + 1)
    decision = send_decision(REPEAT_STAGES, case, SendContext(), limits, now)
    if case.hold is not None or decision.until is None:  # a hold: announced with what waits
        return counted.apply_event(CaseEvent.MERGE, at=now, by=by, note=note)
    held = replace(counted, hold=_new_hold(case, decision, now, first=False))
    merged = held.apply_event(CaseEvent.MERGE, at=now, by=by, note=note)
    return _with_hold_entry(merged, decision, now)


def release_if_due(case: Case, context: SendContext, limits: SendLimits, now: datetime) -> Case:
    """The case released if its hold has run out, or held on for another reason."""
    hold = case.hold
    if hold is None or now < hold.until:
        return case
    if not hold.first:
        return _released_repeat(case, hold, now)
    decision = send_decision(NEW_CASE_STAGES, case, context, limits, now)
    return (
        _released_new(case, hold, now) if decision.until is None else _held_new(case, decision, now)
    )


def _held_new(case: Case, decision: SendDecision, now: datetime) -> Case:
    """Counted as dispatched at its sending at the earliest: limits and due light start there."""
    hold = _new_hold(case, decision, now, first=True)
    is_same_reason = case.hold is not None and case.hold.why == decision.reason
    held = replace(case, hold=hold, dispatched_at=hold.until)
    return held if is_same_reason else _with_hold_entry(held, decision, now)  # noted once


def _new_hold(case: Case, decision: SendDecision, now: datetime, *, first: bool) -> SendHold:
    return SendHold(
        since=case.hold.since if case.hold else now,
        why=decision.reason,
        until=decision.until or now,
        revision=case.revision,
        first=first,
    )


def _with_hold_entry(case: Case, decision: SendDecision, now: datetime) -> Case:
    note = f"{decision.reason}: until {rfc3339(decision.until or now)}"
    return case.apply_event(CaseEvent.HOLD, at=now, by=SYSTEM_ACTOR, note=note)


def _released_new(case: Case, hold: SendHold, now: datetime) -> Case:
    """Its limits and its escalation count from here."""
    policy = replace(case.policy, limits=limits_at(case.level, case.policy.office, now))
    begun = replace(case, dispatched_at=now, policy=policy)
    note = _waited_note(hold, now)
    return begun.apply_event(CaseEvent.RELEASE, at=now, by=SYSTEM_ACTOR, note=note)


def _released_repeat(case: Case, hold: SendHold, now: datetime) -> Case:
    already_announced = case.revision > hold.revision
    note = _waited_note(hold, now) + ("; it went with other news" if already_announced else "")
    return case.apply_event(CaseEvent.RELEASE, at=now, by=SYSTEM_ACTOR, note=note)


def _waited_note(hold: SendHold, now: datetime) -> str:
    return f"{hold.why}: waited {(now - hold.since).total_seconds() / 60:.0f} min"
