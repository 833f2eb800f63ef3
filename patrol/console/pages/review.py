"""Review (研判): one finding at a time, large; the next ones already in hand.

A hand is a few findings claimed for one login: what is on the screen and what is loaded behind it.
Nobody else gets them until they are decided, passed, or the claims run out. Whoever was unsure of
a finding does not get it again: another pair of eyes must look.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from patrol.console.asking import AtDesk, ForReview
from patrol.console.desk import Desk
from patrol.console.gate import Caller
from patrol.console.pages.common import (
    camera_name,
    category_words,
    grid_name,
    level_words,
    said,
    state_words,
)
from patrol.console.words import Words
from patrol.domain import category as categories
from patrol.domain.account import Claim, Duty
from patrol.domain.case import Case
from patrol.domain.finding import DismissReason, Finding, FindingState, KnownPositive
from patrol.domain.ids import CameraId, FindingId
from patrol.domain.levels import Level
from patrol.domain.observation import Subject
from patrol.domain.registry import Registry
from patrol.domain.round import StoredPicture
from patrol.domain.routing import route
from patrol.review.queue import ranked
from patrol.store import UnitOfWork

CLAIM: Final = timedelta(seconds=120)  # renewed every 40 s by a page that somebody can see
HAND: Final = 3  # one on the screen, two behind it
MOST_KEPT: Final = 10
REASONS: Final = {
    DismissReason.SHADOW: ("光影变化", "shadow or light"),
    DismissReason.ANIMAL: ("动物", "an animal"),
    DismissReason.KNOWN_OBJECT: ("常停物品", "a known object"),
    DismissReason.WEATHER: ("天气", "weather"),
    DismissReason.CAMERA_FAULT: ("摄像头问题", "a camera fault"),
    DismissReason.DUPLICATE: ("重复", "a duplicate"),
    DismissReason.NOT_A_PROBLEM: ("不算问题", "not a problem"),
    DismissReason.OTHER: ("其他", "other"),
}
router = APIRouter()


class Ask(BaseModel):
    """What the page has, what it passed, and what it wants first."""

    keep: list[str] = Field(default_factory=list, max_length=MOST_KEPT)
    passed: list[str] = Field(default_factory=list, max_length=500)
    first: str = ""
    subject: Literal["", "scene", "equipment"] = ""


class Decide(BaseModel):
    """One decision."""

    id: str
    decision: Literal["confirm", "dismiss", "unsure"]
    category: str | None = None
    level: Level | None = None
    reason: str = Field(default="", max_length=500)
    note: str = Field(default="", max_length=500)
    phoned: str = Field(default="", max_length=200)


class Give(BaseModel):
    """What the page gives back."""

    ids: list[str] = Field(max_length=MOST_KEPT)


@router.get("/review")
def review(desk: AtDesk, caller: ForReview, finding: str = "", subject: str = "") -> Response:
    """The page; it asks for its hand itself."""
    return desk.shell.page(
        "review.html", caller, first=finding, subject=subject,
        reasons=[(str(key), caller.say.pair(pair)) for key, pair in REASONS.items()],
    )  # fmt: skip


@router.post("/api/review/hand")
def hand(desk: AtDesk, caller: ForReview, ask: Ask) -> Response:
    """Renew what the page keeps, claim what it lacks."""
    cameras = desk.doors.registry.cameras
    with desk.doors.store.begin_read() as uow:  # weighing takes a while: in nobody's way
        leads = ranked(uow, uow.findings.queue(), caller.now, cameras=cameras)
    places = {one.finding.id: one.place for one in leads}
    with desk.doors.store.begin() as uow:
        found = uow.findings.queue()
        waiting = sorted(found, key=lambda one: places.get(one.id, len(found)))
        chosen = _claim(uow, _wanted(waiting, ask, caller), caller, len(ask.keep))
        new = [finding for finding in chosen if finding.id not in ask.keep]
        known = [_known(uow, finding) for finding in new]
        uow.commit()
    return JSONResponse(
        {
            "waiting": len(waiting),
            "mine": [finding.id for finding in chosen],
            "new": [_item(desk, caller, *one) for one in zip(new, known, strict=True)],
        }
    )


@router.post("/api/review/decide")
def decide(desk: AtDesk, caller: ForReview, asked: Decide) -> Response:
    """Confirm, dismiss, unsure; whoever was first wins, and the second is told who and when."""
    ident, by = FindingId(asked.id), caller.account.name
    with desk.doors.store.begin_read() as uow:
        claim = uow.claims.standing(caller.now).get(ident)
    if claim is not None and claim.holder != caller.holder:
        words = caller.say(f"正由 {_who(claim)} 研判", f"{_who(claim)} is judging it")
        return JSONResponse({"error": 409, "words": words, "detail": ""}, 409)
    case: Case | None = None
    words = ""
    try:
        with said():
            case = _decided(desk, asked, by)
    except KnownPositive as exc:
        words = str(exc).partition(" / ")[0 if caller.say.language == "zh" else 2]
    with desk.doors.store.begin() as uow:
        uow.claims.drop(ident)
        uow.commit()
    said_of = {"case": case.id if case else None, "count": case.count if case else 0}
    return JSONResponse({**said_of, "words": words})


def _decided(desk: Desk, asked: Decide, by: str) -> Case | None:
    """Raises KeyError, ValueError, AlreadyDecided, KnownPositive."""
    if asked.decision == "confirm":
        return desk.doors.confirm(
            asked.id, by=by, category=asked.category, level=asked.level, note=asked.note,
            phoned=asked.phoned,
        )  # fmt: skip
    if asked.decision == "dismiss":
        desk.doors.dismiss(asked.id, by=by, reason=asked.reason)
    else:
        desk.doors.unsure(asked.id, by=by, reason=asked.note)
    return None


@router.post("/api/review/release")
def release(desk: AtDesk, caller: ForReview, give: Give) -> Response:
    """The page was closed, or passed on: others may have them."""
    with desk.doors.store.begin() as uow:
        mine = uow.claims.standing(caller.now)
        for ident in map(FindingId, give.ids):
            if ident in mine and mine[ident].holder == caller.holder:
                uow.claims.drop(ident)
        uow.commit()
    return Response(status_code=204)


def _who(claim: Claim) -> str:
    return claim.holder.partition("/")[0]


def _wanted(waiting: Sequence[Finding], ask: Ask, caller: Caller) -> list[Finding]:
    """In the order of the queue: kept ones first, passed ones last; own doubts not at all."""
    keep, passed = set(ask.keep), set(ask.passed)
    lead = caller.account.duty is Duty.DUTY_LEAD

    def fits(finding: Finding) -> bool:
        if ask.subject and finding.subject is not Subject(ask.subject):
            return finding.id in keep
        doubted = finding.state is FindingState.UNSURE
        return lead or not doubted or finding.decided_by != caller.account.name

    fitting = [finding for finding in waiting if fits(finding)]
    return sorted(fitting, key=lambda f: (f.id not in keep, f.id != ask.first, f.id in passed))


def _claim(uow: UnitOfWork, wanted: Sequence[Finding], caller: Caller, kept: int) -> list[Finding]:
    standing = uow.claims.standing(caller.now)
    chosen: list[Finding] = []
    for finding in wanted:
        held = standing.get(finding.id)
        if held is not None and held.holder != caller.holder:
            continue
        claim = Claim(finding=finding.id, holder=caller.holder, until=caller.now + CLAIM)
        if uow.claims.take(claim, caller.now):
            chosen.append(finding)
        if len(chosen) >= max(HAND, min(kept, MOST_KEPT)):
            break
    return chosen


Known = tuple[StoredPicture | None, Case | None, str]


def _known(uow: UnitOfWork, finding: Finding) -> Known:
    picture = uow.pictures.get(finding.picture) if finding.picture else None
    return picture, uow.cases.open_like(finding.camera, finding.category), _light(uow, finding)


def _light(uow: UnitOfWork, finding: Finding) -> str:
    """What the camera saw by when it was found."""
    visits = uow.rounds.latest_visits(finding.camera, limit=4)
    same = (visit.light for visit in visits if visit.round == finding.round and visit.light)
    return next(same, "day")


def _item(desk: Desk, caller: Caller, finding: Finding, known: Known) -> dict[str, Any]:
    picture, running, light = known
    registry, say = desk.doors.registry, caller.say
    context = f"finding:{finding.id}"
    camera = registry.cameras.get(finding.camera)
    html = desk.shell.fragment(
        "review_item.html",
        caller,
        finding=finding,
        what=category_words(finding.category, say),
        level=level_words(finding.level, say),
        levels=[(one.value, level_words(one, say)) for one in Level],
        categories=_categories(finding, say),
        camera=camera_name(registry, finding.camera),
        place=camera.place if camera else "",
        grid=grid_name(registry, finding.grid),
        found=say.ago(finding.found_at, caller.now),
        exactly=say.exactly(finding.found_at),
        second=finding.state is FindingState.UNSURE,
        call=_first_to_call(finding, registry),
        running=(running.id, state_words(running.state, say)) if running else None,
        picture=caller.picture(picture.sha256, "full", context) if picture else "",
        reference=_reference(caller, finding.camera, light, context),
    )
    return {
        "id": finding.id,
        "html": html,
        "urgent": finding.level in (Level.URGENT, Level.PRESSING),
        "what": category_words(finding.category, say),
    }


def _first_to_call(finding: Finding, registry: Registry) -> tuple[str, str] | None:
    """(name, telephone) of whoever hears of it first."""
    if finding.grid not in registry.tree.grids:
        return None
    stops = route(registry, finding.grid, finding.subject).stops
    return (stops[0].person.name, stops[0].person.phone) if stops else None


def _reference(caller: Caller, camera: CameraId, light: str, context: str) -> str:
    return caller.picture(f"reference.{light}.{camera}", "full", context)


def _categories(finding: Finding, say: Words) -> list[tuple[str, str]]:
    known = {one.id: f"{one.code} {say(one.zh, one.en)}" for one in categories.ALL}
    known.setdefault(finding.category, category_words(finding.category, say))
    return list(known.items())
