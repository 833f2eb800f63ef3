"""Rounds (巡查): the list, the wall of a round (巡查画面墙), and one camera of a round.

The wall shows every camera of a round, the worst first, each as a tile with one label; pictures of
tiles come as contact sheets (thumbnails.py).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from patrol.domain import labels
from patrol.domain.finding import Finding, FindingState
from patrol.domain.ids import CameraId, GridCode, PictureId, RoundId
from patrol.domain.registry import GridLevel, Registry
from patrol.domain.round import ADHOC, Round, Visit, VisitOutcome
from patrol.files import ProcessBusy
from patrol.rounds.planner import NothingToVisit, RoundsPaused
from patrol.store import UnitOfWork
from patrol.web.auth import CurrentUser
from patrol.web.context import ContextDep, MayStartRounds, MayViewRounds, WebContext
from patrol.web.errors import ResourceNotFound, error_document, translate_errors
from patrol.web.i18n import (
    Translator,
    camera_name,
    category_label,
    grid_name,
    kind_label,
    outcome_label,
    plan_label,
    round_reason,
    shown_outcome,
    stored_texts,
    village_of,
)
from patrol.web.pages.first_steps import hours_text
from patrol.web.pages.round_duty import duty_content, paused_text
from patrol.web.pages.today import forecast_of, round_state_label
from patrol.web.thumbnails import (
    OUTCOME_RANK,
    TilePosition,
    newest_picture,
    sheet_layout,
    tile_positions,
)

ROUNDS_PER_PAGE: Final = 30
MAX_ROUNDS_LISTED: Final = 400
REFUSAL_LABELS: Final = {str(kind): pair for kind, pair in labels.REFUSALS.items()}
router = APIRouter()


@dataclass(frozen=True, slots=True, kw_only=True)
class WallTile:
    """One camera on the wall."""

    camera: CameraId
    name: str
    grid: str
    village: str  # code
    outcome: VisitOutcome  # as it is shown
    label: str  # what is wrong, or the outcome
    picture: str  # address of the sheet, else of the thumbnail, or ""
    position: TilePosition | None  # on the sheet
    fault: str
    finding: str  # "", candidate, unsure, confirmed, dismissed, merged
    rank: tuple[int, str, float, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _ThumbUrls:
    """The addresses of tile pictures; a sheet's address is signed once for all its tiles."""

    user: CurrentUser
    viewed_for: str
    on_sheets: Mapping[PictureId, TilePosition]
    signed: Mapping[str, str]

    @classmethod
    def sign(
        cls, user: CurrentUser, round_id: RoundId, on_sheets: Mapping[PictureId, TilePosition]
    ) -> "_ThumbUrls":
        viewed_for = f"round:{round_id}"
        names = {position.sheet for position in on_sheets.values()}
        signed = {name: user.picture_url(name, "sheet", viewed_for) for name in names}
        return cls(user=user, viewed_for=viewed_for, on_sheets=on_sheets, signed=signed)

    def url_and_position(self, picture: PictureId | None) -> tuple[str, TilePosition | None]:
        position = self.on_sheets.get(picture) if picture else None
        if position is not None:
            return self.signed[position.sheet], position
        return (self.user.picture_url(picture, "thumb", self.viewed_for) if picture else ""), None


@router.get("/rounds")
def rounds_page(context: ContextDep, user: MayViewRounds, page: int = 1) -> Response:
    """All rounds, newest first."""
    lines, pages = _round_rows(context, user, max(1, page))
    return context.renderer.render_page(
        "rounds.html", user, rounds=lines, page=max(1, page), pages=pages,
        plans=[(name, plan_label(name, user.t)) for name in context.plans],
        villages=_villages(context.app.registry),
        hours=hours_text(context.plans.values(), user.t),
    )  # fmt: skip


def _villages(registry: Registry) -> list[tuple[str, str]]:
    """(code, name) of the villages, for an ad-hoc round."""
    grids = registry.tree.grids.values()
    return sorted((g.code, g.name) for g in grids if g.level is GridLevel.VILLAGE)


@router.get("/rounds/{round_id}/camera/{ident}")
def round_camera_page(
    context: ContextDep, user: MayViewRounds, round_id: str, ident: str
) -> Response:
    """The page of one camera's visit in a round."""
    return context.renderer.render_page(
        "round_camera.html",
        user,
        **_round_camera_content(context, user, RoundId(round_id), CameraId(ident)),
    )


@router.post("/api/rounds/{plan}/start")
def start_round(context: ContextDep, user: MayStartRounds, plan: str) -> Response:
    """Begin a round of a plan now; what keeps it from beginning is the answer's 409."""
    if plan not in context.plans:
        raise ResourceNotFound(plan)
    try:
        with translate_errors():
            begun = context.app.start_round(plan, by=user.account.name)
    except RoundsPaused as exc:
        return error_document(409, paused_text(exc.pause, user.t), detail="")
    except ProcessBusy:
        message = user.t("已有一轮巡查在进行，未另开", "a round is under way: no other was begun")
        return error_document(409, message, detail="")
    except NothingToVisit as exc:
        reasons = [f"{user.t.pair(pair)} {n}" for pair, n in _refusals(exc.refused)]
        message = user.t("没有可以巡查的点位，未开始", "no camera may be visited: not begun")
        return error_document(409, message, detail=user.t("、", ", ").join(reasons))
    return JSONResponse({"started": plan, "round": begun.id}, 202)


