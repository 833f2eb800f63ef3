"""Case: a confirmed finding on its way through the grid; its table of moves and what each entails.

accepted → dispatched → acknowledged → arrived → handled → fed back → verified → closed, with the
side moves of `CASE_TRANSITIONS`. Replies can overtake each other on MQTT, so later steps are legal
from earlier states, and an earlier step that arrives late is noted without moving the case back.

`CASE_TRANSITIONS` says which event is legal in which state, `CASE_EFFECTS` what it entails for the
escalation timer, the recheck, the approval request, the hold and the revision that leaders see.
`Case.apply_event` alone applies both. Callers set what an event carries (another grid or policy,
the next rung, a request, a hold, a picture), never a timer or the revision. Pure; times are UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum, auto

from patrol.domain.case_effects import (
    AnnounceEffect,
    CaseEffect,
    EscalationEffect,
    RecheckEffect,
    SuspensionEffect,
)
from patrol.domain.case_timers import (
    ApprovalRequest,
    CasePolicy,
    SendHold,
    Supervision,
    Suspension,
    recheck_wait,
)
from patrol.domain.errors import Failed
from patrol.domain.ids import CameraId, CaseId, FindingId, GridCode, PictureId
from patrol.domain.observation import Box, Subject
from patrol.domain.priority import YELLOW_FROM, DueLight, Level


class CaseState(StrEnum):
    """State of a case; the values are public: in messages, the API and the store."""

    DISPATCHED = auto()
    ACKNOWLEDGED = auto()
    ARRIVED = auto()
    HANDLED = auto()  # dealt with on the ground, the feedback itself is still to come
    FED_BACK = auto()
    VERIFIED = auto()  # the recheck found it gone
    CLOSED = auto()
    RETURNED = auto()  # false alarm, or not my grid: back with the operator
    REWORK = auto()  # the recheck found it still there, or it was reopened
    VOIDED = auto()


class CaseEvent(StrEnum):
    """What can happen to a case; each is one entry of its history."""

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
    UNMERGE = auto()  # … and is not any more: the decision was undone
    VERIFY = auto()
    NOT_VERIFIED = auto()
    LOOKED = auto()  # rechecked through the camera: before and after wait for a person
    LOOK_FAILED = auto()  # the recheck's visit failed; tried later
    CLOSE = auto()
    REOPEN = auto()
    VOID = auto()
    ASK = auto()  # for more time, a pause or the end; a second person approves (domain/approval.py)
    GRANT = auto()
    REFUSE = auto()
    SUSPEND = auto()
    RESUME = auto()
    HOLD = auto()  # its message waits (domain/send_policy.py)
    RELEASE = auto()  # ... and waits no longer
    PHONE = auto()  # a person was telephoned; an urgent case is phoned before it is sent
    URGE = auto()  # 催办: the one whose move it is is told again, with the reason
    HAND_OFF = auto()  # given to another department (domain/hand_off.py); the ground goes on
    HAND_OFF_ANSWER = auto()
    BROADCAST = auto()  # asked for, approved, sent to a loudspeaker (domain/broadcast.py)
    BROADCAST_PLAYED = auto()  # the device said so
    TAG = auto()  # a free tag was put on, or taken off
    OPEN_TO_HELPERS = auto()  # 群防群治: helpers of the grid see it (domain/helping.py) …
    CLOSE_TO_HELPERS = auto()  # … and do not any more
    HELPER_GOING = auto()
    HELPER_THERE = auto()
    RECOVER = auto()  # about a camera: a visit saw it well again, whoever said what before
    STAND_IN = auto()  # somebody on leave: who stands in is told instead


S, E = CaseState, CaseEvent
FIELD_STATES = (S.DISPATCHED, S.ACKNOWLEDGED, S.ARRIVED, S.HANDLED, S.REWORK)
OPEN_STATES = (*FIELD_STATES, S.FED_BACK, S.VERIFIED, S.RETURNED)
LATER_STATES = (S.ARRIVED, S.HANDLED, S.FED_BACK, S.VERIFIED, S.RETURNED)
ENDED_STATES = (S.CLOSED, S.VOIDED)
RESTARTING_EVENTS = frozenset({E.NOT_VERIFIED, E.REOPEN})  # the limits for an answer start anew

CASE_TRANSITIONS: Mapping[tuple[CaseState, CaseEvent], CaseState] = {
    (S.DISPATCHED, E.ACKNOWLEDGE): S.ACKNOWLEDGED,
    (S.REWORK, E.ACKNOWLEDGE): S.ACKNOWLEDGED,
    **{(s, E.ARRIVE): S.ARRIVED for s in (S.DISPATCHED, S.ACKNOWLEDGED, S.REWORK)},
    **{(s, E.HANDLE): S.HANDLED for s in FIELD_STATES},
    **{(s, E.FEED_BACK): S.FED_BACK for s in FIELD_STATES},
    **{(s, E.RETURN): S.RETURNED for s in FIELD_STATES},
    (S.FED_BACK, E.VERIFY): S.VERIFIED,
    **{(s, E.RECOVER): S.VERIFIED for s in (*FIELD_STATES, S.FED_BACK, S.VERIFIED)},
    (S.FED_BACK, E.NOT_VERIFIED): S.REWORK,
    (S.VERIFIED, E.CLOSE): S.CLOSED,
    (S.RETURNED, E.REASSIGN): S.DISPATCHED,
    (S.RETURNED, E.VOID): S.VOIDED,
    (S.RETURNED, E.CLOSE): S.CLOSED,
    **{(s, E.REASSIGN): S.DISPATCHED for s in (S.DISPATCHED, S.ACKNOWLEDGED, S.ARRIVED)},
    **{(s, E.VOID): S.VOIDED for s in (*FIELD_STATES, S.FED_BACK)},
    (S.CLOSED, E.REOPEN): S.REWORK,
    # Noted in any open state, moving nothing: receipts, progress, escalation, approvals, holds.
    **{
        (s, e): s
        for s in OPEN_STATES
        for e in (
            E.RECEIVED, E.OPENED, E.PROGRESS, E.NEED_HELP, E.CANNOT_REACH, E.ESCALATE,
            E.SUPERVISE, E.EXTEND, E.MERGE, E.UNMERGE, E.ASK, E.GRANT, E.REFUSE, E.SUSPEND,
            E.OPEN_TO_HELPERS, E.CLOSE_TO_HELPERS, E.HELPER_GOING, E.HELPER_THERE,
            E.RESUME, E.HOLD, E.RELEASE, E.PHONE, E.URGE, E.HAND_OFF, E.BROADCAST, E.STAND_IN,
        )
    },
    # … and in any state: an answer may come late, and a tag sorts ended cases, too.
    **{
        (s, e): s
        for s in (*OPEN_STATES, *ENDED_STATES)
        for e in (E.HAND_OFF_ANSWER, E.BROADCAST_PLAYED, E.TAG)
    },
    **{(S.FED_BACK, e): S.FED_BACK for e in (E.LOOKED, E.LOOK_FAILED)},
    # Late steps: the case is already further on. Two rungs may both answer; both are noted.
    (S.ACKNOWLEDGED, E.ACKNOWLEDGE): S.ACKNOWLEDGED,
    **{(s, e): s for s in LATER_STATES for e in (E.ACKNOWLEDGE, E.ARRIVE)},
    **{(s, e): s for s in (S.FED_BACK, S.VERIFIED) for e in (E.HANDLE, E.FEED_BACK)},
}  # fmt: skip


_START, _STOP = EscalationEffect.START, EscalationEffect.STOP
_DONE, _ALWAYS, _ON_MOVE = RecheckEffect.DONE, AnnounceEffect.ALWAYS, AnnounceEffect.ON_MOVE
_NOTED_EVENTS = (  # they change nothing beside the history
    E.RECEIVED, E.OPENED, E.UNMERGE, E.ASK, E.PHONE, E.HAND_OFF, E.HAND_OFF_ANSWER, E.BROADCAST,
    E.BROADCAST_PLAYED, E.TAG,
)  # fmt: skip
_HELPER_EVENTS = (E.OPEN_TO_HELPERS, E.CLOSE_TO_HELPERS, E.HELPER_GOING, E.HELPER_THERE)
# A move into an ended state clears timers, request, suspension and hold in any case.
CASE_EFFECTS: Mapping[CaseEvent, CaseEffect] = {
    E.DISPATCH: CaseEffect(escalation=_START),  # revision 0 is announced when the case is added
    E.ACKNOWLEDGE: CaseEffect(escalation=_STOP, announce=_ON_MOVE),
    E.ARRIVE: CaseEffect(escalation=_STOP, announce=_ON_MOVE),
    E.PROGRESS: CaseEffect(escalation=_STOP),
    E.NEED_HELP: CaseEffect(),  # the next rung is called: ESCALATE or SUPERVISE follows
    E.CANNOT_REACH: CaseEffect(),
    E.HANDLE: CaseEffect(escalation=_STOP, announce=_ON_MOVE),
    E.FEED_BACK: CaseEffect(escalation=_STOP, recheck=RecheckEffect.DUE, announce=_ON_MOVE),
    E.RETURN: CaseEffect(escalation=_STOP, announce=_ON_MOVE),
    E.REASSIGN: CaseEffect(escalation=_START, announce=_ALWAYS, clears_hold=True),
    E.ESCALATE: CaseEffect(escalation=_START, announce=_ALWAYS),
    E.SUPERVISE: CaseEffect(escalation=EscalationEffect.STOP_ON_LAST_RUNG, announce=_ALWAYS),
    E.EXTEND: CaseEffect(escalation=_STOP),
    E.MERGE: CaseEffect(announce=AnnounceEffect.UNLESS_HELD),
    E.VERIFY: CaseEffect(recheck=_DONE, announce=_ALWAYS),
    E.NOT_VERIFIED: CaseEffect(escalation=_START, recheck=_DONE, announce=_ALWAYS),
    E.LOOKED: CaseEffect(recheck=_DONE),
    E.LOOK_FAILED: CaseEffect(recheck=RecheckEffect.RETRY),
    E.CLOSE: CaseEffect(announce=_ALWAYS),
    E.REOPEN: CaseEffect(escalation=_START, announce=_ALWAYS),
    E.VOID: CaseEffect(announce=_ALWAYS),
    E.GRANT: CaseEffect(announce=_ALWAYS, clears_request=True),
    E.REFUSE: CaseEffect(clears_request=True),
    E.SUSPEND: CaseEffect(suspension=SuspensionEffect.BEGIN, announce=_ALWAYS),
    E.RESUME: CaseEffect(suspension=SuspensionEffect.END, announce=_ALWAYS),
    E.HOLD: CaseEffect(escalation=EscalationEffect.STOP_IF_UNANNOUNCED),
    E.RELEASE: CaseEffect(
        escalation=EscalationEffect.START_IF_UNANNOUNCED,
        announce=AnnounceEffect.IF_HELD_REPEAT,
        clears_hold=True,
    ),
    E.URGE: CaseEffect(announce=_ALWAYS),
    E.RECOVER: CaseEffect(escalation=_STOP, recheck=_DONE, announce=_ALWAYS),
    E.STAND_IN: CaseEffect(escalation=_START, announce=_ALWAYS),
    **dict.fromkeys(_HELPER_EVENTS, CaseEffect(announce=_ALWAYS)),  # leaders see who goes
    **dict.fromkeys(_NOTED_EVENTS, CaseEffect()),
}


class IllegalCaseTransition(Failed):
    """The transition table has no such move; names the state and the event."""

    def __init__(self, case: "Case", event: CaseEvent) -> None:
        super().__init__(f"case {case.id} is {case.state}: {event} is not possible")
        self.case, self.event = case, event


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseEntry:
    """One entry of a case's history; appended by `apply_event`, never changed or deleted."""

    at: datetime
    by: str  # person id, operator account, or "system"
    what: CaseEvent
    note: str = ""
    state: CaseState = CaseState.DISPATCHED  # after it
    claimed: str = ""  # who it is said to be, where only the payload says so


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A confirmed finding, or a problem reported on the ground, being dealt with."""

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
    kind: str = ""  # the finding's kind: what a recheck compares
    zone: str = ""
    box: Box | None = None
    before: PictureId | None = None
    after: PictureId | None = None
    state: CaseState = CaseState.DISPATCHED
    rung: int = 0  # of the ladder that it has reached
    ladder_due_at: datetime | None = None  # None: the escalation timer does not run
    recheck_due_at: datetime | None = None  # when the camera is to be visited again
    recheck_count: int = 0
    revision: int = 0  # of the case as the leaders see it; part of the message key
    count: int = 1  # findings merged into it
    request: ApprovalRequest | None = None
    suspension: Suspension | None = None
    hold: SendHold | None = None
    supervision: Supervision | None = None
    tags: tuple[str, ...] = ()  # free, sorted
    open_to_helpers: bool = False  # 群防群治: helpers of the grid see it
    entries: tuple[CaseEntry, ...] = ()

    def apply_event(self, event: CaseEvent, *, at: datetime, by: str, note: str = "") -> "Case":
        """The case after `event`: moved by the table, one history entry longer, effects applied.

        Raises IllegalCaseTransition.
        """
        target = CASE_TRANSITIONS.get((self.state, event))
        if target is None:
            raise IllegalCaseTransition(self, event)
        entry = CaseEntry(at=at, by=by, what=event, note=note, state=target)
        moved = replace(self, state=target, entries=(*self.entries, entry))
        return _with_effect(self, moved, CASE_EFFECTS[event], at)

    def dispatched(self, *, by: str, note: str) -> "Case":
        """The new case with DISPATCH at `dispatched_at` as its first entry, escalation running."""
        at = self.dispatched_at
        entry = CaseEntry(at=at, by=by, what=E.DISPATCH, note=note, state=self.state)
        return _with_effect(self, replace(self, entries=(entry,)), CASE_EFFECTS[E.DISPATCH], at)

    @property
    def is_open(self) -> bool:
        """Whether it is neither closed nor voided."""
        return self.state not in ENDED_STATES

    @property
    def is_unannounced(self) -> bool:
        """Whether its first message is still held: no grid has received it."""
        return self.hold is not None and self.hold.first

    @property
    def is_on_last_rung(self) -> bool:
        """Whether no further rung is left to escalate to."""
        return self.rung + 1 >= len(self.policy.ladder)

    @property
    def last_sent_at(self) -> datetime:
        """When it was last sent to the ground: at its dispatch, or as a rework."""
        again = (e.at for e in reversed(self.entries) if e.what in RESTARTING_EVENTS)
        return next(again, self.dispatched_at)

    def answer_due_at(self, limit: timedelta) -> datetime:
        """When `limit`, counted from its last sending to the ground, runs out."""
        first, last = self.dispatched_at, self.last_sent_at
        if last == first:
            return first + limit
        return self.policy.after(last, self.policy.between(first, first + limit))

    @property
    def due_at(self) -> datetime:
        """When the next limit of its policy runs out (`due` in messages and the API)."""
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
        """Green, yellow or red for its next limit, in counted time; unchanged while suspended."""
        at = self.suspension.since if self.suspension else now
        if at > self.due_at:
            return DueLight.RED
        start = self.dispatched_at if self._answer_limit is None else self.last_sent_at
        whole = self.policy.between(start, self.due_at)
        used = self.policy.between(start, at)
        return DueLight.YELLOW if used >= whole * YELLOW_FROM else DueLight.GREEN


def _with_effect(before: Case, moved: Case, effect: CaseEffect, now: datetime) -> Case:
    changed = _with_escalation(moved, effect.escalation, now)
    changed = _with_recheck(before, changed, effect.recheck, now)
    if effect.suspension is SuspensionEffect.BEGIN:
        changed = _suspended(changed, now)
    elif effect.suspension is SuspensionEffect.END:
        changed = _resumed(changed, now)
    if _is_announced_again(before, moved, effect.announce):
        changed = replace(changed, revision=changed.revision + 1)
    if effect.clears_request:
        changed = replace(changed, request=None)
    if effect.clears_hold:
        changed = replace(changed, hold=None)
    return changed if changed.is_open else _without_pending_work(changed)


def _with_escalation(case: Case, effect: EscalationEffect, now: datetime) -> Case:
    starts = effect is EscalationEffect.START or (
        effect is EscalationEffect.START_IF_UNANNOUNCED and case.is_unannounced
    )
    stops = (
        effect is EscalationEffect.STOP
        or (effect is EscalationEffect.STOP_ON_LAST_RUNG and case.is_on_last_rung)
        or (effect is EscalationEffect.STOP_IF_UNANNOUNCED and case.is_unannounced)
    )
    if not (starts or stops):
        return case
    silence = case.policy.silence_on(case.rung) if starts else None
    if case.suspension:  # what starts now starts when the suspension ends
        left_s = None if silence is None else silence.total_seconds()
        return replace(case, suspension=replace(case.suspension, ladder_left_s=left_s))
    due = None if silence is None else case.policy.after(now, silence)
    return replace(case, ladder_due_at=due)


def _with_recheck(before: Case, changed: Case, effect: RecheckEffect, now: datetime) -> Case:
    if effect in (RecheckEffect.DONE, RecheckEffect.RETRY):
        count = changed.recheck_count + 1
        wait = recheck_wait(count) if effect is RecheckEffect.RETRY else None
        counted = replace(changed, recheck_due_at=None, recheck_count=count)
        if changed.suspension:  # what is planned now is due when the suspension ends
            suspension = replace(changed.suspension, recheck_planned=wait is not None)
            return replace(counted, suspension=suspension)
        return counted if wait is None else replace(counted, recheck_due_at=now + wait)
    # A second "handled" neither hurries nor undoes the recheck that is planned; a case reported on
    # the ground is verified by a person.
    is_planned = before.state is CaseState.FED_BACK and before.recheck_due_at is not None
    if effect is RecheckEffect.DUE and changed.camera is not None and not is_planned:
        return replace(changed, recheck_due_at=now, recheck_count=0)
    return changed


def _suspended(case: Case, now: datetime) -> Case:
    if case.suspension is not None:
        return case
    due = case.ladder_due_at
    suspension = Suspension(
        since=now,
        ladder_left_s=None if due is None else case.policy.between(now, due).total_seconds(),
        recheck_planned=case.recheck_due_at is not None,
    )
    return replace(case, suspension=suspension, ladder_due_at=None, recheck_due_at=None)


def _resumed(case: Case, now: datetime) -> Case:
    suspension = case.suspension
    if suspension is None:
        return case
    left_s = suspension.ladder_left_s
    return replace(
        case,
        suspension=None,
        ladder_due_at=None if left_s is None else case.policy.after(now, timedelta(seconds=left_s)),
        recheck_due_at=now if suspension.recheck_planned else None,
    )


def _is_announced_again(before: Case, moved: Case, effect: AnnounceEffect) -> bool:
    if effect is AnnounceEffect.ON_MOVE:
        return moved.state is not before.state
    if effect is AnnounceEffect.UNLESS_HELD:
        return moved.hold is None
    if effect is AnnounceEffect.IF_HELD_REPEAT and (hold := before.hold) is not None:
        return not hold.first and before.revision == hold.revision
    return effect is AnnounceEffect.ALWAYS


def _without_pending_work(case: Case) -> Case:
    done = replace(case, ladder_due_at=None, recheck_due_at=None, request=None, hold=None)
    return replace(done, suspension=None)
