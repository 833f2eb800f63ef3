"""Case: a confirmed finding on its way through the grid, by one state table.

accepted → dispatched → acknowledged → arrived → handled → fed back → verified → closed, with the
side moves of the domain. An answer can outrun another one over MQTT, so later steps are legal from
earlier states, and an earlier step that arrives late is noted without moving the case back.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum, auto

from patrol.domain.errors import Failed
from patrol.domain.ids import CameraId, CaseId, FindingId, GridCode, PersonId, Sha256
from patrol.domain.observation import Box, Subject
from patrol.domain.office_hours import OfficeHours, office_time_after, office_time_between
from patrol.domain.priority import YELLOW_FROM, CaseLimits, DueLight, Level


class CaseState(StrEnum):
    """Where a case stands (contracts.md)."""

    DISPATCHED = auto()
    ACKNOWLEDGED = auto()
    ARRIVED = auto()
    HANDLED = auto()  # the person says so, the feedback's words are still to come
    FED_BACK = auto()
    VERIFIED = auto()  # looked again: it is gone
    CLOSED = auto()
    RETURNED = auto()  # false alarm, or not my grid: back on the operator's desk
    REWORK = auto()  # looked again: it is still there
    VOIDED = auto()


class CaseEvent(StrEnum):
    """What can happen to a case."""

    DISPATCH = auto()
    RECEIVED = auto()  # receipts: the device has it, the person opened it
    OPENED = auto()
    ACKNOWLEDGE = auto()
    ARRIVE = auto()
    PROGRESS = auto()
    NEED_HELP = auto()
    CANNOT_REACH = auto()
    HANDLE = auto()
    FEED_BACK = auto()
    RETURN = auto()
    REASSIGN = auto()
    ESCALATE = auto()
    SUPERVISE = auto()
    EXTEND = auto()
    MERGE = auto()  # another finding of the same camera and category was counted here
    VERIFY = auto()
    NOT_VERIFIED = auto()
    LOOKED = auto()  # the camera was looked through again: before and after wait for a person
    LOOK_FAILED = auto()  # the camera could not be looked through again; will be tried later
    CLOSE = auto()
    REOPEN = auto()
    VOID = auto()
    ASK = auto()  # for more time, a pause or the end: somebody else has to grant it
    GRANT = auto()
    REFUSE = auto()
    SUSPEND = auto()
    RESUME = auto()
    HOLD = auto()  # its word does not go out just now, and why (domain.sending)
    RELEASE = auto()  # ... and when it did
    PHONE = auto()  # somebody was told by telephone; an urgent case is phoned before it is sent


S, E = CaseState, CaseEvent
FIELD_STATES = (S.DISPATCHED, S.ACKNOWLEDGED, S.ARRIVED, S.HANDLED, S.REWORK)
OPEN_STATES = (*FIELD_STATES, S.FED_BACK, S.VERIFIED, S.RETURNED)
LATER_STATES = (S.ARRIVED, S.HANDLED, S.FED_BACK, S.VERIFIED, S.RETURNED)
ENDED_STATES = (S.CLOSED, S.VOIDED)
RESTARTING_EVENTS = frozenset(
    {E.NOT_VERIFIED, E.REOPEN}
)  # whoever goes there again has the time again

CASE_TRANSITIONS: Mapping[tuple[CaseState, CaseEvent], CaseState] = {
    (S.DISPATCHED, E.ACKNOWLEDGE): S.ACKNOWLEDGED,
    (S.REWORK, E.ACKNOWLEDGE): S.ACKNOWLEDGED,
    **{(s, E.ARRIVE): S.ARRIVED for s in (S.DISPATCHED, S.ACKNOWLEDGED, S.REWORK)},
    **{(s, E.HANDLE): S.HANDLED for s in FIELD_STATES},
    **{(s, E.FEED_BACK): S.FED_BACK for s in FIELD_STATES},
    **{(s, E.RETURN): S.RETURNED for s in FIELD_STATES},
    (S.FED_BACK, E.VERIFY): S.VERIFIED,
    (S.FED_BACK, E.NOT_VERIFIED): S.REWORK,
    (S.VERIFIED, E.CLOSE): S.CLOSED,
    (S.RETURNED, E.REASSIGN): S.DISPATCHED,
    (S.RETURNED, E.VOID): S.VOIDED,
    (S.RETURNED, E.CLOSE): S.CLOSED,
    **{(s, E.REASSIGN): S.DISPATCHED for s in (S.DISPATCHED, S.ACKNOWLEDGED, S.ARRIVED)},
    **{(s, E.VOID): S.VOIDED for s in (*FIELD_STATES, S.FED_BACK)},
    (S.CLOSED, E.REOPEN): S.REWORK,
    # Noted on any open case, moving nothing: receipts, words from the road, the ladder's steps.
    **{
        (s, e): s
        for s in OPEN_STATES
        for e in (
            E.RECEIVED, E.OPENED, E.PROGRESS, E.NEED_HELP, E.CANNOT_REACH, E.ESCALATE,
            E.SUPERVISE, E.EXTEND, E.MERGE, E.ASK, E.GRANT, E.REFUSE, E.SUSPEND, E.RESUME,
            E.HOLD, E.RELEASE, E.PHONE,
        )
    },
    **{(S.FED_BACK, e): S.FED_BACK for e in (E.LOOKED, E.LOOK_FAILED)},
    # Late steps: the case is already further on. Two rungs may both answer; both are noted.
    (S.ACKNOWLEDGED, E.ACKNOWLEDGE): S.ACKNOWLEDGED,
    **{(s, e): s for s in LATER_STATES for e in (E.ACKNOWLEDGE, E.ARRIVE)},
    **{(s, e): s for s in (S.FED_BACK, S.VERIFIED) for e in (E.HANDLE, E.FEED_BACK)},
}  # fmt: skip


class IllegalCaseTransition(Failed):
    """The table has no such move; says from where and what."""

    def __init__(self, case: "Case", event: CaseEvent) -> None:
        super().__init__(f"case {case.id} is {case.state}: {event} is not possible")
        self.case = case
        self.event = event


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseEntry:
    """One line of a case's history; never changed, never deleted."""

    at: datetime
    by: str  # person id, operator account, or "system"
    what: CaseEvent
    note: str = ""
    state: CaseState = CaseState.DISPATCHED  # after it


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderRung:
    """One rung: who is told, under which grid's topic, after how long a silence."""

    grid: GridCode
    person: PersonId
    after_s: float  # silence counted from the previous rung


