"""What decides when a case's timers run: policy (limits, ladder), recheck waits, suspension, hold.

Plain values that a `Case` carries and the store keeps; the rules are in case.py, escalation.py,
approval.py and send_policy.py. "Counted time": office hours where a policy has them, else always.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum, auto
from typing import Final

from patrol.domain.backoff import backoff
from patrol.domain.ids import GridCode, PersonId
from patrol.domain.office_hours import OfficeHours, office_time_after, office_time_between
from patrol.domain.priority import CaseLimits

RECHECK_AFTER: Final = timedelta(minutes=5)  # doubled by each recheck that failed
MAX_RECHECKS: Final = 6  # after 5 + 10 + 20 + 40 + 80 minutes a person has to look
LONGEST_RECHECK_WAIT: Final = timedelta(minutes=80)


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderRung:
    """One rung of the escalation ladder: the person, the grid whose topic is used, the silence."""

    grid: GridCode
    person: PersonId
    after_s: float  # silence counted from the previous rung


@dataclass(frozen=True, slots=True, kw_only=True)
class CasePolicy:
    """Limits and ladder of one case, copied at its dispatch: later edits change no running case."""

    limits: CaseLimits
    ladder: tuple[LadderRung, ...]  # rung 0 is notified at once, after 0 s
    office: OfficeHours | None = None  # when its limits and silences run; None: always
    silence: timedelta | None = None  # of the last rung; None: the acknowledgement limit

    def after(self, start: datetime, span: timedelta) -> datetime:
        """The moment at which `span` of counted time (office hours, or all) has passed."""
        return office_time_after(self.office, start, span)

    def between(self, start: datetime, end: datetime) -> timedelta:
        """Counted time (office hours, or all) between two moments."""
        return office_time_between(self.office, start, end)

    def silence_on(self, rung: int) -> timedelta:
        """Counted time without an answer on `rung` after which the case escalates."""
        if rung + 1 >= len(self.ladder):
            return self.silence or self.limits.acknowledge
        return timedelta(seconds=self.ladder[rung + 1].after_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspension:
    """A pause of all timers of a case, with what goes on when it ends."""

    since: datetime
    ladder_left_s: float | None = None  # counted time left of the silence that was running
    recheck_planned: bool = False  # a recheck was due: it is due again when the case goes on


@dataclass(frozen=True, slots=True, kw_only=True)
class SendHold:
    """A message that waits (domain/send_policy.py): since when, why, and when that is reviewed."""

    since: datetime
    why: str  # a send_policy.SendReason
    until: datetime
    revision: int  # of the case then; a higher one has been announced meanwhile
    first: bool = False  # the case was never announced: none of its timers runs


def recheck_wait(failed: int) -> timedelta | None:
    """The wait before the next recheck after `failed` failed ones; None: there is no next one."""
    if failed >= MAX_RECHECKS:
        return None
    return backoff(failed, RECHECK_AFTER, LONGEST_RECHECK_WAIT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Supervision:
    """A case under supervision (督办): by whom, why, and until when it must be dealt with."""

    by: str
    at: datetime
    why: str
    due_at: datetime


class ApprovalKind(StrEnum):
    """What one person may request and another has to approve."""

    EXTENSION = auto()
    SUSPENSION = auto()
    VOID = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRequest:
    """A request that waits for the shift supervisor (domain/approval.py)."""

    kind: ApprovalKind
    by: str
    at: datetime
    why: str
    span_s: float = 0.0  # of an extension, in counted time
    claimed: str = ""  # as of a CaseEntry
