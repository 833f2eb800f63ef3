"""API routes of what people decide: moves and decisions of cases, approvals, verifications.

What the console's buttons do (pages/case_actions.py) and the verbs of the command line. Who may ask
and who may grant have scopes of their own, and nobody grants what the same key asked for.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Depends

from patrol.app import Application
from patrol.app.town_service import TownService
from patrol.cases import actions
from patrol.cases.supervision import pending_approvals
from patrol.domain.account import ApiKey
from patrol.domain.approval import ApprovalImpossible
from patrol.domain.broadcast import BroadcastEvent
from patrol.domain.case import Case, CaseEvent
from patrol.domain.case_timers import ApprovalKind, ApprovalRequest
from patrol.domain.hand_off import HandOffEvent
from patrol.domain.ids import CaseId, GridCode
from patrol.reports.documents import (
    JsonObject,
    broadcast_document,
    case_document,
    hand_off_document,
)
from patrol.reports.waiting_documents import approval_document, verification_document
from patrol.store import UnitOfWork
from patrol.web.api import documents, town_documents
from patrol.web.api.routes import (
    BEARER,
    App,
    DocumentRoute,
    Limit,
    RequireScope,
    decided_by,
    masked,
)
from patrol.web.api.town_documents import CaseDecision, CaseMove
from patrol.web.errors import translate_errors

router = APIRouter(dependencies=[Depends(BEARER)], route_class=DocumentRoute)
Move = Annotated[ApiKey, Depends(RequireScope("cases:move"))]
Settle = Annotated[ApiKey, Depends(RequireScope("cases:settle"))]
READ: Final = [Depends(RequireScope("cases:read"))]
# An action on the case with this id: its transaction, application, author and moment.
CaseAction = Callable[[UnitOfWork, CaseId, Application, str, datetime], Case]
ASKED_FOR: Final[Mapping[str, ApprovalKind]] = {
    "extend": ApprovalKind.EXTENSION,
    "suspend": ApprovalKind.SUSPENSION,
    "void": ApprovalKind.VOID,
}


@router.get("/approvals", response_model=list[town_documents.PendingApprovalDocument],
            dependencies=READ)  # fmt: skip
def approvals(app: App) -> list[JsonObject]:
    """What waits for approval: requests of cases, then broadcasts, the oldest first."""
    now = app.clock.now()
    with app.store.begin_read() as uow:
        return [masked(app, approval_document(one, now)) for one in pending_approvals(uow)]


@router.get("/verifications", response_model=list[town_documents.VerificationDocument],
            dependencies=READ)  # fmt: skip
def verifications(app: App) -> list[JsonObject]:
    """Handled cases that wait for a person's verification, the most pressing first."""
    return [masked(app, verification_document(one)) for one in app.to_verify()]


@router.post("/cases/{case_id}/moves", response_model=documents.Case)
def move_case(app: App, case_id: str, form: CaseMove, key: Move) -> JsonObject:
    """An operator's move: phone, reassign, verify, ask for time, a suspension, voiding; withdraw.

    409: the case is in no state for it. 422: the reason, the grid or the hours are missing.
    """
    return _changed(app, case_id, _move(form), key)


@router.post("/cases/{case_id}/decisions", response_model=documents.Case)
def decide_case(app: App, case_id: str, form: CaseDecision, key: Settle) -> JsonObject:
    """A supervisor's decision: grant, refuse, resume, close, reopen.

    409: the case is in no state for it, or this key asked for it itself.
    """
    return _changed(app, case_id, _decision(form), key)


@router.post("/overdue/send", response_model=town_documents.SentLists)
def send_overdue(app: App, key: Move) -> JsonObject:
    """Send every cadre the own overdue list now; how many messages."""
    return {"sent": TownService(app).send_overdue(by=decided_by(key))}


@router.post("/hand-offs/{ident}/answer", response_model=town_documents.HandOffDocument)
def answer_hand_off(
    app: App, ident: str, form: town_documents.AnswerHandOff, key: Move
) -> JsonObject:
    """Enter a department's receipt, or its answer. 409: it was answered before."""
    with translate_errors(f"hand-off {ident}"):
        answered = TownService(app).answer(
            ident, HandOffEvent(form.event), by=decided_by(key), text=form.text
        )
    return masked(app, hand_off_document(answered))


