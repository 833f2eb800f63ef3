"""What an event of a case entails beside the new state: timers, recheck, announcement. Pure.

`CASE_EFFECTS` in case.py names the effects of every event; `Case.apply_event` applies them.
"""

from dataclasses import dataclass
from enum import StrEnum, auto


class EscalationEffect(StrEnum):
    """What an event does to the escalation timer (`ladder_due_at`)."""

    KEEP = auto()
    START = auto()  # the silence of the present rung begins
    STOP = auto()  # an answer came
    STOP_ON_LAST_RUNG = auto()  # no rung is left to escalate to
    START_IF_UNANNOUNCED = auto()  # its first message goes out: the silence begins with it
    STOP_IF_UNANNOUNCED = auto()  # its first message waits: no silence runs


class RecheckEffect(StrEnum):
    """What an event does to the planned recheck (`recheck_due_at`, `recheck_count`)."""

    KEEP = auto()
    DUE = auto()  # at once, if there is a camera and none is planned yet; counted from 0
    DONE = auto()  # one more was done; none is planned
    RETRY = auto()  # one more failed; the next is planned after a longer wait, up to a number


class SuspensionEffect(StrEnum):
    """What an event does to all timers together."""

    KEEP = auto()
    BEGIN = auto()  # both timers stop; what was left of them is kept in `suspension`
    END = auto()  # they go on


class AnnounceEffect(StrEnum):
    """Whether the leaders see the case anew: its revision + 1, queued once for each grid."""

    NEVER = auto()
    ON_MOVE = auto()  # if the state changed; a late step changes nothing that they see
    ALWAYS = auto()
    IF_HELD_REPEAT = auto()  # a repeat was held and no other revision went out meanwhile
    UNLESS_HELD = auto()  # a hold (domain/send_policy.py) delays it until RELEASE


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseEffect:
    """What one event entails beside the new state; the defaults change nothing."""

    escalation: EscalationEffect = EscalationEffect.KEEP
    recheck: RecheckEffect = RecheckEffect.KEEP
    suspension: SuspensionEffect = SuspensionEffect.KEEP
    announce: AnnounceEffect = AnnounceEffect.NEVER
    clears_request: bool = False
    clears_hold: bool = False
