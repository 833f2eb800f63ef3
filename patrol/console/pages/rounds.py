"""Rounds (巡查): the list, the wall of one round, one camera of it."""

from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from patrol.console.asking import AtDesk, ForRound, ForStart
from patrol.console.desk import Desk
from patrol.console.gate import Caller
from patrol.console.pages.common import (
    NotFound,
    camera_name,
    category_words,
    grid_name,
    kind_words,
    outcome_words,
    plan_words,
    said,
    shown_outcome,
)
from patrol.console.pages.plan_card import round_state_words
from patrol.domain.ids import CameraId, RoundId
from patrol.domain.round import ADHOC, Visit

PER_PAGE: Final = 30
MOST_ROUNDS: Final = 400

router = APIRouter()


@router.get("/rounds")
def rounds(desk: AtDesk, caller: ForRound, page: int = 1) -> Response:
    """All rounds, newest first."""
    lines, pages = _list(desk, caller, max(1, page))
    return desk.shell.page(
        "rounds.html", caller, rounds=lines, page=max(1, page), pages=pages,
        plans=[(name, plan_words(name, caller.say)) for name in desk.doors.facts.plans],
    )  # fmt: skip


@router.get("/rounds/{round_id}/camera/{ident}")
def camera(desk: AtDesk, caller: ForRound, round_id: str, ident: str) -> Response:
    """One camera of a round."""
    return desk.shell.page(
        "round_camera.html",
        caller,
        **_camera(desk, caller, RoundId(round_id), CameraId(ident)),
    )


@router.post("/api/rounds/{plan}/start")
def start(desk: AtDesk, caller: ForStart, plan: str) -> Response:
    """One more round, now."""
    if plan not in desk.doors.facts.plans:
        raise NotFound(plan)
    with said():
        desk.doors.start_round(plan, by=caller.account.name)
    return JSONResponse({"started": plan}, 202)


def _list(desk: Desk, caller: Caller, page: int) -> tuple[list[dict[str, Any]], int]:
    with desk.doors.store.begin_read() as uow:
        every = [
            one
            for plan in (*desk.doors.facts.plans, ADHOC)
            for one in uow.rounds.of_plan(plan, limit=MOST_ROUNDS)
        ]
        every.sort(key=lambda one: (one.planned_at, one.id), reverse=True)
        shown = every[(page - 1) * PER_PAGE : page * PER_PAGE]
        books = {one.id: uow.rounds.books(one.id) for one in shown}
    lines: list[dict[str, Any]] = [
        {
            "id": one.id,
            "plan": plan_words(one.plan, caller.say),
            "day": f"{one.day:%Y-%m-%d}",
            "state": one.state.value,
            "state_words": round_state_words(one.state, caller.say),
            "books": books[one.id],
            "took": caller.say.lasting(one.finished_at - one.started_at)
            if one.finished_at and one.started_at
            else "—",
            "reason": one.reason,
        }
        for one in shown
    ]
    return lines, max(1, -(-len(every) // PER_PAGE))


def _camera(desk: Desk, caller: Caller, round_id: RoundId, camera: CameraId) -> dict[str, Any]:
    registry = desk.doors.registry
    with desk.doors.store.begin_read() as uow, said():
        a_round = uow.rounds.get(round_id)
        visit = next((v for v in uow.rounds.visits(round_id) if v.camera == camera), None)
        findings = [f for f in uow.findings.of_round(round_id) if f.camera == camera]
        history = uow.rounds.latest_visits(camera, limit=12)
        health = uow.health.get(camera)
    if visit is None:
        raise NotFound(f"{camera} in {round_id}")
    known = registry.cameras.get(camera)
    context = f"round:{round_id}"
    waiting = next((finding for finding in findings if finding.is_open), None)
    outcome = shown_outcome(visit, waiting)
    return {
        "round": a_round,
        "plan": plan_words(a_round.plan, caller.say),
        "camera": camera,
        "name": camera_name(registry, camera),
        "place": known.place if known else "",
        "grid": grid_name(registry, known.grid) if known else "",
        "visit": visit,
        "shown": outcome,
        "outcome": outcome_words(outcome, caller.say),
        "fault_words": [kind_words(k, caller.say) for k in (*visit.faults, visit.failure) if k],
        "pictures": [(caller.picture(p.sha256, "full", context), p) for p in visit.pictures],
        "reference": caller.picture(f"reference.{visit.light or 'day'}.{camera}", "full", context),
        "findings": [(f, category_words(f.category, caller.say)) for f in findings],
        "history": [_past(past, caller) for past in history if past.round != round_id],
        "health": health,
    }  # fmt: skip


def _past(visit: Visit, caller: Caller) -> tuple[str, str, str, datetime]:
    fault = visit.failure or next(iter(visit.faults), "")
    return (
        visit.outcome.value,
        outcome_words(visit.outcome, caller.say),
        kind_words(fault, caller.say) if fault else "",
        visit.finished_at,
    )