@dataclass(frozen=True, slots=True, kw_only=True)
class CasePolicy:
    """Copied into the case when it is dispatched, so that a later edit changes no running case."""

    limits: CaseLimits
    ladder: tuple[LadderRung, ...]  # rung 0 is the first person told, after 0 s
    office: OfficeHours | None = None  # when its limits and silences run; None: always
    silence: timedelta | None = None  # of the last rung; None: the acknowledgement limit

    def after(self, start: datetime, span: timedelta) -> datetime:
        """When `span` of the time that counts has passed."""
        return office_time_after(self.office, start, span)

    def between(self, start: datetime, end: datetime) -> timedelta:
        """How much of the time that counts has passed."""
        return office_time_between(self.office, start, end)


class ApprovalKind(StrEnum):
    """What somebody may ask for and somebody else has to grant."""

    EXTENSION = auto()  # 延期
    SUSPENSION = auto()  # 挂起
    VOID = auto()  # 作废


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRequest:
    """A wish that waits for the duty lead."""

    kind: ApprovalKind
    by: str
    at: datetime
    why: str
    span_s: float = 0.0  # of an extension, in the time that counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspension:
    """While it lasts no clock of the case runs; what goes on when it ends."""

    since: datetime
    ladder_left_s: float | None = None  # of the silence that was running
    recheck_planned: bool = False  # a second look was planned


