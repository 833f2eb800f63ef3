"""What people at the centre do with one case, by name: the console's buttons and the API run it.

Who may do it, when it is offered and which reason is asked for is the caller's to know; the actions
themselves (actions.py) refuse what the case is in no state for.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from patrol.cases import actions
from patrol.domain.case import Case, CaseEvent
from patrol.domain.case_timers import ApprovalKind, ApprovalRequest
from patrol.domain.ids import CaseId, GridCode
from patrol.domain.registry import Registry
from patrol.messaging.payloads import PayloadBuilder
from patrol.store import UnitOfWork


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonMove:
    """One move under way: its transaction and case, by whom and when, and what was asked for."""

    uow: UnitOfWork
    case: CaseId
    by: str
    now: datetime
    note: str  # the reason
    payloads: PayloadBuilder
    registry: Registry
    grid: str = ""  # to which a case is reassigned
    more_time: timedelta = timedelta()  # that an extension asks for

    @property
    def signature(self) -> dict[str, Any]:
        """The keyword arguments that every action takes."""
        return {"by": self.by, "now": self.now, "note": self.note, "payloads": self.payloads}


RunMove = Callable[[PersonMove], Case]


def _verify(*, gone: bool) -> RunMove:
    return lambda move: actions.apply_person_decision(
        move.uow, move.case, gone=gone, **move.signature
    )


def _request_approval(kind: ApprovalKind) -> RunMove:
    def run(move: PersonMove) -> Case:
        span = move.more_time if kind is ApprovalKind.EXTENSION else timedelta()
        request = ApprovalRequest(
            kind=kind, by=move.by, at=move.now, why=move.note, span_s=span.total_seconds()
        )
        return actions.request_approval(move.uow, move.case, request, payloads=move.payloads)

    return run


def _reassign(move: PersonMove) -> Case:
    return actions.reassign_case(
        move.uow, move.case, GridCode(move.grid), registry=move.registry, **move.signature
    )


def _reject(move: PersonMove) -> Case:
    return actions.reject(move.uow, move.case, **move.signature)


PERSON_MOVES: Final[Mapping[str, RunMove]] = {
    "gone": _verify(gone=True),
    "still_there": _verify(gone=False),
    "extend": _request_approval(ApprovalKind.EXTENSION),
    "suspend": _request_approval(ApprovalKind.SUSPENSION),
    "void": _request_approval(ApprovalKind.VOID),
    "withdraw": _reject,
    "refuse": _reject,
    "grant": lambda move: actions.approve(move.uow, move.case, **move.signature),
    "resume": lambda move: actions.resume_case(move.uow, move.case, **move.signature),
    "phone": lambda move: actions.record_phone_call(move.uow, move.case, **move.signature),
    "reassign": _reassign,
    "close": lambda move: actions.end_case(move.uow, move.case, CaseEvent.CLOSE, **move.signature),
    "reopen": lambda move: actions.reopen_case(move.uow, move.case, **move.signature),
}
