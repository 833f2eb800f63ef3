"""API routes of what people decide: moves and decisions of cases, approvals, verifications.

What the console's buttons do (pages/case_actions.py) and the verbs of the command line. Who may ask
and who may grant have scopes of their own, and nobody grants what the same key asked for.
"""

from datetime import timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Depends

from patrol.app import Application
from patrol.app.town_service import TownService
from patrol.cases.person_moves import PERSON_MOVES, PersonMove
from patrol.cases.supervision import pending_approvals
from patrol.domain.account import ApiKey
from patrol.domain.approval import ApprovalImpossible
from patrol.domain.broadcast import BroadcastEvent
from patrol.domain.hand_off import HandOffEvent
from patrol.domain.ids import CaseId
from patrol.reports.documents import (
    JsonObject,
    broadcast_document,
    case_document,
    hand_off_document,
)
from patrol.reports.waiting_documents import approval_document, verification_document
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
    return _changed(app, case_id, form.move, form.note, key, grid=form.grid, hours=form.hours)


@router.post("/cases/{case_id}/decisions", response_model=documents.Case)
def decide_case(app: App, case_id: str, form: CaseDecision, key: Settle) -> JsonObject:
    """A supervisor's decision: grant, refuse, resume, close, reopen.

    409: the case is in no state for it, or this key asked for it itself.
    """
    return _changed(app, case_id, form.decision, form.note, key)


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


def _changed(
    app: Application, case_id: str, move: str, note: str, key: ApiKey, *, grid: str = "",
    hours: float = 0.0,
) -> JsonObject:  # fmt: skip
    """Run the move in one transaction; the document of the case after it."""
    by, now = decided_by(key), app.clock.now()
    with translate_errors(f"case {case_id}"), app.store.begin() as uow:
        wanted = PersonMove(
            uow=uow, case=CaseId(case_id), by=by, now=now, note=note.strip(), grid=grid,
            payloads=app.payloads, registry=app.registry, more_time=timedelta(hours=hours),
        )  # fmt: skip
        _check(move, wanted)
        changed = PERSON_MOVES[move](wanted)
        uow.commit()
    app.wake_relays()
    return masked(app, case_document(changed))


def _check(move: str, wanted: PersonMove) -> None:
    """Raises ApprovalImpossible: no request of the same key waits. ValueError: an unknown grid."""
    if move == "withdraw":
        request = wanted.uow.cases.get(wanted.case).request
        if request is None or request.by != wanted.by:
            raise ApprovalImpossible(f"case {wanted.case}: no request of this key waits")
    if move == "reassign" and wanted.grid not in wanted.registry.tree.grids:
        raise ValueError(f"grid {wanted.grid!r}: not in grids.csv, give one of its 15-digit codes")
