"""How far the wall clock of the machine is believed: steps, jumps, confirmation. Pure.

The service counts time on a clock that never steps and keeps an anchor: a moment of the wall clock
that it believes. A wall clock that moves otherwise than the counted seconds was set. A step of up
to an hour is adopted at once. A jump beyond an hour, in one step or in several, is not: until NTP
or a person confirms it, the service goes on by the anchor and writes no history
(docs/operations.md lists what that is).

At the start of the machine nobody counted. The newest time that the store has seen is then the
earliest that it can be; a wall clock more than an hour later is gone by (the machine was off, most
likely), an earlier one is not, and neither is confirmed. Where the store has seen nothing, the wall
clock is gone by, and believed once it has stood for half a minute. Until it is believed, a jump is
adopted when the wall clock has stood for as long after it: a clock that is set at boot comes right,
and one that leaves for a moment does not take the service along.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum, auto
from typing import Final

# Below it a difference is drift, a leap second or NTP's slewing, which is followed silently; a
# step beyond it moves the shortest silence that is waited for (five minutes) by over one percent.
STEP: Final = timedelta(seconds=5)
# A battery clock that runs off, a summer time set by hand: corrected by less than that. A jump
# beyond it moves a round out of its window, and is a mistake more often than not.
LONGEST_STEP: Final = timedelta(hours=1)
# A time daemon that sets the clock at boot does so within seconds of the network's coming up.
SETTLE_S: Final = 30.0
# No installation is older than the tables' revision 0011: an earlier clock is a dead battery's.
EARLIEST: Final = datetime(2026, 11, 1, tzinfo=UTC)
NO_TIME: Final = timedelta(0)


class ClockTrust(StrEnum):
    """How far the wall clock is believed."""

    SETTLING = auto()  # nothing to compare it with, and not long enough without a step
    TRUSTED = auto()
    AHEAD = auto()  # at the start: over an hour after the newest time that was seen; gone by
    JUMPED = auto()  # over an hour from where it has to be; not gone by


UNCONFIRMED: Final = (ClockTrust.AHEAD, ClockTrust.JUMPED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockSample:
    """The wall clock and the counted seconds of this start of the machine, read together."""

    wall: datetime  # UTC
    running_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenTime:
    """The newest believed time, as the store keeps it."""

    at: datetime
    running_s: float
    boot: str  # names the start of the machine; empty: unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockRecord:
    """What the service keeps in the store about the clock, for its next start and for people."""

    trust: ClockTrust
    since: datetime  # when this trust began, in the time that the service went by
    jump_s: float = 0.0  # unconfirmed: the wall clock's distance from where it should be
    seen: SeenTime | None = None
    step_s: float = 0.0  # the last step that was adopted
    step_at: datetime | None = None
    accepted_at: datetime | None = None  # the wall clock as a person confirmed it
    accepted_by: str = ""

    @property
    def is_unconfirmed(self) -> bool:
        """Whether NTP or a person has to confirm the wall clock."""
        return self.trust in UNCONFIRMED

    def acceptance_of(self, wall: datetime) -> datetime | None:
        """The person's confirmation, if it is of this wall clock: given within the last hour."""
        at = self.accepted_at
        return at if at is not None and -STEP <= wall - at <= LONGEST_STEP else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockState:
    """What is believed: now is the anchor and the seconds counted since."""

    trust: ClockTrust
    anchor: ClockSample
    since_s: float  # counted seconds at which the wall clock last stepped
    moved: timedelta = NO_TIME  # all steps adopted since it was last confirmed
    leap: timedelta = NO_TIME  # not believed yet: a jump that has not stood long enough
    jump: timedelta = NO_TIME  # unconfirmed: the wall clock's distance from where it should be
    earliest: ClockSample | None = None  # at a start of the machine: it is not before this

    @property
    def is_unconfirmed(self) -> bool:
        """Whether NTP or a person has to confirm the wall clock."""
        return self.trust in UNCONFIRMED

    def now(self, reading: ClockSample) -> datetime:
        """The time to go by."""
        return _at(self.anchor, reading)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockChange:
    """A new state, and by how much the time to go by moves when it is adopted."""

    state: ClockState
    step: timedelta = NO_TIME
    was: ClockTrust
    jump_was: timedelta = NO_TIME

    @property
    def is_notable(self) -> bool:
        """Whether a person should read of it: a step, or another degree of trust."""
        settled = (self.was, self.state.trust) == (ClockTrust.SETTLING, ClockTrust.TRUSTED)
        again = self.state.is_unconfirmed and abs(self.state.jump - self.jump_was) >= STEP
        changed = self.was is not self.state.trust and not settled
        return self.step != NO_TIME or changed or again


