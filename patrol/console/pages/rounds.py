"""Rounds (巡查): the list, the wall of one round, one camera of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import HTMLResponse, JSONResponse, Response

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
    village_of,
)
from patrol.console.pages.today import forecast_of, round_state_words
from patrol.console.words import Words
from patrol.domain.finding import Finding, FindingState
from patrol.domain.ids import CameraId, GridCode, RoundId
from patrol.domain.registry import Registry
from patrol.domain.round import Round, Visit, VisitOutcome
from patrol.report import words

PER_PAGE: Final = 30
MOST_ROUNDS: Final = 400
REFUSED: Final = {str(kind): pair for kind, pair in words.REFUSALS.items()}
RANK: Final = {
    VisitOutcome.PROBLEM: 1,
    VisitOutcome.NOT_VIEWABLE: 2,
    VisitOutcome.MISSED: 3,
    VisitOutcome.NORMAL: 4,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One camera on the wall."""

    camera: CameraId
    name: str
    grid: str
    village: str  # code
    outcome: str
    word: str  # what is wrong, in one word
    at: str
    picture: str  # address of the thumbnail, or ""
    fault: str
    finding: str  # "", candidate, unsure, confirmed, dismissed, merged
    rank: tuple[int, str, float, str]


router = APIRouter()


@router.get("/rounds")
def rounds(desk: AtDesk, caller: ForRound, page: int = 1) -> Response:
    """All rounds, newest first."""
    lines, pages = _list(desk, caller, max(1, page))
    return desk.shell.page(
        "rounds.html", caller, rounds=lines, page=max(1, page), pages=pages,
        plans=[(name, plan_words(name, caller.say)) for name in desk.doors.facts.plans],
    )  # fmt: skip


@router.get("/rounds/{round_id}")
def wall(desk: AtDesk, caller: ForRound, round_id: str) -> Response:
    """Every camera of a round."""
    return desk.shell.page("wall.html", caller, **_wall(desk, caller, RoundId(round_id)))


@router.get("/rounds/{round_id}/part")
def part(desk: AtDesk, caller: ForRound, round_id: str) -> Response:
    """The wall as it moves."""
    html = desk.shell.fragment("wall_part.html", caller, **_wall(desk, caller, RoundId(round_id)))
    return HTMLResponse(html, headers={"Cache-Control": "no-store"})


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
            for plan in desk.doors.facts.plans
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


def _wall(desk: Desk, caller: Caller, round_id: RoundId) -> dict[str, Any]:
    registry = desk.doors.registry
    with desk.doors.store.begin_read() as uow, said():
        a_round = uow.rounds.get(round_id)
        visits = uow.rounds.visits(round_id)
        findings = uow.findings.of_round(round_id)
        books = uow.rounds.books(round_id)
    by_camera = _worst_findings(findings)
    tiles = [
        _tile(visit, by_camera.get(visit.camera), a_round, caller, registry) for visit in visits
    ]
    tiles.sort(key=lambda tile: tile.rank)
    forecast = forecast_of(a_round, books, caller.now)
    return {
        "round": a_round,
        "plan": plan_words(a_round.plan, caller.say),
        "state_words": round_state_words(a_round.state, caller.say),
        "books": books,
        "forecast": forecast,
        "tiles": tiles,
        "villages": _choices((tile.village, grid_name(registry, GridCode(tile.village)))
                             for tile in tiles if tile.village),
        "outcomes": _choices(
            (v.outcome.value, outcome_words(v.outcome, caller.say)) for v in visits
        ),
        "faults": _choices((t.fault, kind_words(t.fault, caller.say)) for t in tiles if t.fault),
        "refused": [(caller.say.pair(REFUSED.get(kind, (kind, kind))), count)
                    for kind, count in a_round.refused.items()],
    }  # fmt: skip


def _choices(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str, int]]:
    """(value, words, how many), in the order of the values."""
    counted: dict[tuple[str, str], int] = {}
    for pair in pairs:
        counted[pair] = counted.get(pair, 0) + 1
    return [(value, text, count) for (value, text), count in sorted(counted.items())]


def _worst_findings(findings: Sequence[Finding]) -> dict[CameraId, Finding]:
    worst: dict[CameraId, Finding] = {}
    for finding in findings:
        known = worst.get(finding.camera)
        if known is None or (finding.level, -finding.score) < (known.level, -known.score):
            worst[finding.camera] = finding
    return worst


def _tile(
    visit: Visit, finding: Finding | None, a_round: Round, caller: Caller, registry: Registry
) -> Tile:
    camera = registry.cameras.get(visit.camera)
    newest = max(visit.pictures, key=lambda picture: picture.taken_at, default=None)
    fault = visit.failure or next(iter(visit.faults), "")
    return Tile(
        camera=visit.camera,
        name=camera_name(registry, visit.camera),
        grid=grid_name(registry, camera.grid) if camera else "",
        village=village_of(registry, camera.grid) if camera else "",
        outcome=visit.outcome.value,
        word=_word(visit, finding, fault, caller.say),
        at=caller.say.time(visit.finished_at),
        picture=caller.picture(newest.sha256, "thumb", f"round:{a_round.id}") if newest else "",
        fault=fault,
        finding=finding.state.value if finding else "",
        rank=_rank(visit, finding),
    )


def _word(visit: Visit, finding: Finding | None, fault: str, say: Words) -> str:
    if finding is not None and finding.state is not FindingState.DISMISSED:
        return category_words(finding.category, say)
    if fault:
        return kind_words(fault, say)
    return outcome_words(visit.outcome, say)


def _rank(visit: Visit, finding: Finding | None) -> tuple[int, str, float, str]:
    """Findings that wait first, by level and score; then problems, unviewable, missed, normal."""
    if finding is not None and finding.is_open:
        return 0, finding.level.value, -finding.score, visit.camera
    return RANK[visit.outcome], "", 0.0, visit.camera


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
    return {
        "round": a_round,
        "plan": plan_words(a_round.plan, caller.say),
        "camera": camera,
        "name": camera_name(registry, camera),
        "place": known.place if known else "",
        "grid": grid_name(registry, known.grid) if known else "",
        "visit": visit,
        "outcome": outcome_words(visit.outcome, caller.say),
        "fault_words": [kind_words(k, caller.say) for k in (*visit.faults, visit.failure) if k],
        "pictures": [(caller.picture(p.sha256, "full", context), p) for p in visit.pictures],
        "reference": caller.picture(f"reference.{visit.light or 'day'}.{camera}", "full", context),
        "findings": [(f, category_words(f.category, caller.say)) for f in findings],
        "history": [_past(past, caller) for past in history],
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
