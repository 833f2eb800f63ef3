"""The wall (巡查画面墙): every camera of a round, worst first, one word each."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import HTMLResponse, Response

from patrol.console.asking import AtDesk, ForRound
from patrol.console.desk import Desk
from patrol.console.gate import Caller
from patrol.console.pages.common import (
    camera_name,
    category_words,
    grid_name,
    kind_words,
    outcome_words,
    plan_words,
    said,
    shown_outcome,
    village_of,
)
from patrol.console.pages.plan_card import forecast_of, round_state_words
from patrol.console.sheets import RANK, Place, laid_out, newest_picture, places
from patrol.console.words import Words
from patrol.domain.finding import Finding, FindingState
from patrol.domain.ids import CameraId, GridCode, RoundId, Sha256
from patrol.domain.registry import Registry
from patrol.domain.round import Visit, VisitOutcome
from patrol.report import words

REFUSED: Final = {str(kind): pair for kind, pair in words.REFUSALS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One camera on the wall."""

    camera: CameraId
    name: str
    grid: str
    village: str  # code
    outcome: VisitOutcome  # as it is shown
    word: str  # what is wrong, in one word
    picture: str  # address of the sheet, else of the thumbnail, or ""
    place: Place | None  # on the sheet
    fault: str
    finding: str  # "", candidate, unsure, confirmed, dismissed, merged
    rank: tuple[int, str, float, str]


router = APIRouter()


@router.get("/rounds/{round_id}")
def wall(desk: AtDesk, caller: ForRound, round_id: str) -> Response:
    """Every camera of a round."""
    return desk.shell.page("wall.html", caller, **_wall(desk, caller, RoundId(round_id)))


@router.get("/rounds/{round_id}/part")
def part(desk: AtDesk, caller: ForRound, round_id: str) -> Response:
    """The wall as it moves."""
    html = desk.shell.fragment("wall_part.html", caller, **_wall(desk, caller, RoundId(round_id)))
    return HTMLResponse(html, headers={"Cache-Control": "no-store"})


def _wall(desk: Desk, caller: Caller, round_id: RoundId) -> dict[str, Any]:
    registry = desk.doors.registry
    with desk.doors.store.begin_read() as uow, said():
        a_round = uow.rounds.get(round_id)
        visits = uow.rounds.visits(round_id)
        findings = uow.findings.of_round(round_id)
        books = uow.rounds.books(round_id)
    by_camera = _worst_findings(findings)
    sheets = laid_out(visits, running=a_round.is_open)
    desk.sheets.remember(sheets)
    shots = _Shots.of(caller, round_id, places(sheets))
    tiles = [
        _tile(visit, by_camera.get(visit.camera), shots, caller.say, registry) for visit in visits
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
        "outcomes": _choices((t.outcome, outcome_words(t.outcome, caller.say)) for t in tiles),
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shots:
    """Where a tile's picture is fetched: a sheet's address is signed once for all its tiles."""

    caller: Caller
    context: str
    on_sheets: Mapping[Sha256, Place]
    signed: Mapping[str, str]

    @classmethod
    def of(cls, caller: Caller, round_id: RoundId, on_sheets: Mapping[Sha256, Place]) -> "_Shots":
        context = f"round:{round_id}"
        names = {place.sheet for place in on_sheets.values()}
        signed = {name: caller.picture(name, "sheet", context) for name in names}
        return cls(caller=caller, context=context, on_sheets=on_sheets, signed=signed)

    def at(self, picture: Sha256 | None) -> tuple[str, Place | None]:
        place = self.on_sheets.get(picture) if picture else None
        if place is not None:
            return self.signed[place.sheet], place
        return (self.caller.picture(picture, "thumb", self.context) if picture else ""), None


def _tile(
    visit: Visit, finding: Finding | None, shots: _Shots, say: Words, registry: Registry
) -> Tile:
    camera = registry.cameras.get(visit.camera)
    fault = visit.failure or next(iter(visit.faults), "")
    picture, place = shots.at(newest_picture(visit))
    return Tile(
        camera=visit.camera,
        name=camera_name(registry, visit.camera),
        grid=grid_name(registry, camera.grid) if camera else "",
        village=village_of(registry, camera.grid) if camera else "",
        outcome=shown_outcome(visit, finding),
        word=_word(visit, finding, fault, say),
        picture=picture,
        place=place,
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
