"""Values that decide when a case's timers run: policy (limits, ladder), suspension, send hold.

Plain values that a `Case` carries and the store keeps; the rules are in case.py, escalation.py,
approval.py and send_policy.py. "Counted time": office hours where a policy has them, else always.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from patrol.domain.ids import GridCode, PersonId
from patrol.domain.office_hours import OfficeHours, office_time_after, office_time_between
from patrol.domain.priority import CaseLimits


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
