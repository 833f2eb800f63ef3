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

from patrol.domain.case import Case, CaseEvent, Hold
from patrol.domain.escalation import start_ladder
from patrol.domain.levels import IN_OFFICE_HOURS, clocks_at
from patrol.domain.observation import Subject
from patrol.domain.stoppage import Stoppage

WINDOW: Final = timedelta(hours=1)
LOOKED_AT_AGAIN: Final = timedelta(minutes=15)  # maintenance of which nobody knows the end
MACHINE: Final = "system"


class Why(StrEnum):
    """The reason of a verdict: in the history, in `patrol deliveries`, in the counters."""

    URGENT = auto()  # levels I and II wait for nothing
    NOTHING_AGAINST = auto()
    IN_MAINTENANCE = auto()  # a fault of a camera that somebody is working on
    GRID_BUSY = auto()  # its grid heard of enough new cases within the hour
    TOLD_LATELY = auto()  # a repeat so soon after the last one


@dataclass(frozen=True, slots=True, kw_only=True)
class SendLimits:
    """How much a telephone is asked to ring; levels III and IV only."""

    # Two a minute for an hour are more than anybody can act on; the first round of a town has some
    # forty faults for its one maintainer. It is there for the day on which a whole town's cameras
    # go bad and somebody confirms all of it; a site that knows its people sets it lower.
    new_per_hour: int = 120  # cases per grid; 0: no limit
    repeat_every: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the stages need to know beside the case."""

    told: Sequence[datetime] = ()  # when its grid heard of new cases within WINDOW, oldest first
    upkeep: Stoppage | None = None  # the maintenance that its camera is in


@dataclass(frozen=True, slots=True)
class Verdict:
    """Goes now, or waits until then; and why."""

    why: Why
    until: datetime | None = None


Stage = Callable[[Case, Facts, SendLimits, datetime], Verdict | None]


def urgent_goes(case: Case, _facts: Facts, _limits: SendLimits, _now: datetime) -> Verdict | None:
    """What cannot wait is never asked anything else."""
    return None if case.level in IN_OFFICE_HOURS else Verdict(Why.URGENT)


def maintenance_first(
    case: Case, facts: Facts, _limits: SendLimits, now: datetime
) -> Verdict | None:
    """Whoever repairs a camera need not be told that it is broken; what it saw is told anyway."""
    if facts.upkeep is None or case.subject is not Subject.EQUIPMENT:
        return None
    ends = [end for end in (facts.upkeep.until, now + LOOKED_AT_AGAIN) if end is not None]
    return Verdict(Why.IN_MAINTENANCE, min(ends))


def grid_is_busy(case: Case, facts: Facts, limits: SendLimits, _now: datetime) -> Verdict | None:
    """Until fewer were told within the hour; who waited for that once goes with the bundle."""
    waited = case.hold is not None and case.hold.why == Why.GRID_BUSY
    if waited or not limits.new_per_hour or len(facts.told) < limits.new_per_hour:
        return None
    return Verdict(Why.GRID_BUSY, facts.told[-limits.new_per_hour] + WINDOW)


def told_lately(case: Case, _facts: Facts, limits: SendLimits, now: datetime) -> Verdict | None:
    """A repeat keeps its distance from the repeat before it."""
    repeats = (CaseEvent.MERGE, CaseEvent.RELEASE)
    before = [entry.at for entry in case.entries[:-1] if entry.what in repeats]
    if not before or now - before[-1] >= limits.repeat_every:
        return None
    return Verdict(Why.TOLD_LATELY, before[-1] + limits.repeat_every)


FIRST_WORD: Final[tuple[Stage, ...]] = (urgent_goes, maintenance_first, grid_is_busy)
REPEAT: Final[tuple[Stage, ...]] = (urgent_goes, told_lately)


def verdict_of(
    stages: Sequence[Stage], case: Case, facts: Facts, limits: SendLimits, now: datetime
) -> Verdict:
    """The first opinion among the stages."""
    opinions = (stage(case, facts, limits, now) for stage in stages)
    return next((said for said in opinions if said is not None), Verdict(Why.NOTHING_AGAINST))


def first_word(case: Case, facts: Facts, limits: SendLimits, now: datetime) -> Case:
    """The new case as it was if it goes; else held, no clock running."""
    said = verdict_of(FIRST_WORD, case, facts, limits, now)
    return case if said.until is None else _held(case, said, now, first=True)


def repeat(case: Case, limits: SendLimits, now: datetime) -> Case:
    """A case into which something was counted: to be told anew (the next revision), or held."""
    if case.hold is not None:
        return case  # it goes with the word that waits
    said = verdict_of(REPEAT, case, Facts(), limits, now)
    if said.until is None:
        return replace(case, revision=case.revision + 1)
    return _held(case, said, now, first=False)


def let_go(case: Case, facts: Facts, limits: SendLimits, now: datetime) -> Case:
    """A held case whose time has come: released, or held on for another reason."""
    hold = case.hold
    if hold is None or now < hold.until:
        return case
    if not hold.first:
        return _told_again(case, hold, now)
    said = verdict_of(FIRST_WORD, case, facts, limits, now)
    return _sent(case, hold, now) if said.until is None else _held(case, said, now, first=True)


def _held(case: Case, said: Verdict, now: datetime, *, first: bool) -> Case:
    until = said.until or now
    hold = Hold(
        since=case.hold.since if case.hold else now,
        why=said.why,
        until=until,
        revision=case.revision,
        first=first,
    )
    if case.hold is None or case.hold.why != said.why:  # the same reason is written once
        words = f"{said.why}: until {until:%Y-%m-%dT%H:%M:%SZ}"
        case = case.move(CaseEvent.HOLD, at=now, by=MACHINE, note=words)
    if not first:
        return replace(case, hold=hold)
    # Dispatched then at the earliest: so read lamp, limits and figures, and nobody is called late.
    return replace(case, hold=hold, dispatched_at=until, ladder_due_at=None)


def _sent(case: Case, hold: Hold, now: datetime) -> Case:
    """Its limits and its ladder count from here."""
    policy = replace(case.policy, clocks=clocks_at(case.level, case.policy.office, now))
    moved = case.move(CaseEvent.RELEASE, at=now, by=MACHINE, note=_after(hold, now))
    return start_ladder(replace(moved, hold=None, dispatched_at=now, policy=policy), now)


def _told_again(case: Case, hold: Hold, now: datetime) -> Case:
    with_other_news = case.revision > hold.revision
    words = _after(hold, now) + ("; it went with other news" if with_other_news else "")
    moved = case.move(CaseEvent.RELEASE, at=now, by=MACHINE, note=words)
    return replace(moved, hold=None, revision=case.revision + (not with_other_news))


def _after(hold: Hold, now: datetime) -> str:
    return f"{hold.why}: waited {(now - hold.since).total_seconds() / 60:.0f} min"
