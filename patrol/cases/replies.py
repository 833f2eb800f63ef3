"""Answers: what each word from the ground does to a case. Pure: case and reply in, case out.

A word that implies an earlier one carries it: whoever says "handled" has been there. Every answer
that shows somebody at work stops the ladder; a call for help, or a place that cannot be reached,
tells the next rung at once.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from patrol.domain.approval import DEFAULT_EXTENSION, resume_case
from patrol.domain.case import ApprovalKind, ApprovalRequest, Case, CaseEvent, CaseState
from patrol.domain.escalation import escalate_now, stop_escalation
from patrol.domain.outbox import DeliveryEvent
from patrol.messaging.reply_parser import FeedbackResult, Reply, ReplyType

RETURN_REASONS: Final = {
    FeedbackResult.FALSE_ALARM: "false_alarm",
    FeedbackResult.NOT_MY_GRID: "not_my_grid",
}
ENDS_SUSPENSION: Final = (
    FeedbackResult.HANDLED,
    *RETURN_REASONS,
)  # the work is done: no reason to wait
UNACKNOWLEDGED: Final = (CaseState.DISPATCHED, CaseState.REWORK)


def apply_reply(case: Case, reply: Reply, *, by: str, now: datetime) -> Case:
    """The case after this reply. Raises IllegalMove when its table has no such move."""
    key: ReplyType | FeedbackResult = reply.result or reply.type
    if case.suspension is not None and key in ENDS_SUSPENSION:
        resumed = resume_case(case, by=by, now=now, note=key.value)
        case = replace(resumed, revision=case.revision + 1)
    return _EFFECTS[key](case, reply, by, now)


def delivery_event_of(reply: Reply) -> DeliveryEvent:
    """What a reply says about the delivery of the message that it answers."""
    return {
        ReplyType.RECEIVED: DeliveryEvent.DEVICE_HAS_IT,
        ReplyType.OPENED: DeliveryEvent.PERSON_OPENED,
    }.get(reply.type, DeliveryEvent.PERSON_ANSWERED)


def _receipt_effect(event: CaseEvent) -> "ReplyEffect":
    def noted(case: Case, reply: Reply, by: str, now: datetime) -> Case:
        return case.apply_event(event, at=now, by=by, note=_note(reply))

    return noted


def _acknowledge(case: Case, reply: Reply, by: str, now: datetime) -> Case:
    return stop_escalation(
        case.apply_event(CaseEvent.ACKNOWLEDGE, at=now, by=by, note=_note(reply))
    )


def _arrive(case: Case, reply: Reply, by: str, now: datetime) -> Case:
    return stop_escalation(case.apply_event(CaseEvent.ARRIVE, at=now, by=by, note=_note(reply)))


def _handle(case: Case, reply: Reply, by: str, now: datetime) -> Case:
    handled = case.apply_event(CaseEvent.HANDLE, at=now, by=by)
    fed_back = handled.apply_event(CaseEvent.FEED_BACK, at=now, by=by, note=_note(reply))
    return stop_escalation(_with_recheck_due(case, fed_back, now))


def _with_recheck_due(before: Case, after: Case, now: datetime) -> Case:
    """Looked at again through the same camera; a case from the ground is verified by a person."""
    planned = before.state is CaseState.FED_BACK and before.recheck_due_at is not None
    if planned or after.camera is None:
        return after  # a second "handled" neither hurries nor undoes the look that is planned
    return replace(after, recheck_due_at=now, recheck_count=0)


def _return(case: Case, reply: Reply, by: str, now: datetime) -> Case:
    why = RETURN_REASONS[reply.result] + ": " if reply.result else ""
    note = f"{why}{_note(reply)}".rstrip(": ")
    return stop_escalation(case.apply_event(CaseEvent.RETURN, at=now, by=by, note=note))


def _call_next_effect(event: CaseEvent) -> "ReplyEffect":
    def called(case: Case, reply: Reply, by: str, now: datetime) -> Case:
        noted = case.apply_event(event, at=now, by=by, note=_note(reply))
        return escalate_now(noted, now, by=by, note=event.value)

    return called


def _progress_effect(event: CaseEvent) -> "ReplyEffect":
    def noted(case: Case, reply: Reply, by: str, now: datetime) -> Case:
        if case.state in UNACKNOWLEDGED:  # whoever is at work has the case in hand
            case = case.apply_event(CaseEvent.ACKNOWLEDGE, at=now, by=by)
        return stop_escalation(case.apply_event(event, at=now, by=by, note=_note(reply)))

    return noted


def _ask_extension(case: Case, reply: Reply, by: str, now: datetime) -> Case:
    """Noted, and put before the duty lead unless another wish waits there."""
    noted = _progress_effect(CaseEvent.EXTEND)(case, reply, by, now)
    if case.request is not None:
        return noted
    office = case.policy.office
    span: timedelta = office.day_length if office else DEFAULT_EXTENSION
    request = ApprovalRequest(
        kind=ApprovalKind.EXTENSION,
        by=by,
        at=now,
        why=_note(reply) or "asked for on the ground",
        span_s=span.total_seconds(),
    )
    return replace(noted, request=request)


def _note(reply: Reply) -> str:
    return "; ".join(part for part in (reply.text, reply.clock_note) if part)


ReplyEffect = Callable[[Case, Reply, str, datetime], Case]
_EFFECTS: Final[Mapping[ReplyType | FeedbackResult, ReplyEffect]] = {
    ReplyType.RECEIVED: _receipt_effect(CaseEvent.RECEIVED),
    ReplyType.OPENED: _receipt_effect(CaseEvent.OPENED),
    ReplyType.ACKNOWLEDGE: _acknowledge,
    ReplyType.ARRIVE: _arrive,
    ReplyType.EXTEND: _ask_extension,
    FeedbackResult.HANDLED: _handle,
    FeedbackResult.FALSE_ALARM: _return,
    FeedbackResult.NOT_MY_GRID: _return,
    FeedbackResult.NEED_HELP: _call_next_effect(CaseEvent.NEED_HELP),
    FeedbackResult.CANNOT_REACH: _call_next_effect(CaseEvent.CANNOT_REACH),
    FeedbackResult.IN_PROGRESS: _progress_effect(CaseEvent.PROGRESS),
}