@router.get("/broadcasts", response_model=list[town_documents.BroadcastDocument],
            dependencies=READ)  # fmt: skip
def broadcasts(app: App, *, asked: bool = False, limit: Limit = 100) -> list[JsonObject]:
    """Broadcasts, the newest first; `asked`: those that wait for approval."""
    with app.store.begin_read() as uow:
        found = uow.broadcasts.list(asked_only=asked, limit=limit)
    return [masked(app, broadcast_document(one)) for one in found]


@router.post("/broadcasts/{ident}/decision", response_model=town_documents.BroadcastDocument)
def decide_broadcast(
    app: App, ident: str, form: town_documents.DecideBroadcast, key: Settle
) -> JsonObject:
    """Approve or refuse a broadcast. 409: decided before, asked for by this key, or at night."""
    with translate_errors(f"broadcast {ident}"):
        decided = TownService(app).decide_broadcast(
            ident, BroadcastEvent(form.decision), by=decided_by(key), text=form.text
        )
    return masked(app, broadcast_document(decided))


def _changed(app: Application, case_id: str, action: CaseAction, key: ApiKey) -> JsonObject:
    """Run the action in one transaction; the document of the case after it."""
    now = app.clock.now()
    with translate_errors(f"case {case_id}"), app.store.begin() as uow:
        changed = action(uow, CaseId(case_id), app, decided_by(key), now)
        uow.commit()
    app.wake_relays()
    return masked(app, case_document(changed))


def _move(form: CaseMove) -> CaseAction:
    def run(uow: UnitOfWork, case: CaseId, app: Application, by: str, now: datetime) -> Case:
        payloads, note = app.payloads, form.note.strip()
        if form.move in ASKED_FOR:
            span_s = timedelta(hours=form.hours if form.move == "extend" else 0).total_seconds()
            kind = ASKED_FOR[form.move]
            request = ApprovalRequest(kind=kind, by=by, at=now, why=note, span_s=span_s)
            return actions.request_approval(uow, case, request, payloads=payloads)
        if form.move == "reassign":
            return actions.reassign_case(
                uow, case, _grid(app, form.grid), by=by, now=now, note=note, payloads=payloads,
                registry=app.registry,
            )  # fmt: skip
        if form.move == "phone":
            return actions.record_phone_call(
                uow, case, by=by, now=now, note=note, payloads=payloads
            )
        if form.move == "withdraw":
            return _withdraw(uow, case, app, by, now)
        return actions.apply_person_decision(
            uow, case, gone=form.move == "gone", by=by, now=now, note=note, payloads=payloads
        )

    return run


def _withdraw(uow: UnitOfWork, case: CaseId, app: Application, by: str, now: datetime) -> Case:
    """The case without the request that the same key made. Raises ApprovalImpossible."""
    request = uow.cases.get(case).request
    if request is None or request.by != by:
        raise ApprovalImpossible(f"case {case}: no request of this key waits")
    return actions.reject(uow, case, by=by, now=now, payloads=app.payloads, note="")


def _decision(form: CaseDecision) -> CaseAction:
    def run(uow: UnitOfWork, case: CaseId, app: Application, by: str, now: datetime) -> Case:
        payloads, note = app.payloads, form.note.strip()
        match form.decision:
            case "grant":
                return actions.approve(uow, case, by=by, now=now, payloads=payloads, note=note)
            case "refuse":
                return actions.reject(uow, case, by=by, now=now, payloads=payloads, note=note)
            case "resume":
                return actions.resume_case(uow, case, by=by, now=now, payloads=payloads, note=note)
            case "reopen":
                return actions.reopen_case(uow, case, by=by, now=now, payloads=payloads, note=note)
            case _:
                return actions.end_case(
                    uow, case, CaseEvent.CLOSE, by=by, now=now, payloads=payloads, note=note
                )

    return run


def _grid(app: Application, code: str) -> GridCode:
    """The code of a known grid. Raises ValueError."""
    if code not in app.registry.tree.grids:
        raise ValueError(f"grid {code!r}: not in grids.csv, give one of its 15-digit codes")
    return GridCode(code)