def first_state(reading: ClockSample, boot: str, seen: SeenTime | None) -> ClockState:
    """What is believed when the service starts; `seen` is None for a store that has seen no time.

    Within one start of the machine the seconds were counted while the service was down.
    """
    if seen is None:
        if reading.wall < EARLIEST:
            return _held_at_start(replace(reading, wall=EARLIEST), reading)
        return ClockState(trust=ClockTrust.SETTLING, anchor=reading, since_s=reading.running_s)
    if boot and boot == seen.boot and reading.running_s >= seen.running_s:
        anchor = ClockSample(wall=seen.at, running_s=seen.running_s)
        return ClockState(trust=ClockTrust.TRUSTED, anchor=anchor, since_s=seen.running_s)
    return _judge_start(replace(reading, wall=seen.at), reading)


def next_state(state: ClockState, reading: ClockSample) -> ClockChange:
    """The state after a reading of the wall clock, and the step to adopt."""
    off = reading.wall - _at(state.anchor, reading)
    if state.trust in (ClockTrust.SETTLING, ClockTrust.AHEAD):
        return _change(state, _judge_unproven(state, reading, off), reading)
    if state.earliest is not None:
        return _change(state, _judge_start(state.earliest, reading), reading)
    return _change(state, _judge_running(state, reading, off), reading)


def confirmed_state(state: ClockState, reading: ClockSample) -> ClockChange:
    """The state after NTP or a person has confirmed what the wall clock shows."""
    return _change(state, _trusted(reading), reading)


def _change(before: ClockState, after: ClockState, reading: ClockSample) -> ClockChange:
    step = after.now(reading) - before.now(reading)
    return ClockChange(
        state=after,
        step=step if abs(step) >= STEP else NO_TIME,
        was=before.trust,
        jump_was=before.jump,
    )


def _judge_running(state: ClockState, reading: ClockSample, off: timedelta) -> ClockState:
    moved = state.moved + off if abs(off) >= STEP else state.moved
    if max(abs(off), abs(moved)) <= LONGEST_STEP:
        return replace(_trusted(reading), moved=moved)
    is_new = state.trust is ClockTrust.TRUSTED or abs(off - state.jump) >= STEP
    since_s = reading.running_s if is_new else state.since_s
    return replace(state, trust=ClockTrust.JUMPED, since_s=since_s, jump=off)


def _judge_unproven(state: ClockState, reading: ClockSample, off: timedelta) -> ClockState:
    """Of a wall clock that is gone by and not believed: a jump has to stand before it counts."""
    earliest = state.earliest
    if earliest is not None and abs(reading.wall - _at(earliest, reading)) <= LONGEST_STEP:
        return _judge_start(earliest, reading)
    if abs(off) > LONGEST_STEP:
        if abs(off - state.leap) >= STEP:
            return replace(state, leap=off, since_s=reading.running_s)
        stands = reading.running_s - state.since_s >= SETTLE_S
        return _moved_to(state, reading) if stands else state
    if abs(off) >= STEP or state.leap:
        return replace(state, anchor=reading, since_s=reading.running_s, leap=NO_TIME)
    if state.trust is ClockTrust.SETTLING and reading.running_s - state.since_s >= SETTLE_S:
        return _trusted(reading)
    return replace(state, anchor=reading)


def _moved_to(state: ClockState, reading: ClockSample) -> ClockState:
    if state.earliest is not None:
        return _judge_start(state.earliest, reading)
    if reading.wall < EARLIEST:
        return _held_at_start(replace(reading, wall=EARLIEST), reading)
    return _trusted(reading)


def _judge_start(earliest: ClockSample, reading: ClockSample) -> ClockState:
    off = reading.wall - _at(earliest, reading)
    if -LONGEST_STEP <= off <= -STEP:  # set back: the next reading is a step from there
        return _trusted(replace(reading, wall=_at(earliest, reading)))
    if abs(off) <= LONGEST_STEP:
        return _trusted(reading)
    if off < NO_TIME:
        return _held_at_start(earliest, reading)
    return ClockState(
        trust=ClockTrust.AHEAD,
        anchor=reading,
        since_s=reading.running_s,
        jump=off,
        earliest=earliest,
    )


def _held_at_start(earliest: ClockSample, reading: ClockSample) -> ClockState:
    return ClockState(
        trust=ClockTrust.JUMPED,
        anchor=earliest,
        since_s=reading.running_s,
        jump=reading.wall - _at(earliest, reading),
        earliest=earliest,
    )


def _trusted(reading: ClockSample) -> ClockState:
    return ClockState(trust=ClockTrust.TRUSTED, anchor=reading, since_s=reading.running_s)


def _at(anchor: ClockSample, reading: ClockSample) -> datetime:
    return anchor.wall + timedelta(seconds=reading.running_s - anchor.running_s)