def _refusals(refused: Mapping[str, int]) -> list[tuple[tuple[str, str], int]]:
    return [(REFUSAL_LABELS.get(kind, (kind, kind)), count) for kind, count in refused.items()]


def _round_rows(
    context: WebContext, user: CurrentUser, page: int
) -> tuple[list[dict[str, Any]], int]:
    with context.app.store.begin_read() as uow:
        every = [
            one
            for plan in (*context.plans, ADHOC)
            for one in uow.rounds.of_plan(plan, limit=MAX_ROUNDS_LISTED)
        ]
        every.sort(key=lambda one: (one.planned_at, one.id), reverse=True)
        shown = every[(page - 1) * ROUNDS_PER_PAGE : page * ROUNDS_PER_PAGE]
        totals = {one.id: uow.rounds.totals(one.id) for one in shown}
    lines: list[dict[str, Any]] = [
        {
            "id": one.id,
            "plan": plan_label(one.plan, user.t),
            "day": f"{one.day:%Y-%m-%d}",
            "state": one.state.value,
            "state_label": round_state_label(one.state, user.t),
            "totals": totals[one.id],
            "took": user.t.duration(one.finished_at - one.started_at)
            if one.finished_at and one.started_at
            else "—",
            "reason": round_reason(one.reason, user.t),
        }
        for one in shown
    ]
    return lines, max(1, -(-len(every) // ROUNDS_PER_PAGE))


def _round_camera_content(
    context: WebContext, user: CurrentUser, round_id: RoundId, camera: CameraId
) -> dict[str, Any]:
    registry = context.app.registry
    with context.app.store.begin_read() as uow, translate_errors():
        a_round = uow.rounds.get(round_id)
        visit = next((v for v in uow.rounds.visits(round_id) if v.camera == camera), None)
        judged = _findings_by_camera(uow, a_round, user.now)
        findings = [f for f in uow.findings.of_round(round_id) if f.camera == camera]
        history = uow.rounds.latest_visits(camera, limit=12)
        health = uow.health.get(camera)
    if visit is None:
        raise ResourceNotFound(f"{camera} in {round_id}")
    known, read = registry.cameras.get(camera), stored_texts(registry, user.t)
    viewed_for = f"round:{round_id}"
    outcome = shown_outcome(visit, judged.get(camera, ()))
    return {
        "round": a_round,
        "plan": plan_label(a_round.plan, user.t),
        "camera": camera,
        "name": camera_name(registry, camera),
        "place": known.place if known else "",
        "grid": grid_name(registry, known.grid) if known else "",
        "visit": visit,
        "readings": [(kind_label(k, user.t), v) for k, v in (visit.readings or {}).items()],
        "shown": outcome,
        "outcome": outcome_label(outcome, user.t),
        "fault_labels": [kind_label(k, user.t) for k in (*visit.faults, visit.failure) if k],
        "pictures": [(user.picture_url(p.id, "full", viewed_for), p) for p in visit.pictures],
        "reference": user.picture_url(
            f"reference.{visit.light or 'day'}.{camera}", "full", viewed_for
        ),
        "findings": [(f, category_label(f.category, user.t), read(f.why)) for f in findings],
        "history": [_past_visit_row(past, user) for past in history if past.round != round_id],
        "health": health,
        "health_label": user.t.pair(labels.label_of(labels.CAMERA_CONDITIONS, health[0]))
        if health
        else "",
    }


def _past_visit_row(visit: Visit, user: CurrentUser) -> tuple[str, str, str, datetime]:
    fault = visit.failure or next(iter(visit.faults), "")
    return (
        visit.outcome.value,
        outcome_label(visit.outcome, user.t),
        kind_label(fault, user.t) if fault else "",
        visit.finished_at,
    )


@router.get("/rounds/{round_id}")
def wall_page(context: ContextDep, user: MayViewRounds, round_id: str) -> Response:
    """The wall of a round."""
    return context.renderer.render_page(
        "wall.html", user, **_wall_content(context, user, RoundId(round_id))
    )


@router.get("/rounds/{round_id}/part")
def wall_fragment(context: ContextDep, user: MayViewRounds, round_id: str) -> Response:
    """The tiles of the wall, fetched again as the round goes on."""
    return context.renderer.fragment_response(
        "wall_part.html", user, **_wall_content(context, user, RoundId(round_id))
    )


def _wall_content(context: WebContext, user: CurrentUser, round_id: RoundId) -> dict[str, Any]:
    registry = context.app.registry
    with context.app.store.begin_read() as uow, translate_errors():
        a_round = uow.rounds.get(round_id)
        visits = uow.rounds.visits(round_id)
        findings = uow.findings.of_round(round_id)
        judged = _findings_by_camera(uow, a_round, user.now)
        totals = uow.rounds.totals(round_id)
        round_duty = duty_content(uow, round_id, user)
    worst = _worst_findings(findings)
    sheets = sheet_layout(visits, running=a_round.is_open)
    context.contact_sheets.remember_names(sheets)
    thumb_urls = _ThumbUrls.sign(user, round_id, tile_positions(sheets))
    tiles = [
        _wall_tile(
            visit,
            worst.get(visit.camera),
            shown_outcome(visit, judged.get(visit.camera, ())),
            thumb_urls,
            user.t,
            registry,
        )
        for visit in visits
    ]
    tiles.sort(key=lambda tile: tile.rank)
    forecast = forecast_of(a_round, totals, user.now)
    return {
        "round": a_round,
        "plan": plan_label(a_round.plan, user.t),
        "state_label": round_state_label(a_round.state, user.t),
        "reason": round_reason(a_round.reason, user.t),
        "totals": totals,
        "duty": round_duty,
        "forecast": forecast,
        "tiles": tiles,
        "villages": _filter_choices((tile.village, grid_name(registry, GridCode(tile.village)))
                             for tile in tiles if tile.village),
        "outcomes": _filter_choices((t.outcome, outcome_label(t.outcome, user.t)) for t in tiles),
        "faults": _filter_choices((t.fault, kind_label(t.fault, user.t)) for t in tiles if t.fault),
        "refused": [(user.t.pair(pair), count) for pair, count in _refusals(a_round.refused)],
    }  # fmt: skip


def _filter_choices(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str, int]]:
    """(value, label, count), in the order of the values."""
    counted: dict[tuple[str, str], int] = {}
    for pair in pairs:
        counted[pair] = counted.get(pair, 0) + 1
    return [(value, text, count) for (value, text), count in sorted(counted.items())]


def _findings_by_camera(
    uow: UnitOfWork, a_round: Round, now: datetime
) -> dict[CameraId, list[Finding]]:
    """What the round's visits stand for: its own findings; without one, dismissed earlier ones.

    A finding that waited is not entered again by the next round, so that its dismissal is looked
    for among the earlier ones. Earlier ones that were not dismissed change nothing.
    """
    own, earlier = defaultdict(list), defaultdict(list)
    for finding in uow.findings.of_round(a_round.id):
        own[finding.camera].append(finding)
    for finding in uow.findings.counted_in(a_round, now):
        earlier[finding.camera].append(finding)
    for camera, found in earlier.items():
        if camera not in own and all(one.state is FindingState.DISMISSED for one in found):
            own[camera] = found
    return own


def _worst_findings(findings: Sequence[Finding]) -> dict[CameraId, Finding]:
    """The finding that a tile shows: one that waits, else one that is real, dismissed ones last."""
    worst: dict[CameraId, Finding] = {}
    for finding in sorted(findings, key=_finding_rank, reverse=True):
        worst[finding.camera] = finding
    return worst


def _finding_rank(finding: Finding) -> tuple[int, str, float]:
    settled = (FindingState.AGED, FindingState.DISMISSED)
    order = 0 if finding.is_open else 1 if finding.state not in settled else 2
    return order, finding.level.value, -finding.score


def _wall_tile(  # noqa: PLR0917  a tile is what it is made of
    visit: Visit,
    finding: Finding | None,
    outcome: VisitOutcome,
    thumb_urls: _ThumbUrls,
    t: Translator,
    registry: Registry,
) -> WallTile:
    camera = registry.cameras.get(visit.camera)
    fault = visit.failure or next(iter(visit.faults), "")
    picture, position = thumb_urls.url_and_position(newest_picture(visit))
    return WallTile(
        camera=visit.camera,
        name=camera_name(registry, visit.camera),
        grid=grid_name(registry, camera.grid) if camera else "",
        village=village_of(registry, camera.grid) if camera else "",
        outcome=outcome,
        label=_tile_label(finding, outcome, fault, t),
        picture=picture,
        position=position,
        fault=fault,
        finding=finding.state.value if finding else "",
        rank=_tile_rank(visit, finding, outcome),
    )


def _tile_label(finding: Finding | None, outcome: VisitOutcome, fault: str, t: Translator) -> str:
    if finding is not None and finding.state is not FindingState.DISMISSED:
        return category_label(finding.category, t)
    if fault and outcome is not VisitOutcome.NORMAL:
        return kind_label(fault, t)
    return outcome_label(outcome, t)


def _tile_rank(
    visit: Visit, finding: Finding | None, outcome: VisitOutcome
) -> tuple[int, str, float, str]:
    """Open findings first, by level and score; then problems, unviewable, missed, normal."""
    if finding is not None and finding.is_open:
        return 0, finding.level.value, -finding.score, visit.camera
    return OUTCOME_RANK[outcome], "", 0.0, visit.camera
