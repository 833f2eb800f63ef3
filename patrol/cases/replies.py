"""Replies: which case events a reply from the ground amounts to. Pure: case and reply in, case out.

A reply that implies an earlier step carries it: progress on a case that nobody acknowledged is an
acknowledgement, too. What an event entails (timers, announcement) is in `CASE_EFFECTS`; a call for
help, or a place that cannot be reached, notifies the next rung at once. reply_handler.py saves it.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from patrol.domain.approval import DEFAULT_EXTENSION, resume_case
from patrol.domain.case import ApprovalKind, ApprovalRequest, Case, CaseEvent, CaseState
from patrol.domain.escalation import escalate_now
from patrol.domain.outbox import DeliveryEvent
from patrol.messaging.reply_parser import FeedbackResult, Reply, ReplyType

REPLY_EVENTS: Final[Mapping[ReplyType | FeedbackResult, tuple[CaseEvent, ...]]] = {
    ReplyType.RECEIVED: (CaseEvent.RECEIVED,),
    ReplyType.OPENED: (CaseEvent.OPENED,),
    ReplyType.ACKNOWLEDGE: (CaseEvent.ACKNOWLEDGE,),
    ReplyType.ARRIVE: (CaseEvent.ARRIVE,),
    ReplyType.EXTEND: (CaseEvent.EXTEND,),
    FeedbackResult.HANDLED: (CaseEvent.HANDLE, CaseEvent.FEED_BACK),
    FeedbackResult.FALSE_ALARM: (CaseEvent.RETURN,),
    FeedbackResult.NOT_MY_GRID: (CaseEvent.RETURN,),
    FeedbackResult.NEED_HELP: (CaseEvent.NEED_HELP,),
    FeedbackResult.CANNOT_REACH: (CaseEvent.CANNOT_REACH,),
    FeedbackResult.IN_PROGRESS: (CaseEvent.PROGRESS,),
}
RETURN_REASONS: Final = (FeedbackResult.FALSE_ALARM, FeedbackResult.NOT_MY_GRID)
ENDS_SUSPENSION: Final = (FeedbackResult.HANDLED, *RETURN_REASONS)  # no reason to wait is left
IMPLIES_ACKNOWLEDGEMENT: Final = (ReplyType.EXTEND, FeedbackResult.IN_PROGRESS)
CALLS_NEXT_RUNG: Final = (FeedbackResult.NEED_HELP, FeedbackResult.CANNOT_REACH)
UNACKNOWLEDGED: Final = (CaseState.DISPATCHED, CaseState.REWORK)


def apply_reply(case: Case, reply: Reply, *, by: str, now: datetime) -> Case:
    """The case after this reply. Raises IllegalCaseTransition."""
    key: ReplyType | FeedbackResult = reply.result or reply.type
    if case.suspension is not None and key in ENDS_SUSPENSION:
        case = resume_case(case, by=by, now=now, note=key.value)
    if key in IMPLIES_ACKNOWLEDGEMENT and case.state in UNACKNOWLEDGED:
        case = case.apply_event(CaseEvent.ACKNOWLEDGE, at=now, by=by)
    *implied, last = REPLY_EVENTS[key]
    for event in implied:
        case = case.apply_event(event, at=now, by=by)
    case = case.apply_event(last, at=now, by=by, note=_entry_note(reply))
    if key in CALLS_NEXT_RUNG:
        return escalate_now(case, now, by=by, note=last.value)
    return _with_extension_request(case, reply, by, now) if key is ReplyType.EXTEND else case


def delivery_event_of(reply: Reply) -> DeliveryEvent:
    """What a reply proves about the delivery of the message that it answers."""
    return {
        ReplyType.RECEIVED: DeliveryEvent.DEVICE_HAS_IT,
        ReplyType.OPENED: DeliveryEvent.PERSON_OPENED,
    }.get(reply.type, DeliveryEvent.PERSON_ANSWERED)


def _with_extension_request(case: Case, reply: Reply, by: str, now: datetime) -> Case:
    """The request put before the shift supervisor, unless another one waits there."""
    if case.request is not None:
        return case
    office = case.policy.office
    span: timedelta = office.day_length if office else DEFAULT_EXTENSION
    request = ApprovalRequest(
        kind=ApprovalKind.EXTENSION,
        by=by,
        at=now,
        why=_text_of(reply) or "asked for on the ground",
        span_s=span.total_seconds(),
    )
    return replace(case, request=request)


def _entry_note(reply: Reply) -> str:
    reason = f"{reply.result.value}: " if reply.result in RETURN_REASONS else ""
    return f"{reason}{_text_of(reply)}".rstrip(": ") if reason else _text_of(reply)


def _text_of(reply: Reply) -> str:
    return "; ".join(part for part in (reply.text, reply.clock_note) if part)
