"""How far the wall clock of the machine is believed: steps, jumps, confirmation. Pure.

The service counts time on a clock that never steps and keeps an anchor: a moment of the wall clock
that it believes. A wall clock that moves otherwise than the counted seconds was set. A step of up
to an hour is adopted at once. A jump beyond an hour, in one step or in several, is not: until NTP
or a person confirms it, the service goes on by the anchor and writes no history
(docs/operations.md lists what that is).

At the start of the machine nobody counted. The newest time that the store has seen is then the
earliest that it can be; a wall clock more than an hour later is followed (the machine was off, most
likely), an earlier one is not, and neither is confirmed. Where the store has seen nothing, the wall
clock is followed, and believed once it has stood for two minutes.
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
# A time daemon has set the clock by then (chrony and timesyncd within a minute of the network).
SETTLE_S: Final = 120.0
# No installation is older than the tables' revision 0010: an earlier clock is a dead battery's.
EARLIEST: Final = datetime(2026, 11, 1, tzinfo=UTC)
NO_TIME: Final = timedelta(0)


class ClockTrust(StrEnum):
    """How far the wall clock is believed."""

    SETTLING = auto()  # nothing to compare it with, and not long enough without a step
    TRUSTED = auto()
    AHEAD = auto()  # at the start: over an hour after the newest time that was seen; followed
    JUMPED = auto()  # over an hour from where it has to be; not followed


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
    jump: timedelta = NO_TIME  # unconfirmed: the wall clock's distance from where it should be
    earliest: ClockSample | None = None  # at a start of the machine: it is not before this

    @property
    def follows_wall(self) -> bool:
        """Whether now is what the wall clock shows."""
        return self.trust in (ClockTrust.SETTLING, ClockTrust.AHEAD)

    @property
    def is_unconfirmed(self) -> bool:
        """Whether NTP or a person has to confirm the wall clock."""
        return self.trust in UNCONFIRMED

    def now(self, reading: ClockSample) -> datetime:
        """The time to go by."""
        return reading.wall if self.follows_wall else _at(self.anchor, reading)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockChange:
    """A new state, and by how much the time to go by moves when it is adopted."""

    state: ClockState
    step: timedelta = NO_TIME
    followed: timedelta = NO_TIME  # the part of the step that now has made already
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
    if state.trust is ClockTrust.TRUSTED:
        return _change(state, _judge_running(state, reading, off), reading)
    if state.trust is ClockTrust.JUMPED and state.earliest is None:
        return _change(state, _judge_running(state, reading, off), reading)
    if state.trust is ClockTrust.SETTLING:
        return _change(state, _settle(state, reading, off), reading, followed=off)
    assert state.earliest is not None  # noqa: S101  unconfirmed since the start of the machine
    if state.trust is ClockTrust.AHEAD and abs(off) < STEP:
        return _change(state, replace(state, anchor=reading), reading)
    judged = _judge_start(state.earliest, reading)
    return _change(state, judged, reading, followed=off if state.follows_wall else NO_TIME)


def confirmed_state(state: ClockState, reading: ClockSample) -> ClockChange:
    """The state after NTP or a person has confirmed what the wall clock shows."""
    off = reading.wall - _at(state.anchor, reading)
    followed = off if state.follows_wall else NO_TIME
    return _change(state, _trusted(reading), reading, followed=followed)


def _change(
    before: ClockState,
    after: ClockState,
    reading: ClockSample,
    *,
    followed: timedelta = NO_TIME,  # of a wall clock that now() follows: it has moved already
) -> ClockChange:
    step = after.now(reading) - before.now(reading) + followed
    is_step = abs(step) >= STEP
    return ClockChange(
        state=after,
        step=step if is_step else NO_TIME,
        followed=followed if is_step else NO_TIME,
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


def _settle(state: ClockState, reading: ClockSample, off: timedelta) -> ClockState:
    if reading.wall < EARLIEST:
        return _held_at_start(replace(reading, wall=EARLIEST), reading)
    if abs(off) >= STEP:
        return replace(state, anchor=reading, since_s=reading.running_s)
    if reading.running_s - state.since_s >= SETTLE_S:
        return _trusted(reading)
    return replace(state, anchor=reading)


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