@dataclass(frozen=True, slots=True, kw_only=True)
class SendHold:
    """A word that waits (domain.sending): since when, why, and when it is looked at again."""

    since: datetime
    why: str  # a sending.Why
    until: datetime
    revision: int  # of the case then: a higher one has carried the word out meanwhile
    first: bool = False  # nobody was told of the case yet: no clock of it runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A confirmed finding (or a grid leader's report) being dealt with."""

    id: CaseId
    finding: FindingId | None
    camera: CameraId | None  # None: reported on the ground
    grid: GridCode
    subject: Subject
    category: str
    level: Level
    place: str
    found_at: datetime
    dispatched_at: datetime
    policy: CasePolicy
    note: str = ""
    kind: str = ""  # the finding's kind: what a second look looks for
    zone: str = ""
    box: Box | None = None
    before: Sha256 | None = None
    after: Sha256 | None = None
    state: CaseState = CaseState.DISPATCHED
    rung: int = 0  # how far up the ladder it has gone
    ladder_due_at: datetime | None = None  # None: an answer stopped the ladder
    recheck_due_at: datetime | None = None  # when the camera is to be looked through again
    recheck_count: int = 0
    revision: int = 0  # of the case as the leader sees it; part of the message key
    count: int = 1  # findings merged into it
    request: ApprovalRequest | None = None
    suspension: Suspension | None = None
    hold: SendHold | None = None
    entries: tuple[CaseEntry, ...] = ()

    def apply_event(self, event: CaseEvent, *, at: datetime, by: str, note: str = "") -> "Case":
        """The case after `event`, its history one line longer. Raises IllegalMove."""
        target = CASE_TRANSITIONS.get((self.state, event))
        if target is None:
            raise IllegalCaseTransition(self, event)
        entry = CaseEntry(at=at, by=by, what=event, note=note, state=target)
        changed = replace(self, state=target, entries=(*self.entries, entry))
        return changed if target in OPEN_STATES else _without_pending_work(changed)

    @property
    def is_open(self) -> bool:
        """Whether somebody still has to do something."""
        return self.state not in ENDED_STATES

    @property
    def is_unannounced(self) -> bool:
        """Whether its very first word still waits."""
        return self.hold is not None and self.hold.first

    @property
    def last_sent_at(self) -> datetime:
        """When it was last sent to the ground: at its dispatch, or when it came back."""
        again = [entry.at for entry in self.entries if entry.what in RESTARTING_EVENTS]
        return again[-1] if again else self.dispatched_at

    def answer_due_at(self, limit: timedelta) -> datetime:
        """When a limit for an answer runs out: that of its last sending (closing: of its first)."""
        first, last = self.dispatched_at, self.last_sent_at
        if last == first:
            return first + limit
        return self.policy.after(last, self.policy.between(first, first + limit))

    @property
    def due_at(self) -> datetime:
        """When the next limit of its policy runs out (contracts.md: `due`)."""
        limit = self._answer_limit
        if limit is None:
            return self.dispatched_at + self.policy.limits.close
        return self.answer_due_at(limit)

    @property
    def _answer_limit(self) -> timedelta | None:
        limits = self.policy.limits
        return {
            S.DISPATCHED: limits.acknowledge,
            S.REWORK: limits.acknowledge,
            S.ACKNOWLEDGED: limits.arrive,
            S.ARRIVED: limits.feedback,
        }.get(self.state)

    def due_light(self, now: datetime) -> DueLight:
        """The light beside its next limit, in the time that counts; it rests while suspended."""
        at = self.suspension.since if self.suspension else now
        if at > self.due_at:
            return DueLight.RED
        start = self.dispatched_at if self._answer_limit is None else self.last_sent_at
        whole = self.policy.between(start, self.due_at)
        used = self.policy.between(start, at)
        return DueLight.YELLOW if used >= whole * YELLOW_FROM else DueLight.GREEN


def _without_pending_work(case: Case) -> Case:
    done = replace(case, ladder_due_at=None, recheck_due_at=None, request=None, suspension=None)
    return replace(done, hold=None)
