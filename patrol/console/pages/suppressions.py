"""Suppressions (抑制): what dismissals taught, for how long, and whose they are."""

from typing import Any, Final

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from patrol.console.asking import AtDesk, ForSuppressions
from patrol.console.gate import Caller
from patrol.console.pages.common import (
    CannotBe,
    camera_name,
    grid_name,
    kind_words,
    paged,
    person_name,
    said,
)
from patrol.console.pages.review import REASONS
from patrol.domain.finding import DismissReason
from patrol.domain.registry import Registry
from patrol.domain.suppression import Suppression
from patrol.review.suppressed import extend, held

PER_PAGE: Final = 50
MOST: Final = 5000
router = APIRouter()


class Longer(BaseModel):
    """By how many days."""

    days: int = Field(ge=1, le=90)


@router.get("/suppressions")
def suppressions(desk: AtDesk, caller: ForSuppressions, page: int = 1, which: str = "") -> Response:
    """Those that stand, the next to end first; or all, newest first."""
    registry = desk.doors.registry
    with desk.doors.store.begin_read() as uow:
        standing = sorted(uow.suppressions.standing(caller.now), key=lambda one: one.until)
        found = uow.suppressions.list(limit=MOST) if which == "all" else standing
        shown, pager = paged(found, page, PER_PAGE)
        counted = {one.number: held(uow, one) for one in shown}
        names = {account.name: account.shown_as for account in uow.accounts.all()}
    lines = [_line(one, counted[one.number], caller, registry, names) for one in shown]
    return desk.shell.page(
        "suppressions.html", caller, lines=lines, which=which, standing=len(standing),
        **pager,
    )  # fmt: skip


@router.post("/api/suppressions/{number}/end")
def end(desk: AtDesk, caller: ForSuppressions, number: int) -> Response:
    """Proposed again from the next round on."""
    with desk.doors.store.begin() as uow:
        if not uow.suppressions.revoke(number, by=caller.account.name, now=caller.now):
            raise CannotBe(caller.say("已经结束", "it is over already"))
        uow.commit()
    return JSONResponse({"ended": number})


@router.post("/api/suppressions/{number}/extend")
def longer(desk: AtDesk, caller: ForSuppressions, number: int, asked: Longer) -> Response:
    """More time, under one's own name."""
    with said(), desk.doors.store.begin() as uow:
        made = extend(uow, number, by=caller.account.name, now=caller.now, days=asked.days)
        uow.commit()
    return JSONResponse({"number": made.number, "until": made.until.isoformat()}, 201)


def _line(
    one: Suppression, count: int, caller: Caller, registry: Registry, names: dict[str, str]
) -> dict[str, Any]:
    say = caller.say
    camera = registry.cameras.get(one.camera)
    reasons = {str(DismissReason(key)): say.pair(pair) for key, pair in REASONS.items()}
    stands = one.revoked_at is None and caller.now < one.until
    return {
        "number": one.number,
        "camera": camera_name(registry, one.camera),
        "grid": grid_name(registry, camera.grid) if camera else "",
        "kind": kind_words(one.kind, say),
        "area": say("画面一处", "one place") if one.box else say("全画面", "whole picture"),
        "reason": reasons.get(one.reason, one.reason),
        "owner": person_name(registry, one.owner, names),
        "since": say.moment(one.created_at),
        "until": say.moment(one.until),
        "left": say.left(one.until, caller.now) if stands else "",
        "stands": stands,
        "ended": f"{say.moment(one.revoked_at)} {person_name(registry, one.revoked_by, names)}"
        if one.revoked_at
        else "",
        "held": count,
    }
