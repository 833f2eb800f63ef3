"""Answers: what each word from the ground does to a case. Pure: case and reply in, case out.

A word that implies an earlier one carries it: whoever says "handled" has been there. Every answer
that shows somebody at work stops the ladder; a call for help, or a place that cannot be reached,
tells the next rung at once.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from patrol.dispatch.replies import Reply, ReplyType, Result
from patrol.domain.approval import EXTENSION, resume
from patrol.domain.case import Case, CaseEvent, CaseState, Request, Wish
from patrol.domain.escalation import call_next, stop_ladder
from patrol.domain.message import DeliveryEvent

RETURNED_AS: Final = {Result.FALSE_ALARM: "false_alarm", Result.NOT_MY_GRID: "not_my_grid"}
ENDS_A_PAUSE: Final = (Result.HANDLED, *RETURNED_AS)  # the work is done: no reason to wait
WAITING: Final = (CaseState.DISPATCHED, CaseState.REWORK)


def after_answer(case: Case, reply: Reply, *, by: str, now: datetime) -> Case:
    """The case after this reply. Raises IllegalMove when its table has no such move."""
    said: ReplyType | Result = reply.result or reply.type
    if case.suspension is not None and said in ENDS_A_PAUSE:
        gone_on = resume(case, by=by, now=now, note=said.value)
        case = replace(gone_on, revision=case.revision + 1)
    return _ANSWERS[said](case, reply, by, now)


def receipt_of(reply: Reply) -> DeliveryEvent:
    """What a reply says about the delivery of the message that it answers."""
    return {
        ReplyType.RECEIVED: DeliveryEvent.DEVICE_HAS_IT,
        ReplyType.OPENED: DeliveryEvent.PERSON_OPENED,
    }.get(reply.type, DeliveryEvent.PERSON_ANSWERED)


def _receipt(event: CaseEvent) -> "Answer":
    def noted(case: Case, reply: Reply, by: str, now: datetime) -> Case:
        return case.move(event, at=now, by=by, note=_note(reply))

    return noted


def _acknowledge(case: Case, reply: Reply, by: str, now: datetime) -> Case:
    return stop_ladder(case.move(CaseEvent.ACKNOWLEDGE, at=now, by=by, note=_note(reply)))


def _arrive(case: Case, reply: Reply, by: str, now: datetime) -> Case:
    return stop_ladder(case.move(CaseEvent.ARRIVE, at=now, by=by, note=_note(reply)))


def _handled(case: Case, reply: Reply, by: str, now: datetime) -> Case:
    handled = case.move(CaseEvent.HANDLE, at=now, by=by)
    fed_back = handled.move(CaseEvent.FEED_BACK, at=now, by=by, note=_note(reply))
    return stop_ladder(_asking_for_a_look(case, fed_back, now))


def _asking_for_a_look(before: Case, after: Case, now: datetime) -> Case:
    """Looked at again through the same camera; a case from the ground is verified by a person."""
    planned = before.state is CaseState.FED_BACK and before.look_due_at is not None
    if planned or after.camera is None:
        return after  # a second "handled" neither hurries nor undoes the look that is planned
    return replace(after, look_due_at=now, looks=0)


def _returned(case: Case, reply: Reply, by: str, now: datetime) -> Case:
    why = RETURNED_AS[reply.result] + ": " if reply.result else ""
    note = f"{why}{_note(reply)}".rstrip(": ")
    return stop_ladder(case.move(CaseEvent.RETURN, at=now, by=by, note=note))


def _needs_the_next(event: CaseEvent) -> "Answer":
    def called(case: Case, reply: Reply, by: str, now: datetime) -> Case:
        noted = case.move(event, at=now, by=by, note=_note(reply))
        return call_next(noted, now, by=by, note=event.value)

    return called


def _at_work(event: CaseEvent) -> "Answer":
    def noted(case: Case, reply: Reply, by: str, now: datetime) -> Case:
        if case.state in WAITING:  # whoever is at work has the case in hand
            case = case.move(CaseEvent.ACKNOWLEDGE, at=now, by=by)
        return stop_ladder(case.move(event, at=now, by=by, note=_note(reply)))

    return noted


def _asks_for_time(case: Case, reply: Reply, by: str, now: datetime) -> Case:
    """Noted, and put before the duty lead unless another wish waits there."""
    noted = _at_work(CaseEvent.EXTEND)(case, reply, by, now)
    if case.request is not None:
        return noted
    office = case.policy.office
    span: timedelta = office.day_length if office else EXTENSION
    wish = Request(
        wish=Wish.EXTENSION,
        by=by,
        at=now,
        why=_note(reply) or "asked for on the ground",
        span_s=span.total_seconds(),
    )
    return replace(noted, request=wish)


def _note(reply: Reply) -> str:
    return "; ".join(part for part in (reply.text, reply.clock) if part)


Answer = Callable[[Case, Reply, str, datetime], Case]
_ANSWERS: Final[Mapping[ReplyType | Result, Answer]] = {
    ReplyType.RECEIVED: _receipt(CaseEvent.RECEIVED),
    ReplyType.OPENED: _receipt(CaseEvent.OPENED),
    ReplyType.ACKNOWLEDGE: _acknowledge,
    ReplyType.ARRIVE: _arrive,
    ReplyType.EXTEND: _asks_for_time,
    Result.HANDLED: _handled,
    Result.FALSE_ALARM: _returned,
    Result.NOT_MY_GRID: _returned,
    Result.NEED_HELP: _needs_the_next(CaseEvent.NEED_HELP),
    Result.CANNOT_REACH: _needs_the_next(CaseEvent.CANNOT_REACH),
    Result.IN_PROGRESS: _at_work(CaseEvent.PROGRESS),
}
